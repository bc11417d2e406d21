//! The commands that are used, with what they take and give.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Event;

/// A command of QMP; its fields are the arguments.
pub trait Command: Serialize {
    const NAME: &'static str;
    type Answer: DeserializeOwned;
}

/// What commands without a result return.
#[derive(Debug, Deserialize)]
pub struct Nothing {}

macro_rules! command {
    ($(#[$doc:meta])* $type:ident = $name:literal -> $answer:ty) => {
        $(#[$doc])*
        #[derive(Debug, Serialize)]
        pub struct $type {}
        impl Command for $type {
            const NAME: &'static str = $name;
            type Answer = $answer;
        }
    };
}

command!(
    /// Ends the negotiation that the greeting begins.
    Capabilities = "qmp_capabilities" -> Nothing
);
command!(
    /// Whether the guest runs. That it answers at all says that the disks are open.
    QueryStatus = "query-status" -> Status
);
command!(
    /// Presses the power button (ACPI).
    PowerDown = "system_powerdown" -> Nothing
);
command!(
    /// Ends QEMU, disks closed in order; for the guest it is a power cut.
    Quit = "quit" -> Nothing
);
command!(
    /// Halts the processors.
    Stop = "stop" -> Nothing
);
command!(
    /// Lets the processors go on.
    Continue = "cont" -> Nothing
);

command!(
    /// Work that goes on in the background.
    QueryJobs = "query-jobs" -> Vec<Job>
);

command!(
    /// Who looks at the screen.
    QueryVnc = "query-vnc" -> Screen
);

/// A screen, as far as it is looked at here.
#[derive(Debug, Deserialize)]
pub struct Screen {
    /// Connections to it.
    #[serde(default)]
    pub clients: Vec<Value>,
}

macro_rules! command_with {
    ($type:ident = $name:literal -> $answer:ty) => {
        impl Command for $type {
            const NAME: &'static str = $name;
            type Answer = $answer;
        }
    };
}

/// Every image that is open, and every filter over one.
#[derive(Debug, Serialize)]
pub struct QueryNodes {
    pub flat: bool,
}
command_with!(QueryNodes = "query-named-block-nodes" -> Vec<Node>);

/// Opens an image; the options are those of its driver.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct BlockdevAdd(pub Value);
command_with!(BlockdevAdd = "blockdev-add" -> Nothing);

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BlockdevDel {
    pub node_name: String,
}
command_with!(BlockdevDel = "blockdev-del" -> Nothing);

/// All of these at one instant, or none.
#[derive(Debug, Serialize)]
pub struct Transaction {
    pub actions: Vec<Value>,
}
command_with!(Transaction = "transaction" -> Nothing);

/// Writes what `top_node` holds into `base_node` while the guest goes on. `device` is what the guest's device has: that
/// node, or a filter over it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BlockCommit {
    pub job_id: String,
    pub device: String,
    pub top_node: String,
    pub base_node: String,
    pub auto_finalize: bool,
    pub auto_dismiss: bool,
}
command_with!(BlockCommit = "block-commit" -> Nothing);

macro_rules! of_a_job {
    ($($(#[$doc:meta])* $type:ident = $name:literal),*) => {$(
        $(#[$doc])*
        #[derive(Debug, Serialize)]
        pub struct $type {
            pub id: String,
        }
        command_with!($type = $name -> Nothing);
    )*};
}
of_a_job!(
    /// Writes the rest and comes to an end.
    JobComplete = "job-complete",
    /// Puts into effect what a pending job has come to.
    JobFinalize = "job-finalize",
    JobCancel = "job-cancel",
    /// Takes a concluded job off the list.
    JobDismiss = "job-dismiss"
);

/// `BlockDeviceInfo`, as far as it is of use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Node {
    #[serde(rename = "node-name", default)]
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Job {
    pub id: String,
    pub status: JobStatus,
    /// Bytes, for work on blocks.
    pub current_progress: u64,
    pub total_progress: u64,
    /// Why a concluded job has failed.
    #[serde(default)]
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    Running,
    /// Everything is written; it goes on with what comes.
    Ready,
    /// It waits to be put into effect.
    Pending,
    Concluded,
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Status {
    pub running: bool,
    pub status: RunState,
}

/// `RunState` of QEMU, as far as it makes a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Running,
    Paused,
    /// Not started yet, as a target of a migration or under `-S`.
    Prelaunch,
    /// The disk of the host is full or failing; the guest waits.
    IoError,
    /// KVM gave up on a virtual processor.
    InternalError,
    GuestPanicked,
    Shutdown,
    #[serde(other)]
    Other,
}

/// Why QEMU ends: the event `SHUTDOWN`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Shutdown {
    /// The guest asked for it.
    pub guest: bool,
    #[serde(default)]
    pub reason: String,
}

impl Shutdown {
    pub fn of(event: &Event) -> Option<Self> {
        if event.name != "SHUTDOWN" {
            return None;
        }
        Some(serde_json::from_value(event.data.clone()).unwrap_or(Self {
            guest: false,
            reason: String::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_state_of_a_newer_qemu_is_other() {
        let status: Status =
            serde_json::from_str(r#"{"running": false, "status": "colo"}"#).expect("readable");
        assert_eq!(status.status, RunState::Other);
    }

    #[test]
    fn a_shutdown_without_details_is_still_one() {
        let event = Event {
            name: "SHUTDOWN".into(),
            data: serde_json::Value::Null,
        };
        assert!(Shutdown::of(&event).is_some_and(|shutdown| !shutdown.guest));
    }
}

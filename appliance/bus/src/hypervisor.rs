//! `no.varde.Hypervisor1`: virtual machines.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::{OwnedFd, Type};

use crate::snapshot::{Deed, Price, Snapshot, Storage};

pub const NAME: &str = "no.varde.Hypervisor1";
pub const PATH: &str = "/no/varde/Hypervisor1";

/// What a virtual machine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum VmState {
    /// In the active generation, never started since the appliance came up.
    Declared,
    /// QEMU starts, or a boot check has yet to pass.
    Starting,
    /// Runs, and its boot checks have passed.
    Running,
    /// Its processors are halted; memory is kept.
    Paused,
    /// An orderly shutdown is under way.
    Stopping,
    /// Off, as somebody asked or as the guest itself did in good order.
    Stopped,
    /// Ended without being asked to; the reason says how.
    Crashed,
    /// Cannot start or did not come up: the reason says why.
    Blocked,
}

/// One virtual machine as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct VmStatus {
    pub name: String,
    pub title: String,
    pub group: String,
    pub zone: String,
    /// Empty where none is declared.
    pub address: String,
    pub state: VmState,
    /// Why it is in this state; empty where the state says it all.
    pub reason: Text,
    /// When it came into this state: milliseconds since 1970, UTC.
    pub since: i64,
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    pub autostart: bool,
    /// Process of QEMU; 0 when off.
    pub pid: u32,
    pub checks: Vec<CheckStatus>,
    pub disks: Vec<DiskStatus>,
}

/// A declared boot check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct CheckStatus {
    /// Such as `agent` or `tcp 5432`.
    pub name: String,
    pub state: CheckState,
    /// What the last attempt said; empty once passed.
    pub detail: Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum CheckState {
    Waiting,
    Passed,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct DiskStatus {
    pub name: String,
    /// Base image; empty where there is none.
    pub image: String,
    /// Bytes that the guest sees.
    pub size: u64,
    /// Bytes that it takes on the data partition; 0 before the first start.
    pub used: u64,
}

/// What a running machine uses, from its control group; all zero when it is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct VmUsage {
    /// Processor time since the start, in microseconds.
    pub cpu: u64,
    /// Bytes.
    pub memory: u64,
    /// Bytes read and written since the start.
    pub read: u64,
    pub written: u64,
}

/// Changes answer once they are under way or refused; the state tells how they end. `why` may be empty except for
/// `force_off`.
#[zbus::proxy(
    interface = "no.varde.Hypervisor1",
    default_service = "no.varde.Hypervisor1",
    default_path = "/no/varde/Hypervisor1"
)]
pub trait Hypervisor {
    fn list(&self) -> zbus::Result<Vec<VmStatus>>;
    fn get(&self, vm: &str) -> zbus::Result<VmStatus>;
    fn usage(&self, vm: &str) -> zbus::Result<VmUsage>;
    fn start(&self, vm: &str, why: &str) -> zbus::Result<()>;
    fn shut_down(&self, vm: &str, why: &str) -> zbus::Result<()>;
    /// Cuts the power; `why` must say something.
    fn force_off(&self, vm: &str, why: &str) -> zbus::Result<()>;
    fn pause(&self, vm: &str, why: &str) -> zbus::Result<()>;
    fn resume(&self, vm: &str, why: &str) -> zbus::Result<()>;
    /// One end of a stream socket joined to the guest's serial port, and what the guest wrote last.
    fn open_console(&self, vm: &str) -> zbus::Result<(OwnedFd, Vec<u8>)>;
    /// What the guest wrote last on its serial port.
    fn scrollback(&self, vm: &str) -> zbus::Result<Vec<u8>>;

    /// Snapshots of all machines, the oldest first.
    fn snapshots(&self) -> zbus::Result<Vec<Snapshot>>;
    /// Takes one of these machines at one instant, and gives its name. To be kept for so many seconds, and to grow to so
    /// many bytes; 0 for the usual.
    fn take_snapshot(&self, vms: &[&str], keep: u64, budget: u64, why: &str) -> zbus::Result<String>;
    fn price(&self, snapshot: &str, deed: Deed) -> zbus::Result<Price>;
    /// Takes its machines back to it; `why` must say something. Answers when it is done.
    fn roll_back_snapshot(&self, snapshot: &str, why: &str) -> zbus::Result<()>;
    /// Merges it, now or in the quiet hours.
    fn merge_snapshot(&self, snapshot: &str, quiet: bool, why: &str) -> zbus::Result<()>;
    /// Ends a merge that is under way, or one that waits for the quiet hours.
    fn cancel_merge(&self, snapshot: &str, why: &str) -> zbus::Result<()>;
    fn storage(&self) -> zbus::Result<Storage>;

    /// A machine came into another state, or one of its checks did.
    #[zbus(signal)]
    fn changed(&self, vm: VmStatus) -> zbus::Result<()>;
    /// A machine is no longer declared.
    #[zbus(signal)]
    fn removed(&self, name: String) -> zbus::Result<()>;
    /// Something is different about the snapshots.
    #[zbus(signal)]
    fn snapshots_changed(&self) -> zbus::Result<()>;
}

//! What the service manager knows of a machine's unit, and what it is asked to do.
//!
//! The daemon knows units only through [`Units`]: systemd on the appliance ([`crate::systemd`]), a table in memory in
//! tests and benches.

use std::pin::Pin;

use varde_bus::Failure;
use varde_site::Text;

/// `ActiveState=` of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activity {
    #[default]
    Inactive,
    Activating,
    Active,
    Deactivating,
    Failed,
}

impl Activity {
    /// As systemd writes it. What is not known here is some way of being on its way up.
    pub fn from_name(name: &str) -> Self {
        match name {
            "inactive" => Self::Inactive,
            "active" | "reloading" | "refreshing" => Self::Active,
            "deactivating" => Self::Deactivating,
            "failed" => Self::Failed,
            _ => Self::Activating,
        }
    }

    /// Nothing of it runs.
    pub fn is_off(self) -> bool {
        matches!(self, Self::Inactive | Self::Failed)
    }
}

/// How the main process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

/// A unit as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitView {
    /// Greater than that of everything told before of this unit; 0 if the order is not known.
    pub number: u64,
    pub activity: Activity,
    /// Number of the present run, or of the last; empty before the first.
    pub invocation: String,
    /// 0 while there is none.
    pub pid: u32,
    /// `Result=`: `success`, `signal`, `exit-code`, `oom-kill`, `timeout`, …
    pub result: String,
    pub exit: Option<Exit>,
    /// When it became active: milliseconds since 1970, UTC; 0 if it never did.
    pub up_since: i64,
    /// When it became inactive; 0 if it never did.
    pub down_since: i64,
}

/// News of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitNews {
    pub vm: String,
    pub view: UnitView,
    /// An order to start that was given up before it came to the unit, and why.
    pub not_started: Option<Text>,
}

pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// The service manager. Orders answer when they are taken, not when they are carried out; news tell the rest.
pub trait Units: Send + Sync + 'static {
    /// Units that are loaded: up, or failed and remembered.
    fn all(&self) -> Answer<'_, Vec<UnitNews>>;
    fn view<'a>(&'a self, vm: &'a str) -> Answer<'a, UnitView>;
    fn start<'a>(&'a self, vm: &'a str) -> Answer<'a, ()>;
    /// By the unit's own shutdown ladder.
    fn stop<'a>(&'a self, vm: &'a str) -> Answer<'a, ()>;
    /// SIGKILL to QEMU.
    fn kill<'a>(&'a self, vm: &'a str) -> Answer<'a, ()>;
    /// Has the errand that is written down for the machine's disks done, and answers when that has ended.
    fn work<'a>(&'a self, vm: &'a str) -> Answer<'a, ()>;
    /// Ends such work.
    fn drop_work<'a>(&'a self, vm: &'a str) -> Answer<'a, ()>;
}

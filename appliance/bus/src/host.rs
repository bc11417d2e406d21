//! `no.varde.Host1`: the appliance itself.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::Type;

pub const NAME: &str = "no.varde.Host1";
pub const PATH: &str = "/no/varde/Host1";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Type)]
pub struct HostStatus {
    pub hostname: String,
    pub machine_id: String,
    /// Version of the running image.
    pub version: String,
    pub kernel: String,
    /// Seconds.
    pub uptime: u64,
    /// Over the last minute.
    pub load: f64,
    pub cpus: u32,
    /// Bytes.
    pub memory_total: u64,
    pub memory_available: u64,
    /// Bytes of the data partition.
    pub data_total: u64,
    pub data_available: u64,
    /// `kvm`, or `tcg` where the processor gives no virtualisation.
    pub accelerator: String,
    /// What is wrong with the appliance itself, worst first.
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Problem {
    pub severity: Severity,
    pub text: Text,
    pub remedy: Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum Severity {
    Notice,
    Warning,
    Critical,
}

/// Which journal lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct LogQuery {
    /// A unit's name, such as `varde-vm@journal.service`; empty for all.
    pub unit: String,
    /// Lines that contain this, without regard to case; empty for all.
    pub text: String,
    /// Least severity by syslog(3): 0 emergency to 7 debug.
    pub priority: u8,
    /// Only this boot.
    pub this_boot: bool,
    /// Continue before (older than) this cursor; empty for the newest.
    pub before: String,
    /// At most so many, and never more than 1000.
    pub count: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct LogLine {
    pub cursor: String,
    /// Milliseconds since 1970, UTC.
    pub when: i64,
    pub unit: String,
    pub priority: u8,
    pub message: String,
}

#[zbus::proxy(
    interface = "no.varde.Host1",
    default_service = "no.varde.Host1",
    default_path = "/no/varde/Host1"
)]
pub trait Host {
    fn status(&self) -> zbus::Result<HostStatus>;
    /// Newest first.
    fn log(&self, query: &LogQuery) -> zbus::Result<Vec<LogLine>>;
    fn reboot(&self, why: &str) -> zbus::Result<()>;
    fn power_off(&self, why: &str) -> zbus::Result<()>;
}

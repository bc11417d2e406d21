//! `no.varde.Audit1`: who did what.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::Type;

pub const NAME: &str = "no.varde.Audit1";
pub const PATH: &str = "/no/varde/Audit1";

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Record {
    /// From 1, without gaps.
    pub sequence: u64,
    /// When: milliseconds since 1970, UTC.
    pub when: i64,
    /// Account name, or the service itself for what it did unasked.
    pub who: String,
    /// Such as `vm.start`.
    pub verb: String,
    /// What it was done to, such as a machine's name.
    pub subject: String,
    pub why: String,
    /// `begun`, `done`, `failed`, `unknown`, or `event` for what nobody asked for.
    pub outcome: String,
    /// More, such as the reason of a failure.
    pub detail: String,
    /// For an outcome: the sequence number of its beginning; else 0.
    pub of: u64,
}

/// What a service asks to have recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Entry {
    pub who: String,
    pub verb: String,
    pub subject: String,
    pub why: String,
    pub outcome: String,
    pub detail: String,
    pub of: u64,
}

/// What a check of the whole chain found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Verdict {
    /// Records that are in order.
    pub records: u64,
    /// What was cut, altered or reordered, in words; empty when the chain is whole.
    pub faults: Vec<Text>,
}

/// Under this verb an account's log-outs are recorded.
pub const LEFT: &str = "session.end";

/// What happened since an account was last here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Absence {
    /// When it left: milliseconds since 1970, UTC; 0 where it was never here, or too long ago to be found.
    pub left: i64,
    /// Newest first, a thousand at most.
    pub records: Vec<Record>,
}

#[zbus::proxy(
    interface = "no.varde.Audit1",
    default_service = "no.varde.Audit1",
    default_path = "/no/varde/Audit1"
)]
pub trait Audit {
    /// Only for services: on disk when it answers; its sequence number.
    fn append(&self, entry: &Entry) -> zbus::Result<u64>;
    /// The newest records, newest first.
    fn tail(&self, count: u32) -> zbus::Result<Vec<Record>>;
    fn verify(&self) -> zbus::Result<Verdict>;
    /// The file of the chain that comes after the one of this name, its name and its bytes as they are on disk; the
    /// first for an empty name, and an empty name after the last.
    fn export(&self, after: &str) -> zbus::Result<(String, Vec<u8>)>;
    /// What was recorded since the caller's account last left.
    fn since(&self) -> zbus::Result<Absence>;
    /// The caller's account leaves now.
    fn leave(&self) -> zbus::Result<()>;

    #[zbus(signal)]
    fn appended(&self, record: Record) -> zbus::Result<()>;
}

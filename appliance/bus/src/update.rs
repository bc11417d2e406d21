//! `no.varde.Update1`: new versions of the appliance, and the way back.
//!
//! Moments are milliseconds since 1970, UTC, and 0 where there is none.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::Type;

pub const NAME: &str = "no.varde.Update1";
pub const PATH: &str = "/no/varde/Update1";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct UpdateStatus {
    /// The version that runs.
    pub version: String,
    /// Whether the site says whose releases are taken.
    pub declared: bool,
    /// Whether a stick with the label is there.
    pub stick: bool,
    /// Where releases can be fetched; empty: only from a stick.
    pub source: String,
    /// The version that was fetched, or is being; else empty.
    pub fetched: String,
    /// When it was whole; 0: it is not.
    pub fetched_when: i64,
    /// Bytes of it, and those that are here.
    pub fetched_size: u64,
    pub fetched_have: u64,
    /// Why the last fetch came to nothing; else empty.
    pub fetch_refusal: Text,
    /// What is being done now; else empty.
    pub doing: Text,
    /// The version that the next restart tries; else empty.
    pub pending: String,
    /// The other version on the disk, which [`Update::take_back`] goes to; empty where there is none.
    pub other: String,
    /// Versions that are not taken again unless somebody says so.
    pub quarantined: Vec<String>,
    /// Why the last attempt to write a version did not succeed; else empty.
    pub refusal: Text,
    /// How updates ended, the newest first.
    pub outcomes: Vec<UpdateOutcome>,
    /// The newest outcome has not been read by anybody.
    pub unread: bool,
}

/// How an update ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct UpdateOutcome {
    pub from: String,
    pub to: String,
    pub when: i64,
    /// It runs, and what was healthy before is so again; else the version before came back by itself.
    pub kept: bool,
    /// Why it was not kept; else empty.
    pub cause: Text,
    /// What the log said when it was given up.
    pub excerpt: Vec<String>,
}

#[zbus::proxy(
    interface = "no.varde.Update1",
    default_service = "no.varde.Update1",
    default_path = "/no/varde/Update1"
)]
pub trait Update {
    fn status(&self) -> zbus::Result<UpdateStatus>;
    /// Fetches the newest release from the site's source; `why` must say something. Answers when it is begun.
    fn fetch(&self, why: &str) -> zbus::Result<()>;
    /// Writes the release that is on the stick, or was `fetched`, beside the version that runs. `even_so` takes an older
    /// one too, and one in quarantine. Answers when it is begun.
    fn install(&self, fetched: bool, even_so: bool, why: &str) -> zbus::Result<()>;
    /// Makes the other version the one that the next restart starts; `why` must say something. Answers when it is begun.
    fn take_back(&self, why: &str) -> zbus::Result<()>;
    /// The newest outcome has been read.
    fn mark_read(&self, why: &str) -> zbus::Result<()>;

    /// Something of `status` is different.
    #[zbus(signal)]
    fn changed(&self) -> zbus::Result<()>;
}

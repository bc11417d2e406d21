//! `no.varde.Site1`: what the site is, and its generations.

use serde::{Deserialize, Serialize};
use varde_site::{Finding, Text};
use zbus::Type;

pub const NAME: &str = "no.varde.Site1";
pub const PATH: &str = "/no/varde/Site1";

/// One numbered version of `site.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Generation {
    /// From 1; later is higher.
    pub number: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub hash: String,
    /// The generation that was active before; 0 for the first.
    pub parent: u64,
    /// When: milliseconds since 1970, UTC.
    pub when: i64,
    /// Account name, or `first-boot`.
    pub who: String,
    pub why: String,
    pub active: bool,
}

/// What clients need to know of the active generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SiteSummary {
    pub generation: u64,
    pub name: String,
    pub title: String,
    pub counties: Vec<String>,
    /// `nb` or `en`.
    pub language: String,
    pub timezone: String,
    /// Kroner an hour for each county.
    pub downtime_cost: u64,
    /// Seconds.
    pub idle_lock: u64,
    /// Where the first generation came from: `credential`, `media` or `demo`; `applied` later.
    pub source: String,
    /// Why the first site that was offered could not be used, so that the demo runs instead; else empty.
    pub problem: Text,
}

/// Texts that leave here have password hashes replaced by `"keep"`; a text that comes in may say `"keep"` for an
/// account that the active generation has.
#[zbus::proxy(
    interface = "no.varde.Site1",
    default_service = "no.varde.Site1",
    default_path = "/no/varde/Site1"
)]
pub trait Site {
    fn summary(&self) -> zbus::Result<SiteSummary>;
    /// What is wrong with this file; empty when nothing is.
    fn check(&self, toml: &str) -> zbus::Result<Vec<Finding>>;
    /// Makes this file the active generation and gives its number. Refused while `check` finds anything.
    fn apply(&self, toml: &str, why: &str) -> zbus::Result<u64>;
    /// The file of a generation; 0 means the active one.
    fn show(&self, generation: u64) -> zbus::Result<String>;
    /// Newest first.
    fn history(&self) -> zbus::Result<Vec<Generation>>;
    /// Unified diff from one generation to another; 0 means the active one.
    fn diff(&self, from: u64, to: u64) -> zbus::Result<String>;
    /// Unified diff from the active generation to this file.
    fn diff_text(&self, toml: &str) -> zbus::Result<String>;
    /// Makes a new generation with the file of an earlier one, and gives its number.
    fn roll_back(&self, generation: u64, why: &str) -> zbus::Result<u64>;

    #[zbus(signal)]
    fn activated(&self, generation: u64) -> zbus::Result<()>;
}

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
    /// Which trial was taken back, and why, until the next generation is made; else empty.
    pub taken_back: Text,
}

/// A generation on trial, and how it looks so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct TrialStatus {
    /// 0: nothing is on trial, and nothing below says anything.
    pub generation: u64,
    /// What counts again if nobody confirms.
    pub before: u64,
    pub who: String,
    pub why: String,
    /// Seconds that the trial takes in all, and that are left of it.
    pub within: u32,
    pub left: u32,
    /// What it changes that could lock operators out.
    pub risks: Vec<Text>,
    /// What was looked at just now.
    pub probes: Vec<Probe>,
}

/// Something that has to work with the generation on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Probe {
    pub what: Text,
    pub state: ProbeState,
    /// What was found.
    pub found: Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum ProbeState {
    Good,
    /// It may still come.
    Waiting,
    Bad,
    /// It could not be looked at.
    Unknown,
}

/// How long a trial takes where nobody says otherwise, and what may be asked for. Seconds.
pub const TRIAL: u32 = 300;
pub const TRIALS: std::ops::RangeInclusive<u32> = 1..=3600;

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
    /// The same on trial: taken back by itself after `within` seconds, or by a restart of the appliance, unless it is
    /// confirmed. Refused while another trial is under way, as `apply` and `roll_back` are too.
    fn apply_on_trial(&self, toml: &str, why: &str, within: u32) -> zbus::Result<u64>;
    /// What this file would change that could lock operators out; such a change is better taken on trial.
    fn risks_of_text(&self, toml: &str) -> zbus::Result<Vec<Text>>;
    /// The same of a generation.
    fn risks(&self, generation: u64) -> zbus::Result<Vec<Text>>;
    /// The trial that is under way.
    fn trial(&self) -> zbus::Result<TrialStatus>;
    /// The generation on trial counts for good. Refused to an account that it does not have, or not as an
    /// administrator.
    fn confirm(&self, generation: u64, why: &str) -> zbus::Result<()>;
    /// Ends the trial at once, and gives the number of the generation that counts again.
    fn take_back(&self, why: &str) -> zbus::Result<u64>;
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
    /// The same on trial, as with `apply_on_trial`.
    fn roll_back_on_trial(&self, generation: u64, why: &str, within: u32) -> zbus::Result<u64>;

    /// A generation counts, on trial or for good; also when the one on trial was confirmed.
    #[zbus(signal)]
    fn activated(&self, generation: u64) -> zbus::Result<()>;
}

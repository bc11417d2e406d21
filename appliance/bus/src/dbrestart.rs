//! `no.varde.DbRestart1`: databases, and their scheduled restarts.
//!
//! Moments are milliseconds since 1970, UTC, and 0 where there is none; durations are milliseconds.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::Type;

pub const NAME: &str = "no.varde.DbRestart1";
pub const PATH: &str = "/no/varde/DbRestart1";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum DatabaseState {
    /// The gate is open, and the next run is planned.
    Ready,
    /// A run is under way; `step` says where it is.
    Running,
    /// Somebody put its restarts on hold.
    Hold,
    /// Something is missing or wrong: the reason says what.
    Blocked,
    /// A restart went wrong and the server does not answer: somebody has to come.
    Down,
}

/// One declared database as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Type)]
pub struct DatabaseStatus {
    pub name: String,
    pub title: String,
    /// `postgresql` or `tcp`.
    pub engine: String,
    /// What a restart cannot do for this engine; empty for PostgreSQL.
    pub limit: Text,
    pub state: DatabaseState,
    pub reason: Text,
    pub since: i64,
    /// Where clients come.
    pub gate: String,
    /// Where the server is, and on which machine or host.
    pub address: String,
    pub server: String,
    /// `process` or `machine`.
    pub what: String,
    /// The step that a run is at, such as `look` or `pause`; empty where none is under way.
    pub step: String,
    /// Whose use stands in the way of the run.
    pub uses: Vec<InUse>,
    /// The next run that the calendar names, even if it is skipped or closed.
    pub next: i64,
    /// What stands in its way; empty where nothing does.
    pub obstacle: Text,
    pub stall_budget: u64,
    /// The stall to expect, and from how many runs that is known; 0 makes it a guess.
    pub expected: u64,
    pub expected_from: u32,
    /// The quietest time of the week for a restart, such as `Sun 03:45`, and how many transactions it would delay
    /// there; empty before a week is known.
    pub quietest: String,
    pub quietest_delays: f64,
    /// Transactions that the run at the usual time is expected to delay; negative where that is not known yet.
    pub next_delays: f64,
}

/// Something in use that a restart would break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct InUse {
    /// Such as `transaction`, `backup`, `session`.
    pub class: String,
    pub title: Text,
    pub whose: String,
    pub since: i64,
    pub doing: String,
}

/// One run of the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Type)]
pub struct RunRecord {
    /// The moment that it was meant for.
    pub planned: i64,
    pub started: i64,
    pub ended: i64,
    /// Who asked for it; empty for the calendar.
    pub who: String,
    pub why: String,
    /// `restarted`, `fell_back`, `not_needed`, `put_off`, `cancelled`, `refused`, `failed`, `down` or `missed`.
    pub outcome: String,
    pub reason: Text,
    /// What stood in the way.
    pub uses: Vec<InUse>,
    /// The stall that was expected, and the longest that came.
    pub expected: u64,
    pub longest: u64,
    /// How long clients were held, and the server's own restart in it; 0 where there was none.
    pub held: u64,
    pub restart: u64,
    pub failed_pauses: u32,
    /// Transactions that waited, and how many were expected to; negative where that was not known.
    pub delayed: u32,
    pub expected_delayed: f64,
    pub failed: u32,
    /// Sessions that a gate which does not know their protocol had to cut.
    pub sessions_cut: u32,
    /// How many waited up to each of `histogram_ends`, and one more for longer.
    pub histogram: Vec<u32>,
    pub histogram_ends: Vec<u64>,
    /// Sessions that were ended.
    pub cut: Vec<InUse>,
    /// Why a restart was due, and what went wrong on the way.
    pub reasons: Vec<Text>,
    pub trouble: Vec<Text>,
    /// What the downtime would have cost without a gate, in øre.
    pub avoided: u64,
}

/// A run to come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Type)]
pub struct PlannedRun {
    pub at: i64,
    /// Why nothing will happen then: a holiday, a blackout, skipped, on hold; empty where it will.
    pub obstacle: Text,
    /// Transactions that it is expected to delay; negative where that is not known yet.
    pub delays: f64,
}

/// The load of a quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Type)]
pub struct QuarterLoad {
    /// Transactions a second; negative where it was never seen.
    pub rate: f64,
    /// The share of looks at which something was in use, 0 to 1.
    pub busy: f64,
}

/// Changes answer once they are under way or refused; the state tells how they end.
#[zbus::proxy(
    interface = "no.varde.DbRestart1",
    default_service = "no.varde.DbRestart1",
    default_path = "/no/varde/DbRestart1"
)]
pub trait DbRestart {
    fn list(&self) -> zbus::Result<Vec<DatabaseStatus>>;
    fn get(&self, database: &str) -> zbus::Result<DatabaseStatus>;
    /// Newest first.
    fn runs(&self, database: &str, count: u32) -> zbus::Result<Vec<RunRecord>>;
    fn planned(&self, database: &str, count: u32) -> zbus::Result<Vec<PlannedRun>>;
    /// The 96 quarters of a weekday, 0 being Monday.
    fn load(&self, database: &str, weekday: u32) -> zbus::Result<Vec<QuarterLoad>>;
    /// SQL that has to be run once in the database.
    fn preparation(&self, database: &str) -> zbus::Result<String>;
    /// At a moment, or at once for 0.
    fn restart(&self, database: &str, at: i64, why: &str) -> zbus::Result<()>;
    fn skip_next(&self, database: &str, why: &str) -> zbus::Result<()>;
    /// On hold nothing is restarted, at whatever time.
    fn hold(&self, database: &str, hold: bool, why: &str) -> zbus::Result<()>;
    /// Ends a run that waits for its moment, or forgets one that was asked for.
    fn cancel(&self, database: &str, why: &str) -> zbus::Result<()>;
    /// The password of the account `varde` in the database.
    fn set_credential(&self, database: &str, password: &str, why: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    fn changed(&self, database: DatabaseStatus) -> zbus::Result<()>;
    /// No longer declared.
    #[zbus(signal)]
    fn removed(&self, name: String) -> zbus::Result<()>;
}

//! All that comes in, and all that goes out.

use serde::{Deserialize, Serialize};
use varde_bus::audit::{Absence, Record, Verdict};
use varde_bus::dbrestart::{DatabaseStatus, PlannedRun, RunRecord};
use varde_bus::host::{HostStatus, LogLine, LogQuery};
use varde_bus::hypervisor::{VmStatus, VmUsage};
use varde_bus::rehearsal::{RecipeInfo, Rehearsal};
use varde_bus::site::{Generation, SiteSummary, TrialStatus};
use varde_bus::snapshot::{Deed, Price, Snapshot, Storage};
use varde_bus::telephony::{
    CallRecord, CallStatus, ExtensionStatus, LineStatus, TelephonyStatus, TrunkStatus,
};
use varde_bus::update::UpdateStatus;
use varde_bus::{Action, Failure, Finding, Text};

use crate::command::Cmd;
pub use crate::page::access::Told as AccessTold;
use crate::secret::Secret;
use crate::terminal::{Characters, Key};

/// Everything that can happen to the console comes as one of these, over one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Key(Key),
    Paste(String),
    /// What a key means; recorded in place of the key.
    Cmd(Cmd),
    Size {
        columns: u16,
        rows: u16,
    },
    /// What the terminal turned out to understand.
    Characters(Characters),
    /// The time that [`crate::wake::next`] named has come.
    Tick,
    /// The clock was set: by so many milliseconds, forward or back.
    ClockMoved(i64),
    /// Keys went to a guest; which ones is nobody's business.
    TypedInGuest,
    Connected,
    /// The bus cannot be reached.
    Lost(Failure),
    /// A service came or went.
    Service {
        service: Service,
        up: bool,
    },
    VmChanged(VmStatus),
    VmRemoved(String),
    SnapshotsChanged,
    RehearsalsChanged,
    /// What of access is new.
    AccessChanged(String),
    UpdateChanged,
    DatabaseChanged(DatabaseStatus),
    DatabaseRemoved(String),
    /// What of telephony is new.
    TelephonyChanged(String),
    Activated(u64),
    Recorded(Record),
    Answered {
        ask: Ask,
        answer: Result<Answer, Failure>,
    },
    Performed {
        action: Action,
        result: Result<Text, Failure>,
    },
    Attached(String),
    Detached {
        vm: String,
        /// `None`: the operator left.
        failure: Option<Failure>,
    },
    Unlocked(Unlock),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    Hypervisor,
    Site,
    Audit,
    Host,
    DbRestart,
    Telephony,
    Access,
}

/// What came of a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlock {
    Right,
    Wrong,
    /// It could not be checked, and why.
    Unchecked(String),
}

/// Something to find out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    Vms,
    Usage(String),
    Snapshots,
    Price {
        snapshot: String,
        deed: Deed,
    },
    Rehearsals,
    Access,
    Update,
    /// The same, for the menu.
    UpdateMenu,
    /// Of a promotion, or of taking it back.
    PromotionPrice {
        rehearsal: String,
        back: bool,
    },
    Host,
    Site,
    History,
    Show(u64),
    Diff {
        from: u64,
        to: u64,
    },
    Check(String),
    DiffText(String),
    Trial,
    Log(LogQuery),
    Records,
    Databases,
    PlannedRuns(String),
    Runs(String),
    Telephony,
    Lines,
    Trunks,
    Extensions,
    Calls,
    CallRecords,
    Verify,
    Since,
    MediaFiles,
    MediaFile(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Vms(Vec<VmStatus>),
    Usage(VmUsage),
    Snapshots(Vec<Snapshot>, Storage),
    Price(Price),
    Rehearsals(Vec<RecipeInfo>, Vec<Rehearsal>),
    PromotionPrice(Text),
    Access(Box<AccessTold>),
    Update(Box<UpdateStatus>),
    Host(HostStatus),
    Site(SiteSummary),
    History(Vec<Generation>),
    Text(String),
    Findings(Vec<Finding>),
    /// A difference, and what of it could lock operators out.
    Difference {
        diff: String,
        risks: Vec<Text>,
    },
    Trial(TrialStatus),
    Log(Vec<LogLine>),
    Records(Vec<Record>),
    Databases(Vec<DatabaseStatus>),
    PlannedRuns(Vec<PlannedRun>),
    Runs(Vec<RunRecord>),
    Telephony(TelephonyStatus),
    Lines(Vec<LineStatus>),
    Trunks(Vec<TrunkStatus>),
    Extensions(Vec<ExtensionStatus>),
    Calls(Vec<CallStatus>),
    CallRecords(Vec<CallRecord>),
    Verdict(Verdict),
    Absence(Absence),
    Names(Vec<String>),
}

/// What the runner is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Ask(Ask),
    Perform(Action),
    /// Join the terminal to a guest's serial port.
    Attach(String),
    /// Leave the guest.
    Detach,
    Unlock(Secret),
    /// Paint everything again, and find out anew what the terminal is.
    Repaint,
    LogOut,
}

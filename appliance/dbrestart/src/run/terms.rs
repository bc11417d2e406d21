//! The terms of a run: what it has to keep to, what it asks for, what it hears, and how it can end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use varde_bus::Text;

use crate::forecast::Forecast;
use crate::usage::{Class, Use};

/// What a run has to keep to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The longest stall that clients may see.
    pub stall_budget: u64,
    /// From the start of the run on, how long it waits for its moment before it is put off.
    pub give_up: u64,
    /// The longest that a pause may wait for running transactions, whatever the budget leaves.
    pub pause_most: u64,
    /// The longest that clients are held when something fails.
    pub held_most: u64,
    pub stop_most: u64,
    pub start_most: u64,
    /// Classes of use that may be cut, after the run has waited so long.
    pub may_cut: BTreeMap<Class, u64>,
    /// Run only where there is a reason to.
    pub only_with_reason: bool,
    pub forecast: Forecast,
    /// Whether the server's configuration is known, so that an earlier one can be put back.
    pub falls_back: bool,
    /// Whether the server's machine can be restarted when the server does not come up.
    pub has_machine: bool,
}

/// What to do next. `within` bounds how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Preflight,
    Checkpoint,
    Look,
    Wait {
        millis: u64,
    },
    /// End these sessions.
    Cut(Vec<Use>),
    /// Hold clients, once no transaction runs.
    Pause {
        within: u64,
    },
    /// Let clients go on: the server was not touched.
    Release {
        within: u64,
    },
    /// In good order, without waiting for sessions.
    Stop {
        within: u64,
    },
    /// At once; the server recovers from its log at the next start.
    Kill {
        within: u64,
    },
    Start {
        within: u64,
    },
    /// Put the last good configuration back.
    FallBack {
        within: u64,
    },
    RestartMachine {
        within: u64,
    },
    /// Put back the configuration with which a run of ours has started the server.
    RollBack {
        within: u64,
    },
    /// Until a login, a read and a write work.
    Probe {
        within: u64,
    },
    /// Let clients go on, the server being up or the bound reached.
    Resume {
        within: u64,
    },
    /// The gate does not obey: a fresh one holds nobody.
    RestartGate {
        within: u64,
    },
    /// That clients get through the gate, and that it holds nobody.
    Verify {
        within: u64,
    },
    Finish(Outcome),
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Done,
    /// Of `Preflight`: why a restart would do good.
    Reasons(Vec<Text>),
    /// Of `Look`.
    InUse(Vec<Use>),
    /// Of `Probe`: the server's own side says that it runs or is about to, so nothing done to it would help.
    OutOfHands(Text),
    /// Of `Stop`: it was not stopped, and still answers. Of `Verify`: the server is the one from before the run.
    NotRestarted(Text),
    /// The bound passed: it may have happened or not.
    Late(Text),
    Failed(Text),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    Restarted {
        /// The new configuration did not start; the last good one runs.
        fell_back: bool,
    },
    /// No reason to restart.
    NotNeeded,
    /// Its moment did not come before the give-up time, or the budget cannot be kept.
    PutOff {
        why: Text,
        uses: Vec<Use>,
    },
    Cancelled,
    /// Not begun: the preflight found why not.
    Refused {
        why: Text,
    },
    /// Not restarted, and the server runs.
    Failed {
        why: Text,
    },
    /// The server is down and everything was tried: somebody has to come.
    Down {
        why: Text,
    },
    /// Never begun, and then it was too late.
    Missed {
        #[serde(default)]
        why: Text,
    },
}

/// The command under way, as the journal has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Preflight,
    Checkpoint,
    Look,
    Wait,
    Cut,
    Pause,
    Release,
    Stop,
    Kill,
    Start,
    FallBack,
    RestartMachine,
    RollBack,
    Probe,
    Resume,
    RestartGate,
    Verify,
    Finished,
}

/// When what happened, and what it took; filled as the run goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Pauses that had to be taken back, and the longest of them.
    pub failed_pauses: u32,
    pub longest_failed_pause: u64,
    /// From the pause on: `None` where clients were not held.
    pub held: Option<u64>,
    /// From the stop of the server until the gate let go.
    pub restart: Option<u64>,
    pub cut: Vec<Use>,
    pub reasons: Vec<Text>,
    /// What went wrong on the way, where the run went on.
    pub trouble: Vec<Text>,
}

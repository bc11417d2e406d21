//! What the service says of a database and its runs, in the terms of the bus.

use varde_bus::Text;
use varde_bus::dbrestart::{InUse, RunRecord};

use crate::ledger::{CLASSES, Entry};
use crate::run::{Outcome, Step};
use crate::usage::Use;

pub fn in_use(uses: &[Use]) -> Vec<InUse> {
    uses.iter()
        .map(|found| InUse {
            class: found.class.name().to_owned(),
            title: found.class.title(),
            whose: found.whose.clone(),
            since: found.since,
            doing: found.doing.clone(),
        })
        .collect()
}

pub fn record(entry: &Entry) -> RunRecord {
    let (outcome, reason, uses) = outcome(&entry.outcome);
    RunRecord {
        planned: entry.cause.planned,
        started: entry.started,
        ended: entry.ended,
        who: entry.cause.who.clone(),
        why: entry.cause.why.clone(),
        outcome: outcome.to_owned(),
        reason,
        uses: in_use(uses),
        expected: entry.forecast.restart,
        longest: entry.notice.longest,
        held: entry.held.unwrap_or(0),
        restart: entry.restart.unwrap_or(0),
        failed_pauses: entry.failed_pauses,
        delayed: entry.notice.delayed,
        expected_delayed: entry.expected_delayed.unwrap_or(-1.0),
        failed: entry.notice.failed,
        sessions_cut: entry.notice.cut,
        histogram: entry.notice.histogram.clone(),
        histogram_ends: CLASSES.to_vec(),
        cut: in_use(&entry.cut),
        reasons: entry.reasons.clone(),
        trouble: entry.trouble.clone(),
        avoided: entry.avoided,
    }
}

/// Its name on the bus, why, and what stood in the way.
pub fn outcome(outcome: &Outcome) -> (&'static str, Text, &[Use]) {
    match outcome {
        Outcome::Restarted { fell_back: false } => ("restarted", Text::default(), &[]),
        Outcome::Restarted { fell_back: true } => (
            "fell_back",
            Text::new(
                "Den nye konfigurasjonen startet ikke; den forrige er satt tilbake",
                "The new configuration did not start; the last good one was put back",
            ),
            &[],
        ),
        Outcome::NotNeeded => (
            "not_needed",
            Text::new("Ingen grunn til omstart", "No reason to restart"),
            &[],
        ),
        Outcome::PutOff { why, uses } => ("put_off", why.clone(), uses),
        Outcome::Cancelled => ("cancelled", Text::new("Avlyst", "Called off"), &[]),
        Outcome::Refused { why } => ("refused", why.clone(), &[]),
        Outcome::Failed { why } => ("failed", why.clone(), &[]),
        Outcome::Down { why } => ("down", why.clone(), &[]),
        Outcome::Missed { why } => ("missed", why.clone(), &[]),
    }
}

/// The name of a step on the bus.
pub fn step(step: Step) -> &'static str {
    match step {
        Step::Preflight => "preflight",
        Step::Checkpoint => "checkpoint",
        Step::Look | Step::Wait => "look",
        Step::Cut => "cut",
        Step::Pause => "pause",
        Step::Release => "release",
        Step::Stop => "stop",
        Step::Kill => "kill",
        Step::Start => "start",
        Step::FallBack => "fall_back",
        Step::RestartMachine => "restart_machine",
        Step::RollBack => "roll_back",
        Step::Probe => "probe",
        Step::Resume => "resume",
        Step::RestartGate => "restart_gate",
        Step::Verify => "verify",
        Step::Finished => "",
    }
}

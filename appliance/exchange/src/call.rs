//! One call: where it stands, and what its two sides say.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use varde_dss1::Cause;

use crate::exchange::Exchange;
use crate::reach::passed_over;
use crate::{
    Action, CallId, Command, EndedBy, Extension, LegId, Moment, Notice, PlaceName, Plan, Record, Setup,
    Signal,
};

/// A place that is to be called, and by which number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) place: PlaceName,
    pub(crate) number: String,
    /// Whose phone it is.
    pub(crate) extension: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Digits come.
    Collecting,
    /// An emergency call waits for a channel that another call gives up.
    Channel,
    Trying {
        leg: LegId,
        hop: Hop,
        rings: bool,
    },
    Active {
        leg: LegId,
    },
    /// Its legs are told to release, or have gone.
    Ending,
}

/// What the caller has been told; it is told nothing twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one message that was sent")]
pub(crate) struct Told {
    pub(crate) more: bool,
    pub(crate) proceeding: bool,
    pub(crate) alerting: bool,
    pub(crate) in_band: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    /// What was in force when it began.
    pub(crate) plan: Arc<Plan>,
    pub(crate) caller: LegId,
    pub(crate) place: PlaceName,
    /// As it came, digit by digit.
    pub(crate) dialled: String,
    pub(crate) setup: Setup,
    /// Whose rights it has: the caller's, or those of who forwarded it last.
    pub(crate) rights: Option<usize>,
    pub(crate) stage: Stage,
    /// When the stage has lasted too long.
    pub(crate) deadline: Option<Duration>,
    /// What is still to be tried.
    pub(crate) hops: VecDeque<Hop>,
    /// Why the last one failed.
    pub(crate) last: Option<(Cause, EndedBy)>,
    pub(crate) emergency: bool,
    pub(crate) admitted: bool,
    /// Whose end an emergency call waits for that has taken its channel.
    pub(crate) awaits: Option<LegId>,
    pub(crate) told: Told,
    pub(crate) joined: Option<LegId>,
    /// Those that have not yet said that they are released.
    pub(crate) legs: Vec<LegId>,
    pub(crate) record: Record,
}

impl Call {
    /// Whether what is kept for emergency calls is for it too.
    pub(crate) fn may_use_all(&self) -> bool {
        self.emergency || self.setup.test.as_ref().is_some_and(|test| test.emergency)
    }

    pub(crate) fn right(&self) -> Option<&Extension> {
        self.rights.and_then(|index| self.plan.extensions.get(index))
    }
}

impl Exchange {
    /// What the caller's leg says.
    pub(crate) fn caller_says(&mut self, now: Moment, call: &mut Call, signal: Signal) {
        match signal {
            Signal::Digits { digits, complete } => {
                if call.stage == Stage::Collecting {
                    call.dialled.push_str(&digits);
                    call.setup.complete |= complete;
                    self.look(now, call);
                }
            }
            Signal::Disconnected(cause) | Signal::Released(cause) => {
                self.end(now, call, cause, EndedBy::Caller);
            }
            // What only those say that are called.
            Signal::Proceeding | Signal::Alerting { .. } | Signal::Progress | Signal::Answered { .. } => {}
        }
    }

    /// What a leg says that was called.
    pub(crate) fn called_says(&mut self, now: Moment, call: &mut Call, leg: LegId, signal: Signal) {
        match (&mut call.stage, signal) {
            (Stage::Active { leg: active }, Signal::Disconnected(cause) | Signal::Released(cause))
                if *active == leg =>
            {
                self.end(now, call, cause, EndedBy::Called);
            }
            (
                Stage::Trying {
                    leg: tried, rings, ..
                },
                signal,
            ) if *tried == leg => match signal {
                Signal::Proceeding => {
                    if !*rings {
                        call.deadline = Some(now.clock + self.terms.alert);
                    }
                }
                Signal::Alerting { in_band } => {
                    if !std::mem::replace(rings, true) {
                        call.record.rang.get_or_insert(now.wall);
                        call.deadline = Some(now.clock + self.patience(call));
                    }
                    self.alert(call, leg, in_band);
                }
                Signal::Progress => {
                    if !*rings {
                        call.deadline = Some(now.clock + self.terms.answer);
                    }
                    self.progress(call, leg);
                }
                Signal::Answered { connected } => self.answer(now, call, leg, connected),
                Signal::Disconnected(cause) => {
                    self.release(now, call, leg, cause);
                    self.failed(now, call, cause, EndedBy::Called);
                }
                Signal::Released(cause) => self.failed(now, call, cause, EndedBy::Called),
                Signal::Digits { .. } => {}
            },
            // A leg that was given up, and has not heard of it yet.
            _ => {}
        }
    }

    /// How long it may ring.
    fn patience(&self, call: &Call) -> Duration {
        let Stage::Trying { hop, .. } = &call.stage else {
            return self.terms.answer;
        };
        let extension = hop.extension.and_then(|index| call.plan.extensions.get(index));
        let wait = extension.and_then(|extension| extension.forwarding.no_answer.as_ref());
        wait.map_or(self.terms.answer, |wait| wait.0)
    }

    fn alert(&mut self, call: &mut Call, leg: LegId, in_band: bool) {
        let louder = in_band && !call.told.in_band;
        if !call.told.alerting || louder {
            call.told.alerting = true;
            self.tell(call.caller, Action::Alerting { in_band });
        }
        if in_band {
            call.told.in_band = true;
            self.join(call, leg);
        }
    }

    fn progress(&mut self, call: &mut Call, leg: LegId) {
        if !call.told.in_band {
            call.told.in_band = true;
            self.tell(call.caller, Action::Progress);
        }
        self.join(call, leg);
    }

    fn answer(&mut self, now: Moment, call: &mut Call, leg: LegId, connected: Option<String>) {
        call.stage = Stage::Active { leg };
        call.deadline = None;
        call.hops.clear();
        call.record.answered = Some(now.wall);
        call.record.connected.clone_from(&connected);
        self.join(call, leg);
        self.tell(call.caller, Action::Answer { connected });
    }

    fn join(&mut self, call: &mut Call, leg: LegId) {
        if call.joined != Some(leg) {
            call.joined = Some(leg);
            self.commands.push_back(Command::Join(call.caller, leg));
        }
    }

    pub(crate) fn tell(&mut self, leg: LegId, action: Action) {
        self.commands.push_back(Command::Leg(leg, action));
    }

    /// Tells a leg to release, once, if it is still there.
    pub(crate) fn release(&mut self, now: Moment, call: &mut Call, leg: LegId, cause: Cause) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        if entry.releasing.is_none() {
            entry.releasing = Some(now.clock + self.terms.release);
            self.tell(leg, Action::Release(cause));
        }
        if call.joined == Some(leg) {
            call.joined = None;
        }
    }

    /// Ends the call: every leg that is there is told.
    pub(crate) fn end(&mut self, now: Moment, call: &mut Call, cause: Cause, by: EndedBy) {
        if call.stage == Stage::Ending {
            return;
        }
        if call.emergency && by != EndedBy::Caller && call.record.answered.is_none() {
            let notice = Notice::EmergencyFailed { call: call.id, cause };
            self.commands.push_back(Command::Notice(notice));
        }
        let reached = matches!(call.stage, Stage::Trying { .. } | Stage::Active { .. });
        call.record.ended = now.wall;
        call.record.ended_by = by;
        call.record.caller_cause = cause.value();
        call.record.called_cause = if reached {
            Some(cause.value())
        } else {
            call.record.attempts.last().and_then(|attempt| attempt.cause)
        };
        call.stage = Stage::Ending;
        call.deadline = None;
        call.hops.clear();
        for leg in call.legs.clone() {
            self.release(now, call, leg, cause);
        }
    }

    /// The stage has lasted too long.
    pub(crate) fn expired(&mut self, now: Moment, call: &mut Call) {
        call.deadline = None;
        match call.stage.clone() {
            Stage::Collecting => {
                call.setup.complete = true;
                self.look(now, call);
            }
            Stage::Channel => {
                // The channel has not come free in time.
                call.awaits = None;
                if let Some(hop) = call.hops.pop_front() {
                    passed_over(call, &hop, Cause::NO_CIRCUIT_AVAILABLE);
                }
                self.next(now, call);
            }
            Stage::Trying { leg, hop, rings } => {
                let cause = if rings || call.told.in_band {
                    Cause::NO_ANSWER
                } else {
                    self.failed_place(now, &hop.place);
                    Cause::RECOVERY_ON_TIMER_EXPIRY
                };
                self.release(now, call, leg, cause);
                self.failed(now, call, cause, EndedBy::Exchange);
            }
            Stage::Active { .. } | Stage::Ending => {}
        }
    }
}

//! How a call reaches somebody: what is tried in which order, and what comes of a place that cannot be had.

use varde_dss1::Cause;

use crate::call::{Call, Hop, Stage};
use crate::caller::{shown, whereabouts};
use crate::causes::allows_another;
use crate::exchange::{Exchange, Leg};
use crate::{Action, Attempt, Command, EndedBy, LegId, Moment, Notice, PlaceName, Setup, Standing};

/// Whether a place has a channel for a call.
enum Room {
    Ready,
    /// One will be free.
    Soon,
    No(Cause),
}

impl Exchange {
    /// Tries what is next, until something can be called or nothing is left.
    pub(crate) fn next(&mut self, now: Moment, call: &mut Call) {
        while let Some(hop) = call.hops.pop_front() {
            match self.room(now, call, &hop) {
                Room::Ready => {
                    self.dial(now, call, hop);
                    return;
                }
                Room::Soon => {
                    if call.stage != Stage::Channel || call.deadline.is_none() {
                        call.deadline = Some(now.clock + self.terms.channel);
                    }
                    call.hops.push_front(hop);
                    call.stage = Stage::Channel;
                    return;
                }
                Room::No(cause) => {
                    passed_over(call, &hop, cause);
                    if self.forwarded_after(now, call, hop.extension, cause) {
                        return;
                    }
                }
            }
        }
        let (cause, by) = call
            .last
            .unwrap_or((Cause::NO_ROUTE_TO_DESTINATION, EndedBy::Exchange));
        self.end(now, call, cause, by);
    }

    fn room(&mut self, now: Moment, call: &Call, hop: &Hop) -> Room {
        let Some(place) = call.plan.places.get(&hop.place) else {
            return Room::No(Cause::NO_ROUTE_TO_DESTINATION);
        };
        if call.awaits.is_some_and(|leg| self.legs.contains_key(&leg)) {
            return Room::Soon;
        }
        if self.standing(&hop.place) == Standing::Down && !call.may_use_all() {
            return Room::No(match hop.extension {
                Some(_) => Cause::SUBSCRIBER_ABSENT,
                None => Cause::NETWORK_OUT_OF_ORDER,
            });
        }
        let extension = hop.extension.and_then(|index| call.plan.extensions.get(index));
        if extension.is_some_and(|one| self.legs_of(&one.number) >= one.most_calls) {
            return Room::No(Cause::USER_BUSY);
        }
        let full = |most: usize| self.ordinary_at(&hop.place) >= most;
        if place.most_calls.is_some_and(full) && !call.may_use_all() {
            return Room::No(Cause::NO_CIRCUIT_AVAILABLE);
        }
        let Some(channels) = place.channels else {
            return Room::Ready;
        };
        let busy = self.legs_at(&hop.place);
        let kept = if call.may_use_all() { 0 } else { place.reserved };
        if busy + kept < channels {
            return Room::Ready;
        }
        if !call.emergency {
            return Room::No(Cause::NO_CIRCUIT_AVAILABLE);
        }
        let leaving = self
            .legs
            .values()
            .any(|leg| leg.place == hop.place && leg.releasing.is_some());
        if leaving || self.preempt(now, &hop.place).is_some() {
            Room::Soon
        } else {
            Room::No(Cause::NO_CIRCUIT_AVAILABLE)
        }
    }

    /// Ends the youngest call that is no call for help and has a channel there. Gives the leg that has it.
    fn preempt(&mut self, now: Moment, place: &PlaceName) -> Option<LegId> {
        let candidates = self
            .legs
            .iter()
            .filter(|(_, leg)| leg.place == *place && leg.releasing.is_none())
            .filter_map(|(id, leg)| Some((self.calls.get(&leg.call)?, *id)))
            // One that is still being dialled may become a call for help.
            .filter(|(call, _)| !call.emergency && call.stage != Stage::Collecting)
            .map(|(call, leg)| (call.id, leg));
        let (victim, leg) = candidates.max()?;
        let mut victim = self.calls.remove(&victim)?;
        let notice = Notice::Preempted {
            call: victim.id,
            place: place.clone(),
        };
        self.commands.push_back(Command::Notice(notice));
        self.end(now, &mut victim, Cause::PREEMPTION, EndedBy::Exchange);
        self.keep(victim);
        Some(leg)
    }

    /// A place says that it has no channel though by the books here it had one: its channel is blocked, or those of the
    /// other end are busy. A call for help takes that of the youngest other call there, once.
    fn takes_channel(&mut self, now: Moment, call: &mut Call, hop: Hop, cause: Cause) -> bool {
        let none_left = matches!(
            cause,
            Cause::NO_CIRCUIT_AVAILABLE | Cause::REQUESTED_CIRCUIT_NOT_AVAILABLE
        );
        let tried = call.record.attempts.iter();
        let tried = tried.filter(|attempt| attempt.place == *hop.place).count();
        if !call.emergency || !none_left || tried > 1 {
            return false;
        }
        let Some(leg) = self.preempt(now, &hop.place) else {
            return false;
        };
        call.awaits = Some(leg);
        call.hops.push_front(hop);
        call.stage = Stage::Channel;
        call.deadline = Some(now.clock + self.terms.channel);
        true
    }

    fn dial(&mut self, now: Moment, call: &mut Call, hop: Hop) {
        let leg = self.next_leg();
        let extension = hop.extension.and_then(|index| call.plan.extensions.get(index));
        self.legs.insert(
            leg,
            Leg {
                call: call.id,
                place: hop.place.clone(),
                extension: extension.map(|extension| extension.number.clone()),
                releasing: None,
            },
        );
        call.legs.push(leg);
        // Where nothing else is left, giving up early helps nobody.
        let place = call.plan.places.get(&hop.place);
        let is_line = place.is_some_and(|place| place.channels.is_some());
        let response = match (call.emergency && !call.hops.is_empty(), is_line) {
            (true, true) => self.terms.emergency_response,
            (true, false) => self.terms.emergency_ringing,
            (false, _) => self.terms.response,
        };
        call.deadline = Some(now.clock + response);
        tried(call, &hop, None);
        call.record.legs.push(leg);
        let setup = Setup {
            called: hop.number.clone(),
            complete: true,
            calling: shown(call, &hop),
            emergency: whereabouts(call),
            ..call.setup.clone()
        };
        let place = hop.place.clone();
        call.stage = Stage::Trying {
            leg,
            hop,
            rings: false,
        };
        self.tell(leg, Action::Call { place, setup });
    }

    /// A place that was called came to nothing.
    pub(crate) fn failed(&mut self, now: Moment, call: &mut Call, cause: Cause, by: EndedBy) {
        let hop = match &call.stage {
            Stage::Trying { hop, .. } => Some(hop.clone()),
            _ => None,
        };
        let extension = hop.as_ref().and_then(|hop| hop.extension);
        call.deadline = None;
        call.stage = Stage::Collecting;
        call.last = Some((cause, by));
        if let Some(attempt) = call.record.attempts.last_mut() {
            attempt.cause = Some(cause.value());
        }
        if self.forwarded_after(now, call, extension, cause)
            || hop.is_some_and(|hop| self.takes_channel(now, call, hop, cause))
        {
            return;
        }
        if call.emergency || allows_another(cause) {
            self.next(now, call);
        } else {
            self.end(now, call, cause, by);
        }
    }

    /// Whether an extension that could not be had sends its call on.
    fn forwarded_after(
        &mut self,
        now: Moment,
        call: &mut Call,
        extension: Option<usize>,
        cause: Cause,
    ) -> bool {
        let Some(index) = extension else {
            return false;
        };
        let to = call.plan.extensions.get(index).and_then(|extension| {
            let forwarding = &extension.forwarding;
            let after = || forwarding.no_answer.as_ref().map(|after| after.1.clone());
            match cause {
                Cause::USER_BUSY => forwarding.busy.clone(),
                Cause::NO_ANSWER | Cause::NO_USER_RESPONDING | Cause::SUBSCRIBER_ABSENT => after(),
                _ if allows_another(cause) => after(),
                _ => None,
            }
        });
        match to {
            Some(to) => {
                self.forward(now, call, index, &to);
                true
            }
            None => false,
        }
    }

    pub(crate) fn legs_at(&self, place: &PlaceName) -> usize {
        self.legs.values().filter(|leg| leg.place == *place).count()
    }

    /// Those of calls that are no emergency calls, as far as is known; the call that is being looked at is not among
    /// them.
    pub(crate) fn ordinary_at(&self, place: &PlaceName) -> usize {
        let ordinary =
            |leg: &&Leg| leg.place == *place && self.calls.get(&leg.call).is_some_and(|call| !call.emergency);
        self.legs.values().filter(ordinary).count()
    }

    pub(crate) fn legs_of(&self, extension: &str) -> usize {
        let its = |leg: &&Leg| leg.extension.as_deref() == Some(extension);
        self.legs.values().filter(its).count()
    }

    pub(crate) fn next_leg(&mut self) -> LegId {
        self.last_leg += 1;
        LegId(self.last_leg)
    }
}

fn tried(call: &mut Call, hop: &Hop, cause: Option<Cause>) {
    call.record.to = Some(hop.place.to_string());
    call.record.attempts.push(Attempt {
        place: hop.place.to_string(),
        number: hop.number.clone(),
        cause: cause.map(Cause::value),
    });
}

/// A place that is not even called.
pub(crate) fn passed_over(call: &mut Call, hop: &Hop, cause: Cause) {
    call.stage = Stage::Collecting;
    call.last = Some((cause, EndedBy::Exchange));
    tried(call, hop, Some(cause));
}

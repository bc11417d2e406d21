//! What a call's number leads to, and whether it may go there.

use std::time::Duration;

use varde_dss1::Cause;

use crate::call::{Call, Hop};
use crate::caller::kind;
use crate::exchange::Exchange;
use crate::{
    Action, Command, EndedBy, Found, Goal, Kind, Moment, Notice, PlaceName, Plan, Standing, Target, Test,
};

impl Exchange {
    /// Looks at the digits that there are.
    pub(crate) fn look(&mut self, now: Moment, call: &mut Call) {
        let from = kind(&call.plan, &call.place);
        let number = call.plan.canonical(&call.dialled);
        let number = call.plan.help_behind(&number, from).unwrap_or(number);
        call.record.dialled.clone_from(&number);
        if let Some(Test { to: Some(target), .. }) = &call.setup.test {
            call.hops = hop(&call.plan, target, &number).into_iter().collect();
            self.next(now, call);
            return;
        }
        let found = if call.dialled.is_empty() {
            Found::Incomplete
        } else {
            call.plan.find(&number, from, now.wall)
        };
        match found {
            Found::Complete(goal) => self.go(now, call, &goal, &number),
            Found::Perhaps(goal) if call.setup.complete => self.go(now, call, &goal, &number),
            Found::Nothing => self.end(now, call, Cause::UNALLOCATED_NUMBER, EndedBy::Exchange),
            Found::Incomplete if call.setup.complete => {
                self.end(now, call, Cause::INVALID_NUMBER_FORMAT, EndedBy::Exchange);
            }
            Found::Perhaps(_) | Found::Incomplete => {
                let wait = if call.dialled.is_empty() {
                    self.terms.first_digit
                } else {
                    self.terms.digit
                };
                call.deadline = Some(now.clock + wait);
                if !std::mem::replace(&mut call.told.more, true) {
                    self.tell(call.caller, Action::MoreDigits);
                }
            }
        }
    }

    /// The number is known.
    fn go(&mut self, now: Moment, call: &mut Call, goal: &Goal, number: &str) {
        call.deadline = None;
        if *goal == Goal::Emergency && call.record.forwarded.is_empty() {
            call.emergency = true;
            call.record.emergency = true;
        } else if !call.admitted {
            if let Err(cause) = self.admit(now, call) {
                self.end(now, call, cause, EndedBy::Exchange);
                return;
            }
            call.admitted = true;
        }
        if !std::mem::replace(&mut call.told.proceeding, true) {
            self.tell(call.caller, Action::Proceeding);
        }
        match *goal {
            // Nobody's calls are sent on there.
            Goal::Emergency if !call.emergency => {
                self.end(now, call, Cause::CALL_REJECTED, EndedBy::Exchange);
            }
            Goal::Emergency => {
                let places = call.plan.emergency.places.clone();
                let hops = places.into_iter().map(|place| Hop {
                    place,
                    number: number.into(),
                    extension: None,
                });
                call.hops = hops.collect();
                // All are tried, those that are known to be down last.
                let down = |hop: &Hop| self.standing(&hop.place) == Standing::Down;
                call.hops.make_contiguous().sort_by_key(down);
                self.next(now, call);
            }
            Goal::Extension(index) => self.extension(now, call, index),
            Goal::Route(index) => self.route(now, call, index, number),
        }
    }

    fn route(&mut self, now: Moment, call: &mut Call, index: usize, number: &str) {
        let plan = call.plan.clone();
        let Some(route) = plan.routes.get(index) else {
            return;
        };
        // Also by what goes out: a code in front opens nothing that is barred or limited without it.
        let sent = plan.canonical(&route.number(number));
        if let Err(cause) = self.may_call(now, call, [number, &sent]) {
            self.end(now, call, cause, EndedBy::Exchange);
            return;
        }
        // One that leads to an extension alone goes on as a call for it, which may be forwarded.
        if let [Target::Extension(index)] = route.targets[..] {
            self.extension(now, call, index);
            return;
        }
        let number = route.number(number);
        let hops = route
            .targets
            .iter()
            .filter_map(|target| hop(&plan, target, &number));
        call.hops = hops.collect();
        call.hops
            .make_contiguous()
            .sort_by_key(|hop| self.standing(&hop.place));
        self.next(now, call);
    }

    fn extension(&mut self, now: Moment, call: &mut Call, index: usize) {
        let Some(extension) = call.plan.extensions.get(index) else {
            return;
        };
        if let Some(to) = extension.forwarding.always.clone() {
            self.forward(now, call, index, &to);
            return;
        }
        call.hops = extension_hop(&call.plan, index).into_iter().collect();
        self.next(now, call);
    }

    /// Sends the call on, with the rights of the extension that does.
    pub(crate) fn forward(&mut self, now: Moment, call: &mut Call, index: usize, to: &str) {
        let Some(extension) = call.plan.extensions.get(index) else {
            return;
        };
        let shown = extension.public.as_ref().unwrap_or(&extension.number).clone();
        if call.record.forwarded.len() >= self.terms.forwards {
            self.end(now, call, Cause::EXCHANGE_ROUTING_ERROR, EndedBy::Exchange);
            return;
        }
        call.record.forwarded.push(extension.number.clone());
        call.setup.diverted.get_or_insert(shown);
        call.rights = Some(index);
        call.hops.clear();
        let to = call.plan.canonical(to);
        // It goes where those of the site may go.
        match call.plan.find(&to, Kind::Inside, now.wall) {
            Found::Complete(goal) | Found::Perhaps(goal) => self.go(now, call, &goal, &to),
            Found::Nothing | Found::Incomplete => {
                self.end(now, call, Cause::UNALLOCATED_NUMBER, EndedBy::Exchange);
            }
        }
    }

    /// New calls are shed before anything is done for them.
    fn admit(&mut self, now: Moment, call: &Call) -> Result<(), Cause> {
        let plan = call.plan.clone();
        let ordinary = self.calls.values().filter(|other| other.admitted).count();
        let crowded = self.pressed || ordinary >= plan.most_calls;
        if crowded || !self.rate.take(now.clock, plan.most_a_second) {
            self.commands.push_back(Command::Notice(Notice::Shed));
            let due = self
                .overload_said
                .is_none_or(|at| at + Duration::from_mins(1) <= now.clock);
            if due {
                self.overload_said = Some(now.clock);
                self.commands.push_back(Command::Notice(Notice::Overload));
            }
            return Err(Cause::SWITCHING_EQUIPMENT_CONGESTION);
        }
        // Its own leg is among those that are there.
        let over = |most: Option<usize>, there: usize| most.is_some_and(|most| there > most);
        let Some(place) = plan.places.get(&call.place) else {
            return Ok(());
        };
        let open = place
            .channels
            .map(|channels| channels.saturating_sub(place.reserved));
        let extension = call
            .right()
            .map(|right| (right.most_calls, right.number.as_str()));
        if over(open, self.legs_at(&call.place))
            || over(place.most_calls, self.ordinary_at(&call.place) + 1)
            || extension.is_some_and(|(most, number)| over(Some(most), self.legs_of(number)))
        {
            return Err(Cause::NO_CIRCUIT_AVAILABLE);
        }
        Ok(())
    }

    /// Whether who calls, or sent the call on, may call this number, as it was dialled and as it goes out.
    fn may_call(&mut self, now: Moment, call: &Call, [dialled, sent]: [&str; 2]) -> Result<(), Cause> {
        let right = call.right();
        if right.is_some_and(|right| right.barring.bars_either(dialled, sent)) {
            return Err(Cause::CALL_REJECTED);
        }
        let limits = &call.plan.limits;
        let is_limited = |prefix: &String| sent.starts_with(prefix.as_str());
        let number = if limits.iter().flat_map(|limit| &limit.prefixes).any(is_limited) {
            sent
        } else {
            dialled
        };
        let account: PlaceName =
            right.map_or_else(|| call.place.clone(), |right| right.number.as_str().into());
        let begun = self
            .spending
            .begin(now.clock, call.id, &account, number, &call.plan.limits);
        begun.map_err(|prefix| {
            let notice = Notice::Limit { account, prefix };
            self.commands.push_back(Command::Notice(notice));
            Cause::CALL_REJECTED
        })
    }
}

fn hop(plan: &Plan, target: &Target, number: &str) -> Option<Hop> {
    match target {
        Target::Place(place) => Some(Hop {
            place: place.clone(),
            number: number.into(),
            extension: None,
        }),
        Target::Extension(index) => extension_hop(plan, *index),
    }
}

fn extension_hop(plan: &Plan, index: usize) -> Option<Hop> {
    let extension = plan.extensions.get(index)?;
    Some(Hop {
        place: extension.place.clone(),
        number: extension.called_as.clone(),
        extension: Some(index),
    })
}

//! All calls, and their legs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use varde_dss1::Cause;

use crate::call::{Call, Stage, Told};
use crate::limits::{Rate, Spending};
use crate::{
    CallId, Calling, Command, EndedBy, Health, LegId, Moment, Notice, PlaceName, Plan, Record, Refused,
    Setup, Signal, Standing, Terms,
};

#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub(crate) call: CallId,
    pub(crate) place: PlaceName,
    /// The number of whose it is.
    pub(crate) extension: Option<String>,
    /// It has been told to; when it is no longer waited for.
    pub(crate) releasing: Option<Duration>,
}

/// The exchange.
///
/// After each call, take [`Exchange::poll_command`] until it is empty; then wait for a leg to say something, or for the
/// moment of [`Exchange::poll_timeout`].
#[derive(Clone, Debug)]
pub struct Exchange {
    plan: Arc<Plan>,
    pub(crate) terms: Terms,
    pub(crate) calls: BTreeMap<CallId, Call>,
    pub(crate) legs: BTreeMap<LegId, Leg>,
    health: BTreeMap<PlaceName, Health>,
    pub(crate) rate: Rate,
    pub(crate) spending: Spending,
    /// The machine has more to do than it can.
    pub(crate) pressed: bool,
    pub(crate) overload_said: Option<Duration>,
    pub(crate) last_leg: u64,
    last_call: u64,
    pub(crate) commands: VecDeque<Command>,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Dialling,
    Calling,
    Ringing,
    Talking,
    Ending,
}

/// A call as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallView {
    pub call: CallId,
    pub phase: Phase,
    pub began: Timestamp,
    pub answered: Option<Timestamp>,
    pub from: String,
    pub to: Option<String>,
    pub calling: String,
    pub dialled: String,
    pub hidden: bool,
    pub emergency: bool,
    pub test: bool,
    pub legs: Vec<LegId>,
}

impl Exchange {
    /// `first` is the number before that of the first call: what is told about calls outlives the exchange.
    pub fn new(plan: Plan, terms: Terms, first: u64) -> Self {
        Self {
            plan: Arc::new(plan),
            terms,
            calls: BTreeMap::new(),
            legs: BTreeMap::new(),
            health: BTreeMap::new(),
            rate: Rate::default(),
            spending: Spending::default(),
            pressed: false,
            overload_said: None,
            last_leg: 0,
            last_call: first,
            commands: VecDeque::new(),
        }
    }

    /// From now on new calls go by this plan. Those that there are go on by the one they began with.
    pub fn set_plan(&mut self, plan: Plan) {
        self.health.retain(|place, _| plan.places.contains_key(place));
        self.plan = Arc::new(plan);
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A call comes from a place.
    pub fn incoming(&mut self, now: Moment, place: &PlaceName, setup: Setup) -> Result<LegId, Refused> {
        if !self.plan.places.contains_key(place) {
            return Err(Refused::NoPlace);
        }
        let leg = self.next_leg();
        self.last_call += 1;
        let id = CallId(self.last_call);
        let said = setup.calling.as_ref().map(|calling| calling.number.as_str());
        let rights = self.plan.caller(place, said);
        let mut record = Record::new(id, now.wall, place);
        if let Some(Calling { number, hidden }) = &setup.calling {
            record.calling.clone_from(number);
            record.hidden = *hidden;
        }
        record.test = setup.test.is_some();
        record.legs.push(leg);
        let extension = rights.and_then(|index| self.plan.extensions.get(index));
        let extension = extension.map(|extension| extension.number.clone());
        let mut call = Call {
            id,
            plan: self.plan.clone(),
            caller: leg,
            place: place.clone(),
            dialled: setup.called.clone(),
            setup,
            rights,
            stage: Stage::Collecting,
            deadline: None,
            hops: VecDeque::new(),
            last: None,
            emergency: false,
            admitted: false,
            awaits: None,
            told: Told::default(),
            joined: None,
            legs: vec![leg],
            record,
        };
        self.legs.insert(
            leg,
            Leg {
                call: id,
                place: place.clone(),
                extension,
                releasing: None,
            },
        );
        self.look(now, &mut call);
        self.keep(call);
        Ok(leg)
    }

    /// What a leg says. What is said of a leg that is gone is ignored.
    pub fn signal(&mut self, now: Moment, leg: LegId, signal: Signal) {
        let Some(mut call) = self.call_of(leg) else {
            return;
        };
        let gone = matches!(signal, Signal::Released(_));
        if gone {
            self.legs.remove(&leg);
            call.legs.retain(|other| *other != leg);
        }
        if leg == call.caller {
            self.caller_says(now, &mut call, signal);
        } else {
            self.called_says(now, &mut call, leg, signal);
        }
        self.keep(call);
        if gone {
            self.wake(now);
        }
    }

    /// An operator ends a call.
    pub fn clear(&mut self, now: Moment, call: CallId) -> bool {
        let Some(mut call) = self.calls.remove(&call) else {
            return false;
        };
        self.end(now, &mut call, Cause::NORMAL_UNSPECIFIED, EndedBy::Exchange);
        self.keep(call);
        true
    }

    /// Ends every call: the machine goes down.
    pub fn clear_all(&mut self, now: Moment) {
        let all: Vec<CallId> = self.calls.keys().copied().collect();
        for call in all {
            self.clear(now, call);
        }
    }

    /// The machine has more to do than it can, or no longer: while it has, no new calls but those for help.
    pub fn set_pressed(&mut self, pressed: bool) {
        self.pressed = pressed;
    }

    /// A place has answered a question about its health.
    pub fn answered_place(&mut self, now: Moment, place: &PlaceName) {
        self.sight(place, |health| health.answered(now.clock));
    }

    /// A place has not.
    pub fn failed_place(&mut self, now: Moment, place: &PlaceName) {
        self.sight(place, |health| health.failed(now.clock));
    }

    /// A place is known to be gone.
    pub fn lost_place(&mut self, now: Moment, place: &PlaceName) {
        self.sight(place, |health| health.lost(now.clock));
    }

    /// A place is there for certain, as a phone that has just registered.
    pub fn found_place(&mut self, place: &PlaceName) {
        self.sight(place, |health| *health = Health::default());
    }

    pub fn standing(&self, place: &str) -> Standing {
        self.health.get(place).map_or(Standing::Up, Health::standing)
    }

    fn sight(&mut self, place: &PlaceName, see: impl FnOnce(&mut Health)) {
        let health = self.health.entry(place.clone()).or_default();
        let before = health.standing() == Standing::Down;
        see(health);
        let after = health.standing() == Standing::Down;
        if before != after {
            let notice = Notice::Place {
                place: place.clone(),
                usable: before,
            };
            self.commands.push_back(Command::Notice(notice));
        }
    }

    /// When [`Exchange::handle_timeout`] must be called, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let calls = self.calls.values().filter_map(|call| call.deadline);
        let legs = self.legs.values().filter_map(|leg| leg.releasing);
        let health = self.health.values().filter_map(Health::deadline);
        calls.chain(legs).chain(health).min()
    }

    pub fn handle_timeout(&mut self, now: Moment) {
        for health in self.health.values_mut() {
            health.expire(now.clock);
        }
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now.clock);
        let calls: Vec<CallId> = self
            .calls
            .values()
            .filter(|call| due(call.deadline))
            .map(|call| call.id)
            .collect();
        for id in calls {
            if let Some(mut call) = self.calls.remove(&id) {
                self.expired(now, &mut call);
                self.keep(call);
            }
        }
        let silent: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(_, leg)| due(leg.releasing))
            .map(|(id, _)| *id)
            .collect();
        for leg in silent {
            if let Some(entry) = self.legs.get(&leg) {
                let place = entry.place.clone();
                let notice = Notice::GivenUp { leg, place };
                self.commands.push_back(Command::Notice(notice));
            }
            self.signal(now, leg, Signal::Released(Cause::RECOVERY_ON_TIMER_EXPIRY));
        }
    }

    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// The calls that there are.
    pub fn calls(&self) -> impl Iterator<Item = CallView> {
        self.calls.values().map(|call| CallView {
            call: call.id,
            phase: match &call.stage {
                Stage::Collecting => Phase::Dialling,
                Stage::Channel | Stage::Trying { rings: false, .. } => Phase::Calling,
                Stage::Trying { rings: true, .. } => Phase::Ringing,
                Stage::Active { .. } => Phase::Talking,
                Stage::Ending => Phase::Ending,
            },
            began: call.record.began,
            answered: call.record.answered,
            from: call.record.from.clone(),
            to: call.record.to.clone(),
            calling: call.record.calling.clone(),
            dialled: call.record.dialled.clone(),
            hidden: call.record.hidden,
            emergency: call.emergency,
            test: call.record.test,
            legs: call.legs.clone(),
        })
    }

    /// The legs that there are, and where they are.
    pub fn legs(&self) -> impl Iterator<Item = (LegId, &PlaceName)> {
        self.legs.iter().map(|(id, leg)| (*id, &leg.place))
    }

    /// The call of a leg that is there.
    pub fn call_of_leg(&self, leg: LegId) -> Option<CallId> {
        self.legs.get(&leg).map(|leg| leg.call)
    }

    /// Takes the call of a leg out; [`Exchange::keep`] puts it back.
    fn call_of(&mut self, leg: LegId) -> Option<Call> {
        let call = self.legs.get(&leg)?.call;
        self.calls.remove(&call)
    }

    /// Keeps a call as long as it has legs; without any, it is over.
    pub(crate) fn keep(&mut self, call: Call) {
        if call.stage == Stage::Ending && call.legs.is_empty() {
            self.spending.end(call.id);
            self.commands.push_back(Command::Record(Box::new(call.record)));
        } else {
            self.calls.insert(call.id, call);
        }
    }

    /// A channel may have come free for a call that waits for one.
    fn wake(&mut self, now: Moment) {
        let waiting: Vec<CallId> = self
            .calls
            .values()
            .filter(|call| call.stage == Stage::Channel)
            .map(|call| call.id)
            .collect();
        for id in waiting {
            if let Some(mut call) = self.calls.remove(&id) {
                self.next(now, &mut call);
                self.keep(call);
            }
        }
    }
}

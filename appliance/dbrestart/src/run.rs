//! One run as a state machine: what has happened goes in, what to do next comes out, and nothing here waits or sends.
//!
//! From [`Command::Pause`] until [`Command::Resume`] clients are held. Whatever fails in between, the machine ends up
//! at `Resume` or `RestartGate` before [`Plan::held_most`] has passed, and it never finishes while clients are held;
//! tests drive it with every order of events to see to that. Times are milliseconds on a clock that never goes back.

mod terms;

use varde_bus::Text;

pub use self::terms::{Account, Command, Event, Outcome, Plan, Step};
use crate::forecast::pause_bound;
use crate::usage::{Use, judge};

const LOOK_EVERY: u64 = 100;
/// A checkpoint older than this leaves the stop too much to write.
const CHECKPOINT_AGE: u64 = 15_000;
const RELEASE_MOST: u64 = 5_000;
const GATE_MOST: u64 = 10_000;
const VERIFY_MOST: u64 = 10_000;
const FALL_BACK_MOST: u64 = 5_000;
const MACHINE_MOST: u64 = 300_000;
/// After the death of the controller: is the server there at all?
const QUICK_PROBE: u64 = 2_000;
const FIRST_REST: u64 = 2_000;
const LONGEST_REST: u64 = 30_000;

/// What is tried when the server does not come up: each once, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rung {
    Start,
    FallBack,
    RestartMachine,
    RollBack,
}

#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each set once")]
pub struct Run {
    plan: Plan,
    step: Step,
    started: u64,
    /// The preflight was answered, and found nothing against a run.
    fit: bool,
    checkpoints: u8,
    checkpointed: u64,
    rest: u64,
    /// Since when clients are held, and the moment from which `Account::held` counts.
    held_since: Option<u64>,
    /// When the server was told to stop.
    stopped: Option<u64>,
    /// The server has answered since it was told to stop, or was never told to.
    answers: bool,
    /// How far up the ladder it had to go.
    rung: Rung,
    /// What is wrong with the server; what failed of the means against that is in the account alone.
    fault: Option<Text>,
    /// An earlier configuration was put back.
    fell_back: bool,
    /// Why nothing that is done to the server helps.
    out_of_hands: Option<Text>,
    last_uses: Vec<Use>,
    cancelled: bool,
    pub account: Account,
}

impl Run {
    pub fn begin(plan: Plan, now: u64) -> (Self, Command) {
        let mut run = Self::new(plan, now);
        run.answers = true;
        let command = run.preflight();
        (run, command)
    }

    /// Takes up a run whose controller died at `step`, holding clients since `held_since`. `None` where that step left
    /// nothing to put right.
    pub fn take_up(plan: Plan, step: Step, held_since: u64, now: u64) -> Option<(Self, Command)> {
        let mut run = Self::new(plan, now);
        // A clock that went back must not hold clients longer.
        run.held_since = Some(held_since.min(now));
        run.account.trouble.push(Text::new(
            "Kjøringen ble avbrutt og tatt opp igjen",
            "The run was interrupted and taken up again",
        ));
        let command = match step {
            Step::Preflight | Step::Checkpoint | Step::Look | Step::Wait | Step::Cut | Step::Finished => {
                return None;
            }
            Step::Pause | Step::Release | Step::Resume | Step::RestartGate | Step::Verify => {
                run.probe(QUICK_PROBE, now)
            }
            // A server with another configuration has to stop too, if it runs.
            Step::Stop | Step::Kill | Step::FallBack | Step::RollBack => {
                run.stopped = Some(now);
                run.stop(now)
            }
            // Nobody knows whether that was done; one that has started stays as it is.
            Step::Start => {
                run.stopped = Some(now);
                run.start(now)
            }
            Step::RestartMachine | Step::Probe => {
                run.stopped = Some(now);
                run.probe(run.plan.start_most, now)
            }
        };
        Some((run, command))
    }

    fn new(plan: Plan, now: u64) -> Self {
        Self {
            plan,
            step: Step::Preflight,
            started: now,
            fit: false,
            checkpoints: 0,
            checkpointed: now,
            rest: FIRST_REST,
            held_since: None,
            stopped: None,
            answers: false,
            rung: Rung::Start,
            fault: None,
            fell_back: false,
            out_of_hands: None,
            last_uses: Vec::new(),
            cancelled: false,
            account: Account::default(),
        }
    }

    pub fn step(&self) -> Step {
        self.step
    }

    pub fn held_since(&self) -> Option<u64> {
        self.held_since
    }

    /// Whose use stood in the way at the last look.
    pub fn uses(&self) -> &[Use] {
        &self.last_uses
    }

    /// Asks the run to end; it does so as long as it only waits.
    pub fn cancel(&mut self) {
        self.cancelled = true;
    }

    /// What to do, now that the last command came to this.
    pub fn on(&mut self, event: Event, now: u64) -> Command {
        match self.step {
            Step::Preflight => self.after_preflight(event, now),
            Step::Checkpoint => self.after_checkpoint(event, now),
            Step::Wait if !self.fit => self.preflight(),
            Step::Wait | Step::Cut => self.look(),
            Step::Look => self.after_look(event, now),
            Step::Pause => self.after_pause(event, now),
            Step::Release => self.after_release(event, now),
            Step::Stop | Step::Kill => self.after_stop(event, now),
            // Late says that the command did not return, not that the server does not come up.
            Step::Start | Step::RestartMachine => match event {
                Event::Failed(why) => self.climb(why, now),
                _ => self.probe(self.plan.start_most, now),
            },
            Step::FallBack | Step::RollBack => match event {
                Event::Failed(why) | Event::Late(why) => {
                    self.note(why);
                    self.harder(now)
                }
                // One that runs and lets nobody in does not look at its configuration again by itself.
                _ => {
                    self.fell_back = true;
                    self.stop(now)
                }
            },
            Step::Probe => self.after_probe(event, now),
            Step::Resume => self.after_resume(event, now),
            Step::RestartGate => self.after_gate(event, now),
            Step::Verify => self.after_verify(event),
            Step::Finished => self.finish(Outcome::Cancelled),
        }
    }

    /// The same trouble at each of a thousand looks is one.
    fn note(&mut self, trouble: Text) {
        if self.account.trouble.last() != Some(&trouble) {
            self.account.trouble.push(trouble);
        }
    }

    fn after_preflight(&mut self, event: Event, now: u64) -> Command {
        match event {
            Event::Failed(why) => return self.finish(Outcome::Refused { why }),
            Event::Late(why) => return self.again_later(why, now),
            Event::Reasons(reasons) => self.account.reasons = reasons,
            _ => {}
        }
        self.fit = true;
        if self.plan.only_with_reason && self.account.reasons.is_empty() {
            return self.finish(Outcome::NotNeeded);
        }
        if self.pause_bound().is_none() {
            let (restart, budget) = (self.plan.forecast.restart, self.plan.stall_budget);
            return self.finish(Outcome::PutOff {
                why: Text::new(
                    format!(
                        "Omstarten ventes å ta {restart} ms, og da kan grensen på {budget} ms for stans ikke holdes. \
                         Hev stall_budget, eller velg en stillere tid"
                    ),
                    format!(
                        "The restart is expected to take {restart} ms, so the stall budget of {budget} ms cannot be \
                         kept. Raise stall_budget, or choose a quieter time"
                    ),
                ),
                uses: Vec::new(),
            });
        }
        // The first writes what has gathered, the second the little that came meanwhile: the stop has nothing left.
        self.checkpoints = 2;
        self.checkpoint()
    }

    fn after_checkpoint(&mut self, event: Event, now: u64) -> Command {
        if let Event::Failed(why) | Event::Late(why) = event {
            return self.finish(Outcome::Failed { why });
        }
        self.checkpointed = now;
        self.checkpoints = self.checkpoints.saturating_sub(1);
        if self.checkpoints > 0 {
            return self.checkpoint();
        }
        self.look()
    }

    fn after_look(&mut self, event: Event, now: u64) -> Command {
        let uses = match event {
            Event::InUse(uses) => uses,
            Event::Failed(why) | Event::Late(why) => return self.again_later(why, now),
            _ => Vec::new(),
        };
        let waited = now.saturating_sub(self.started);
        let (blocking, cut) = judge(&uses, &self.plan.may_cut, waited);
        let (blocked, cut): (bool, Vec<Use>) = (!blocking.is_empty(), cut.into_iter().cloned().collect());
        self.last_uses = uses;
        if blocked {
            if self.gives_up(now) {
                return self.put_off_for_use();
            }
            return self.wait(LOOK_EVERY);
        }
        if !cut.is_empty() {
            if self.gives_up(now) {
                return self.put_off_for_use();
            }
            self.account.cut.extend(cut.iter().cloned());
            self.step = Step::Cut;
            return Command::Cut(cut);
        }
        if now.saturating_sub(self.checkpointed) > CHECKPOINT_AGE {
            return self.checkpoint();
        }
        let Some(within) = self.pause_bound() else {
            return self.put_off_for_use();
        };
        self.step = Step::Pause;
        self.held_since = Some(now);
        Command::Pause { within }
    }

    /// Nobody is held, and nothing is known: it is asked once more, as long as there is time.
    fn again_later(&mut self, why: Text, now: u64) -> Command {
        self.note(why.clone());
        if self.cancelled {
            return self.finish(Outcome::Cancelled);
        }
        if self.gives_up(now) {
            return self.finish(Outcome::PutOff {
                why,
                uses: Vec::new(),
            });
        }
        self.wait(self.rest)
    }

    fn after_pause(&mut self, event: Event, now: u64) -> Command {
        match event {
            Event::Failed(why) => {
                self.note(why);
                self.release()
            }
            Event::Late(_) => self.release(),
            _ => {
                self.stopped = Some(now);
                self.answers = false;
                self.stop(now)
            }
        }
    }

    fn after_release(&mut self, event: Event, now: u64) -> Command {
        if let Event::Failed(why) | Event::Late(why) = event {
            self.note(why);
            return self.restart_gate();
        }
        self.let_go_after_failed_pause(now)
    }

    fn let_go_after_failed_pause(&mut self, now: u64) -> Command {
        let stall = now.saturating_sub(self.held_since.take().unwrap_or(now));
        self.account.failed_pauses += 1;
        self.account.longest_failed_pause = self.account.longest_failed_pause.max(stall);
        if self.gives_up(now) {
            return self.put_off_for_use();
        }
        let rest = self.rest;
        self.rest = (self.rest * 2).min(LONGEST_REST);
        self.wait(rest)
    }

    fn after_stop(&mut self, event: Event, now: u64) -> Command {
        match event {
            Event::Failed(why) | Event::Late(why) if self.step == Step::Stop => {
                self.note(why);
                match self.within(self.plan.stop_most, now) {
                    Some(within) => {
                        self.step = Step::Kill;
                        Command::Kill { within }
                    }
                    None => self.resume(),
                }
            }
            Event::NotRestarted(why) => {
                self.note(why);
                self.answers = true;
                self.resume()
            }
            // Whether it is down is not known: if it is not, the start fails and the probe finds it answering.
            Event::Failed(why) | Event::Late(why) => {
                self.note(why);
                self.start(now)
            }
            _ => self.start(now),
        }
    }

    fn after_probe(&mut self, event: Event, now: u64) -> Command {
        match event {
            Event::Failed(why) | Event::Late(why) => {
                if self.stopped.is_none() {
                    // Taken up from before the stop, and the server is not there: it has to be started.
                    self.stopped = Some(now);
                    self.note(why);
                    return self.start(now);
                }
                self.climb(why, now)
            }
            Event::OutOfHands(why) => {
                self.note(why.clone());
                self.out_of_hands = Some(why.clone());
                if self.held_since.is_none() {
                    return self.finish(Outcome::Down { why });
                }
                self.probe(self.plan.start_most, now)
            }
            _ => {
                self.answers = true;
                if self.held_since.is_some() {
                    self.resume()
                } else {
                    self.verify()
                }
            }
        }
    }

    fn after_resume(&mut self, event: Event, now: u64) -> Command {
        if let Event::Failed(why) | Event::Late(why) = event {
            self.note(why);
            return self.restart_gate();
        }
        self.let_go(now)
    }

    fn after_gate(&mut self, event: Event, now: u64) -> Command {
        // A gate that cannot even be restarted is dead, and a dead one holds nobody.
        if let Event::Failed(why) | Event::Late(why) = event {
            self.note(why);
        }
        if self.stopped.is_none() && self.answers {
            return self.let_go_after_failed_pause(now);
        }
        self.let_go(now)
    }

    /// Clients are no longer held.
    fn let_go(&mut self, now: u64) -> Command {
        if let Some(since) = self.held_since.take() {
            self.account.held = Some(now.saturating_sub(since));
        }
        if self.answers {
            self.account.restart = self.stopped.map(|at| now.saturating_sub(at));
            return self.verify();
        }
        if let Some(why) = self.out_of_hands.clone() {
            return self.finish(Outcome::Down { why });
        }
        let cause = self
            .fault
            .clone()
            .or_else(|| self.account.trouble.last().cloned());
        let cause = cause.unwrap_or_default();
        let why = Text::new(
            format!("Tjeneren kom ikke opp mens klientene ventet. {}", cause.nb),
            format!("The server did not come up while clients were held. {}", cause.en),
        );
        self.climb(why, now)
    }

    fn after_verify(&mut self, event: Event) -> Command {
        match event {
            Event::NotRestarted(why) if self.stopped.is_some() => {
                let why = match self.account.trouble.last() {
                    Some(last) => Text::new(
                        format!("{}: {}", why.nb, last.nb),
                        format!("{}: {}", why.en, last.en),
                    ),
                    None => why,
                };
                return self.finish(Outcome::Failed { why });
            }
            Event::Failed(why) | Event::Late(why) => self.note(why),
            _ => {}
        }
        if self.stopped.is_none() {
            return self.finish(Outcome::Failed {
                why: Text::new(
                    "Avbrutt før tjeneren ble stoppet; portene er åpne",
                    "Interrupted before the server was stopped; the gate is open",
                ),
            });
        }
        self.finish(Outcome::Restarted {
            fell_back: self.fell_back,
        })
    }

    /// The server does not come up.
    fn climb(&mut self, why: Text, now: u64) -> Command {
        self.note(why.clone());
        self.fault = Some(why);
        self.harder(now)
    }

    /// The next harder means, each once.
    fn harder(&mut self, now: u64) -> Command {
        if self.held_since.is_some() && self.within(1, now).is_none() {
            return self.resume();
        }
        let bound = |most| self.within(most, now).unwrap_or(most);
        let plan = &self.plan;
        if plan.falls_back && self.rung < Rung::FallBack {
            let within = bound(FALL_BACK_MOST);
            (self.rung, self.step) = (Rung::FallBack, Step::FallBack);
            return Command::FallBack { within };
        }
        if plan.has_machine && self.rung < Rung::RestartMachine {
            let within = bound(MACHINE_MOST);
            (self.rung, self.step) = (Rung::RestartMachine, Step::RestartMachine);
            return Command::RestartMachine { within };
        }
        if plan.falls_back && self.rung < Rung::RollBack {
            let within = bound(FALL_BACK_MOST);
            (self.rung, self.step) = (Rung::RollBack, Step::RollBack);
            return Command::RollBack { within };
        }
        if self.held_since.is_some() {
            return self.resume();
        }
        let why = self.fault.clone().unwrap_or_default();
        self.finish(Outcome::Down { why })
    }

    fn pause_bound(&self) -> Option<u64> {
        pause_bound(self.plan.stall_budget, self.plan.forecast, self.plan.pause_most)
    }

    fn gives_up(&self, now: u64) -> bool {
        self.cancelled || now.saturating_sub(self.started) >= self.plan.give_up
    }

    /// What is left of a bound before clients have been held too long; all of it where nobody is held.
    fn within(&self, most: u64, now: u64) -> Option<u64> {
        let Some(since) = self.held_since else {
            return Some(most);
        };
        let left = (since + self.plan.held_most).saturating_sub(now);
        (left > 0).then_some(left.min(most))
    }

    fn preflight(&mut self) -> Command {
        if self.cancelled {
            return self.finish(Outcome::Cancelled);
        }
        self.step = Step::Preflight;
        Command::Preflight
    }

    fn checkpoint(&mut self) -> Command {
        self.step = Step::Checkpoint;
        Command::Checkpoint
    }

    fn look(&mut self) -> Command {
        if self.cancelled {
            return self.finish(Outcome::Cancelled);
        }
        self.step = Step::Look;
        Command::Look
    }

    fn wait(&mut self, millis: u64) -> Command {
        self.step = Step::Wait;
        Command::Wait { millis }
    }

    fn release(&mut self) -> Command {
        self.step = Step::Release;
        Command::Release { within: RELEASE_MOST }
    }

    fn stop(&mut self, now: u64) -> Command {
        match self.within(self.plan.stop_most, now) {
            Some(within) => {
                self.step = Step::Stop;
                Command::Stop { within }
            }
            None => self.resume(),
        }
    }

    fn start(&mut self, now: u64) -> Command {
        match self.within(self.plan.start_most, now) {
            Some(within) => {
                self.step = Step::Start;
                Command::Start { within }
            }
            None => self.resume(),
        }
    }

    fn probe(&mut self, most: u64, now: u64) -> Command {
        match self.within(most, now) {
            Some(within) => {
                self.step = Step::Probe;
                Command::Probe { within }
            }
            None => self.resume(),
        }
    }

    fn resume(&mut self) -> Command {
        self.step = Step::Resume;
        Command::Resume { within: RELEASE_MOST }
    }

    fn restart_gate(&mut self) -> Command {
        self.step = Step::RestartGate;
        Command::RestartGate { within: GATE_MOST }
    }

    fn verify(&mut self) -> Command {
        self.step = Step::Verify;
        Command::Verify { within: VERIFY_MOST }
    }

    fn put_off_for_use(&mut self) -> Command {
        if self.cancelled {
            return self.finish(Outcome::Cancelled);
        }
        let why = match (self.last_uses.first(), self.account.trouble.last()) {
            (Some(first), _) => Text::new(
                format!(
                    "Databasen var i bruk: {} ({})",
                    first.whose,
                    first.class.title().nb
                ),
                format!(
                    "The database was in use: {} ({})",
                    first.whose,
                    first.class.title().en
                ),
            ),
            (None, Some(trouble)) => trouble.clone(),
            (None, None) => Text::new(
                "Pågående transaksjoner ble ikke ferdige innen grensen for stans",
                "Running transactions did not end within the stall budget",
            ),
        };
        let uses = self.last_uses.clone();
        self.finish(Outcome::PutOff { why, uses })
    }

    fn finish(&mut self, outcome: Outcome) -> Command {
        self.step = Step::Finished;
        Command::Finish(outcome)
    }
}

#[cfg(test)]
mod tests;

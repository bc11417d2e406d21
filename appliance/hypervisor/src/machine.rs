//! One virtual machine: what was seen of it in, its state and the reason for it out.
//!
//! Nothing here waits or asks. The state is judged from what is known, afresh after each event; so it does not matter
//! in which order the service manager, QEMU and the checks report.

mod judge;
mod permit;
#[cfg(test)]
mod tests;

use varde_bus::hypervisor::{CheckState, CheckStatus, VmState};
use varde_site::{Check, CheckKind, Text, Vm};

use crate::notes::{Ended, Note, Started};
use crate::qmp::{Shutdown, Status};
use crate::unit::{Activity, UnitView};

/// What can be seen of a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It is in the active generation, like this.
    Declared(Vm),
    /// It is not in the active generation any more.
    Undeclared,
    Unit(UnitView),
    /// How the present run was started.
    Started(Started),
    /// How the last run ended.
    Ended(Ended),
    /// What an earlier daemon knew.
    Noted(Note),
    /// QEMU answered.
    Guest(Status),
    /// QEMU says that it ends, and why.
    Shutdown(Shutdown),
    /// The guest began anew.
    Reset,
    /// QEMU's connection ended.
    Lost,
    /// A boot check passed, or what it said.
    Check(usize, Result<(), Text>),
    /// A boot check took longer than it may; what it said last.
    CheckOverdue(usize),
    /// A start was asked for, and waits for these machines.
    Waits(Vec<String>),
    /// A start was asked for and is under way.
    StartAsked,
    /// A start was asked for and must not be.
    Refused(Text),
    /// The service manager gave up a start before it came to the unit.
    NotStarted(Text),
    /// Somebody ends it; the reason as it will be shown.
    EndAsked(Text),
}

/// What QEMU let us know in the present run.
#[derive(Clone, Debug, Default, PartialEq)]
enum Guest {
    /// Nothing yet.
    #[default]
    Silent,
    Answered(Status),
    Ending(Shutdown),
    /// It did answer, and does not any more.
    Lost,
}

#[derive(Clone, Debug)]
pub struct Machine {
    vm: Vm,
    declared: bool,
    unit: UnitView,
    started: Option<Started>,
    ended: Option<Ended>,
    note: Note,
    guest: Guest,
    checks: Vec<CheckStatus>,
    waits: Vec<String>,
    start_asked: bool,
    refused: Option<Text>,
    state: VmState,
    reason: Text,
    since: i64,
}

impl Machine {
    pub fn new(vm: Vm, now: i64) -> Self {
        let checks = checks_of(&vm);
        Self {
            vm,
            declared: true,
            unit: UnitView::default(),
            started: None,
            ended: None,
            note: Note::default(),
            guest: Guest::default(),
            checks,
            waits: Vec::new(),
            start_asked: false,
            refused: None,
            state: VmState::Declared,
            reason: Text::default(),
            since: now,
        }
    }

    /// Takes in what was seen. True if anything that is shown has changed by it.
    pub fn see(&mut self, event: Event, now: i64) -> bool {
        self.see_all([event], now)
    }

    /// Takes in what belongs together, and judges once: by halves it may look like something else.
    pub fn see_all(&mut self, events: impl IntoIterator<Item = Event>, now: i64) -> bool {
        let before = (
            self.state,
            self.reason.clone(),
            self.checks.clone(),
            self.unit.pid,
        );
        let first_sight = self.unit.invocation.is_empty();
        let vm_before = self.vm.clone();
        for event in events {
            self.take(event, now);
        }
        let (state, reason) = self.judge();
        if state != self.state {
            self.since = match (self.state, state) {
                // An earlier daemon may have seen it come up.
                (VmState::Starting | VmState::Declared, VmState::Running) => self.note.up_since,
                _ if first_sight => self.past(now),
                _ => now,
            };
        }
        self.state = state;
        self.reason = reason;
        before
            != (
                self.state,
                self.reason.clone(),
                self.checks.clone(),
                self.unit.pid,
            )
            || vm_before != self.vm
    }

    /// When what is found already there came about, as far as anybody wrote it down.
    fn past(&self, now: i64) -> i64 {
        let candidates = if self.unit.activity.is_off() {
            [
                self.ended.as_ref().map_or(0, |ended| ended.when),
                self.unit.down_since,
            ]
        } else {
            [self.unit.up_since, 0]
        };
        candidates
            .into_iter()
            .find(|time| *time > 0)
            .unwrap_or(now)
            .min(now)
    }

    fn take(&mut self, event: Event, now: i64) {
        match event {
            Event::Declared(vm) => {
                self.declared = true;
                if self.unit.activity.is_off() {
                    self.checks = checks_of(&vm);
                }
                self.vm = vm;
            }
            Event::Undeclared => self.declared = false,
            Event::Unit(view) => self.take_unit(view),
            Event::Started(started) => {
                if started.invocation != self.unit.invocation {
                    return;
                }
                self.checks = carry_over(&self.checks, checks_of(&started.vm), self.note.is_up());
                self.started = Some(started);
            }
            Event::Ended(ended) => {
                if self.unit.invocation.is_empty() {
                    // It ended well before this daemon came, and systemd has forgotten it.
                    self.unit.invocation.clone_from(&ended.invocation);
                }
                if ended.invocation == self.unit.invocation {
                    self.ended = Some(ended);
                }
            }
            Event::Noted(note) => {
                if note.invocation != self.unit.invocation {
                    return;
                }
                if note.is_up() {
                    pass_all(&mut self.checks);
                }
                self.note = note;
                if self.unit.activity == Activity::Active {
                    // An order that its daemon did not live to give. Whoever gave it was told that it is unknown.
                    self.note.ended_by = None;
                }
            }
            Event::Guest(status) => {
                if status.running && self.checks.is_empty() {
                    self.came_up(now);
                }
                if !matches!(self.guest, Guest::Ending(_)) {
                    self.guest = Guest::Answered(status);
                }
            }
            Event::Shutdown(shutdown) => self.guest = Guest::Ending(shutdown),
            Event::Reset => {
                self.note.up_since = 0;
                self.checks = checks_of(self.running_as());
            }
            Event::Lost => {
                if matches!(self.guest, Guest::Answered(_)) {
                    self.guest = Guest::Lost;
                }
            }
            Event::Check(place, result) => self.take_check(place, result, now),
            Event::CheckOverdue(place) => {
                if let Some(check) = self.checks.get_mut(place)
                    && check.state == CheckState::Waiting
                {
                    check.state = CheckState::Failed;
                }
            }
            Event::Waits(names) => {
                self.refused = None;
                self.waits = names;
            }
            Event::StartAsked => {
                self.waits.clear();
                self.refused = None;
                self.start_asked = true;
            }
            Event::Refused(text) => {
                self.waits.clear();
                self.start_asked = false;
                self.refused = Some(text);
            }
            Event::NotStarted(text) => {
                if std::mem::take(&mut self.start_asked) {
                    self.refused = Some(text);
                }
            }
            Event::EndAsked(text) => {
                self.start_asked = false;
                self.note.invocation.clone_from(&self.unit.invocation);
                self.note.ended_by = Some(text);
            }
        }
    }

    fn take_unit(&mut self, view: UnitView) {
        if view.invocation != self.unit.invocation && !view.invocation.is_empty() {
            // Another run: what was known belongs to the one before.
            self.start_asked = false;
            self.refused = None;
            self.waits.clear();
            self.guest = Guest::Silent;
            if self.note.invocation != view.invocation {
                self.note = Note::default();
            }
            if self
                .started
                .as_ref()
                .is_some_and(|started| started.invocation != view.invocation)
            {
                self.started = None;
            }
            if self
                .ended
                .as_ref()
                .is_some_and(|ended| ended.invocation != view.invocation)
            {
                self.ended = None;
            }
            self.checks = carry_over(&[], checks_of(self.running_as()), self.note.is_up());
        }
        let invocation = if view.invocation.is_empty() {
            // systemd forgets a unit that ended well; the number is ours to keep.
            std::mem::take(&mut self.unit.invocation)
        } else {
            view.invocation.clone()
        };
        self.unit = UnitView { invocation, ..view };
        if self.unit.activity.is_off() {
            self.checks = checks_of(&self.vm);
        }
    }

    fn take_check(&mut self, place: usize, result: Result<(), Text>, now: i64) {
        let Some(check) = self.checks.get_mut(place) else {
            return;
        };
        match result {
            Ok(()) => {
                check.state = CheckState::Passed;
                check.detail = Text::default();
            }
            Err(detail) => check.detail = detail,
        }
        if self.checks.iter().all(|check| check.state == CheckState::Passed) {
            self.came_up(now);
        }
    }

    /// Remembers when, the first time.
    fn came_up(&mut self, now: i64) {
        self.note.invocation.clone_from(&self.unit.invocation);
        if !self.note.is_up() {
            self.note.up_since = now;
        }
    }

    /// What runs now, or would if it were started.
    pub fn running_as(&self) -> &Vm {
        match &self.started {
            Some(started) if !self.unit.activity.is_off() => &started.vm,
            _ => &self.vm,
        }
    }

    pub fn name(&self) -> &str {
        &self.vm.name
    }

    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    pub fn is_declared(&self) -> bool {
        self.declared
    }

    pub fn state(&self) -> VmState {
        self.state
    }

    pub fn reason(&self) -> &Text {
        &self.reason
    }

    pub fn since(&self) -> i64 {
        self.since
    }

    pub fn unit(&self) -> &UnitView {
        &self.unit
    }

    pub fn checks(&self) -> &[CheckStatus] {
        &self.checks
    }

    pub fn note(&self) -> &Note {
        &self.note
    }

    /// It has come up in this run, and not begun anew since.
    pub fn was_up(&self) -> bool {
        self.note.up_since != 0
    }

    /// QEMU has told its state in this run.
    pub fn is_heard(&self) -> bool {
        self.guest != Guest::Silent
    }

    /// Memory is promised to it: it is on or on its way.
    pub fn holds_memory(&self) -> bool {
        !self.unit.activity.is_off() || self.start_asked
    }

    /// What went wrong without being asked for and is not in the record yet; from now on it counts as told.
    pub fn incident(&mut self) -> Option<(&'static str, String)> {
        let verb = match self.state {
            VmState::Crashed => "vm.crashed",
            VmState::Blocked if self.refused.is_none() => "vm.blocked",
            _ => return None,
        };
        // How a run ended is worth telling once the end is fully known.
        if self.unit.activity == Activity::Deactivating {
            return None;
        }
        if self.note.told && self.note.invocation == self.unit.invocation {
            return None;
        }
        self.note.invocation.clone_from(&self.unit.invocation);
        self.note.told = true;
        Some((verb, self.reason.en.clone()))
    }

    /// Whose boot checks a start waits for.
    pub fn waits_for(&self) -> &[String] {
        &self.waits
    }
}

/// The checks as they are before anything is known of them.
fn checks_of(vm: &Vm) -> Vec<CheckStatus> {
    vm.checks
        .iter()
        .map(|check| CheckStatus {
            name: name_of(check),
            state: CheckState::Waiting,
            detail: Text::default(),
        })
        .collect()
}

/// What is known of checks stays known when their list is made anew.
fn carry_over(known: &[CheckStatus], mut checks: Vec<CheckStatus>, up: bool) -> Vec<CheckStatus> {
    for check in &mut checks {
        if let Some(known) = known.iter().find(|known| known.name == check.name) {
            check.clone_from(known);
        }
    }
    if up {
        pass_all(&mut checks);
    }
    checks
}

fn pass_all(checks: &mut [CheckStatus]) {
    for check in checks {
        check.state = CheckState::Passed;
        check.detail = Text::default();
    }
}

/// Such as `agent` or `tcp 5432`.
pub fn name_of(check: &Check) -> String {
    match check.kind {
        CheckKind::Agent => "agent".to_owned(),
        CheckKind::Tcp(port) => format!("tcp {port}"),
    }
}

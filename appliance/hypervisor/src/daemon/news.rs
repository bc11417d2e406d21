//! What happens: to the site, to units, to QEMU, to checks; and what follows from it.

use std::time::Duration;

use varde_bus::hypervisor::CheckState;
use varde_site::Site;

use super::core::{Core, News, Slot};
use super::link::{self, LinkNews};
use super::{Publication, now};
use crate::checks::{self, Told};
use crate::console::Console;
use crate::machine::{Event, Machine};
use crate::notes::{Ended, Note, Started};
use crate::reconcile::{self, Step};
use crate::unit::UnitNews;

/// A guest that restarts without having been asked to, by us.
const RESTARTED: &str = "vm.restarted";

impl Core {
    pub async fn reconcile(&mut self, site: &Site) {
        let known = self
            .slots
            .iter()
            .map(|(name, slot)| {
                (
                    name.as_str(),
                    slot.machine.is_declared().then(|| slot.machine.vm()),
                )
            })
            .collect();
        for step in reconcile::steps(&known, &site.vms) {
            match step {
                Step::Add(vm) => {
                    let name = vm.name.clone();
                    self.slots
                        .insert(name.clone(), Slot::new(Machine::new(vm, now())));
                    let ended = Ended::read(&self.paths, &name).map(Event::Ended);
                    let noted = self.recall(&name);
                    self.see_all(&name, ended.into_iter().chain(noted));
                    self.announce(&name);
                }
                Step::Change(vm) => {
                    let name = vm.name.clone();
                    self.see(&name, Event::Declared(vm));
                }
                Step::Remove(name) => {
                    self.see(&name, Event::Undeclared);
                    self.drop_if_gone(&name);
                }
            }
        }
        if !self.looked_around {
            self.looked_around = true;
            self.find_again().await;
        }
    }

    /// What an earlier daemon, or nobody, has been looking after.
    async fn find_again(&mut self) {
        match self.units.all().await {
            Ok(all) => all.into_iter().for_each(|news| self.hear(News::Unit(news))),
            Err(failure) => eprintln!("cannot list the machines' units: {failure}; their next change tells"),
        }
    }

    /// What an earlier daemon noted.
    fn recall(&mut self, vm: &str) -> Option<Event> {
        let slot = self.slots.get_mut(vm)?;
        if !slot.machine.note().invocation.is_empty() {
            // This one knows more than it has written down.
            return None;
        }
        let note = Note::read(&self.paths, vm)?;
        slot.note = note.clone();
        Some(Event::Noted(note))
    }

    pub fn hear(&mut self, news: News) {
        match news {
            News::Unit(news) => self.hear_unit(news),
            News::Link { vm, run, news } => self.hear_link(&vm, &run, news),
            News::Seen { vm, run, event } => {
                if self.works_for(&vm, &run) {
                    self.see(&vm, *event);
                }
            }
            News::Console { vm, run, console } => {
                if self.works_for(&vm, &run)
                    && let Some(slot) = self.slots.get_mut(&vm)
                {
                    slot.console = Some(console);
                }
            }
            News::NotStarted { vm, failure } => self.see(&vm, Event::Refused(failure.text)),
            News::Verified(all, answer) => {
                for (vm, run, status) in all {
                    if self.works_for(&vm, &run) {
                        self.see(&vm, Event::Guest(status));
                    }
                }
                let _ = answer.send(Ok(self.list()));
            }
            News::VerifiedOne(vm, answer) => {
                let _ = answer.send(self.slot(&vm).map(|slot| self.status(slot)));
            }
        }
    }

    fn works_for(&self, vm: &str, run: &str) -> bool {
        self.slots.get(vm).is_some_and(|slot| slot.run == run)
    }

    fn hear_unit(&mut self, news: UnitNews) {
        let UnitNews {
            vm,
            view,
            not_started,
        } = news;
        let off = view.activity.is_off();
        if !self.slots.contains_key(&vm) && !self.take_in(&vm, off) {
            return;
        }
        let Some(slot) = self.slots.get_mut(&vm) else {
            return;
        };
        if view.number < slot.machine.unit().number {
            // A look that was overtaken on its way by the news.
            return;
        }
        if off {
            slot.rest();
        } else if slot.run != view.invocation {
            slot.rest();
            slot.run.clone_from(&view.invocation);
        }
        let mut events = vec![Event::Unit(view)];
        // What was written down is seen together with it: judged by halves it would look like something else.
        if off {
            events.extend(Ended::read(&self.paths, &vm).map(Event::Ended));
            events.extend(not_started.map(Event::NotStarted));
        }
        events.extend(self.recall(&vm));
        self.see_all(&vm, events);
        self.attend(&vm);
        self.drop_if_gone(&vm);
    }

    /// A machine that runs though no generation names it: it was taken out while it ran. True if it has a slot now.
    fn take_in(&mut self, vm: &str, off: bool) -> bool {
        if off {
            return false;
        }
        let Some(started) = Started::read(&self.paths, vm) else {
            return false;
        };
        let mut machine = Machine::new(started.vm, now());
        machine.see(Event::Undeclared, now());
        self.slots.insert(vm.to_owned(), Slot::new(machine));
        true
    }

    /// Sees to it that a running machine has its line to QEMU and its checks.
    fn attend(&mut self, vm: &str) {
        let Some(slot) = self.slots.get_mut(vm) else {
            return;
        };
        if slot.run.is_empty() || !slot.tasks.is_empty() || slot.machine.unit().pid == 0 {
            return;
        }
        let socket = self.paths.qmp(vm);
        let (news, name, run) = (self.news.clone(), vm.to_owned(), slot.run.clone());
        let task = tokio::spawn(link::hold(socket, move |what| {
            // The heart has ended: so will this task.
            let _ = news.send(News::Link {
                vm: name.clone(),
                run: run.clone(),
                news: what,
            });
        }));
        slot.tasks.push(task.abort_handle());
        let started = Started::read(&self.paths, vm).map(Event::Started);
        let noted = self.recall(vm);
        self.see_all(vm, started.into_iter().chain(noted));
        self.begin_checks(vm);
    }

    /// (Re)starts the boot checks that have not passed.
    fn begin_checks(&mut self, vm: &str) {
        let Some(slot) = self.slots.get_mut(vm) else {
            return;
        };
        for task in slot.checks.drain(..) {
            task.abort();
        }
        let machine = &slot.machine;
        let up_since = match machine.unit().up_since {
            0 => now(),
            since => since,
        };
        let elapsed = Duration::from_millis(u64::try_from(now() - up_since).unwrap_or(0));
        let declared = machine.running_as().clone();
        for (place, check) in declared.checks.iter().enumerate() {
            if machine
                .checks()
                .get(place)
                .is_some_and(|known| known.state == CheckState::Passed)
            {
                continue;
            }
            let (news, name, run) = (self.news.clone(), vm.to_owned(), slot.run.clone());
            let (check, declared, paths) = (check.clone(), declared.clone(), self.paths.clone());
            let task = tokio::spawn(async move {
                checks::run(&check, &declared, &paths, elapsed, |told| {
                    let event = match told {
                        Told::Attempt(result) => Event::Check(place, result),
                        Told::Overdue => Event::CheckOverdue(place),
                    };
                    let _ = news.send(News::Seen {
                        vm: name.clone(),
                        run: run.clone(),
                        event: Box::new(event),
                    });
                })
                .await;
            });
            slot.checks.push(task.abort_handle());
        }
    }

    fn hear_link(&mut self, vm: &str, run: &str, news: LinkNews) {
        if !self.works_for(vm, run) {
            return;
        }
        match news {
            LinkNews::Up(client) => {
                if let Some(slot) = self.slots.get_mut(vm) {
                    slot.qmp = Some(client);
                }
                self.join_console(vm);
            }
            LinkNews::Seen(event) => {
                let again = *event == Event::Reset;
                let was_up = self.slots.get(vm).is_some_and(|slot| slot.machine.was_up());
                self.see(vm, *event);
                self.answer_settled();
                if again {
                    self.begin_checks(vm);
                }
                // One that never comes up and begins anew all the time is told of once.
                if again && was_up {
                    self.tell(Publication::Incident {
                        verb: RESTARTED,
                        vm: vm.to_owned(),
                        detail: "the guest itself began anew; whoever used it was cut off".to_owned(),
                    });
                }
            }
            LinkNews::Down => {
                if let Some(slot) = self.slots.get_mut(vm) {
                    slot.qmp = None;
                }
                self.see(vm, Event::Lost);
                self.look(vm);
            }
        }
    }

    /// QEMU is the only one that knows sooner than the service manager that it has gone.
    fn look(&self, vm: &str) {
        let (units, news, name) = (self.units.clone(), self.news.clone(), vm.to_owned());
        tokio::spawn(async move {
            if let Ok(view) = units.view(&name).await {
                let _ = news.send(News::Unit(UnitNews {
                    vm: name,
                    view,
                    not_started: None,
                }));
            }
        });
    }

    fn join_console(&self, vm: &str) {
        let Some(slot) = self.slots.get(vm) else { return };
        if slot.console.is_some() {
            return;
        }
        let (socket, log) = (self.paths.serial(vm), self.paths.serial_log(vm));
        let (news, vm, run) = (self.news.clone(), vm.to_owned(), slot.run.clone());
        tokio::spawn(async move {
            match Console::connect(&socket, &log).await {
                Ok(console) => {
                    let _ = news.send(News::Console { vm, run, console });
                }
                Err(error) => eprintln!("{vm}: cannot connect to {}: {error}", socket.display()),
            }
        });
    }

    pub fn see(&mut self, vm: &str, event: Event) {
        self.see_all(vm, [event]);
    }

    /// Lets a machine see things at once; publishes what came of it, and lets those that wait for it look again.
    fn see_all(&mut self, vm: &str, events: impl IntoIterator<Item = Event>) {
        let Some(slot) = self.slots.get_mut(vm) else {
            return;
        };
        let before = slot.machine.state();
        let changed = slot.machine.see_all(events, now());
        let after = slot.machine.state();
        self.keep_note(vm);
        if changed {
            self.announce(vm);
        }
        if after != before {
            self.look_at_waiting();
        }
    }

    /// Writes down what only the daemon knows, when that has changed.
    fn keep_note(&mut self, vm: &str) {
        let Some(slot) = self.slots.get_mut(vm) else {
            return;
        };
        let incident = slot.machine.incident();
        let note = slot.machine.note();
        // A note without a run says nothing; the one on disk may.
        if *note != slot.note && !note.invocation.is_empty() {
            slot.note = note.clone();
            if let Err(error) = note.write(&self.paths, vm) {
                eprintln!("{vm}: {error}; the next daemon will know less");
            }
        }
        if let Some((verb, detail)) = incident {
            self.tell(Publication::Incident {
                verb,
                vm: vm.to_owned(),
                detail,
            });
        }
    }

    fn announce(&self, vm: &str) {
        if let Some(slot) = self.slots.get(vm) {
            self.tell(Publication::Changed(self.status(slot)));
        }
    }

    fn tell(&self, publication: Publication) {
        // Nobody listens in a daemon that is ending.
        let _ = self.publish.send(publication);
    }

    fn drop_if_gone(&mut self, vm: &str) {
        let gone = self
            .slots
            .get(vm)
            .is_some_and(|slot| !slot.machine.is_declared() && slot.machine.unit().activity.is_off());
        if gone {
            self.slots.remove(vm);
            self.tell(Publication::Removed(vm.to_owned()));
        }
    }
}

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
        let steps = reconcile::steps(&known, &site.vms);
        let first = self.slots.is_empty();
        for step in steps {
            match step {
                Step::Add(vm) => {
                    let name = vm.name.clone();
                    self.slots
                        .insert(name.clone(), Slot::new(Machine::new(vm, now())));
                    if let Some(ended) = Ended::read(&self.paths, &name) {
                        self.see(&name, Event::Ended(ended));
                        self.recall(&name);
                    }
                    if let Some(stray) = self.strays.remove(&name) {
                        self.hear(News::Unit(stray));
                    }
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
        if first {
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

    fn recall(&mut self, vm: &str) {
        if let Some(note) = Note::read(&self.paths, vm) {
            if let Some(slot) = self.slots.get_mut(vm) {
                slot.note = note.clone();
            }
            self.see(vm, Event::Noted(note));
        }
    }

    pub fn hear(&mut self, news: News) {
        match news {
            News::Unit(news) => self.hear_unit(news),
            News::Link { vm, run, news } => self.hear_link(&vm, &run, news),
            News::Seen { vm, run, event } => {
                if self.works_for(&vm, &run) {
                    self.see(&vm, event);
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
        let Some(slot) = self.slots.get_mut(&vm) else {
            self.strays.insert(
                vm.clone(),
                UnitNews {
                    vm,
                    view,
                    not_started,
                },
            );
            return;
        };
        let (off, run) = (view.activity.is_off(), view.invocation.clone());
        if !off && slot.run != run {
            slot.rest();
            slot.run.clone_from(&run);
        }
        if off {
            slot.rest();
        }
        self.see(&vm, Event::Unit(view));
        if off {
            if let Some(ended) = Ended::read(&self.paths, &vm) {
                self.see(&vm, Event::Ended(ended));
            }
            if let Some(text) = not_started {
                self.see(&vm, Event::NotStarted(text));
            }
        }
        self.recall(&vm);
        self.attend(&vm);
        self.drop_if_gone(&vm);
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
        if let Some(started) = Started::read(&self.paths, vm) {
            self.see(vm, Event::Started(started));
        }
        self.recall(vm);
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
                        event,
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
                let again = event == Event::Reset;
                self.see(vm, event);
                if again {
                    self.begin_checks(vm);
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

    /// Lets a machine see something; publishes what came of it, and lets those that wait for it look again.
    pub fn see(&mut self, vm: &str, event: Event) {
        let Some(slot) = self.slots.get_mut(vm) else {
            return;
        };
        let before = slot.machine.state();
        let changed = slot.machine.see(event, now());
        self.keep_note(vm);
        if changed {
            self.announce(vm);
        }
        if self
            .slots
            .get(vm)
            .is_some_and(|slot| slot.machine.state() != before)
        {
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
        if *note != slot.note {
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

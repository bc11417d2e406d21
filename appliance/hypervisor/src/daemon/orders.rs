//! What is asked of the heart.

use std::time::Duration;

use tokio::task::JoinSet;
use varde_bus::hypervisor::VmStatus;
use varde_bus::{Failure, FailureKind};
use varde_site::Text;

use super::core::{Core, News, unknown};
use super::{Answer, End, Halt};
use crate::admission::Held;
use crate::console::Console;
use crate::gate::{self, Dependencies};
use crate::machine::Event;
use crate::qmp::{Continue, DEFAULT_TIMEOUT, QueryStatus, Stop};

/// How long a question in passing may take; the cached answer is at hand.
const IN_PASSING: Duration = Duration::from_secs(1);

impl Core {
    /// Asks every QEMU at once. One that does not answer keeps its cached state: no answer is unknown, not changed.
    pub fn verify(&self, answer: Answer<Vec<VmStatus>>) {
        let mut questions = JoinSet::new();
        for (vm, slot) in &self.slots {
            if let Some(client) = slot.qmp.clone() {
                let (vm, run) = (vm.clone(), slot.run.clone());
                questions.spawn(async move {
                    let status = client.execute(&QueryStatus {}, IN_PASSING).await.ok()?;
                    Some((vm, run, status))
                });
            }
        }
        let news = self.news.clone();
        tokio::spawn(async move {
            let all = questions.join_all().await.into_iter().flatten().collect();
            let _ = news.send(News::Verified(all, answer));
        });
    }

    pub fn get(&self, vm: String, answer: Answer<VmStatus>) {
        let asked = self
            .slots
            .get(&vm)
            .and_then(|slot| Some((slot.qmp.clone()?, slot.run.clone())));
        let news = self.news.clone();
        tokio::spawn(async move {
            if let Some((client, run)) = asked
                && let Ok(status) = client.execute(&QueryStatus {}, IN_PASSING).await
            {
                let event = Box::new(Event::Guest(status));
                let vm = vm.clone();
                let _ = news.send(News::Seen { vm, run, event });
            }
            let _ = news.send(News::VerifiedOne(vm, answer));
        });
    }

    pub fn start(&mut self, vm: &str, answer: Answer<()>) {
        if let Err(failure) = self.slot(vm).and_then(|slot| slot.machine.may_start()) {
            let _ = answer.send(Err(failure));
            return;
        }
        self.go_on_starting(vm, Some(answer));
    }

    /// Starts it, lets it wait for others, or refuses. `answer` is absent where the start was promised before.
    pub fn go_on_starting(&mut self, vm: &str, answer: Option<Answer<()>>) {
        let Some(slot) = self.slots.get(vm) else { return };
        let declared = slot.machine.vm().clone();
        let reply = |answer: Option<Answer<()>>, result| {
            if let Some(answer) = answer {
                let _ = answer.send(result);
            }
        };
        match gate::dependencies(&declared, |name| Some(self.slots.get(name)?.machine.state())) {
            Dependencies::Up => {}
            Dependencies::ComingUp(names) => {
                self.see(vm, Event::Waits(names));
                return reply(answer, Ok(()));
            }
            Dependencies::Down(text) => {
                self.see(vm, Event::Refused(text.clone()));
                return reply(
                    answer,
                    Err(Failure {
                        kind: FailureKind::Refused,
                        text,
                    }),
                );
            }
        }
        if let Err(error) = gate::surroundings(&declared, &self.held(), &self.paths) {
            self.see(vm, Event::Refused(error.text()));
            return reply(answer, Err(error.into()));
        }
        self.see(vm, Event::StartAsked);
        let (units, news, vm) = (self.units.clone(), self.news.clone(), vm.to_owned());
        tokio::spawn(async move {
            let result = units.start(&vm).await;
            if let Err(failure) = result.clone() {
                let _ = news.send(News::NotStarted { vm, failure });
            }
            reply(answer, result);
        });
    }

    /// Memory that is promised to machines that are on or on their way.
    fn held(&self) -> Vec<Held> {
        self.slots
            .values()
            .filter(|slot| slot.machine.holds_memory())
            .map(|slot| Held {
                name: slot.machine.name().to_owned(),
                memory: slot.machine.running_as().memory,
            })
            .collect()
    }

    /// Those that wait for others look again, whenever one has come into another state.
    pub fn look_at_waiting(&mut self) {
        let waiting: Vec<String> = self
            .slots
            .iter()
            .filter(|(_, slot)| !slot.machine.waits_for().is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        for vm in waiting {
            let Some(slot) = self.slots.get(&vm) else { continue };
            let declared = slot.machine.vm();
            let now = gate::dependencies(declared, |name| Some(self.slots.get(name)?.machine.state()));
            if now != Dependencies::ComingUp(slot.machine.waits_for().to_vec()) {
                self.go_on_starting(&vm, None);
            }
        }
    }

    pub fn end(&mut self, vm: &str, end: End, by: Text, answer: Answer<()>) {
        let slot = match self
            .slot(vm)
            .and_then(|slot| slot.machine.may_end().map(|()| slot))
        {
            Ok(slot) => slot,
            Err(failure) => {
                let _ = answer.send(Err(failure));
                return;
            }
        };
        if !slot.machine.waits_for().is_empty() {
            self.see(vm, Event::Waits(Vec::new()));
            let _ = answer.send(Ok(()));
            return;
        }
        // Noted before it is done: whoever finds the machine off must find out why.
        self.see(vm, Event::EndAsked(by));
        let (units, vm) = (self.units.clone(), vm.to_owned());
        tokio::spawn(async move {
            let result = match end {
                End::Orderly => units.stop(&vm).await,
                End::Power => units.kill(&vm).await,
            };
            let _ = answer.send(result);
        });
    }

    pub fn halt(&mut self, vm: &str, halt: Halt, answer: Answer<()>) {
        let ready = self.slot(vm).and_then(|slot| {
            match halt {
                Halt::Pause => slot.machine.may_pause()?,
                Halt::Resume => slot.machine.may_resume()?,
            }
            let client = slot.qmp.clone().ok_or_else(|| {
                Failure::new(
                    FailureKind::Refused,
                    format!("QEMU for {vm} svarer ikke akkurat nå; prøv igjen"),
                    format!("QEMU of {vm} does not answer just now; try again"),
                )
            })?;
            Ok((client, slot.run.clone()))
        });
        let (client, run) = match ready {
            Ok(ready) => ready,
            Err(failure) => {
                let _ = answer.send(Err(failure));
                return;
            }
        };
        let (news, vm) = (self.news.clone(), vm.to_owned());
        tokio::spawn(async move {
            let done = match halt {
                Halt::Pause => client.execute(&Stop {}, DEFAULT_TIMEOUT).await,
                Halt::Resume => client.execute(&Continue {}, DEFAULT_TIMEOUT).await,
            };
            if let Ok(status) = client.execute(&QueryStatus {}, DEFAULT_TIMEOUT).await {
                let event = Box::new(Event::Guest(status));
                let _ = news.send(News::Seen { vm, run, event });
            }
            let _ = answer.send(
                done.map(|_| ())
                    .map_err(|error| Failure::from(crate::Error::from(error))),
            );
        });
    }

    pub fn console(&self, vm: &str) -> Result<Console, Failure> {
        let slot = self.slots.get(vm).ok_or_else(|| unknown(vm))?;
        slot.console.clone().ok_or_else(|| {
            Failure::new(
                FailureKind::Refused,
                format!("{vm} er ikke på, så den har ingen konsoll å gå inn i"),
                format!("{vm} is not on, so it has no console to enter"),
            )
        })
    }
}

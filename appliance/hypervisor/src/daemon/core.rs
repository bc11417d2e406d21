//! The task that owns the machines.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use varde_bus::hypervisor::VmStatus;
use varde_bus::{Failure, FailureKind};

use super::link::LinkNews;
use super::{Answer, Line, Order, Publication};
use crate::console::Console;
use crate::machine::{Event, Machine};
use crate::notes::Note;
use crate::paths::Paths;
use crate::qmp::{Client, Status};
use crate::unit::{UnitNews, Units};
use crate::usage;

/// What tasks that work for a machine report. `run` is the invocation they worked for: what comes late from an earlier
/// run is dropped.
pub enum News {
    Unit(UnitNews),
    Link {
        vm: String,
        run: String,
        news: LinkNews,
    },
    Seen {
        vm: String,
        run: String,
        event: Box<Event>,
    },
    Console {
        vm: String,
        run: String,
        console: Console,
    },
    NotStarted {
        vm: String,
        failure: Failure,
    },
    /// Every QEMU that answered, and to whom the list goes then.
    Verified(Vec<(String, String, Status)>, Answer<Vec<VmStatus>>),
    VerifiedOne(String, Answer<VmStatus>),
}

pub struct Slot {
    pub machine: Machine,
    /// The invocation that the tasks work for; empty when it is off.
    pub run: String,
    pub tasks: Vec<AbortHandle>,
    pub checks: Vec<AbortHandle>,
    pub qmp: Option<Client>,
    pub console: Option<Console>,
    /// What is on disk.
    pub note: Note,
}

impl Slot {
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            run: String::new(),
            tasks: Vec::new(),
            checks: Vec::new(),
            qmp: None,
            console: None,
            note: Note::default(),
        }
    }

    pub fn rest(&mut self) {
        for task in self.tasks.drain(..).chain(self.checks.drain(..)) {
            task.abort();
        }
        self.run.clear();
        self.qmp = None;
        self.console = None;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.rest();
    }
}

pub struct Core {
    pub paths: Paths,
    pub units: Arc<dyn Units>,
    pub publish: mpsc::UnboundedSender<Publication>,
    pub slots: BTreeMap<String, Slot>,
    /// What was there before this daemon has been found.
    pub looked_around: bool,
    /// Who waits until every QEMU that runs has been heard.
    pub settling: Vec<Answer<()>>,
    pub news: mpsc::UnboundedSender<News>,
    incoming: Option<mpsc::UnboundedReceiver<News>>,
}

impl Core {
    pub fn new(paths: Paths, units: Arc<dyn Units>, publish: mpsc::UnboundedSender<Publication>) -> Self {
        let (news, incoming) = mpsc::unbounded_channel();
        Self {
            paths,
            units,
            publish,
            slots: BTreeMap::new(),
            looked_around: false,
            settling: Vec::new(),
            news,
            incoming: Some(incoming),
        }
    }

    pub async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut unit_news: mpsc::UnboundedReceiver<UnitNews>,
    ) {
        let Some(mut incoming) = self.incoming.take() else {
            return;
        };
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                Some(news) = incoming.recv() => self.hear(news),
                Some(news) = unit_news.recv() => self.hear(News::Unit(news)),
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        // Whoever asked may have gone; then nobody needs the answer. So nothing is made of a failed send below.
        match order {
            Order::Site(site) => self.reconcile(&site).await,
            Order::Settled(answer) => {
                self.settling.push(answer);
                self.answer_settled();
            }
            Order::List(answer) => {
                let _ = answer.send(Ok(self.list()));
            }
            Order::Verify(answer) => self.verify(answer),
            Order::Get(vm, answer) => self.get(vm, answer),
            Order::Start(vm, answer) => self.start(&vm, answer),
            Order::End(vm, end, by, answer) => self.end(&vm, end, by, answer),
            Order::Halt(vm, halt, answer) => self.halt(&vm, halt, answer),
            Order::Console(vm, answer) => {
                let _ = answer.send(self.console(&vm));
            }
            Order::Line(vm, answer) => {
                let _ = answer.send(self.slot(&vm).map(line));
            }
            Order::Scrollback(vm, answer) => {
                let _ = answer.send(self.slot(&vm).map(|slot| slot.console.clone()));
            }
        }
    }

    pub fn answer_settled(&mut self) {
        let heard = |slot: &Slot| slot.run.is_empty() || slot.machine.is_heard();
        if !self.settling.is_empty() && self.slots.values().all(heard) {
            for answer in self.settling.drain(..) {
                // Whoever asked may have given up.
                let _ = answer.send(Ok(()));
            }
        }
    }

    pub fn slot(&self, vm: &str) -> Result<&Slot, Failure> {
        self.slots.get(vm).ok_or_else(|| unknown(vm))
    }

    pub fn list(&self) -> Vec<VmStatus> {
        self.slots.values().map(|slot| self.status(slot)).collect()
    }

    pub fn status(&self, slot: &Slot) -> VmStatus {
        let machine = &slot.machine;
        let vm = machine.running_as();
        VmStatus {
            name: vm.name.clone(),
            title: machine.vm().title.clone(),
            group: machine.vm().group.clone(),
            zone: vm.zone.clone(),
            address: vm.address.map(|address| address.to_string()).unwrap_or_default(),
            state: machine.state(),
            reason: machine.reason().clone(),
            since: machine.since(),
            cpus: vm.cpus,
            memory: vm.memory,
            autostart: machine.vm().autostart,
            pid: machine.unit().pid,
            checks: machine.checks().to_vec(),
            disks: usage::disks(vm, &self.paths),
        }
    }
}

fn line(slot: &Slot) -> Line {
    let machine = &slot.machine;
    let (up, unit) = (machine.note().up_since, machine.unit().up_since);
    Line {
        vm: machine.running_as().clone(),
        on: machine.holds_memory(),
        qmp: slot.qmp.clone(),
        boot: if up > 0 && unit > 0 { (up - unit).max(0) } else { 0 },
    }
}

pub fn unknown(vm: &str) -> Failure {
    Failure::new(
        FailureKind::NotFound,
        format!("Det finnes ingen virtuell maskin med navnet {vm}"),
        format!("There is no virtual machine of the name {vm}"),
    )
}

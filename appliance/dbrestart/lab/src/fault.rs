//! Faults at a chosen moment of a run: the controller dies, or the gate does.

use varde_dbrestart::ledger::Notice;
use varde_dbrestart::procedure::Performs;
use varde_dbrestart::rig::Rig;
use varde_dbrestart::run::{Command, Event};

use crate::Result;
use crate::cluster::Cluster;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL to this process.
    Controller,
    /// SIGKILL to PgBouncer.
    Gate,
}

/// A rig that has a fault before or after a command is performed, once.
#[derive(Debug)]
pub struct Faulty<'a> {
    pub rig: Rig,
    pub cluster: &'a Cluster,
    pub fault: Fault,
    /// The command by its name, such as `Stop`.
    pub at: String,
    pub after: bool,
    pub happened: bool,
}

/// The commands of a run that goes well, from the preflight on.
pub const COMMANDS: [&str; 9] = [
    "Preflight",
    "Checkpoint",
    "Look",
    "Pause",
    "Stop",
    "Start",
    "Probe",
    "Resume",
    "Verify",
];

impl Faulty<'_> {
    fn strike(&mut self, command: &Command) -> Result<()> {
        let name = format!("{command:?}");
        if self.happened || !name.starts_with(&self.at) {
            return Ok(());
        }
        self.happened = true;
        match self.fault {
            Fault::Controller => {
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
            }
            Fault::Gate => self.cluster.kill_gate()?,
        }
        Ok(())
    }
}

impl Performs for Faulty<'_> {
    async fn perform(&mut self, command: &Command) -> Event {
        if !self.after {
            self.strike(command).expect("the fault can be made");
        }
        let event = self.rig.perform(command).await;
        if self.after {
            self.strike(command).expect("the fault can be made");
        }
        event
    }

    fn notice(&self) -> Notice {
        self.rig.notice()
    }
}

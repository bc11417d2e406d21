//! What may be done with a machine in the state that it is in.

use varde_bus::hypervisor::VmState;
use varde_bus::{Failure, FailureKind};

use super::{Guest, Machine};
use crate::qmp::RunState;

fn refused(nb: impl Into<String>, en: impl Into<String>) -> Result<(), Failure> {
    Err(Failure::new(FailureKind::Refused, nb, en))
}

impl Machine {
    pub fn may_start(&self) -> Result<(), Failure> {
        let name = self.name();
        if !self.declared {
            return refused(
                format!("{name} er ikke i den aktive generasjonen"),
                format!("{name} is not in the active generation"),
            );
        }
        if self.start_asked || !self.waits.is_empty() {
            return refused(
                format!("{name} starter allerede"),
                format!("{name} is starting already"),
            );
        }
        if self.state == VmState::Stopping {
            return refused(
                format!("{name} slås av; vent til den er av"),
                format!("{name} is shutting down; wait until it is off"),
            );
        }
        if !self.unit.activity.is_off() {
            return refused(format!("{name} er på allerede"), format!("{name} is on already"));
        }
        Ok(())
    }

    pub fn may_end(&self) -> Result<(), Failure> {
        let name = self.name();
        if self.unit.activity.is_off() && !self.start_asked && self.waits.is_empty() {
            return refused(format!("{name} er av"), format!("{name} is off"));
        }
        Ok(())
    }

    pub fn may_pause(&self) -> Result<(), Failure> {
        match &self.guest {
            Guest::Answered(status) if status.running && !self.unit.activity.is_off() => Ok(()),
            _ => refused(
                format!("{} går ikke, så den kan ikke settes på pause", self.name()),
                format!("{} does not run, so it cannot be paused", self.name()),
            ),
        }
    }

    pub fn may_resume(&self) -> Result<(), Failure> {
        match &self.guest {
            Guest::Answered(status)
                if matches!(status.status, RunState::Paused | RunState::IoError)
                    && !self.unit.activity.is_off() =>
            {
                Ok(())
            }
            _ => refused(
                format!("{} er ikke satt på pause", self.name()),
                format!("{} is not paused", self.name()),
            ),
        }
    }
}

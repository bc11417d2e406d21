//! Waiting until a machine has come to where it should be. Too late means unknown, not failed.

use std::time::Duration;

use varde_bus::hypervisor::{ChangedStream, VmState, VmStatus};
use varde_bus::{Client, Failure, FailureKind};

/// Where a machine should come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    Up,
    Paused,
    Off,
}

/// What a state means for an aim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Reached,
    OnTheWay,
    /// It will not get there by itself.
    Lost,
}

fn progress(aim: Aim, state: VmState) -> Progress {
    match (aim, state) {
        (Aim::Up, VmState::Running)
        | (Aim::Paused, VmState::Paused)
        | (Aim::Off, VmState::Stopped | VmState::Declared) => Progress::Reached,
        (Aim::Up | Aim::Paused, VmState::Stopped | VmState::Stopping)
        | (_, VmState::Crashed | VmState::Blocked) => Progress::Lost,
        _ => Progress::OnTheWay,
    }
}

/// Listens to one machine.
pub struct Waiter<'a> {
    client: &'a Client,
    vm: String,
    changes: ChangedStream,
}

impl<'a> Waiter<'a> {
    pub async fn new(client: &'a Client, vm: &str) -> Result<Self, Failure> {
        let changes = client.hypervisor.receive_changed().await?;
        Ok(Self {
            client,
            vm: vm.to_owned(),
            changes,
        })
    }

    /// The machine's state once `aim` is reached; a failure when it cannot be, or not within `seconds`.
    pub async fn until(mut self, aim: Aim, seconds: u64) -> Result<VmStatus, Failure> {
        let vm = self.vm.clone();
        match tokio::time::timeout(Duration::from_secs(seconds), self.follow(aim)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::new(
                FailureKind::Unknown,
                format!(
                    "{vm} er ikke kommet dit etter {seconds} s; se på tilstanden med «varde vm show {vm}»"
                ),
                format!(
                    "{vm} has not got there after {seconds} s; look at its state with \"varde vm show {vm}\""
                ),
            )),
        }
    }

    async fn follow(&mut self, aim: Aim) -> Result<VmStatus, Failure> {
        let mut status = self.client.hypervisor.get(&self.vm).await?;
        loop {
            match progress(aim, status.state) {
                Progress::Reached => return Ok(status),
                Progress::Lost => return Err(lost(&status)),
                Progress::OnTheWay => {}
            }
            status = loop {
                let Some(change) = varde_bus::next(&mut self.changes).await else {
                    return Err(Failure::new(
                        FailureKind::Unknown,
                        "Forbindelsen til tjenestene ble brutt; se på tilstanden før du prøver igjen",
                        "The connection to the services broke; look at the state before trying again",
                    ));
                };
                let change = change.args()?.vm;
                if change.name == self.vm {
                    break change;
                }
            };
        }
    }
}

fn lost(status: &VmStatus) -> Failure {
    let VmStatus {
        name, state, reason, ..
    } = status;
    Failure::new(
        FailureKind::Failed,
        format!(
            "{name}: {}. {}",
            crate::vm::word(*state, varde_bus::Language::Nb),
            reason.nb
        ),
        format!(
            "{name}: {}. {}",
            crate::vm::word(*state, varde_bus::Language::En),
            reason.en
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_is_blocked_is_not_waited_for() {
        assert_eq!(progress(Aim::Up, VmState::Starting), Progress::OnTheWay);
        assert_eq!(progress(Aim::Up, VmState::Blocked), Progress::Lost);
        assert_eq!(progress(Aim::Up, VmState::Running), Progress::Reached);
        assert_eq!(progress(Aim::Off, VmState::Stopping), Progress::OnTheWay);
        assert_eq!(progress(Aim::Off, VmState::Crashed), Progress::Lost);
    }
}

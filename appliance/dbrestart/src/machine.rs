//! The whole machine on which a server runs, through the hypervisor's service.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use varde_bus::hypervisor::{HypervisorProxy, VmState};
use varde_bus::{Failure, Text};

use crate::Error;
use crate::gate::millis;

#[derive(Clone, Debug)]
pub struct Machine {
    pub name: String,
    pub hypervisor: HypervisorProxy<'static>,
}

const WHY: &str = "scheduled database restart";

impl Machine {
    pub async fn shut_down(&self, within: Duration) -> Result<(), Error> {
        if self.state().await? != VmState::Stopped {
            self.hypervisor.shut_down(&self.name, WHY).await.map_err(failed)?;
        }
        self.reach(&[VmState::Stopped], within).await
    }

    pub async fn force_off(&self, within: Duration) -> Result<(), Error> {
        self.hypervisor.force_off(&self.name, WHY).await.map_err(failed)?;
        self.reach(&[VmState::Stopped, VmState::Crashed], within).await
    }

    /// Until its boot checks have passed.
    pub async fn start(&self, within: Duration) -> Result<(), Error> {
        if self.state().await? != VmState::Running {
            self.hypervisor.start(&self.name, WHY).await.map_err(failed)?;
        }
        self.reach(&[VmState::Running], within).await
    }

    pub async fn restart(&self, within: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        if self.shut_down(within / 3).await.is_err() {
            self.force_off(within / 6).await?;
        }
        self.start(deadline.saturating_duration_since(Instant::now()))
            .await
    }

    async fn state(&self) -> Result<VmState, Error> {
        Ok(self.hypervisor.get(&self.name).await.map_err(failed)?.state)
    }

    async fn reach(&self, wanted: &[VmState], within: Duration) -> Result<(), Error> {
        const EVERY: Duration = Duration::from_millis(100);
        let deadline = Instant::now() + within;
        loop {
            let status = self.hypervisor.get(&self.name).await.map_err(failed)?;
            if wanted.contains(&status.state) {
                return Ok(());
            }
            if status.state == VmState::Blocked {
                return Err(Error::Failed(status.reason));
            }
            if Instant::now() >= deadline {
                let name = &self.name;
                let what = Text::new(
                    format!("vente på maskinen {name}"),
                    format!("waiting for the machine {name}"),
                );
                return Err(Error::late(&what, millis(within)));
            }
            sleep(EVERY).await;
        }
    }
}

fn failed(error: zbus::Error) -> Error {
    Error::Failed(Failure::from(error).text)
}

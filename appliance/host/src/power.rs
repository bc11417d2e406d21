//! The power switch: logind(5) is asked, after the change has been recorded.

use std::time::Duration;

use tokio::time::timeout;
use varde_bus::{Failure, FailureKind, Verb};
use zbus::Connection;

/// Programs may hold up a shutdown for 5 seconds, as logind has it; then it answers.
const PATIENCE: Duration = Duration::from_secs(20);

#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Login {
    fn reboot(&self, interactive: bool) -> zbus::Result<()>;
    fn power_off(&self, interactive: bool) -> zbus::Result<()>;
}

/// What the switch can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    Reboot,
    PowerOff,
}

impl Switch {
    pub fn verb(self) -> Verb {
        match self {
            Self::Reboot => Verb::Reboot,
            Self::PowerOff => Verb::PowerOff,
        }
    }
}

/// Answers once the machine is on its way down.
pub async fn press(connection: &Connection, switch: Switch) -> Result<(), Failure> {
    let ask = async {
        let login = LoginProxy::new(connection).await?;
        match switch {
            Switch::Reboot => login.reboot(false).await,
            Switch::PowerOff => login.power_off(false).await,
        }
    };
    match timeout(PATIENCE, ask).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Failure::new(
            FailureKind::Unknown,
            format!(
                "logind svarte ikke på {} sekunder; verten kan være på vei ned. Vent litt og se",
                PATIENCE.as_secs()
            ),
            format!(
                "logind did not answer within {} seconds; the host may be going down. Wait a little and see",
                PATIENCE.as_secs()
            ),
        )),
    }
}

//! What systemd is asked: which units have failed, and whether the clock is kept right.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use varde_bus::{Failure, Text};
use zbus::{Connection, OwnedObjectPath, Type};

/// A status must not hang with systemd.
const PATIENCE: Duration = Duration::from_secs(3);
/// The clock is asked for this seldom: systemd starts a process to answer.
const CLOCK_HOLDS: Duration = Duration::from_mins(10);
/// Seconds after boot before the clock is asked for at all: until then it has hardly had a chance.
const CLOCK_SETTLES: u64 = 120;

/// What `ListUnitsFiltered` has for each unit, org.freedesktop.systemd1(5).
#[derive(Clone, Debug, Deserialize, Serialize, Type)]
struct UnitRow {
    name: String,
    description: String,
    load: String,
    active: String,
    sub: String,
    following: String,
    path: OwnedObjectPath,
    job: u32,
    job_type: String,
    job_path: OwnedObjectPath,
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn list_units_filtered(&self, states: &[&str]) -> zbus::Result<Vec<UnitRow>>;
}

#[zbus::proxy(
    interface = "org.freedesktop.timedate1",
    default_service = "org.freedesktop.timedate1",
    default_path = "/org/freedesktop/timedate1"
)]
trait TimeDate {
    #[zbus(property(emits_changed_signal = "false"), name = "NTPSynchronized")]
    fn ntp_synchronized(&self) -> zbus::Result<bool>;
}

/// Names of units that failed. A machine's own unit is left out: the hypervisor tells how its machines are.
pub async fn failed_units(connection: &Connection) -> Result<Vec<String>, Text> {
    let ask = async {
        let manager = ManagerProxy::new(connection).await?;
        manager.list_units_filtered(&["failed"]).await
    };
    let rows = match timeout(PATIENCE, ask).await {
        Ok(Ok(rows)) => rows,
        Ok(Err(error)) => return Err(Failure::from(error).text),
        Err(_) => {
            return Err(Text::new(
                format!("ingen svar på {} sekunder", PATIENCE.as_secs()),
                format!("no answer within {} seconds", PATIENCE.as_secs()),
            ));
        }
    };
    let mut names: Vec<String> = rows
        .into_iter()
        .map(|row| row.name)
        .filter(|name| !name.starts_with("varde-vm@"))
        .collect();
    names.sort();
    Ok(names)
}

/// Whether the clock is kept right, asked in the background so that no status waits for it.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Mutex<Asked>>);

#[derive(Debug, Default)]
struct Asked {
    when: Option<Instant>,
    answer: Option<bool>,
}

impl Clock {
    /// The last answer; a new one is asked for where that is old. `uptime` in seconds.
    pub fn synchronized(&self, connection: &Connection, uptime: u64) -> Option<bool> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = asked.when.is_none_or(|when| when.elapsed() > CLOCK_HOLDS);
        if due && uptime >= CLOCK_SETTLES {
            asked.when = Some(Instant::now());
            let (clock, connection) = (self.clone(), connection.clone());
            tokio::spawn(async move {
                let answer = timeout(PATIENCE, ask(&connection)).await;
                let mut asked = clock.0.lock().unwrap_or_else(PoisonError::into_inner);
                asked.answer = answer.ok().and_then(Result::ok);
            });
        }
        asked.answer
    }
}

async fn ask(connection: &Connection) -> zbus::Result<bool> {
    TimeDateProxy::new(connection).await?.ntp_synchronized().await
}

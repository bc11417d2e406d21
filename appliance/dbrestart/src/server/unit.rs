//! A server of which only its systemd unit is known.

use std::time::Duration;

use varde_bus::Text;

use super::{Server, failed};
use crate::Error;
use crate::reason::Memory;

const STOP: &str = r#"exec systemctl stop "$1""#;
const KILL: &str = r#"
systemctl kill --signal=KILL "$1"
exec systemctl stop "$1"
"#;
/// Whether it runs, since when in microseconds since the machine's boot and of which boot, how long that is in seconds,
/// the memory it takes and the machine's, in KiB.
const STATE: &str = r#"
set -e
show() { systemctl show --value --property="$2" "$1"; }
began=$(show "$1" ActiveEnterTimestampMonotonic)
group=/sys/fs/cgroup$(show "$1" ControlGroup)
taken=$(awk '/^anon / { print int($2 / 1024) }' "$group/memory.stat" 2>/dev/null || echo unknown)
up=$(cut -d. -f1 /proc/uptime)
echo "$(show "$1" ActiveState)"
echo "$(cat /proc/sys/kernel/random/boot_id) $(show "$1" MainPID) $began"
echo "$((up - began / 1000000))"
echo "$taken $(awk '/^MemTotal/ { print $2 }' /proc/meminfo)"
"#;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitState {
    pub active: bool,
    /// Another one for another server.
    pub began: String,
    /// Seconds since then.
    pub age: i64,
    pub memory: Option<Memory>,
}

impl Server {
    pub async fn stop_unit(&self, unit: &str, within: Duration) -> Result<(), Error> {
        let what = Text::new("stoppe tjeneren", "stopping the server");
        self.must(&what, STOP, &[unit], within).await
    }

    pub async fn kill_unit(&self, unit: &str, within: Duration) -> Result<(), Error> {
        let what = Text::new("drepe tjeneren", "killing the server");
        self.must(&what, KILL, &[unit], within).await
    }

    pub async fn unit_state(&self, unit: &str, within: Duration) -> Result<UnitState, Error> {
        let what = Text::new("se på tjeneren", "looking at the server");
        let output = self.script(&what, STATE, &[unit], within).await?;
        if output.code != 0 {
            return Err(failed(&what, &output));
        }
        let mut lines = output.words.lines();
        let mut line = || lines.next().unwrap_or_default();
        Ok(UnitState {
            active: line() == "active",
            began: line().to_owned(),
            age: line().parse().unwrap_or(0),
            memory: Memory::read(line()),
        })
    }
}

//! The control protocol of the outer QEMU: as much of it as a scenario needs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::{Context, Error, Result};

/// A connection to QEMU, capabilities negotiated.
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    /// What came while a reply was waited for.
    events: Vec<Value>,
    next: u64,
}

/// QEMU answers in milliseconds; on a machine that is busy emulating, a command can wait for its main loop.
const REPLY: Duration = Duration::from_mins(1);

impl Qmp {
    pub fn connect(socket: &Path) -> Result<Self> {
        let writer = UnixStream::connect(socket).on("connect to", socket)?;
        let reader = writer.try_clone().on("share", socket)?;
        let mut qmp = Self {
            reader: BufReader::new(reader),
            writer,
            events: Vec::new(),
            next: 0,
        };
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and gives what it returns.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let fail = |why: String| Error::Qmp {
            command: command.to_owned(),
            why,
        };
        self.next += 1;
        let id = self.next;
        let request = json!({ "execute": command, "arguments": arguments, "id": id });
        self.writer
            .write_all(format!("{request}\n").as_bytes())
            .map_err(|error| fail(format!("cannot send: {error}")))?;
        let end = Instant::now() + REPLY;
        loop {
            let message = self
                .read(end)
                .map_err(fail)?
                .ok_or_else(|| fail(format!("no reply within {REPLY:?}")))?;
            if message["id"] == id {
                return match message.get("error") {
                    Some(error) => Err(fail(error["desc"].as_str().unwrap_or("refused").to_owned())),
                    None => Ok(message["return"].clone()),
                };
            }
            if message.get("event").is_some() {
                self.events.push(message);
            }
        }
    }

    /// A command of the human monitor, for what QMP lacks.
    pub fn human(&mut self, line: &str) -> Result<String> {
        let said = self.execute("human-monitor-command", &json!({ "command-line": line }))?;
        Ok(said.as_str().unwrap_or_default().to_owned())
    }

    /// Waits for an event of this name, one that came earlier and was not asked for counts.
    pub fn event(&mut self, name: &str, bound: Duration) -> Result<Value> {
        let fail = |why: String| Error::Qmp {
            command: format!("(event {name})"),
            why,
        };
        if let Some(at) = self.events.iter().position(|event| event["event"] == name) {
            return Ok(self.events.remove(at));
        }
        let end = Instant::now() + bound;
        loop {
            let message = self
                .read(end)
                .map_err(fail)?
                .ok_or_else(|| fail(format!("did not come within {bound:?}")))?;
            if message["event"] == name {
                return Ok(message);
            }
            self.events.push(message);
        }
    }

    /// Everything that QEMU told by itself and nobody has asked for, such as a reset or a watchdog that ran out.
    pub fn told(&mut self) -> Result<&[Value]> {
        self.execute("query-status", &json!({}))?;
        Ok(&self.events)
    }

    /// Saves the whole state of the machine to a file, its processors halted from then on.
    pub fn save_state(&mut self, file: &Path, bound: Duration) -> Result<()> {
        self.execute("stop", &json!({}))?;
        self.execute("migrate", &json!({ "uri": format!("file:{}", file.display()) }))?;
        self.migrated(bound)
    }

    /// Takes a saved state into a machine started with `-incoming defer`, and runs it.
    pub fn restore_state(&mut self, file: &Path, bound: Duration) -> Result<()> {
        self.execute(
            "migrate-incoming",
            &json!({ "uri": format!("file:{}", file.display()) }),
        )?;
        self.migrated(bound)?;
        self.execute("cont", &json!({}))?;
        Ok(())
    }

    /// Both sides of a migration: QEMU sends no reply when it is done, and the event is only there if asked for.
    fn migrated(&mut self, bound: Duration) -> Result<()> {
        let end = Instant::now() + bound;
        loop {
            let status = self.execute("query-migrate", &json!({}))?;
            match status["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => {
                    return Err(Error::Qmp {
                        command: "migrate".to_owned(),
                        why: status["error-desc"].as_str().unwrap_or("failed").to_owned(),
                    });
                }
                _ if Instant::now() >= end => {
                    return Err(Error::Qmp {
                        command: "migrate".to_owned(),
                        why: format!("not done within {bound:?}: {status}"),
                    });
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// How many writes the disk of this device has had since QEMU started.
    pub fn writes(&mut self, device: &str) -> Result<u64> {
        self.disk_count(device, "wr_operations")
    }

    /// How many bytes have been read from the disk of this device since QEMU started.
    pub fn bytes_read(&mut self, device: &str) -> Result<u64> {
        self.disk_count(device, "rd_bytes")
    }

    fn disk_count(&mut self, device: &str, count: &str) -> Result<u64> {
        let stats = self.execute("query-blockstats", &json!({}))?;
        let of_device = stats
            .as_array()
            .and_then(|all| all.iter().find(|one| one["device"] == device));
        of_device
            .and_then(|one| one["stats"][count].as_u64())
            .ok_or_else(|| Error::Qmp {
                command: "query-blockstats".to_owned(),
                why: format!("says nothing of {device}: {stats}"),
            })
    }

    /// Lets the disk of this device pass so many bytes a second, so that 1 is a disk that has stopped answering; 0 lifts
    /// the limit.
    pub fn throttle(&mut self, device: &str, bytes: u64) -> Result<()> {
        let limits = json!({
            "device": device, "bps": bytes, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0,
        });
        self.execute("block_set_io_throttle", &limits).map(drop)
    }

    /// The next message; `None` when the bound is over.
    fn read(&mut self, end: Instant) -> std::result::Result<Option<Value>, String> {
        let mut line = String::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.reader
                .get_ref()
                .set_read_timeout(Some(left))
                .map_err(|error| format!("cannot set a bound on the socket: {error}"))?;
            match self.reader.read_line(&mut line) {
                Ok(0) => return Err("QEMU closed the socket".to_owned()),
                Ok(_) => {
                    return serde_json::from_str(&line)
                        .map(Some)
                        .map_err(|error| format!("QEMU sent no JSON ({error}): {line}"));
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    return Ok(None);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("cannot read: {error}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A QEMU that says `events` before each reply.
    fn qemu(events: &'static [&'static str], replies: &'static [&'static str]) -> (tempfile::TempDir, Qmp) {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("qmp");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"{\"QMP\": {\"version\": {}}}\n").unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            lines.next().unwrap().unwrap();
            stream.write_all(b"{\"return\": {}, \"id\": 1}\n").unwrap();
            for reply in replies {
                lines.next().unwrap().unwrap();
                for line in events.iter().chain([reply]) {
                    stream.write_all(format!("{line}\n").as_bytes()).unwrap();
                }
            }
        });
        let qmp = Qmp::connect(&socket).unwrap();
        (dir, qmp)
    }

    #[test]
    fn an_event_before_the_reply_is_kept_for_whoever_asks() {
        let (_dir, mut qmp) = qemu(
            &[r#"{"event": "RESET"}"#, r#"{"event": "NEW_IN_QEMU_99"}"#],
            &[r#"{"return": {"running": true}, "id": 2}"#],
        );
        assert_eq!(qmp.execute("query-status", &json!({})).unwrap()["running"], true);
        assert_eq!(
            qmp.event("RESET", Duration::from_secs(5)).unwrap()["event"],
            "RESET"
        );
    }

    #[test]
    fn a_refusal_carries_what_qemu_said_and_an_old_reply_is_not_taken_for_it() {
        let (_dir, mut qmp) = qemu(
            &[r#"{"return": {}, "id": 1}"#],
            &[r#"{"error": {"class": "GenericError", "desc": "Device 'x' not found"}, "id": 2}"#],
        );
        let error = qmp
            .execute("eject", &json!({ "device": "x" }))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "QMP eject: Device 'x' not found");
    }

    #[test]
    fn a_qemu_that_ends_is_an_error_and_no_wait() {
        let (_dir, mut qmp) = qemu(&[], &[]);
        let error = qmp.execute("quit", &json!({})).unwrap_err().to_string();
        assert!(
            error.contains("QEMU quit") || error.contains("QMP quit"),
            "{error}"
        );
    }
}

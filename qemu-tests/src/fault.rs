//! Processors that fall over.
//!
//! An emulated appliance whose guests run by emulated virtualisation is now and then reset in the midst of its work: a triple
//! fault, which a kernel that restarts or panics does not cause. Nothing in the appliance can be blamed for it or can say
//! it, so QEMU is asked to write down each reset of a processor, and why. A scenario that meets one would wait in vain:
//! its lines are closed at once.

use std::ffi::OsString;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::shell::Shell;

/// QEMU's word for it, in target/i386/tcg/system/excp_helper.c.
const WORD: &str = "Triple fault";
/// The registers that QEMU writes after that.
const LINES: usize = 24;
const LOOK: Duration = Duration::from_millis(500);

/// What QEMU writes of one machine's resets.
pub struct Faults {
    log: PathBuf,
    /// Ends the look at the log when it is dropped.
    _watch: Option<Sender<()>>,
}

impl Faults {
    pub fn new(log: PathBuf) -> Self {
        Self { log, _watch: None }
    }

    /// What makes QEMU write it.
    pub fn arguments(&self) -> [OsString; 4] {
        [
            "-d".into(),
            "cpu_reset".into(),
            "-D".into(),
            self.log.clone().into(),
        ]
    }

    /// Closes these lines as soon as a processor has fallen over.
    pub fn watch(self, lines: [UnixStream; 2]) -> Self {
        let (sender, ended) = channel();
        let log = Self::new(self.log.clone());
        std::thread::spawn(move || {
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if log.seen().is_some() {
                    for line in &lines {
                        // Refused when the other end is gone already.
                        let _ = line.shutdown(Shutdown::Both);
                    }
                    return;
                }
            }
        });
        Self {
            log: self.log,
            _watch: Some(sender),
        }
    }

    /// The registers of the processor that fell over first.
    pub fn seen(&self) -> Option<String> {
        let text = std::fs::read_to_string(&self.log).ok()?;
        let at = text.find(WORD)?;
        Some(text[at..].lines().take(LINES).collect::<Vec<_>>().join("\n"))
    }
}

/// Whether one of the appliance's own guests began anew by itself, by the appliance's record: for a guest's processor the
/// same holds, and its machine goes on.
pub fn of_a_guest(shell: &Shell) -> Option<String> {
    let output = shell
        .run("varde --json audit list | grep -o '\"vm.restarted\"'")
        .ok()?;
    (output.code == 0).then(|| "of a guest, as the appliance's record says".to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn lines_are_closed_when_a_processor_falls_over_and_not_when_it_is_reset() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("resets.log");
        let (mut near, far) = UnixStream::pair().unwrap();
        std::fs::write(&log, "CPU Reset (CPU 0)\nRAX=0\n").unwrap();
        let faults = Faults::new(log.clone()).watch([far.try_clone().unwrap(), far]);
        assert_eq!(faults.seen(), None);
        std::fs::write(
            &log,
            "CPU Reset (CPU 0)\nRAX=0\nTriple fault\nCPU Reset (CPU 1)\nRAX=1\n",
        )
        .unwrap();
        // Ends when the line is closed.
        assert_eq!(near.read(&mut [0]).unwrap(), 0);
        let seen = faults.seen().unwrap();
        assert_eq!(seen, "Triple fault\nCPU Reset (CPU 1)\nRAX=1");
    }
}

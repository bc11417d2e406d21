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
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::shell::Shell;

/// QEMU's word for it, in target/i386/tcg/system/excp_helper.c.
const WORD: &str = "Triple fault";
/// The registers that QEMU writes after that.
const LINES: usize = 24;
const LOOK: Duration = Duration::from_millis(500);

/// How each reset begins in the log.
const RESET: &str = "CPU Reset (CPU 0)";

/// What QEMU writes of one machine's resets.
pub struct Faults {
    log: PathBuf,
    /// As many resets as there may be; any number until [`Self::none_from_now`].
    most: Arc<AtomicUsize>,
    /// Ends the look at the log when it is dropped.
    _watch: Option<Sender<()>>,
}

impl Faults {
    pub fn new(log: PathBuf) -> Self {
        Self {
            log,
            most: Arc::new(AtomicUsize::new(usize::MAX)),
            _watch: None,
        }
    }

    /// From here on nothing resets the machine on purpose: not every reset from inside has been a triple fault.
    pub fn none_from_now(&self) {
        self.most
            .store(self.text().matches(RESET).count(), Ordering::Relaxed);
    }

    /// All that QEMU has written.
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
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
        let log = Self {
            log: self.log.clone(),
            most: Arc::clone(&self.most),
            _watch: None,
        };
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
            _watch: Some(sender),
            ..self
        }
    }

    /// The registers of the processor that fell over first.
    pub fn seen(&self) -> Option<String> {
        let text = self.text();
        let most = self.most.load(Ordering::Relaxed);
        let one_too_many = || text.match_indices(RESET).nth(most).map(|(at, _)| at);
        let at = text.find(WORD).or_else(one_too_many)?;
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

    #[test]
    fn where_nothing_resets_the_machine_on_purpose_any_reset_is_one_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("resets.log");
        let reset = "CPU Reset (CPU 0)\nRAX=0\nCPU Reset (CPU 1)\nRAX=1\n";
        std::fs::write(&log, reset).unwrap();
        let faults = Faults::new(log.clone());
        std::fs::write(&log, reset.repeat(2)).unwrap();
        assert_eq!(faults.seen(), None);
        faults.none_from_now();
        assert_eq!(faults.seen(), None);
        std::fs::write(&log, format!("{}{reset}", reset.repeat(2))).unwrap();
        assert_eq!(faults.seen().as_deref(), Some(reset.trim_end()));
    }
}

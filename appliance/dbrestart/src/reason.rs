//! Reasons to restart that hold for any server: its memory has grown, or it has run for long.

use std::path::Path;

use serde::{Deserialize, Serialize};
use varde_bus::Text;

use crate::Error;
use crate::gates;

/// A server older than this without a restart has a reason for one; seconds.
const OLD: i64 = 30 * 86_400;
/// More than this many hundredths of the machine's memory on top of what it took after its last start is a reason.
const GROWN: u64 = 20;

/// What a server takes for itself, without what its processes share, and what its machine has; KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub taken: u64,
    pub machine: u64,
}

impl Memory {
    /// From `taken machine`, as the scripts say it.
    pub fn read(words: &str) -> Option<Self> {
        let mut numbers = words.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(taken)), Some(Ok(machine))) = (numbers.next(), numbers.next()) else {
            return None;
        };
        Some(Self { taken, machine })
    }

    /// What it was after the last start; `None` where nobody looked then.
    pub fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    pub fn keep(self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_string(&self).unwrap_or_default();
        gates::write(path, &text).map(drop)
    }
}

pub fn of_age(seconds: i64) -> Option<Text> {
    let days = seconds / 86_400;
    (seconds > OLD).then(|| {
        Text::new(
            format!("Tjeneren har gått i {days} døgn"),
            format!("The server has run for {days} days"),
        )
    })
}

/// Memory grown since the last start.
pub fn of_memory(before: Option<Memory>, now: Memory) -> Option<Text> {
    let grown = now.taken.saturating_sub(before?.taken);
    let (mib, of) = (grown / 1024, now.machine / 1024);
    (grown > now.machine / 100 * GROWN).then(|| {
        Text::new(
            format!("Minnet har vokst med {mib} MiB siden forrige start, av maskinens {of} MiB"),
            format!("Memory has grown by {mib} MiB since the last start, of the machine's {of} MiB"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_has_grown_by_a_fifth_of_the_machine_is_a_reason() {
        let at = |taken| Memory {
            taken,
            machine: 1_000_000,
        };
        assert_eq!(of_memory(Some(at(100_000)), at(300_000)), None);
        let reason = of_memory(Some(at(100_000)), at(310_000)).unwrap();
        assert!(
            reason.en.contains("205 MiB") && reason.nb.contains("205 MiB"),
            "{reason}"
        );
        assert_eq!(
            of_memory(None, at(900_000)),
            None,
            "nobody knows what it began with"
        );
        assert_eq!(of_memory(Some(at(300_000)), at(100_000)), None);
    }

    #[test]
    fn what_a_script_could_not_find_out_is_not_taken_for_nothing() {
        assert_eq!(
            Memory::read("12 34"),
            Some(Memory {
                taken: 12,
                machine: 34
            })
        );
        assert_eq!(Memory::read(""), None);
        assert_eq!(Memory::read("[not set] 34"), None);
    }

    #[test]
    fn a_server_of_a_month_has_a_reason() {
        assert_eq!(of_age(OLD), None);
        assert!(of_age(OLD + 86_400).unwrap().en.contains("31 days"));
    }
}

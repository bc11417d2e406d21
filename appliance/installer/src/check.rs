//! Whether this machine will do.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use varde_site::Text;

use crate::disks::{Disk, LEAST, gib};

/// Less than this starts no machine of anybody's.
const LEAST_MEMORY: u64 = 2 << 30;
/// Five virtual machines, small ones.
const GOOD_MEMORY: u64 = 16 << 30;

/// What was found.
#[derive(Clone, Debug)]
pub struct Facts {
    pub uefi: bool,
    pub memory: u64,
    pub virtualisation: bool,
    pub cards: Vec<Card>,
    /// Bytes of the largest disk.
    pub disk: u64,
    pub now: SystemTime,
    /// When the medium was made.
    pub made: SystemTime,
}

/// A network card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub name: String,
    pub cable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Good,
    /// It can be installed all the same.
    Warning,
    Stop,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub level: Level,
    pub what: Text,
    /// Empty where all is well.
    pub remedy: Text,
}

impl Facts {
    pub fn here(disks: &[Disk], made: SystemTime) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            uefi: Path::new("/sys/firmware/efi").exists(),
            memory: memory(&read("/proc/meminfo")),
            virtualisation: virtualisation(&read("/proc/cpuinfo")),
            cards: cards(Path::new("/sys/class/net")),
            disk: disks.iter().map(|disk| disk.size).max().unwrap_or(0),
            now: SystemTime::now(),
            made,
        }
    }

    pub fn checks(&self) -> Vec<Check> {
        let memory = gib(self.memory + (1 << 29));
        let cabled = self.cards.iter().filter(|card| card.cable).count();
        vec![
            check(
                if self.uefi { Level::Good } else { Level::Stop },
                ("Fastvare", "Firmware"),
                if self.uefi {
                    ("UEFI", "UEFI")
                } else {
                    ("ikke UEFI", "not UEFI")
                },
                (
                    "Slå på oppstart med UEFI i bladets oppsett (ikke «legacy» eller «BIOS»)",
                    "Switch on UEFI boot in the blade's setup (not legacy or BIOS)",
                ),
            ),
            check(
                match self.memory {
                    0..LEAST_MEMORY => Level::Stop,
                    LEAST_MEMORY..GOOD_MEMORY => Level::Warning,
                    _ => Level::Good,
                },
                ("Minne", "Memory"),
                (&format!("{memory} GiB"), &format!("{memory} GiB")),
                (
                    "Fem virtuelle maskiner trenger 16 GiB eller mer, Varde selv 2",
                    "Five virtual machines need 16 GiB or more, Varde itself 2",
                ),
            ),
            check(
                if self.disk >= LEAST {
                    Level::Good
                } else {
                    Level::Stop
                },
                ("Disk", "Disk"),
                (
                    &format!("den største er på {} GiB", gib(self.disk)),
                    &format!("the largest has {} GiB", gib(self.disk)),
                ),
                (
                    "Det trengs en disk på 12 GiB eller mer. Se i bladets oppsett om disken er koblet til og RAID-volumet laget",
                    "A disk of 12 GiB or more is needed. See in the blade's setup whether the disk is connected and its RAID volume made",
                ),
            ),
            check(
                if cabled > 0 { Level::Good } else { Level::Warning },
                ("Nettkort", "Network cards"),
                (
                    &format!("{}, {cabled} med kabel", self.cards.len()),
                    &format!("{}, {cabled} with a cable", self.cards.len()),
                ),
                (
                    "Sett i en kabel, eller se om svitsjen er på: uten nett når ingen maskinene",
                    "Put a cable in, or see whether the switch is on: without a network nobody reaches the machines",
                ),
            ),
            check(
                if self.virtualisation {
                    Level::Good
                } else {
                    Level::Warning
                },
                ("Virtualisering", "Virtualisation"),
                if self.virtualisation {
                    ("ja", "yes")
                } else {
                    ("nei", "no")
                },
                (
                    "Slå på VT-x eller AMD-V i bladets oppsett: uten går maskinene mange ganger langsommere",
                    "Switch on VT-x or AMD-V in the blade's setup: without it the machines are many times slower",
                ),
            ),
            check(
                if self.now >= self.made {
                    Level::Good
                } else {
                    Level::Warning
                },
                ("Klokke", "Clock"),
                if self.now >= self.made {
                    ("går", "runs")
                } else {
                    (
                        "går feil: før mediet ble laget",
                        "wrong: before the medium was made",
                    )
                },
                (
                    "Still klokken i bladets oppsett (UTC): koder fra telefoner og sertifikater trenger den",
                    "Set the clock in the blade's setup (UTC): codes from phones and certificates need it",
                ),
            ),
        ]
    }
}

fn check(
    level: Level,
    (nb, en): (&str, &str),
    (found_nb, found_en): (&str, &str),
    (remedy_nb, remedy_en): (&str, &str),
) -> Check {
    Check {
        level,
        what: Text::new(format!("{nb}: {found_nb}"), format!("{en}: {found_en}")),
        remedy: if level == Level::Good {
            Text::default()
        } else {
            Text::new(remedy_nb, remedy_en)
        },
    }
}

fn memory(meminfo: &str) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

fn virtualisation(cpuinfo: &str) -> bool {
    cpuinfo
        .lines()
        .find(|line| line.starts_with("flags"))
        .is_some_and(|flags| {
            flags
                .split_whitespace()
                .any(|flag| flag == "vmx" || flag == "svm")
        })
}

/// Those with hardware of their own, in the order of their names.
fn cards(folder: &Path) -> Vec<Card> {
    let mut cards: Vec<Card> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("device").exists())
        .map(|entry| Card {
            name: entry.file_name().to_string_lossy().into_owned(),
            cable: fs::read_to_string(entry.path().join("carrier")).is_ok_and(|text| text.trim() == "1"),
        })
        .collect();
    cards.sort_by(|one, other| one.name.cmp(&other.name));
    cards
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn good() -> Facts {
        Facts {
            uefi: true,
            memory: 64 << 30,
            virtualisation: true,
            cards: vec![Card {
                name: "eno1".to_owned(),
                cable: true,
            }],
            disk: 480 << 30,
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(100),
            made: SystemTime::UNIX_EPOCH + Duration::from_secs(99),
        }
    }

    fn levels(facts: &Facts) -> Vec<Level> {
        facts.checks().iter().map(|check| check.level).collect()
    }

    #[test]
    fn a_good_blade_has_nothing_to_put_right() {
        let checks = good().checks();
        assert!(
            checks
                .iter()
                .all(|check| check.level == Level::Good && check.remedy.is_empty())
        );
        assert_eq!(checks.len(), 6);
    }

    #[test]
    fn each_thing_that_is_wrong_is_told_with_a_remedy_and_the_worst_stop() {
        use Level::{Good, Stop, Warning};
        type Change = fn(&mut Facts);
        let wrong: [(Change, [Level; 6]); 8] = [
            (|facts| facts.uefi = false, [Stop, Good, Good, Good, Good, Good]),
            (
                |facts| facts.memory = 1 << 30,
                [Good, Stop, Good, Good, Good, Good],
            ),
            (
                |facts| facts.memory = 8 << 30,
                [Good, Warning, Good, Good, Good, Good],
            ),
            (|facts| facts.disk = 8 << 30, [Good, Good, Stop, Good, Good, Good]),
            (
                |facts| facts.cards.clear(),
                [Good, Good, Good, Warning, Good, Good],
            ),
            (
                |facts| facts.cards[0].cable = false,
                [Good, Good, Good, Warning, Good, Good],
            ),
            (
                |facts| facts.virtualisation = false,
                [Good, Good, Good, Good, Warning, Good],
            ),
            (
                |facts| facts.now = SystemTime::UNIX_EPOCH,
                [Good, Good, Good, Good, Good, Warning],
            ),
        ];
        for (change, expected) in wrong {
            let mut facts = good();
            change(&mut facts);
            assert_eq!(levels(&facts), expected);
            for check in facts.checks() {
                assert_eq!(check.level == Good, check.remedy.is_empty());
            }
        }
    }

    #[test]
    fn memory_and_processor_are_read_as_the_kernel_tells_them() {
        assert_eq!(
            memory("MemTotal:       4014812 kB\nMemFree: 1 kB\n"),
            4_014_812 << 10
        );
        assert_eq!(memory(""), 0);
        assert!(virtualisation("processor : 0\nflags\t\t: fpu svm sse\n"));
        assert!(!virtualisation("flags\t\t: fpu svmx\n"));
    }
}

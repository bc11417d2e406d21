//! What is wrong with the appliance itself, in words, with a remedy.

use varde_bus::Text;
use varde_bus::host::{Problem, Severity};

use crate::facts::Facts;

/// What systemd says, beside what the kernel does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemState {
    /// Units that failed; or why they could not be asked for.
    pub failed: Result<Vec<String>, Text>,
    /// Whether the clock is kept right by a time server; `None` where that is not known.
    pub clock_synchronized: Option<bool>,
}

/// In hundredths: the data disk counts as filling up, and as full.
const DATA_FILLING: u64 = 85;
const DATA_FULL: u64 = 95;
/// In hundredths: memory counts as short, and as gone, when less than this is available.
const MEMORY_SHORT: u64 = 10;
const MEMORY_GONE: u64 = 4;

/// Worst first.
pub fn problems(facts: &Facts, system: &SystemState) -> Vec<Problem> {
    let mut found = Vec::new();
    match &system.failed {
        Ok(units) => found.extend(units.iter().map(|unit| failed(unit))),
        Err(cause) => found.push(Problem {
            severity: Severity::Warning,
            text: Text::new(
                format!("Fikk ikke spurt systemd om hva som har feilet: {}", cause.nb),
                format!("Could not ask systemd what has failed: {}", cause.en),
            ),
            remedy: Text::new(
                "Se i loggen. Start verten på nytt hvis det varer",
                "Look at the log. Restart the host if it lasts",
            ),
        }),
    }
    found.extend(data(facts));
    found.extend(memory(facts));
    found.extend(accelerator(facts));
    found.extend(clock(system));
    found.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    found
}

fn failed(unit: &str) -> Problem {
    Problem {
        severity: if unit.starts_with("varde-") {
            Severity::Critical
        } else {
            Severity::Warning
        },
        text: Text::new(format!("{unit} har feilet"), format!("{unit} has failed")),
        remedy: Text::new(
            format!("Se hvorfor i loggen for {unit}"),
            format!("See why in the log of {unit}"),
        ),
    }
}

fn data(facts: &Facts) -> Option<Problem> {
    let (total, free) = (facts.data_total, facts.data_available);
    let used = hundredths(total.saturating_sub(free), total)?;
    let severity = match used {
        _ if used > DATA_FULL => Severity::Critical,
        _ if used > DATA_FILLING => Severity::Warning,
        _ => return None,
    };
    let (free, total) = (gibibytes(free), gibibytes(total));
    Some(Problem {
        severity,
        text: Text::new(
            format!(
                "Datadisken er {used} % full: {} GiB ledig av {} GiB",
                free.nb, total.nb
            ),
            format!(
                "The data disk is {used}% full: {} GiB free of {} GiB",
                free.en, total.en
            ),
        ),
        remedy: Text::new(
            "Slett det som ikke trengs, eller gjør disken større. Er den full, kan verken maskiner eller endringer skrive",
            "Delete what is not needed, or enlarge the disk. Once it is full, neither machines nor changes can write",
        ),
    })
}

fn memory(facts: &Facts) -> Option<Problem> {
    let left = hundredths(facts.memory_available, facts.memory_total)?;
    let severity = match left {
        _ if left < MEMORY_GONE => Severity::Critical,
        _ if left < MEMORY_SHORT => Severity::Warning,
        _ => return None,
    };
    let (free, total) = (gibibytes(facts.memory_available), gibibytes(facts.memory_total));
    Some(Problem {
        severity,
        text: Text::new(
            format!("Lite minne igjen: {} GiB ledig av {} GiB", free.nb, total.nb),
            format!("Little memory left: {} GiB free of {} GiB", free.en, total.en),
        ),
        remedy: Text::new(
            "Slå av en virtuell maskin som ikke trengs, eller gi en av dem mindre minne",
            "Shut down a virtual machine that is not needed, or give one of them less memory",
        ),
    })
}

fn accelerator(facts: &Facts) -> Option<Problem> {
    (facts.accelerator == "tcg").then(|| Problem {
        severity: Severity::Notice,
        text: Text::new(
            "Prosessoren gir ingen maskinvarevirtualisering: virtuelle maskiner går mange ganger langsommere",
            "The processor gives no hardware virtualisation: virtual machines run many times slower",
        ),
        remedy: Text::new(
            "Slå på Intel VT-x eller AMD-V i fastvaren (BIOS-oppsettet) og start på nytt",
            "Switch on Intel VT-x or AMD-V in the firmware (BIOS setup) and restart",
        ),
    })
}

fn clock(system: &SystemState) -> Option<Problem> {
    (system.clock_synchronized == Some(false)).then(|| Problem {
        severity: Severity::Notice,
        text: Text::new(
            "Klokka stilles ikke etter en tidstjener",
            "The clock is not kept right by a time server",
        ),
        remedy: Text::new(
            "Skriv en tidstjener som nås herfra i «ntp» i site.toml: tidene i logg og endringer følger klokka",
            "Write a time server that can be reached from here in \"ntp\" of site.toml: the times in logs and records follow the clock",
        ),
    })
}

fn hundredths(part: u64, whole: u64) -> Option<u64> {
    part.saturating_mul(100).checked_div(whole)
}

/// With one decimal, as each language writes it.
fn gibibytes(bytes: u64) -> Text {
    let tenths = bytes.saturating_mul(10) / (1 << 30);
    Text::new(
        format!("{},{}", tenths / 10, tenths % 10),
        format!("{}.{}", tenths / 10, tenths % 10),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn facts() -> Facts {
        Facts {
            hostname: "fylke".into(),
            machine_id: String::new(),
            version: String::new(),
            kernel: String::new(),
            uptime: 1,
            load: 0.0,
            cpus: 2,
            memory_total: 4 * GIB,
            memory_available: 2 * GIB,
            data_total: 100 * GIB,
            data_available: 60 * GIB,
            accelerator: "kvm".into(),
        }
    }

    fn sound() -> SystemState {
        SystemState {
            failed: Ok(Vec::new()),
            clock_synchronized: Some(true),
        }
    }

    fn said(facts: &Facts, system: &SystemState) -> Vec<(Severity, String)> {
        let found = problems(facts, system);
        assert!(
            found
                .iter()
                .all(|problem| !problem.remedy.nb.is_empty() && !problem.remedy.en.is_empty())
        );
        found
            .into_iter()
            .map(|problem| (problem.severity, problem.text.nb))
            .collect()
    }

    #[test]
    fn a_sound_machine_has_no_problems() {
        assert_eq!(said(&facts(), &sound()), []);
        let unknown = SystemState {
            clock_synchronized: None,
            ..sound()
        };
        assert_eq!(said(&facts(), &unknown), []);
    }

    #[test]
    fn the_worst_comes_first() {
        let mut machine = facts();
        machine.data_available = 10 * GIB;
        machine.memory_available = GIB / 9;
        machine.accelerator = "tcg".into();
        let system = SystemState {
            failed: Ok(vec!["varde-sited.service".into(), "ssh.service".into()]),
            clock_synchronized: Some(false),
        };
        let said = said(&machine, &system);
        let severities: Vec<_> = said.iter().map(|(severity, _)| *severity).collect();
        assert_eq!(
            severities,
            [
                Severity::Critical,
                Severity::Critical,
                Severity::Warning,
                Severity::Warning,
                Severity::Notice,
                Severity::Notice
            ]
        );
        assert_eq!(said[0].1, "varde-sited.service har feilet");
        assert_eq!(said[1].1, "Lite minne igjen: 0,1 GiB ledig av 4,0 GiB");
        assert_eq!(said[3].1, "Datadisken er 90 % full: 10,0 GiB ledig av 100,0 GiB");
    }

    #[test]
    fn the_disk_is_worse_the_fuller_it_is() {
        let at = |free: u64| {
            let machine = Facts {
                data_available: free * GIB,
                ..facts()
            };
            said(&machine, &sound()).first().map(|(severity, _)| *severity)
        };
        assert_eq!(at(15), None);
        assert_eq!(at(14), Some(Severity::Warning));
        assert_eq!(at(5), Some(Severity::Warning));
        assert_eq!(at(4), Some(Severity::Critical));
        assert_eq!(at(0), Some(Severity::Critical));
    }

    #[test]
    fn a_machine_that_says_nothing_of_its_size_is_no_problem_by_that() {
        let machine = Facts {
            data_total: 0,
            data_available: 0,
            memory_total: 0,
            memory_available: 0,
            ..facts()
        };
        assert_eq!(said(&machine, &sound()), []);
    }

    #[test]
    fn silence_from_systemd_is_not_taken_for_health() {
        let system = SystemState {
            failed: Err(Text::new("ingen svar", "no answer")),
            clock_synchronized: None,
        };
        assert_eq!(
            said(&facts(), &system),
            [(
                Severity::Warning,
                "Fikk ikke spurt systemd om hva som har feilet: ingen svar".to_owned()
            )]
        );
    }
}

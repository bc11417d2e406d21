//! Whether a machine's memory fits, with the arithmetic in words.
//!
//! Memory that is promised twice is found out at the worst moment, by the kernel killing a machine. So a start is
//! refused when everything that runs, this one, and what the appliance needs for itself is more than there is.

use varde_site::Text;

use crate::Error;
use crate::notes::Started;
use crate::paths::Paths;

const MIB: u64 = 1 << 20;

/// What QEMU takes beside the guest's RAM, counted for each machine: private memory of 20 to 40 MiB was measured, and
/// emulation keeps up to 128 MiB of translated code, of which small guests fill a part.
pub const OVERHEAD: u64 = 96 * MIB;

/// What QEMU may take beside the guest's RAM before the kernel stops it.
pub const CEILING: u64 = 300 * MIB;

/// Kept for the appliance: its kernel, services and page cache.
pub const RESERVE: u64 = 512 * MIB;

/// One machine that has memory already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub name: String,
    /// Bytes of RAM that it was started with.
    pub memory: u64,
}

/// Whether `vm` with `memory` bytes of RAM fits beside `held` on a host with `total` bytes.
pub fn admit(vm: &str, memory: u64, held: &[Held], total: u64) -> Result<(), Text> {
    let others: u64 = held
        .iter()
        .filter(|other| other.name != vm)
        .map(|other| other.memory.saturating_add(OVERHEAD))
        .fold(0, u64::saturating_add);
    let needed = memory.saturating_add(OVERHEAD);
    let available = total.saturating_sub(RESERVE);
    let sum = others.saturating_add(needed);
    if sum <= available {
        return Ok(());
    }
    let count = held.iter().filter(|other| other.name != vm).count();
    Err(Text::new(
        format!(
            "Ikke nok minne: {vm} trenger {needed} MiB ({ram} MiB og {overhead} MiB til QEMU), {count} andre har {others} MiB, \
             til sammen {sum} MiB. Verten har {total} MiB, minus {reserve} MiB til seg selv er {available} MiB. Det mangler \
             {missing} MiB. Slå av en annen maskin eller gi denne mindre minne",
            needed = mib(needed),
            ram = mib(memory),
            overhead = mib(OVERHEAD),
            others = mib(others),
            sum = mib(sum),
            total = total / MIB,
            reserve = mib(RESERVE),
            available = available / MIB,
            missing = mib(sum - available),
        ),
        format!(
            "Not enough memory: {vm} needs {needed} MiB ({ram} MiB and {overhead} MiB for QEMU), {count} others have {others} MiB, \
             together {sum} MiB. The host has {total} MiB, less {reserve} MiB for itself is {available} MiB. {missing} MiB are \
             missing. Shut down another machine or give this one less memory",
            needed = mib(needed),
            ram = mib(memory),
            overhead = mib(OVERHEAD),
            others = mib(others),
            sum = mib(sum),
            total = total / MIB,
            reserve = mib(RESERVE),
            available = available / MIB,
            missing = mib(sum - available),
        ),
    ))
}

/// Rounded up: what is asked for is never shown as less than it is.
fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(MIB)
}

/// What the machines that are up were started with. The file of a machine whose unit is gone counts for nothing.
pub fn held(paths: &Paths) -> Vec<Held> {
    Started::all(paths)
        .into_iter()
        .filter(|started| paths.control_group(&started.vm.name).exists())
        .map(|started| Held {
            name: started.vm.name,
            memory: started.vm.memory,
        })
        .collect()
}

/// Bytes of memory that the host has.
pub fn total(paths: &Paths) -> Result<u64, Error> {
    let path = paths.memory_information();
    let text = std::fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    parse_total(&text).ok_or_else(|| Error::File {
        doing: "find MemTotal in",
        path,
        source: std::io::ErrorKind::InvalidData.into(),
    })
}

fn parse_total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held(name: &str, mib: u64) -> Held {
        Held {
            name: name.into(),
            memory: mib * MIB,
        }
    }

    #[test]
    fn the_last_mebibyte_still_fits_and_one_more_does_not() {
        let total = RESERVE + (1024 * MIB + OVERHEAD) + (512 * MIB + OVERHEAD);
        let others = [held("db", 1024)];
        assert_eq!(admit("web", 512 * MIB, &others, total), Ok(()));
        let refused = admit("web", 513 * MIB, &others, total).expect_err("one too many");
        assert!(refused.en.contains("1 MiB are missing"), "{refused}");
        assert!(refused.nb.contains("Det mangler 1 MiB"), "{}", refused.nb);
    }

    #[test]
    fn the_arithmetic_names_every_number() {
        let refused = admit("web", 2048 * MIB, &[held("db", 1024)], 2048 * MIB).expect_err("too much");
        for number in [
            "web needs 2144 MiB",
            "2048 MiB and 96 MiB for QEMU",
            "1 others have 1120 MiB",
            "together 3264 MiB",
            "has 2048 MiB",
            "less 512 MiB",
            "is 1536 MiB",
            "1728 MiB are missing",
        ] {
            assert!(refused.en.contains(number), "{number} is not in: {refused}");
        }
    }

    #[test]
    fn a_machine_does_not_stand_in_its_own_way() {
        let total = RESERVE + 512 * MIB + OVERHEAD;
        assert_eq!(admit("web", 512 * MIB, &[held("web", 512)], total), Ok(()));
    }

    #[test]
    fn memtotal_is_read_as_the_kernel_writes_it() {
        assert_eq!(
            parse_total("MemTotal:       4030468 kB\nMemFree: 1 kB\n"),
            Some(4_030_468 * 1024)
        );
        assert_eq!(parse_total("MemFree: 1 kB\n"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_is_admitted_overcommits(
            memory: u64, total: u64, others in proptest::collection::vec(any::<u64>(), 0..5)
        ) {
            let others: Vec<Held> = others
                .into_iter()
                .enumerate()
                .map(|(place, memory)| Held { name: format!("vm{place}"), memory })
                .collect();
            if admit("this", memory, &others, total).is_ok() {
                let sum: u128 = others.iter().map(|other| u128::from(other.memory)).sum();
                prop_assert!(sum + u128::from(memory) + u128::from(RESERVE) <= u128::from(total));
            }
        }
    }
}

//! What a machine uses, as its control group counts it, and what its disks take.

use std::fs;
use std::os::unix::fs::MetadataExt;

use varde_bus::hypervisor::{DiskStatus, VmUsage};
use varde_disks::Chains;
use varde_site::Vm;

use crate::paths::Paths;

/// Zero for what is not counted, as when the machine is off.
pub fn usage(vm: &str, paths: &Paths) -> VmUsage {
    let group = paths.control_group(vm);
    let read = |name: &str| fs::read_to_string(group.join(name)).unwrap_or_default();
    let (read_bytes, written_bytes) = io(&read("io.stat"));
    VmUsage {
        cpu: keyed(&read("cpu.stat"), "usage_usec"),
        memory: read("memory.current").trim().parse().unwrap_or(0),
        read: read_bytes,
        written: written_bytes,
    }
}

/// `key value` on each line.
fn keyed(text: &str, key: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
        .unwrap_or(0)
}

/// `major:minor rbytes=N wbytes=N …` for each device; all of them together.
fn io(text: &str) -> (u64, u64) {
    let sum = |key: &str| {
        text.split_whitespace()
            .filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok())
            .fold(0, u64::saturating_add)
    };
    (sum("rbytes="), sum("wbytes="))
}

pub fn disks(vm: &Vm, paths: &Paths) -> Vec<DiskStatus> {
    let directory = paths.disks(&vm.name);
    // What cannot be read is told when it is needed: at the start.
    let chains = varde_disks::read(&directory).unwrap_or_default();
    vm.disks
        .iter()
        .map(|disk| DiskStatus {
            name: disk.name.clone(),
            image: disk.image.clone().unwrap_or_default(),
            size: disk.size,
            used: layers(&chains, &disk.name)
                .iter()
                // A block of stat(2) is 512 bytes. No file yet: nothing used.
                .map(|file| {
                    fs::symlink_metadata(directory.join(file)).map_or(0, |metadata| metadata.blocks() * 512)
                })
                .sum(),
        })
        .collect()
}

/// Files of a disk; one that is not written down anywhere is a file of its own.
fn layers(chains: &Chains, disk: &str) -> Vec<String> {
    chains
        .disks
        .get(disk)
        .map_or_else(|| vec![format!("{disk}.qcow2")], |chain| chain.layers.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_as_the_kernel_writes_them() {
        assert_eq!(keyed("usage_usec 123\nuser_usec 100\n", "usage_usec"), 123);
        assert_eq!(
            io("254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n7:0 rbytes=5 wbytes=0 rios=1\n"),
            (15, 20)
        );
        assert_eq!(io(""), (0, 0));
    }
}

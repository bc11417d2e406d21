//! `[[vm]]`, `[[vm.disk]]`, `[[vm.check]]` and `[vm.limits]`

use std::net::Ipv4Addr;

use super::names::{self, LONGEST, LONGEST_VM};
use super::quantity::{self, GIB, MIB, TIB};
use super::reader::{At, Key, Reader, Table, Wrong, key};
use super::references::Names;
use super::words::{clip, instead_of};
use crate::{Check, CheckKind, Disk, Firmware, Limits, Text, Vm};

pub(super) const KEYS: &[Key] = &[
    key("name", "\"journal-db\""),
    key("title", "\"Journaldatabase\""),
    key("group", "\"journal\""),
    key("cpus", "2"),
    key("memory", "\"512 MiB\""),
    key("zone", "\"klinikk\""),
    key("address", "\"10.20.0.11\""),
    key("firmware", "\"bios\""),
    key("autostart", "true"),
    key("after", "[\"journal-db\"]"),
    key("shutdown_timeout", "\"90 s\""),
    key("disk", "[[vm.disk]]"),
    key("check", "[[vm.check]]"),
    key("limits", "[vm.limits]"),
];

pub(super) const DISK_KEYS: &[Key] = &[
    key("name", "\"system\""),
    key("image", "\"postgresql.qcow2\""),
    key("size", "\"8 GiB\""),
];

pub(super) const CHECK_KEYS: &[Key] = &[
    key("kind", "\"agent\""),
    key("port", "5432"),
    key("within", "\"5 min\""),
];

pub(super) const LIMIT_KEYS: &[Key] = &[
    key("cpu_weight", "100"),
    key("cpu_quota", "\"150 %\""),
    key("io_weight", "100"),
    key("io_bandwidth", "\"50 MiB/s\""),
    key("io_operations", "500"),
];

/// Seconds that a check may take where the file says nothing.
const WITHIN: u64 = 300;
/// Seconds that an orderly shutdown may take where the file says nothing.
const SHUTDOWN_TIMEOUT: u64 = 90;

/// A machine as far as it could be read.
pub(super) struct VmEntry<'a> {
    pub(super) name: Option<At<String>>,
    pub(super) zone: Option<At<&'a str>>,
    pub(super) address: Option<At<Ipv4Addr>>,
    /// Whether the file gives an address, good or bad.
    pub(super) has_address: bool,
    pub(super) after: Vec<At<&'a str>>,
    /// Where its first TCP check stands.
    pub(super) tcp_check: Option<usize>,
    pub(super) vm: Option<Vm>,
}

pub(super) fn read<'a>(reader: &mut Reader<'_>, root: &Table<'a, '_>) -> Vec<VmEntry<'a>> {
    root.tables(reader, "vm", "[[vm]]", KEYS)
        .iter()
        .map(|table| vm(reader, table))
        .collect()
}

fn vm<'a>(reader: &mut Reader<'_>, table: &Table<'a, '_>) -> VmEntry<'a> {
    for key in ["name", "title", "cpus", "memory", "zone", "disk"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", |text| names::unreserved(text, LONGEST_VM));
    let title = table.parsed(reader, "title", |text| names::title(text, 40));
    let group = table.parsed(reader, "group", |text| names::name(text, LONGEST));
    let cpus = table.integer(reader, "cpus", 1..=128);
    let memory = table.parsed(reader, "memory", memory);
    let zone = table.text(reader, "zone");
    let address = table.parsed(reader, "address", address);
    let firmware = table.parsed(reader, "firmware", firmware);
    let autostart = table.boolean(reader, "autostart");
    let after = table.texts(reader, "after");
    let shutdown_timeout = table.parsed(reader, "shutdown_timeout", |text| {
        quantity::time(text, &(1..=2 * 3600))
    });
    let disks = disks(reader, table);
    let (checks, tcp_check) = checks(reader, table);
    let limits = limits(reader, table);

    let vm = match (&name, title, cpus, memory, zone) {
        (Some(name), Some(title), Some(cpus), Some(memory), Some(zone)) => Some(Vm {
            name: name.value.clone(),
            title: title.value,
            group: group.map_or_else(|| name.value.clone(), |at| at.value),
            // In range of 1 to 128.
            cpus: u32::try_from(cpus.value).unwrap_or(1),
            memory: memory.value,
            zone: zone.value.to_owned(),
            address: address.map(|at| at.value),
            firmware: firmware.map_or(Firmware::Bios, |at| at.value),
            autostart: autostart.unwrap_or(false),
            after: after.iter().map(|at| at.value.to_owned()).collect(),
            disks,
            checks,
            limits,
            shutdown_timeout: shutdown_timeout.map_or(SHUTDOWN_TIMEOUT, |at| at.value),
            desktop: false,
        }),
        _ => None,
    };
    VmEntry {
        name,
        zone,
        address,
        has_address: table.get("address").is_some(),
        after,
        tcp_check,
        vm,
    }
}

pub(super) fn memory(text: &str) -> Result<u64, Wrong> {
    let bytes = quantity::size(text, &(32 * MIB..=4 * TIB))?;
    if bytes.is_multiple_of(MIB) {
        return Ok(bytes);
    }
    Err(Wrong::new(
        format!("«{}» er ikke et helt antall MiB", clip(text)),
        format!("\"{}\" is not a whole number of MiB", clip(text)),
    ))
}

fn address(text: &str) -> Result<Ipv4Addr, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(
            format!("«{}» er ikke en IPv4-adresse", clip(text)),
            format!("\"{}\" is not an IPv4 address", clip(text)),
        )
    })
}

fn firmware(text: &str) -> Result<Firmware, Wrong> {
    match text {
        "bios" => Ok(Firmware::Bios),
        "uefi" => Ok(Firmware::Uefi),
        _ => Err(Wrong {
            text: Text::new(
                format!("Fastvaren «{}» finnes ikke", clip(text)),
                format!("There is no firmware \"{}\"", clip(text)),
            ),
            remedy: Some(instead_of(text, &["bios", "uefi"])),
        }),
    }
}

fn disks(reader: &mut Reader<'_>, vm: &Table<'_, '_>) -> Vec<Disk> {
    let mut disks = Vec::new();
    let mut names = Names::default();
    for table in vm.tables(reader, "disk", "[[vm.disk]]", DISK_KEYS) {
        for key in ["name", "size"] {
            table.require(reader, key);
        }
        let name = table.parsed(reader, "name", |text| names::name(text, LONGEST));
        let image = table.parsed(reader, "image", names::image);
        let size = table.parsed(reader, "size", |text| {
            quantity::size(text, &(MIB..=64 * 1024 * GIB))
        });
        if let Some(name) = &name {
            names.add(reader, table.name, name);
        }
        if let (Some(name), Some(size)) = (name, size) {
            disks.push(Disk {
                name: name.value,
                image: image.map(|at| at.value),
                size: size.value,
            });
        }
    }
    disks
}

fn checks(reader: &mut Reader<'_>, vm: &Table<'_, '_>) -> (Vec<Check>, Option<usize>) {
    let mut checks: Vec<Check> = Vec::new();
    let mut tcp = None;
    for table in vm.tables(reader, "check", "[[vm.check]]", CHECK_KEYS) {
        table.require(reader, "kind");
        let within = table.parsed(reader, "within", |text| quantity::time(text, &(1..=24 * 3600)));
        let port = table.integer(reader, "port", 1..=65535);
        let Some(kind) = table.parsed(reader, "kind", kind) else {
            continue;
        };
        let kind = kind.map(|tcp| {
            if tcp {
                port.and_then(|at| u16::try_from(at.value).ok())
                    .map(CheckKind::Tcp)
            } else {
                Some(CheckKind::Agent)
            }
        });
        match (kind.value, table.get("port")) {
            (Some(CheckKind::Agent), Some(port)) => {
                let wrong = Wrong::new(
                    "«port» hører bare til kind = \"tcp\"",
                    "\"port\" belongs to kind = \"tcp\" only",
                )
                .remedy(
                    "Ta bort «port», eller skriv kind = \"tcp\"",
                    "Remove \"port\", or write kind = \"tcp\"",
                );
                table.wrong(reader, "port", port.span().start, wrong);
            }
            (Some(CheckKind::Tcp(_)), _) => tcp = tcp.or(Some(table.at)),
            (None, None) => table.require(reader, "port"),
            _ => {}
        }
        let Some(check) = kind.value else {
            continue;
        };
        if checks.iter().any(|other| other.kind == check) {
            let wrong = Wrong::new(
                "Denne sjekken står to ganger på samme maskin",
                "This check is there twice for the same machine",
            )
            .remedy("Ta bort den ene", "Remove one of them");
            table.wrong(reader, "kind", kind.at, wrong);
        }
        checks.push(Check {
            kind: check,
            within: within.map_or(WITHIN, |at| at.value),
        });
    }
    (checks, tcp)
}

/// Whether it is a TCP check.
fn kind(text: &str) -> Result<bool, Wrong> {
    match text {
        "agent" => Ok(false),
        "tcp" => Ok(true),
        _ => Err(Wrong {
            text: Text::new(
                format!("Sjekken «{}» finnes ikke", clip(text)),
                format!("There is no check \"{}\"", clip(text)),
            ),
            remedy: Some(instead_of(text, &["agent", "tcp"])),
        }),
    }
}

fn limits(reader: &mut Reader<'_>, vm: &Table<'_, '_>) -> Limits {
    let Some(table) = vm
        .get("limits")
        .and_then(|value| Table::open(reader, "[vm.limits]", LIMIT_KEYS, value))
    else {
        return Limits::default();
    };
    let cpu_weight = table.integer(reader, "cpu_weight", 1..=10_000);
    let cpu_quota = table.parsed(reader, "cpu_quota", |text| {
        quantity::share(text, &(1..=100 * 128))
    });
    let io_weight = table.integer(reader, "io_weight", 1..=10_000);
    let io_bandwidth = table.parsed(reader, "io_bandwidth", |text| {
        quantity::rate(text, &(64 << 10..=TIB))
    });
    let io_operations = table.integer(reader, "io_operations", 1..=100_000_000);
    Limits {
        cpu_weight: cpu_weight.map(|at| at.value),
        cpu_quota: cpu_quota.map(|at| at.value),
        io_weight: io_weight.map(|at| at.value),
        io_bandwidth: io_bandwidth.map(|at| at.value),
        io_operations: io_operations.map(|at| at.value),
    }
}

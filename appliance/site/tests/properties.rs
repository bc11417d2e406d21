//! What holds for every text and every site.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write;
use std::net::IpAddr;

use proptest::prelude::*;
use varde_site::{
    Account, Check, CheckKind, Disk, Firmware, Language, Limits, QuietHours, Role, Site, SiteInfo, Vm, Zone,
    ZoneAddress, filled, masked, parse,
};

const HASH: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7";
const DEMO: &str = include_str!("../../../image/demo/site.toml");

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

/// The file that says what the site is.
fn write(site: &Site) -> String {
    let mut text = String::from("version = 1\n\n[site]\n");
    let info = &site.site;
    let language = if info.language == Language::Nb { "nb" } else { "en" };
    writeln!(
        text,
        "name = {}\ntitle = {}\ncounties = {}\nlanguage = \"{language}\"\ntimezone = {}\ndowntime_cost = {}\nidle_lock = \"{} s\"\nquiet_hours = \"{:02}:{:02}-{:02}:{:02}\"\nntp = {}\ndns = {}",
        quoted(&info.name),
        quoted(&info.title),
        list(&info.counties),
        quoted(&info.timezone),
        info.downtime_cost,
        info.idle_lock,
        info.quiet_hours.from / 60,
        info.quiet_hours.from % 60,
        info.quiet_hours.to / 60,
        info.quiet_hours.to % 60,
        list(&info.ntp.iter().map(ToString::to_string).collect::<Vec<_>>()),
        list(&info.dns.iter().map(ToString::to_string).collect::<Vec<_>>())
    )
    .unwrap();
    for account in &site.accounts {
        let role = format!("{:?}", account.role).to_lowercase();
        writeln!(
            text,
            "[[account]]\nname = {}\ntitle = {}\nrole = \"{role}\"\npassword_hash = {}",
            quoted(&account.name),
            quoted(&account.title),
            quoted(&account.password_hash)
        )
        .unwrap();
    }
    for zone in &site.zones {
        let address = match zone.address {
            ZoneAddress::Static { address, prefix } => format!("{address}/{prefix}"),
            ZoneAddress::Dhcp => "dhcp".to_owned(),
            ZoneAddress::None => "none".to_owned(),
        };
        writeln!(
            text,
            "[[zone]]\nname = {}\ntitle = {}\naddress = {}",
            quoted(&zone.name),
            quoted(&zone.title),
            quoted(&address)
        )
        .unwrap();
        if let Some(uplink) = &zone.uplink {
            writeln!(text, "uplink = {}", quoted(uplink)).unwrap();
        }
        if let Some(gateway) = &zone.gateway {
            writeln!(text, "gateway = \"{gateway}\"").unwrap();
        }
    }
    for vm in &site.vms {
        write_vm(&mut text, vm);
    }
    text
}

fn write_vm(text: &mut String, vm: &Vm) {
    writeln!(
        text,
        "[[vm]]\nname = {}\ntitle = {}\ngroup = {}\ncpus = {}\nmemory = \"{} MiB\"\nzone = {}\nfirmware = \"{}\"\nautostart = {}\nafter = {}\nshutdown_timeout = \"{} s\"",
        quoted(&vm.name),
        quoted(&vm.title),
        quoted(&vm.group),
        vm.cpus,
        vm.memory >> 20,
        quoted(&vm.zone),
        if vm.firmware == Firmware::Bios { "bios" } else { "uefi" },
        vm.autostart,
        list(&vm.after),
        vm.shutdown_timeout
    )
    .unwrap();
    if let Some(address) = vm.address {
        writeln!(text, "address = \"{address}\"").unwrap();
    }
    let limits = [
        ("cpu_weight", vm.limits.cpu_weight.map(|n| n.to_string())),
        ("cpu_quota", vm.limits.cpu_quota.map(|n| format!("\"{n} %\""))),
        ("io_weight", vm.limits.io_weight.map(|n| n.to_string())),
        (
            "io_bandwidth",
            vm.limits.io_bandwidth.map(|n| format!("\"{} KiB/s\"", n >> 10)),
        ),
        ("io_operations", vm.limits.io_operations.map(|n| n.to_string())),
    ];
    for (key, value) in limits {
        if let Some(value) = value {
            writeln!(text, "limits.{key} = {value}").unwrap();
        }
    }
    for disk in &vm.disks {
        writeln!(
            text,
            "[[vm.disk]]\nname = {}\nsize = \"{} KiB\"",
            quoted(&disk.name),
            disk.size >> 10
        )
        .unwrap();
        if let Some(image) = &disk.image {
            writeln!(text, "image = {}", quoted(image)).unwrap();
        }
    }
    for check in &vm.checks {
        let kind = match check.kind {
            CheckKind::Agent => "kind = \"agent\"".to_owned(),
            CheckKind::Tcp(port) => format!("kind = \"tcp\"\nport = {port}"),
        };
        writeln!(text, "[[vm.check]]\n{kind}\nwithin = \"{} s\"", check.within).unwrap();
    }
}

fn name(prefix: &'static str, number: usize) -> impl Strategy<Value = String> {
    // The number keeps names apart; the user numbers that follow from them still may clash, which is a fault.
    "[a-z0-9]{0,4}".prop_map(move |tail| format!("{prefix}{number}-{tail}x"))
}

fn title() -> impl Strategy<Value = String> {
    "[a-zæøåA-ZÆØÅ0-9 .:\\\\\"'#=\\[\\]-]{0,20}[a-zæøå]"
}

prop_compose! {
    fn limits()(
        cpu_weight in proptest::option::of(1u64..=10_000),
        cpu_quota in proptest::option::of(1u64..=12_800),
        io_weight in proptest::option::of(1u64..=10_000),
        io_bandwidth in proptest::option::of(64u64..=1 << 20),
        io_operations in proptest::option::of(1u64..=1_000_000),
    ) -> Limits {
        let io_bandwidth = io_bandwidth.map(|kib| kib << 10);
        Limits { cpu_weight, cpu_quota, io_weight, io_bandwidth, io_operations }
    }
}

prop_compose! {
    fn disk(number: usize)(
        name in name("disk", number),
        image in proptest::option::of("[a-z0-9][a-zA-Z0-9._-]{0,20}"),
        size in 1024u64..1 << 30,
    ) -> Disk {
        Disk { name, image, size: size << 10 }
    }
}

prop_compose! {
    fn vm(number: usize, zones: Vec<Zone>, before: Vec<String>)(
        name in name("vm", number),
        title in title(),
        group in name("group", 0),
        cpus in 1u32..=128,
        memory in 32u64..=1 << 20,
        zone in proptest::sample::select(zones),
        addressed in any::<bool>(),
        uefi in any::<bool>(),
        autostart in any::<bool>(),
        after in proptest::sample::subsequence(before.clone(), 0..=before.len()),
        disks in (disk(0), proptest::option::of(disk(1))),
        agent in proptest::option::of(1u64..=86_400),
        tcp in proptest::option::of((any::<u16>().prop_filter("0 is no port", |port| *port > 0), 1u64..=86_400)),
        limits in limits(),
        shutdown_timeout in 1u64..=7200,
    ) -> Vm {
        let address = match zone.address {
            ZoneAddress::Static { address, .. } if addressed => {
                Some((address.to_bits() + 1 + u32::try_from(number).unwrap()).into())
            }
            _ => None,
        };
        let agent = agent.map(|within| Check { kind: CheckKind::Agent, within });
        let tcp = tcp.filter(|_| address.is_some()).map(|(port, within)| Check { kind: CheckKind::Tcp(port), within });
        Vm {
            name, title, group, cpus, address, autostart, after, limits, shutdown_timeout,
            memory: memory << 20,
            zone: zone.name,
            firmware: if uefi { Firmware::Uefi } else { Firmware::Bios },
            disks: std::iter::once(disks.0).chain(disks.1).collect(),
            checks: agent.into_iter().chain(tcp).collect(),
            desktop: false,
        }
    }
}

prop_compose! {
    fn zone(number: u8)(
        name in name("z", number.into()),
        title in title(),
        kind in 0..3,
        prefix in 24u8..=26,
        uplink in proptest::option::of("eth[0-9]"),
        router in any::<bool>(),
    ) -> Zone {
        let address = match kind {
            0 => ZoneAddress::Dhcp,
            1 => ZoneAddress::None,
            _ => ZoneAddress::Static { address: [10, number, 0, 1].into(), prefix },
        };
        // One zone at most leads out.
        let out = router && number == 1 && kind == 2;
        Zone {
            name, title, address,
            uplink: uplink.map(|uplink| format!("{uplink}{number}")),
            gateway: out.then_some([10, number, 0, 2].into()),
            vlan: None,
        }
    }
}

fn machines(zones: Vec<Zone>) -> impl Strategy<Value = Vec<Vm>> {
    (0usize..4).prop_flat_map(move |count| {
        let none = Just(Vec::<Vm>::new()).boxed();
        (0..count).fold(none, |machines, number| {
            let zones = zones.clone();
            machines
                .prop_flat_map(move |machines| {
                    let before = machines.iter().map(|vm| vm.name.clone()).collect();
                    vm(number, zones.clone(), before).prop_map(move |vm| {
                        let mut machines = machines.clone();
                        machines.push(vm);
                        machines
                    })
                })
                .boxed()
        })
    })
}

fn time_server() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (1u8..=223, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| IpAddr::from([a, b, c, d])),
        any::<[u16; 7]>().prop_map(|[b, c, d, e, f, g, h]| IpAddr::from([0x2001, b, c, d, e, f, g, h])),
    ]
}

prop_compose! {
    fn site()(
        name in name("site", 0),
        title in title(),
        counties in proptest::collection::btree_set("[A-ZÆØÅ][a-zæøå]{1,10}", 1..4),
        english in any::<bool>(),
        timezone in proptest::sample::select(vec!["Europe/Oslo", "UTC", "Arctic/Longyearbyen"]),
        downtime_cost in 0u64..=1_000_000_000,
        idle_lock in 30u64..=86_400,
        (from, to) in (0u16..1440, 0u16..1440).prop_filter("not at once", |(from, to)| from != to),
        ntp in proptest::collection::btree_set(time_server(), 0..4),
        dns in proptest::collection::btree_set(time_server(), 0..4),
        admin in title(),
        operator in proptest::option::of(title()),
        (zones, vms) in (zone(1), zone(2)).prop_flat_map(|(a, b)| {
            let zones = vec![a, b];
            (Just(zones.clone()), machines(zones))
        }),
    ) -> Site {
        let account = |name: &str, title, role| Account {
            name: name.to_owned(), title, role, password_hash: HASH.to_owned(), ssh_keys: Vec::new(),
        };
        let operator = operator.map(|title| account("ola", title, Role::Operator));
        Site {
            site: SiteInfo {
                name, title, downtime_cost, idle_lock,
                quiet_hours: QuietHours { from, to },
                counties: counties.into_iter().collect(),
                ntp: ntp.into_iter().collect(),
                dns: dns.into_iter().collect(),
                language: if english { Language::En } else { Language::Nb },
                timezone: timezone.to_owned(),
            },
            accounts: std::iter::once(account("kari", admin, Role::Admin)).chain(operator).collect(),
            zones,
            vms,
            databases: Vec::new(),
            telephony: None,
            recipes: Vec::new(),
            portal: None,
            persons: Vec::new(),
            desktop_pools: Vec::new(),
            tunnel: None,
            update: None,
            bonds: Vec::new(),
            ssh: None,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(site in site()) {
        let text = write(&site);
        let read = parse(&text);
        prop_assert_eq!(read.as_ref().ok(), Some(&site), "{:?}\n{}", read, text);
        // And once more by way of what an operator sees.
        let seen = masked(&text);
        prop_assert!(!seen.contains(HASH));
        prop_assert_eq!(filled(&seen, &site.kept()), text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_text_that_looks_like_toml_makes_it_panic(
        text in "((\\[\\[?(vm|zone|site|account|vm\\.disk|vm\\.check|vm\\.limits)\\]?\\]|name|after|address|version|cpus|= ?|\"|'|10\\.0\\.0\\.1/24|db|1|\\[|\\]|\\{|\\}|,|#|æ|\n|\r\n|\t|\\.) ?){0,60}"
    ) {
        if let Err(findings) = parse(&text) {
            prop_assert!(!findings.is_empty());
            for finding in findings {
                let line = text.split('\n').nth(finding.line as usize - 1);
                prop_assert!(line.is_some_and(|line| finding.column as usize <= line.chars().count() + 1),
                    "{:?} is not in the text", finding);
            }
        }
    }

    /// A good file that was damaged in one place.
    #[test]
    fn no_damage_makes_it_panic(at in 0usize..DEMO.len(), length in 0usize..40, put in "\\PC{0,10}") {
        let at = (0..=at).rev().find(|at| DEMO.is_char_boundary(*at)).unwrap();
        let end = (at + length).min(DEMO.len());
        let end = (end..=DEMO.len()).find(|end| DEMO.is_char_boundary(*end)).unwrap();
        let _ = parse(&format!("{}{put}{}", &DEMO[..at], &DEMO[end..]));
    }
}

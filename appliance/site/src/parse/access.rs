//! `[portal]`, `[[person]]` and `[[desktop_pool]]`

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use super::names::{self, LONGEST, LONGEST_VM};
use super::quantity::{self, GIB, MIB};
use super::reader::{At, Key, Reader, Table, Wrong, choice, key};
use super::references::{Names, clash};
use super::vm::{self, VmEntry};
use super::words::{clip, instead_of};
use super::zone::{ZoneEntry, own_address};
use crate::{DesktopPool, Desktops, Person, Portal, Text, identity};

pub(super) const PORTAL_KEYS: &[Key] = &[
    key("name", "\"pult.example.no\""),
    key("listen", "\"0.0.0.0:443\""),
    key("idle", "\"30 min\""),
    key("longest", "\"10 h\""),
];

pub(super) const PERSON_KEYS: &[Key] = &[
    key("name", "\"anne\""),
    key("title", "\"Anne Lie\""),
    key("reach", "[\"klinikk\"]"),
];

pub(super) const POOL_KEYS: &[Key] = &[
    key("name", "\"kontor\""),
    key("title", "\"Kontorpult\""),
    key("image", "\"desktop.qcow2\""),
    key("zone", "\"klinikk\""),
    key("cpus", "2"),
    key("memory", "\"2 GiB\""),
    key("disk", "\"20 GiB\""),
    key("kind", "\"own\""),
    key("size", "4"),
    key("persons", "[\"anne\"]"),
    key("park", "\"30 min\""),
];

/// Seconds where the file says nothing.
const IDLE: u64 = 1800;
const TEN_HOURS: u64 = 36_000;
const PARK: u64 = 1800;

/// What could be read of the three tables.
pub(super) struct AccessEntry<'a> {
    portal: Option<PortalEntry>,
    persons: Vec<PersonEntry<'a>>,
    pools: Vec<PoolEntry<'a>>,
    at: usize,
}

struct PortalEntry {
    listen: Option<At<SocketAddrV4>>,
    portal: Option<Portal>,
}

struct PersonEntry<'a> {
    name: Option<At<String>>,
    reach: Vec<At<&'a str>>,
    person: Option<Person>,
}

struct PoolEntry<'a> {
    at: usize,
    name: Option<At<String>>,
    zone: Option<At<&'a str>>,
    persons: Vec<At<&'a str>>,
    pool: Option<DesktopPool>,
}

/// All three, when nothing is wrong with them.
pub(super) struct Access {
    pub(super) portal: Option<Portal>,
    pub(super) persons: Vec<Person>,
    pub(super) pools: Vec<DesktopPool>,
}

impl<'a> AccessEntry<'a> {
    /// Zones that persons reach.
    pub(super) fn reach(&self) -> impl Iterator<Item = At<&'a str>> {
        self.persons
            .iter()
            .flat_map(|person| person.reach.iter().copied())
    }

    pub(super) fn finish(self) -> Option<Access> {
        let portal = match self.portal {
            Some(entry) => Some(entry.portal?),
            None => None,
        };
        let persons = self.persons.into_iter().map(|entry| entry.person);
        let pools = self.pools.into_iter().map(|entry| entry.pool);
        Some(Access {
            portal,
            persons: persons.collect::<Option<_>>()?,
            pools: pools.collect::<Option<_>>()?,
        })
    }
}

pub(super) fn read<'a>(reader: &mut Reader<'_>, root: &Table<'a, '_>) -> AccessEntry<'a> {
    let portal = root
        .get("portal")
        .and_then(|value| Table::open(reader, "[portal]", PORTAL_KEYS, value))
        .map(|table| portal(reader, &table));
    let persons = root
        .tables(reader, "person", "[[person]]", PERSON_KEYS)
        .iter()
        .map(|table| person(reader, table))
        .collect();
    let pools = root
        .tables(reader, "desktop_pool", "[[desktop_pool]]", POOL_KEYS)
        .iter()
        .map(|table| pool(reader, table))
        .collect();
    AccessEntry {
        portal,
        persons,
        pools,
        at: root
            .get("desktop_pool")
            .or(root.get("person"))
            .map_or(root.at, |value| value.span().start),
    }
}

fn portal(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> PortalEntry {
    for key in ["name", "listen"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", host);
    let listen = table.parsed(reader, "listen", listen);
    let idle = table.parsed(reader, "idle", |text| quantity::time(text, &(60..=24 * 3600)));
    let longest = table.parsed(reader, "longest", |text| quantity::time(text, &(60..=24 * 3600)));
    let portal = match (name, &listen) {
        (Some(name), Some(listen)) => Some(Portal {
            name: name.value,
            listen: listen.value,
            idle: idle.map_or(IDLE, |at| at.value),
            longest: longest.map_or(TEN_HOURS, |at| at.value),
        }),
        _ => None,
    };
    PortalEntry { listen, portal }
}

/// A name as in RFC 1123 §2.1, or an IPv4 address: what a browser has before the port.
fn host(text: &str) -> Result<String, Wrong> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("«{}» er ikke et navn som en nettleser kan gå til", clip(text)),
        format!("\"{}\" is not a name that a browser can go to", clip(text)),
    )
    .remedy(
        "Skriv navnet med små bokstaver, uten https:// og port, som \"pult.example.no\"",
        "Write the name in small letters, without https:// and port, as in \"pult.example.no\"",
    ))
}

pub(super) fn listen(text: &str) -> Result<SocketAddrV4, Wrong> {
    text.parse()
        .ok()
        .filter(|address: &SocketAddrV4| address.port() > 0)
        .ok_or_else(|| {
            Wrong::new(
                format!("«{}» er ikke en IPv4-adresse med port", clip(text)),
                format!("\"{}\" is not an IPv4 address with a port", clip(text)),
            )
        })
}

fn person<'a>(reader: &mut Reader<'_>, table: &Table<'a, '_>) -> PersonEntry<'a> {
    for key in ["name", "title"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", |text| names::name(text, LONGEST));
    let title = table.parsed(reader, "title", |text| names::title(text, 40));
    let reach = table.texts(reader, "reach");
    let person = match (&name, title) {
        (Some(name), Some(title)) => Some(Person {
            name: name.value.clone(),
            title: title.value,
            reach: reach.iter().map(|zone| zone.value.to_owned()).collect(),
        }),
        _ => None,
    };
    PersonEntry { name, reach, person }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Own,
    Fresh,
    Floating,
}

fn pool<'a>(reader: &mut Reader<'_>, table: &Table<'a, '_>) -> PoolEntry<'a> {
    for key in [
        "name", "title", "image", "zone", "cpus", "memory", "disk", "kind", "persons",
    ] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", |text| names::unreserved(text, LONGEST_VM - 2));
    let title = table.parsed(reader, "title", |text| names::title(text, 40));
    let image = table.parsed(reader, "image", names::image);
    let zone = table.text(reader, "zone");
    let cpus = table.integer(reader, "cpus", 1..=128);
    let memory = table.parsed(reader, "memory", vm::memory);
    let disk = table.parsed(reader, "disk", |text| {
        quantity::size(text, &(MIB..=64 * 1024 * GIB))
    });
    let kind = table.parsed(reader, "kind", |text| {
        let known = [
            ("own", Kind::Own),
            ("fresh", Kind::Fresh),
            ("floating", Kind::Floating),
        ];
        choice(text, &known)
    });
    let size = table.integer(reader, "size", 1..=1000);
    let persons = table.texts(reader, "persons");
    let park = table.parsed(reader, "park", |text| quantity::time(text, &(60..=7 * 24 * 3600)));
    let desktops = desktops(reader, table, kind, size);
    let required = (name.as_ref(), title, image, zone, cpus, memory, disk, desktops);
    let pool = match required {
        (
            Some(name),
            Some(title),
            Some(image),
            Some(zone),
            Some(cpus),
            Some(memory),
            Some(disk),
            Some(desktops),
        ) => Some(DesktopPool {
            name: name.value.clone(),
            title: title.value,
            image: image.value,
            zone: zone.value.to_owned(),
            // In range of 1 to 128.
            cpus: u32::try_from(cpus.value).unwrap_or(1),
            memory: memory.value,
            disk: disk.value,
            desktops,
            persons: persons.iter().map(|person| person.value.to_owned()).collect(),
            park: park.map_or(PARK, |at| at.value),
        }),
        _ => None,
    };
    PoolEntry {
        at: table.at,
        name,
        zone,
        persons,
        pool,
    }
}

/// Only floating desktops have a number of their own.
fn desktops(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    kind: Option<At<Kind>>,
    size: Option<At<u64>>,
) -> Option<Desktops> {
    match (kind?.value, size) {
        (Kind::Floating, None) => {
            table.require(reader, "size");
            None
        }
        (Kind::Floating, Some(size)) => Some(Desktops::Floating(u32::try_from(size.value).ok()?)),
        (kind, size) => {
            if let Some(size) = size {
                let wrong = Wrong::new(
                    "«size» hører bare til kind = \"floating\"; ellers er det én pult for hver person",
                    "\"size\" belongs to kind = \"floating\" only; else there is one desktop for each person",
                )
                .remedy("Ta bort «size»", "Remove \"size\"");
                table.wrong(reader, "size", size.at, wrong);
            }
            Some(if kind == Kind::Own {
                Desktops::Own
            } else {
                Desktops::Fresh
            })
        }
    }
}

/// The tables against each other, the zones and the machines.
pub(super) fn check(
    reader: &mut Reader<'_>,
    access: &AccessEntry<'_>,
    zones: &[ZoneEntry],
    vms: &[VmEntry<'_>],
) {
    let mut names = Names::default();
    for name in access.persons.iter().filter_map(|entry| entry.name.as_ref()) {
        names.add(reader, "[[person]]", name);
    }
    if access.portal.is_none() && !(access.persons.is_empty() && access.pools.is_empty()) {
        reader.fault(
            access.at,
            Text::new(
                "Det finnes personer eller pulter, men ingen [portal] der noen kan logge inn",
                "There are persons or desktops, but no [portal] where anybody could log in",
            ),
            Text::new(
                "Skriv en [portal] med name og listen",
                "Write a [portal] with name and listen",
            ),
        );
    }
    if let Some(listen) = access.portal.as_ref().and_then(|portal| portal.listen) {
        own(reader, listen, zones);
    }
    let mut names = Names::default();
    for pool in &access.pools {
        if let Some(name) = &pool.name {
            names.add(reader, "[[desktop_pool]]", name);
        }
        zone(reader, pool, zones);
        persons(reader, pool, access);
    }
    machines(reader, access, vms);
}

/// Every address, or one that the appliance has.
pub(super) fn own(reader: &mut Reader<'_>, listen: At<SocketAddrV4>, zones: &[ZoneEntry]) {
    let address = *listen.value.ip();
    let known = zones.iter().any(|zone| own_address(zone) == Some(address));
    if address.is_unspecified() || address.is_loopback() || known {
        return;
    }
    reader.fault(
        listen.at,
        Text::new(
            format!("{address} er ikke Vardes egen adresse i noen sone"),
            format!("{address} is not Varde's own address in any zone"),
        ),
        Text::new(
            format!(
                "Skriv adressen fra en [[zone]], eller \"0.0.0.0:{}\" for alle",
                listen.value.port()
            ),
            format!(
                "Write the address of a [[zone]], or \"0.0.0.0:{}\" for all",
                listen.value.port()
            ),
        ),
    );
}

fn zone(reader: &mut Reader<'_>, pool: &PoolEntry<'_>, zones: &[ZoneEntry]) {
    let Some(wanted) = pool.zone else { return };
    let all: Vec<&str> = zones
        .iter()
        .filter_map(|zone| Some(zone.name.as_ref()?.value.as_str()))
        .collect();
    if !all.contains(&wanted.value) {
        reader.fault(
            wanted.at,
            Text::new(
                format!("Det finnes ingen sone «{}»", clip(wanted.value)),
                format!("There is no zone \"{}\"", clip(wanted.value)),
            ),
            instead_of(wanted.value, &all),
        );
    }
}

fn persons(reader: &mut Reader<'_>, pool: &PoolEntry<'_>, access: &AccessEntry<'_>) {
    let all: Vec<&str> = access
        .persons
        .iter()
        .filter_map(|entry| Some(entry.name.as_ref()?.value.as_str()))
        .collect();
    for person in &pool.persons {
        if person.value != "*" && !all.contains(&person.value) {
            reader.fault(
                person.at,
                Text::new(
                    format!("Det finnes ingen [[person]] «{}»", clip(person.value)),
                    format!("There is no [[person]] \"{}\"", clip(person.value)),
                ),
                instead_of(person.value, &all),
            );
        }
    }
}

/// The names of the pools' machines: short enough, and nobody else's.
fn machines(reader: &mut Reader<'_>, access: &AccessEntry<'_>, vms: &[VmEntry<'_>]) {
    let Some(persons) = access
        .persons
        .iter()
        .map(|entry| entry.person.clone())
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let mut taken: BTreeMap<String, usize> = vms
        .iter()
        .filter_map(|vm| vm.name.as_ref())
        .map(|name| (name.value.clone(), name.at))
        .collect();
    let mut numbers: BTreeMap<u32, At<String>> = taken
        .iter()
        .map(|(name, at)| {
            let name = At {
                value: name.clone(),
                at: *at,
            };
            (identity::vm_uid(&name.value), name)
        })
        .collect();
    for entry in &access.pools {
        let Some(pool) = &entry.pool else { continue };
        for vm in pool.machines(&persons) {
            let name = At {
                value: vm.name,
                at: entry.at,
            };
            if name.value.len() > LONGEST_VM {
                too_long(reader, &name);
            } else if let Some(first) = taken.insert(name.value.clone(), entry.at) {
                double(reader, &name, first);
            } else if let Some(other) = numbers.insert(identity::vm_uid(&name.value), name.clone()) {
                clash(reader, &name, &other);
            }
        }
    }
}

fn too_long(reader: &mut Reader<'_>, name: &At<String>) {
    reader.fault(
        name.at,
        Text::new(
            format!(
                "Pulten «{}» ville få for langt navn: høyst {LONGEST_VM} tegn",
                name.value
            ),
            format!(
                "The desktop \"{}\" would have too long a name: at most {LONGEST_VM} characters",
                name.value
            ),
        ),
        Text::new(
            "Gi [[desktop_pool]] eller personen et kortere navn",
            "Give the [[desktop_pool]] or the person a shorter name",
        ),
    );
}

fn double(reader: &mut Reader<'_>, name: &At<String>, first: usize) {
    let line = reader.line(first);
    reader.fault(
        name.at,
        Text::new(
            format!(
                "Pulten «{}» ville hete det samme som maskinen på linje {line}",
                name.value
            ),
            format!(
                "The desktop \"{}\" would have the name of the machine on line {line}",
                name.value
            ),
        ),
        Text::new("Gi den ene et annet navn", "Give one of them another name"),
    );
}

#[cfg(test)]
mod tests {
    use crate::{Desktops, parse};

    const DEMO: &str = include_str!("../../../../image/demo/site.toml");

    /// The demo with these tables in the place of its own.
    fn with(access: &str) -> Result<crate::Site, Vec<String>> {
        let plain = DEMO.split_once("[[database]]").map_or(DEMO, |(plain, _)| plain);
        parse(&format!("{plain}\n{access}")).map_err(|findings| {
            let said = |finding: &crate::Finding| format!("{} | {}", finding.text.en, finding.remedy.en);
            findings.iter().map(said).collect()
        })
    }

    const PORTAL: &str = "[portal]\nname = \"pult.example.no\"\nlisten = \"0.0.0.0:443\"\n";
    const PERSONS: &str = "[[person]]\nname = \"anne\"\ntitle = \"Anne\"\n\
                           [[person]]\nname = \"per\"\ntitle = \"Per\"\n";

    fn pool(kind: &str) -> String {
        format!(
            "[[desktop_pool]]\nname = \"kontor\"\ntitle = \"Kontor\"\nimage = \"desktop.qcow2\"\nzone = \"klinikk\"\n\
             cpus = 1\nmemory = \"512 MiB\"\ndisk = \"4 GiB\"\n{kind}\n"
        )
    }

    #[test]
    fn a_pool_gives_the_site_machines_with_a_screen() {
        let text = format!("{PORTAL}{PERSONS}{}", pool("kind = \"own\"\npersons = [\"per\"]"));
        let site = with(&text).unwrap();
        let desktop = site.vms.last().unwrap();
        assert_eq!((desktop.name.as_str(), desktop.desktop), ("kontor-per", true));
        assert_eq!(desktop.disks[0].image.as_deref(), Some("desktop.qcow2"));
        assert!(!desktop.autostart && !site.vms[0].desktop);
        let portal = site.portal.unwrap();
        assert_eq!((portal.idle, portal.longest), (1800, 36_000));
    }

    #[test]
    fn floating_desktops_have_a_number_and_the_others_none() {
        let floating = pool("kind = \"floating\"\nsize = 3\npersons = [\"*\"]");
        let site = with(&format!("{PORTAL}{PERSONS}{floating}")).unwrap();
        assert_eq!(site.desktop_pools[0].desktops, Desktops::Floating(3));
        let said = with(&format!(
            "{PORTAL}{}",
            pool("kind = \"floating\"\npersons = [\"*\"]")
        ));
        assert!(said.unwrap_err()[0].contains("lacks \"size\""));
        let said = with(&format!(
            "{PORTAL}{}",
            pool("kind = \"fresh\"\nsize = 3\npersons = [\"*\"]")
        ));
        assert!(said.unwrap_err()[0].contains("floating"));
    }

    #[test]
    fn what_nobody_could_log_in_to_or_nobody_has_declared_is_refused() {
        let said = with(PERSONS).unwrap_err();
        assert!(said[0].contains("no [portal]"), "{said:?}");
        let said = with(&format!(
            "{PORTAL}{PERSONS}{}",
            pool("kind = \"own\"\npersons = [\"ane\"]")
        ));
        assert!(said.unwrap_err()[0].ends_with("Did you mean \"anne\"?"));
        let elsewhere = PORTAL.replace("0.0.0.0", "192.0.2.7");
        let said = with(&elsewhere).unwrap_err();
        assert!(
            said[0].contains("not Varde's own address") && said[0].contains("0.0.0.0:443"),
            "{said:?}"
        );
        let said = with(&PORTAL.replace("pult.example.no", "https://pult")).unwrap_err();
        assert!(said[0].contains("browser"), "{said:?}");
    }

    #[test]
    fn a_desktop_has_a_name_that_fits_and_that_no_machine_has() {
        let long = PERSONS.replace("anne", "anne-marie-elisabeth");
        let own = pool("kind = \"own\"\npersons = [\"*\"]");
        let said = with(&format!("{PORTAL}{long}{own}")).unwrap_err();
        assert!(said[0].contains("too long"), "{said:?}");
        let twice = own.replace("\"kontor\"", "\"journal\"");
        let db = PERSONS.replace("anne", "db");
        let said = with(&format!("{PORTAL}{db}{twice}")).unwrap_err();
        assert!(said[0].contains("name of the machine on line"), "{said:?}");
    }
}

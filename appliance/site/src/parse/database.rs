//! `[[database]]` and `[database.restart]`

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use varde_calendar::{Blackout, Calendar};

use super::names::{self, LONGEST};
use super::quantity;
use super::reader::{At, Key, Reader, Table, Wrong, choice, key};
use super::references::Names;
use super::times::expressions;
use super::vm::VmEntry;
use super::words::{clip, instead_of};
use super::zone::{ZoneEntry, own_address};
use crate::{Database, DatabaseServer, Engine, Pool, Restart, RestartWhat, Text};

pub(super) const KEYS: &[Key] = &[
    key("name", "\"journal\""),
    key("title", "\"Pasientjournal\""),
    key("engine", "\"postgresql\""),
    key("vm", "\"journal-db\""),
    key("host", "\"varde@10.30.0.5\""),
    key("address", "\"10.20.0.11:5432\""),
    key("gate", "\"10.20.0.1:5432\""),
    key("database", "\"journal\""),
    key("pool", "\"transaction\""),
    key("restart", "[database.restart]"),
];

pub(super) const RESTART_KEYS: &[Key] = &[
    key("what", "\"process\""),
    key("unit", "\"postgresql@17-main.service\""),
    key("calendar", "[\"Sun *-*-* 03:30\"]"),
    key("blackout", "[\"Mon..Fri 06:00..18:00\"]"),
    key("holidays", "\"skip\""),
    key("stall_budget", "\"250 ms\""),
    key("give_up", "\"2 h\""),
    key("held_most", "\"60 s\""),
    key("oldest_transaction", "\"200 ms\""),
    key("missed", "\"1 h\""),
    key("when", "\"always\""),
    key("cut", "{ session = \"10 min\" }"),
];

const CUT_KEYS: &[Key] = &[
    key("transaction", "\"30 min\""),
    key("backup", "\"30 min\""),
    key("index", "\"30 min\""),
    key("maintenance", "\"30 min\""),
    key("logical", "\"30 min\""),
    key("session", "\"10 min\""),
    key("direct", "\"10 min\""),
    key("request", "\"30 min\""),
];

/// What a server of which nothing is known can have in use: a request without its answer.
const REQUEST: &str = "request";

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A database as far as it could be read.
pub(super) struct DatabaseEntry<'a> {
    name: Option<At<String>>,
    vm: Option<At<&'a str>>,
    gate: Option<At<(Ipv4Addr, u16)>>,
    pub(super) database: Option<Database>,
}

pub(super) fn read<'a>(reader: &mut Reader<'_>, root: &Table<'a, '_>) -> Vec<DatabaseEntry<'a>> {
    root.tables(reader, "database", "[[database]]", KEYS)
        .iter()
        .map(|table| database(reader, table))
        .collect()
}

fn database<'a>(reader: &mut Reader<'_>, table: &Table<'a, '_>) -> DatabaseEntry<'a> {
    for key in ["name", "title", "address", "gate", "restart"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", |text| names::name(text, LONGEST));
    let title = table.parsed(reader, "title", |text| names::title(text, 40));
    let engine = table
        .parsed(reader, "engine", |text| {
            choice(text, &[("postgresql", Engine::Postgresql), ("tcp", Engine::Tcp)])
        })
        .map_or(Engine::Postgresql, |at| at.value);
    let address = table.parsed(reader, "address", endpoint);
    let gate = table.parsed(reader, "gate", endpoint);
    let inside = table.parsed(reader, "database", |text| names::title(text, 63));
    let pool = table.parsed(reader, "pool", |text| {
        choice(
            text,
            &[("transaction", Pool::Transaction), ("session", Pool::Session)],
        )
    });
    let vm = table.text(reader, "vm");
    let host = table.parsed(reader, "host", host);
    let server = match (vm, &host) {
        (Some(vm), None) => Some(DatabaseServer::Vm(vm.value.to_owned())),
        (None, Some(host)) => Some(DatabaseServer::Host(host.value.clone())),
        _ if table.get("vm").is_some() == table.get("host").is_some() => {
            let wrong = Wrong::new(
                "En database skal ha enten «vm» eller «host»",
                "A database must have either \"vm\" or \"host\"",
            )
            .remedy(
                "Skriv vm = \"journal-db\" for en maskin her, eller host = \"varde@10.30.0.5\" for en tjener et annet sted",
                "Write vm = \"journal-db\" for a machine here, or host = \"varde@10.30.0.5\" for a server elsewhere",
            );
            table.wrong(reader, "vm", table.at, wrong);
            None
        }
        _ => None,
    };
    let restart = table
        .get("restart")
        .and_then(|value| Table::open(reader, "[database.restart]", RESTART_KEYS, value))
        .map(|table| restart(reader, &table, engine));
    if engine == Engine::Tcp {
        only_postgresql(reader, table);
    }
    if let (Some(DatabaseServer::Host(_)), Some(restart)) = (&server, &restart)
        && restart.what == RestartWhat::Machine
    {
        let wrong = Wrong::new(
            "Bare en maskin her kan startes på nytt som helhet",
            "Only a machine here can be restarted as a whole",
        )
        .remedy("Skriv what = \"process\"", "Write what = \"process\"");
        table.wrong(reader, "restart", table.at, wrong);
    }
    let database = match (&name, title, server, &gate, address, restart) {
        (Some(name), Some(title), Some(server), Some(gate), Some(address), Some(restart)) => Some(Database {
            name: name.value.clone(),
            title: title.value,
            engine,
            server,
            gate: gate.value,
            address: address.value,
            database: inside.map_or_else(|| "postgres".to_owned(), |at| at.value),
            pool: pool.map_or(Pool::Transaction, |at| at.value),
            restart,
        }),
        _ => None,
    };
    DatabaseEntry {
        name,
        vm,
        gate,
        database,
    }
}

/// Keys that would do nothing for another engine.
fn only_postgresql(reader: &mut Reader<'_>, table: &Table<'_, '_>) {
    for key in ["database", "pool"] {
        if let Some(value) = table.get(key) {
            let wrong = Wrong::new(
                format!("«{key}» gjelder bare PostgreSQL"),
                format!("\"{key}\" is for PostgreSQL only"),
            )
            .remedy("Ta bort linjen", "Remove the line");
            table.wrong(reader, key, value.span().start, wrong);
        }
    }
}

fn restart(reader: &mut Reader<'_>, table: &Table<'_, '_>, engine: Engine) -> Restart {
    for key in ["calendar", "stall_budget"] {
        table.require(reader, key);
    }
    let what = table.parsed(reader, "what", |text| {
        choice(
            text,
            &[
                ("process", RestartWhat::Process),
                ("machine", RestartWhat::Machine),
            ],
        )
    });
    if engine == Engine::Tcp && what.as_ref().is_none_or(|at| at.value == RestartWhat::Process) {
        // What it is called, nobody can guess.
        table.require(reader, "unit");
    }
    let unit = table.parsed(reader, "unit", unit);
    let calendar = expressions(reader, table, "calendar", |text| {
        text.parse::<Calendar>().map(drop)
    });
    let blackout = expressions(reader, table, "blackout", |text| {
        text.parse::<Blackout>().map(drop)
    });
    let holidays = table.parsed(reader, "holidays", |text| {
        choice(text, &[("run", false), ("skip", true)])
    });
    let when = table.parsed(reader, "when", |text| {
        choice(text, &[("always", false), ("reason", true)])
    });
    let mut time = |key, least, most, otherwise| {
        table
            .parsed(reader, key, |text| quantity::short_time(text, &(least..=most)))
            .map_or(otherwise, |at| at.value)
    };
    let stall_budget = time("stall_budget", 50, 15 * MINUTE, 250);
    let give_up = time("give_up", SECOND, 12 * HOUR, 2 * HOUR);
    let held_most = time("held_most", SECOND, 30 * MINUTE, (stall_budget * 4).max(MINUTE));
    let oldest_transaction = time("oldest_transaction", 10, HOUR, 200);
    let missed = time("missed", 0, 24 * HOUR, 0);
    Restart {
        what: what.map_or(RestartWhat::Process, |at| at.value),
        unit: unit.map_or_else(|| "postgresql@17-main.service".to_owned(), |at| at.value),
        calendar,
        blackout,
        skip_holidays: holidays.is_some_and(|at| at.value),
        stall_budget,
        give_up,
        held_most,
        oldest_transaction,
        missed,
        only_with_reason: when.is_some_and(|at| at.value),
        cut: cut(reader, table, engine),
    }
}

fn cut(reader: &mut Reader<'_>, table: &Table<'_, '_>, engine: Engine) -> BTreeMap<String, u64> {
    let Some(table) = table
        .get("cut")
        .and_then(|value| Table::open(reader, "[database.restart.cut]", CUT_KEYS, value))
    else {
        return BTreeMap::new();
    };
    CUT_KEYS
        .iter()
        .filter_map(|key| {
            if let Some(value) = table.get(key.name)
                && (key.name == REQUEST) != (engine == Engine::Tcp)
            {
                let wrong = Wrong::new(
                    format!("Denne databasemotoren har ikke bruk av typen «{}»", key.name),
                    format!("This engine has no use of the kind \"{}\"", key.name),
                )
                .remedy("Ta det bort", "Remove it");
                table.wrong(reader, key.name, value.span().start, wrong);
                return None;
            }
            let after = table.parsed(reader, key.name, |text| {
                quantity::short_time(text, &(0..=12 * HOUR))
            })?;
            Some((key.name.to_owned(), after.value))
        })
        .collect()
}

/// `10.20.0.11:5432`
fn endpoint(text: &str) -> Result<(Ipv4Addr, u16), Wrong> {
    text.split_once(':')
        .and_then(|(address, port)| {
            let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
            Some((address.parse().ok()?, port))
        })
        .ok_or_else(|| {
            Wrong::new(
                format!("«{}» er ikke en adresse med port", clip(text)),
                format!("\"{}\" is not an address with a port", clip(text)),
            )
        })
}

/// `user@host` or `user@host:port`, in characters that mean nothing to a shell or to ssh's own options.
fn host(text: &str) -> Result<String, Wrong> {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    let (target, port) = text.rsplit_once(':').unwrap_or((text, "22"));
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    match target.split_once('@') {
        Some((user, host)) if plain(user) && plain(host) && is_port => Ok(text.to_owned()),
        _ => Err(Wrong::new(
            format!("«{}» er ikke en bruker på en vert", clip(text)),
            format!("\"{}\" is not a user on a host", clip(text)),
        )),
    }
}

fn unit(text: &str) -> Result<String, Wrong> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '-' | '_' | ':' | '\\');
    if text.ends_with(".service") && !text.starts_with('-') && text.len() < 256 && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("«{}» er ikke en tjeneste i systemd", clip(text)),
        format!("\"{}\" is not a service of systemd", clip(text)),
    ))
}

/// What databases say about machines, zones and each other.
pub(super) fn check(
    reader: &mut Reader<'_>,
    databases: &[DatabaseEntry<'_>],
    zones: &[ZoneEntry],
    vms: &[VmEntry<'_>],
) {
    let mut names = Names::default();
    let mut gates: Vec<At<(Ipv4Addr, u16)>> = Vec::new();
    for entry in databases {
        if let Some(name) = &entry.name {
            names.add(reader, "[[database]]", name);
        }
        if let Some(vm) = entry.vm {
            let known: Vec<&str> = vms
                .iter()
                .filter_map(|vm| vm.name.as_ref())
                .map(|at| at.value.as_str())
                .collect();
            if !known.contains(&vm.value) {
                let text = Text::new(
                    format!("Det finnes ingen maskin «{}»", clip(vm.value)),
                    format!("There is no machine \"{}\"", clip(vm.value)),
                );
                reader.fault(vm.at, text, instead_of(vm.value, &known));
            }
        }
        let Some(gate) = entry.gate else {
            continue;
        };
        let own: Vec<Ipv4Addr> = zones.iter().filter_map(own_address).collect();
        if !own.contains(&gate.value.0) {
            let text = Text::new(
                format!("{} er ikke en av maskinens egne adresser", gate.value.0),
                format!("{} is not one of the appliance's own addresses", gate.value.0),
            );
            let all = own.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let remedy = Text::new(
                format!("Porten må stå på adressen til en sone: {all}"),
                format!("The gate has to be at the address of a zone: {all}"),
            );
            reader.fault(gate.at, text, remedy);
        }
        if let Some(other) = gates.iter().find(|other| other.value == gate.value) {
            let line = reader.line(other.at);
            reader.fault(
                gate.at,
                Text::new(
                    format!("Porten er opptatt av databasen på linje {line}"),
                    format!("The gate is taken by the database on line {line}"),
                ),
                Text::new("Gi den ene en annen port", "Give one of them another port"),
            );
        }
        gates.push(gate);
    }
}

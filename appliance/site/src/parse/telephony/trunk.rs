//! `[[telephony.trunk]]`

use super::{host, number, small, title, transport, user};
use crate::parse::names::{self, LONGEST};
use crate::parse::quantity;
use crate::parse::reader::{At, Key, Reader, Table, Wrong, choice, key};
use crate::parse::words::clip;
use crate::{Transport, Trunk};

pub(super) const KEYS: &[Key] = &[
    key("name", "\"operator\""),
    key("title", "\"Teleoperatøren\""),
    key("address", "\"sip.operator.no\""),
    key("transport", "\"udp\""),
    key("kind", "\"register\""),
    key("user", "\"4735003000\""),
    key("domain", "\"operator.no\""),
    key("calls", "30"),
    key("trusted", "true"),
    key("numbers", "\"e164\""),
    key("number", "\"35003000\""),
    key("check_every", "\"30 s\""),
];

/// A trunk as far as it could be read.
pub(super) struct TrunkEntry {
    pub(super) name: Option<At<String>>,
    pub(super) trunk: Option<Trunk>,
}

pub(super) fn read(reader: &mut Reader<'_>, telephony: &Table<'_, '_>) -> Vec<TrunkEntry> {
    telephony
        .tables(reader, "trunk", "[[telephony.trunk]]", KEYS)
        .iter()
        .map(|table| trunk(reader, table))
        .collect()
}

fn trunk(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> TrunkEntry {
    for key in ["name", "title", "address", "kind"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", |text| names::name(text, LONGEST));
    let title = table.parsed(reader, "title", title);
    let address = table.parsed(reader, "address", address);
    let transport = table.parsed(reader, "transport", transport);
    let register = table.parsed(reader, "kind", |text| {
        choice(text, &[("peer", false), ("register", true)])
    });
    let user = table.parsed(reader, "user", user);
    if register.is_some_and(|at| at.value) && table.get("user").is_none() {
        table.require(reader, "user");
    }
    let domain = table.parsed(reader, "domain", host);
    let calls = small(table.integer(reader, "calls", 1..=5000));
    let trusted = table.boolean(reader, "trusted");
    let e164 = table.parsed(reader, "numbers", |text| {
        choice(text, &[("e164", true), ("national", false)])
    });
    let number = table.parsed(reader, "number", number::number);
    let check_every = table.parsed(reader, "check_every", |text| quantity::time(text, &(0..=3600)));
    let trunk = match (&name, title, address, register) {
        (Some(name), Some(title), Some(address), Some(register)) => {
            let (host, port) = address.value;
            Some(Trunk {
                name: name.value.clone(),
                title: title.value,
                domain: domain.map_or_else(|| host.clone(), |at| at.value),
                host,
                port,
                transport: transport.map_or(Transport::Udp, |at| at.value),
                register: register.value,
                user: user.map(|at| at.value),
                calls: calls.unwrap_or(30),
                trusted: trusted.unwrap_or(false),
                e164: e164.is_none_or(|at| at.value),
                number: number.map(|at| at.value),
                check_every: check_every.map_or(30, |at| at.value),
            })
        }
        _ => None,
    };
    TrunkEntry { name, trunk }
}

/// `sip.operator.no`, `10.30.0.5:5060`
fn address(text: &str) -> Result<(String, Option<u16>), Wrong> {
    let Some((name, port)) = text.split_once(':') else {
        return Ok((host(text)?, None));
    };
    let port: u16 = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
        Wrong::new(
            format!("«{}» er ikke en port", clip(port)),
            format!("\"{}\" is not a port", clip(port)),
        )
    })?;
    Ok((host(name)?, Some(port)))
}

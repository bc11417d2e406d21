//! What the tables of telephony say about each other, and about zones.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{Kinds, TelephonyEntry, plan};
use crate::parse::reader::{At, Reader};
use crate::parse::references::Names;
use crate::parse::words::{clip, instead_of};
use crate::parse::zone::{ZoneEntry, own_address};
use crate::{LineSide, RouteFrom, Target, Text, Transport};

/// Ports that a call between two SIP ends takes: RTP and RTCP for each.
const PORTS_A_CALL: u32 = 4;

pub(in crate::parse) fn check(reader: &mut Reader<'_>, telephony: &TelephonyEntry<'_>, zones: &[ZoneEntry]) {
    names(reader, telephony);
    addresses(reader, telephony, zones);
    let kinds = Kinds {
        lines: &telephony.lines,
        trunks: &telephony.trunks,
        extensions: &telephony.extensions,
    };
    extensions(reader, telephony);
    targets(reader, telephony, &kinds);
    routes(reader, telephony, &kinds);
    plan::check(reader, telephony);
}

fn names(reader: &mut Reader<'_>, telephony: &TelephonyEntry<'_>) {
    let mut names = Names::default();
    let lines = telephony.lines.iter().filter_map(|line| line.name.as_ref());
    let trunks = telephony.trunks.iter().filter_map(|trunk| trunk.name.as_ref());
    for name in lines.chain(trunks) {
        names.add(reader, "[telephony]", name);
    }
    let mut names = Names::default();
    for name in telephony
        .barrings
        .iter()
        .filter_map(|barring| barring.name.as_ref())
    {
        names.add(reader, "[[telephony.barring]]", name);
    }
}

/// Addresses are the appliance's own, and no port is taken twice.
fn addresses(reader: &mut Reader<'_>, telephony: &TelephonyEntry<'_>, zones: &[ZoneEntry]) {
    let own: Vec<Ipv4Addr> = zones.iter().filter_map(own_address).collect();
    let is_own = |address: Ipv4Addr| own.contains(&address) || address.is_loopback();
    let listens = telephony.listen.iter().map(|at| {
        let listen = at.value;
        (
            at.at,
            listen.address,
            listen.port,
            listen.transport == Transport::Udp,
        )
    });
    let lines = telephony
        .lines
        .iter()
        .filter_map(|line| line.local.as_ref())
        .map(|at| (at.at, *at.value.ip(), at.value.port(), true));
    let media = telephony.rtp_ports.map_or((20_000, 20_999), |at| at.value);
    let mut taken: BTreeMap<(Ipv4Addr, u16), usize> = BTreeMap::new();
    for (at, address, port, udp) in listens.chain(lines) {
        if !is_own(address) {
            let all = own.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            reader.fault(
                at,
                Text::new(
                    format!("{address} er ikke en av maskinens egne adresser"),
                    format!("{address} is not one of the appliance's own addresses"),
                ),
                Text::new(
                    format!("Bruk adressen til en sone, eller 127.0.0.1: {all}"),
                    format!("Use the address of a zone, or 127.0.0.1: {all}"),
                ),
            );
        }
        if !udp {
            continue;
        }
        if (media.0..=media.1).contains(&port) {
            reader.fault(
                at,
                Text::new(
                    format!(
                        "Port {port} er blant portene for tale, {} til {}",
                        media.0, media.1
                    ),
                    format!(
                        "Port {port} is among the ports for media, {} to {}",
                        media.0, media.1
                    ),
                ),
                Text::new(
                    "Velg en annen port, eller andre porter i «rtp_ports»",
                    "Choose another port, or other ports in \"rtp_ports\"",
                ),
            );
        }
        if let Some(first) = taken.insert((address, port), at) {
            let line = reader.line(first);
            reader.fault(
                at,
                Text::new(
                    format!("{address}:{port} er opptatt på linje {line}"),
                    format!("{address}:{port} is taken on line {line}"),
                ),
                Text::new("Gi den ene en annen port", "Give one of them another port"),
            );
        }
    }
    let room = u32::from(media.1 - media.0 + 1) / PORTS_A_CALL;
    if let (true, Some(at)) = (room < telephony.calls, telephony.rtp_ports) {
        let calls = telephony.calls;
        reader.fault(
            at.at,
            Text::new(
                format!("Portene rekker til {room} samtaler, og «calls» er {calls}"),
                format!("The ports are enough for {room} calls, and \"calls\" is {calls}"),
            ),
            Text::new(
                format!("Gi plass til {} porter, eller senk «calls»", calls * PORTS_A_CALL),
                format!(
                    "Leave room for {} ports, or lower \"calls\"",
                    calls * PORTS_A_CALL
                ),
            ),
        );
    }
}

fn extensions(reader: &mut Reader<'_>, telephony: &TelephonyEntry<'_>) {
    let lines: Vec<&str> = telephony
        .lines
        .iter()
        .filter_map(|line| Some(line.name.as_ref()?.value.as_str()))
        .collect();
    let barrings: Vec<&str> = telephony
        .barrings
        .iter()
        .filter_map(|barring| Some(barring.name.as_ref()?.value.as_str()))
        .collect();
    let mut accounts: BTreeMap<&str, usize> = BTreeMap::new();
    for extension in &telephony.extensions {
        if let Some(line) = extension.line.filter(|line| !lines.contains(&line.value)) {
            let shown = clip(line.value);
            let text = Text::new(
                format!("Det finnes ingen linje «{shown}»"),
                format!("There is no line \"{shown}\""),
            );
            reader.fault(line.at, text, instead_of(line.value, &lines));
        }
        if let Some(barring) = extension
            .barring
            .filter(|barring| !barrings.contains(&barring.value))
        {
            let shown = clip(barring.value);
            let text = Text::new(
                format!("Det finnes ingen sperring «{shown}»"),
                format!("There is no barring \"{shown}\""),
            );
            reader.fault(barring.at, text, instead_of(barring.value, &barrings));
        }
        if let Some(account) = &extension.account
            && let Some(first) = accounts.insert(&account.value, account.at)
        {
            let line = reader.line(first);
            reader.fault(
                account.at,
                Text::new(
                    format!(
                        "Kontoen «{}» hører alt til internnummeret på linje {line}",
                        account.value
                    ),
                    format!(
                        "The account \"{}\" already belongs to the extension on line {line}",
                        account.value
                    ),
                ),
                Text::new(
                    "Gi hvert internnummer sin egen konto",
                    "Give each extension an account of its own",
                ),
            );
        }
    }
}

/// Every target exists, and an emergency call goes out of the site.
fn targets(reader: &mut Reader<'_>, telephony: &TelephonyEntry<'_>, kinds: &Kinds<'_, '_>) {
    let known = kinds.names();
    let routes = telephony.routes.iter().flat_map(|route| &route.to);
    let emergency = telephony.emergency.iter().flat_map(|emergency| &emergency.to);
    for target in routes.chain(emergency) {
        if kinds.target(target.value).is_none() {
            let shown = clip(target.value);
            let text = Text::new(
                format!("Det finnes ingen linje, trunk eller internnummer «{shown}»"),
                format!("There is no line, trunk or extension \"{shown}\""),
            );
            reader.fault(target.at, text, instead_of(target.value, &known));
        }
    }
    for target in telephony.emergency.iter().flat_map(|emergency| &emergency.to) {
        if let Some(Target::Extension(number)) = kinds.target(target.value) {
            reader.fault(
                target.at,
                Text::new(
                    format!("{number} er et internnummer; nødanrop må ut av huset"),
                    format!("{number} is an extension; emergency calls have to leave the site"),
                ),
                Text::new(
                    "Skriv navnet på en linje eller trunk",
                    "Write the name of a line or a trunk",
                ),
            );
        }
    }
}

fn routes(reader: &mut Reader<'_>, telephony: &TelephonyEntry<'_>, kinds: &Kinds<'_, '_>) {
    let mut always: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    for route in &telephony.routes {
        let Some(prefix) = &route.prefix else {
            continue;
        };
        let outside = route.from == RouteFrom::Outside;
        if let Some(first) = always.get(&(prefix.value.as_str(), outside)) {
            let line = reader.line(*first);
            reader.fault(
                prefix.at,
                Text::new(
                    format!("Ruten brukes aldri: den på linje {line} har samme begynnelse og er alltid åpen"),
                    format!("The route is never used: the one on line {line} has the same prefix and is always open"),
                ),
                Text::new(
                    "Sett ruten med «when» eller «holidays» først, eller ta bort den ene",
                    "Put the route with \"when\" or \"holidays\" first, or remove one of them",
                ),
            );
        } else if route.always {
            always.insert((&prefix.value, outside), prefix.at);
        }
        let leads_out = route
            .to
            .iter()
            .find(|target| leaves(telephony, kinds, target.value));
        if let (true, true, Some(target)) = (outside, prefix.value.is_empty(), leads_out) {
            reader.fault(
                target.at,
                Text::new(
                    "Hvem som helst utenfra kunne ringe videre på anleggets regning",
                    "Anybody outside could call on at the site's expense",
                ),
                Text::new(
                    "Skriv i «prefix» hvilke numre som kan slippes videre",
                    "Write in \"prefix\" which numbers may pass",
                ),
            );
        }
    }
}

/// Whether a call that is sent there leaves the site.
fn leaves(telephony: &TelephonyEntry<'_>, kinds: &Kinds<'_, '_>, name: &str) -> bool {
    match kinds.target(name) {
        Some(Target::Trunk(_)) => true,
        Some(Target::Line(name)) => telephony
            .lines
            .iter()
            .filter_map(|entry| entry.line.as_ref())
            .any(|line| line.name == name && line.side == LineSide::User),
        Some(Target::Extension(_)) | None => false,
    }
}

/// Finds what stands at the same place twice.
pub(super) fn twice(reader: &mut Reader<'_>, number: &At<String>, other: &At<String>) {
    let line = reader.line(other.at);
    let (nb, en) = if number.value == other.value {
        (
            format!("Nummeret {} er brukt før, på linje {line}", number.value),
            format!("The number {} is used before, on line {line}", number.value),
        )
    } else {
        (
            format!(
                "Numrene {} og {} på linje {line} begynner likt",
                number.value, other.value
            ),
            format!(
                "The numbers {} and {} on line {line} begin alike",
                number.value, other.value
            ),
        )
    };
    reader.fault(
        number.at,
        Text::new(nb, en),
        Text::new(
            "Der sifrene kommer ett for ett, ville det korteste alltid bli tatt; gi den ene et annet nummer",
            "Where digits come one by one, the shorter one would always be taken; give one of them another number",
        ),
    );
}

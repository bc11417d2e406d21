//! `[telephony]` and the tables below it

mod check;
mod emergency;
mod extension;
mod line;
mod number;
mod plan;
mod route;
mod trunk;

use std::net::Ipv4Addr;

pub(super) use self::check::check;
use self::emergency::EmergencyEntry;
use self::extension::{BarringEntry, ExtensionEntry};
use self::line::LineEntry;
use self::route::RouteEntry;
use self::trunk::TrunkEntry;
use super::names;
use super::reader::{At, Key, Reader, Table, Wrong, choice, key};
use super::words::clip;
use crate::{Digests, Listen, Telephony, Transport};

pub(super) const KEYS: &[Key] = &[
    key("domain", "\"telefoni.fylke.no\""),
    key("listen", "[\"udp:10.20.0.1:5060\"]"),
    key("rtp_ports", "\"20000-20999\""),
    key("calls", "120"),
    key("call_rate", "20"),
    key("country", "\"47\""),
    key("digests", "\"both\""),
    key("emergency", "[telephony.emergency]"),
    key("line", "[[telephony.line]]"),
    key("trunk", "[[telephony.trunk]]"),
    key("extension", "[[telephony.extension]]"),
    key("barring", "[[telephony.barring]]"),
    key("route", "[[telephony.route]]"),
];

#[cfg(test)]
pub(super) const TABLES: &[(&str, &[Key])] = &[
    ("## [telephony]", KEYS),
    ("### [telephony.emergency]", emergency::KEYS),
    ("#### [telephony.emergency.test]", emergency::TEST_KEYS),
    ("### [[telephony.line]]", line::KEYS),
    ("### [[telephony.trunk]]", trunk::KEYS),
    ("### [[telephony.extension]]", extension::KEYS),
    ("### [[telephony.barring]]", extension::BARRING_KEYS),
    ("### [[telephony.route]]", route::KEYS),
];

/// Ports below belong to root, and the service is not root.
const FIRST_PORT: u16 = 1024;

/// The table as far as it could be read.
pub(super) struct TelephonyEntry<'a> {
    listen: Vec<At<Listen>>,
    rtp_ports: Option<At<(u16, u16)>>,
    emergency: Option<EmergencyEntry<'a>>,
    lines: Vec<LineEntry>,
    trunks: Vec<TrunkEntry>,
    extensions: Vec<ExtensionEntry<'a>>,
    barrings: Vec<BarringEntry>,
    routes: Vec<RouteEntry<'a>>,
    domain: Option<String>,
    calls: u32,
    call_rate: u32,
    country: String,
    digests: Digests,
}

pub(super) fn read<'a>(reader: &mut Reader<'_>, root: &Table<'a, '_>) -> Option<TelephonyEntry<'a>> {
    let table = root
        .get("telephony")
        .and_then(|value| Table::open(reader, "[telephony]", KEYS, value))?;
    for key in ["domain", "listen", "emergency"] {
        table.require(reader, key);
    }
    let domain = table.parsed(reader, "domain", host);
    let listen = listens(reader, &table);
    let rtp_ports = table.parsed(reader, "rtp_ports", ports);
    let calls = small(table.integer(reader, "calls", 1..=5000));
    let call_rate = small(table.integer(reader, "call_rate", 1..=1000));
    let country = table.parsed(reader, "country", number::country);
    let digests = table.parsed(reader, "digests", digests);
    let emergency = table
        .get("emergency")
        .and_then(|value| Table::open(reader, "[telephony.emergency]", emergency::KEYS, value))
        .map(|table| emergency::read(reader, &table));
    Some(TelephonyEntry {
        domain: domain.map(|at| at.value),
        listen,
        rtp_ports,
        calls: calls.unwrap_or(120),
        call_rate: call_rate.unwrap_or(20),
        country: country.map_or_else(|| "47".to_owned(), |at| at.value),
        digests: digests.map_or_else(Digests::default, |at| at.value),
        emergency,
        lines: line::read(reader, &table),
        trunks: trunk::read(reader, &table),
        extensions: extension::read(reader, &table),
        barrings: extension::read_barrings(reader, &table),
        routes: route::read(reader, &table),
    })
}

/// The whole table, once `check` has found nothing.
pub(super) fn finish(entry: TelephonyEntry<'_>) -> Option<Telephony> {
    let kinds = Kinds {
        lines: &entry.lines,
        trunks: &entry.trunks,
        extensions: &entry.extensions,
    };
    let emergency = entry.emergency.as_ref()?.finish(&kinds)?;
    let routes = entry.routes.iter().map(|route| route.finish(&kinds));
    let routes = routes.collect::<Option<_>>()?;
    Some(Telephony {
        domain: entry.domain?,
        listen: entry.listen.into_iter().map(|at| at.value).collect(),
        rtp_ports: entry.rtp_ports.map_or((20_000, 20_999), |at| at.value),
        calls: entry.calls,
        call_rate: entry.call_rate,
        country: entry.country,
        digests: entry.digests,
        emergency,
        routes,
        lines: all(entry.lines.into_iter().map(|entry| entry.line))?,
        trunks: all(entry.trunks.into_iter().map(|entry| entry.trunk))?,
        extensions: all(entry.extensions.into_iter().map(|entry| entry.extension))?,
        barrings: all(entry.barrings.into_iter().map(|entry| entry.barring))?,
    })
}

fn all<T>(entries: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    entries.collect()
}

/// What the names of targets stand for.
struct Kinds<'k, 'a> {
    lines: &'k [LineEntry],
    trunks: &'k [TrunkEntry],
    extensions: &'k [ExtensionEntry<'a>],
}

impl Kinds<'_, '_> {
    fn target(&self, name: &str) -> Option<crate::Target> {
        let has = |at: &Option<At<String>>| at.as_ref().is_some_and(|at| at.value == name);
        if self.lines.iter().any(|line| has(&line.name)) {
            return Some(crate::Target::Line(name.to_owned()));
        }
        if self.trunks.iter().any(|trunk| has(&trunk.name)) {
            return Some(crate::Target::Trunk(name.to_owned()));
        }
        let extension = self.extensions.iter().any(|extension| has(&extension.number));
        extension.then(|| crate::Target::Extension(name.to_owned()))
    }

    /// Names of lines and trunks, and numbers of extensions.
    fn names(&self) -> Vec<&str> {
        let lines = self.lines.iter().map(|line| &line.name);
        let trunks = self.trunks.iter().map(|trunk| &trunk.name);
        let extensions = self.extensions.iter().map(|extension| &extension.number);
        let all = lines.chain(trunks).chain(extensions);
        all.flatten().map(|at| at.value.as_str()).collect()
    }
}

fn listens(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Vec<At<Listen>> {
    let mut good: Vec<At<Listen>> = Vec::new();
    let texts = table.texts(reader, "listen");
    if let (true, Some(value)) = (texts.is_empty(), table.get("listen"))
        && value.get_ref().as_array().is_some_and(|array| array.is_empty())
    {
        let wrong = Wrong::new(
            "«listen» er tom; telefoner og trunker må ha et sted å komme",
            "\"listen\" is empty; phones and trunks need somewhere to come",
        );
        table.wrong(reader, "listen", value.span().start, wrong);
    }
    for text in texts {
        match listen(text.value) {
            Ok(value) if good.iter().any(|other| other.value == value) => {
                let wrong = Wrong::new(
                    format!("«{}» står to ganger", text.value),
                    format!("\"{}\" is there twice", text.value),
                )
                .remedy("Ta bort den ene", "Remove one of them");
                table.wrong(reader, "listen", text.at, wrong);
            }
            Ok(value) => good.push(At { value, at: text.at }),
            Err(wrong) => table.wrong(reader, "listen", text.at, wrong),
        }
    }
    good
}

/// `udp:10.20.0.1:5060`
fn listen(text: &str) -> Result<Listen, Wrong> {
    let wrong = || {
        Wrong::new(
            format!("«{}» er ikke transport, adresse og port", clip(text)),
            format!("\"{}\" is not a transport, an address and a port", clip(text)),
        )
    };
    let (transport, address) = text.split_once(':').ok_or_else(wrong)?;
    let transport = self::transport(transport)?;
    let address = address.parse::<std::net::SocketAddrV4>().map_err(|_| wrong())?;
    unprivileged(address.port())?;
    Ok(Listen {
        transport,
        address: *address.ip(),
        port: address.port(),
    })
}

fn transport(text: &str) -> Result<Transport, Wrong> {
    choice(
        text,
        &[
            ("udp", Transport::Udp),
            ("tcp", Transport::Tcp),
            ("tls", Transport::Tls),
        ],
    )
}

fn digests(text: &str) -> Result<Digests, Wrong> {
    choice(
        text,
        &[
            ("both", Digests::Both),
            ("md5", Digests::Md5),
            ("sha256", Digests::Sha256),
        ],
    )
}

fn unprivileged(port: u16) -> Result<(), Wrong> {
    if port >= FIRST_PORT {
        return Ok(());
    }
    Err(Wrong::new(
        format!("Port {port} er forbeholdt systemet"),
        format!("Port {port} belongs to the system"),
    )
    .remedy(
        format!("Velg en port fra {FIRST_PORT} til 65535"),
        format!("Choose a port from {FIRST_PORT} to 65535"),
    ))
}

/// `20000-20999`
fn ports(text: &str) -> Result<(u16, u16), Wrong> {
    let parsed = text
        .split_once('-')
        .and_then(|(first, last)| Some((first.parse::<u16>().ok()?, last.parse::<u16>().ok()?)));
    let Some((first, last)) = parsed else {
        return Err(Wrong::new(
            format!("«{}» er ikke en første og en siste port", clip(text)),
            format!("\"{}\" is not a first and a last port", clip(text)),
        ));
    };
    unprivileged(first)?;
    if first % 2 != 0 || last <= first || last - first < 3 {
        return Err(Wrong::new(
            format!("Fra {first} til {last} er det ikke plass til samtaler"),
            format!("From {first} to {last} there is no room for calls"),
        )
        .remedy(
            "En samtale tar fire porter; begynn på et partall, og gi plass til så mange samtaler som «calls» sier",
            "A call takes four ports; begin at an even number, and leave room for as many calls as \"calls\" says",
        ));
    }
    Ok((first, last))
}

/// A host name or an IPv4 address, such as can stand in a SIP address.
fn host(text: &str) -> Result<String, Wrong> {
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let looks_like_address = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let good = if looks_like_address {
        text.parse::<Ipv4Addr>().is_ok_and(|address| {
            !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast()
        })
    } else {
        text.len() <= 253 && text.split('.').all(label)
    };
    if good {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Wrong::new(
        format!("«{}» er verken et vertsnavn eller en IPv4-adresse", clip(text)),
        format!("\"{}\" is neither a host name nor an IPv4 address", clip(text)),
    ))
}

/// A user name of SIP, in characters that need no quoting anywhere.
fn user(text: &str) -> Result<String, Wrong> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    if !text.is_empty() && text.len() <= 63 && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("«{}» kan ikke være navnet på en SIP-konto", clip(text)),
        format!("\"{}\" cannot be the name of a SIP account", clip(text)),
    )
    .remedy(
        "Bruk bokstaver a–z, sifre og . - _ +, høyst 63 tegn",
        "Use letters a–z, digits and . - _ +, at most 63 characters",
    ))
}

fn title(text: &str) -> Result<String, Wrong> {
    names::title(text, 40)
}

/// A number that its bounds have made small.
fn small<T: TryFrom<u64>>(value: Option<At<u64>>) -> Option<T> {
    value.and_then(|at| T::try_from(at.value).ok())
}

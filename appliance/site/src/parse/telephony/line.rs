//! `[[telephony.line]]`

use std::net::SocketAddrV4;

use super::{number, small, title, unprivileged};
use crate::parse::names::{self, LONGEST};
use crate::parse::reader::{At, Key, Reader, Table, Wrong, choice, key};
use crate::parse::words::clip;
use crate::{CallingNumber, Ddi, Line, LineAccess, LineSide};

pub(super) const KEYS: &[Key] = &[
    key("name", "\"sentral\""),
    key("title", "\"Hussentralen\""),
    key("access", "\"primary\""),
    key("side", "\"network\""),
    key("sharing", "\"point-to-point\""),
    key("local", "\"10.20.0.1:1931\""),
    key("remote", "\"10.20.0.40:1931\""),
    key("id", "7"),
    key("channels", "\"1-15,17-31\""),
    key("emergency_channels", "1"),
    key("dialling", "\"en-bloc\""),
    key("number", "\"35003000\""),
    key("ddi", "\"350030\""),
    key("ddi_digits", "2"),
    key("calling_number", "\"screen\""),
];

/// A line as far as it could be read.
pub(super) struct LineEntry {
    pub(super) name: Option<At<String>>,
    pub(super) local: Option<At<SocketAddrV4>>,
    pub(super) number: Option<At<String>>,
    pub(super) ddi: Option<At<Ddi>>,
    pub(super) line: Option<Line>,
}

pub(super) fn read(reader: &mut Reader<'_>, telephony: &Table<'_, '_>) -> Vec<LineEntry> {
    telephony
        .tables(reader, "line", "[[telephony.line]]", KEYS)
        .iter()
        .map(|table| line(reader, table))
        .collect()
}

fn line(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> LineEntry {
    for key in ["name", "title", "access", "side", "local", "remote"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", |text| names::name(text, LONGEST));
    let title = table.parsed(reader, "title", title);
    let access = table.parsed(reader, "access", |text| {
        choice(
            text,
            &[("primary", LineAccess::Primary), ("basic", LineAccess::Basic)],
        )
    });
    let side = table.parsed(reader, "side", |text| {
        choice(text, &[("network", LineSide::Network), ("user", LineSide::User)])
    });
    let sharing = sharing(reader, table, access);
    let local = table.parsed(reader, "local", own_endpoint);
    let remote = table.parsed(reader, "remote", endpoint);
    let id = small(table.integer(reader, "id", 1..=u64::from(u32::MAX)));
    let channels = channels(reader, table, access);
    let emergency_channels = emergency_channels(reader, table, &channels);
    let overlap = table.parsed(reader, "dialling", |text| {
        choice(text, &[("en-bloc", false), ("overlap", true)])
    });
    let number = table.parsed(reader, "number", number::number);
    let ddi = ddi(reader, table);
    let calling_number = calling_number(reader, table, number.is_some());
    let line = match (&name, title, access, side, local, remote) {
        (Some(name), Some(title), Some(access), Some(side), Some(local), Some(remote)) => Some(Line {
            name: name.value.clone(),
            title: title.value,
            access: access.value,
            side: side.value,
            bus: sharing,
            local: local.value,
            remote: remote.value,
            id,
            channels,
            emergency_channels,
            overlap: overlap.is_some_and(|at| at.value),
            number: number.as_ref().map(|at| at.value.clone()),
            ddi: ddi.as_ref().map(|at| at.value.clone()),
            calling_number,
        }),
        _ => None,
    };
    LineEntry {
        name,
        local,
        number,
        ddi,
        line,
    }
}

/// Whether it is a bus.
fn sharing(reader: &mut Reader<'_>, table: &Table<'_, '_>, access: Option<At<LineAccess>>) -> bool {
    let Some(bus) = table.parsed(reader, "sharing", |text| {
        choice(text, &[("point-to-point", false), ("point-to-multipoint", true)])
    }) else {
        return false;
    };
    if bus.value && access.is_some_and(|at| at.value == LineAccess::Primary) {
        let wrong = Wrong::new(
            "Bare en grunntilknytning kan deles av flere apparater",
            "Only a basic access can be shared by several terminals",
        )
        .remedy(
            "Ta bort «sharing», eller skriv access = \"basic\"",
            "Remove \"sharing\", or write access = \"basic\"",
        );
        table.wrong(reader, "sharing", bus.at, wrong);
    }
    bus.value
}

fn channels(reader: &mut Reader<'_>, table: &Table<'_, '_>, access: Option<At<LineAccess>>) -> Vec<u8> {
    let Some(access) = access else {
        return Vec::new();
    };
    let all: Vec<u8> = match access.value {
        LineAccess::Basic => vec![1, 2],
        LineAccess::Primary => (1..=31).filter(|slot| *slot != 16).collect(),
    };
    let Some(given) = table.parsed(reader, "channels", ranges) else {
        return all;
    };
    if let Some(other) = given.value.iter().find(|channel| !all.contains(channel)) {
        let (nb, en) = match access.value {
            LineAccess::Basic => ("1 og 2", "1 and 2"),
            LineAccess::Primary => ("1 til 15 og 17 til 31", "1 to 15 and 17 to 31"),
        };
        let wrong = Wrong::new(
            format!("Linjen har ingen talekanal {other}"),
            format!("The line has no B channel {other}"),
        )
        .remedy(format!("Kanalene er {nb}"), format!("The channels are {en}"));
        table.wrong(reader, "channels", given.at, wrong);
        return all;
    }
    given.value
}

/// `1-15,17-31`, ascending.
fn ranges(text: &str) -> Result<Vec<u8>, Wrong> {
    let wrong = || {
        Wrong::new(
            format!("«{}» er ikke kanaler i stigende rekkefølge", clip(text)),
            format!("\"{}\" is not channels in ascending order", clip(text)),
        )
    };
    let mut channels: Vec<u8> = Vec::new();
    for part in text.split(',') {
        let part = part.trim();
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u8 = first.parse().map_err(|_| wrong())?;
        let last: u8 = last.parse().map_err(|_| wrong())?;
        if first > last || channels.last().is_some_and(|before| *before >= first) {
            return Err(wrong());
        }
        channels.extend(first..=last);
    }
    Ok(channels)
}

fn emergency_channels(reader: &mut Reader<'_>, table: &Table<'_, '_>, channels: &[u8]) -> u8 {
    let Some(reserved) = table.integer(reader, "emergency_channels", 0..=30) else {
        return 0;
    };
    let most = channels.len().saturating_sub(1);
    match u8::try_from(reserved.value) {
        Ok(reserved) if usize::from(reserved) <= most => reserved,
        _ if channels.is_empty() => 0,
        _ => {
            let wrong = Wrong::new(
                format!(
                    "Av {} kanaler kan ikke {} være forbeholdt nødanrop",
                    channels.len(),
                    reserved.value
                ),
                format!(
                    "Of {} channels, {} cannot be reserved for emergency calls",
                    channels.len(),
                    reserved.value
                ),
            )
            .remedy(
                format!("Forbehold høyst {most}, så det er igjen minst én til andre samtaler"),
                format!("Reserve at most {most}, so that at least one is left for other calls"),
            );
            table.wrong(reader, "emergency_channels", reserved.at, wrong);
            0
        }
    }
}

fn ddi(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<At<Ddi>> {
    let prefix = table.parsed(reader, "ddi", number::number);
    let digits = table.integer(reader, "ddi_digits", 1..=8);
    match (prefix, digits) {
        (Some(prefix), Some(digits)) => {
            let digits = u8::try_from(digits.value).unwrap_or(u8::MAX);
            Some(prefix.map(|prefix| Ddi { prefix, digits }))
        }
        (None, None) => None,
        (Some(_), None) => {
            table.require(reader, "ddi_digits");
            None
        }
        (None, Some(_)) => {
            table.require(reader, "ddi");
            None
        }
    }
}

fn calling_number(reader: &mut Reader<'_>, table: &Table<'_, '_>, has_number: bool) -> CallingNumber {
    let policy = table.parsed(reader, "calling_number", |text| {
        choice(
            text,
            &[
                ("screen", CallingNumber::Screen),
                ("pass", CallingNumber::Pass),
                ("replace", CallingNumber::Replace),
            ],
        )
    });
    let value = policy.map_or(CallingNumber::Screen, |at| at.value);
    if value != CallingNumber::Pass && !has_number && table.get("number").is_none() {
        let wrong = Wrong::new(
            "Linjen må ha et nummer som kan vises i stedet for et fremmed",
            "The line needs a number that can be shown instead of a foreign one",
        )
        .remedy(
            "Skriv for eksempel number = \"35003000\", eller calling_number = \"pass\"",
            "Write for instance number = \"35003000\", or calling_number = \"pass\"",
        );
        table.wrong(reader, "number", table.at, wrong);
    }
    value
}

/// An address and a port of a line's end.
fn endpoint(text: &str) -> Result<SocketAddrV4, Wrong> {
    text.parse()
        .ok()
        .filter(|address: &SocketAddrV4| address.port() > 0)
        .ok_or_else(|| {
            Wrong::new(
                format!("«{}» er ikke en adresse med port", clip(text)),
                format!("\"{}\" is not an address with a port", clip(text)),
            )
        })
}

fn own_endpoint(text: &str) -> Result<SocketAddrV4, Wrong> {
    let address = endpoint(text)?;
    unprivileged(address.port())?;
    Ok(address)
}

//! `[[telephony.route]]`

use varde_calendar::Blackout;

use super::{Kinds, number, small};
use crate::parse::reader::{At, Key, Reader, Table, Wrong, choice, key};
use crate::parse::times::expressions;
use crate::parse::words::clip;
use crate::{Route, RouteFrom, RouteHolidays};

pub(super) const KEYS: &[Key] = &[
    key("prefix", "\"00\""),
    key("from", "\"inside\""),
    key("to", "[\"operator\"]"),
    key("length", "8"),
    key("strip", "1"),
    key("prepend", "\"35\""),
    key("when", "[\"Mon..Fri 08:00..16:00\"]"),
    key("holidays", "\"closed\""),
];

/// A route as far as it could be read; its targets are looked up once all tables are.
pub(super) struct RouteEntry<'a> {
    pub(super) prefix: Option<At<String>>,
    pub(super) to: Vec<At<&'a str>>,
    /// Of inside or outside, with times of its own or without.
    pub(super) from: RouteFrom,
    pub(super) always: bool,
    route: Option<Route>,
}

impl RouteEntry<'_> {
    pub(super) fn finish(&self, kinds: &Kinds<'_, '_>) -> Option<Route> {
        let to = self.to.iter().map(|name| kinds.target(name.value));
        Some(Route {
            to: to.collect::<Option<_>>()?,
            ..self.route.clone()?
        })
    }
}

pub(super) fn read<'a>(reader: &mut Reader<'_>, telephony: &Table<'a, '_>) -> Vec<RouteEntry<'a>> {
    telephony
        .tables(reader, "route", "[[telephony.route]]", KEYS)
        .iter()
        .map(|table| route(reader, table))
        .collect()
}

fn route<'a>(reader: &mut Reader<'_>, table: &Table<'a, '_>) -> RouteEntry<'a> {
    for key in ["prefix", "to"] {
        table.require(reader, key);
    }
    let prefix = table.parsed(reader, "prefix", number::prefix);
    let from = table.parsed(reader, "from", |text| {
        choice(
            text,
            &[("inside", RouteFrom::Inside), ("outside", RouteFrom::Outside)],
        )
    });
    let to = targets(reader, table, "to");
    let length = small(table.integer(reader, "length", 2..=number::LONGEST as u64));
    let strip = table.integer(reader, "strip", 0..=number::LONGEST as u64);
    if let (Some(strip), Some(length)) = (strip, length)
        && strip.value > u64::from(length)
    {
        let wrong = Wrong::new(
            format!("Av {length} sifre kan ikke {} tas bort", strip.value),
            format!("Of {length} digits, {} cannot be taken away", strip.value),
        );
        table.wrong(reader, "strip", strip.at, wrong);
    }
    let prepend = table.parsed(reader, "prepend", number::prefix);
    let when = expressions(reader, table, "when", |text| text.parse::<Blackout>().map(drop));
    let holidays = table.parsed(reader, "holidays", |text| {
        choice(
            text,
            &[
                ("open", RouteHolidays::Open),
                ("closed", RouteHolidays::Closed),
                ("extra", RouteHolidays::Extra),
            ],
        )
    });
    if let Some(at) = holidays
        && at.value == RouteHolidays::Extra
        && table.get("when").is_none()
    {
        let wrong = Wrong::new(
            "En rute som alltid er åpen, kan ikke være åpen på helligdager i tillegg",
            "A route that is always open cannot be open on holidays besides",
        )
        .remedy(
            "Ta bort «holidays», eller si med «when» når ruten ellers er åpen",
            "Remove \"holidays\", or say with \"when\" when the route is open otherwise",
        );
        table.wrong(reader, "holidays", at.at, wrong);
    }
    let from = from.map_or(RouteFrom::Inside, |at| at.value);
    let holidays = holidays.map_or(RouteHolidays::Open, |at| at.value);
    let route = prefix.as_ref().map(|prefix| Route {
        prefix: prefix.value.clone(),
        from,
        to: Vec::new(),
        length,
        strip: small(strip).unwrap_or(0),
        prepend: prepend.map_or_else(String::new, |at| at.value),
        when,
        holidays,
    });
    RouteEntry {
        prefix,
        to,
        from,
        always: table.get("when").is_none() && holidays == RouteHolidays::Open,
        route,
    }
}

/// At least one, none twice; whether they exist is not looked at here.
pub(super) fn targets<'a>(reader: &mut Reader<'_>, table: &Table<'a, '_>, key: &str) -> Vec<At<&'a str>> {
    let all = table.texts(reader, key);
    if let (true, Some(value)) = (all.is_empty(), table.get(key))
        && value.get_ref().as_array().is_some_and(|array| array.is_empty())
    {
        let wrong = Wrong::new(
            "Her må det stå minst én linje eller trunk som anropene går til",
            "There must be at least one line or trunk here that calls go to",
        );
        table.wrong(reader, key, value.span().start, wrong);
    }
    let mut good: Vec<At<&str>> = Vec::new();
    for target in all {
        if good.iter().any(|other| other.value == target.value) {
            let wrong = Wrong::new(
                format!("«{}» står to ganger i «{key}»", clip(target.value)),
                format!("\"{}\" is twice in \"{key}\"", clip(target.value)),
            )
            .remedy("Ta bort den ene", "Remove one of them");
            table.wrong(reader, key, target.at, wrong);
        } else {
            good.push(target);
        }
    }
    good
}

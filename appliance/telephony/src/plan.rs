//! From `[telephony]` of the site to the exchange's plan.

use std::time::Duration;

use jiff::tz::TimeZone;
use varde_exchange::{
    Barring, Emergency, Extension, Forwarding, Hours, Kind, Limit, OnHolidays, Place, PlaceName, Plan, Route,
    Shows, Target, canonical,
};
use varde_site::{
    self as site, CallingNumber, ExtensionPlace, LineSide, RouteFrom, RouteHolidays, Telephony,
};

/// Where the calls come from that the site makes itself.
pub const TEST: &str = "test";

/// What is dear: calls abroad, and numbers that charge by the minute.
const DEAR: [&str; 3] = ["00", "820", "829"];

pub fn line_place(name: &str) -> PlaceName {
    format!("line {name}").into()
}

pub fn trunk_place(name: &str) -> PlaceName {
    format!("trunk {name}").into()
}

pub fn extension_place(number: &str) -> PlaceName {
    format!("extension {number}").into()
}

/// The plan of a site. What the reader of `site.toml` has checked is taken as it is.
pub fn plan(telephony: &Telephony, zone: TimeZone) -> Plan {
    let country = telephony.country.clone();
    let form = |number: &String| canonical(number, &country);
    let form_some = |number: &Option<String>| number.as_ref().map(form);
    let lines = telephony
        .lines
        .iter()
        .map(|line| (line_place(&line.name), place_of_line(line, &country)));
    let trunks = telephony.trunks.iter().map(|trunk| {
        let place = Place {
            kind: Kind::Outside,
            most_calls: usize::try_from(trunk.calls).ok(),
            number: form_some(&trunk.number),
            ..nowhere()
        };
        (trunk_place(&trunk.name), place)
    });
    let is_phone = |extension: &&site::Extension| matches!(extension.place, ExtensionPlace::Account(_));
    let phones = telephony.extensions.iter().filter(is_phone);
    let phones = phones.map(|extension| (extension_place(&extension.number), nowhere()));
    let test = Place {
        number: Some(form(&telephony.emergency.number)),
        ..nowhere()
    };
    let extensions = telephony.extensions.iter().map(|extension| {
        let (place, called_as) = match &extension.place {
            ExtensionPlace::Account(_) => (extension_place(&extension.number), extension.number.clone()),
            ExtensionPlace::Line { line, number } => (line_place(line), number.clone()),
        };
        let barring = extension
            .barring
            .as_ref()
            .and_then(|name| telephony.barrings.iter().find(|barring| barring.name == *name));
        let forward = &extension.forward;
        let after = Duration::from_secs(forward.after);
        Extension {
            number: extension.number.clone(),
            public: form_some(&extension.public),
            place,
            called_as,
            most_calls: usize::try_from(extension.calls).unwrap_or(usize::MAX),
            forwarding: Forwarding {
                always: form_some(&forward.always),
                busy: form_some(&forward.busy),
                no_answer: forward.no_answer.as_ref().map(|to| (after, form(to))),
            },
            barring: barring.map_or_else(Barring::default, |barring| Barring {
                barred: barring.barred.clone(),
                allowed: barring.allowed.clone(),
            }),
            location: extension.location.clone(),
        }
    });
    let extensions: Vec<Extension> = extensions.collect();
    let routes = telephony.routes.iter().map(|route| route_of(route, &extensions));
    let series = telephony.lines.iter().flat_map(|line| series_of(line, &country));
    Plan {
        places: lines
            .chain(trunks)
            .chain(phones)
            .chain([(TEST.into(), test)])
            .collect(),
        routes: routes.chain(series).collect(),
        emergency: Emergency {
            numbers: telephony.emergency.numbers.clone(),
            places: telephony.emergency.to.iter().filter_map(place_of).collect(),
            number: form(&telephony.emergency.number),
            location: telephony.emergency.location.clone(),
        },
        limits: vec![Limit {
            prefixes: DEAR.map(String::from).into(),
            concurrent: 10,
            calls: 60,
            window: Duration::from_hours(1),
        }],
        most_calls: usize::try_from(telephony.calls).unwrap_or(usize::MAX),
        most_a_second: telephony.call_rate,
        extensions,
        country,
        zone,
    }
}

/// What a test call may be sent to by name.
pub fn target(telephony: &Telephony, name: &str) -> Option<Target> {
    let line = telephony.lines.iter().find(|line| line.name == name);
    let trunk = telephony.trunks.iter().find(|trunk| trunk.name == name);
    let extension = telephony.extensions.iter().position(|one| one.number == name);
    line.map(|line| Target::Place(line_place(&line.name)))
        .or_else(|| trunk.map(|trunk| Target::Place(trunk_place(&trunk.name))))
        .or_else(|| extension.map(Target::Extension))
}

fn nowhere() -> Place {
    Place {
        kind: Kind::Inside,
        channels: None,
        reserved: 0,
        most_calls: None,
        shows: Shows::Own,
        own_numbers: Vec::new(),
        number: None,
    }
}

fn place_of_line(line: &site::Line, country: &str) -> Place {
    let number = line.number.as_ref().map(|number| canonical(number, country));
    let series = line.ddi.as_ref().map(|ddi| canonical(&ddi.prefix, country));
    Place {
        kind: match line.side {
            LineSide::Network => Kind::Inside,
            LineSide::User => Kind::Outside,
        },
        channels: Some(line.channels.len()),
        reserved: usize::from(line.emergency_channels),
        most_calls: None,
        shows: match line.calling_number {
            CallingNumber::Screen => Shows::Own,
            CallingNumber::Pass => Shows::Any,
            CallingNumber::Replace => Shows::Fixed,
        },
        own_numbers: series.into_iter().chain(number.clone()).collect(),
        number,
    }
}

fn place_of(target: &site::Target) -> Option<PlaceName> {
    match target {
        site::Target::Line(name) => Some(line_place(name)),
        site::Target::Trunk(name) => Some(trunk_place(name)),
        site::Target::Extension(_) => None,
    }
}

fn route_of(route: &site::Route, extensions: &[Extension]) -> Route {
    let targets = route.to.iter().filter_map(|target| match target {
        site::Target::Extension(number) => extensions
            .iter()
            .position(|extension| extension.number == *number)
            .map(Target::Extension),
        other => place_of(other).map(Target::Place),
    });
    Route {
        prefix: route.prefix.clone(),
        from: Some(match route.from {
            RouteFrom::Inside => Kind::Inside,
            RouteFrom::Outside => Kind::Outside,
        }),
        digits: route.length.map(usize::from),
        hours: Hours {
            open: route.when.iter().filter_map(|when| when.parse().ok()).collect(),
            holidays: match route.holidays {
                RouteHolidays::Open => OnHolidays::AsOtherDays,
                RouteHolidays::Closed => OnHolidays::Closed,
                RouteHolidays::Extra => OnHolidays::Open,
            },
        },
        strip: usize::from(route.strip),
        prepend: route.prepend.clone(),
        targets: targets.collect(),
    }
}

/// The numbers that are reached on a line: its series, and its own.
fn series_of(line: &site::Line, country: &str) -> Vec<Route> {
    let to_line = |prefix: String, digits: usize| Route {
        prefix,
        from: None,
        digits: Some(digits),
        hours: Hours::default(),
        strip: 0,
        prepend: String::new(),
        targets: vec![Target::Place(line_place(&line.name))],
    };
    let series = line.ddi.as_ref().map(|ddi| {
        let prefix = canonical(&ddi.prefix, country);
        let digits = prefix.len() + usize::from(ddi.digits);
        to_line(prefix, digits)
    });
    let number = line
        .number
        .as_ref()
        .filter(|_| line.side == LineSide::Network)
        .map(|number| {
            let number = canonical(number, country);
            let digits = number.len();
            to_line(number, digits)
        });
    // A route of the site for the same number comes first, and so has it.
    series.into_iter().chain(number).collect()
}

/// The plan of a site without telephony: nothing leads anywhere.
pub fn nothing() -> Plan {
    Plan {
        places: [].into(),
        extensions: Vec::new(),
        routes: Vec::new(),
        emergency: Emergency::default(),
        limits: Vec::new(),
        most_calls: 0,
        most_a_second: 0,
        country: String::new(),
        zone: TimeZone::UTC,
    }
}

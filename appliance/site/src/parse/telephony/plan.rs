//! The site's own numbers: none twice, none the beginning of another, and no forwarding in a circle.

use super::TelephonyEntry;
use super::check::twice;
use super::extension::ExtensionEntry;
use crate::parse::reader::{At, Reader};
use crate::{RouteFrom, Text};

pub(super) fn check(reader: &mut Reader<'_>, telephony: &TelephonyEntry<'_>) {
    numbers(reader, telephony);
    series(reader, telephony);
    test_number(reader, telephony);
    for extension in &telephony.extensions {
        for forward in &extension.forwards {
            leads_somewhere(reader, telephony, forward);
        }
    }
    circles(reader, &telephony.extensions);
}

/// Numbers that one place has alone.
fn numbers(reader: &mut Reader<'_>, telephony: &TelephonyEntry<'_>) {
    let emergency = telephony
        .emergency
        .iter()
        .flat_map(|emergency| &emergency.numbers);
    let mut seen: Vec<&At<String>> = emergency.collect();
    for (place, number) in seen.iter().enumerate() {
        if let Some(other) = seen[..place].iter().find(|other| alike(number, other)) {
            twice(reader, number, other);
        }
    }
    for extension in &telephony.extensions {
        let public = extension.public.as_ref().filter(|public| {
            extension
                .number
                .as_ref()
                .is_none_or(|own| own.value != public.value)
        });
        for number in extension.number.iter().chain(public) {
            if let Some(other) = seen.iter().find(|other| alike(number, other)) {
                twice(reader, number, other);
            }
            seen.push(number);
        }
    }
}

fn alike(one: &At<String>, other: &At<String>) -> bool {
    one.value.starts_with(&other.value) || other.value.starts_with(&one.value)
}

/// An extension may have a number out of a line's series (a phone that has moved from the exchange and kept its
/// number); another line may not.
fn series(reader: &mut Reader<'_>, telephony: &TelephonyEntry<'_>) {
    let mut seen: Vec<At<String>> = Vec::new();
    for line in &telephony.lines {
        let Some(ddi) = &line.ddi else {
            continue;
        };
        let prefix = ddi.clone().map(|ddi| ddi.prefix);
        if let Some(other) = seen.iter().find(|other| alike(&prefix, other)) {
            twice(reader, &prefix, other);
        }
        let shorter = telephony
            .extensions
            .iter()
            .filter_map(|extension| extension.number.as_ref())
            .chain(
                telephony
                    .emergency
                    .iter()
                    .flat_map(|emergency| &emergency.numbers),
            )
            .find(|number| prefix.value.starts_with(&number.value));
        if let Some(other) = shorter {
            twice(reader, &prefix, other);
        }
        seen.push(prefix);
    }
    let mut mains: Vec<&At<String>> = Vec::new();
    for number in telephony.lines.iter().filter_map(|line| line.number.as_ref()) {
        if let Some(other) = mains.iter().find(|other| other.value == number.value) {
            twice(reader, number, other);
        }
        mains.push(number);
    }
}

/// Nobody is woken by a test.
fn test_number(reader: &mut Reader<'_>, telephony: &TelephonyEntry<'_>) {
    let Some(emergency) = &telephony.emergency else {
        return;
    };
    if let Some(number) = &emergency.test_number
        && emergency.numbers.iter().any(|other| other.value == number.value)
    {
        reader.fault(
            number.at,
            Text::new(
                format!("Prøven ville ringe nødnummeret {}", number.value),
                format!("The test would call the emergency number {}", number.value),
            ),
            Text::new(
                "Skriv et nummer som svarer og ikke forstyrrer noen",
                "Write a number that answers and disturbs nobody",
            ),
        );
    }
}

fn leads_somewhere(reader: &mut Reader<'_>, telephony: &TelephonyEntry<'_>, number: &At<String>) {
    let extensions = telephony
        .extensions
        .iter()
        .flat_map(|extension| extension.number.iter().chain(&extension.public))
        .any(|other| other.value == number.value);
    let lines = telephony.lines.iter().any(|line| {
        let main = line
            .number
            .as_ref()
            .is_some_and(|main| main.value == number.value);
        let ddi = line.ddi.as_ref().is_some_and(|ddi| {
            let length = ddi.value.prefix.len() + usize::from(ddi.value.digits);
            number.value.starts_with(&ddi.value.prefix) && number.value.len() == length
        });
        main || ddi
    });
    let routes = telephony.routes.iter().any(|route| {
        let prefix = route.prefix.as_ref();
        route.from == RouteFrom::Inside
            && prefix.is_some_and(|prefix| number.value.starts_with(&prefix.value))
    });
    if extensions || lines || routes {
        return;
    }
    reader.fault(
        number.at,
        Text::new(
            format!(
                "{} er verken et av anleggets numre eller dekket av en rute",
                number.value
            ),
            format!(
                "{} is neither a number of the site nor covered by a route",
                number.value
            ),
        ),
        Text::new(
            "Skriv et nummer slik det slås fra en telefon her",
            "Write a number as it is dialled on a phone here",
        ),
    );
}

/// Calls that are always forwarded come to a phone at last. Each circle is told once.
fn circles(reader: &mut Reader<'_>, extensions: &[ExtensionEntry<'_>]) {
    let next = |extension: &ExtensionEntry<'_>| -> Option<usize> {
        let number = extension.extension.as_ref()?.forward.always.as_ref()?;
        extensions.iter().position(|other| {
            let mut own = other.number.iter().chain(&other.public);
            own.any(|at| at.value == *number)
        })
    };
    let mut done = vec![false; extensions.len()];
    for start in 0..extensions.len() {
        let mut path = Vec::new();
        let mut place = Some(start);
        while let Some(at) = place.filter(|at| !done[*at]) {
            done[at] = true;
            path.push(at);
            place = next(&extensions[at]);
        }
        let closes = place.is_some_and(|at| path.contains(&at));
        if let (true, Some(last)) = (closes, path.last())
            && let Some(forward) = extensions[*last].forwards.first()
        {
            reader.fault(
                forward.at,
                Text::new(
                    "Anropene ville bli viderekoblet i ring",
                    "Calls would be forwarded in a circle",
                ),
                Text::new(
                    "La ett av internnumrene være uten «forward_always»",
                    "Leave one of the extensions without \"forward_always\"",
                ),
            );
        }
    }
}

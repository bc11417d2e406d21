//! `[telephony.emergency]`

use varde_calendar::Calendar;

use super::route::targets;
use super::{Kinds, number};
use crate::parse::names;
use crate::parse::quantity;
use crate::parse::reader::{At, Key, Reader, Table, Wrong, key};
use crate::parse::times::expressions;
use crate::{Emergency, EmergencyTest};

pub(super) const KEYS: &[Key] = &[
    key("numbers", "[\"110\", \"112\", \"113\"]"),
    key("to", "[\"operator\", \"bylinje\"]"),
    key("number", "\"35003000\""),
    key("location", "\"Skien legevakt, Telemarksvegen 1, 3724 Skien\""),
    key("test", "[telephony.emergency.test]"),
];

pub(super) const TEST_KEYS: &[Key] = &[
    key("calendar", "[\"*-*-* 04:10\"]"),
    key("number", "\"35003099\""),
    key("within", "\"30 s\""),
];

/// The fire brigade, the police, the ambulance.
const NUMBERS: [&str; 3] = ["110", "112", "113"];

/// The table as far as it could be read.
pub(super) struct EmergencyEntry<'a> {
    pub(super) numbers: Vec<At<String>>,
    pub(super) to: Vec<At<&'a str>>,
    pub(super) test_number: Option<At<String>>,
    emergency: Option<Emergency>,
}

impl EmergencyEntry<'_> {
    pub(super) fn finish(&self, kinds: &Kinds<'_, '_>) -> Option<Emergency> {
        let to = self.to.iter().map(|name| kinds.target(name.value));
        Some(Emergency {
            to: to.collect::<Option<_>>()?,
            ..self.emergency.clone()?
        })
    }
}

pub(super) fn read<'a>(reader: &mut Reader<'_>, table: &Table<'a, '_>) -> EmergencyEntry<'a> {
    for key in ["to", "number", "location"] {
        table.require(reader, key);
    }
    let numbers = numbers(reader, table);
    let to = targets(reader, table, "to");
    let number = table.parsed(reader, "number", number::number);
    let location = table.parsed(reader, "location", |text| names::title(text, 120));
    let (test, test_number) = table
        .get("test")
        .and_then(|value| Table::open(reader, "[telephony.emergency.test]", TEST_KEYS, value))
        .map_or((None, None), |table| test(reader, &table));
    let emergency = match (number, location) {
        (Some(number), Some(location)) => Some(Emergency {
            numbers: numbers.iter().map(|at| at.value.clone()).collect(),
            to: Vec::new(),
            number: number.value,
            location: location.value,
            test,
        }),
        _ => None,
    };
    EmergencyEntry {
        numbers,
        to,
        test_number,
        emergency,
    }
}

fn numbers(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Vec<At<String>> {
    let Some(value) = table.get("numbers") else {
        let at = table.at;
        return NUMBERS
            .iter()
            .map(|number| At {
                value: (*number).to_owned(),
                at,
            })
            .collect();
    };
    let place = value.span().start;
    let mut good = Vec::new();
    for text in table.texts(reader, "numbers") {
        match number::number(text.value) {
            Ok(value) => good.push(At { value, at: text.at }),
            Err(wrong) => table.wrong(reader, "numbers", text.at, wrong),
        }
    }
    let missing = NUMBERS
        .iter()
        .find(|number| !good.iter().any(|at| at.value == **number));
    if let Some(missing) = missing.filter(|_| value.get_ref().is_array()) {
        let wrong = Wrong::new(
            format!("Nødnummeret {missing} mangler i «numbers»"),
            format!("The emergency number {missing} is missing in \"numbers\""),
        );
        table.wrong(reader, "numbers", place, wrong);
    }
    good
}

fn test(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> (Option<EmergencyTest>, Option<At<String>>) {
    for key in ["calendar", "number"] {
        table.require(reader, key);
    }
    let calendar = expressions(reader, table, "calendar", |text| {
        text.parse::<Calendar>().map(drop)
    });
    let number = table.parsed(reader, "number", number::number);
    let within = table.parsed(reader, "within", |text| quantity::time(text, &(5..=120)));
    let test = number.as_ref().map(|number| EmergencyTest {
        calendar,
        number: number.value.clone(),
        within: within.map_or(30, |at| at.value),
    });
    (test, number)
}

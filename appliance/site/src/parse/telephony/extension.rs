//! `[[telephony.extension]]` and `[[telephony.barring]]`

use super::{number, small, title, user};
use crate::parse::names::{self, LONGEST};
use crate::parse::quantity;
use crate::parse::reader::{At, Key, Reader, Table, Wrong, key};
use crate::{Barring, Extension, ExtensionPlace, Forward};

pub(super) const KEYS: &[Key] = &[
    key("number", "\"101\""),
    key("title", "\"Skranken\""),
    key("account", "\"101\""),
    key("line", "\"sentral\""),
    key("line_number", "\"01\""),
    key("public", "\"35003101\""),
    key("calls", "2"),
    key("barring", "\"innland\""),
    key("location", "\"Skien legevakt, 2. etasje\""),
    key("forward_always", "\"102\""),
    key("forward_busy", "\"102\""),
    key("forward_no_answer", "\"102\""),
    key("no_answer_after", "\"20 s\""),
];

pub(super) const BARRING_KEYS: &[Key] = &[
    key("name", "\"innland\""),
    key("barred", "[\"00\", \"82\"]"),
    key("allowed", "[\"0046\"]"),
];

/// An extension as far as it could be read.
pub(super) struct ExtensionEntry<'a> {
    pub(super) number: Option<At<String>>,
    pub(super) account: Option<At<String>>,
    pub(super) line: Option<At<&'a str>>,
    pub(super) public: Option<At<String>>,
    pub(super) barring: Option<At<&'a str>>,
    /// Each number that calls are forwarded to.
    pub(super) forwards: Vec<At<String>>,
    pub(super) extension: Option<Extension>,
}

/// A barring class as far as it could be read.
pub(super) struct BarringEntry {
    pub(super) name: Option<At<String>>,
    pub(super) barring: Option<Barring>,
}

pub(super) fn read<'a>(reader: &mut Reader<'_>, telephony: &Table<'a, '_>) -> Vec<ExtensionEntry<'a>> {
    telephony
        .tables(reader, "extension", "[[telephony.extension]]", KEYS)
        .iter()
        .map(|table| extension(reader, table))
        .collect()
}

fn extension<'a>(reader: &mut Reader<'_>, table: &Table<'a, '_>) -> ExtensionEntry<'a> {
    for key in ["number", "title"] {
        table.require(reader, key);
    }
    let number = table.parsed(reader, "number", number::number);
    let title = table.parsed(reader, "title", title);
    let account = table.parsed(reader, "account", user);
    let line = table.text(reader, "line");
    let line_number = table.parsed(reader, "line_number", number::number);
    let place = place(
        reader,
        table,
        number.as_ref(),
        account.as_ref(),
        line,
        line_number,
    );
    let public = table.parsed(reader, "public", number::number);
    let calls = small(table.integer(reader, "calls", 1..=100));
    let barring = table.text(reader, "barring");
    let location = table.parsed(reader, "location", |text| names::title(text, 120));
    let always = table.parsed(reader, "forward_always", number::number);
    let busy = table.parsed(reader, "forward_busy", number::number);
    let no_answer = table.parsed(reader, "forward_no_answer", number::number);
    let after = table.parsed(reader, "no_answer_after", |text| quantity::time(text, &(5..=120)));
    let forwards: Vec<At<String>> = [&always, &busy, &no_answer]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let extension = match (&number, title, place) {
        (Some(number), Some(title), Some(place)) => Some(Extension {
            number: number.value.clone(),
            title: title.value,
            place,
            public: public.as_ref().map(|at| at.value.clone()),
            calls: calls.unwrap_or(2),
            barring: barring.map(|at| at.value.to_owned()),
            location: location.map(|at| at.value),
            forward: Forward {
                always: always.map(|at| at.value),
                busy: busy.map(|at| at.value),
                no_answer: no_answer.map(|at| at.value),
                after: after.map_or(20, |at| at.value),
            },
        }),
        _ => None,
    };
    ExtensionEntry {
        number,
        account,
        line,
        public,
        barring,
        forwards,
        extension,
    }
}

fn place(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    number: Option<&At<String>>,
    account: Option<&At<String>>,
    line: Option<At<&str>>,
    line_number: Option<At<String>>,
) -> Option<ExtensionPlace> {
    let (has_account, has_line) = (table.get("account").is_some(), table.get("line").is_some());
    if has_account == has_line {
        let wrong = Wrong::new(
            "Et internnummer skal ha enten «account» eller «line»",
            "An extension must have either \"account\" or \"line\"",
        )
        .remedy(
            "Skriv account = \"101\" for en SIP-telefon, eller line = \"sentral\" for et apparat på en linje",
            "Write account = \"101\" for a SIP phone, or line = \"sentral\" for a set on a line",
        );
        table.wrong(reader, "account", table.at, wrong);
        return None;
    }
    if let (true, Some(line_number)) = (has_account, &line_number) {
        let wrong = Wrong::new(
            "«line_number» gjelder bare et internnummer på en linje",
            "\"line_number\" is only for an extension on a line",
        )
        .remedy("Ta det bort", "Remove it");
        table.wrong(reader, "line_number", line_number.at, wrong);
        return None;
    }
    if let Some(account) = account {
        return Some(ExtensionPlace::Account(account.value.clone()));
    }
    Some(ExtensionPlace::Line {
        line: line?.value.to_owned(),
        number: line_number.map_or_else(|| number.map(|at| at.value.clone()), |at| Some(at.value))?,
    })
}

pub(super) fn read_barrings(reader: &mut Reader<'_>, telephony: &Table<'_, '_>) -> Vec<BarringEntry> {
    telephony
        .tables(reader, "barring", "[[telephony.barring]]", BARRING_KEYS)
        .iter()
        .map(|table| barring(reader, table))
        .collect()
}

fn barring(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> BarringEntry {
    for key in ["name", "barred"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", |text| names::name(text, LONGEST));
    let barred = prefixes(reader, table, "barred");
    let allowed = prefixes(reader, table, "allowed");
    for prefix in &allowed {
        if let Some(other) = barred.iter().find(|other| other.value == prefix.value) {
            let line = reader.line(other.at);
            let wrong = Wrong::new(
                format!("«{}» er sperret på linje {line}", prefix.value),
                format!("\"{}\" is barred on line {line}", prefix.value),
            )
            .remedy("Ta bort den ene", "Remove one of them");
            table.wrong(reader, "allowed", prefix.at, wrong);
        }
    }
    let value = |all: Vec<At<String>>| all.into_iter().map(|at| at.value).collect();
    let barring = name.as_ref().map(|name| Barring {
        name: name.value.clone(),
        barred: value(barred),
        allowed: value(allowed),
    });
    BarringEntry { name, barring }
}

fn prefixes(reader: &mut Reader<'_>, table: &Table<'_, '_>, key: &str) -> Vec<At<String>> {
    let mut good = Vec::new();
    for text in table.texts(reader, key) {
        match number::prefix(text.value) {
            Ok(value) => good.push(At { value, at: text.at }),
            Err(wrong) => table.wrong(reader, key, text.at, wrong),
        }
    }
    good
}

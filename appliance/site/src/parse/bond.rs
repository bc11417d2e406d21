//! `[[bond]]`

use std::collections::BTreeMap;

use super::names;
use super::reader::{At, Key, Reader, Table, Wrong, choice, key};
use super::zone::ZoneEntry;
use crate::{Bond, BondMode, Text};

pub(super) const KEYS: &[Key] = &[
    key("name", "\"bond0\""),
    key("cards", "[\"eno1\", \"eno2\"]"),
    key("mode", "\"active-backup\""),
];

const MODES: [(&str, BondMode); 2] = [
    ("active-backup", BondMode::ActiveBackup),
    ("802.3ad", BondMode::Lacp),
];

pub(super) struct BondEntry {
    name: Option<At<String>>,
    cards: Vec<At<String>>,
    bond: Option<Bond>,
}

impl BondEntry {
    pub(super) fn bond(self) -> Option<Bond> {
        self.bond
    }
}

pub(super) fn read(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> Vec<BondEntry> {
    let tables = root.tables(reader, "bond", "[[bond]]", KEYS);
    tables.iter().map(|table| bond(reader, table)).collect()
}

fn bond(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> BondEntry {
    for key in ["name", "cards"] {
        table.require(reader, key);
    }
    let name = table.parsed(reader, "name", bond_name);
    let mut cards = Vec::new();
    for text in table.texts(reader, "cards") {
        match names::interface(text.value) {
            Ok(value) => cards.push(At { value, at: text.at }),
            Err(wrong) => table.wrong(reader, "cards", text.at, wrong),
        }
    }
    let mode = table.parsed(reader, "mode", |text| choice(text, &MODES));
    let bond = name.as_ref().map(|name| Bond {
        name: name.value.clone(),
        cards: cards.iter().map(|card| card.value.clone()).collect(),
        mode: mode.map_or(BondMode::default(), |at| at.value),
    });
    BondEntry { name, cards, bond }
}

/// Not one that a card could have.
fn bond_name(text: &str) -> Result<String, Wrong> {
    let rest = text.strip_prefix("bond").unwrap_or_default();
    if !rest.is_empty() && rest.len() <= 4 && rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("«{}» er ikke et navn for en bond", super::words::clip(text)),
        format!("\"{}\" is not a name for a bond", super::words::clip(text)),
    )
    .remedy(
        "Skriv «bond» og et nummer, som \"bond0\"",
        "Write \"bond\" and a number, such as \"bond0\"",
    ))
}

/// A card belongs to one thing only, and zones that share an uplink are told apart by their VLANs.
pub(super) fn check(reader: &mut Reader<'_>, bonds: &[BondEntry], zones: &[ZoneEntry]) {
    let mut names = super::references::Names::default();
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    for bond in bonds {
        if let Some(name) = &bond.name {
            names.add(reader, "[[bond]]", name);
        }
        for card in &bond.cards {
            if let Some(first) = taken.insert(&card.value, card.at) {
                in_use(reader, card, first);
            }
        }
    }
    let mut shared: BTreeMap<(&str, Option<u16>), usize> = BTreeMap::new();
    let mut plain: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for zone in zones {
        let Some(uplink) = &zone.uplink else { continue };
        let name = uplink.value.as_str();
        if let Some(first) = taken.get(name) {
            in_use(reader, uplink, *first);
        }
        if name.starts_with("bond")
            && !bonds
                .iter()
                .any(|bond| bond.name.as_ref().is_some_and(|one| one.value == name))
        {
            reader.fault(
                uplink.at,
                Text::new(
                    format!("Det er ingen bond «{name}»"),
                    format!("There is no bond \"{name}\""),
                ),
                Text::new(
                    "Skriv en [[bond]] med det navnet",
                    "Write a [[bond]] with that name",
                ),
            );
        }
        let vlan = zone.vlan.map(|at| at.value);
        let same = shared.insert((name, vlan), uplink.at);
        let (first, tagged) = *plain.entry(name).or_insert((uplink.at, vlan.is_some()));
        if same.is_some() || (first != uplink.at && !(tagged && vlan.is_some())) {
            let line = reader.line(first);
            reader.fault(
                uplink.at,
                Text::new(
                    format!("Nettverkskortet «{name}» hører alt til sonen på linje {line}"),
                    format!("The interface \"{name}\" already belongs to the zone on line {line}"),
                ),
                Text::new(
                    "Et nettverkskort kan høre til flere soner bare når hver har et vlan for seg",
                    "An interface can belong to several zones only when each has a vlan of its own",
                ),
            );
        }
    }
}

fn in_use(reader: &mut Reader<'_>, card: &At<String>, first: usize) {
    let line = reader.line(first);
    let name = &card.value;
    reader.fault(
        card.at,
        Text::new(
            format!("Nettverkskortet «{name}» hører alt til en bond, på linje {line}"),
            format!("The interface \"{name}\" already belongs to a bond, on line {line}"),
        ),
        Text::new(
            "La det høre til én bond, og skriv bondens navn som uplink",
            "Let it belong to one bond, and write the bond's name as the uplink",
        ),
    );
}

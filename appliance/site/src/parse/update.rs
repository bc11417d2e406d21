//! `[update]`

use super::quantity;
use super::reader::{At, Key, Reader, Table, Wrong, key};
use super::words::clip;
use crate::{Text, Update};

pub(super) const KEYS: &[Key] = &[
    key(
        "keys",
        "[\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"]",
    ),
    key("settle", "\"10 min\""),
];

const SETTLE: u64 = 600;

/// `None`: no such table, or none that could be read.
pub(super) fn read(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> Option<Update> {
    let table = Table::open(reader, "[update]", KEYS, root.get("update")?)?;
    table.require(reader, "keys");
    let mut keys: Vec<At<&str>> = Vec::new();
    for text in table.texts(reader, "keys") {
        if !is_key(text.value) {
            let shown = clip(text.value);
            let wrong = Wrong::new(
                format!("«{shown}» er ingen offentlig nøkkel fra minisign: 56 tegn, de første er «RW»"),
                format!("\"{shown}\" is no public key of minisign: 56 characters, the first are \"RW\""),
            );
            table.wrong(reader, "keys", text.at, wrong);
        } else if keys.iter().any(|other| other.value == text.value) {
            reader.fault(
                text.at,
                Text::new("Nøkkelen står her to ganger", "The key is here twice"),
                Text::new("Ta bort den ene", "Remove one of them"),
            );
        } else {
            keys.push(text);
        }
    }
    let settle = table.parsed(reader, "settle", |text| quantity::time(text, &(60..=3600)));
    Some(Update {
        keys: keys.into_iter().map(|key| key.value.to_owned()).collect(),
        settle: settle.map_or(SETTLE, |at| at.value),
    })
}

/// Base 64 of 42 bytes that begin with `Ed`: algorithm, key's number, key.
fn is_key(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.len() == 56 && text.starts_with("RW") && text.bytes().all(plain)
}

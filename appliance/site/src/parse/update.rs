//! `[update]`

use super::quantity;
use super::reader::{At, Key, Reader, Table, Wrong, key};
use super::words::clip;
use crate::{Text, Update, UpdateSource};

pub(super) const KEYS: &[Key] = &[
    key(
        "keys",
        "[\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"]",
    ),
    key("settle", "\"10 min\""),
    key("source", "\"https://updates.example.no/varde\""),
    key(
        "ca",
        "'''-----BEGIN CERTIFICATE----- … -----END CERTIFICATE-----'''",
    ),
];

const SETTLE: u64 = 600;
/// Bytes: some certificates, not a whole list of the public ones.
const AUTHORITIES: usize = 64 << 10;

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
        source: source(reader, &table),
    })
}

fn source(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<UpdateSource> {
    let place = table.parsed(reader, "source", |url| {
        UpdateSource::place(url).ok_or_else(|| {
            Wrong::new(
                format!(
                    "«{}» er ingen kilde: den begynner med https://, så tjenerens navn og en mappe av bokstaver, sifre og - _ . ~; ingen bruker og intet passord",
                    clip(url)
                ),
                format!(
                    "\"{}\" is no source: it begins with https://, then the server's name and a folder of letters, digits and - _ . ~; no user, no password",
                    clip(url)
                ),
            )
        })
    });
    let ca = table.parsed(reader, "ca", |text| {
        let begin = text.matches("-----BEGIN CERTIFICATE-----").count();
        let end = text.matches("-----END CERTIFICATE-----").count();
        if begin == 0 || begin != end || text.len() > AUTHORITIES {
            return Err(Wrong::new(
                "Det er intet sertifikat i PEM her, eller mer enn 64 KiB",
                "There is no certificate in PEM here, or more than 64 KiB",
            ));
        }
        Ok(text.to_owned())
    });
    if place.is_some() && table.get("ca").is_none() {
        table.require(reader, "ca");
    }
    if place.is_none() && ca.is_some() && table.get("source").is_none() {
        table.require(reader, "source");
    }
    let (host, port, folder) = place?.value;
    Some(UpdateSource {
        host,
        port,
        folder,
        ca: ca?.value,
    })
}

/// Base 64 of 42 bytes that begin with `Ed`: algorithm, key's number, key.
fn is_key(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.len() == 56 && text.starts_with("RW") && text.bytes().all(plain)
}

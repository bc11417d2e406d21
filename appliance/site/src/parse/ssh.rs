//! `[ssh]`, and the keys of accounts.

use std::net::SocketAddrV4;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::access::{listen, own};
use super::reader::{At, Key, Reader, Table, Wrong, key};
use super::words::clip;
use super::zone::ZoneEntry;
use crate::{Account, Ssh, Text};

pub(super) const KEYS: &[Key] = &[key("listen", "\"10.20.0.1:22\"")];

/// What OpenSSH takes unless told otherwise, but RSA: a short key of that looks like a long one.
const KINDS: [&str; 6] = [
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

pub(super) struct SshEntry {
    at: usize,
    listen: Option<At<SocketAddrV4>>,
}

/// `None`: no such table, or none that could be read.
pub(super) fn read(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> Option<SshEntry> {
    let table = Table::open(reader, "[ssh]", KEYS, root.get("ssh")?)?;
    table.require(reader, "listen");
    let listen = table.parsed(reader, "listen", listen);
    Some(SshEntry { at: table.at, listen })
}

pub(super) fn check(
    reader: &mut Reader<'_>,
    entry: Option<SshEntry>,
    accounts: &[Account],
    zones: &[ZoneEntry],
) -> Option<Ssh> {
    let entry = entry?;
    if !accounts.is_empty() && accounts.iter().all(|account| account.ssh_keys.is_empty()) {
        reader.fault(
            entry.at,
            Text::new(
                "Ingen konto har en nøkkel, så ingen kunne logge inn med SSH",
                "No account has a key, so nobody could log in by SSH",
            ),
            Text::new(
                "Gi en [[account]] ssh_keys = [\"ssh-ed25519 AAAA…\"], eller ta bort [ssh]",
                "Give an [[account]] ssh_keys = [\"ssh-ed25519 AAAA…\"], or remove [ssh]",
            ),
        );
    }
    let listen = entry.listen?;
    own(reader, listen, zones);
    Some(Ssh { listen: listen.value })
}

/// The public keys of an account, each as in a file of OpenSSH's `.pub`.
pub(super) fn keys(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Vec<String> {
    let mut keys = Vec::new();
    for text in table.texts(reader, "ssh_keys") {
        match public_key(text.value) {
            Ok(key) => keys.push(key),
            Err(wrong) => table.wrong(reader, "ssh_keys", text.at, wrong),
        }
    }
    keys
}

/// Kind, key, and perhaps a remark.
fn public_key(text: &str) -> Result<String, Wrong> {
    let remedy = |wrong: Wrong| {
        wrong.remedy(
            "Lag en nøkkel med «ssh-keygen -t ed25519» og lim inn hele linjen i filen som ender på .pub",
            "Make a key with \"ssh-keygen -t ed25519\" and paste the whole line of the file that ends in .pub",
        )
    };
    let shown = clip(text);
    let mut words = text.split(' ');
    let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if kind == "ssh-rsa" {
        return Err(remedy(Wrong::new(
            "RSA-nøkler tas ikke: det synes ikke på dem hvor sterke de er",
            "RSA keys are not taken: it does not show how strong they are",
        )));
    }
    let whole = STANDARD.decode(key).is_ok_and(|bytes| names_itself(&bytes, kind));
    if !KINDS.contains(&kind) || !whole || text.chars().any(char::is_control) {
        return Err(remedy(Wrong::new(
            format!("«{shown}» er ikke en hel offentlig nøkkel for SSH"),
            format!("\"{shown}\" is not a whole public key for SSH"),
        )));
    }
    Ok(text.to_owned())
}

/// A key begins with the length and the name of its kind, and has something behind that (RFC 4253 §6.6).
fn names_itself(bytes: &[u8], kind: &str) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return false;
    };
    u32::from_be_bytes(*length) as usize == kind.len()
        && rest.starts_with(kind.as_bytes())
        && rest.len() >= kind.len() + 4 + 32
}

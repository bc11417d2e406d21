//! `[[account]]`

use std::collections::BTreeMap;

use super::Kept;
use super::names;
use super::reader::{At, Key, Reader, Table, Wrong, key};
use super::references::{Names, clash};
use super::words::{clip, instead_of};
use crate::{Account, Role, Text, identity};

pub(super) const KEYS: &[Key] = &[
    key("name", "\"kari\""),
    key("title", "\"Kari Nordmann\""),
    key("role", "\"operator\""),
    key("password_hash", "\"$y$j9T$…\""),
    key("ssh_keys", "[\"ssh-ed25519 AAAA…\"]"),
];

pub(super) fn read(reader: &mut Reader<'_>, root: &Table<'_, '_>, kept: &Kept) -> Vec<Account> {
    let tables = root.tables(reader, "account", "[[account]]", KEYS);
    let mut accounts = Vec::new();
    let mut names = Names::default();
    let mut uids: BTreeMap<u32, At<String>> = BTreeMap::new();
    let mut roles_known = true;
    let mut admin = false;
    for table in &tables {
        for key in ["name", "title", "role", "password_hash"] {
            table.require(reader, key);
        }
        let name = table.parsed(reader, "name", names::account);
        let title = table.parsed(reader, "title", |text| names::title(text, 40));
        let role = table.parsed(reader, "role", role);
        let hash = hash(reader, table, name.as_ref(), kept);
        let ssh_keys = super::ssh::keys(reader, table);
        roles_known &= role.is_some();
        admin |= role.is_some_and(|at| at.value == Role::Admin);
        if let Some(name) = &name
            && names.add(reader, table.name, name)
            && let Some(other) = uids.insert(identity::account_uid(&name.value), name.clone())
        {
            clash(reader, name, &other);
        }
        if let (Some(name), Some(title), Some(role), Some(password_hash)) = (name, title, role, hash) {
            accounts.push(Account {
                name: name.value,
                title: title.value,
                role: role.value,
                password_hash,
                ssh_keys,
            });
        }
    }
    if let (Some(first), true, false) = (tables.first(), roles_known, admin) {
        reader.fault(
            first.at,
            Text::new(
                "Ingen konto har rollen «admin», så ingen kunne endre noe senere",
                "No account has the role \"admin\", so nobody could change anything later",
            ),
            Text::new(
                "Gi én av kontoene role = \"admin\"",
                "Give one of the accounts role = \"admin\"",
            ),
        );
    }
    accounts
}

fn role(text: &str) -> Result<Role, Wrong> {
    match text {
        "viewer" => Ok(Role::Viewer),
        "operator" => Ok(Role::Operator),
        "admin" => Ok(Role::Admin),
        _ => Err(Wrong {
            text: Text::new(
                format!("Rollen «{}» finnes ikke", clip(text)),
                format!("There is no role \"{}\"", clip(text)),
            ),
            remedy: Some(instead_of(text, &["viewer", "operator", "admin"])),
        }),
    }
}

fn hash(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    name: Option<&At<String>>,
    kept: &Kept,
) -> Option<String> {
    let text = table.text(reader, "password_hash")?;
    if text.value == names::KEEP {
        let name = name?;
        let known = kept.get(&name.value).cloned();
        if known.is_none() {
            let wrong = Wrong::new(
                format!(
                    "«keep» betyr hashen som kontoen har fra før, men «{}» er ny",
                    name.value
                ),
                format!(
                    "\"keep\" means the hash that the account has already, but \"{}\" is new",
                    name.value
                ),
            )
            .remedy(
                "Lag en hash med «mkpasswd -m yescrypt» eller «openssl passwd -6» og lim inn hele linjen",
                "Make a hash with \"mkpasswd -m yescrypt\" or \"openssl passwd -6\" and paste the whole line",
            );
            table.wrong(reader, "password_hash", text.at, wrong);
        }
        return known;
    }
    table
        .parsed(reader, "password_hash", names::password_hash)
        .map(|at| at.value)
}

//! From the text of `site.toml` to a [`Site`], or to everything that is wrong with it in one pass.
//!
//! The text becomes a tree of tables with the place of each key and value. Each kind of table is read by a file here
//! that knows its keys; then `references` looks at what tables say about each other. Nothing stops at the first fault.

mod access;
mod account;
mod bond;
mod database;
mod info;
mod names;
mod place;
mod quantity;
mod reader;
mod recipe;
mod references;
mod ssh;
mod syntax;
mod telephony;
mod times;
mod tunnel;
mod update;
mod vm;
mod words;
mod zone;

use std::collections::BTreeMap;

use toml::de::DeTable;

use self::reader::{Key, Reader, Table, key};
use crate::{Finding, Site, Text};

pub(crate) use self::names::KEEP;

/// Bytes that a file may have; a site of hundreds of machines takes a tenth of this.
pub const LONGEST_FILE: usize = 1 << 20;

/// Bytes that a line may have.
const LONGEST_LINE: usize = 1024;

const ROOT: &[Key] = &[
    key("version", "1"),
    key("site", "[site]"),
    key("account", "[[account]]"),
    key("bond", "[[bond]]"),
    key("zone", "[[zone]]"),
    key("vm", "[[vm]]"),
    key("database", "[[database]]"),
    key("telephony", "[telephony]"),
    key("recipe", "[[recipe]]"),
    key("portal", "[portal]"),
    key("person", "[[person]]"),
    key("desktop_pool", "[[desktop_pool]]"),
    key("tunnel", "[tunnel]"),
    key("update", "[update]"),
    key("ssh", "[ssh]"),
];

/// Hashes that `password_hash = "keep"` stands for, by account name.
pub type Kept = BTreeMap<String, String>;

/// Reads and checks a whole file.
pub fn parse(text: &str) -> Result<Site, Vec<Finding>> {
    parse_keeping(text, &Kept::new())
}

/// The same for a file whose accounts may say `"keep"` for the hash that they have in `kept`.
pub fn parse_keeping(text: &str, kept: &Kept) -> Result<Site, Vec<Finding>> {
    let mut reader = Reader::new(text);
    let site = read(&mut reader, text, kept);
    match site {
        Some(site) if reader.is_clean() => Ok(site),
        _ => Err(reader.findings()),
    }
}

fn read(reader: &mut Reader<'_>, text: &str, kept: &Kept) -> Option<Site> {
    if !is_readable(reader, text) {
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        syntax::report(reader, &errors);
        return None;
    }
    let document = document.into_inner();
    let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    if !version_is_known(reader, &document) {
        return None;
    }
    let root = Table::over(reader, "site.toml", ROOT, &document, start);
    root.require(reader, "version");
    root.require(reader, "site");
    root.require(reader, "account");

    let info = root
        .get("site")
        .and_then(|value| Table::open(reader, "[site]", info::KEYS, value))
        .and_then(|table| info::read(reader, &table));
    let accounts = account::read(reader, &root, kept);
    let bonds = bond::read(reader, &root);
    let zones = zone::read(reader, &root);
    let vms = vm::read(reader, &root);
    let databases = database::read(reader, &root);
    let telephony = telephony::read(reader, &root);
    let recipes = recipe::read(reader, &root);
    let access = access::read(reader, &root);
    let tunnel = tunnel::read(reader, &root);
    let update = update::read(reader, &root);
    let ssh = ssh::read(reader, &root);
    bond::check(reader, &bonds, &zones);
    references::check(reader, info.as_ref(), &zones, &vms);
    database::check(reader, &databases, &zones, &vms);
    recipe::check(reader, &recipes, &vms);
    access::check(reader, &access, &zones, &vms);
    let ssh = ssh::check(reader, ssh, &accounts, &zones);
    tunnel::check(reader, tunnel.as_ref(), &access, &zones);
    if let Some(telephony) = &telephony {
        telephony::check(reader, telephony, &zones);
    }

    let access = access.finish()?;
    let mut machines = vms
        .into_iter()
        .map(|entry| entry.vm)
        .collect::<Option<Vec<_>>>()?;
    let pools = access.pools.iter();
    machines.extend(pools.flat_map(|pool| pool.machines(&access.persons)));
    Some(Site {
        site: info?,
        accounts,
        bonds: bonds
            .into_iter()
            .map(bond::BondEntry::bond)
            .collect::<Option<_>>()?,
        zones: zones.into_iter().map(|entry| entry.zone).collect::<Option<_>>()?,
        vms: machines,
        databases: databases
            .into_iter()
            .map(|entry| entry.database)
            .collect::<Option<_>>()?,
        telephony: match telephony {
            Some(entry) => Some(telephony::finish(entry)?),
            None => None,
        },
        recipes: recipes
            .into_iter()
            .map(|entry| entry.recipe)
            .collect::<Option<_>>()?,
        portal: access.portal,
        persons: access.persons,
        desktop_pools: access.pools,
        tunnel: match tunnel {
            Some(entry) => Some(entry.finish()?),
            None => None,
        },
        update,
        ssh,
    })
}

/// Whether the text is small enough to be looked at, whoever it comes from.
pub fn readable(text: &str) -> Result<(), Vec<Finding>> {
    let mut reader = Reader::new(text);
    if is_readable(&mut reader, text) {
        return Ok(());
    }
    Err(reader.findings())
}

fn is_readable(reader: &mut Reader<'_>, text: &str) -> bool {
    let remedy = Text::new(
        "Se etter om dette virkelig er site.toml",
        "See whether this really is site.toml",
    );
    if text.len() > LONGEST_FILE {
        reader.fault(
            0,
            Text::new(
                format!("Filen er på {} byte; høyst {LONGEST_FILE} kan leses", text.len()),
                format!(
                    "The file has {} bytes; at most {LONGEST_FILE} can be read",
                    text.len()
                ),
            ),
            remedy,
        );
        return false;
    }
    // The parser takes time as the square of some faulty lines.
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.len() > LONGEST_LINE {
            reader.fault(
                at,
                Text::new(
                    format!("Linjen er på {} byte; høyst {LONGEST_LINE} kan leses", line.len()),
                    format!(
                        "The line has {} bytes; at most {LONGEST_LINE} can be read",
                        line.len()
                    ),
                ),
                remedy,
            );
            return false;
        }
        at += line.len();
    }
    true
}

/// A file of a later version is not picked apart by the rules of this one.
fn version_is_known(reader: &mut Reader<'_>, document: &DeTable<'_>) -> bool {
    let Some(value) = document.get("version") else {
        return true;
    };
    let version = value
        .get_ref()
        .as_integer()
        .and_then(|integer| u64::from_str_radix(integer.as_str(), integer.radix()).ok());
    if version == Some(1) {
        return true;
    }
    reader.fault(
        value.span().start,
        Text::new(
            "Denne versjonen av Varde kjenner bare version = 1 av site.toml",
            "This version of Varde knows only version = 1 of site.toml",
        ),
        Text::new(
            "Skriv version = 1, eller oppgrader Varde først hvis filen er laget for en nyere",
            "Write version = 1, or upgrade Varde first if the file was made for a newer one",
        ),
    );
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_has_a_row_for_every_key() {
        let page = include_str!("../../../../docs/site.toml.md");
        for (heading, keys) in [
            ("## The file", ROOT),
            ("## [site]", info::KEYS),
            ("## [[account]]", account::KEYS),
            ("## [[bond]]", bond::KEYS),
            ("## [[zone]]", zone::KEYS),
            ("## [[vm]]", vm::KEYS),
            ("### [[vm.disk]]", vm::DISK_KEYS),
            ("### [[vm.check]]", vm::CHECK_KEYS),
            ("### [vm.limits]", vm::LIMIT_KEYS),
            ("## [[database]]", database::KEYS),
            ("### [database.restart]", database::RESTART_KEYS),
            ("## [[recipe]]", recipe::KEYS),
            ("### [[recipe.step]]", recipe::COMMAND_KEYS),
            ("### [[recipe.check]]", recipe::COMMAND_KEYS),
            ("## [portal]", access::PORTAL_KEYS),
            ("## [[person]]", access::PERSON_KEYS),
            ("## [[desktop_pool]]", access::POOL_KEYS),
            ("## [tunnel]", tunnel::KEYS),
            ("### [[tunnel.site]]", tunnel::SITE_KEYS),
            ("## [update]", update::KEYS),
            ("## [ssh]", ssh::KEYS),
        ]
        .into_iter()
        .chain(telephony::TABLES.iter().copied())
        {
            let start = page.find(&format!("\n{heading}\n")).expect(heading);
            let rest = &page[start + heading.len() + 1..];
            let part = &rest[..rest.find("\n#").unwrap_or(rest.len())];
            for key in keys {
                // A table of its own stands under its header.
                let name = if key.example.starts_with('[') && !key.example.starts_with("[\"") {
                    key.example
                } else {
                    key.name
                };
                assert!(
                    part.contains(&format!("\n| `{name}` |")),
                    "{heading} has no row for {name}"
                );
            }
            let rows = part.matches("\n| `").count();
            assert_eq!(rows, keys.len(), "{heading} has a row that is no key");
        }
    }
}

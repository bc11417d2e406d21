//! What may be called what.

use super::reader::Wrong;
use super::words::clip;
use crate::{Text, clone_of};

/// Longest name of an account, and of anything that has no shorter bound.
pub(super) const LONGEST: usize = 31;
/// A bridge is `br-NAME`, and an interface has at most 15 characters.
pub(super) const LONGEST_ZONE: usize = 12;
/// A machine's user is `varde-vm-NAME`, and a user has at most 31 characters.
pub(super) const LONGEST_VM: usize = 22;

/// Accounts may not be called as the system's own users and groups, or as Varde's.
const SYSTEM: &[&str] = &[
    "root",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "lp",
    "mail",
    "news",
    "uucp",
    "proxy",
    "www-data",
    "backup",
    "list",
    "irc",
    "gnats",
    "nobody",
    "nogroup",
    "adm",
    "tty",
    "disk",
    "dialout",
    "fax",
    "voice",
    "cdrom",
    "floppy",
    "tape",
    "sudo",
    "audio",
    "dip",
    "src",
    "shadow",
    "utmp",
    "video",
    "sasl",
    "plugdev",
    "staff",
    "users",
    "input",
    "sgx",
    "clock",
    "kvm",
    "render",
    "crontab",
    "netdev",
    "messagebus",
    "polkitd",
    "sshd",
    "wheel",
];

/// A name of letters, digits and hyphens that can stand in a unit name, an interface name and a path.
pub(super) fn name(text: &str, longest: usize) -> Result<String, Wrong> {
    let shown = clip(text);
    let wrong = |nb: &str, en: &str| {
        Err(Wrong::new(
            format!("«{shown}» kan ikke være et navn her: {nb}"),
            format!("\"{shown}\" cannot be a name here: {en}"),
        )
        .remedy(
            format!("Bruk små bokstaver a–z, sifre og bindestrek, høyst {longest} tegn, som i \"journal-db\""),
            format!("Use small letters a–z, digits and hyphens, at most {longest} characters, as in \"journal-db\""),
        ))
    };
    if text.is_empty() {
        return wrong("det er tomt", "it is empty");
    }
    if text.len() > longest {
        return wrong("det er for langt", "it is too long");
    }
    if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        return wrong(
            "det må begynne med en liten bokstav",
            "it must begin with a small letter",
        );
    }
    if let Some(other) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        let other = clip(&other.to_string());
        return wrong(
            &format!("tegnet «{other}» er ikke tillatt"),
            &format!("the character \"{other}\" is not allowed"),
        );
    }
    if text.ends_with('-') {
        return wrong("det ender på bindestrek", "it ends in a hyphen");
    }
    Ok(text.to_owned())
}

/// As [`name`], and not one that clones in rehearsals have.
pub(super) fn unreserved(text: &str, longest: usize) -> Result<String, Wrong> {
    let name = name(text, longest)?;
    if clone_of(&name).is_none() {
        return Ok(name);
    }
    Err(Wrong::new(
        format!("Navn som begynner som «{}» er satt av til øvinger", clip(&name)),
        format!("Names that begin as \"{}\" are kept for rehearsals", clip(&name)),
    )
    .remedy("Velg et annet navn", "Choose another name"))
}

pub(super) fn account(text: &str) -> Result<String, Wrong> {
    let name = name(text, LONGEST)?;
    let ours = name == "varde" || name.starts_with("varde-");
    if ours || name.starts_with("systemd-") || SYSTEM.contains(&name.as_str()) {
        return Err(Wrong::new(
            format!("Kontonavnet «{name}» er opptatt av systemet"),
            format!("The account name \"{name}\" is taken by the system"),
        )
        .remedy(
            "Velg et annet navn, for eksempel personens fornavn",
            "Choose another name, such as the person's first name",
        ));
    }
    Ok(name)
}

/// What is shown of something: one line of text.
pub(super) fn title(text: &str, longest: usize) -> Result<String, Wrong> {
    let wrong = |nb: String, en: String| {
        Err(Wrong {
            text: Text::new(nb, en),
            remedy: None,
        })
    };
    if text.trim().is_empty() {
        return wrong("Teksten er tom".to_owned(), "The text is empty".to_owned());
    }
    let length = text.chars().count();
    if length > longest {
        return wrong(
            format!("Teksten har {length} tegn; høyst {longest} får plass"),
            format!("The text has {length} characters; at most {longest} fit"),
        );
    }
    if text.chars().any(char::is_control) {
        return wrong(
            "Teksten har styretegn (linjeskift eller tabulator)".to_owned(),
            "The text has control characters (a line break or a tab)".to_owned(),
        );
    }
    Ok(text.to_owned())
}

/// Name of a base image: a file in the image store, never a path.
pub(super) fn image(text: &str) -> Result<String, Wrong> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.contains('/') || text.starts_with('.') {
        let file = text.rsplit('/').next().unwrap_or_default();
        let file: String = file
            .trim_start_matches('.')
            .chars()
            .filter(|c| plain(*c))
            .collect();
        let file = if file.is_empty() {
            "postgresql.qcow2"
        } else {
            &file
        };
        return Err(Wrong::new(
            format!("«{}» er en sti; et bilde er bare et filnavn", clip(text)),
            format!("\"{}\" is a path; an image is a file name only", clip(text)),
        )
        .remedy(
            format!("Legg filen i bildelageret, og skriv image = \"{}\"", clip(file)),
            format!(
                "Put the file in the image store, and write image = \"{}\"",
                clip(file)
            ),
        ));
    }
    if text.is_empty() || text.len() > 100 || !text.chars().all(plain) {
        return Err(Wrong::new(
            format!("«{}» kan ikke være navnet på et bilde", clip(text)),
            format!("\"{}\" cannot be the name of an image", clip(text)),
        )
        .remedy(
            "Bruk bokstaver a–z, sifre, punktum, strek og understrek, høyst 100 tegn, som i \"postgresql.qcow2\"",
            "Use letters a–z, digits, dots, hyphens and underscores, at most 100 characters, as in \"postgresql.qcow2\"",
        ));
    }
    Ok(text.to_owned())
}

/// Name of a network interface of the blade.
pub(super) fn interface(text: &str) -> Result<String, Wrong> {
    let ours = ["br-", "vl-", "vm-", "vt-"]
        .iter()
        .any(|prefix| text.starts_with(prefix));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > 15 || !text.chars().all(plain) || text.starts_with('.') {
        return Err(Wrong::new(
            format!("«{}» er ikke navnet på et nettverkskort", clip(text)),
            format!("\"{}\" is not the name of a network interface", clip(text)),
        ));
    }
    if ours || text == "lo" {
        return Err(Wrong::new(
            format!("«{text}» hører til Varde selv og kan ikke være et nettverkskort i bladet"),
            format!("\"{text}\" belongs to Varde itself and cannot be a network interface of the blade"),
        ));
    }
    Ok(text.to_owned())
}

/// IANA name of a time zone; the list is that of the tz database, which is in the public domain.
pub(super) fn timezone(text: &str) -> Result<String, Wrong> {
    let all: Vec<&str> = include_str!("timezones.txt").lines().collect();
    if all.binary_search(&text).is_ok() {
        return Ok(text.to_owned());
    }
    let wrong = Wrong::new(
        format!("Tidssonen «{}» finnes ikke", clip(text)),
        format!("There is no time zone \"{}\"", clip(text)),
    );
    Err(match super::words::nearest(text, &all) {
        Some(near) => wrong.remedy(format!("Mente du «{near}»?"), format!("Did you mean \"{near}\"?")),
        None => wrong.remedy(
            "Skriv for eksempel timezone = \"Europe/Oslo\"",
            "Write for instance timezone = \"Europe/Oslo\"",
        ),
    })
}

/// What stands in the place of a hash in every text that leaves the service.
pub(crate) const KEEP: &str = "keep";

/// crypt(5): yescrypt or SHA-512. The text itself never comes into a message: it may be a password.
pub(super) fn password_hash(text: &str) -> Result<String, Wrong> {
    if is_hash(text) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        "«password_hash» er ikke en hash som kan brukes ($y$ eller $6$)",
        "\"password_hash\" is not a hash that can be used ($y$ or $6$)",
    )
    .remedy(
        "Lag den med «mkpasswd -m yescrypt» eller «openssl passwd -6» og lim inn hele linjen",
        "Make it with \"mkpasswd -m yescrypt\" or \"openssl passwd -6\" and paste the whole line",
    ))
}

fn is_hash(text: &str) -> bool {
    let digits = |part: &str, least: usize, most: usize| {
        (least..=most).contains(&part.len())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'))
    };
    let parts: Vec<&str> = text.split('$').collect();
    match parts[..] {
        ["", "6", salt, hash] => digits(salt, 1, 16) && digits(hash, 86, 86),
        ["", "6", rounds, salt, hash] => {
            rounds
                .strip_prefix("rounds=")
                .and_then(|number| number.parse::<u32>().ok())
                .is_some_and(|number| (1000..=999_999_999).contains(&number))
                && digits(salt, 1, 16)
                && digits(hash, 86, 86)
        }
        ["", "y", parameters, salt, hash] => {
            digits(parameters, 1, 16) && digits(salt, 1, 86) && digits(hash, 43, 43)
        }
        _ => false,
    }
}

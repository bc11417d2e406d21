//! What is taken out of a bundle before it leaves, and the list of it that is shown first.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

use crate::output::Output;

/// A kind of thing that is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Key,
    Hash,
    Secret,
    Mail,
    Identity,
    Phone,
    Account,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Key,
        Self::Hash,
        Self::Secret,
        Self::Mail,
        Self::Identity,
        Self::Phone,
        Self::Account,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Hash => "hash",
            Self::Secret => "secret",
            Self::Mail => "mail",
            Self::Identity => "identity",
            Self::Phone => "phone",
            Self::Account => "account",
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Key => ("private nøkler", "private keys"),
            Self::Hash => ("hasher av passord", "hashes of passwords"),
            Self::Secret => (
                "verdien av passord, hemmeligheter og adgangstegn",
                "values of passwords, secrets, tokens",
            ),
            Self::Mail => ("e-postadresser", "e-mail addresses"),
            Self::Identity => ("fødselsnumre (11 sifre)", "national identity numbers (11 digits)"),
            Self::Phone => ("telefonnumre", "telephone numbers"),
            Self::Account => (
                "navn på kontoer og deres eiere (konto-1 …)",
                "names of accounts and their owners (account-1 …)",
            ),
        }
    }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns are constant, and the tests use each")
}

static KEY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----"));
static HASH: LazyLock<Regex> = LazyLock::new(|| pattern(r#"\$[0-9a-z]{1,4}\$[^\s"'\\]{8,}"#));
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)((?:password|passord|passwd|secret|token|psk|private_?key|api_?key)[a-z_]*\\?["']?\s*[:=]\s*)(\\?"[^"\n]*"|'[^'\n]*'|[^\s,;}]+)"#,
    )
});
static MAIL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"));
static IDENTITY: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[0-9]{6} ?[0-9]{5}\b"));
static PHONE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\+[0-9](?: ?[0-9]){7,14}\b|\b(?:tel|sip|sips):\+?[0-9]{3,}"));

/// Values under the name of a secret that are none.
const HARMLESS: [&str; 4] = ["keep", "changed", "true", "false"];
/// What looks like the domain of an address and is the kind of a unit, such as in `varde-vm@web.service`.
const UNITS: [&str; 6] = [".service", ".socket", ".slice", ".timer", ".target", ".device"];

/// Takes things out, and counts them.
#[derive(Debug, Default)]
pub struct Redactor {
    counts: BTreeMap<Kind, u64>,
    /// Names of people by what stands in their place.
    people: Vec<(String, String)>,
}

impl Redactor {
    /// Accounts of this `site.toml`, by name and title, are called `account-N` from now on.
    pub fn learn(&mut self, toml: &str) {
        let mut in_account = false;
        let mut number = self.people.len();
        for line in toml.lines().map(str::trim) {
            if line.starts_with('[') {
                in_account = line == "[[account]]";
                number += usize::from(in_account);
            }
            let value = line.split_once('=').filter(|_| in_account);
            if let Some((key, value)) = value
                && matches!(key.trim(), "name" | "title")
            {
                let value = value.trim().trim_matches('"');
                // `root` and the like tell nothing about anybody, and a word of the language would go everywhere.
                if value.chars().count() > 2 && !["admin", "operator", "viewer", "root"].contains(&value) {
                    self.people.push((value.to_owned(), format!("account-{number}")));
                }
            }
        }
        // The longest first, so that a name in another one does not spoil it.
        self.people.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    }

    pub fn take_out(&mut self, text: &str) -> String {
        let text = self.replace(Kind::Key, &KEY, text, |_| Some("[key]".to_owned()));
        let text = self.replace(Kind::Hash, &HASH, &text, |_| Some("[hash]".to_owned()));
        let text = self.replace(Kind::Secret, &SECRET, &text, |found| {
            let value = found[2].trim_matches(['"', '\'', '\\']);
            let kept = value.is_empty() || value.starts_with('[') || HARMLESS.contains(&value);
            (!kept).then(|| format!("{}[secret]", &found[1]))
        });
        let text = self.replace(Kind::Mail, &MAIL, &text, |found| {
            let unit = UNITS.iter().any(|end| found[0].ends_with(end));
            (!unit).then(|| "[mail]".to_owned())
        });
        let text = self.replace(Kind::Identity, &IDENTITY, &text, |_| {
            Some("[identity]".to_owned())
        });
        let text = self.replace(Kind::Phone, &PHONE, &text, |_| Some("[phone]".to_owned()));
        self.people(&text)
    }

    fn replace(
        &mut self,
        kind: Kind,
        pattern: &Regex,
        text: &str,
        with: impl Fn(&Captures<'_>) -> Option<String>,
    ) -> String {
        let mut count = 0;
        let out = pattern.replace_all(text, |found: &Captures<'_>| match with(found) {
            Some(other) => {
                count += 1;
                other
            }
            None => found[0].to_owned(),
        });
        *self.counts.entry(kind).or_default() += count;
        out.into_owned()
    }

    /// Whole words only: `ola` is not in `solar`.
    fn people(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, other) in self.people.clone() {
            let mut out = String::with_capacity(text.len());
            let mut rest = text.as_str();
            let mut before = None;
            while let Some(place) = rest.find(&name) {
                let end = place + name.len();
                let left = rest[..place].chars().next_back().or(before);
                let right = rest[end..].chars().next();
                let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                out.push_str(&rest[..place]);
                if inside(left) || inside(right) {
                    out.push_str(&name);
                } else {
                    out.push_str(&other);
                    *self.counts.entry(Kind::Account).or_default() += 1;
                }
                before = name.chars().next_back();
                rest = &rest[end..];
            }
            out.push_str(rest);
            text = out;
        }
        text
    }

    /// How many of each, by name.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let count = |kind: Kind| self.counts.get(&kind).copied().unwrap_or(0);
        Kind::ALL
            .into_iter()
            .map(|kind| (kind.name(), count(kind)))
            .collect()
    }

    /// What is taken out, how often, and what is not.
    pub fn list(&self, output: &Output) -> String {
        let mut text = output.word("Tatt ut:\n", "Taken out:\n").to_owned();
        for kind in Kind::ALL {
            let (nb, en) = kind.words();
            let count = self.counts.get(&kind).copied().unwrap_or(0);
            text += &format!("{count:>6}  {}\n", output.word(nb, en));
        }
        text + output.word(
            "Med: IP-adresser, navn på maskiner og soner, begrunnelser som noen har skrevet,\n\
             og loggen. Les gjennom før den går videre. Skjermbilder av gjester er ikke med.\n",
            "Kept: IP addresses, names of machines and zones, reasons that people wrote, and\n\
             the log. Read it before it goes on. Screens of guests are not in it.\n",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> String {
        let mut redactor = Redactor::default();
        redactor.learn("[[account]]\nname = \"kari\"\ntitle = \"Kari Nordmann\"\nrole = \"admin\"\n[[vm]]\nname = \"web\"\n");
        redactor.take_out(text)
    }

    #[test]
    fn secrets_are_taken_out_wherever_they_stand() {
        for (text, expected) in [
            ("hash = \"$6$salt.salt$abcdefghij\"", "hash = \"[hash]\""),
            ("password = \"hunter2 hunter2\" # x", "password = [secret] # x"),
            (r#"{"api_key":"abc","n":1}"#, r#"{"api_key":[secret],"n":1}"#),
            ("PGPASSWORD=abc psql", "PGPASSWORD=[secret] psql"),
            (
                "a\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\nb",
                "a\n[key]\nb",
            ),
            ("fra ola@fylke.no til", "fra [mail] til"),
            (
                "pasient 01019012345 og 010190 12345.",
                "pasient [identity] og [identity].",
            ),
            (
                "ring +47 22 33 44 55 eller sip:2233",
                "ring [phone] eller [phone]",
            ),
            (
                "kari: start av web (Kari Nordmann)",
                "account-1: start av web (account-1)",
            ),
        ] {
            assert_eq!(out(text), expected);
        }
    }

    #[test]
    fn what_is_needed_to_find_a_fault_stays() {
        for text in [
            "password_hash = \"keep\"",
            "varde-vm@web.service: Failed with result 'exit-code'.",
            "10.20.0.1/24 at 1763848800000, 2026-11-22T01:14:05+01:00, 4294967296 bytes",
            "kariert og karikatur",
            "memory = \"512 MiB\"",
        ] {
            assert_eq!(out(text), text);
        }
    }

    #[test]
    fn what_was_taken_out_is_counted() {
        let mut redactor = Redactor::default();
        redactor.take_out("a@b.no c@d.no +4722334455");
        assert_eq!((redactor.counts()["mail"], redactor.counts()["phone"]), (2, 1));
        assert_eq!(redactor.counts()["account"], 0);
    }
}

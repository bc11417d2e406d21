//! `install.toml`: the answers, for an installation that nobody watches.

use serde::Deserialize;
use varde_site::{Language, Text};

use crate::disks::Wanted;
use crate::{Error, Result};

/// Name of the file on the stick.
pub const FILE: &str = "install.toml";
/// Name of the site's file beside it.
pub const SITE: &str = "site.toml";
/// Far more than any answers take.
pub const LONGEST: u64 = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    pub version: u32,
    #[serde(default)]
    pub language: Language,
    #[serde(default)]
    pub after: After,
    pub disk: Wanted,
}

/// What follows an installation that went well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// Whoever takes the medium out switches the machine on.
    #[default]
    PowerOff,
    Restart,
}

impl Answers {
    pub fn read(text: &str) -> Result<Self> {
        let answers: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text[..span.start.min(text.len())].matches('\n').count() + 1
            });
            let said = error.message();
            Error::Refused(Text::new(
                format!("Feil i {FILE}, linje {line}: {said}. Rett den, og start maskinen på nytt"),
                format!("Fault in {FILE}, line {line}: {said}. Correct it, and start the machine again"),
            ))
        })?;
        if answers.version == 1 {
            return Ok(answers);
        }
        let version = answers.version;
        Err(Error::refused(
            format!("{FILE} er av versjon {version}, og denne utgaven kjenner bare 1"),
            format!("{FILE} is of version {version}, and this release knows only 1"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_are_read_and_what_is_not_said_has_its_usual_value() {
        let answers = Answers::read("version = 1\n[disk]\nserial = \"S1\"\n").unwrap();
        assert_eq!(answers.language, Language::Nb);
        assert_eq!(answers.after, After::PowerOff);
        assert_eq!(answers.disk.serial.as_deref(), Some("S1"));
        let answers = Answers::read(
            "version = 1\nlanguage = \"en\"\nafter = \"restart\"\n[disk]\nat_most = \"2 TiB\"\nerase = \"ABCD\"\n",
        )
        .unwrap();
        assert_eq!(answers.language, Language::En);
        assert_eq!(answers.after, After::Restart);
        assert_eq!(answers.disk.at_most, Some(2 << 40));
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        for (text, line, word) in [
            ("version = 1\n[disk]\nserail = \"S1\"\n", 3, "serail"),
            ("version = 1\n[disk]\nat_least = 400\n", 3, "string"),
            ("version = 1\n[disk]\nat_least = \"400 GB\"\n", 3, "GiB or TiB"),
            ("version = 1\n\nafter = \"reboot\"\n[disk]\n", 3, "reboot"),
            ("version = ", 1, ""),
            ("version = 1\n", 1, "disk"),
        ] {
            let said = Answers::read(text).unwrap_err().text();
            assert!(said.en.contains(&format!("line {line}:")), "{said}");
            assert!(said.en.contains(word) && said.nb.contains("linje"), "{said}");
        }
        let said = Answers::read("version = 2\n[disk]\n").unwrap_err().text();
        assert!(said.en.contains("version 2"), "{said}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fall_over(text in ".{0,300}") {
            let _ = Answers::read(&text);
            let _ = Answers::read(&format!("version = 1\n[disk]\n{text}"));
        }
    }
}

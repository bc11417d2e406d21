//! The sentences that several checks share, and the search for the name that was meant.

use toml::de::DeValue;

use super::reader::Key;
use crate::Text;

/// What kind of value stands somewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Float,
    Boolean,
    Date,
    List,
    Table,
}

impl Kind {
    pub(super) fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(_) => Self::Text,
            DeValue::Integer(_) => Self::Integer,
            DeValue::Float(_) => Self::Float,
            DeValue::Boolean(_) => Self::Boolean,
            DeValue::Datetime(_) => Self::Date,
            DeValue::Array(_) => Self::List,
            DeValue::Table(_) => Self::Table,
        }
    }

    fn nb(self) -> &'static str {
        match self {
            Self::Text => "tekst i anførselstegn",
            Self::Integer => "et heltall",
            Self::Float => "et desimaltall",
            Self::Boolean => "true eller false",
            Self::Date => "en dato",
            Self::List => "en liste",
            Self::Table => "en tabell",
        }
    }

    fn en(self) -> &'static str {
        match self {
            Self::Text => "text in quotes",
            Self::Integer => "a whole number",
            Self::Float => "a decimal number",
            Self::Boolean => "true or false",
            Self::Date => "a date",
            Self::List => "a list",
            Self::Table => "a table",
        }
    }
}

pub(super) fn wrong_kind(key: &str, expected: Kind, found: Kind, example: &str) -> (Text, Text) {
    (
        Text::new(
            format!("«{key}» skal være {}, ikke {}", expected.nb(), found.nb()),
            format!("\"{key}\" must be {}, not {}", expected.en(), found.en()),
        ),
        write_for_instance(key, example),
    )
}

pub(super) fn not_a_table(name: &str, found: Kind) -> (Text, Text) {
    let shape = if name.starts_with("[[") {
        Text::new("en rekke tabeller", "a series of tables")
    } else {
        Text::new("en tabell", "a table")
    };
    (
        Text::new(
            format!("{name} skal være {}, ikke {}", shape.nb, found.nb()),
            format!("{name} must be {}, not {}", shape.en, found.en()),
        ),
        Text::new(
            format!("Skriv {name} på en egen linje, med nøklene på linjene under"),
            format!("Write {name} on a line of its own, with its keys on the lines below"),
        ),
    )
}

pub(super) fn missing(table: &str, key: &str, example: &str) -> (Text, Text) {
    (
        Text::new(
            format!("{table} mangler «{key}»"),
            format!("{table} lacks \"{key}\""),
        ),
        write_for_instance(key, example),
    )
}

pub(super) fn unknown_key(table: &str, key: &str, known: &[Key]) -> (Text, Text) {
    let names: Vec<&str> = known.iter().map(|key| key.name).collect();
    (
        Text::new(
            format!("{table} har ingen nøkkel «{}»", clip(key)),
            format!("{table} has no key \"{}\"", clip(key)),
        ),
        instead_of(key, &names),
    )
}

/// Names the nearest of `names`, or all of them.
pub(super) fn instead_of(word: &str, names: &[&str]) -> Text {
    if let Some(near) = nearest(word, names) {
        return Text::new(format!("Mente du «{near}»?"), format!("Did you mean \"{near}\"?"));
    }
    if names.is_empty() {
        return Text::new("Ta det bort", "Remove it");
    }
    let all = names.join(", ");
    Text::new(
        format!("Dette finnes: {}", clip_to(&all, 300)),
        format!("These exist: {}", clip_to(&all, 300)),
    )
}

pub(super) fn write_for_instance(key: &str, example: &str) -> Text {
    if example.starts_with('[') && !example.starts_with("[\"") {
        return Text::new(
            format!("Skriv for eksempel {example}"),
            format!("Write for instance {example}"),
        );
    }
    Text::new(
        format!("Skriv for eksempel {key} = {example}"),
        format!("Write for instance {key} = {example}"),
    )
}

/// The name that was most likely meant, the first of several: a third of its letters may differ.
pub(super) fn nearest<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    // A word much longer than any name is none of them, and its distance would be dear to compute.
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    names
        .iter()
        .map(|name| (strsim::osa_distance(&lower, &name.to_lowercase()), *name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .map(|(_, name)| name)
}

/// A word of the file as it can stand in a message.
pub(super) fn clip(word: &str) -> String {
    clip_to(word, 60)
}

fn clip_to(word: &str, most: usize) -> String {
    let plain = |character: char| if character.is_control() { '?' } else { character };
    if word.chars().count() <= most {
        return word.chars().map(plain).collect();
    }
    word.chars().take(most).map(plain).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["name", "title", "memory", "zone"];
        assert_eq!(nearest("memroy", &names), Some("memory"));
        assert_eq!(nearest("Name", &names), Some("name"));
        assert_eq!(nearest("zones", &names), Some("zone"));
        assert_eq!(nearest("network", &names), None);
        assert_eq!(nearest("", &names), None);
    }

    #[test]
    fn a_message_holds_no_control_characters_and_no_flood() {
        assert_eq!(clip("a\u{1b}[2Jb"), "a?[2Jb");
        assert_eq!(clip(&"x".repeat(1000)).chars().count(), 61);
    }
}

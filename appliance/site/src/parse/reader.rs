//! Reads the tables of a parsed file and collects what is wrong with them, each with its place.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::Lines;
use super::words::{self, Kind, clip, instead_of};
use crate::{Finding, Text};

/// A file with more faults than this is not the file that somebody meant; the rest are counted, not told.
const MOST_FINDINGS: usize = 100;

/// A value and the byte where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

impl<T> At<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At {
            value: change(self.value),
            at: self.at,
        }
    }
}

/// Why a value does not do, and what to write instead where the key's example is not the best answer.
pub(super) struct Wrong {
    pub(super) text: Text,
    pub(super) remedy: Option<Text>,
}

impl Wrong {
    pub(super) fn new(nb: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            text: Text::new(nb, en),
            remedy: None,
        }
    }

    pub(super) fn remedy(self, nb: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            remedy: Some(Text::new(nb, en)),
            ..self
        }
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, Wrong> {
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    Err(Wrong {
        text: Text::new(
            format!("«{}» er ikke et valg her", clip(text)),
            format!("\"{}\" is no choice here", clip(text)),
        ),
        remedy: Some(instead_of(text, &names)),
    })
}

/// A key that a table may have, with a value as it could be written.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) example: &'static str,
}

pub(super) const fn key(name: &'static str, example: &'static str) -> Key {
    Key { name, example }
}

/// The findings so far.
pub(super) struct Reader<'t> {
    lines: Lines<'t>,
    findings: Vec<(usize, Finding)>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            lines: Lines::of(text),
            findings: Vec::new(),
        }
    }

    pub(super) fn line(&self, at: usize) -> u32 {
        self.lines.place(at).0
    }

    pub(super) fn fault(&mut self, at: usize, text: Text, remedy: Text) {
        let (line, column) = self.lines.place(at);
        let finding = Finding {
            line,
            column,
            text,
            remedy,
        };
        self.findings.push((at, finding));
    }

    pub(super) fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// In the order of the file.
    pub(super) fn findings(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|(at, _)| *at);
        let left_out = self.findings.len().saturating_sub(MOST_FINDINGS);
        self.findings.truncate(MOST_FINDINGS);
        let mut findings: Vec<Finding> = self.findings.into_iter().map(|(_, finding)| finding).collect();
        if left_out > 0
            && let Some(last) = findings.last().cloned()
        {
            findings.push(Finding {
                text: Text::new(
                    format!("{left_out} feil til er ikke vist"),
                    format!("{left_out} more faults are not shown"),
                ),
                remedy: Text::new("Rett disse først", "Correct these first"),
                ..last
            });
        }
        findings
    }
}

/// A table of the file whose keys are known.
pub(super) struct Table<'a, 'i> {
    /// As it is written, such as `[[vm]]`.
    pub(super) name: &'static str,
    pub(super) at: usize,
    keys: &'static [Key],
    entries: &'a DeTable<'i>,
}

impl<'a, 'i> Table<'a, 'i> {
    /// Refuses what is not a table, and every key that `keys` does not have.
    pub(super) fn open(
        reader: &mut Reader<'_>,
        name: &'static str,
        keys: &'static [Key],
        value: &'a Spanned<DeValue<'i>>,
    ) -> Option<Self> {
        let DeValue::Table(entries) = value.get_ref() else {
            let (text, remedy) = words::not_a_table(name, Kind::of(value.get_ref()));
            reader.fault(value.span().start, text, remedy);
            return None;
        };
        Some(Self::over(reader, name, keys, entries, value.span().start))
    }

    pub(super) fn over(
        reader: &mut Reader<'_>,
        name: &'static str,
        keys: &'static [Key],
        entries: &'a DeTable<'i>,
        at: usize,
    ) -> Self {
        for key in entries.keys() {
            if !keys.iter().any(|known| known.name == key.get_ref()) {
                let (text, remedy) = words::unknown_key(name, key.get_ref(), keys);
                reader.fault(key.span().start, text, remedy);
            }
        }
        Self {
            name,
            at,
            keys,
            entries,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        debug_assert!(self.keys.iter().any(|known| known.name == key), "{key}");
        self.entries.get(key)
    }

    fn example(&self, key: &str) -> &'static str {
        self.keys
            .iter()
            .find(|known| known.name == key)
            .map_or("", |known| known.example)
    }

    /// Says that `key` is missing unless it is there.
    pub(super) fn require(&self, reader: &mut Reader<'_>, key: &str) {
        if self.get(key).is_none() {
            let (text, remedy) = words::missing(self.name, key, self.example(key));
            reader.fault(self.at, text, remedy);
        }
    }

    /// A fault of the value of `key` in the words of `wrong`.
    pub(super) fn wrong(&self, reader: &mut Reader<'_>, key: &str, at: usize, wrong: Wrong) {
        let remedy = wrong
            .remedy
            .unwrap_or_else(|| words::write_for_instance(key, self.example(key)));
        reader.fault(at, wrong.text, remedy);
    }

    fn wrong_kind(&self, reader: &mut Reader<'_>, key: &str, value: &Spanned<DeValue<'_>>, expected: Kind) {
        let (text, remedy) = words::wrong_kind(key, expected, Kind::of(value.get_ref()), self.example(key));
        reader.fault(value.span().start, text, remedy);
    }

    pub(super) fn text(&self, reader: &mut Reader<'_>, key: &str) -> Option<At<&'a str>> {
        let value = self.get(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.wrong_kind(reader, key, value, Kind::Text);
            return None;
        };
        Some(At {
            value: text,
            at: value.span().start,
        })
    }

    /// A text that `read` makes into something.
    pub(super) fn parsed<T>(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        read: impl FnOnce(&'a str) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let text = self.text(reader, key)?;
        match read(text.value) {
            Ok(value) => Some(At { value, at: text.at }),
            Err(wrong) => {
                self.wrong(reader, key, text.at, wrong);
                None
            }
        }
    }

    pub(super) fn integer(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Option<At<u64>> {
        let value = self.get(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_kind(reader, key, value, Kind::Integer);
            return None;
        };
        let at = value.span().start;
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(value) if range.contains(&value) => Some(At { value, at }),
            _ => {
                let (low, high) = (range.start(), range.end());
                self.wrong(
                    reader,
                    key,
                    at,
                    Wrong::new(
                        format!("«{key}» skal være fra {low} til {high}, ikke {integer}"),
                        format!("\"{key}\" must be from {low} to {high}, not {integer}"),
                    ),
                );
                None
            }
        }
    }

    pub(super) fn boolean(&self, reader: &mut Reader<'_>, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        if let DeValue::Boolean(boolean) = value.get_ref() {
            return Some(*boolean);
        }
        self.wrong_kind(reader, key, value, Kind::Boolean);
        None
    }

    /// A list of texts; empty where the key is missing.
    pub(super) fn texts(&self, reader: &mut Reader<'_>, key: &str) -> Vec<At<&'a str>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_kind(reader, key, value, Kind::List);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in array {
            match item.get_ref() {
                DeValue::String(text) => texts.push(At {
                    value: &**text,
                    at: item.span().start,
                }),
                _ => self.wrong_kind(reader, key, item, Kind::Text),
            }
        }
        texts
    }

    /// The tables of `[[key]]`; none where it is missing.
    pub(super) fn tables(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        name: &'static str,
        keys: &'static [Key],
    ) -> Vec<Table<'a, 'i>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let DeValue::Array(array) = value.get_ref() else {
            let (text, remedy) = words::not_a_table(name, Kind::of(value.get_ref()));
            reader.fault(value.span().start, text, remedy);
            return Vec::new();
        };
        array
            .iter()
            .filter_map(|item| Table::open(reader, name, keys, item))
            .collect()
    }
}

//! One record as one line: its canonical form and its hash.
//!
//! A line is JSON with exactly these members in this order, no white space, and only the escapes that JSON demands:
//!
//! ```text
//! {"sequence":2,"when":1763848800000,"who":"kari","verb":"vm.start","subject":"journal","why":"",
//!  "outcome":"begun","detail":"","of":0,"previous":"<64 hexadecimal digits>","hash":"<64 hexadecimal digits>"}
//! ```
//!
//! The hash is the SHA-256 of the line without its `,"hash":"…"`. `previous` is the hash of the record before, and 64
//! zeros in the first. A line in any other form is a fault, even where it means the same, so each byte counts.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use varde_bus::audit::Record;

/// A hash in hexadecimal.
pub type Hash = String;

/// What the first record has for the one before it.
pub const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A record and its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub record: Record,
    pub previous: Hash,
    pub hash: Hash,
}

/// What is wrong with a line by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not a record.
    Unreadable,
    /// It is a record, but not what its hash was made of. Holds its number as it stands.
    Altered(u64),
}

#[derive(Serialize)]
struct Sealed<'a> {
    #[serde(flatten)]
    body: Body<'a>,
    hash: &'a str,
}

/// Fields in the order of the line: serde writes them as they stand here.
#[derive(Clone, Copy, Serialize)]
struct Body<'a> {
    sequence: u64,
    when: i64,
    who: &'a str,
    verb: &'a str,
    subject: &'a str,
    why: &'a str,
    outcome: &'a str,
    detail: &'a str,
    of: u64,
    previous: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parsed {
    sequence: u64,
    when: i64,
    who: String,
    verb: String,
    subject: String,
    why: String,
    outcome: String,
    detail: String,
    of: u64,
    previous: Hash,
    hash: Hash,
}

impl Link {
    /// Ties a record to the one before it.
    pub fn new(record: Record, previous: Hash) -> Self {
        let hash = digest(&record, &previous);
        Self {
            record,
            previous,
            hash,
        }
    }

    /// The line, with its end.
    pub fn to_line(&self) -> String {
        let sealed = Sealed {
            body: body(&self.record, &self.previous),
            hash: &self.hash,
        };
        let mut line = serde_json::to_string(&sealed).expect("strings and numbers always have a JSON form");
        line.push('\n');
        line
    }

    /// Reads a line without its end.
    pub fn parse(bytes: &[u8]) -> Result<Self, Flaw> {
        let parsed: Parsed = serde_json::from_slice(bytes).map_err(|_| Flaw::Unreadable)?;
        let link = Self {
            record: Record {
                sequence: parsed.sequence,
                when: parsed.when,
                who: parsed.who,
                verb: parsed.verb,
                subject: parsed.subject,
                why: parsed.why,
                outcome: parsed.outcome,
                detail: parsed.detail,
                of: parsed.of,
            },
            previous: parsed.previous,
            hash: parsed.hash,
        };
        let own = link.to_line();
        if own.as_bytes().strip_suffix(b"\n") != Some(bytes)
            || digest(&link.record, &link.previous) != link.hash
        {
            return Err(Flaw::Altered(link.record.sequence));
        }
        Ok(link)
    }
}

fn body<'a>(record: &'a Record, previous: &'a str) -> Body<'a> {
    Body {
        sequence: record.sequence,
        when: record.when,
        who: &record.who,
        verb: &record.verb,
        subject: &record.subject,
        why: &record.why,
        outcome: &record.outcome,
        detail: &record.detail,
        of: record.of,
        previous,
    }
}

fn digest(record: &Record, previous: &str) -> Hash {
    let text =
        serde_json::to_vec(&body(record, previous)).expect("strings and numbers always have a JSON form");
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> impl Strategy<Value = Record> {
        (any::<u64>(), any::<i64>(), any::<[String; 6]>(), any::<u64>()).prop_map(
            |(sequence, when, [who, verb, subject, why, outcome, detail], of)| Record {
                sequence,
                when,
                who,
                verb,
                subject,
                why,
                outcome,
                detail,
                of,
            },
        )
    }

    proptest! {
        #[test]
        fn every_record_comes_back_from_its_line(record in record()) {
            let link = Link::new(record, NONE.to_owned());
            let line = link.to_line();
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert_eq!(Link::parse(line.trim_end_matches('\n').as_bytes()), Ok(link));
        }

        #[test]
        fn no_byte_of_a_line_can_change(record in record(), place in any::<prop::sample::Index>(), other in 1u8..=255) {
            let mut line = Link::new(record, NONE.to_owned()).to_line().into_bytes();
            line.pop();
            let place = place.index(line.len());
            line[place] ^= other;
            prop_assert!(Link::parse(&line).is_err());
        }

        #[test]
        fn any_bytes_at_all_are_read_without_a_panic(bytes in any::<Vec<u8>>()) {
            let _ = Link::parse(&bytes);
        }
    }

    #[test]
    fn the_hash_is_that_of_the_line_without_it() {
        let record = Record {
            sequence: 7,
            when: 12,
            who: "åse".into(),
            verb: "vm.start".into(),
            subject: "journal".into(),
            why: "\"test\"\u{1b}".into(),
            outcome: "begun".into(),
            detail: String::new(),
            of: 0,
        };
        let link = Link::new(record, NONE.to_owned());
        let whole = link.to_line();
        let (text, _) = whole.split_once(",\"hash\":").unwrap();
        assert_eq!(hex(&Sha256::digest(format!("{text}}}"))), link.hash);
        assert_eq!(
            text,
            format!(
                r#"{{"sequence":7,"when":12,"who":"åse","verb":"vm.start","subject":"journal","why":"\"test\"\u001b","outcome":"begun","detail":"","of":0,"previous":"{NONE}""#
            )
        );
    }

    #[test]
    fn another_spelling_of_the_same_record_is_an_alteration() {
        let record = Record {
            sequence: 7,
            when: 12,
            who: "a".into(),
            verb: String::new(),
            subject: String::new(),
            why: String::new(),
            outcome: String::new(),
            detail: String::new(),
            of: 0,
        };
        let line = Link::new(record, NONE.to_owned()).to_line();
        let spelt = line.trim_end().replace(r#""who":"a""#, r#""who":"\u0061""#);
        assert_eq!(Link::parse(spelt.as_bytes()), Err(Flaw::Altered(7)));
    }
}

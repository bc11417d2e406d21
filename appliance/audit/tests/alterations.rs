//! Whatever is done to the files of a chain by somebody else is found.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use sha2::{Digest, Sha256};
use support::{Memory, begun, check, done, open, records};
use varde_audit::head::{HEAD, Head};
use varde_audit::verify::{Snapshot, verify};

type Files = BTreeMap<String, Vec<u8>>;

/// A hand laid on a chain.
#[derive(Clone, Debug)]
enum Hand {
    Flip {
        file: Index,
        byte: Index,
        with: u8,
    },
    CutOut {
        file: Index,
        from: Index,
        to: Index,
    },
    CutEnd {
        file: Index,
        at: Index,
    },
    Put {
        file: Index,
        at: Index,
        bytes: Vec<u8>,
    },
    DropLine {
        line: Index,
    },
    DropLines {
        from: Index,
        to: Index,
    },
    RepeatLine {
        line: Index,
        to: Index,
    },
    SwapLines {
        one: Index,
        other: Index,
    },
    /// Another text with the right hash.
    Rewrite {
        line: Index,
        why: String,
    },
    /// A record of somebody's own, tied to the one before it.
    Forge {
        after: Index,
    },
    DropFile {
        file: Index,
    },
    SwapFiles {
        one: Index,
        other: Index,
    },
    EmptyFile {
        file: Index,
    },
}

fn hand() -> impl Strategy<Value = Hand> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), at(), 1u8..=255).prop_map(|(file, byte, with)| Hand::Flip { file, byte, with }),
        2 => (at(), at(), at()).prop_map(|(file, from, to)| Hand::CutOut { file, from, to }),
        2 => (at(), at()).prop_map(|(file, at)| Hand::CutEnd { file, at }),
        2 => (at(), at(), any::<Vec<u8>>()).prop_map(|(file, at, bytes)| Hand::Put { file, at, bytes }),
        1 => at().prop_map(|line| Hand::DropLine { line }),
        1 => (at(), at()).prop_map(|(from, to)| Hand::DropLines { from, to }),
        1 => (at(), at()).prop_map(|(line, to)| Hand::RepeatLine { line, to }),
        1 => (at(), at()).prop_map(|(one, other)| Hand::SwapLines { one, other }),
        3 => (at(), "[a-zæøå ]{0,12}").prop_map(|(line, why)| Hand::Rewrite { line, why }),
        1 => at().prop_map(|after| Hand::Forge { after }),
        1 => at().prop_map(|file| Hand::DropFile { file }),
        1 => (at(), at()).prop_map(|(one, other)| Hand::SwapFiles { one, other }),
        1 => at().prop_map(|file| Hand::EmptyFile { file }),
    ]
}

/// All lines of the segments, and putting them back where files begin with the lines that they began with.
fn lines(files: &Files) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| *name != HEAD) {
        let text = String::from_utf8(bytes.clone()).unwrap();
        all.extend(text.lines().map(|line| (name.clone(), line.to_owned())));
    }
    all
}

fn put_back(files: &mut Files, lines: &[(String, String)]) {
    for (name, bytes) in files.iter_mut() {
        if name != HEAD {
            bytes.clear();
        }
    }
    for (name, line) in lines {
        let bytes = files.get_mut(name).unwrap();
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
}

/// The line with a right hash: how a forger who reads the documentation would do it.
fn rehash(line: &str) -> String {
    let (text, _) = line.split_once(",\"hash\":").unwrap();
    let mut hash = String::new();
    for byte in Sha256::digest(format!("{text}}}")) {
        write!(hash, "{byte:02x}").unwrap();
    }
    format!("{text},\"hash\":\"{hash}\"}}")
}

fn member<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!("\"{name}\":")).unwrap();
    rest.split([',', '}']).next().unwrap()
}

fn range(from: Index, to: Index, length: usize) -> std::ops::Range<usize> {
    let (from, to) = (from.index(length + 1), to.index(length + 1));
    from.min(to)..from.max(to)
}

fn lay(files: &mut Files, hand: &Hand) {
    let names: Vec<String> = files.keys().cloned().collect();
    let name = |index: &Index| names[index.index(names.len())].clone();
    let mut all = lines(files);
    match hand {
        Hand::Flip { file, byte, with } => {
            let bytes = files.get_mut(&name(file)).unwrap();
            let place = byte.index(bytes.len());
            bytes[place] ^= with;
        }
        Hand::CutOut { file, from, to } => {
            let bytes = files.get_mut(&name(file)).unwrap();
            bytes.drain(range(*from, *to, bytes.len()));
        }
        Hand::CutEnd { file, at } => {
            let bytes = files.get_mut(&name(file)).unwrap();
            bytes.truncate(at.index(bytes.len()));
        }
        Hand::Put { file, at, bytes: new } => {
            let bytes = files.get_mut(&name(file)).unwrap();
            let place = at.index(bytes.len() + 1);
            bytes.splice(place..place, new.iter().copied());
        }
        Hand::DropLine { line } => {
            all.remove(line.index(all.len()));
            put_back(files, &all);
        }
        Hand::DropLines { from, to } => {
            all.drain(range(*from, *to, all.len()));
            put_back(files, &all);
        }
        Hand::RepeatLine { line, to } => {
            let (_, line) = all[line.index(all.len())].clone();
            let to = to.index(all.len());
            all.insert(to, (all[to].0.clone(), line));
            put_back(files, &all);
        }
        Hand::SwapLines { one, other } => {
            let (one, other) = (one.index(all.len()), other.index(all.len()));
            let line = all[one].1.clone();
            all[one].1 = std::mem::replace(&mut all[other].1, line);
            put_back(files, &all);
        }
        Hand::Rewrite { line, why } => {
            let place = line.index(all.len());
            let line = &mut all[place].1;
            *line = rehash(&line.replace("\"why\":\"prøve\"", &format!("\"why\":\"{why}\"")));
            put_back(files, &all);
        }
        Hand::Forge { after } => {
            let after = after.index(all.len());
            let (file, before) = all[after].clone();
            let next: u64 = member(&before, "sequence").parse::<u64>().unwrap() + 1;
            let line = before
                .replace(
                    &format!("\"sequence\":{}", next - 1),
                    &format!("\"sequence\":{next}"),
                )
                .replace(member(&before, "previous"), member(&before, "hash"));
            all.insert(after + 1, (file, rehash(&line)));
            put_back(files, &all);
        }
        Hand::DropFile { file } => {
            files.remove(&name(file));
        }
        Hand::SwapFiles { one, other } => {
            let bytes = files[&name(one)].clone();
            let other = files.insert(name(other), bytes).unwrap();
            files.insert(name(one), other);
        }
        Hand::EmptyFile { file } => files.get_mut(&name(file)).unwrap().clear(),
    }
}

/// A chain of several files, and what its writer wrote last.
static CHAIN: LazyLock<(Head, Files)> = LazyLock::new(|| {
    let disk = Memory::new();
    let mut chain = open(&disk);
    for number in 0..10 {
        let begun = chain.append(begun("journal"), number).unwrap();
        chain.append(done(begun.sequence), number).unwrap();
    }
    assert_eq!(check(&mut chain).faults, []);
    let files = disk.files();
    assert!(files.len() > 4, "{:?}", files.keys());
    (chain.head().clone(), files)
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_alteration_is_found(hand in hand()) {
        let (head, before) = &*CHAIN;
        let mut files = before.clone();
        lay(&mut files, &hand);
        prop_assume!(files != *before);
        let disk = Memory::of(files);
        let verdict = verify(&*disk, &Snapshot::of(&*disk, head.clone()).unwrap()).unwrap();
        prop_assert!(!verdict.faults.is_empty(), "{:?}", hand);
        // Each names a record or a line by its number, or the file `head`.
        for fault in &verdict.faults {
            for said in [&fault.nb, &fault.en] {
                let named = said.contains(|c: char| c.is_ascii_digit()) || said.contains("head");
                prop_assert!(named, "{:?}: {}", hand, said);
            }
        }
    }

    #[test]
    fn an_alteration_while_the_service_is_down_stays_found(hand in hand()) {
        let (_, before) = &*CHAIN;
        let mut files = before.clone();
        lay(&mut files, &hand);
        prop_assume!(files != *before);
        let disk = Memory::of(files);
        let mut chain = open(&disk);
        chain.settle(99).unwrap();
        chain.append(begun("after"), 100).unwrap();
        let noted = records(&chain)
            .iter()
            .any(|record| record.verb == "audit.damaged" || record.verb == "audit.recovered");
        prop_assert!(noted || !check(&mut chain).faults.is_empty(), "{:?}", hand);
    }
}

//! Reads the whole chain back and names what was cut, altered or moved.
//!
//! Three things hold a record in place: its own hash (nothing in it was changed), the hash that the next one has of it
//! (it was not exchanged for another whole one), and its number (none is missing, none stands twice or elsewhere). The
//! end of the chain, which has no next one, is held by `head`, on disk and in the memory of the writer.

use std::collections::VecDeque;

use varde_bus::Text;
use varde_bus::audit::Verdict;

use crate::Error;
use crate::chain::{first_of, noted, segments};
use crate::disk::Disk;
use crate::head::{HEAD, Head};
use crate::line::{Flaw, Link};

/// More faults than these are counted, not told.
const MOST: usize = 100;

/// What is on disk at one moment, for a reader that does not hold up the writer. Files before the last one do not
/// change any more.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Oldest first, but for the last one.
    pub segments: Vec<String>,
    /// The last file.
    pub last: Option<(String, Vec<u8>)>,
    /// What the writer wrote last.
    pub head: Head,
    /// What the disk has for it.
    pub noted: Option<Head>,
}

impl Snapshot {
    pub fn of<D: Disk>(disk: &D, head: Head) -> Result<Self, Error> {
        let mut segments = segments(disk)?;
        let last = match segments.pop() {
            Some(name) => {
                let bytes = disk.read(&name).map_err(Error::disk("read", &name))?;
                Some((name, bytes))
            }
            None => None,
        };
        Ok(Self {
            segments,
            last,
            head,
            noted: noted(disk)?,
        })
    }
}

/// Checks what was on `disk` at the moment of `snapshot`.
pub fn verify<D: Disk>(disk: &D, snapshot: &Snapshot) -> Result<Verdict, Error> {
    let mut check = Check::default();
    for name in &snapshot.segments {
        check.segment(name, &disk.read(name).map_err(Error::disk("read", name))?);
    }
    if let Some((name, bytes)) = &snapshot.last {
        check.segment(name, bytes);
    }
    check.end(&snapshot.head, snapshot.noted.as_ref());
    Ok(check.verdict())
}

#[derive(Debug, Default)]
struct Check {
    /// Records that are what was written and stand where they belong.
    records: u64,
    /// What the last readable record was.
    last: Head,
    /// Lines since then that are no records. They have been told of; each may stand where a record did.
    broken: u64,
    faults: VecDeque<Text>,
    untold: usize,
}

impl Check {
    fn fault(&mut self, nb: String, en: String) {
        if self.faults.len() < MOST {
            self.faults.push_back(Text::new(nb, en));
        } else {
            self.untold += 1;
        }
    }

    fn segment(&mut self, name: &str, bytes: &[u8]) {
        if bytes.is_empty() {
            // Room for the next record, which the writer has made and not used yet.
            if first_of(name) != Some(self.last.sequence + 1) {
                self.fault(format!("{name} er tom"), format!("{name} is empty"));
            }
            return;
        }
        let mut first = true;
        for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let number = number + 1;
            let Some(line) = line.strip_suffix(b"\n") else {
                self.broken += 1;
                self.fault(
                    format!("{name} slutter midt i en innførsel, på linje {number}"),
                    format!("{name} ends in the middle of a record, on line {number}"),
                );
                continue;
            };
            match Link::parse(line) {
                Err(Flaw::Unreadable) => {
                    self.broken += 1;
                    self.fault(
                        format!("{name} linje {number} er ingen innførsel: den er ødelagt eller satt inn"),
                        format!("{name} line {number} is no record: it was damaged or put in"),
                    );
                }
                Err(Flaw::Altered(sequence)) => {
                    self.broken += 1;
                    self.fault(
                        format!("innførsel {sequence} ({name} linje {number}) er endret"),
                        format!("record {sequence} ({name} line {number}) was altered"),
                    );
                }
                Ok(found) => {
                    if first && first_of(name) != Some(found.record.sequence) {
                        self.fault(
                            format!("{name} begynner med innførsel {}", found.record.sequence),
                            format!("{name} begins with record {}", found.record.sequence),
                        );
                    }
                    self.link(&found);
                }
            }
            first = false;
        }
    }

    fn link(&mut self, link: &Link) {
        let sequence = link.record.sequence;
        let expected = self.last.sequence + 1;
        let broken = std::mem::take(&mut self.broken);
        if sequence < expected {
            self.fault(
                format!(
                    "innførsel {sequence} står etter innførsel {}: flyttet eller satt inn to ganger",
                    self.last.sequence
                ),
                format!(
                    "record {sequence} stands after record {}: moved, or put in twice",
                    self.last.sequence
                ),
            );
            // What follows is judged against the record that belongs there, not against this one.
            return;
        }
        let gap = sequence - expected;
        if gap > broken {
            self.missing(expected, sequence - 1);
        } else if gap == 0 && link.previous != self.last.hash {
            self.exchanged(sequence);
        }
        self.records += 1;
        self.last = Head {
            sequence,
            hash: link.hash.clone(),
        };
    }

    fn exchanged(&mut self, sequence: u64) {
        let before = self.last.sequence;
        if before == 0 {
            self.fault(
                "innførsel 1 er ikke den første: det som sto foran, er fjernet".to_owned(),
                "record 1 is not the first: what stood before was removed".to_owned(),
            );
        } else {
            self.fault(
                format!("innførsel {before} er ikke den som innførsel {sequence} ble knyttet til: en av dem er byttet ut"),
                format!("record {before} is not the one that record {sequence} was tied to: one of them was exchanged"),
            );
        }
    }

    fn missing(&mut self, from: u64, to: u64) {
        if from == to {
            self.fault(
                format!("innførsel {from} mangler"),
                format!("record {from} is missing"),
            );
        } else {
            self.fault(
                format!("innførslene {from} til {to} mangler"),
                format!("records {from} to {to} are missing"),
            );
        }
    }

    fn end(&mut self, head: &Head, noted: Option<&Head>) {
        if noted != Some(head) {
            self.fault(
                format!(
                    "{HEAD} sier ikke lenger hvilken innførsel som er den siste: det skulle vært {}",
                    head.sequence
                ),
                format!(
                    "{HEAD} no longer says which record is the last: it should be record {}",
                    head.sequence
                ),
            );
        }
        if self.last.sequence < head.sequence {
            if head.sequence - self.last.sequence > self.broken {
                self.missing(self.last.sequence + 1, head.sequence);
            }
        } else if self.last.sequence > head.sequence {
            self.fault(
                format!(
                    "etter innførsel {} står innførsler som tjenesten ikke har skrevet",
                    head.sequence
                ),
                format!(
                    "after record {} stand records that the service did not write",
                    head.sequence
                ),
            );
        } else if self.last.hash != head.hash {
            self.fault(
                format!("innførsel {} er ikke den som ble skrevet", head.sequence),
                format!("record {} is not the one that was written", head.sequence),
            );
        }
    }

    fn verdict(mut self) -> Verdict {
        if self.untold > 0 {
            let untold = self.untold;
            self.faults.push_back(Text::new(
                format!("og {untold} feil til"),
                format!("and {untold} faults more"),
            ));
        }
        Verdict {
            records: self.records,
            faults: self.faults.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_chain_is_whole() {
        let mut check = Check::default();
        check.end(&Head::default(), Some(&Head::default()));
        assert_eq!(check.verdict().faults, []);
    }
}

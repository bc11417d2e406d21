//! How a chain ends on disk when its writer opens it: whole, torn by a power cut, or damaged.

use varde_bus::audit::Entry;

use crate::Error;
use crate::disk::Disk;
use crate::head::{HEAD, Head};
use crate::line::Link;

/// Something that is to be recorded about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub verb: &'static str,
    pub detail: String,
}

impl Note {
    pub fn entry(self) -> Entry {
        Entry {
            who: "varde-auditd".to_owned(),
            verb: self.verb.to_owned(),
            subject: "audit".to_owned(),
            why: String::new(),
            outcome: "event".to_owned(),
            detail: self.detail,
            of: 0,
        }
    }
}

fn recovered(detail: String) -> Note {
    Note {
        verb: "audit.recovered",
        detail,
    }
}

fn damaged(detail: String) -> Note {
    Note {
        verb: "audit.damaged",
        detail,
    }
}

/// Where the chain ends, and what is to be done about how it ends.
#[derive(Debug)]
pub struct End {
    pub head: Head,
    pub notes: Vec<Note>,
    /// A line that nobody was told of is torn: its file is cut back to this length.
    pub shorten: Option<(String, u64)>,
    /// A damaged file does not end with a line: it gets an end, so that the next record does not become part of it.
    pub unfinished: Option<String>,
}

impl End {
    pub fn find<D: Disk>(disk: &D, names: &[String], head: Option<&Head>) -> Result<Self, Error> {
        let mut end = Self {
            head: head.cloned().unwrap_or_default(),
            notes: Vec::new(),
            shorten: None,
            unfinished: None,
        };
        if names.is_empty() {
            if end.head.sequence > 0 {
                end.notes.push(damaged(format!(
                    "all records up to {} are gone",
                    end.head.sequence
                )));
            }
            return Ok(end);
        }
        // The last acknowledged record is in the last file but two at the earliest: see `begin_segment`, and the last
        // file may still be empty.
        let mut met = head.is_some_and(|head| head.sequence == 0);
        let mut newest = head.filter(|_| met).cloned();
        let mut beyond = 0u64;
        for (place, name) in names.iter().enumerate().skip(names.len().saturating_sub(3)) {
            let bytes = disk.read(name).map_err(Error::disk("read", name))?;
            let last = place + 1 == names.len();
            let mut good = 0;
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let link = line.strip_suffix(b"\n").map(Link::parse);
                let Some(Ok(link)) = link else {
                    if met {
                        break;
                    }
                    good += line.len();
                    continue;
                };
                if met && newest.as_ref().is_some_and(|newest| newest.hash != link.previous) {
                    break;
                }
                beyond += u64::from(met);
                let at = Head {
                    sequence: link.record.sequence,
                    hash: link.hash,
                };
                met |= head == Some(&at);
                newest = Some(at);
                good += line.len();
            }
            if good < bytes.len() && last && met {
                end.shorten = Some((name.clone(), good as u64));
                end.notes.push(recovered(format!(
                    "dropped {} bytes of a record that was never acknowledged",
                    bytes.len() - good
                )));
            } else if good < bytes.len() && met {
                // Torn lines end the last file, never one before it.
                met = false;
            }
            if last && !met && bytes.last().is_some_and(|byte| *byte != b'\n') {
                end.unfinished = Some(name.clone());
            }
        }
        end.settle(head, newest, met, beyond);
        Ok(end)
    }

    fn settle(&mut self, head: Option<&Head>, newest: Option<Head>, met: bool, beyond: u64) {
        let sequence = newest.as_ref().map_or(0, |newest| newest.sequence);
        match (head, newest) {
            (Some(head), Some(newest)) if met => {
                if beyond > 0 {
                    let first = head.sequence + 1;
                    self.notes.push(recovered(format!(
                        "kept {beyond} records from {first} on, which {HEAD} did not know of"
                    )));
                }
                self.head = newest;
            }
            (Some(head), newest) => {
                self.notes.push(damaged(format!(
                    "the record that was acknowledged last, {}, is gone or altered; the last one that can be read is {sequence}",
                    head.sequence
                )));
                if let Some(newest) = newest.filter(|newest| newest.sequence > head.sequence) {
                    self.head = newest;
                }
            }
            (None, newest) => {
                self.notes.push(damaged(format!(
                    "{HEAD} is gone or unreadable; the last record that can be read is {sequence}"
                )));
                self.head = newest.unwrap_or_default();
            }
        }
    }
}

//! The chain as its one writer has it: appends, and what it finds when it opens.
//!
//! An append writes the line, has it put on disk, and then sets `head` to it; only then is the record acknowledged. So
//! after a power cut there may be one line that nobody was told of. Whole, it is kept: it says that something was about
//! to begin. Torn, it is dropped, and a new record says so. `head` itself is not forced to disk with each append: it can
//! fall behind in a power cut, never run ahead, and what it misses then is accepted and noted.
//!
//! Anything else on opening is damage. It is left as it is for [`crate::verify`] to name; the chain goes on with the
//! number and the hash that `head` holds, so the break stays in it for good.

use std::collections::VecDeque;
use std::sync::Arc;

use varde_bus::audit::{Entry, Record};

use crate::Error;
use crate::disk::Disk;
use crate::end::{End, Note};
use crate::head::{HEAD, Head};
use crate::line::Link;
use crate::verify::Snapshot;

/// How large a file of the chain becomes, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// A file gets no ordinary line beyond this.
    pub full: u64,
    /// Room that is kept free on the disk for each file. What lies beyond `full` is for outcomes: an action that was
    /// allowed to begin can have its end recorded though the disk has become full since.
    pub space: u64,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            full: 960 * 1024,
            space: 1024 * 1024,
        }
    }
}

/// What entries may say.
const OUTCOMES: [&str; 3] = ["done", "failed", "unknown"];
const BEGINNINGS: [&str; 2] = ["begun", "event"];
/// Characters; more is refused, but for `detail`, which is cut.
const LONGEST: [(&str, usize); 4] = [("who", 256), ("verb", 64), ("subject", 256), ("why", 2000)];
const LONGEST_DETAIL: usize = 4000;

#[derive(Debug)]
pub struct Chain<D> {
    disk: Arc<D>,
    size: Size,
    head: Head,
    /// The file that takes the next line.
    current: Option<Segment>,
    /// What was found on opening and is not yet recorded.
    notes: VecDeque<Note>,
    /// An append failed halfway and could not be taken back.
    stuck: bool,
    /// `head` could not be written after the last append.
    unnoted: bool,
}

#[derive(Clone, Debug)]
struct Segment {
    name: String,
    length: u64,
}

impl<D: Disk> Chain<D> {
    /// Takes up the chain where it ended.
    pub fn open(disk: Arc<D>, size: Size) -> Result<Self, Error> {
        let mut chain = Self {
            disk,
            size,
            head: Head::default(),
            current: None,
            notes: VecDeque::new(),
            stuck: false,
            unnoted: false,
        };
        chain.load()?;
        Ok(chain)
    }

    /// Puts an entry into the chain, on disk, and gives the record.
    pub fn append(&mut self, entry: Entry, now: i64) -> Result<Record, Error> {
        let entry = self.checked(entry)?;
        if self.stuck {
            self.load()?;
            self.stuck = false;
        }
        while let Some(note) = self.notes.front().cloned() {
            self.write(note.entry(), now)?;
            self.notes.pop_front();
        }
        self.write(entry, now)
    }

    /// Has what was found on opening recorded, as far as the disk lets it.
    pub fn settle(&mut self, now: i64) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        while let Some(note) = self.notes.front().cloned() {
            records.push(self.write(note.entry(), now)?);
            self.notes.pop_front();
        }
        Ok(records)
    }

    /// The newest records that can be read, newest first.
    pub fn tail(&self, count: usize) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        for name in segments(&*self.disk)?.iter().rev() {
            let bytes = self.disk.read(name).map_err(Error::disk("read", name))?;
            let found = bytes.split(|byte| *byte == b'\n').rev();
            let left = count.saturating_sub(records.len());
            records.extend(
                found
                    .filter_map(|line| Link::parse(line).ok())
                    .map(|link| link.record)
                    .take(left),
            );
            if records.len() >= count {
                break;
            }
        }
        Ok(records)
    }

    /// The newest record that `wanted` takes, and those after it, newest first; `None` where the newest `count` hold
    /// none.
    pub fn since(
        &self,
        count: usize,
        wanted: impl Fn(&Record) -> bool,
    ) -> Result<Option<(Record, Vec<Record>)>, Error> {
        let mut after = self.tail(count)?;
        let Some(place) = after.iter().position(wanted) else {
            return Ok(None);
        };
        after.truncate(place + 1);
        Ok(after.pop().map(|found| (found, after)))
    }

    /// The next file after the one of this name, as it is.
    pub fn file_after(&self, after: &str) -> Result<Option<(String, Vec<u8>)>, Error> {
        let names = segments(&*self.disk)?;
        let Some(name) = names.into_iter().find(|name| name.as_str() > after) else {
            return Ok(None);
        };
        let bytes = self.disk.read(&name).map_err(Error::disk("read", &name))?;
        Ok(Some((name, bytes)))
    }

    /// What is on disk now, for a check.
    pub fn snapshot(&mut self) -> Result<Snapshot, Error> {
        if self.unnoted {
            self.note_head();
        }
        Snapshot::of(&*self.disk, self.head.clone())
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    pub fn disk(&self) -> Arc<D> {
        Arc::clone(&self.disk)
    }

    fn checked(&self, mut entry: Entry) -> Result<Entry, Error> {
        let fields = [&entry.who, &entry.verb, &entry.subject, &entry.why];
        for ((name, longest), value) in LONGEST.iter().zip(fields) {
            if value.chars().count() > *longest {
                return Err(Error::Entry(format!(
                    "{name} is longer than {longest} characters"
                )));
            }
        }
        if entry.who.is_empty() || entry.verb.is_empty() {
            return Err(Error::Entry("it does not say who or what".to_owned()));
        }
        let ends = OUTCOMES.contains(&entry.outcome.as_str());
        if !ends && !BEGINNINGS.contains(&entry.outcome.as_str()) {
            return Err(Error::Entry(format!("there is no outcome {:?}", entry.outcome)));
        }
        if ends != (entry.of != 0) || entry.of > self.head.sequence {
            return Err(Error::Entry(format!(
                "outcome {} of record {} while the last one is {}",
                entry.outcome, entry.of, self.head.sequence
            )));
        }
        if let Some((place, _)) = entry.detail.char_indices().nth(LONGEST_DETAIL) {
            entry.detail.truncate(place);
            entry.detail.push('…');
        }
        Ok(entry)
    }

    fn write(&mut self, entry: Entry, now: i64) -> Result<Record, Error> {
        let record = Record {
            sequence: self.head.sequence + 1,
            when: now,
            who: entry.who,
            verb: entry.verb,
            subject: entry.subject,
            why: entry.why,
            outcome: entry.outcome,
            detail: entry.detail,
            of: entry.of,
        };
        let link = Link::new(record, self.head.hash.clone());
        let text = link.to_line();
        let segment = self.segment_for(text.len() as u64, link.record.of != 0)?;
        self.put(&segment, text.as_bytes())?;
        self.current = Some(Segment {
            length: segment.length + text.len() as u64,
            name: segment.name,
        });
        self.head = Head {
            sequence: link.record.sequence,
            hash: link.hash,
        };
        self.note_head();
        Ok(link.record)
    }

    /// Has `head` say which record is the last. The record is on disk and counts whether this succeeds or not, and
    /// what misses it is a power cut before the next time.
    fn note_head(&mut self) {
        let written = self.disk.overwrite(HEAD, &self.head.to_bytes());
        self.unnoted = written.is_err();
        if let Err(error) = written {
            eprintln!("could not note the newest record in {HEAD}: {error}");
        }
    }

    /// Writes a line whole or not at all.
    fn put(&mut self, segment: &Segment, line: &[u8]) -> Result<(), Error> {
        let name = segment.name.as_str();
        let first = match self.disk.append(name, line) {
            Ok(()) => match self.disk.sync(name) {
                Ok(()) => return Ok(()),
                Err(source) => Error::disk("have the disk keep", name)(source),
            },
            Err(source) => Error::disk("write to", name)(source),
        };
        let back = self.disk.truncate(name, segment.length, self.size.space);
        if let Err(source) = back.and_then(|()| self.disk.sync(name)) {
            self.stuck = true;
            return Err(Error::Stuck {
                first: Box::new(first),
                second: Box::new(Error::disk("shorten", name)(source)),
            });
        }
        Err(first)
    }

    /// The file that a line of this length goes to, a new one where the current one is full.
    fn segment_for(&mut self, length: u64, outcome: bool) -> Result<Segment, Error> {
        let current = self.current.clone();
        if let Some(segment) = &current
            && (segment.length == 0 || segment.length + length <= self.size.full)
        {
            return Ok(segment.clone());
        }
        match (self.begin_segment(), current) {
            (Err(_), Some(segment)) if outcome && segment.length + length <= self.size.space => Ok(segment),
            (made, _) => made,
        }
    }

    fn begin_segment(&mut self) -> Result<Segment, Error> {
        // From here on `head` is looked for in the last two files only.
        self.disk
            .sync(HEAD)
            .map_err(Error::disk("have the disk keep", HEAD))?;
        let name = segment_name(self.head.sequence + 1);
        self.disk
            .create(&name, self.size.space)
            .map_err(Error::disk("make", &name))?;
        let segment = Segment { name, length: 0 };
        self.current = Some(segment.clone());
        Ok(segment)
    }

    fn load(&mut self) -> Result<(), Error> {
        let disk = Arc::clone(&self.disk);
        let names = segments(&*disk)?;
        let head = noted(&*disk)?;
        let end = End::find(&*disk, &names, head.as_ref())?;
        if let Some((name, length)) = &end.shorten {
            disk.truncate(name, *length, self.size.space)
                .and_then(|()| disk.sync(name))
                .map_err(Error::disk("shorten", name))?;
        }
        if let Some(name) = &end.unfinished {
            disk.append(name, b"\n")
                .and_then(|()| disk.sync(name))
                .map_err(Error::disk("write to", name))?;
        }
        for note in &end.notes {
            eprintln!("{}: {}", note.verb, note.detail);
        }
        self.notes.extend(end.notes);
        self.head = end.head;
        self.current = match names.last() {
            Some(name) => Some(Segment {
                length: disk.read(name).map_err(Error::disk("read", name))?.len() as u64,
                name: name.clone(),
            }),
            None => None,
        };
        if head.as_ref() != Some(&self.head) {
            if !exists(&*disk, HEAD)? {
                disk.create(HEAD, 0).map_err(Error::disk("make", HEAD))?;
            }
            // Cut after it is written, never before: an empty one would look like a damaged one after a power cut.
            let bytes = self.head.to_bytes();
            disk.overwrite(HEAD, &bytes)
                .and_then(|()| disk.truncate(HEAD, bytes.len() as u64, 0))
                .and_then(|()| disk.sync(HEAD))
                .map_err(Error::disk("write", HEAD))?;
        }
        Ok(())
    }
}

fn exists<D: Disk>(disk: &D, name: &str) -> Result<bool, Error> {
    let names = disk.names().map_err(Error::disk("list", "the files"))?;
    Ok(names.iter().any(|there| there == name))
}

/// What the disk has for the last acknowledged record; `None` where that is missing or unreadable.
pub(crate) fn noted<D: Disk>(disk: &D) -> Result<Option<Head>, Error> {
    if !exists(disk, HEAD)? {
        return Ok(None);
    }
    Ok(Head::parse(&disk.read(HEAD).map_err(Error::disk("read", HEAD))?))
}

/// Names of the files with records, oldest first.
pub(crate) fn segments<D: Disk>(disk: &D) -> Result<Vec<String>, Error> {
    let mut names = disk.names().map_err(Error::disk("list", "the files"))?;
    names.retain(|name| first_of(name).is_some());
    Ok(names)
}

/// Digits enough for every number, so that the order of names is that of records.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:020}.jsonl")
}

/// The number of the first record in a file of that name.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jsonl")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

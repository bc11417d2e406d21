//! The records of calls on disk: one line of JSON each, in files that are begun anew when they are full.
//!
//! A thread of its own writes them, so that a disk that is slow or full stops no call: what cannot be written waits in
//! memory, up to [`MOST_WAITING`], and is written when the disk takes it again. Numbers of calls go on over a restart
//! and a crash: a block of them is reserved on disk before any of it is used.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use varde_exchange::Record;

use crate::{Error, Result};

/// A file is full at so many octets; so many of them are kept.
const FULL: u64 = 4 << 20;
const KEPT: usize = 16;
/// Records that wait for the disk; beyond, the oldest is lost.
pub const MOST_WAITING: usize = 10_000;
/// Numbers of calls that are reserved at once.
const BLOCK: u64 = 1000;
const RETRY: Duration = Duration::from_secs(5);

const NEWEST: &str = "calls.jsonl";
const NEXT: &str = "next-call";

/// A record as it lies on disk: the exchange's, with what the rims know beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    #[serde(flatten)]
    pub record: Record,
    #[serde(default, skip_serializing_if = "Rim::is_empty")]
    pub caller: Rim,
    #[serde(default, skip_serializing_if = "Rim::is_empty")]
    pub called: Rim,
}

/// What the rim knows of one side of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rim {
    /// B channel, or 0.
    pub channel: u8,
    /// Status code of SIP, or 0.
    pub status: u16,
    pub packets: u64,
    pub lost: u64,
    /// Milliseconds.
    pub jitter: u32,
    /// Audio that went one way only.
    pub one_way: bool,
}

impl Rim {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The records, and the thread that writes them. Dropping it waits until what can be written is.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    wake: Option<Sender<()>>,
    writer: Option<JoinHandle<()>>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: VecDeque<Stored>,
    lost: u64,
    trouble: Option<String>,
}

impl Store {
    /// Opens the records in a folder, and gives the number before that of the first call. A disk that takes nothing keeps
    /// nobody from calling: it is tried again.
    pub fn open(folder: &Path) -> Result<(Self, u64)> {
        let first = first(folder);
        let reserved = fs::create_dir_all(folder).and_then(|()| put_next(folder, first + BLOCK));
        let trouble = reserved.err().map(|error| error.to_string());
        if let Some(error) = &trouble {
            eprintln!("records of calls cannot be written: {error}; they wait in memory");
        }
        let (wake, woken) = channel();
        let reserved = trouble.is_none();
        let shared = Arc::new(Mutex::new(Shared {
            trouble,
            ..Shared::default()
        }));
        let writer = Writer {
            folder: folder.into(),
            shared: Arc::clone(&shared),
            last: first,
            reserved,
        };
        let thread = std::thread::Builder::new()
            .name("records".into())
            .spawn(move || writer.work(&woken))
            .map_err(|source| fault(folder, "written", source))?;
        let store = Self {
            folder: folder.into(),
            wake: Some(wake),
            writer: Some(thread),
            shared,
        };
        Ok((store, first))
    }

    /// Has a record written. Never waits.
    pub fn put(&self, record: Stored) {
        let mut shared = lock(&self.shared);
        if shared.waiting.len() >= MOST_WAITING {
            shared.waiting.pop_front();
            shared.lost += 1;
        }
        shared.waiting.push_back(record);
        drop(shared);
        if let Some(wake) = &self.wake {
            // The writer lives as long as this does.
            let _ = wake.send(());
        }
    }

    /// Why records cannot be written now, and how many have been lost by that since the start.
    pub fn trouble(&self) -> Option<(String, u64)> {
        let shared = lock(&self.shared);
        shared.trouble.clone().map(|trouble| (trouble, shared.lost))
    }

    /// What reads the records, on any thread: files may be long, and calls do not wait for them.
    pub fn reader(&self) -> Reader {
        Reader {
            folder: self.folder.clone(),
            waiting: lock(&self.shared).waiting.iter().rev().cloned().collect(),
        }
    }
}

/// The records as they are when they are read, and those that waited for the disk when this was made.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    waiting: Vec<Stored>,
}

impl Reader {
    /// Newest first: at most `count` with a number below `before`, or the newest for 0. A line that is no record, such as
    /// one that a power cut has left half, is passed over.
    pub fn read(self, before: u64, count: usize) -> Vec<Stored> {
        let wanted = |stored: &Stored| before == 0 || stored.record.call < before;
        let mut found: Vec<Stored> = self.waiting.into_iter().filter(wanted).collect();
        for place in 0..KEPT {
            if found.len() >= count {
                break;
            }
            let Ok(file) = File::open(name(&self.folder, place)) else {
                break;
            };
            let lines = BufReader::new(file).split(b'\n').map_while(std::io::Result::ok);
            let records = lines.filter_map(|line| serde_json::from_slice(&line).ok());
            found.extend(records.filter(wanted));
        }
        // Written in the order in which they ended; shown in that in which they began.
        found.sort_by_key(|stored| std::cmp::Reverse(stored.record.call));
        found.dedup_by_key(|stored| stored.record.call);
        found.truncate(count);
        found
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so itself.
            let _ = writer.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fault(path: &Path, what: &'static str, source: std::io::Error) -> Error {
    Error::File {
        path: path.into(),
        what,
        source,
    }
}

fn name(folder: &Path, place: usize) -> PathBuf {
    match place {
        0 => folder.join(NEWEST),
        place => folder.join(format!("{NEWEST}.{place}")),
    }
}

/// The number before the next block; where it cannot be read, that of the newest record.
fn first(folder: &Path) -> u64 {
    let kept = fs::read_to_string(folder.join(NEXT)).ok();
    let kept = kept.and_then(|text| text.trim().parse().ok());
    kept.unwrap_or_else(|| {
        let reader = Reader {
            folder: folder.into(),
            waiting: Vec::new(),
        };
        reader.read(0, 1).first().map_or(0, |stored| stored.record.call)
    })
}

fn put_next(folder: &Path, next: u64) -> std::io::Result<()> {
    let part = folder.join(format!("{NEXT}.part"));
    let mut file = File::create(&part)?;
    writeln!(file, "{next}")?;
    file.sync_all()?;
    fs::rename(&part, folder.join(NEXT))?;
    File::open(folder)?.sync_all()
}

struct Writer {
    folder: PathBuf,
    shared: Arc<Mutex<Shared>>,
    /// The block in use began after this number.
    last: u64,
    /// It is taken on disk.
    reserved: bool,
}

impl Writer {
    fn work(mut self, woken: &Receiver<()>) {
        loop {
            match woken.recv_timeout(RETRY) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => self.write_waiting(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.write_waiting();
                    return;
                }
            }
        }
    }

    fn write_waiting(&mut self) {
        let waiting: Vec<Stored> = lock(&self.shared).waiting.iter().cloned().collect();
        if waiting.is_empty() && self.reserved {
            return;
        }
        match self.write(&waiting) {
            Ok(()) => {
                let mut shared = lock(&self.shared);
                let written = waiting.len().min(shared.waiting.len());
                shared.waiting.drain(..written);
                if shared.trouble.take().is_some() {
                    eprintln!("records of calls can be written again; {} were lost", shared.lost);
                }
            }
            Err(error) => {
                let mut shared = lock(&self.shared);
                if shared.trouble.is_none() {
                    eprintln!("records of calls cannot be written: {error}; they wait in memory");
                }
                shared.trouble = Some(error.to_string());
            }
        }
    }

    fn write(&mut self, waiting: &[Stored]) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        if !self.reserved {
            put_next(&self.folder, self.last + BLOCK)?;
            self.reserved = true;
        }
        let path = name(&self.folder, 0);
        let length = fs::metadata(&path).map_or(0, |about| about.len());
        if length >= FULL {
            for place in (0..KEPT - 1).rev() {
                match fs::rename(name(&self.folder, place), name(&self.folder, place + 1)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        // Before a number of the next block is used.
        let newest = waiting.iter().map(|stored| stored.record.call).max().unwrap_or(0);
        if newest + BLOCK / 2 > self.last + BLOCK {
            self.last += BLOCK;
            put_next(&self.folder, self.last + BLOCK)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path)?;
        let before = file.metadata()?.len();
        let mut lines = Vec::new();
        // A power cut may have left half a line.
        if before > 0 && !ends_a_line(&file, before)? {
            lines.push(b'\n');
        }
        for stored in waiting {
            serde_json::to_writer(&mut lines, stored)?;
            lines.push(b'\n');
        }
        let written = file.write_all(&lines).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a record would spoil the next one.
            let _ = file.set_len(before);
        }
        written
    }
}

fn ends_a_line(file: &File, length: u64) -> std::io::Result<bool> {
    let mut last = [0];
    file.read_exact_at(&mut last, length - 1)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(call: u64) -> Stored {
        let record = serde_json::json!({
            "call": call, "began": "2026-11-26T09:00:00Z", "ended": "2026-11-26T09:00:10Z", "from": "line sentral",
            "calling": "35003012", "hidden": false, "dialled": "22445566", "emergency": false, "test": false,
            "attempts": [], "ended_by": "caller", "caller_cause": 16,
        });
        Stored {
            record: serde_json::from_value(record).unwrap(),
            caller: Rim {
                channel: 3,
                ..Rim::default()
            },
            called: Rim::default(),
        }
    }

    fn numbers(records: &[Stored]) -> Vec<u64> {
        records.iter().map(|stored| stored.record.call).collect()
    }

    #[test]
    fn records_are_read_newest_first_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (store, first) = Store::open(folder.path()).unwrap();
        assert_eq!(first, 0);
        for call in [1, 3, 2] {
            store.put(stored(call));
        }
        assert_eq!(numbers(&store.reader().read(0, 10)), [3, 2, 1]);
        drop(store);
        let (store, first) = Store::open(folder.path()).unwrap();
        assert!(first >= 3, "numbers go on");
        assert_eq!(numbers(&store.reader().read(0, 10)), [3, 2, 1]);
        assert_eq!(numbers(&store.reader().read(3, 1)), [2]);
        assert_eq!(store.reader().read(0, 1)[0], stored(3));
    }

    #[test]
    fn a_half_record_that_a_power_cut_has_left_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        store.put(stored(1));
        drop(store);
        let mut file = OpenOptions::new()
            .append(true)
            .open(folder.path().join(NEWEST))
            .unwrap();
        file.write_all(b"{\"call\":2,\"beg").unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        store.put(stored(3));
        drop(store);
        let (store, _) = Store::open(folder.path()).unwrap();
        assert_eq!(numbers(&store.reader().read(0, 10)), [3, 1]);
    }

    #[test]
    fn a_full_file_is_put_aside_and_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        store.put(stored(1));
        drop(store);
        let path = folder.path().join(NEWEST);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&vec![b'\n'; usize::try_from(FULL).unwrap()])
            .unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        store.put(stored(2));
        drop(store);
        assert!(folder.path().join("calls.jsonl.1").exists());
        assert!(fs::metadata(&path).unwrap().len() < 1000);
        let (store, _) = Store::open(folder.path()).unwrap();
        assert_eq!(numbers(&store.reader().read(0, 10)), [2, 1]);
    }

    #[test]
    fn a_disk_that_is_full_at_the_start_keeps_nobody_from_calling() {
        let folder = tempfile::tempdir().unwrap();
        let (store, first) = Store::open(folder.path()).unwrap();
        store.put(stored(first + 1));
        drop(store);
        // A folder where the file should be.
        let next = folder.path().join("next-call.part");
        fs::create_dir(&next).unwrap();
        let (store, first) = Store::open(folder.path()).unwrap();
        assert!(store.trouble().is_some());
        store.put(stored(first + 1));
        fs::remove_dir(&next).unwrap();
        store.put(stored(first + 2));
        while store.trouble().is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(store);
        let (store, next) = Store::open(folder.path()).unwrap();
        assert!(next > first + 2, "numbers go on");
        assert_eq!(numbers(&store.reader().read(0, 2)), [first + 2, first + 1]);
    }

    #[test]
    fn numbers_go_on_after_the_newest_record_where_it_is_not_known_which_come_next() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        store.put(stored(7));
        drop(store);
        fs::write(folder.path().join(NEXT), "").unwrap();
        assert_eq!(Store::open(folder.path()).unwrap().1, 7);
    }

    #[test]
    fn a_disk_that_takes_nothing_keeps_nobody_waiting_and_gets_the_records_later() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        // A folder where the file should be.
        let path = folder.path().join(NEWEST);
        fs::create_dir(&path).unwrap();
        store.put(stored(1));
        while store.trouble().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(
            numbers(&store.reader().read(0, 10)),
            [1],
            "what waits is shown too"
        );
        fs::remove_dir(&path).unwrap();
        store.put(stored(2));
        while store.trouble().is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(store);
        let (store, _) = Store::open(folder.path()).unwrap();
        assert_eq!(numbers(&store.reader().read(0, 10)), [2, 1]);
    }
}

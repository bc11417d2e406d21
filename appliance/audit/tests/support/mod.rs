//! A disk in memory whose power can be cut, and that can fill up or fail, at any one operation.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "only tests use it")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use varde_audit::chain::{Chain, Size};
use varde_audit::disk::Disk;
use varde_audit::verify::verify;
use varde_bus::audit::{Entry, Record, Verdict};

/// Small enough that a file holds a handful of records.
pub const SMALL: Size = Size {
    full: 1500,
    space: 2500,
};

#[derive(Clone, Debug, Default)]
struct File {
    /// What a reader sees.
    seen: Vec<u8>,
    /// What surely survives a power cut.
    kept: Vec<u8>,
    /// Room that is kept for it beyond its end.
    room: u64,
}

#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// At this step and ever after nothing works; of the step itself, so many eighths are done.
    Cut { eighths: usize },
    /// This one step fails halfway.
    Fails,
}

#[derive(Debug)]
struct State {
    files: BTreeMap<String, File>,
    /// Bytes that are free besides the room that files have.
    free: u64,
    step: usize,
    trouble: Option<(usize, Trouble)>,
    dead: bool,
}

#[derive(Debug)]
pub struct Memory(Mutex<State>);

impl Memory {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            files: BTreeMap::new(),
            free: u64::MAX / 2,
            step: 0,
            trouble: None,
            dead: false,
        })))
    }

    pub fn expect(&self, step: usize, trouble: Trouble) {
        let mut state = self.0.lock().unwrap();
        state.step = 0;
        state.trouble = Some((step, trouble));
    }

    /// Whether the trouble came.
    pub fn came(&self) -> bool {
        let state = self.0.lock().unwrap();
        state.trouble.is_some_and(|(step, _)| state.step > step)
    }

    pub fn set_free(&self, bytes: u64) {
        self.0.lock().unwrap().free = bytes;
    }

    /// The disk after a power cut: of what was written since the last sync, so many eighths have reached it.
    pub fn after_cut(&self, eighths: usize) -> Arc<Self> {
        let state = self.0.lock().unwrap();
        let files = state
            .files
            .iter()
            .map(|(name, file)| {
                let seen = match file.seen.strip_prefix(file.kept.as_slice()) {
                    Some(rest) => [&file.kept, &rest[..rest.len() * eighths / 8]].concat(),
                    None if eighths > 4 => file.seen.clone(),
                    None => file.kept.clone(),
                };
                let file = File {
                    kept: seen.clone(),
                    seen,
                    room: file.room,
                };
                (name.clone(), file)
            })
            .collect();
        Arc::new(Self(Mutex::new(State {
            files,
            free: state.free,
            step: 0,
            trouble: None,
            dead: false,
        })))
    }

    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.0.lock().unwrap();
        let files = state.files.iter();
        files
            .map(|(name, file)| (name.clone(), file.seen.clone()))
            .collect()
    }

    pub fn of(files: BTreeMap<String, Vec<u8>>) -> Arc<Self> {
        let memory = Self::new();
        memory.0.lock().unwrap().files = files
            .into_iter()
            .map(|(name, bytes)| {
                let file = File {
                    kept: bytes.clone(),
                    seen: bytes,
                    room: 0,
                };
                (name, file)
            })
            .collect();
        memory
    }
}

impl State {
    /// How many eighths of this step are done, or that nothing is done any more.
    fn step(&mut self) -> io::Result<usize> {
        if self.dead {
            return Err(io::Error::other("the power is off"));
        }
        let now = self.step;
        self.step += 1;
        match self.trouble {
            Some((step, Trouble::Cut { eighths })) if step == now => {
                self.dead = true;
                Ok(eighths)
            }
            Some((step, Trouble::Fails)) if step == now => Ok(4),
            _ => Ok(8),
        }
    }

    fn done(&self, eighths: usize) -> io::Result<()> {
        if self.dead {
            Err(io::Error::other("the power went"))
        } else if eighths < 8 {
            Err(io::Error::other("the disk failed"))
        } else {
            Ok(())
        }
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        self.files
            .get_mut(name)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for Memory {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().files.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.0.lock().unwrap().file(name)?.seen.clone())
    }

    fn create(&self, name: &str, space: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let eighths = state.step()?;
        if state.free < space {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // A name that did not become durable may be there after a power cut or not, but an error takes it back.
        if eighths == 8 || (state.dead && eighths > 4) {
            state.free -= space;
            let file = File {
                room: space,
                ..File::default()
            };
            let before = state.files.insert(name.to_owned(), file);
            assert!(before.is_none_or(|file| file.seen.is_empty()), "{name} was there");
        }
        state.done(eighths)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let eighths = state.step()?;
        let free = state.free;
        let file = state.file(name)?;
        let length = bytes.len() as u64;
        if file.room + free < length {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let done = &bytes[..bytes.len() * eighths / 8];
        file.seen.extend_from_slice(done);
        let beyond = length.saturating_sub(file.room);
        file.room -= length.min(file.room);
        state.free -= beyond;
        state.done(eighths)
    }

    fn truncate(&self, name: &str, length: u64, _: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let eighths = state.step()?;
        if eighths > 4 {
            state.file(name)?.seen.truncate(usize::try_from(length).unwrap());
        }
        state.done(eighths)
    }

    fn overwrite(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let eighths = state.step()?;
        if eighths > 4 {
            let seen = &mut state.file(name)?.seen;
            let after = seen.split_off(bytes.len().min(seen.len()));
            *seen = [bytes, &after].concat();
        }
        state.done(eighths)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let eighths = state.step()?;
        if eighths > 4 {
            let file = state.file(name)?;
            file.kept = file.seen.clone();
        }
        state.done(eighths)
    }
}

pub fn begun(subject: &str) -> Entry {
    Entry {
        who: "kari".into(),
        verb: "vm.start".into(),
        subject: subject.into(),
        why: "prøve".into(),
        outcome: "begun".into(),
        detail: String::new(),
        of: 0,
    }
}

pub fn done(of: u64) -> Entry {
    Entry {
        outcome: "done".into(),
        of,
        ..begun("journal")
    }
}

pub fn open(disk: &Arc<Memory>) -> Chain<Memory> {
    Chain::open(Arc::clone(disk), SMALL).expect("a chain always opens while the disk can be read")
}

pub fn check(chain: &mut Chain<Memory>) -> Verdict {
    verify(&*chain.disk(), &chain.snapshot().unwrap()).unwrap()
}

/// Oldest first.
pub fn records(chain: &Chain<Memory>) -> Vec<Record> {
    let mut records = chain.tail(usize::MAX).unwrap();
    records.reverse();
    records
}

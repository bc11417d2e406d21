//! Changing the store so that a power cut at any moment leaves the generation before or the one after.
//!
//! Each file is written beside its place, brought to disk, given its name, and the name brought to disk, before
//! anything refers to it; the last step gives the link `active` its new target. A step that fails undoes nothing but
//! its own temporary file, because nothing counts until that link is there.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::steps::{Steps, System};
use super::{ACTIVE, GENERATIONS, LOCK, OBJECTS, Origin, Record, Store, hash_of, object_path, record_path};
use crate::StoreError;

/// What has not got its name yet is called so; whatever is left over of it is worthless.
pub(super) const TEMPORARY: &str = ".new";

/// The only one who changes the store, as long as it lives.
pub struct Writer {
    pub(super) changes: Changes<System>,
    _lock: File,
}

impl Store {
    /// Locks the store and clears away what a power cut left over.
    pub fn writer(&self) -> Result<Writer, StoreError> {
        let path = self.root.join(LOCK);
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| StoreError::io("lock", &path, error))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StoreError::Busy(self.root.clone())),
            Err(error) => return Err(StoreError::io("lock", &path, error.into())),
        }
        let mut changes = Changes {
            store: self.clone(),
            steps: System,
        };
        changes.prepare()?;
        Ok(Writer { changes, _lock: lock })
    }
}

impl Writer {
    /// Makes `text`, which has passed its checks, the active generation, and gives its number.
    pub fn commit(&mut self, text: &str, origin: &Origin, when: i64) -> Result<u64, StoreError> {
        self.changes.commit(text, origin, when)
    }

    /// Makes a generation that exists the active one again.
    pub fn activate(&mut self, number: u64) -> Result<(), StoreError> {
        let record = self.changes.store.record(number)?;
        self.changes.store.text(&record)?;
        self.changes.activate(number)
    }
}

/// The steps of a change, whoever does them.
pub(super) struct Changes<S> {
    pub(super) store: Store,
    pub(super) steps: S,
}

impl<S: Steps> Changes<S> {
    pub(super) fn prepare(&mut self) -> Result<(), StoreError> {
        for name in [OBJECTS, GENERATIONS] {
            let path = self.store.root.join(name);
            match self.steps.create_dir(&path) {
                Ok(()) => self.sync_dir(Path::new(""))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io("create", &path, error)),
            }
        }
        for name in ["", OBJECTS, GENERATIONS] {
            let left = self.store.root.join(name).join(TEMPORARY);
            self.remove(&left)?;
        }
        Ok(())
    }

    pub(super) fn commit(&mut self, text: &str, origin: &Origin, when: i64) -> Result<u64, StoreError> {
        let number = self.make(text, origin, when)?;
        self.activate(number)?;
        Ok(number)
    }

    /// A new generation that does not count yet.
    pub(super) fn make(&mut self, text: &str, origin: &Origin, when: i64) -> Result<u64, StoreError> {
        let hash = hash_of(text);
        let number = self.store.numbers()?.into_iter().max().unwrap_or(0) + 1;
        let record = Record {
            number,
            parent: self.store.active_number().ok().flatten().unwrap_or(0),
            when,
            who: origin.who.clone(),
            why: origin.why.clone(),
            source: origin.source,
            problem: origin.problem.clone(),
            hash,
        };
        // An object that is there and whole is the same file, but its name may not be on disk yet; an altered one is
        // written anew.
        match self.store.text(&record) {
            Ok(_) => self.sync_dir(Path::new(OBJECTS))?,
            Err(_) => self.write(OBJECTS, &object_path(&record.hash), text)?,
        }
        let written = toml::to_string(&record).map_err(|error| StoreError::Damaged {
            path: record_path(number),
            detail: error.to_string(),
        })?;
        self.write(GENERATIONS, &record_path(number), &written)?;
        Ok(number)
    }

    pub(super) fn activate(&mut self, number: u64) -> Result<(), StoreError> {
        let temporary = self.store.root.join(TEMPORARY);
        let result = self.link(&temporary, number);
        if result.is_err() {
            // The fault that stopped it says more than one of this cleaning would.
            let _ = self.remove(&temporary);
        }
        result
    }

    fn link(&mut self, temporary: &Path, number: u64) -> Result<(), StoreError> {
        self.steps
            .symlink(&record_path(number), temporary)
            .map_err(|error| StoreError::io("link", temporary, error))?;
        self.rename(temporary, &self.store.root.join(ACTIVE))?;
        self.sync_dir(Path::new(""))
    }

    /// A whole file under its name, both on disk.
    pub(super) fn write(&mut self, folder: &str, path: &Path, text: &str) -> Result<(), StoreError> {
        let temporary = self.store.root.join(folder).join(TEMPORARY);
        let result = self.write_beside(&temporary, text).and_then(|()| {
            self.rename(&temporary, &self.store.root.join(path))?;
            self.sync_dir(Path::new(folder))
        });
        if result.is_err() {
            // The fault that stopped it says more than one of this cleaning would.
            let _ = self.remove(&temporary);
        }
        result
    }

    fn write_beside(&mut self, temporary: &Path, text: &str) -> Result<(), StoreError> {
        let mut file = self
            .steps
            .create(temporary)
            .map_err(|error| StoreError::io("create", temporary, error))?;
        self.steps
            .write(&mut file, text.as_bytes())
            .map_err(|error| StoreError::io("write", temporary, error))?;
        self.steps
            .sync(&mut file)
            .map_err(|error| StoreError::io("sync", temporary, error))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.steps
            .rename(from, to)
            .map_err(|error| StoreError::io("rename", to, error))
    }

    pub(super) fn sync_dir(&mut self, folder: &Path) -> Result<(), StoreError> {
        let path: PathBuf = self.store.root.join(folder);
        self.steps
            .sync_dir(&path)
            .map_err(|error| StoreError::io("sync", &path, error))
    }

    pub(super) fn remove(&mut self, path: &Path) -> Result<(), StoreError> {
        match self.steps.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", path, error))
            }
            _ => Ok(()),
        }
    }
}

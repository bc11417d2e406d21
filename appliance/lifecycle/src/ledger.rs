//! What is known of updates: one file of root's that everybody may read.
//!
//! Each step is one rename, on disk before the next thing is done. What is pending is written before the slot is: a cut
//! in between leaves a pending version that is not on the disk, which [`crate::settle`] takes out again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use varde_bus::Text;
use varde_bus::update::UpdateOutcome;

use crate::health::Health;
use crate::{Error, Result, Version};

/// So many outcomes are kept.
const OUTCOMES: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    pub pending: Option<Pending>,
    /// The newest first.
    pub outcomes: Vec<UpdateOutcome>,
    /// Versions that are not taken again unless somebody says so.
    pub quarantined: Vec<Version>,
}

/// A version that is on the disk and has not shown yet whether it can be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    pub from: Version,
    pub to: Version,
    /// The kernel's ID of the boot in which it was written: a version that is not running in a later one was given up.
    pub boot: String,
    /// The boot loader's entry is there: without it the next boot is none of this version.
    pub written: bool,
    /// What was healthy before.
    pub health: Health,
    /// Why the version itself gave up; else empty.
    pub cause: Text,
    pub excerpt: Vec<String>,
}

impl Ledger {
    /// What is pending has ended.
    pub fn end(&mut self, when: i64, kept: bool, cause: Text, excerpt: Vec<String>) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        if !kept {
            self.quarantine(pending.to);
        }
        let outcome = UpdateOutcome {
            from: pending.from.to_string(),
            to: pending.to.to_string(),
            when,
            kept,
            cause,
            excerpt,
        };
        self.outcomes.insert(0, outcome);
        self.outcomes.truncate(OUTCOMES);
    }

    pub fn quarantine(&mut self, version: Version) {
        if !self.quarantined.contains(&version) {
            self.quarantined.push(version);
        }
    }
}

/// Small files, each whole or not there.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// As it is by default where it is not there.
    pub fn read<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T> {
        let path = self.path(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        serde_json::from_slice(&bytes).map_err(|error| Error::io("understand", path)(error.into()))
    }

    /// On disk when it returns: the old one or this.
    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let path = self.path(name);
        let put = || -> io::Result<()> {
            let part = path.with_extension("part");
            let mut file = OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(true)
                .mode(0o644)
                .open(&part)?;
            file.write_all(&serde_json::to_vec(value)?)?;
            file.sync_all()?;
            fs::rename(&part, &path)?;
            sync_folder(&self.0)
        };
        put().map_err(Error::io("write", &path))
    }
}

pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub const LEDGER: &str = "ledger.json";
/// How the last attempt to write a version ended.
pub const RESULT: &str = "result.json";

//! The operations on files that the chain stands on.
//!
//! Nothing here decides anything. What is written is on disk only after [`Disk::sync`]; a power cut before that may keep
//! all of it, none, or the first part.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use crate::Error;

pub trait Disk: Send + Sync {
    /// Names of all files, in order.
    fn names(&self) -> io::Result<Vec<String>>;
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Makes an empty file with room for `space` bytes kept free for it, and puts its name on disk. On failure there is
    /// no such file.
    fn create(&self, name: &str, space: u64) -> io::Result<()>;
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file back, and keeps room for `space` bytes as [`Disk::create`] does.
    fn truncate(&self, name: &str, length: u64, space: u64) -> io::Result<()>;
    /// Replaces the beginning of a file. `bytes` are less than a sector, so a power cut leaves the old or the new.
    fn overwrite(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    fn sync(&self, name: &str) -> io::Result<()>;
}

/// A directory, held by this process alone.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

const LOCK: &str = "lock";

impl Directory {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let place = path.join(LOCK);
        let name = place.display().to_string();
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&place)
            .map_err(Error::disk("open", &name))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(name)),
            Err(TryLockError::Error(source)) => Err(Error::disk("lock", &name)(source)),
        }
    }

    fn existing(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join(name))
    }
}

impl Disk for Directory {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != LOCK {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path.join(name))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, name: &str, space: u64) -> io::Result<()> {
        let path = self.path.join(name);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)?;
        if file.metadata()?.len() != 0 {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let made = reserve(&file, space)
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(&self.path)?.sync_all());
        if made.is_err() {
            // What counts is why it could not be made; an empty leftover is taken for the new file the next time.
            let _ = std::fs::remove_file(&path);
        }
        made
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new()
            .append(true)
            .open(self.path.join(name))?
            .write_all(bytes)
    }

    fn truncate(&self, name: &str, length: u64, space: u64) -> io::Result<()> {
        let file = self.existing(name)?;
        file.set_len(length)?;
        // Cutting gave the room back; on a full disk somebody else may have it by now, and an append then says so.
        let _ = reserve(&file, space);
        Ok(())
    }

    fn overwrite(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.existing(name)?.write_all_at(bytes, 0)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.existing(name)?.sync_data()
    }
}

/// Keeps room on the disk beyond the end of the file, where the file system can.
fn reserve(file: &File, space: u64) -> io::Result<()> {
    if space == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, space) {
        Err(error) if error != rustix::io::Errno::OPNOTSUPP => Err(error.into()),
        _ => Ok(()),
    }
}

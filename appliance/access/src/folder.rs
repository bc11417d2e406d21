//! The service's folder: small JSON files, each whole or not there.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// `None` where it is not there. One that cannot be understood is an error: nobody is let in by what it might say.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let path = self.path(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(&path, "read", error)),
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| fault(&path, "understood", error.into()))
    }

    /// On disk when it returns: the old one or this.
    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        let path = self.path(name);
        let bytes = serde_json::to_vec(value).map_err(|error| fault(&path, "written", error.into()))?;
        self.write_bytes(name, &bytes)
    }

    pub fn write_bytes(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path(name);
        put(&path, bytes).map_err(|error| fault(&path, "written", error))
    }

    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(fault(&path, "removed", error)),
            _ => Ok(()),
        }
    }
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let part = path.with_extension("part");
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    File::open(folder)?.sync_all()
}

pub(crate) fn fault(path: &Path, what: &'static str, source: std::io::Error) -> Error {
    Error::File {
        path: path.into(),
        what,
        source,
    }
}

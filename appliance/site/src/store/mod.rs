//! The numbered generations of `site.toml` on disk.
//!
//! `objects/SHA256.toml` is the file itself, `generations/N.toml` the record of who made it active and why, and the
//! link `active` names the record that counts. Neither kind of file ever changes once it has its name, so reading
//! needs no lock: follow the link, read the record, read the object, compare its hash. A generation may count on
//! trial; the note `trial` beside the link says so.

#[cfg(test)]
mod crash;
mod steps;
#[cfg(test)]
mod tests;
mod trial;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Site, StoreError, Text, parse};

pub use self::trial::{TakenBack, Terms, Trial};
pub use self::write::Writer;

const OBJECTS: &str = "objects";
const GENERATIONS: &str = "generations";
const ACTIVE: &str = "active";
const LOCK: &str = "lock";

/// Where a generation came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The credential `varde.site` that the machine was started with.
    Credential,
    /// The installer left it.
    Installed,
    /// `site.toml` on the media disk.
    Media,
    /// The demo site of the image.
    Demo,
    /// Somebody applied it.
    Applied,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Installed => "installed",
            Self::Media => "media",
            Self::Demo => "demo",
            Self::Applied => "applied",
        }
    }
}

/// Who makes a generation, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Account name, or `first-boot`.
    pub who: String,
    pub why: String,
    pub source: Source,
    /// Why a site that was offered before this one could not be used.
    pub problem: Option<Text>,
}

/// `generations/N.toml`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// From 1; later is higher.
    pub number: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub hash: String,
    /// The generation that was active before; 0 for the first.
    pub parent: u64,
    /// Milliseconds since 1970, UTC.
    pub when: i64,
    pub who: String,
    pub why: String,
    pub source: Source,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Text>,
}

/// A generation with its file, as read and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    pub record: Record,
    pub site: Site,
    /// With the real hashes of passwords: not for anybody's eyes.
    pub text: String,
}

/// The generations under one directory.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Where the appliance keeps them.
    pub const PATH: &str = "/var/lib/varde/site";

    /// Touches nothing yet.
    pub fn open(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The generation that counts; `None` while there has never been one.
    pub fn active(&self) -> Result<Option<Active>, StoreError> {
        self.active_number()?
            .map(|number| self.generation(number))
            .transpose()
    }

    /// Any generation, whole.
    pub fn generation(&self, number: u64) -> Result<Active, StoreError> {
        let record = self.record(number)?;
        let text = self.text(&record)?;
        let site = parse(&text).map_err(|findings| StoreError::Invalid { number, findings })?;
        Ok(Active { record, site, text })
    }

    /// The number that the link names, whether or not what it names is whole.
    pub fn active_number(&self) -> Result<Option<u64>, StoreError> {
        let path = self.root.join(ACTIVE);
        let target = match std::fs::read_link(&path) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", &path, error)),
        };
        let number = target
            .strip_prefix(GENERATIONS)
            .ok()
            .and_then(Path::to_str)
            .and_then(number_of);
        number.map(Some).ok_or_else(|| StoreError::Damaged {
            path,
            detail: format!("it names {}", target.display()),
        })
    }

    pub fn record(&self, number: u64) -> Result<Record, StoreError> {
        let path = self.root.join(record_path(number));
        let text = match read(&path) {
            Err(StoreError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::NotFound(number));
            }
            text => text?,
        };
        let damaged = |detail: String| StoreError::Damaged {
            path: path.clone(),
            detail,
        };
        let record: Record = toml::from_str(&text).map_err(|error| damaged(error.message().to_owned()))?;
        if record.number != number {
            return Err(damaged(format!(
                "it says that it is generation {}",
                record.number
            )));
        }
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if record.hash.len() != 64 || !record.hash.bytes().all(hex) {
            return Err(damaged("its hash is none".to_owned()));
        }
        Ok(record)
    }

    /// The file of a generation, verified.
    pub fn text(&self, record: &Record) -> Result<String, StoreError> {
        let path = self.root.join(object_path(&record.hash));
        let text = read(&path)?;
        let found = hash_of(&text);
        if found != record.hash {
            return Err(StoreError::Altered {
                path,
                expected: record.hash.clone(),
                found,
            });
        }
        Ok(text)
    }

    /// Every record, newest first; a damaged one as its fault.
    pub fn history(&self) -> Result<Vec<Result<Record, StoreError>>, StoreError> {
        let mut numbers = self.numbers()?;
        numbers.sort_unstable();
        Ok(numbers
            .into_iter()
            .rev()
            .map(|number| self.record(number))
            .collect())
    }

    fn numbers(&self) -> Result<Vec<u64>, StoreError> {
        let path = self.root.join(GENERATIONS);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("read", &path, error)),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::io("read", &path, error))?;
            numbers.extend(entry.file_name().to_str().and_then(number_of));
        }
        Ok(numbers)
    }
}

fn read(path: &Path) -> Result<String, StoreError> {
    std::fs::read_to_string(path).map_err(|error| {
        if error.kind() == io::ErrorKind::InvalidData {
            return StoreError::Damaged {
                path: path.to_owned(),
                detail: "it is not text".to_owned(),
            };
        }
        StoreError::io("read", path, error)
    })
}

fn hash_of(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.concat()
}

fn object_path(hash: &str) -> PathBuf {
    Path::new(OBJECTS).join(format!("{hash}.toml"))
}

fn record_path(number: u64) -> PathBuf {
    Path::new(GENERATIONS).join(format!("{number}.toml"))
}

/// `17` of `17.toml`
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".toml")?;
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

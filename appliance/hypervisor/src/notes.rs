//! What is written down about machines under `/run`, so that every process finds it again: how a machine was started,
//! how it ended (by the unit's root steps), and what the daemon knew of it (by the daemon).

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use varde_site::{Text, Vm};

use crate::Error;
use crate::paths::Paths;

/// Written before QEMU starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// systemd's number of this run.
    pub invocation: String,
    /// Milliseconds since 1970, UTC.
    pub when: i64,
    /// Name of the site, from which numbers of the machine follow.
    pub site: String,
    /// What was declared then: what runs, whatever is declared since.
    pub vm: Vm,
}

/// Written when the unit has ended, or could not start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub invocation: String,
    pub when: i64,
    /// `SERVICE_RESULT`, `EXIT_CODE` and `EXIT_STATUS` of systemd.exec(5).
    pub result: String,
    pub exit_code: String,
    pub exit_status: String,
    /// The last thing that QEMU said.
    pub said: String,
    /// Why it could not start, where it never did.
    pub blocked: Option<Text>,
}

/// What only the daemon knows of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub invocation: String,
    /// When the boot checks had passed: milliseconds since 1970, UTC; 0 before that.
    pub up_since: i64,
    /// Why it was ended, if somebody ended it.
    pub ended_by: Option<Text>,
    /// What went wrong in it is in the record.
    pub told: bool,
}

/// Reads what may not be there. What cannot be understood is as good as absent: it was written by another version.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Puts the new file in the place of the old one at once.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let mut bytes = serde_json::to_vec(value).map_err(|error| Error::File {
        doing: "write",
        path: path.to_owned(),
        source: error.into(),
    })?;
    bytes.push(b'\n');
    let new = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&new)?;
        file.write_all(&bytes)?;
        // Whatever the unit's mask is: root's step, the machine's user and the daemon read each other's.
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        fs::rename(&new, path)
    };
    write().map_err(Error::file("write", path))
}

pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

impl Started {
    pub fn read(paths: &Paths, vm: &str) -> Option<Self> {
        read(&paths.machines().join(format!("{vm}.started.json")))
    }

    pub fn write(&self, paths: &Paths) -> Result<(), Error> {
        write(
            &paths.machines().join(format!("{}.started.json", self.vm.name)),
            self,
        )
    }

    /// All machines that were started and have not ended.
    pub fn all(paths: &Paths) -> Vec<Self> {
        let Ok(entries) = fs::read_dir(paths.machines()) else {
            return Vec::new();
        };
        entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().ends_with(".started.json"))
            .filter_map(|entry| read(&entry.path()))
            .collect()
    }

    pub fn remove(paths: &Paths, vm: &str) -> Result<(), Error> {
        remove(&paths.machines().join(format!("{vm}.started.json")))
    }
}

impl Ended {
    pub fn read(paths: &Paths, vm: &str) -> Option<Self> {
        read(&paths.machines().join(format!("{vm}.ended.json")))
    }

    pub fn write(&self, paths: &Paths, vm: &str) -> Result<(), Error> {
        write(&paths.machines().join(format!("{vm}.ended.json")), self)
    }
}

impl Note {
    pub fn is_up(&self) -> bool {
        self.up_since > 0
    }

    pub fn read(paths: &Paths, vm: &str) -> Option<Self> {
        read(&paths.notes().join(format!("{vm}.json")))
    }

    pub fn write(&self, paths: &Paths, vm: &str) -> Result<(), Error> {
        write(&paths.notes().join(format!("{vm}.json")), self)
    }

    pub fn remove(paths: &Paths, vm: &str) -> Result<(), Error> {
        remove(&paths.notes().join(format!("{vm}.json")))
    }
}

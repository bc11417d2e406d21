//! The boot loader's entries: unified kernel images named by version and by the tries that they have left, as in the
//! Boot Loader Specification, "Boot counting".

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::ledger::sync_folder;
use crate::{Error, Result, Version};

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub version: Version,
    /// `None`: it is marked as good. 0: it is taken only when there is no other.
    pub left: Option<u32>,
    /// Its tries were taken, not used up: [`Esp::set`] did that.
    pub taken: bool,
    pub path: PathBuf,
}

/// Where the entries are.
#[derive(Clone, Debug)]
pub struct Esp(PathBuf);

impl Esp {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The least version first. An empty file is none: FAT gives a new name what it holds a moment later, and the boot
    /// loader passes by what a power cut has left in between.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = self.all()?;
        entries.retain(|(_, empty)| !empty);
        let mut entries: Vec<Entry> = entries.into_iter().map(|(entry, _)| entry).collect();
        entries.sort_by_key(|entry| entry.version);
        Ok(entries)
    }

    /// Takes the empty ones away: whoever writes a version would take them for it.
    pub fn sweep(&self) -> Result<()> {
        for (entry, _) in self.all()?.iter().filter(|(_, empty)| *empty) {
            fs::remove_file(&entry.path).map_err(Error::io("remove", &entry.path))?;
        }
        Ok(())
    }

    fn all(&self) -> Result<Vec<(Entry, bool)>> {
        let mut all = Vec::new();
        for file in fs::read_dir(&self.0).map_err(Error::io("list", &self.0))? {
            let file = file.map_err(Error::io("list", &self.0))?;
            let path = file.path();
            let size = file.metadata().map_err(Error::io("look at", &path))?.len();
            all.extend(entry(&path).map(|entry| (entry, size == 0)));
        }
        Ok(all)
    }

    pub fn of(&self, version: Version) -> Result<Option<Entry>> {
        Ok(self.entries()?.into_iter().find(|entry| entry.version == version))
    }

    /// Gives an entry so many tries; it is on disk, with what it holds, when this returns. `false`: there is no such entry.
    pub fn set(&self, version: Version, left: u32) -> Result<bool> {
        let Some(mut entry) = self.of(version)? else {
            return Ok(false);
        };
        // The last try is on its way when none is left; only one that was taken says so.
        if entry.left != Some(left) || (left == 0 && !entry.taken) {
            let path = self.0.join(format!("varde_{version}+{left}.efi"));
            fs::rename(&entry.path, &path).map_err(Error::io("rename", &entry.path))?;
            entry.path = path;
        }
        // The file first: FAT gives a new name an empty file, and what it holds with the file's own inode.
        let file = File::open(&entry.path).and_then(|file| file.sync_all());
        file.map_err(Error::io("write", &entry.path))?;
        sync_folder(&self.0).map_err(Error::io("write", &self.0))?;
        Ok(true)
    }
}

/// `varde_VERSION.efi`, `varde_VERSION+LEFT.efi`, `varde_VERSION+LEFT-DONE.efi`.
fn entry(path: &Path) -> Option<Entry> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_prefix("varde_")?.strip_suffix(".efi")?;
    let (version, counts) = match name.split_once('+') {
        None => (name, None),
        Some((version, counts)) => (version, Some(counts)),
    };
    let left = match counts {
        None => None,
        Some(counts) => Some(counts.split('-').next()?.parse().ok()?),
    };
    Some(Entry {
        version: version.parse().ok()?,
        left,
        taken: counts == Some("0"),
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_how_many_tries_are_left() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "varde_0.1.0.efi",
            "varde_0.2.0+2-1.efi",
            "other_1.0.0.efi",
            "varde_x.efi",
            "varde_0.3.0+x.efi",
        ] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let esp = Esp::new(folder.path());
        let found: Vec<_> = esp
            .entries()
            .unwrap()
            .into_iter()
            .map(|entry| (entry.version.to_string(), entry.left))
            .collect();
        assert_eq!(found, [("0.1.0".to_owned(), None), ("0.2.0".to_owned(), Some(2))]);
        let version = "0.2.0".parse().unwrap();
        assert!(esp.set(version, 0).unwrap());
        assert_eq!(esp.of(version).unwrap().unwrap().left, Some(0));
        assert!(!folder.path().join("varde_0.2.0+2-1.efi").exists());
        assert!(!esp.set("9.9.9".parse().unwrap(), 3).unwrap());
    }

    #[test]
    fn what_a_cut_left_empty_is_no_entry_and_is_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("varde_0.1.0.efi"), "old").unwrap();
        fs::write(folder.path().join("varde_0.2.0+3-0.efi"), "").unwrap();
        let esp = Esp::new(folder.path());
        assert_eq!(esp.entries().unwrap().len(), 1);
        assert_eq!(esp.of("0.2.0".parse().unwrap()).unwrap(), None);
        esp.sweep().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

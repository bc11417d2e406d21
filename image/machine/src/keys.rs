//! Keys of caches: a hash over names and contents, so that a cache is right or not used.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// Gathers what a cached thing was made of.
#[derive(Default)]
pub struct Key(Sha256);

impl Key {
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.part(text.as_bytes());
        self
    }

    /// One file: its name, whether it is executable, its content.
    pub fn file(&mut self, path: &Path) -> Result<&mut Self> {
        let content = fs::read(path).map_err(Error::io("cannot read", path))?;
        let mode = fs::metadata(path)
            .map_err(Error::io("cannot read", path))?
            .permissions()
            .mode();
        self.part(path.file_name().unwrap_or_default().as_encoded_bytes());
        self.part(&[u8::from(mode & 0o100 != 0)]);
        self.part(&content);
        Ok(self)
    }

    /// A folder and all below it, in the order of names, links as what they point to. `skip` are names at its top.
    pub fn tree(&mut self, dir: &Path, skip: &[&str]) -> Result<&mut Self> {
        let mut entries = fs::read_dir(dir)
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .map_err(Error::io("cannot list", dir))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        self.part(dir.file_name().unwrap_or_default().as_encoded_bytes());
        for entry in entries {
            if skip.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let path = entry.path();
            let kind = entry.file_type().map_err(Error::io("cannot read", &path))?;
            if kind.is_symlink() {
                let target = fs::read_link(&path).map_err(Error::io("cannot read", &path))?;
                self.part(entry.file_name().as_encoded_bytes());
                self.part(target.as_os_str().as_encoded_bytes());
            } else if kind.is_dir() {
                self.tree(&path, &[])?;
            } else {
                self.file(&path)?;
            }
        }
        self.part(b"/");
        Ok(self)
    }

    /// Sixteen hex digits: enough to tell the builds of one machine apart.
    pub fn finish(&mut self) -> String {
        use std::fmt::Write as _;
        let mut hex = String::with_capacity(16);
        for byte in &self.0.clone().finalize()[..8] {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    /// Lengths go in too: `ab` + `c` is not `a` + `bc`.
    fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_mode_name_or_content_changes_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let key = |dir: &Path| Key::default().tree(dir, &["skipped"]).unwrap().finish();
        let file = dir.path().join("file");
        fs::write(&file, "a").unwrap();
        let first = key(dir.path());
        assert_eq!(first, key(dir.path()));

        fs::write(dir.path().join("skipped"), "x").unwrap();
        assert_eq!(first, key(dir.path()));

        fs::write(&file, "b").unwrap();
        let content = key(dir.path());
        assert_ne!(first, content);

        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let mode = key(dir.path());
        assert_ne!(content, mode);

        fs::rename(&file, dir.path().join("other")).unwrap();
        assert_ne!(mode, key(dir.path()));
    }

    #[test]
    fn parts_do_not_run_together() {
        let joined = Key::default().text("ab").text("c").finish();
        assert_ne!(joined, Key::default().text("a").text("bc").finish());
    }
}

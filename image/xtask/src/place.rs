//! Where things are: the project, its output, the caches, and the lock that keeps two builds apart.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use varde_machine::cache_dir;

use crate::error::{Error, Result};

/// The project's root.
pub fn project() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_owned()
}

/// `target/varde`: what the commands leave for people and programs to look at.
pub fn output() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| project().join("target"), PathBuf::from);
    target.join("varde")
}

/// A folder below the caches, made if it is missing.
pub fn cache(name: &str) -> Result<PathBuf> {
    let dir = cache_dir()?.join(name);
    make(&dir)?;
    Ok(dir)
}

pub fn make(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(Error::io("cannot make the folder", dir))
}

/// Held while a build writes into the caches; a second build waits for the first.
pub fn lock() -> Result<File> {
    let path = cache("")?.join("lock");
    let file = File::create(&path).map_err(Error::io("cannot make the lock", &path))?;
    if file.try_lock().is_err() {
        eprintln!("waiting for another build to end …");
        file.lock().map_err(Error::io("cannot lock", &path))?;
    }
    Ok(file)
}

/// Points `link` at `target`, whatever it pointed at before.
pub fn point(link: &Path, target: &Path) -> Result<()> {
    if let Some(parent) = link.parent() {
        make(parent)?;
    }
    let new = link.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("cannot remove", &new)(error));
        }
        _ => {}
    }
    symlink(target, &new).map_err(Error::io("cannot make the link", &new))?;
    fs::rename(&new, link).map_err(Error::io("cannot replace the link", link))
}

pub fn remove_tree(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", dir)(error))
        }
        _ => Ok(()),
    }
}

/// Of the cached builds named `PREFIX-KEY` keeps `keep` newest: one may be running, one may be wanted again.
pub fn prune(prefix: &str, keep: usize) -> Result<()> {
    let dir = cache("")?;
    let mut builds = Vec::new();
    for entry in fs::read_dir(&dir).map_err(Error::io("cannot list", &dir))? {
        let entry = entry.map_err(Error::io("cannot list", &dir))?;
        let named = entry
            .file_name()
            .to_string_lossy()
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with('-'));
        if let (true, Ok(changed)) = (named, entry.metadata().and_then(|data| data.modified())) {
            builds.push((changed, entry.path()));
        }
    }
    builds.sort();
    for (_, path) in builds.iter().rev().skip(keep) {
        remove_tree(path)?;
    }
    Ok(())
}

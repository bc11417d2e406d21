//! Debian trees in the cache: what tools and peers run in, each made once by mmdebstrap.
//!
//! A tree is known by its packages: another list is another tree. Whoever makes one holds a lock, so that two who need
//! the same one at once do not write into each other's; what a maker that was killed left behind is cleared away first.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::keys::Key;
use crate::{Error, Result, cache_dir, mirrors};

/// The Debian release of every tree.
pub const RELEASE: &str = "trixie";

/// A tree that may have to be made.
pub struct Tree {
    place: PathBuf,
    packages: String,
}

impl Tree {
    /// The tree of these packages and of what they depend on, in the cache.
    pub fn new(name: &str, packages: &[&str]) -> Result<Self> {
        let packages = packages.join(",");
        let key = Key::default().text(RELEASE).text(&packages).finish();
        Ok(Self {
            place: cache_dir()?.join(format!("{name}-{key}")),
            packages,
        })
    }

    /// At this place instead of the one that the packages give.
    #[must_use]
    pub fn at(mut self, place: PathBuf) -> Self {
        self.place = place;
        self
    }

    /// The tree's root; `run` gets the command that makes it, where it is missing. That takes a minute or some, root,
    /// and mmdebstrap.
    pub fn ensure<E: From<Error>>(
        &self,
        run: impl FnOnce(&mut Command) -> std::result::Result<(), E>,
    ) -> std::result::Result<PathBuf, E> {
        let place = &self.place;
        if place.exists() {
            return Ok(place.clone());
        }
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(Error::io("cannot make the folder", parent))?;
        }
        let lock = place.with_extension("lock");
        let held = File::create(&lock).map_err(Error::io("cannot make the lock", &lock))?;
        held.lock().map_err(Error::io("cannot lock", &lock))?;
        // Whoever held the lock before may have made it.
        if !place.exists() {
            let part = place.with_extension("part");
            if part.exists() {
                fs::remove_dir_all(&part).map_err(Error::io("cannot clear away", &part))?;
            }
            run(&mut self.command(&part))?;
            fs::rename(&part, place).map_err(Error::io("cannot put in its place", place))?;
        }
        Ok(place.clone())
    }

    fn command(&self, part: &Path) -> Command {
        let mut command = Command::new("mmdebstrap");
        command.arg("--variant=apt");
        command.arg(format!("--include={}", self.packages));
        // Nobody reads in there.
        command.args(["locale", "man"].map(|unread| format!("--dpkgopt=path-exclude=/usr/share/{unread}/*")));
        command.arg(RELEASE).arg(part).args(mirrors::sources());
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(dir: &Path) -> Tree {
        Tree::new("test", &["one", "two"]).unwrap().at(dir.join("tree"))
    }

    fn file_made(command: &Command) -> PathBuf {
        let part = command
            .get_args()
            .find(|argument| Path::new(argument).is_absolute());
        Path::new(part.unwrap()).join("made")
    }

    #[test]
    fn what_a_killed_maker_left_is_cleared_away_and_a_tree_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let tree = tree(dir.path());
        fs::create_dir_all(dir.path().join("tree.part/left")).unwrap();
        let root = tree
            .ensure::<Error>(|command| {
                let made = file_made(command);
                assert!(!made.with_file_name("left").exists());
                fs::create_dir_all(&made).map_err(Error::io("cannot make", made))
            })
            .unwrap();
        assert!(root.join("made").exists());
        let again = tree.ensure::<Error>(|_| panic!("it is there"));
        assert_eq!(again.unwrap(), root);
    }

    #[test]
    fn two_who_need_a_tree_at_once_make_one() {
        let dir = tempfile::tempdir().unwrap();
        let made = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    tree(dir.path()).ensure::<Error>(|command| {
                        made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        let file = file_made(command);
                        fs::create_dir_all(&file).map_err(Error::io("cannot make", file))
                    })
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn a_maker_that_fails_leaves_no_tree() {
        let dir = tempfile::tempdir().unwrap();
        let tree = tree(dir.path());
        assert!(tree.ensure(|_| Err(Error::NoHome)).is_err());
        assert!(!dir.path().join("tree").exists());
    }
}

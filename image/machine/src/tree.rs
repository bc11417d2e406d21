//! Debian trees in the cache: what tools and peers run in, each made once by mmdebstrap.
//!
//! A tree is known by its packages: another list is another tree. Whoever makes one holds a lock, so that two who need
//! the same one at once do not write into each other's; what a maker that was killed left behind is cleared away first.
//!
//! A tool runs inside its tree ([`enter`]): a mount namespace of its own, the tree made a mount point, the host's folders of
//! data mounted at the same paths, then `chroot`. The process started becomes the tool, so that its ID and its exit are
//! the tool's.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::keys::Key;
use crate::{Error, Result, cache_dir, mirrors};

/// The Debian release of every tree.
pub const RELEASE: &str = "trixie";

/// `$1` is the tree, `$2` the working directory, the rest the command. Folders of the system itself (`/usr`, `/etc`, …)
/// are the tree's; everything else at the top of the host's root is data and is visible at its own path.
const ENTER: &str = r#"
tree=$1 dir=$2
shift 2
mount --bind "$tree" "$tree"
for top in /*; do
    case $top in
        /bin | /boot | /etc | /lib* | /lost+found | /sbin | /usr | /var) continue ;;
    esac
    [ -d "$top" ] && [ ! -L "$top" ] || continue
    mkdir -p "$tree$top"
    mount --rbind "$top" "$tree$top"
done
if [ -e /etc/resolv.conf ]; then
    [ -e "$tree/etc/resolv.conf" ] || : > "$tree/etc/resolv.conf"
    mount --bind "$(readlink -f /etc/resolv.conf)" "$tree/etc/resolv.conf"
fi
# Whom this host trusts, the tools trust: a network may have an authority of its own.
authorities=/etc/ssl/certs/ca-certificates.crt
if [ -e "$authorities" ] && [ -e "$tree$authorities" ]; then
    mount --bind "$authorities" "$tree$authorities"
fi
exec chroot "$tree" /bin/sh -c 'cd "$0" && exec "$@"' "$dir" "$@"
"#;

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

/// The command `tool` inside a tree, in the current directory. The host's environment stays out but for what terminals
/// and proxies need.
pub fn enter(tree: &Path, tool: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "--",
        "/bin/sh",
        "-eu",
        "-c",
        ENTER,
        "toolbox",
    ]);
    command.arg(tree);
    command.arg(std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")));
    command.arg(tool);
    command.env_clear();
    command.env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    command.env("LC_ALL", "C.UTF-8");
    for name in [
        "HOME",
        "TERM",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "SOURCE_DATE_EPOCH",
    ] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
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

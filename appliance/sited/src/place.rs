//! Puts a rendered tree in its place: what is the same stays untouched, what is new comes whole, what is no longer
//! declared goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::render::{Node, OWNED, Tree};

/// What has not got its name yet; nobody who reads these folders takes such a file for anything.
const TEMPORARY: &str = ".varde-render.new";

/// What was changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Placed {
    pub written: Vec<PathBuf>,
    pub removed: Vec<PathBuf>,
}

/// Makes the files below `root` what `tree` says. `readers` is the group that may read secrets.
///
/// New files come before old ones go, and secrets before the accounts that they belong to, so that nobody who may log
/// in before and after is locked out in between.
pub fn place(root: &Path, tree: &Tree, readers: Option<u32>) -> Result<Placed, Error> {
    let mut placed = Placed::default();
    let (secrets, others): (Vec<_>, Vec<_>) = tree
        .iter()
        .partition(|(_, node)| matches!(node, Node::File { secret: true, .. }));
    for (path, node) in secrets.into_iter().chain(others) {
        let path = below(root, path);
        if !is_there(&path, node) {
            put(&path, node, readers)?;
            placed.written.push(path);
        }
    }
    for (folder, prefix) in OWNED {
        remove_others(root, Path::new(folder), prefix, tree, &mut placed)?;
    }
    Ok(placed)
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn mode(secret: bool) -> u32 {
    if secret { 0o640 } else { 0o644 }
}

fn is_there(path: &Path, node: &Node) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else {
        return false;
    };
    match node {
        Node::Link(target) => fs::read_link(path).is_ok_and(|found| found == *target),
        Node::File { text, secret } => {
            found.is_file()
                && found.permissions().mode() & 0o777 == mode(*secret)
                && fs::read(path).is_ok_and(|found| found == text.as_bytes())
        }
    }
}

fn put(path: &Path, node: &Node, readers: Option<u32>) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    let temporary = folder.join(TEMPORARY);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &temporary, error));
        }
        _ => {}
    }
    let result = match node {
        Node::Link(target) => std::os::unix::fs::symlink(target, &temporary),
        Node::File { text, secret } => write(&temporary, text, *secret, readers),
    };
    result.map_err(|error| Error::io("write", path, error))?;
    fs::rename(&temporary, path).map_err(|error| Error::io("rename", path, error))
}

fn write(path: &Path, text: &str, secret: bool, readers: Option<u32>) -> io::Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    if secret && readers.is_some() {
        fchown(&file, None, readers)?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode(secret)))?;
    file.write_all(text.as_bytes())
}

fn remove_others(
    root: &Path,
    folder: &Path,
    prefix: &str,
    tree: &Tree,
    placed: &mut Placed,
) -> Result<(), Error> {
    let path = below(root, folder);
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read", &path, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("read", &path, error))?;
        let name = entry.file_name();
        let ours = name.to_string_lossy().starts_with(prefix);
        let declared = folder.join(&name);
        if ours && !tree.keys().any(|path| path.starts_with(&declared)) {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_folder {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(|error| Error::io("remove", &path, error))?;
            placed.removed.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str, bool)]) -> Tree {
        let node = |text: &str, secret| Node::File {
            text: text.to_owned(),
            secret,
        };
        files
            .iter()
            .map(|(path, text, secret)| (PathBuf::from(path), node(text, *secret)))
            .collect()
    }

    #[test]
    fn what_is_declared_comes_and_what_is_not_goes() {
        let root = tempfile::tempdir().unwrap();
        let path = |path: &str| root.path().join(path);
        let first = tree(&[
            ("/run/userdb/kari.user", "{}", false),
            ("/run/userdb/kari.user-privileged", "secret", true),
            ("/run/systemd/network/50-varde-a.netdev", "a", false),
        ]);
        let placed = place(root.path(), &first, None).unwrap();
        assert_eq!(placed.written.len(), 3);
        assert_eq!(
            placed.written[0],
            path("run/userdb/kari.user-privileged"),
            "secrets first"
        );
        let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("run/userdb/kari.user-privileged"), 0o640);
        assert_eq!(mode("run/userdb/kari.user"), 0o644);

        fs::write(path("run/systemd/network/20-other.network"), "not ours").unwrap();
        let second = tree(&[("/run/userdb/ola.user", "{}", false)]);
        let placed = place(root.path(), &second, None).unwrap();
        assert_eq!(placed.written, [path("run/userdb/ola.user")]);
        assert_eq!(placed.removed.len(), 3);
        assert!(path("run/systemd/network/20-other.network").exists());
    }

    #[test]
    fn a_folder_goes_when_nothing_in_it_is_declared() {
        let root = tempfile::tempdir().unwrap();
        let drop_in = "/run/systemd/system/varde-vm@web.service.d/50-varde-order.conf";
        let others = root.path().join("run/systemd/system/varde-vm@.service.d");
        place(root.path(), &tree(&[(drop_in, "[Unit]\n", false)]), None).unwrap();
        assert_eq!(
            place(root.path(), &tree(&[(drop_in, "[Unit]\n", false)]), None).unwrap(),
            Placed::default()
        );
        fs::create_dir_all(root.path().join("run/systemd/system/session-1.scope.d")).unwrap();
        let placed = place(root.path(), &Tree::new(), None).unwrap();
        let gone = root.path().join("run/systemd/system/varde-vm@web.service.d");
        assert_eq!(placed.removed, [gone.as_path()]);
        assert!(!gone.exists() && !others.exists());
        assert!(root.path().join("run/systemd/system/session-1.scope.d").exists());
    }

    #[test]
    fn what_is_the_same_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let mut tree = tree(&[("/run/userdb/kari.user-privileged", "secret", true)]);
        tree.insert(
            "/etc/localtime".into(),
            Node::Link("../usr/share/zoneinfo/UTC".into()),
        );
        assert_eq!(place(root.path(), &tree, None).unwrap().written.len(), 2);
        assert_eq!(place(root.path(), &tree, None).unwrap(), Placed::default());
        // A secret that others can read is not the same.
        let secret = root.path().join("run/userdb/kari.user-privileged");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(place(root.path(), &tree, None).unwrap().written, [secret]);
    }

    #[test]
    fn what_a_power_cut_left_over_is_no_obstacle() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("run/userdb")).unwrap();
        fs::write(root.path().join("run/userdb").join(TEMPORARY), "half").unwrap();
        let tree = tree(&[("/run/userdb/kari.user", "{}", false)]);
        place(root.path(), &tree, None).unwrap();
        let left: Vec<_> = fs::read_dir(root.path().join("run/userdb")).unwrap().collect();
        assert_eq!(left.len(), 1);
    }
}

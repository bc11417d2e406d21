//! The power fails, or a system call does, at every step of every change of the store.
//!
//! A recording of the steps gives, for each moment, all that a disk may hold then: of each folder's changes since it
//! was last synced any first part, of each file that was not synced nothing, half or all. The store must be whole in
//! every one of these states.

mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::steps::{Steps, System};
use super::write::{Changes, TEMPORARY};
use super::{GENERATIONS, OBJECTS, Origin, Source, Store};
use crate::StoreError;

const A: &str = include_str!("../../../../image/demo/site.toml");

/// A different site that passes its checks too.
fn b() -> String {
    A.replace("name = \"varde-demo\"", "name = \"varde-b\"")
}

fn origin() -> Origin {
    Origin {
        who: "kari".to_owned(),
        why: String::new(),
        source: Source::Applied,
        problem: None,
    }
}

#[derive(Clone, Debug)]
enum Step {
    CreateDir(PathBuf),
    Create(PathBuf, usize),
    Write(usize, Vec<u8>),
    Sync(usize),
    Symlink(PathBuf, PathBuf),
    Rename(PathBuf, PathBuf),
    SyncDir(PathBuf),
    Remove(PathBuf),
}

/// Does each step and remembers it; the step numbered `fails` fails instead.
#[derive(Default)]
struct Recorder {
    steps: Vec<Step>,
    files: usize,
    count: usize,
    fails: Option<usize>,
}

impl Recorder {
    fn step(&mut self) -> io::Result<()> {
        self.count += 1;
        if self.fails == Some(self.count - 1) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Steps for Recorder {
    type File = (usize, fs::File);

    fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        System.create_dir(path)?;
        self.steps.push(Step::CreateDir(path.into()));
        Ok(())
    }

    fn create(&mut self, path: &Path) -> io::Result<Self::File> {
        self.step()?;
        let file = System.create(path)?;
        self.files += 1;
        self.steps.push(Step::Create(path.into(), self.files));
        Ok((self.files, file))
    }

    fn write(&mut self, (number, file): &mut Self::File, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.step() {
            // A full disk takes a part of it.
            System.write(file, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        System.write(file, bytes)?;
        self.steps.push(Step::Write(*number, bytes.into()));
        Ok(())
    }

    fn sync(&mut self, (number, _): &mut Self::File) -> io::Result<()> {
        self.step()?;
        self.steps.push(Step::Sync(*number));
        Ok(())
    }

    fn symlink(&mut self, target: &Path, link: &Path) -> io::Result<()> {
        self.step()?;
        System.symlink(target, link)?;
        self.steps.push(Step::Symlink(target.into(), link.into()));
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        System.rename(from, to)?;
        self.steps.push(Step::Rename(from.into(), to.into()));
        Ok(())
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.steps.push(Step::SyncDir(path.join("")));
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        System.remove(path)?;
        self.steps.push(Step::Remove(path.into()));
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Folder,
    File(Vec<u8>),
    /// A file of the recording, whose content depends on what was synced.
    Recorded(usize),
    Link(PathBuf),
}

type Disk = BTreeMap<PathBuf, Node>;

/// What is on a disk, by path from `root`.
fn read(root: &Path) -> Disk {
    let mut disk = Disk::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let node = if found.is_dir() {
                folders.push(path.clone());
                Node::Folder
            } else if found.is_symlink() {
                Node::Link(fs::read_link(&path).unwrap())
            } else {
                Node::File(fs::read(&path).unwrap())
            };
            disk.insert(path.strip_prefix(root).unwrap().into(), node);
        }
    }
    disk
}

fn write(disk: &Disk) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, node) in disk {
        let path = root.path().join(path);
        match node {
            Node::Folder => fs::create_dir(path).unwrap(),
            Node::File(bytes) => fs::write(path, bytes).unwrap(),
            Node::Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            Node::Recorded(number) => panic!("file {number} has no content yet"),
        }
    }
    root
}

/// All that the disk may hold after the first `count` steps.
fn survivors(root: &Path, before: &Disk, steps: &[Step], count: usize) -> BTreeSet<Disk> {
    let relative = |path: &Path| path.strip_prefix(root).unwrap().to_owned();
    let folder_of = |path: &Path| relative(path).parent().unwrap().to_owned();
    // Changes of each folder, and how many of them are certainly on disk.
    let mut changes: BTreeMap<PathBuf, (Vec<&Step>, usize)> = BTreeMap::new();
    let mut contents: BTreeMap<usize, (Vec<u8>, bool)> = BTreeMap::new();
    for step in &steps[..count] {
        let folder = match step {
            Step::CreateDir(path) | Step::Symlink(_, path) | Step::Rename(_, path) | Step::Remove(path) => {
                folder_of(path)
            }
            Step::Create(path, number) => {
                contents.insert(*number, (Vec::new(), false));
                folder_of(path)
            }
            Step::Write(number, bytes) => {
                let content = contents.get_mut(number).unwrap();
                content.0.extend(bytes);
                content.1 = false;
                continue;
            }
            Step::Sync(number) => {
                contents.get_mut(number).unwrap().1 = true;
                continue;
            }
            Step::SyncDir(path) => {
                let (changes, durable) = changes.entry(relative(path)).or_default();
                *durable = changes.len();
                continue;
            }
        };
        changes.entry(folder).or_default().0.push(step);
    }
    let mut disks = BTreeSet::from([before.clone()]);
    for (list, durable) in changes.values() {
        let mut more = BTreeSet::new();
        for disk in &disks {
            for length in *durable..=list.len() {
                let mut disk = disk.clone();
                for step in &list[..length] {
                    apply(&mut disk, step, &relative);
                }
                more.insert(disk);
            }
        }
        disks = more;
    }
    for (number, (content, synced)) in contents {
        let possible = if synced {
            vec![content]
        } else {
            vec![Vec::new(), content[..content.len() / 2].to_vec(), content]
        };
        let with = |disk: &Disk, content: &[u8]| {
            let node = |node: &Node| match node {
                Node::Recorded(found) if *found == number => Node::File(content.to_vec()),
                other => other.clone(),
            };
            disk.iter()
                .map(|(path, found)| (path.clone(), node(found)))
                .collect::<Disk>()
        };
        disks = disks
            .iter()
            .flat_map(|disk| possible.iter().map(|content| with(disk, content)))
            .collect();
    }
    // A folder that was not kept keeps nothing in it.
    for disk in std::mem::take(&mut disks) {
        let folders: BTreeSet<PathBuf> = disk.keys().cloned().collect();
        let reachable = |path: &Path| {
            path.parent()
                .is_none_or(|up| up == Path::new("") || folders.contains(up))
        };
        disks.insert(disk.into_iter().filter(|(path, _)| reachable(path)).collect());
    }
    disks
}

fn apply(disk: &mut Disk, step: &Step, relative: &impl Fn(&Path) -> PathBuf) {
    match step {
        Step::CreateDir(path) => {
            disk.insert(relative(path), Node::Folder);
        }
        Step::Create(path, number) => {
            disk.insert(relative(path), Node::Recorded(*number));
        }
        Step::Symlink(target, path) => {
            disk.insert(relative(path), Node::Link(target.clone()));
        }
        Step::Rename(from, to) => {
            let node = disk.remove(&relative(from)).unwrap();
            disk.insert(relative(to), node);
        }
        Step::Remove(path) => {
            disk.remove(&relative(path));
        }
        Step::Write(..) | Step::Sync(_) | Step::SyncDir(_) => {}
    }
}

fn changes(root: &Path, fails: Option<usize>) -> Changes<Recorder> {
    Changes {
        store: Store::open(root),
        steps: Recorder {
            fails,
            ..Recorder::default()
        },
    }
}

fn active(root: &Path) -> Option<String> {
    Store::open(root).active().unwrap().map(|active| active.text)
}

fn leftovers(root: &Path) -> usize {
    ["", OBJECTS, GENERATIONS]
        .map(|folder| root.join(folder).join(TEMPORARY))
        .iter()
        .filter(|path| path.symlink_metadata().is_ok())
        .count()
}

type Change = fn(&mut Changes<Recorder>) -> Result<(), StoreError>;

/// What was there before, and what is done then.
fn cases() -> Vec<(&'static str, Vec<String>, Change, String)> {
    let apply_b: Change = |changes| {
        changes.prepare()?;
        changes.commit(&b(), &origin(), 2).map(drop)
    };
    let back_to_1: Change = |changes| changes.activate(1);
    vec![
        ("the first generation", vec![], apply_b, b()),
        ("the second generation", vec![A.into()], apply_b, b()),
        ("an earlier file again", vec![b(), A.into()], apply_b, b()),
        (
            "back to an earlier generation",
            vec![A.into(), b()],
            back_to_1,
            A.into(),
        ),
    ]
}

fn prepared(texts: &[String]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for text in texts {
        let mut writer = Store::open(root.path()).writer().unwrap();
        writer.commit(text, &origin(), 1).unwrap();
    }
    root
}

#[test]
fn a_power_cut_at_any_step_leaves_the_old_or_the_new() {
    for (name, texts, change, new) in cases() {
        let root = prepared(&texts);
        let before = read(root.path());
        let old = active(root.path());
        let mut changes = changes(root.path(), None);
        change(&mut changes).unwrap();
        let steps = changes.steps.steps;
        assert!(steps.len() >= 3, "{name}");
        let (mut states, mut seen_old, mut seen_new) = (0, false, false);
        for count in 0..=steps.len() {
            for disk in survivors(root.path(), &before, &steps, count) {
                states += 1;
                let after = write(&disk);
                let found = active(after.path());
                assert!(
                    found == old || found.as_ref() == Some(&new),
                    "{name}: neither old nor new after step {count} of {steps:?}"
                );
                if count == steps.len() {
                    assert_eq!(found.as_ref(), Some(&new), "{name}: done but not kept");
                }
                seen_old |= found == old;
                seen_new |= found.as_ref() == Some(&new);
                // And the store goes on from there.
                let mut writer = Store::open(after.path()).writer().unwrap();
                assert_eq!(leftovers(after.path()), 0, "{name} after step {count}");
                writer.commit(&new, &origin(), 3).unwrap();
                assert_eq!(active(after.path()).as_ref(), Some(&new));
                assert!(
                    Store::open(after.path())
                        .history()
                        .unwrap()
                        .iter()
                        .all(Result::is_ok)
                );
            }
        }
        assert!(
            seen_old && seen_new && states > steps.len(),
            "{name}: {states} states"
        );
    }
}

#[test]
fn a_step_that_fails_changes_nothing_and_leaves_nothing() {
    for (name, texts, change, new) in cases() {
        let steps = {
            let root = prepared(&texts);
            let mut changes = changes(root.path(), None);
            change(&mut changes).unwrap();
            changes.steps.count
        };
        // The last step only makes certain what is done already.
        for step in 0..steps - 1 {
            let root = prepared(&texts);
            let old = active(root.path());
            let fault = change(&mut changes(root.path(), Some(step))).unwrap_err();
            assert!(
                fault.text().nb.contains("Datapartisjonen er full"),
                "{name}: {fault}"
            );
            assert_eq!(active(root.path()), old, "{name}: step {step}");
            assert_eq!(leftovers(root.path()), 0, "{name}: step {step}");
            change(&mut changes(root.path(), None)).unwrap();
            assert_eq!(active(root.path()).as_ref(), Some(&new));
        }
    }
}

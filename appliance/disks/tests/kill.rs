//! Whoever works on a chain is killed at each step of each operation, and while qemu-img runs for it; what is found
//! afterwards is the old state or the new one, whole. With the real qemu-img: without `VARDE_TOOLBOX` (or
//! `VARDE_QEMU_IMG` and `VARDE_QEMU_IO`) there is nothing to test here.

#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::hash::Hasher;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};
use varde_disks::{Chains, Executor, Keep, Order, Snapshot, Told, read};

const PATIENCE: Duration = Duration::from_secs(30);
const SIZE: u64 = 4 << 20;

struct Tools {
    img: PathBuf,
    io: PathBuf,
    /// Contents of chains that have been seen before, by the bytes of their layers: most points leave the same.
    seen: RefCell<HashMap<u64, String>>,
    _scripts: tempfile::TempDir,
}

fn tools() -> Option<Tools> {
    let scripts = tempfile::tempdir().unwrap();
    let wrap = |program: &str, variable: &str| -> Option<PathBuf> {
        if let Some(path) = std::env::var_os(variable) {
            return Some(path.into());
        }
        let tree = PathBuf::from(std::env::var_os("VARDE_TOOLBOX")?);
        let tree = tree.display();
        let path = scripts.path().join(program);
        let script = format!(
            "#!/bin/sh\nexec {tree}/lib64/ld-linux-x86-64.so.2 --library-path {tree}/usr/lib/x86_64-linux-gnu \
             {tree}/usr/bin/{program} \"$@\"\n"
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Some(path)
    };
    let found = wrap("qemu-img", "VARDE_QEMU_IMG").zip(wrap("qemu-io", "VARDE_QEMU_IO"));
    let Some((img, io)) = found else {
        eprintln!("not tested: VARDE_TOOLBOX names no qemu-img");
        return None;
    };
    Some(Tools {
        img,
        io,
        seen: RefCell::default(),
        _scripts: scripts,
    })
}

fn run(program: &Path, words: &[&str]) {
    let output = Command::new(program).args(words).output().unwrap();
    assert!(
        output.status.success(),
        "{words:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Tools {
    /// As a guest would.
    fn write(&self, file: &Path, pattern: u8, at: &str, length: &str) {
        let command = format!("write -P {pattern} {at} {length}");
        run(&self.io, &["-f", "qcow2", "-c", &command, file.to_str().unwrap()]);
    }

    /// Hash of what a guest would read of a chain whose layers are all sound.
    fn content(&self, layers: &[PathBuf]) -> String {
        let mut hasher = DefaultHasher::new();
        for layer in layers {
            hasher.write(&fs::read(layer).unwrap());
        }
        let key = hasher.finish();
        if let Some(known) = self.seen.borrow().get(&key) {
            return known.clone();
        }
        for layer in layers {
            run(
                &self.img,
                &["check", "-q", "-f", "qcow2", layer.to_str().unwrap()],
            );
        }
        let content = self.read(layers.last().unwrap());
        self.seen.borrow_mut().insert(key, content.clone());
        content
    }

    fn read(&self, file: &Path) -> String {
        let raw = file.with_extension("raw");
        let words = [
            "convert",
            "-f",
            "qcow2",
            "-O",
            "raw",
            file.to_str().unwrap(),
            raw.to_str().unwrap(),
        ];
        run(&self.img, &words);
        let bytes = fs::read(&raw).unwrap();
        fs::remove_file(raw).unwrap();
        Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

fn disks(root: &Path) -> Vec<(String, u64, Option<PathBuf>)> {
    vec![
        ("data".into(), SIZE, None),
        ("system".into(), SIZE, Some(root.join("small.qcow2"))),
    ]
}

fn snapshot(id: &str) -> Snapshot {
    Snapshot {
        id: id.to_owned(),
        taken: 1,
        by: "kari".into(),
        why: String::new(),
        expires: 2,
        budget: 3,
        machines: vec!["db".into()],
        quiesced: false,
        keep: Keep::Kept,
        overlays: BTreeMap::new(),
        lent: Vec::new(),
    }
}

fn take(id: &str, live: bool) -> Order {
    Order::Take {
        snapshot: Box::new(snapshot(id)),
        live,
    }
}

/// What is done, after how it came to that.
struct Case {
    name: &'static str,
    before: Vec<Order>,
    /// `None`: the machine is made ready for its start, its disks are made.
    order: Option<Order>,
}

fn cases() -> Vec<Case> {
    let id = || "one".to_owned();
    let case = |name, before: &[Order], order| Case {
        name,
        before: before.to_vec(),
        order,
    };
    let kept = [take("zero", false), take("one", false)];
    let begun = [&kept[..], &[Order::BeginMerge { id: id() }]].concat();
    let lend = || Order::Lend {
        id: id(),
        to: "r1".into(),
    };
    let data = Order::Merged {
        id: id(),
        disk: "data".into(),
    };
    vec![
        case("create", &[], None),
        case("take", &kept[..1], Some(take("one", false))),
        case("take while it runs", &kept[..1], Some(take("one", true))),
        case(
            "conclude",
            &[take("zero", false), take("one", true)],
            Some(Order::Conclude {
                taken: 7,
                quiesced: true,
            }),
        ),
        case(
            "undo",
            &[take("zero", false), take("one", true)],
            Some(Order::Undo),
        ),
        case("roll back", &kept, Some(Order::RollBack { id: id() })),
        case(
            "roll back two",
            &kept,
            Some(Order::RollBack { id: "zero".into() }),
        ),
        case("merge", &kept, Some(Order::Merge { id: id() })),
        case("begin to merge", &kept, Some(Order::BeginMerge { id: id() })),
        case("let go of a merged disk", &begun, Some(data)),
        case("call a merge off", &begun, Some(Order::HaltMerge { id: id() })),
        case("lend", &kept, Some(lend())),
        case(
            "return",
            &[&kept[..], &[lend()]].concat(),
            Some(Order::Return {
                id: id(),
                to: "r1".into(),
            }),
        ),
        case("discard", &kept, Some(Order::Discard)),
    ]
}

/// Works in `directory`, and is killed at the point of this number.
fn work(tools_img: &Path, root: &Path, order: Option<&Order>, kill_at: Option<usize>) -> usize {
    let mut point = 0;
    let mut tell = |told: Told| {
        if matches!(told, Told::Progress(_)) {
            return;
        }
        if kill_at == Some(point) {
            // SIGKILL: nothing of ours runs any more. A qemu-img that it has started may go on, as after a real one.
            let this = rustix::process::getpid();
            rustix::process::kill_process(this, rustix::process::Signal::KILL).unwrap();
        }
        point += 1;
    };
    let mut executor = Executor::new(&root.join("vm"), tools_img, PATIENCE, &mut tell).unwrap();
    match order {
        None => {
            executor.make_ready(&disks(root), &[], |_| true).unwrap();
        }
        Some(order) => executor.obey(order).unwrap(),
    }
    drop(executor);
    point
}

/// Not a test: what the test starts in a process of its own, to be killed.
#[test]
fn worker() {
    let Some(root) = std::env::var_os("VARDE_KILL_ROOT") else {
        return;
    };
    let order = std::env::var("VARDE_KILL_ORDER").unwrap();
    let order: Option<Order> = serde_json::from_str(&order).unwrap();
    let at = std::env::var("VARDE_KILL_AT").unwrap().parse().unwrap();
    let img = PathBuf::from(std::env::var_os("VARDE_KILL_IMG").unwrap());
    work(&img, Path::new(&root), order.as_ref(), Some(at));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("vm")).unwrap();
    for directory in ["", "vm"] {
        for entry in fs::read_dir(from.join(directory)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(directory).join(entry.file_name())).unwrap();
            }
        }
    }
}

/// What a person could tell apart: contents of each disk, and snapshots that can be returned to.
fn sight(tools: &Tools, root: &Path) -> (BTreeMap<String, String>, Vec<(String, Keep)>) {
    let chains = read(&root.join("vm")).unwrap();
    let contents = chains
        .disks
        .keys()
        .map(|disk| {
            let layers: Vec<PathBuf> = chains.disks[disk]
                .layers
                .iter()
                .map(|layer| root.join("vm").join(layer))
                .collect();
            (disk.clone(), tools.content(&layers))
        })
        .collect();
    let snapshots = chains.snapshots.iter().map(|s| (s.id.clone(), s.keep)).collect();
    (contents, snapshots)
}

/// Nothing is unfinished, and no file lies about that nothing needs.
fn is_whole(root: &Path, what: &str) {
    let chains = read(&root.join("vm")).unwrap();
    assert_eq!(chains.work, None, "{what}");
    let layers: BTreeSet<String> = chains
        .disks
        .values()
        .flat_map(|chain| chain.layers.clone())
        .collect();
    let there: BTreeSet<String> = fs::read_dir(root.join("vm"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(".qcow2"))
        .collect();
    assert_eq!(there, layers, "{what}");
}

/// A root in which the orders have been carried out, each followed by what the guest wrote then.
fn lay_out(tools: &Tools, before: &[Order], created: bool) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    fs::create_dir(at.join("vm")).unwrap();
    let image = at.join("small.qcow2");
    run(
        &tools.img,
        &["create", "-q", "-f", "qcow2", image.to_str().unwrap(), "4M"],
    );
    tools.write(&image, 1, "0", "1M");
    if created {
        work(&tools.img, at, None, None);
        write_everywhere(tools, at, 2, "512k");
    }
    for (pattern, order) in (3..).zip(before) {
        work(&tools.img, at, Some(order), None);
        if matches!(order, Order::Take { live: false, .. }) {
            write_everywhere(tools, at, pattern, "1536k");
        }
    }
    root
}

fn write_everywhere(tools: &Tools, root: &Path, pattern: u8, at: &str) {
    let chains = read(&root.join("vm")).unwrap();
    for disk in chains.disks.keys() {
        tools.write(
            &root.join("vm").join(chains.head(disk).unwrap()),
            pattern,
            at,
            "768k",
        );
    }
}

#[test]
fn a_kill_at_any_point_leaves_the_old_state_or_the_new_one() {
    let Some(tools) = tools() else { return };
    let mut points = 0;
    for case in cases() {
        let order = case.order.as_ref();
        let fixture = lay_out(&tools, &case.before, case.order.is_some());
        // A pivot that QEMU was not there for, recovered as it would be at a start: that is the old state then.
        let old = copied(fixture.path());
        recover(&tools, old.path());
        let old = (order.is_some()).then(|| sight(&tools, old.path()));
        let new = copied(fixture.path());
        let count = work(&tools.img, new.path(), order, None);
        recover(&tools, new.path());
        let new = sight(&tools, new.path());
        // Half a merge has begun, and is not merged: a third state, with the content of both.
        let begun = old.as_ref().map(|(contents, snapshots)| {
            let mut snapshots = snapshots.clone();
            if let Some(last) = snapshots.last_mut() {
                last.1 = Keep::Merging;
            }
            (contents.clone(), snapshots)
        });
        for at in 0..count {
            let root = copied(fixture.path());
            killed(&tools, root.path(), order, at);
            recover(&tools, root.path());
            let what = format!("{}, killed at point {at} of {count}", case.name);
            is_whole(root.path(), &what);
            let seen = sight(&tools, root.path());
            let merging = matches!(order, Some(Order::Merge { .. })) && Some(&seen) == begun.as_ref();
            let known = merging || seen == new || Some(&seen) == old.as_ref();
            assert!(known, "{what}: {seen:?} is neither {old:?} nor {new:?}");
            if merging {
                // Interrupted, it is gone on with.
                work(&tools.img, root.path(), order, None);
                is_whole(root.path(), &what);
                assert_eq!(sight(&tools, root.path()), new, "{what}");
            }
            points += 1;
        }
    }
    println!("{points} points, none lost, none corrupt");
    assert!(
        points > 100,
        "only {points} points: the operations are not all there"
    );
}

fn copied(from: &Path) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    copy(from, root.path());
    root
}

/// As the next start does it.
fn recover(tools: &Tools, root: &Path) {
    let mut tell = |_| {};
    let mut executor = Executor::new(&root.join("vm"), &tools.img, PATIENCE, &mut tell).unwrap();
    let chains: Chains = executor.make_ready(&disks(root), &[], |_| true).unwrap();
    assert_eq!(chains.disks.len(), 2);
}

fn killed(tools: &Tools, root: &Path, order: Option<&Order>, at: usize) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker"])
        .env("VARDE_KILL_ROOT", root)
        .env("VARDE_KILL_ORDER", serde_json::to_string(&order).unwrap())
        .env("VARDE_KILL_AT", at.to_string())
        .env("VARDE_KILL_IMG", &tools.img)
        .status()
        .unwrap();
    assert_eq!(
        status.signal(),
        Some(9),
        "it was killed and did not end otherwise"
    );
}

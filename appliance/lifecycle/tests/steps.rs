//! Writing, judging and taking back, with a stand-in for the program that writes the slot: it is cut off where the real one
//! cannot be.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use minisign::KeyPair;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use varde_lifecycle::esp::Esp;
use varde_lifecycle::health::{Health, Kind, Thing};
use varde_lifecycle::install::{Place, install, take_back};
use varde_lifecycle::ledger::{Folder, LEDGER, Ledger};
use varde_lifecycle::release::{LIST, SIGNATURE};
use varde_lifecycle::settle::{Settled, settle};

const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const NOW: i64 = 1_700_000_000_000;

struct Bench {
    folder: TempDir,
    pair: KeyPair,
    place: Place,
}

/// What systemd-sysupdate leaves: an entry, unless it is told to fail before that.
const WRITER: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
[ ! -e broken ] || { echo "no space left on the slot" >&2; exit 1; }
[ -e "staged/varde_$3.efi" ] || exit 1
[ -n "$(ls esp | grep "^varde_$3[+.]")" ] || cp "staged/varde_$3.efi" "esp/varde_$3+3-0.efi"
"#;

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["esp", "state"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("esp/varde_0.1.0.efi"), "old").unwrap();
        fs::write(path("writer"), WRITER).unwrap();
        fs::set_permissions(path("writer"), fs::Permissions::from_mode(0o755)).unwrap();
        let place = Place {
            folder: Folder::new(path("state")),
            staged: path("staged"),
            esp: Esp::new(path("esp")),
            running: "0.1.0".parse().unwrap(),
            boot: "one".into(),
            writer: path("writer"),
        };
        Self {
            folder,
            pair: KeyPair::generate_unencrypted_keypair().unwrap(),
            place,
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A signed release of this version in a folder.
    fn release(&self, version: &str) -> std::path::PathBuf {
        let folder = self.path(&format!("release-{version}"));
        fs::create_dir_all(&folder).unwrap();
        let mut list = format!("version = \"{version}\"\n");
        for name in [
            format!("varde_{version}_{UUID}.root.raw"),
            format!("varde_{version}_{UUID}.verity.raw"),
            format!("varde_{version}.efi"),
        ] {
            let bytes = name.repeat(1000);
            fs::write(folder.join(&name), &bytes).unwrap();
            let hash: String = Sha256::digest(&bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            list += &format!(
                "[[file]]\nname = \"{name}\"\nsize = {}\nsha256 = \"{hash}\"\n",
                bytes.len()
            );
        }
        let signature = minisign::sign(None, &self.pair.sk, list.as_bytes(), None, None).unwrap();
        fs::write(folder.join(LIST), list).unwrap();
        fs::write(folder.join(SIGNATURE), signature.into_string()).unwrap();
        folder
    }

    fn install(&self, from: &Path, even_so: bool) -> Result<String, String> {
        let keys = [self.pair.pk.to_base64()];
        let done = install(&self.place, from, &keys, even_so, well(&["journal"]));
        done.map(|version| version.to_string())
            .map_err(|error| error.text().en)
    }

    fn restart(&mut self, into: &str) {
        self.place.running = into.parse().unwrap();
        self.place.boot += "+";
    }

    fn settle(&self, now: &Health) -> Settled {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime
            .block_on(settle(&self.place, Duration::ZERO, NOW, async || now.clone()))
            .unwrap()
    }

    fn ledger(&self) -> Ledger {
        self.place.folder.read(LEDGER).unwrap()
    }

    /// How the name of its entry ends, such as `+3.efi`; empty: there is none.
    fn left(&self, version: &str) -> String {
        let entry = self.place.esp.of(version.parse().unwrap()).unwrap();
        let name = entry.map(|entry| entry.path.file_name().unwrap().to_string_lossy().into_owned());
        name.unwrap_or_default().replace(&format!("varde_{version}"), "")
    }
}

fn well(machines: &[&str]) -> Health {
    let things = machines.iter().map(|name| Thing {
        kind: Kind::Machine,
        name: (*name).to_owned(),
    });
    let mut health = Health::default();
    health.well.extend(things);
    health.known.extend(health.well.iter().cloned());
    health.known.insert(Thing {
        kind: Kind::Machine,
        name: "journal".into(),
    });
    health
}

#[test]
fn a_version_that_is_well_is_kept() {
    let mut bench = Bench::new();
    assert_eq!(bench.install(&bench.release("0.2.0"), false).unwrap(), "0.2.0");
    assert_eq!(bench.left("0.2.0"), "+3-0.efi");
    assert_eq!(
        bench.settle(&well(&[])),
        Settled::Nothing,
        "it has not been started"
    );
    bench.restart("0.2.0");
    assert_eq!(bench.settle(&well(&["journal"])), Settled::Kept);
    let ledger = bench.ledger();
    assert!(ledger.pending.is_none() && ledger.outcomes[0].kept && ledger.quarantined.is_empty());
}

#[test]
fn a_version_that_is_not_well_loses_its_tries_and_is_explained_by_the_one_before() {
    let mut bench = Bench::new();
    bench.install(&bench.release("0.2.0"), false).unwrap();
    bench.restart("0.2.0");
    assert_eq!(bench.settle(&well(&[])), Settled::GivenUp);
    assert_eq!(bench.left("0.2.0"), "+0.efi");
    bench.restart("0.1.0");
    assert_eq!(bench.settle(&well(&[])), Settled::CameBack);
    let ledger = bench.ledger();
    assert_eq!(ledger.outcomes[0].cause.en, "the machine journal is not up");
    assert!(!ledger.outcomes[0].kept);
    // Not again, unless somebody says so; then with all its tries.
    assert!(
        bench
            .install(&bench.release("0.2.0"), false)
            .unwrap_err()
            .contains("quarantine")
    );
    bench.install(&bench.release("0.2.0"), true).unwrap();
    assert_eq!(bench.left("0.2.0"), "+3.efi");
    assert!(bench.ledger().quarantined.is_empty());
}

#[test]
fn a_version_that_was_given_up_goes_on_where_no_other_starts() {
    let mut bench = Bench::new();
    bench.install(&bench.release("0.2.0"), false).unwrap();
    bench.restart("0.2.0");
    assert_eq!(bench.settle(&well(&[])), Settled::GivenUp);
    bench.restart("0.2.0");
    assert_eq!(bench.settle(&well(&[])), Settled::Stays);
    assert!(bench.ledger().outcomes[0].cause.en.contains("this one goes on"));
    assert_eq!(bench.settle(&well(&[])), Settled::Nothing);
}

#[test]
fn the_last_of_three_tries_is_still_a_try() {
    let mut bench = Bench::new();
    bench.install(&bench.release("0.2.0"), false).unwrap();
    // As the boot loader leaves it when it starts the third.
    let esp = bench.path("esp");
    fs::rename(esp.join("varde_0.2.0+3-0.efi"), esp.join("varde_0.2.0+0-3.efi")).unwrap();
    bench.restart("0.2.0");
    assert_eq!(bench.settle(&well(&[])), Settled::GivenUp);
    bench.restart("0.2.0");
    assert_eq!(bench.settle(&well(&[])), Settled::Stays);
}

#[test]
fn a_version_that_could_not_say_anything_is_explained_by_its_tries() {
    let mut bench = Bench::new();
    bench.install(&bench.release("0.2.0"), false).unwrap();
    bench.place.esp.set("0.2.0".parse().unwrap(), 0).unwrap();
    bench.restart("0.1.0");
    assert_eq!(bench.settle(&well(&[])), Settled::CameBack);
    let outcome = &bench.ledger().outcomes[0];
    assert!(outcome.cause.en.contains("three tries"), "{outcome:?}");
}

#[test]
fn nothing_is_written_of_what_is_older_damaged_or_not_ours() {
    let bench = Bench::new();
    for version in ["0.0.9", "0.1.0"] {
        assert!(
            bench
                .install(&bench.release(version), false)
                .unwrap_err()
                .contains("--even-so")
        );
    }
    // Over the one that runs nothing is ever written.
    assert!(bench.install(&bench.release("0.1.0"), true).is_err());
    let release = bench.release("0.2.0");
    let kernel = release.join("varde_0.2.0.efi");
    let whole = fs::read(&kernel).unwrap();
    for wrong in [
        &whole[..whole.len() - 1],
        &[&whole[..], b"x"].concat(),
        &vec![0; whole.len()],
    ] {
        fs::write(&kernel, wrong).unwrap();
        assert!(
            bench
                .install(&release, false)
                .unwrap_err()
                .contains("cut short or changed")
        );
    }
    fs::remove_file(&kernel).unwrap();
    assert!(bench.install(&release, false).is_err());
    fs::write(&kernel, whole).unwrap();
    fs::write(bench.path("broken"), "").unwrap();
    assert!(
        bench
            .install(&release, false)
            .unwrap_err()
            .contains("no space left on the slot")
    );
    assert_eq!(bench.left("0.2.0"), "");
    assert_eq!(fs::read_dir(bench.path("esp")).unwrap().count(), 1);
}

#[test]
fn a_cut_before_the_entry_is_there_leaves_the_version_that_runs_and_blames_nobody() {
    let mut bench = Bench::new();
    fs::write(bench.path("broken"), "").unwrap();
    bench.install(&bench.release("0.2.0"), false).unwrap_err();
    bench.restart("0.1.0");
    assert_eq!(bench.settle(&well(&[])), Settled::CameBack);
    let ledger = bench.ledger();
    assert!(ledger.outcomes[0].cause.en.contains("power went"), "{ledger:?}");
    assert!(ledger.quarantined.is_empty() && ledger.pending.is_none());
    fs::remove_file(bench.path("broken")).unwrap();
    bench.install(&bench.release("0.2.0"), false).unwrap();
}

#[test]
fn a_cut_after_the_entry_is_there_leaves_it_to_be_tried() {
    let mut bench = Bench::new();
    bench.install(&bench.release("0.2.0"), false).unwrap();
    let mut ledger = bench.ledger();
    ledger.pending.as_mut().unwrap().written = false;
    bench.place.folder.write(LEDGER, &ledger).unwrap();
    bench.restart("0.1.0");
    assert_eq!(bench.settle(&well(&[])), Settled::Nothing);
    assert!(bench.ledger().pending.unwrap().written);
    bench.restart("0.2.0");
    assert_eq!(bench.settle(&well(&["journal"])), Settled::Kept);
}

#[test]
fn the_way_back_goes_to_the_other_version_or_calls_off_what_was_not_tried() {
    let mut bench = Bench::new();
    assert!(
        take_back(&bench.place, NOW)
            .unwrap_err()
            .text()
            .en
            .contains("no other version")
    );
    bench.install(&bench.release("0.2.0"), false).unwrap();
    assert_eq!(take_back(&bench.place, NOW).unwrap().to_string(), "0.1.0");
    assert_eq!(bench.left("0.2.0"), "+0.efi");
    assert!(bench.ledger().pending.is_none());

    bench.install(&bench.release("0.2.0"), true).unwrap();
    bench.restart("0.2.0");
    assert_eq!(bench.settle(&well(&["journal"])), Settled::Kept);
    assert_eq!(take_back(&bench.place, NOW).unwrap().to_string(), "0.1.0");
    assert_eq!([bench.left("0.1.0"), bench.left("0.2.0")], [".efi", "+0.efi"]);
    assert_eq!(bench.ledger().quarantined, ["0.2.0".parse().unwrap()]);
    // Nothing to go back to from there: that one is given up.
    bench.restart("0.1.0");
    assert!(take_back(&bench.place, NOW).is_err());
}

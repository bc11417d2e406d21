//! The site: what is refused, and what is left when the power or the disk gives out in the middle.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use varde_audit::chain::{Chain, Size};
use varde_audit::disk::Directory;
use varde_audit::verify::verify;
use varde_qemu_tests::Step::{Send, WaitFor, WaitForMatch, WaitGone};
use varde_qemu_tests::cut::{self, FileSystem, Lost, Request};
use varde_qemu_tests::{ADMIN, Appliance, Result, Shape, scenario};
use varde_site::Store;

const NEW_TITLE: &str = "Etter strømbruddet på Værøy";

fn old() -> String {
    Shape::default()
        .site
        .expect("the scenarios' own shape has a site")
}

fn new() -> String {
    old().replace("Prøvested Værøy", NEW_TITLE)
}

/// Number of the active generation, as the file system has it.
fn active(appliance: &Appliance) -> Result<String> {
    appliance.sh("readlink /var/lib/varde/site/active")
}

#[test]
fn a_faulty_site_is_refused_with_its_place_and_remedy_and_changes_nothing() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        let before = (active(&appliance)?, appliance.varde("site history")?);
        let faulty = old().replacen("memory = ", "memroy = ", 1);
        let line = 1 + faulty
            .lines()
            .position(|line| line.starts_with("memroy"))
            .expect("it was put there");
        appliance.write("/run/faulty.toml", &faulty)?;
        for verb in ["check", "apply --why prøve"] {
            let said = appliance.run(&format!("varde --lang en site {verb} /run/faulty.toml"))?;
            assert_eq!(said.code, 1, "{}", said.text);
            let place = format!("/run/faulty.toml:{line}:1: ");
            assert!(said.text.contains(&place), "{place} is not in:\n{}", said.text);
            assert!(
                said.text.contains("memory"),
                "the nearest name is not in:\n{}",
                said.text
            );
        }
        assert_eq!((active(&appliance)?, appliance.varde("site history")?), before);

        // The same on the screen: a line is typed into the editor, which begins with the active file.
        appliance.log_in(ADMIN)?;
        appliance.dialogue(&[
            WaitFor("Oversikt"),
            Send("3e"),
            WaitFor("site.toml, linje 1"),
            Send("vesrion = 2<enter><ctrl-d>"),
            WaitFor("Filen kan ikke tas i bruk"),
            WaitForMatch("linje 1, tegn 1"),
            WaitFor("version"),
        ])?;
        assert_eq!(active(&appliance)?, before.0);
        Ok(())
    });
}

#[test]
fn a_full_disk_refuses_changes_with_the_reason_and_nothing_falls_over() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        let before = active(&appliance)?;
        appliance.write("/run/new.toml", &new())?;
        // The writer of the record runs from the first change on; it is asked something, so that it does here too.
        appliance.sh("varde audit verify")?;
        // All that anybody but root may take, at once; then what is left in part, block by block.
        appliance.sh(
            "fallocate -l $(df -B1 --output=avail /var | tail -n 1) /var/fill; \
             while [ $(df -B1 --output=avail /var | tail -n 1) -gt 0 ]; do \
               dd if=/dev/zero bs=64k count=1 >> /var/fill 2>/dev/null || break; done; sync",
        )?;
        let said = appliance.run("varde --json site apply /run/new.toml --why prøve")?;
        assert_eq!(
            said.code, 1,
            "a change that cannot be kept was taken: {}",
            said.text
        );
        assert!(
            said.text.contains("No space left") || said.text.contains("full"),
            "the reason is not named: {}",
            said.text
        );
        assert_eq!(active(&appliance)?, before);
        // The console still opens and says so.
        appliance.log_in(ADMIN)?;
        appliance.dialogue(&[
            WaitFor("Oversikt"),
            WaitForMatch("Datadisk: 0|Datadisk: [0-9,]+ [KM]iB"),
        ])?;
        assert_eq!(appliance.sh("systemctl --failed --no-legend --plain")?, "");
        appliance.sh("rm /var/fill && sync")?;
        appliance.sh("varde site apply /run/new.toml --why prøve")?;
        appliance.sh("varde audit verify")?;
        appliance.dialogue(&[Send("3"), WaitFor(NEW_TITLE), WaitGone("Prøvested Værøy")])
    });
}

/// States that are judged at most: each costs a third of a second.
const STATES: usize = 120;

#[test]
fn a_power_cut_at_any_write_of_an_apply_leaves_the_old_or_the_new_site() {
    scenario(|scenario| {
        let appliance = scenario.restored_with_log(Shape::default())?;
        let partition = appliance.sh(
            "p=$(readlink -f /dev/disk/by-partlabel/varde-data); cat /sys/class/block/${p#/dev/}/start /sys/class/block/${p#/dev/}/size",
        )?;
        let sectors: Vec<u64> = partition.lines().filter_map(|line| line.parse().ok()).collect();
        let [start, length] = sectors[..] else {
            panic!("no partition varde-data: {partition}")
        };
        appliance.write("/run/new.toml", &new())?;
        appliance.sh("sync")?;
        let begun = cut::entries(&appliance.write_log())?;
        appliance.sh("varde site apply /run/new.toml --why prøve")?;
        let done = cut::entries(&appliance.write_log())?;
        appliance.sh("sync")?;
        appliance.cut_power()?;

        let log = appliance.write_log();
        let requests = cut::read_log(std::io::BufReader::new(
            std::fs::File::open(&log).expect("QEMU wrote it"),
        ))?;
        let (begun, done) = (as_place(begun), as_place(done));
        let disk = appliance.disk_before().expect("it was restored from a snapshot");
        let base = appliance.scratch().join("data.raw");
        let data = FileSystem::extract(
            &appliance.build().toolbox,
            &disk,
            start * 512,
            length * 512,
            &base,
        )?;
        let judge = |asked: usize, lost: Lost| -> Result<bool> {
            let dump = appliance.scratch().join("judged");
            data.after(&cut::survivors(&requests, asked, lost), "/lib/varde", &dump)?;
            let cut = format!("cut after request {asked}, lost {lost:?}");
            let title = match Store::open(dump.join("varde/site")).active() {
                Ok(Some(active)) => active.site.site.title,
                other => panic!("{cut}: {other:?}"),
            };
            let verbs = recorded(&dump.join("varde/audit"), &cut);
            std::fs::remove_dir_all(&dump).expect("it was just made");
            match title.as_str() {
                NEW_TITLE if verbs.iter().any(|verb| verb == "site.apply") => Ok(true),
                NEW_TITLE => panic!("{cut}: the site is new, and no record says who made it so: {verbs:?}"),
                "Prøvested Værøy" => Ok(false),
                other => panic!("{cut}: the site is {other:?}"),
            }
        };

        let states = states(&requests, begun, done);
        let mut counts = [0, 0];
        for (asked, lost) in &states {
            counts[usize::from(judge(*asked, *lost)?)] += 1;
        }
        scenario.report(&format!(
            "{} requests of one apply, {} states judged: {} old, {} new, none neither",
            done - begun,
            states.len(),
            counts[0],
            counts[1]
        ));
        assert!(!judge(begun, Lost::Unflushed)?, "it was new before it began");
        assert!(
            judge(done, Lost::Unflushed)?,
            "apply said done, and a power cut took it back"
        );
        Ok(())
    });
}

/// What the record of who did what holds after a cut, which must be whole.
fn recorded(dir: &Path, cut: &str) -> Vec<String> {
    let disk = Arc::new(Directory::open(dir).expect("the record is a folder"));
    let mut chain =
        Chain::open(Arc::clone(&disk), Size::default()).unwrap_or_else(|error| panic!("{cut}: {error}"));
    let snapshot = chain.snapshot().unwrap_or_else(|error| panic!("{cut}: {error}"));
    let verdict = verify(&*disk, &snapshot).unwrap_or_else(|error| panic!("{cut}: {error}"));
    assert_eq!(verdict.faults, [], "{cut}");
    let records = chain.tail(1000).unwrap_or_else(|error| panic!("{cut}: {error}"));
    records.into_iter().map(|record| record.verb).collect()
}

fn as_place(entries: u64) -> usize {
    usize::try_from(entries).expect("a log that was read has fewer entries than memory has bytes")
}

/// Moments and losses that differ: after each write nothing lost, before each flush something lost.
fn states(requests: &[Request], begun: usize, done: usize) -> Vec<(usize, Lost)> {
    let mut states = BTreeSet::new();
    for asked in begun..=done {
        if asked > begun && matches!(requests[asked - 1], Request::Write { .. }) {
            states.insert((asked, 0));
        }
        if requests.get(asked) == Some(&Request::Flush) {
            states.extend((1..=3).map(|lost| (asked, lost)));
        }
    }
    let step = states.len().div_ceil(STATES).max(1);
    states
        .into_iter()
        .step_by(step)
        .map(|(asked, lost)| {
            let lost = match lost {
                0 => Lost::Nothing,
                1 => Lost::Unflushed,
                of => Lost::EverySecond { from: of - 2 },
            };
            (asked, lost)
        })
        .collect()
}

#[test]
fn an_appliance_whose_power_was_cut_during_an_apply_boots_with_a_whole_site() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        appliance.write("/run/new.toml", &new())?;
        appliance.sh("sync")?;
        let process = appliance.process()?;
        let before = process.qmp.borrow_mut().writes("disk")?;
        process.shell.start("varde site apply /run/new.toml --why prøve");
        // Somewhere in the middle: the whole apply takes some tens of writes.
        let end = std::time::Instant::now() + Duration::from_mins(1);
        while process.qmp.borrow_mut().writes("disk")? < before + 12 && std::time::Instant::now() < end {}
        drop(process);
        appliance.cut_power()?;
        appliance.power_on()?;
        appliance.wait_for_login()?;
        let summary = appliance.varde("status")?.to_string();
        assert!(
            summary.contains(NEW_TITLE) || summary.contains("Prøvested Værøy"),
            "{summary}"
        );
        assert_eq!(appliance.sh("systemctl --failed --no-legend --plain")?, "");
        appliance.sh("varde audit verify")?;
        appliance.log_in(ADMIN)?;
        appliance.dialogue(&[WaitFor("Oversikt")])
    });
}

/// The same site with another address of the appliance in its only zone.
fn moved() -> String {
    let moved = old().replace("10.20.0.1/24", "10.20.0.2/24");
    assert_ne!(moved, old());
    moved
}

#[test]
fn a_site_on_trial_that_nobody_confirms_takes_itself_back_with_its_addresses() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        let before = active(&appliance)?;
        let address = "ip -4 -brief address show br-kontor";
        appliance.until(&format!("{address} | grep 10.20.0.1/24"), Duration::from_mins(1))?;
        appliance.write("/run/moved.toml", &moved())?;
        // It is not said that it shall be on trial: what it changes says so.
        let said = appliance.run("varde --lang en site apply /run/moved.toml --why adresse")?;
        assert_eq!(said.code, 0, "{}", said.text);
        assert!(said.text.contains("on trial"), "{}", said.text);
        appliance.until(&format!("{address} | grep 10.20.0.2/24"), Duration::from_mins(1))?;
        let good = "varde --json site trial | tr -d ' \\n' | grep 'br-kontor:configured'";
        appliance.until(good, Duration::from_mins(1))?;
        appliance.sh("varde site take-back --why 'feil adresse'")?;
        assert_eq!(active(&appliance)?, before);
        appliance.until(&format!("{address} | grep 10.20.0.1/24"), Duration::from_mins(1))?;

        // By itself, though the clock is set an hour back meanwhile.
        appliance.sh("varde site apply /run/moved.toml --why adresse --confirm-within 20s")?;
        appliance.sh("date -s '-1 hour'")?;
        appliance.until(
            &format!("readlink /var/lib/varde/site/active | grep -x {before}"),
            Duration::from_mins(3),
        )?;
        appliance.until(&format!("{address} | grep 10.20.0.1/24"), Duration::from_mins(1))?;
        appliance.until("varde audit list | grep site.taken-back", Duration::from_mins(1))?;
        appliance.log_in(ADMIN)?;
        appliance.dialogue(&[WaitFor("Oversikt"), WaitFor("ble tatt tilbake fra prøve")])?;
        // What is confirmed stays.
        appliance.sh("varde site apply /run/moved.toml --why adresse --confirm-within 10min")?;
        appliance.dialogue(&[
            WaitFor("På prøve: generasjon"),
            Send("3k<down><enter>"),
            WaitFor("er bekreftet og gjelder for godt"),
        ])?;
        assert!(!appliance.sh("ls /var/lib/varde/site")?.contains("trial"));
        appliance.sh("varde audit verify").map(drop)
    });
}

#[test]
fn a_power_cut_during_a_trial_brings_back_the_site_before_it() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        let before = active(&appliance)?;
        appliance.write("/run/moved.toml", &moved())?;
        appliance.sh("varde site apply /run/moved.toml --why adresse --confirm-within 1h")?;
        assert_ne!(active(&appliance)?, before);
        appliance.cut_power()?;
        appliance.power_on()?;
        appliance.wait_for_login()?;
        assert_eq!(active(&appliance)?, before);
        appliance.until(
            "ip -4 -brief address show br-kontor | grep 10.20.0.1/24",
            Duration::from_mins(1),
        )?;
        appliance.log_in(ADMIN)?;
        appliance.dialogue(&[WaitFor("Oversikt"), WaitFor("ble tatt tilbake fra prøve")])?;
        appliance.until("varde audit list | grep site.taken-back", Duration::from_mins(1))?;
        assert_eq!(appliance.sh("systemctl --failed --no-legend --plain")?, "");
        appliance.sh("varde audit verify").map(drop)
    });
}

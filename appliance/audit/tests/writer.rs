//! What the writer holds to when the power goes, the disk fills up, or an operation fails.

mod support;

use std::sync::Arc;

use support::{Memory, SMALL, Trouble, begun, check, done, open, records};
use varde_audit::Chain;
use varde_bus::audit::Record;
use varde_bus::{Failure, FailureKind};

/// Appends ten records; gives those that were acknowledged.
fn write(disk: &Arc<Memory>, when: i64) -> Vec<Record> {
    let mut kept = Vec::new();
    let Ok(mut chain) = Chain::open(Arc::clone(disk), SMALL) else {
        return kept;
    };
    for number in 0..10 {
        if let Ok(record) = chain.append(begun(&format!("vm-{number}")), when + number) {
            kept.push(record);
        }
    }
    kept
}

/// The chain is whole, holds what was acknowledged in that order, and can go on. Gives what else it holds.
fn holds(disk: &Arc<Memory>, acknowledged: &[Record], what: &str) -> Vec<Record> {
    let mut chain = open(disk);
    chain.settle(99).expect(what);
    let verdict = check(&mut chain);
    assert_eq!(verdict.faults, [], "{what}");
    let all = records(&chain);
    assert_eq!(verdict.records, all.len() as u64, "{what}");
    let (kept, other): (Vec<_>, Vec<_>) = all.into_iter().partition(|record| acknowledged.contains(record));
    assert_eq!(kept, acknowledged, "{what}");
    chain.append(begun("after"), 100).expect(what);
    assert_eq!(check(&mut chain).faults, [], "{what}");
    other
}

#[test]
fn a_power_cut_at_any_step_loses_nothing_that_was_acknowledged() {
    let mut cuts = 0;
    for step in 0.. {
        let mut came = false;
        for (during, survive) in [0, 1, 4, 7, 8].iter().flat_map(|a| [0, 3, 5, 8].map(|b| (*a, b))) {
            let disk = Memory::new();
            disk.expect(step, Trouble::Cut { eighths: during });
            let acknowledged = write(&disk, 0);
            came |= disk.came();
            let what = format!("cut at step {step}, {during}/8 of it done, {survive}/8 of the rest kept");
            let other = holds(&disk.after_cut(survive), &acknowledged, &what);
            let unknown = other.iter().filter(|record| record.who == "kari").count();
            assert!(unknown <= 1, "{what}: {other:?}");
            cuts += 1;
        }
        if !came {
            break;
        }
    }
    assert!(cuts > 500, "only {cuts} cuts: the steps were not reached");
}

#[test]
fn a_second_power_cut_during_recovery_loses_nothing_either() {
    for first in 0..60 {
        for second in 0..12 {
            let disk = Memory::new();
            disk.expect(first, Trouble::Cut { eighths: 4 });
            let mut acknowledged = write(&disk, 0);
            let disk = disk.after_cut(5);
            disk.expect(second, Trouble::Cut { eighths: 5 });
            acknowledged.extend(write(&disk, 50));
            holds(
                &disk.after_cut(3),
                &acknowledged,
                &format!("cut at step {first} and then at {second}"),
            );
        }
    }
}

#[test]
fn a_torn_record_is_dropped_and_that_is_recorded() {
    let disk = Memory::new();
    let acknowledged = write(&disk, 0);
    let name = disk.files().keys().nth_back(1).unwrap().clone();
    let mut files = disk.files();
    files
        .get_mut(&name)
        .unwrap()
        .extend_from_slice(br#"{"sequence":11,"wh"#);
    let other = holds(&Memory::of(files), &acknowledged, "torn");
    assert_eq!(other.len(), 1);
    assert_eq!(other[0].verb, "audit.recovered");
    assert!(
        other[0].detail.contains("dropped 18 bytes"),
        "{}",
        other[0].detail
    );
}

#[test]
fn a_head_that_somebody_wrote_on_is_told_once_and_made_right() {
    let disk = Memory::new();
    write(&disk, 0);
    let mut files = disk.files();
    files.get_mut("head").unwrap().extend_from_slice(b"more");
    let disk = Memory::of(files);
    for _ in 0..2 {
        let mut chain = open(&disk);
        chain.settle(99).unwrap();
        assert_eq!(check(&mut chain).faults, []);
        let told = records(&chain)
            .iter()
            .filter(|record| record.verb == "audit.damaged")
            .count();
        assert_eq!(told, 1);
    }
}

#[test]
fn one_failed_operation_fails_one_append_and_leaves_the_chain_whole() {
    for step in 0.. {
        let disk = Memory::new();
        // The first operations make the chain; without it there is no service, and nothing acknowledged.
        let mut chain = open(&disk);
        let mut acknowledged = vec![chain.append(begun("first"), 0).unwrap()];
        disk.expect(step, Trouble::Fails);
        let mut failed = 0;
        for number in 0..10 {
            match chain.append(begun("vm"), number) {
                Ok(record) => acknowledged.push(record),
                Err(_) => failed += 1,
            }
        }
        let what = format!("step {step} failed");
        assert!(failed <= 1, "{what}");
        assert_eq!(check(&mut chain).faults, [], "{what}");
        drop(chain);
        let came = disk.came();
        holds(&disk.after_cut(8), &acknowledged, &what);
        if !came {
            assert!(step > 30, "the steps were not reached");
            break;
        }
    }
}

#[test]
fn a_full_disk_refuses_what_begins_and_keeps_room_for_what_ends() {
    let disk = Memory::new();
    let mut chain = open(&disk);
    chain.append(begun("journal"), 0).unwrap();
    disk.set_free(0);
    let mut last = 1;
    let error = loop {
        match chain.append(begun("journal"), 1) {
            Ok(record) => last = record.sequence,
            Err(error) => break error,
        }
    };
    let failure = Failure::from(error);
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.text.en.contains("full"), "{failure}");
    assert!(failure.text.nb.contains("full"), "{failure}");
    let ended = chain
        .append(done(last), 2)
        .expect("there is room for the outcome");
    assert_eq!(check(&mut chain).faults, []);

    disk.set_free(1_000_000);
    assert_eq!(
        chain.append(begun("journal"), 3).unwrap().sequence,
        ended.sequence + 1
    );
    assert_eq!(check(&mut chain).faults, []);
}

#[test]
fn what_makes_no_sense_is_not_recorded() {
    let disk = Memory::new();
    let mut chain = open(&disk);
    chain.append(begun("journal"), 0).unwrap();
    let mut nobody = begun("journal");
    nobody.who.clear();
    let mut long = begun("journal");
    long.why = "å".repeat(2001);
    let mut odd = begun("journal");
    odd.outcome = "perhaps".into();
    let mut unbegun = begun("journal");
    unbegun.of = 1;
    for entry in [nobody, long, odd, unbegun, done(0), done(2)] {
        let failure = Failure::from(chain.append(entry.clone(), 1).unwrap_err());
        assert_eq!(failure.kind, FailureKind::Invalid, "{entry:?}");
    }
    let mut wordy = done(1);
    wordy.detail = "å".repeat(9000);
    let record = chain.append(wordy, 1).unwrap();
    assert_eq!(record.sequence, 2);
    assert_eq!(record.detail.chars().count(), 4001);
}

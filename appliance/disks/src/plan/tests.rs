use proptest::prelude::*;

use super::*;

fn snapshot(id: &str) -> Snapshot {
    Snapshot {
        id: id.to_owned(),
        taken: 1,
        by: "kari".into(),
        why: "upgrade".into(),
        expires: 2,
        budget: 3,
        machines: vec!["db".into()],
        quiesced: true,
        keep: Keep::Kept,
        overlays: std::collections::BTreeMap::new(),
        lent: Vec::new(),
    }
}

fn taking(id: &str, live: bool) -> Order {
    Order::Take {
        snapshot: Box::new(snapshot(id)),
        live,
    }
}

/// What is written down after these steps.
fn after(chains: &Chains, steps: &[Step]) -> Chains {
    steps
        .iter()
        .rev()
        .find_map(|step| match step {
            Step::Record(chains) => Some((**chains).clone()),
            _ => None,
        })
        .unwrap_or_else(|| chains.clone())
}

fn carry_out(chains: &Chains, order: &Order) -> Chains {
    after(chains, &plan(chains, order).unwrap())
}

fn two_disks() -> Chains {
    let one = after(&Chains::default(), &create(&Chains::default(), "data", 10, None));
    let base = Base::unhashed("/images/small.qcow2".into());
    after(&one, &create(&one, "system", 10, Some(base)))
}

fn layers<'a>(chains: &'a Chains, disk: &str) -> Vec<&'a str> {
    chains.disks[disk].layers.iter().map(String::as_str).collect()
}

#[test]
fn a_snapshot_puts_an_overlay_on_every_disk_and_a_rollback_drops_it_and_every_newer_one() {
    let chains = two_disks();
    let one = carry_out(&chains, &taking("1", false));
    let two = carry_out(&one, &taking("2", false));
    assert_eq!(
        layers(&two, "system"),
        ["system.qcow2", "system.0.qcow2", "system.1.qcow2"]
    );
    let back = carry_out(&two, &Order::RollBack { id: "1".into() });
    assert_eq!(layers(&back, "system"), ["system.qcow2"]);
    assert_eq!(back.snapshots, []);
    assert_eq!(back.next, 2, "a name that was in use does not come again");
}

#[test]
fn a_machine_that_is_off_is_seen_to_be_off_before_its_snapshot_is_taken() {
    for (live, seen) in [(false, 2), (true, 0)] {
        let steps = plan(&two_disks(), &taking("1", live)).unwrap();
        let looks = steps.iter().take_while(|step| matches!(step, Step::Idle { .. }));
        assert_eq!(looks.count(), seen);
    }
}

#[test]
fn a_chain_does_not_grow_deeper_than_three() {
    let two = carry_out(&carry_out(&two_disks(), &taking("1", false)), &taking("2", true));
    let two = carry_out(
        &two,
        &Order::Conclude {
            taken: 7,
            quiesced: true,
        },
    );
    let refusal = plan(&two, &taking("3", false)).unwrap_err();
    assert!(refusal.text().en.contains("2 snapshots already"), "{refusal}");
}

#[test]
fn nothing_begins_while_something_else_is_unfinished() {
    let pivot = carry_out(&two_disks(), &taking("1", true));
    assert!(matches!(pivot.work, Some(Work::Pivot { .. })));
    assert_eq!(
        layers(&pivot, "system"),
        ["system.qcow2"],
        "QEMU has not moved yet"
    );
    let refusal = plan(&pivot, &taking("2", true)).unwrap_err();
    assert!(refusal.text().en.contains("under way"), "{refusal}");
}

#[test]
fn only_the_newest_snapshot_is_merged_and_then_there_is_no_way_back() {
    let two = carry_out(&carry_out(&two_disks(), &taking("1", false)), &taking("2", false));
    let id = |id: &str| id.to_owned();
    let refusal = plan(&two, &Order::Merge { id: id("1") }).unwrap_err();
    assert!(refusal.text().en.contains("Merge 2 first"), "{refusal}");
    let begun = carry_out(&two, &Order::BeginMerge { id: id("2") });
    assert!(plan(&begun, &Order::RollBack { id: id("2") }).is_err());
    assert!(
        plan(
            &begun,
            &Order::Quiet {
                id: id("2"),
                quiet: false
            }
        )
        .is_err()
    );
    let one = carry_out(&begun, &Order::RollBack { id: id("1") });
    assert_eq!(
        layers(&one, "data"),
        ["data.qcow2"],
        "the older one still is a way back"
    );
    let merged = carry_out(&begun, &Order::Merge { id: id("2") });
    assert_eq!(merged.snapshots.len(), 1);
    assert_eq!(layers(&merged, "data"), ["data.qcow2", "data.0.qcow2"]);
}

#[test]
fn a_live_merge_lets_go_of_one_disk_after_the_other() {
    let id = || "1".to_owned();
    let one = carry_out(&two_disks(), &taking("1", false));
    let begun = carry_out(&one, &Order::BeginMerge { id: id() });
    let disk = |disk: &str| Order::Merged {
        id: id(),
        disk: disk.to_owned(),
    };
    let half = carry_out(&begun, &disk("data"));
    assert_eq!(layers(&half, "data"), ["data.qcow2"]);
    assert_eq!(layers(&half, "system"), ["system.qcow2", "system.0.qcow2"]);
    assert!(half.snapshot("1").is_some());
    let whole = carry_out(&half, &disk("system"));
    assert_eq!(whole.snapshots, []);
}

#[test]
fn a_machine_that_was_never_started_has_nothing_to_take() {
    assert!(plan(&Chains::default(), &taking("1", false)).is_err());
}

#[test]
fn what_is_in_nobodys_way_goes_before_anything_is_written_down() {
    let chains = two_disks();
    for steps in [
        plan(&chains, &taking("1", true)).unwrap(),
        create(&chains, "third", 10, None),
    ] {
        let begun = after(&chains, &steps[..1]);
        assert!(matches!(begun.work, Some(Work::Make { .. })));
        // A full disk may be why it was not made.
        assert!(matches!(recover(&begun)[0], Step::Remove { .. }));
    }
}

/// Files that are there after the first `count` steps.
fn files(
    mut files: std::collections::BTreeSet<String>,
    steps: &[Step],
    count: usize,
) -> std::collections::BTreeSet<String> {
    for step in &steps[..count] {
        match step {
            Step::Make { file, .. } => {
                files.insert(file.clone());
            }
            Step::Remove { file } => {
                files.remove(file);
            }
            _ => {}
        }
    }
    files
}

fn needed(chains: &Chains) -> std::collections::BTreeSet<String> {
    chains
        .disks
        .values()
        .flat_map(|chain| chain.layers.clone())
        .collect()
}

fn orders() -> impl Strategy<Value = Vec<Order>> {
    let id = || prop_oneof![Just("1".to_owned()), Just("2".to_owned()), Just("3".to_owned())];
    let order = prop_oneof![
        (id(), any::<bool>()).prop_map(|(id, live)| taking(&id, live)),
        Just(Order::Conclude {
            taken: 7,
            quiesced: true
        }),
        Just(Order::Undo),
        id().prop_map(|id| Order::RollBack { id }),
        id().prop_map(|id| Order::Merge { id }),
        id().prop_map(|id| Order::BeginMerge { id }),
        (id(), any::<bool>()).prop_map(|(id, system)| Order::Merged {
            id,
            disk: if system { "system" } else { "data" }.into()
        }),
        id().prop_map(|id| Order::HaltMerge { id }),
        (id(), any::<bool>()).prop_map(|(id, quiet)| Order::Quiet { id, quiet }),
        id().prop_map(|id| Order::Lend { id, to: "r1".into() }),
        id().prop_map(|id| Order::Return { id, to: "r1".into() }),
    ];
    proptest::collection::vec(order, 1..12)
}

proptest! {
    #[test]
    fn after_an_interruption_anywhere_every_layer_is_there_and_nothing_else(orders in orders(), stop in any::<prop::sample::Index>()) {
        let mut chains = two_disks();
        let mut there = needed(&chains);
        for order in &orders {
            let Ok(steps) = plan(&chains, order) else { continue };
            // Interrupted after so many steps, and what was interrupted is recovered.
            let count = stop.index(steps.len() + 1);
            let stopped = after(&chains, &steps[..count]);
            let left = files(there.clone(), &steps, count);
            prop_assert!(needed(&stopped).is_subset(&left), "{order:?}");
            let recovery = recover(&stopped);
            let recovered = after(&stopped, &recovery);
            prop_assert_eq!(&recovered.work, &None);
            prop_assert_eq!(files(left, &recovery, recovery.len()), needed(&recovered));
            // Not interrupted.
            there = files(there, &steps, steps.len());
            chains = after(&chains, &steps);
            let pending = matches!(chains.work, Some(Work::Pivot { .. }));
            prop_assert!(chains.work.is_none() || pending);
            prop_assert!(chains.disks.values().all(|chain| chain.layers.len() <= DEEPEST));
            prop_assert!(chains.is_sound());
        }
    }
}

proptest! {
    #[test]
    fn what_is_lent_is_neither_written_nor_dropped_until_it_is_returned(orders in orders()) {
        let mut chains = two_disks();
        for order in &orders {
            let lent = chains.lent_to("r1");
            let Ok(steps) = plan(&chains, order) else { continue };
            let layer_below = |file: &str| {
                let layers = chains.disks.values().map(|chain| &chain.layers);
                layers.into_iter().find_map(|layers| {
                    let place = layers.iter().position(|layer| layer == file)?;
                    layers.get(place.checked_sub(1)?)
                })
            };
            for step in &steps {
                match step {
                    Step::Remove { file } => prop_assert!(!lent.values().any(|one| one == file), "{order:?}"),
                    Step::Merge { file } => {
                        let below = layer_below(file);
                        prop_assert!(!lent.values().any(|one| Some(one) == below), "{order:?}");
                    }
                    _ => {}
                }
            }
            let next = after(&chains, &steps);
            if !matches!(order, Order::Return { .. }) {
                // Still lent, and still below something: nobody writes to it.
                let lent_now = next.lent_to("r1");
                for (disk, layer) in &lent {
                    prop_assert!(lent_now.get(disk) == Some(layer) || matches!(order, Order::Lend { .. }), "{order:?}");
                    prop_assert!(next.head(disk) != Some(layer.as_str()), "{order:?}");
                }
            }
            chains = next;
        }
    }
}

#[test]
fn a_snapshot_that_is_lent_says_to_whom_and_what_is_asked_of_it_is_refused() {
    let kept = carry_out(&two_disks(), &taking("1", false));
    let id = || "1".to_owned();
    let lent = carry_out(
        &kept,
        &Order::Lend {
            id: id(),
            to: "r1".into(),
        },
    );
    assert_eq!(lent.lent_to("r1")["system"], "system.qcow2");
    for order in [
        Order::RollBack { id: id() },
        Order::Merge { id: id() },
        Order::BeginMerge { id: id() },
        // No merge of it has begun, and so none has come to its end.
        Order::Merged {
            id: id(),
            disk: "system".into(),
        },
        Order::Quiet {
            id: id(),
            quiet: true,
        },
    ] {
        let refusal = plan(&lent, &order).unwrap_err().text();
        assert!(
            refusal.en.contains("the rehearsal r1 stand on 1"),
            "{order:?}: {refusal}"
        );
    }
    // A newer one is nobody's.
    let two = carry_out(&lent, &taking("2", false));
    assert!(plan(&two, &Order::RollBack { id: "2".into() }).is_ok());
    let back = carry_out(
        &lent,
        &Order::Return {
            id: id(),
            to: "r1".into(),
        },
    );
    assert!(back.lent_to("r1").is_empty());
    assert!(plan(&back, &Order::Merge { id: id() }).is_ok());
}

#[test]
fn of_a_clone_that_is_discarded_nothing_is_left_and_its_names_do_not_come_again() {
    let kept = carry_out(&two_disks(), &taking("1", false));
    let steps = plan(&kept, &Order::Discard).unwrap();
    let removed = steps.iter().filter(|step| matches!(step, Step::Remove { .. }));
    assert_eq!(removed.count(), 4);
    assert!(
        matches!(steps[0], Step::Idle { .. }),
        "somebody may still write to it"
    );
    let gone = carry_out(&kept, &Order::Discard);
    assert_eq!(
        gone,
        Chains {
            next: kept.next,
            ..Chains::default()
        }
    );
}

//! `varde-sited` on a bus: what it answers, refuses and records.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

mod support;

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use support::{DEMO, World, entry, failure};
use tempfile::TempDir;
use tokio::time::timeout;
use varde_bus::FailureKind;
use varde_bus::site::{NAME, PATH};
use varde_sited::first::{self, Candidates};

const NOBODY: u32 = 65534;

#[tokio::test]
async fn a_site_is_applied_as_it_is_shown_and_gone_back_from() {
    let world = World::start().await;
    let site = &world.site;
    let mut activated = site.receive_activated().await.unwrap();
    let summary = site.summary().await.unwrap();
    assert_eq!(
        (
            summary.generation,
            summary.source.as_str(),
            summary.problem.is_empty()
        ),
        (1, "demo", true)
    );

    // What is shown has no hashes, and can be applied with a change in it.
    let shown = site.show(0).await.unwrap();
    assert!(
        shown.contains("password_hash = \"keep\"") && !shown.contains("$6$"),
        "{shown}"
    );
    let changed = shown.replace("cpus = 1", "cpus = 2");
    assert_eq!(site.check(&changed).await.unwrap(), []);
    let diff = site.diff_text(&changed).await.unwrap();
    assert!(
        diff.contains("-cpus = 1\n+cpus = 2\n") && !diff.contains("hash"),
        "{diff}"
    );
    assert_eq!(site.apply(&changed, "Mer kraft").await.unwrap(), 2);
    let signal = timeout(Duration::from_mins(1), varde_bus::next(&mut activated)).await;
    assert_eq!(signal.unwrap().unwrap().args().unwrap().generation, 2);
    let active = world.store.active().unwrap().unwrap();
    assert_eq!(
        active.text,
        DEMO.replace("cpus = 1", "cpus = 2"),
        "the hashes are back"
    );
    assert_eq!(world.rendered(), [Some(2)]);
    assert_eq!(
        world.entries(),
        [entry("site.apply", "begun", 0), entry("site.apply", "done", 1)]
    );

    assert!(site.diff(2, 1).await.unwrap().contains("-cpus = 2\n+cpus = 1\n"));
    assert_eq!(site.roll_back(1, "").await.unwrap(), 3);
    assert_eq!(world.store.active().unwrap().unwrap().text, DEMO);
    let history = site.history().await.unwrap();
    let short: Vec<_> = history
        .iter()
        .map(|g| (g.number, g.parent, g.who.as_str(), g.why.as_str(), g.active))
        .collect();
    assert_eq!(
        short,
        [
            (3, 2, "root", "", true),
            (2, 1, "root", "Mer kraft", false),
            (1, 0, "first-boot", "", false)
        ]
    );
    assert_eq!(failure(site.roll_back(9, "").await).kind, FailureKind::NotFound);

    // The same file again: rendered once more, but no new generation.
    assert_eq!(site.apply(DEMO, "").await.unwrap(), 3);
    assert_eq!(site.history().await.unwrap().len(), 3);
    assert_eq!(world.rendered(), [Some(2), Some(3), Some(3)]);
}

#[tokio::test]
async fn systemd_is_told_when_machines_stop_in_another_order() {
    let world = World::start().await;
    let reloads = || *world.systemd.reloads.lock().unwrap();
    let changed = DEMO.replace("cpus = 1", "cpus = 2");
    world.site.apply(&changed, "").await.unwrap();
    assert_eq!(reloads(), 0, "nothing that systemd has to know");
    let (first, second) = changed.rsplit_once("after = []").unwrap();
    let reordered = format!("{first}after = [\"journal-db\"]{second}");
    world.site.apply(&reordered, "").await.unwrap();
    assert_eq!(reloads(), 1);
}

#[tokio::test]
async fn a_generation_that_cannot_be_rendered_gives_way_to_the_one_before() {
    let world = World::start().await;
    world.systemd.results.lock().unwrap().push("failed");
    let changed = DEMO.replace("cpus = 1", "cpus = 2");
    let failed = failure(world.site.apply(&changed, "").await);
    assert_eq!(failed.kind, FailureKind::Failed);
    assert!(
        failed.text.en.contains("generation 1 is active again")
            && failed.text.en.contains("varde-render.service failed"),
        "{failed}"
    );
    assert_eq!(world.active(), 1);
    assert_eq!(world.rendered(), [Some(2), Some(1)]);
    assert_eq!(
        world.entries(),
        [entry("site.apply", "begun", 0), entry("site.apply", "failed", 1)]
    );
    // A number is never given twice.
    assert_eq!(world.site.apply(&changed, "").await.unwrap(), 3);
}

#[tokio::test]
async fn a_bad_file_changes_nothing() {
    let world = World::start().await;
    let bad = DEMO.replace("memory = \"256 MiB\"", "memroy = \"256 MiB\"");
    let line = 1 + DEMO
        .lines()
        .position(|line| line == "memory = \"256 MiB\"")
        .unwrap();
    let findings = world.site.check(&bad).await.unwrap();
    assert_eq!(findings.len(), 2);
    assert_eq!((findings[1].line as usize, findings[1].column), (line, 1));
    assert_eq!(findings[1].remedy.nb, "Mente du «memory»?");
    let refused = failure(world.site.apply(&bad, "").await);
    assert_eq!(refused.kind, FailureKind::Invalid);
    assert!(
        refused
            .text
            .nb
            .starts_with("Ingenting er endret: site.toml har 2 feil"),
        "{refused:?}"
    );
    assert_eq!(
        (world.active(), world.entries(), world.rendered()),
        (1, vec![], vec![])
    );
}

#[tokio::test]
async fn the_first_generation_is_recorded_when_there_is_a_bus() {
    let demo = TempDir::new().unwrap();
    let world = World::start_after(|store| {
        for name in ["active", "generations/1.toml"] {
            std::fs::remove_file(store.path().join(name)).unwrap();
        }
        let candidates = Candidates {
            credential: None,
            installed: "/nowhere".into(),
            media: demo.path().join("none"),
            demo: demo.path().join("site.toml"),
        };
        std::fs::write(&candidates.demo, DEMO).unwrap();
        assert_eq!(first::make(store, &candidates, 1).unwrap(), Some(1));
    })
    .await;
    let note = world.store.path().join("first-unrecorded");
    // The service takes its name only after that.
    assert_eq!(world.entries(), [entry("site.apply", "event", 0)]);
    assert!(!note.exists());
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let world = World::start().await;
    *world.audit.refuses.lock().unwrap() = true;
    let changed = DEMO.replace("cpus = 1", "cpus = 2");
    let refused = failure(world.site.apply(&changed, "").await);
    assert_eq!(refused.kind, FailureKind::Refused);
    assert_eq!((world.active(), world.rendered()), (1, vec![]));
}

#[tokio::test]
async fn who_has_no_role_may_do_nothing() {
    let world = World::start().await;
    let calls: [&[&str]; 15] = [
        &["Summary"],
        &["Check", "s", ""],
        &["Apply", "ss", "", ""],
        &["Show", "t", "0"],
        &["History"],
        &["Diff", "tt", "1", "1"],
        &["DiffText", "s", ""],
        &["RollBack", "ts", "1", ""],
        &["ApplyOnTrial", "ssu", "", "", "60"],
        &["RollBackOnTrial", "tsu", "1", "", "60"],
        &["RisksOfText", "s", ""],
        &["Risks", "t", "1"],
        &["Trial"],
        &["Confirm", "ts", "1", ""],
        &["TakeBack", "s", ""],
    ];
    for call in calls {
        let output = Command::new("busctl")
            .arg(format!("--address={}", world.bus.address()))
            .args(["call", NAME, PATH, NAME])
            .args(call)
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && said.contains("may not do this"),
            "{call:?}: {said}"
        );
    }
}

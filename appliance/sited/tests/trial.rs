//! A generation on trial: confirmed, taken back, and through deaths of the service and restarts of the appliance.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

mod support;

use std::process::Command;
use std::time::Duration;

use support::{DEMO, World, entry, failure};
use tokio::time::timeout;
use varde_bus::FailureKind;
use varde_bus::site::ProbeState;
use varde_site::Store;

/// Long enough that no test sees its end.
const LONG: u32 = 600;

/// Another address of the appliance in its only zone, where the database's gate is too.
fn moved() -> String {
    DEMO.replace("10.20.0.1/24", "10.20.0.2/24")
        .replace("10.20.0.1:", "10.20.0.2:")
}

/// Waits for the signal that says which generation counts.
macro_rules! activated {
    ($stream:expr) => {{
        let signal = timeout(Duration::from_mins(1), varde_bus::next(&mut $stream)).await;
        signal.unwrap().unwrap().args().unwrap().generation
    }};
}

/// As if the note had been written before the last boot.
fn before_the_last_boot(store: &Store) {
    let path = store.path().join("trial");
    let note = std::fs::read_to_string(&path).unwrap();
    let boot = varde_sited::boot::id().unwrap();
    assert!(note.contains(&boot), "{note}");
    std::fs::write(path, note.replace(&boot, "another boot")).unwrap();
}

#[tokio::test]
async fn what_is_confirmed_counts_for_good() {
    let mut world = World::start().await;
    let site = world.site.clone();
    assert_eq!(site.trial().await.unwrap().generation, 0);
    let risks = site.risks_of_text(&moved()).await.unwrap();
    assert_eq!(
        risks.iter().map(|risk| risk.en.as_str()).collect::<Vec<_>>(),
        ["zones and networks", "gates of databases"]
    );
    let harmless = DEMO.replace("cpus = 1", "cpus = 2");
    assert_eq!(site.risks_of_text(&harmless).await.unwrap(), []);

    assert_eq!(
        site.apply_on_trial(&moved(), "ny adresse", LONG).await.unwrap(),
        2
    );
    let trial = site.trial().await.unwrap();
    assert_eq!(
        (
            trial.generation,
            trial.before,
            trial.who.as_str(),
            trial.why.as_str(),
            trial.within
        ),
        (2, 1, "root", "ny adresse", LONG)
    );
    assert!(trial.left > LONG / 2 && trial.left <= LONG, "{trial:?}");
    assert_eq!(trial.risks, risks);

    // Nothing else is changed meanwhile, and only what is on trial can be confirmed.
    for refused in [
        failure(site.apply(DEMO, "").await),
        failure(site.roll_back(1, "").await),
        failure(site.apply_on_trial(DEMO, "", LONG).await),
        failure(site.confirm(1, "").await),
    ] {
        assert_eq!(refused.kind, FailureKind::Refused, "{refused}");
    }
    let mut activated = site.receive_activated().await.unwrap();
    site.confirm(2, "alt svarer").await.unwrap();
    assert_eq!(activated!(activated), 2);
    assert_eq!(site.trial().await.unwrap().generation, 0);
    assert_eq!(failure(site.confirm(2, "").await).kind, FailureKind::Refused);
    assert_eq!(failure(site.take_back("").await).kind, FailureKind::Refused);
    assert_eq!(
        world.entries(),
        [
            entry("site.apply", "begun", 0),
            entry("site.apply", "done", 1),
            entry("site.confirm", "begun", 0),
            entry("site.confirm", "done", 3),
        ]
    );
    world.kill_and_start(|_| {}).await;
    assert_eq!((world.active(), world.store.trial().unwrap()), (2, None));
}

#[tokio::test]
async fn what_nobody_confirms_is_taken_back_by_itself_and_that_is_told() {
    let world = World::start().await;
    let site = &world.site;
    let mut activated = site.receive_activated().await.unwrap();
    assert_eq!(site.apply_on_trial(&moved(), "", 1).await.unwrap(), 2);
    assert_eq!(activated!(activated), 2);
    assert_eq!(activated!(activated), 1);
    assert_eq!((world.active(), world.store.trial().unwrap()), (1, None));
    assert_eq!(world.rendered(), [Some(2), Some(1)], "the system is as it was");
    let told = site.summary().await.unwrap().taken_back;
    assert!(told.en.contains("nobody confirmed it within 1 s"), "{told}");
    // The next generation is news; what was before it is no longer.
    site.apply(&DEMO.replace("cpus = 1", "cpus = 2"), "")
        .await
        .unwrap();
    assert!(site.summary().await.unwrap().taken_back.is_empty());
    let verbs: Vec<_> = world
        .entries()
        .into_iter()
        .map(|(verb, outcome, _)| (verb, outcome))
        .collect();
    assert!(
        verbs.contains(&("site.taken-back".into(), "event".into())),
        "{verbs:?}"
    );
}

#[tokio::test]
async fn an_operator_takes_back_before_the_time_is_out() {
    let world = World::start().await;
    world.site.apply_on_trial(&moved(), "", LONG).await.unwrap();
    assert_eq!(world.site.take_back("feil adresse").await.unwrap(), 1);
    assert_eq!((world.active(), world.store.trial().unwrap()), (1, None));
    assert_eq!(world.rendered(), [Some(2), Some(1)]);
    assert!(
        world
            .site
            .summary()
            .await
            .unwrap()
            .taken_back
            .en
            .contains("root took it back")
    );
    // A rollback can be tried out too.
    assert_eq!(world.site.roll_back_on_trial(2, "", LONG).await.unwrap(), 3);
    assert_eq!(world.site.trial().await.unwrap().before, 1);
}

#[tokio::test]
async fn a_trial_goes_on_when_the_service_dies_and_ends_when_its_time_came_meanwhile() {
    let mut world = World::start().await;
    world.site.apply_on_trial(&moved(), "", LONG).await.unwrap();
    world.kill_and_start(|_| {}).await;
    let trial = world.site.trial().await.unwrap();
    assert_eq!((trial.generation, world.active()), (2, 2));
    assert!(trial.left <= LONG, "{trial:?}");

    let mut activated = world.site.receive_activated().await.unwrap();
    world
        .kill_and_start(|store| {
            let path = store.path().join("trial");
            let until = store.trial().unwrap().unwrap().terms.until;
            let note = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, note.replace(&until.to_string(), "1")).unwrap();
        })
        .await;
    assert_eq!(activated!(activated), 1);
    assert_eq!((world.active(), world.store.trial().unwrap()), (1, None));
}

#[tokio::test]
async fn a_restart_of_the_appliance_takes_back_before_anything_is_rendered() {
    let mut world = World::start().await;
    world.site.apply_on_trial(&moved(), "", LONG).await.unwrap();
    let back = |store: &Store| {
        let done = Command::new(env!("CARGO_BIN_EXE_varde-sited"))
            .arg("back")
            .env("STATE_DIRECTORY", store.path())
            .status();
        assert!(done.unwrap().success());
    };
    // In the same boot the trial is left alone.
    back(&world.store);
    assert_eq!(world.active(), 2);
    let rendered = world.rendered().len();
    world
        .kill_and_start(|store| {
            before_the_last_boot(store);
            back(store);
            assert_eq!(store.active_number().unwrap(), Some(1));
            assert_eq!(store.trial().unwrap(), None);
        })
        .await;
    let told = world.site.summary().await.unwrap().taken_back;
    assert!(
        told.nb.contains("verten startet på nytt før noen bekreftet den"),
        "{told:?}"
    );
    assert_eq!(world.rendered().len(), rendered, "varde-render does that at boot");
    // Once, however often the service starts: the note says that it is recorded.
    world.until_recorded().await;
    world.kill_and_start(|_| {}).await;
    world.site.summary().await.unwrap();
    let events = world.entries();
    let events: Vec<_> = events
        .iter()
        .filter(|(verb, ..)| verb == "site.taken-back")
        .collect();
    assert_eq!(events.len(), 1, "{events:?}");
}

#[tokio::test]
async fn a_trial_that_cannot_be_rendered_is_over_at_once() {
    let world = World::start().await;
    world.systemd.results.lock().unwrap().push("failed");
    let failed = failure(world.site.apply_on_trial(&moved(), "", LONG).await);
    assert!(
        failed.text.en.contains("generation 1 is active again"),
        "{failed}"
    );
    assert_eq!((world.active(), world.store.trial().unwrap()), (1, None));
    let odd = failure(world.site.apply_on_trial(&moved(), "", 0).await);
    assert_eq!(odd.kind, FailureKind::Invalid);
}

#[tokio::test]
async fn the_probes_name_what_is_not_as_it_should_be() {
    let world = World::start().await;
    world.site.apply_on_trial(&moved(), "", LONG).await.unwrap();
    let probes = world.site.trial().await.unwrap().probes;
    let short: Vec<_> = probes
        .iter()
        .map(|probe| (probe.what.en.as_str(), probe.state, probe.found.en.as_str()))
        .collect();
    assert_eq!(
        short[0],
        ("account root", ProbeState::Good, "reaches the services")
    );
    assert_eq!(
        short[1],
        (
            "zone klinikk",
            ProbeState::Good,
            "br-klinikk: configured, routable"
        )
    );
    assert_eq!(
        short[2],
        ("varde-hypervisord.service", ProbeState::Bad, "failed (exit-code)")
    );
    assert_eq!(short.len(), 3, "{short:?}");
}

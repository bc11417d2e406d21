//! The procedure under every order of events.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::forecast::Forecast;
use crate::run::Step as S;
use crate::usage::Class;

fn plan() -> Plan {
    Plan {
        stall_budget: 250,
        give_up: 60_000,
        pause_most: 250,
        held_most: 30_000,
        stop_most: 10_000,
        start_most: 10_000,
        may_cut: BTreeMap::new(),
        only_with_reason: false,
        forecast: Forecast {
            restart: 100,
            runs: 3,
        },
        falls_back: true,
        has_machine: true,
    }
}

fn busy() -> Event {
    Event::InUse(vec![Use {
        class: Class::Transaction,
        whose: "lonn@10.20.0.7".into(),
        since: 0,
        doing: "active: SELECT".into(),
        pid: 42,
    }])
}

fn oops() -> Text {
    Text::same("oops")
}

/// Answers each command with the next event and gives the steps that were taken.
fn steps(mut run: Run, mut command: Command, events: Vec<Event>) -> (Vec<Step>, Option<Outcome>, Run) {
    let mut now = 0;
    let mut steps = vec![run.step()];
    for event in events {
        now += 10;
        command = run.on(event, now);
        steps.push(run.step());
        if let Command::Wait { millis } = command {
            now += millis;
        }
    }
    let outcome = match command {
        Command::Finish(outcome) => Some(outcome),
        _ => None,
    };
    (steps, outcome, run)
}

fn begun(plan: Plan, events: Vec<Event>) -> (Vec<Step>, Option<Outcome>, Run) {
    let (run, command) = Run::begin(plan, 0);
    steps(run, command, events)
}

/// Up to and including the pause.
fn to_pause() -> Vec<Event> {
    vec![Event::Done, Event::Done, Event::Done, Event::InUse(vec![])]
}

#[test]
fn a_run_goes_through_the_procedure_in_order() {
    let mut events = to_pause();
    events.extend([
        Event::Done,
        Event::Done,
        Event::Done,
        Event::Done,
        Event::Done,
        Event::Done,
    ]);
    let (steps, outcome, run) = begun(plan(), events);
    let procedure = [
        S::Preflight,
        S::Checkpoint,
        S::Checkpoint,
        S::Look,
        S::Pause,
        S::Stop,
        S::Start,
        S::Probe,
        S::Resume,
        S::Verify,
        S::Finished,
    ];
    assert_eq!(steps, procedure);
    assert_eq!(outcome, Some(Outcome::Restarted { fell_back: false }));
    assert_eq!((run.account.held, run.account.restart), (Some(50), Some(40)));
}

#[test]
fn a_preflight_without_an_answer_is_asked_again_until_the_run_gives_up() {
    let (steps, outcome, run) = begun(plan(), vec![Event::Late(oops()), Event::Done, Event::Done]);
    assert_eq!(steps, [S::Preflight, S::Wait, S::Preflight, S::Checkpoint]);
    assert_eq!((outcome, run.account.trouble), (None, vec![oops()]));

    let (mut run, _) = Run::begin(plan(), 0);
    let command = run.on(Event::Late(oops()), 60_000);
    assert!(
        matches!(command, Command::Finish(Outcome::PutOff { .. })),
        "{command:?}"
    );
}

#[test]
fn a_run_that_is_called_off_while_nobody_answers_ends() {
    let (mut run, _) = Run::begin(plan(), 0);
    run.on(Event::Late(oops()), 10);
    run.cancel();
    assert_eq!(run.on(Event::Done, 20), Command::Finish(Outcome::Cancelled));
}

#[test]
fn a_preflight_that_finds_why_not_is_not_asked_again() {
    let (_, outcome, _) = begun(plan(), vec![Event::Failed(oops())]);
    assert_eq!(outcome, Some(Outcome::Refused { why: oops() }));
}

#[test]
fn a_busy_database_is_left_alone_until_it_is_quiet() {
    let mut events = to_pause();
    events.splice(3..3, [busy(), Event::Done, busy(), Event::Done]);
    let (steps, _, _) = begun(plan(), events);
    assert_eq!(steps.iter().filter(|step| **step == Step::Look).count(), 3);
    assert_eq!(steps.last(), Some(&Step::Pause));
}

#[test]
fn a_run_that_finds_no_moment_is_put_off_and_says_whose_use_it_was() {
    let (mut run, _) = Run::begin(plan(), 0);
    for _ in 0..3 {
        run.on(Event::Done, 10);
    }
    let command = run.on(busy(), 60_000);
    let Command::Finish(Outcome::PutOff { why, uses }) = command else {
        panic!("{command:?}");
    };
    assert!(why.en.contains("lonn@10.20.0.7"), "{why}");
    assert_eq!(uses[0].doing, "active: SELECT");
}

#[test]
fn a_pause_that_takes_too_long_is_taken_back_and_tried_again_later() {
    let mut events = to_pause();
    events.extend([
        Event::Late(oops()),
        Event::Done,
        Event::Done,
        Event::InUse(vec![]),
    ]);
    let (steps, _, run) = begun(plan(), events);
    assert_eq!(
        steps[4..],
        [Step::Pause, Step::Release, Step::Wait, Step::Look, Step::Pause]
    );
    assert_eq!(run.account.failed_pauses, 1);
}

#[test]
fn a_budget_that_cannot_be_kept_is_not_tried() {
    let forecast = Forecast {
        restart: 245,
        runs: 9,
    };
    let (_, outcome, _) = begun(Plan { forecast, ..plan() }, vec![Event::Done]);
    assert!(matches!(outcome, Some(Outcome::PutOff { why, .. }) if why.en.contains("245 ms")));
}

#[test]
fn a_pause_gets_no_longer_than_the_budget_leaves() {
    let (mut run, mut command) = Run::begin(plan(), 0);
    for event in to_pause() {
        command = run.on(event, 0);
    }
    assert_eq!(command, Command::Pause { within: 150 });
}

#[test]
fn only_with_a_reason_means_only_with_a_reason() {
    let only = Plan {
        only_with_reason: true,
        ..plan()
    };
    assert_eq!(
        begun(only.clone(), vec![Event::Reasons(vec![])]).1,
        Some(Outcome::NotNeeded)
    );
    assert_eq!(
        begun(only, vec![Event::Reasons(vec![oops()])]).0.last(),
        Some(&Step::Checkpoint)
    );
}

#[test]
fn a_server_that_does_not_start_gets_its_last_good_configuration_a_fresh_machine_then_one_that_started_it() {
    let mut events = to_pause();
    let failed = || Event::Failed(oops());
    events.extend([
        Event::Done,
        Event::Done,
        failed(),
        Event::Done,
        Event::Done,
        failed(),
        Event::Late(oops()),
        failed(),
        Event::Done,
        Event::Done,
        Event::Done,
        Event::Done,
        Event::Done,
        Event::Done,
    ]);
    let (steps, outcome, _) = begun(plan(), events);
    assert_eq!(
        steps[5..],
        [
            Step::Stop,
            Step::Start,
            Step::FallBack,
            Step::Stop,
            Step::Start,
            Step::RestartMachine,
            Step::Probe,
            Step::RollBack,
            Step::Stop,
            Step::Start,
            Step::Probe,
            Step::Resume,
            Step::Verify,
            Step::Finished
        ]
    );
    assert_eq!(outcome, Some(Outcome::Restarted { fell_back: true }));
}

#[test]
fn a_configuration_that_was_not_put_back_is_not_said_to_be() {
    let mut events = to_pause();
    let failed = || Event::Failed(oops());
    // Start fails, there is no copy, the machine's restart helps.
    events.extend([Event::Done, Event::Done, failed(), failed()]);
    events.extend([Event::Done, Event::Done, Event::Done, Event::Done]);
    let (_, outcome, _) = begun(plan(), events);
    assert_eq!(outcome, Some(Outcome::Restarted { fell_back: false }));
}

#[test]
fn a_server_whose_configuration_is_not_known_has_only_its_machine() {
    let mut events = to_pause();
    events.extend([Event::Done, Event::Done]);
    events.extend((0..3).map(|_| Event::Failed(oops())));
    let other = Plan {
        falls_back: false,
        ..plan()
    };
    let (steps, _, _) = begun(other, events);
    assert_eq!(
        steps[5..],
        [
            Step::Stop,
            Step::Start,
            Step::RestartMachine,
            Step::Resume,
            Step::RestartGate
        ]
    );
}

#[test]
fn where_all_fails_clients_are_let_go_before_somebody_is_called() {
    let mut events = to_pause();
    events.extend([Event::Done, Event::Done]);
    events.extend((0..4).map(|_| Event::Failed(oops())));
    events.push(Event::Done);
    let (steps, outcome, _) = begun(
        Plan {
            has_machine: false,
            ..plan()
        },
        events.clone(),
    );
    assert_eq!(
        steps[7..],
        [
            Step::FallBack,
            Step::RollBack,
            Step::Resume,
            Step::RestartGate,
            Step::Finished
        ]
    );
    assert!(matches!(outcome, Some(Outcome::Down { .. })));
}

#[test]
fn a_server_that_runs_out_of_reach_keeps_its_configuration() {
    let mut events = to_pause();
    events.extend([Event::Done, Event::Done, Event::Done]);
    let (mut run, mut command) = Run::begin(plan(), 0);
    for event in events {
        command = run.on(event, 0);
    }
    assert!(matches!(command, Command::Probe { .. }), "{command:?}");
    command = run.on(Event::OutOfHands(oops()), 10_000);
    assert!(matches!(command, Command::Probe { .. }), "{command:?}");
    command = run.on(Event::OutOfHands(oops()), 30_000);
    assert!(matches!(command, Command::Resume { .. }), "{command:?}");
    command = run.on(Event::Done, 30_001);
    assert!(
        matches!(command, Command::Finish(Outcome::Down { .. })),
        "{command:?}"
    );
}

#[test]
fn a_server_that_was_not_stopped_is_not_said_to_be_restarted() {
    let mut events = to_pause();
    events.extend([
        Event::Done,
        Event::NotRestarted(oops()),
        Event::Done,
        Event::NotRestarted(oops()),
    ]);
    let (steps, outcome, _) = begun(plan(), events);
    assert_eq!(
        steps[5..],
        [Step::Stop, Step::Resume, Step::Verify, Step::Finished]
    );
    assert!(matches!(outcome, Some(Outcome::Failed { .. })), "{outcome:?}");
}

#[test]
fn a_controller_that_died_before_the_pause_left_nothing_to_put_right() {
    assert!(Run::take_up(plan(), Step::Look, 0, 10).is_none());
}

#[test]
fn a_controller_that_died_while_it_held_clients_lets_them_go_when_the_server_answers() {
    let (run, command) = Run::take_up(plan(), Step::Pause, 0, 10).unwrap();
    let (steps, outcome, _) = steps(run, command, vec![Event::Done, Event::Done, Event::Done]);
    assert_eq!(steps, [Step::Probe, Step::Resume, Step::Verify, Step::Finished]);
    assert!(
        matches!(outcome, Some(Outcome::Failed { .. })),
        "it was not restarted: {outcome:?}"
    );
}

#[test]
fn a_controller_that_died_while_the_server_stopped_ends_the_restart() {
    let (run, command) = Run::take_up(plan(), Step::Stop, 0, 10).unwrap();
    let (steps, outcome, _) = steps(run, command, vec![Event::Done; 5]);
    assert_eq!(
        steps,
        [
            Step::Stop,
            Step::Start,
            Step::Probe,
            Step::Resume,
            Step::Verify,
            Step::Finished
        ]
    );
    assert_eq!(outcome, Some(Outcome::Restarted { fell_back: false }));
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Done),
        2 => Just(Event::InUse(vec![])),
        1 => Just(busy()),
        1 => Just(Event::Reasons(vec![])),
        2 => Just(Event::Late(oops())),
        2 => Just(Event::Failed(oops())),
        1 => Just(Event::OutOfHands(oops())),
        1 => Just(Event::NotRestarted(oops())),
    ]
}

fn step() -> impl Strategy<Value = Option<Step>> {
    prop_oneof![
        Just(None),
        proptest::sample::select(vec![
            S::Pause,
            S::Release,
            S::Stop,
            S::Kill,
            S::Start,
            S::FallBack,
            S::RestartMachine,
            S::RollBack,
            S::Probe,
            S::Resume,
            S::RestartGate,
            S::Verify,
        ])
        .prop_map(Some),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happens, in whatever order: a run ends, never with clients held, and never holds them past the bound
    /// by more than the last command's own bound.
    #[test]
    fn clients_are_never_left_held(
        from in step(),
        has_machine: bool,
        falls_back: bool,
        events in proptest::collection::vec((event(), 0u64..3000), 200),
    ) {
        let plan = Plan { falls_back, has_machine, ..plan() };
        let (mut run, mut command) = match from {
            None => Run::begin(plan, 0),
            Some(step) => Run::take_up(plan, step, 0, 5).unwrap(),
        };
        let (mut now, mut held) = (0, from.is_some().then_some(0));
        for (event, took) in events {
            match &command {
                Command::Finish(_) => break,
                Command::Pause { .. } => held = Some(now),
                Command::Stop { within } | Command::Kill { within } | Command::Start { within }
                | Command::Probe { within } | Command::FallBack { within } | Command::RestartMachine { within }
                | Command::RollBack { within } => {
                    if let Some(since) = held {
                        prop_assert!(now + within <= since + 30_000, "{command:?} at {now}, held since {since}");
                    }
                }
                _ => {}
            }
            let bound = match &command {
                Command::Wait { millis } => *millis,
                Command::Pause { within } | Command::Stop { within } | Command::Kill { within }
                | Command::Start { within } | Command::Probe { within } | Command::FallBack { within }
                | Command::RollBack { within } | Command::Release { within } | Command::Resume { within } => took.min(*within),
                _ => took,
            };
            now += bound;
            let failed = matches!(event, Event::Late(_) | Event::Failed(_));
            if matches!(command, Command::RestartGate { .. })
                || (!failed && matches!(command, Command::Release { .. } | Command::Resume { .. }))
            {
                held = None;
            }
            command = run.on(event, now);
        }
        // What never ends in 200 events is a run that still waits for its moment, holding nobody.
        if let Command::Finish(_) = command {
            prop_assert_eq!(held, None);
        } else {
            prop_assert!(now < 60_000 + 30_000 + 400_000, "still {:?} at {}", command, now);
        }
    }
}

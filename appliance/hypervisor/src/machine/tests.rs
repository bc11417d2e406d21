//! The machine as a table: what is seen, and what it is then.

use proptest::prelude::*;
use varde_bus::hypervisor::{CheckState, VmState};
use varde_site::{Check, CheckKind, Text};

use super::{Event, Machine};
use crate::notes::{Ended, Note, Started};
use crate::qmp::{RunState, Shutdown, Status};
use crate::test::vm;
use crate::unit::{Activity, Exit, UnitView};

fn machine() -> Machine {
    Machine::new(vm("db"), 1)
}

fn checked() -> Machine {
    let mut vm = vm("db");
    vm.checks = vec![
        Check {
            kind: CheckKind::Agent,
            within: 60,
        },
        Check {
            kind: CheckKind::Tcp(5432),
            within: 60,
        },
    ];
    Machine::new(vm, 1)
}

fn unit(activity: Activity) -> Event {
    Event::Unit(UnitView {
        activity,
        invocation: "run1".into(),
        pid: if activity.is_off() { 0 } else { 7 },
        result: "success".into(),
        exit: None,
        up_since: 10,
        down_since: 0,
        ..UnitView::default()
    })
}

fn failed(result: &str, exit: Option<Exit>) -> Event {
    Event::Unit(UnitView {
        activity: Activity::Failed,
        invocation: "run1".into(),
        result: result.into(),
        exit,
        ..UnitView::default()
    })
}

fn ended(result: &str, code: &str, status: &str) -> Ended {
    Ended {
        invocation: "run1".into(),
        when: 50,
        result: result.into(),
        exit_code: code.into(),
        exit_status: status.into(),
        said: String::new(),
        blocked: None,
    }
}

fn guest(running: bool, status: RunState) -> Event {
    Event::Guest(Status { running, status })
}

fn running() -> Event {
    guest(true, RunState::Running)
}

fn by_guest() -> Event {
    Event::Shutdown(Shutdown {
        guest: true,
        reason: "guest-shutdown".into(),
    })
}

fn after(mut machine: Machine, events: impl IntoIterator<Item = Event>) -> Machine {
    for event in events {
        machine.see(event, 100);
    }
    machine
}

#[test]
fn each_story_ends_in_its_state() {
    use Activity::{Activating, Active, Deactivating, Inactive};
    let stories: Vec<(&str, Vec<Event>, VmState, &str)> = vec![
        ("nothing yet", vec![], VmState::Declared, ""),
        ("asked to start", vec![Event::StartAsked], VmState::Starting, ""),
        (
            "waits for another",
            vec![Event::Waits(vec!["core".into()])],
            VmState::Starting,
            "Waits for core",
        ),
        (
            "unit on its way",
            vec![Event::StartAsked, unit(Activating)],
            VmState::Starting,
            "",
        ),
        ("QEMU silent yet", vec![unit(Active)], VmState::Starting, ""),
        ("up", vec![unit(Active), running()], VmState::Running, ""),
        (
            "paused",
            vec![unit(Active), running(), guest(false, RunState::Paused)],
            VmState::Paused,
            "",
        ),
        (
            "full disk",
            vec![unit(Active), guest(false, RunState::IoError)],
            VmState::Paused,
            "full or failing",
        ),
        (
            "kvm gave up",
            vec![unit(Active), guest(false, RunState::InternalError)],
            VmState::Crashed,
            "processor",
        ),
        (
            "guest powers off",
            vec![unit(Active), running(), by_guest()],
            VmState::Stopping,
            "",
        ),
        (
            "guest has powered off",
            vec![
                unit(Active),
                running(),
                by_guest(),
                Event::Lost,
                unit(Deactivating),
                unit(Inactive),
            ],
            VmState::Stopped,
            "shut itself down",
        ),
        (
            "stopped by systemctl",
            vec![unit(Active), running(), unit(Deactivating)],
            VmState::Stopping,
            "",
        ),
        (
            "shut down by an operator",
            vec![
                unit(Active),
                running(),
                Event::EndAsked(Text::same("by kari")),
                unit(Deactivating),
                unit(Inactive),
            ],
            VmState::Stopped,
            "by kari",
        ),
        (
            "power cut by an operator",
            vec![
                unit(Active),
                running(),
                Event::EndAsked(Text::same("by kari")),
                failed("signal", Some(Exit::Signal(9))),
            ],
            VmState::Stopped,
            "by kari",
        ),
        (
            "killed by something else",
            vec![unit(Active), running(), failed("signal", Some(Exit::Signal(9)))],
            VmState::Crashed,
            "SIGKILL",
        ),
        (
            "QEMU ended with a fault",
            vec![
                unit(Active),
                failed("exit-code", Some(Exit::Code(1))),
                Event::Ended(Ended {
                    said: "no such disk".into(),
                    ..ended("exit-code", "exited", "1")
                }),
            ],
            VmState::Crashed,
            "exit code 1: no such disk",
        ),
        (
            "out of memory",
            vec![unit(Active), failed("oom-kill", None)],
            VmState::Crashed,
            "memory ran out",
        ),
        (
            "stop took too long",
            vec![unit(Active), running(), failed("timeout", None)],
            VmState::Stopped,
            "in time",
        ),
        (
            "refused at the gate",
            vec![
                Event::StartAsked,
                failed("exit-code", None),
                Event::Ended(Ended {
                    blocked: Some(Text::same("no bridge")),
                    ..ended("exit-code", "", "")
                }),
            ],
            VmState::Blocked,
            "no bridge",
        ),
        (
            "refused by the daemon",
            vec![Event::Refused(Text::same("too large"))],
            VmState::Blocked,
            "too large",
        ),
        (
            "job given up",
            vec![Event::StartAsked, Event::NotStarted(Text::same("dependency"))],
            VmState::Blocked,
            "dependency",
        ),
        (
            "found crashed by a new daemon",
            vec![Event::Ended(ended("signal", "killed", "KILL"))],
            VmState::Crashed,
            "SIGKILL",
        ),
        (
            "found stopped by a new daemon",
            vec![Event::Ended(ended("success", "exited", "0"))],
            VmState::Stopped,
            "",
        ),
        (
            "found power cut by a new daemon",
            vec![
                Event::Ended(ended("signal", "killed", "KILL")),
                Event::Noted(Note {
                    invocation: "run1".into(),
                    ended_by: Some(Text::same("by kari")),
                    ..Note::default()
                }),
            ],
            VmState::Stopped,
            "by kari",
        ),
    ];
    for (story, events, state, reason) in stories {
        let machine = after(machine(), events);
        assert_eq!(machine.state(), state, "{story}");
        assert!(
            machine.reason().en.contains(reason),
            "{story}: {}",
            machine.reason()
        );
        assert_eq!(
            machine.reason().is_empty(),
            reason.is_empty(),
            "{story}: {}",
            machine.reason()
        );
    }
}

#[test]
fn a_machine_is_running_when_its_last_check_has_passed() {
    let mut machine = after(
        checked(),
        [unit(Activity::Active), running(), Event::Check(0, Ok(()))],
    );
    assert_eq!(machine.state(), VmState::Starting);
    assert!(machine.reason().en.contains("tcp 5432"), "{}", machine.reason());
    machine.see(Event::Check(1, Ok(())), 100);
    assert_eq!(machine.state(), VmState::Running);
    assert_eq!(machine.note().up_since, 100);
}

#[test]
fn a_check_that_is_overdue_blocks_until_it_passes_after_all() {
    let late = Text::same("refused");
    let mut machine = after(
        checked(),
        [
            unit(Activity::Active),
            running(),
            Event::Check(0, Ok(())),
            Event::Check(1, Err(late)),
            Event::CheckOverdue(1),
        ],
    );
    assert_eq!(machine.state(), VmState::Blocked);
    assert!(
        machine.reason().en.contains("tcp 5432: refused"),
        "{}",
        machine.reason()
    );
    machine.see(Event::Check(1, Ok(())), 100);
    assert_eq!(machine.state(), VmState::Running);
}

#[test]
fn a_new_daemon_does_not_take_a_machine_that_was_up_for_one_that_starts() {
    let up = Note {
        invocation: "run1".into(),
        up_since: 30,
        ..Note::default()
    };
    let machine = after(checked(), [unit(Activity::Active), Event::Noted(up), running()]);
    assert_eq!(machine.state(), VmState::Running);
    assert_eq!(
        machine.since(),
        30,
        "since when it is up, not since when the daemon is"
    );
}

#[test]
fn an_end_that_is_found_keeps_its_time_though_it_is_known_in_parts() {
    let by = Note {
        invocation: "run1".into(),
        ended_by: Some(Text::same("by kari")),
        ..Note::default()
    };
    let mut machine = machine();
    machine.see_all(
        [Event::Ended(ended("signal", "killed", "KILL")), Event::Noted(by)],
        100,
    );
    assert_eq!((machine.state(), machine.since()), (VmState::Stopped, 50));
}

#[test]
fn what_was_known_of_an_earlier_run_does_not_colour_the_next() {
    let crashed = after(
        machine(),
        [
            unit(Activity::Active),
            running(),
            failed("signal", Some(Exit::Signal(11))),
        ],
    );
    assert_eq!(crashed.state(), VmState::Crashed);
    let again = Event::Unit(UnitView {
        activity: Activity::Active,
        invocation: "run2".into(),
        pid: 8,
        result: "success".into(),
        ..UnitView::default()
    });
    let machine = after(crashed, [Event::StartAsked, again, running()]);
    assert_eq!(
        (machine.state(), machine.reason().en.as_str()),
        (VmState::Running, "")
    );
}

#[test]
fn a_guest_that_begins_anew_has_to_pass_its_checks_anew() {
    let machine = after(
        checked(),
        [
            unit(Activity::Active),
            running(),
            Event::Check(0, Ok(())),
            Event::Check(1, Ok(())),
            Event::Reset,
        ],
    );
    assert_eq!(machine.state(), VmState::Starting);
    assert!(
        machine
            .checks()
            .iter()
            .all(|check| check.state == CheckState::Waiting)
    );
}

#[test]
fn a_change_while_it_runs_is_said_and_waits() {
    let started = Started {
        invocation: "run1".into(),
        when: 5,
        site: "nord".into(),
        vm: vm("db"),
    };
    let mut larger = vm("db");
    larger.memory *= 2;
    let machine = after(
        machine(),
        [
            unit(Activity::Active),
            Event::Started(started),
            running(),
            Event::Declared(larger.clone()),
        ],
    );
    assert!(machine.reason().en.contains("next start"), "{}", machine.reason());
    assert_eq!(machine.running_as().memory, vm("db").memory);
    let off = after(machine, [unit(Activity::Inactive)]);
    assert_eq!(off.running_as().memory, larger.memory);
}

#[test]
fn one_that_is_gone_from_the_site_runs_on_and_cannot_be_started_again() {
    let machine = after(machine(), [unit(Activity::Active), running(), Event::Undeclared]);
    assert_eq!(machine.state(), VmState::Running);
    assert!(machine.reason().en.contains("No longer"), "{}", machine.reason());
    let off = after(machine, [unit(Activity::Inactive)]);
    assert!(off.may_start().is_err());
}

#[test]
fn a_crash_is_told_once_and_not_again_by_the_next_daemon() {
    let mut machine = after(
        machine(),
        [
            unit(Activity::Active),
            running(),
            failed("signal", Some(Exit::Signal(9))),
        ],
    );
    assert_eq!(machine.incident().map(|(verb, _)| verb), Some("vm.crashed"));
    assert_eq!(machine.incident(), None);
    let note = machine.note().clone();
    let mut found = after(
        Machine::new(vm("db"), 1),
        [failed("signal", Some(Exit::Signal(9))), Event::Noted(note)],
    );
    assert_eq!(found.state(), VmState::Crashed);
    assert_eq!(found.incident(), None);
}

#[test]
fn what_may_be_done_follows_from_what_is_seen() {
    let off = machine();
    assert!(off.may_start().is_ok() && off.may_end().is_err() && off.may_pause().is_err());
    let up = after(machine(), [unit(Activity::Active), running()]);
    assert!(
        up.may_start().is_err() && up.may_end().is_ok() && up.may_pause().is_ok() && up.may_resume().is_err()
    );
    let paused = after(
        machine(),
        [unit(Activity::Active), guest(false, RunState::Paused)],
    );
    assert!(paused.may_resume().is_ok() && paused.may_pause().is_err() && paused.may_end().is_ok());
    let going = after(machine(), [unit(Activity::Deactivating)]);
    assert!(going.may_start().is_err() && going.may_end().is_ok());
}

/// What may be seen of one run that is up, in any order.
fn seen_while_up() -> impl Strategy<Value = Vec<Event>> {
    Just(vec![
        running(),
        Event::Check(0, Ok(())),
        Event::Check(1, Ok(())),
        Event::Check(1, Err(Text::same("early"))),
        Event::Started(Started {
            invocation: "run1".into(),
            when: 5,
            site: "nord".into(),
            vm: checked().vm().clone(),
        }),
        unit(Activity::Active),
    ])
    .prop_shuffle()
}

proptest! {
    #[test]
    fn the_order_in_which_a_running_machine_is_seen_makes_no_difference(events in seen_while_up()) {
        let passed_after_failure = {
            let ok = events.iter().rposition(|event| *event == Event::Check(1, Ok(())));
            let err = events.iter().rposition(|event| matches!(event, Event::Check(1, Err(_))));
            ok > err
        };
        prop_assume!(passed_after_failure);
        let machine = after(after(checked(), [unit(Activity::Activating)]), events);
        prop_assert_eq!(machine.state(), VmState::Running);
    }

    #[test]
    fn nothing_that_is_seen_leaves_a_machine_that_is_off_and_not_stoppable_nor_startable(
        places in proptest::collection::vec(0usize..12, 0..20)
    ) {
        let all = [
            unit(Activity::Activating), unit(Activity::Active), unit(Activity::Deactivating),
            unit(Activity::Inactive), failed("signal", Some(Exit::Signal(9))), running(),
            guest(false, RunState::Paused), by_guest(), Event::Lost, Event::Reset,
            Event::EndAsked(Text::same("x")), Event::NotStarted(Text::same("x")),
        ];
        let machine = after(machine(), places.into_iter().map(|place| all[place].clone()));
        prop_assert!(machine.may_start().is_ok() || machine.may_end().is_ok());
    }
}

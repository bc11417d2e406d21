//! The page of access by keys: who may come in, who is in, desktops; and a code that is kept nowhere.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use support::Console;
use varde_bus::access::{PersonStatus, PortalStatus, SessionStatus};
use varde_bus::desktop::{DesktopStatus, PoolStatus};
use varde_bus::hypervisor::VmState;
use varde_bus::tunnel::{PeerStatus, TunnelStatus};
use varde_bus::{Action, Language, Text};
use varde_console::event::{AccessTold as Told, Answer, Ask, Event};

fn told() -> Told {
    let person = |name: &str, title: &str, enrolled| PersonStatus {
        name: name.into(),
        title: title.into(),
        enrolled,
        code_until: 0,
        recovery: 8,
        last_login: 0,
        sessions: u32::from(enrolled),
        pools: vec!["kontor".into()],
    };
    Told {
        portal: PortalStatus {
            declared: true,
            address: "https://pult.example.no/".into(),
            fingerprint: "AB:CD:EF".into(),
            certificate_until: 1,
            self_made: true,
            troubles: Vec::new(),
        },
        persons: vec![person("anne", "Anne Lie", true), person("per", "Per Vik", false)],
        sessions: vec![SessionStatus {
            id: "0a1b2c3d".into(),
            person: "anne".into(),
            from: "192.0.2.17".into(),
            agent: "Firefox".into(),
            began: 1,
            seen: 2,
            until: 3,
            desktops: vec!["kontor-anne".into()],
        }],
        pools: vec![PoolStatus {
            name: "kontor".into(),
            title: "Kontor".into(),
            image: "desk.qcow2".into(),
            kind: "own".into(),
            desktops: 1,
            running: 1,
            used: 1,
            memory: 1,
            trouble: Text::default(),
        }],
        desktops: vec![DesktopStatus {
            name: "kontor-anne".into(),
            pool: "kontor".into(),
            state: VmState::Running,
            person: "anne".into(),
            viewers: 1,
            idle_since: 0,
            outdated: true,
        }],
        tunnel: TunnelStatus {
            declared: true,
            endpoint: "vpn.example.no:51820".into(),
            key: "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=".into(),
            next_key: String::new(),
            trouble: Text::default(),
        },
        peers: vec![PeerStatus {
            name: "sykehus".into(),
            title: "Sykehuset".into(),
            site: true,
            key: "k".into(),
            networks: vec!["10.50.0.0/16".into()],
            reach: vec!["klinikk".into()],
            handshake: 0,
            received: 1 << 20,
            sent: 2048,
        }],
    }
}

fn console() -> Console {
    let mut console = Console::new(Language::En);
    console.fake.access = told();
    console.event(Event::Answered {
        ask: Ask::Access,
        answer: Ok(Answer::Access(Box::new(told()))),
    });
    console.press("9");
    console
}

#[test]
fn the_page_is_there_where_the_site_has_a_portal_and_nowhere_else() {
    let mut console = Console::new(Language::En);
    console.press("9");
    console.misses("People log in");
    self::console().sees("People log in at https://pult.example.no/");
}

#[test]
fn persons_sessions_and_desktops_take_turns() {
    let mut console = console();
    console.sees("enrolled");
    console.sees("not enrolled");
    console.press("v");
    console.sees("192.0.2.17");
    console.press("v");
    console.sees("in use, old golden image");
    console.press("v");
    console.sees("sykehus");
    console.sees("1 MiB / 2 KiB");
    console.press("<enter>");
    console.sees("Our key: YAnz5TF");
    console.press("qv<enter>");
    console.sees("AB:CD:EF");
    console.sees("browsers warn");
}

#[test]
fn a_code_is_asked_for_by_keys_shown_once_and_never_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let mut console = console();
    console.press("<down>e");
    console.sees("Give Per Vik a code?");
    console.press("<enter><down><enter>");
    let action = Action::Enrol {
        person: "per".into(),
        why: String::new(),
    };
    assert_eq!(console.fake.performed.first(), Some(&action));
    let done = Event::Performed {
        action,
        result: Ok(Text::same("Code for per, for one day: ABCDE FGHJK")),
    };
    let mut recorder = varde_console::recorder::Recorder::new(Some(folder.path().into())).unwrap();
    recorder.record(&console.state, 1, &done);
    console.event(done);
    console.sees("ABCDE FGHJK");
    console.sees("Shown now only");
    // One that begins while the code stands there has none of it either.
    let other = tempfile::tempdir().unwrap();
    let mut later = varde_console::recorder::Recorder::new(Some(other.path().into())).unwrap();
    later.record(&console.state, 2, &Event::Tick);
    for file in [recorder.file(), later.file()] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains("ABCDE"), "{text}");
    }
    console.press("q");
    console.misses("ABCDE");
}

#[test]
fn a_session_and_a_desktop_end_with_a_word_on_what_that_means() {
    let mut console = console();
    console.press("vx");
    console.sees("End the session of anne?");
    console.press("<enter><down><enter>");
    console.press("vr");
    console.sees("all that was written to it is lost");
    console.press("broken<enter><down><enter>");
    assert_eq!(
        console.fake.performed,
        [
            Action::EndSession {
                session: "0a1b2c3d".into(),
                why: String::new()
            },
            Action::RenewDesktop {
                desktop: "kontor-anne".into(),
                why: "broken".into()
            },
        ]
    );
    console.press("e");
    console.sees("not for what is shown now");
}

//! Nothing that comes, in any order, at any size, stops the console.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use proptest::prelude::*;
use support::{Console, refusal};
use varde_bus::Language;
use varde_bus::hypervisor::VmState;
use varde_console::event::{Event, Service, Unlock};
use varde_console::terminal::{Characters, Key, Kind};

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => proptest::sample::select("12345sdfpclrmeuptxv/KqPLCA?h<> bjø".chars().collect::<Vec<_>>())
            .prop_map(Key::Char),
        4 => proptest::sample::select(vec![
            Key::Enter, Key::Tab, Key::BackTab, Key::Backspace, Key::Delete, Key::Esc, Key::Up, Key::Down,
            Key::Left, Key::Right, Key::Home, Key::End, Key::PageUp, Key::PageDown,
        ]),
        1 => proptest::sample::select("lduknpabfex".chars().collect::<Vec<_>>()).prop_map(Key::Ctrl),
    ]
}

fn state() -> impl Strategy<Value = VmState> {
    proptest::sample::select(vec![
        VmState::Declared,
        VmState::Starting,
        VmState::Running,
        VmState::Paused,
        VmState::Stopping,
        VmState::Stopped,
        VmState::Crashed,
        VmState::Blocked,
    ])
}

fn service() -> impl Strategy<Value = Service> {
    proptest::sample::select(vec![
        Service::Hypervisor,
        Service::Site,
        Service::Audit,
        Service::Host,
    ])
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => key().prop_map(Event::Key),
        1 => ".{0,40}".prop_map(Event::Paste),
        2 => (1u16..=200, 1u16..=60).prop_map(|(columns, rows)| Event::Size { columns, rows }),
        1 => Just(Event::Tick),
        1 => Just(Event::Connected),
        1 => Just(Event::Lost(refusal())),
        1 => (service(), any::<bool>()).prop_map(|(service, up)| Event::Service { service, up }),
        2 => ("[a-c]", ".{0,30}", state()).prop_map(|(name, title, state)| {
            let mut vm = support::fixtures::vm(&name, &title, state);
            vm.reason = varde_bus::Text::same(title);
            vm.since = i64::MAX;
            vm.memory = u64::MAX;
            Event::VmChanged(vm)
        }),
        1 => proptest::sample::select(vec!["journal", "web", "arkiv", "ovelse", "a"])
            .prop_map(|name| Event::VmRemoved(name.into())),
        1 => (0u64..20).prop_map(Event::Activated),
        1 => any::<i64>().prop_map(Event::ClockMoved),
        1 => Just(Event::Unlocked(Unlock::Right)),
        1 => Just(Event::Unlocked(Unlock::Wrong)),
        1 => Just(Event::Detached { vm: "web".into(), failure: Some(refusal()) }),
        1 => proptest::sample::select(vec![Characters::Utf8, Characters::Ascii]).prop_map(Event::Characters),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_sequence_of_events_stops_it_at_any_size(
        columns in 1u16..=200,
        rows in 1u16..=60,
        colour in any::<bool>(),
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let kind = Kind::of(if colour { "xterm" } else { "vt220" }, "C.UTF-8");
        let mut console = Console::bare(kind, columns, rows, Some(Language::Nb));
        console.event(Event::Connected);
        for event in events {
            console.at += 1_000;
            console.event(event);
        }
    }

    /// Every page and dialog, at every size, draws something and does not panic.
    #[test]
    fn every_page_draws_at_every_size(columns in 1u16..=200, rows in 1u16..=60) {
        for keys in [
            "", "2", "2<enter>", "2f", "2d", "3", "3<enter>", "3<down>r", "3<down>r<enter>", "3m", "3e<end>xyz<down>",
            "4", "4/abc", "4p", "4<enter>", "5", "5<enter>", "?", "P", "P<enter>", "K", "q",
        ] {
            let mut console = Console::bare(support::vt220(), columns, rows, Some(Language::Nb));
            console.event(Event::Connected);
            console.press(keys);
            prop_assert!(rows < 4 || columns < 8 || !console.screen().trim().is_empty());
        }
    }
}

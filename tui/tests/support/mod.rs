//! The console without a line and without a bus: events in, a terminal's screen out.
//!
//! The screen is what an independent VT emulator makes of the very bytes that would go over the line.
#![allow(dead_code, reason = "each test uses its own part of this")]

pub mod fixtures;
pub mod peer;
pub mod tasks;
pub mod telephony;

use std::collections::VecDeque;

use ratatui::Terminal;
use ratatui::layout::Size;
use varde_bus::audit::Absence;
use varde_bus::site::TrialStatus;
use varde_bus::{Action, Failure, FailureKind, Language, Role, Text};
use varde_console::draw::draw;
use varde_console::event::{Answer, Ask, Effect, Event, Unlock};
use varde_console::on::on;
use varde_console::state::{Display, State, User};
use varde_console::terminal::{Key, Kind, Serial};
use varde_console::wake;

/// The services, as far as the console can tell.
pub struct Fake {
    pub password: &'static str,
    pub media: Vec<String>,
    pub risks: Vec<Text>,
    pub trial: TrialStatus,
    pub absence: Absence,
    pub fail: Option<Failure>,
    pub performed: Vec<Action>,
    pub attached: Vec<String>,
    pub logged_out: bool,
    /// Whether the site has telephony.
    pub telephony: bool,
    /// Who comes in from outside; nobody, without a portal.
    pub access: varde_console::event::AccessTold,
    pub update: varde_bus::update::UpdateStatus,
}

pub struct Console {
    pub state: State,
    pub fake: Fake,
    pub at: i64,
    pub kind: Kind,
    screen: Terminal<Serial>,
    terminal: vt100::Parser,
    /// Bytes of each paint so far.
    pub paints: Vec<usize>,
    /// Every event, as the recorder would see it.
    pub events: Vec<(i64, Event)>,
    pub recorder: Option<varde_console::recorder::Recorder>,
}

pub fn vt220() -> Kind {
    Kind::of("vt220", "nb_NO.UTF-8")
}

impl Console {
    /// Not connected yet, nothing painted.
    pub fn bare(kind: Kind, columns: u16, rows: u16, language: Option<Language>) -> Self {
        let display = Display {
            columns,
            rows,
            characters: kind.characters,
            colours: kind.colours,
            lines: false,
        };
        let user = User {
            name: "kari".into(),
            role: Some(Role::Admin),
        };
        Self {
            state: State::new(user, display, language, fixtures::NOW),
            fake: Fake {
                password: "riktig",
                media: vec!["site.toml".into()],
                risks: Vec::new(),
                trial: TrialStatus::default(),
                absence: Absence::default(),
                fail: None,
                performed: Vec::new(),
                attached: Vec::new(),
                logged_out: false,
                telephony: false,
                access: varde_console::event::AccessTold::default(),
                update: varde_bus::update::UpdateStatus::default(),
            },
            at: fixtures::NOW,
            kind,
            screen: {
                let mut screen = Terminal::new(Serial::new(kind, Size::new(columns, rows))).unwrap();
                screen.clear().unwrap();
                screen
            },
            terminal: emulator(rows, columns),
            paints: Vec::new(),
            events: Vec::new(),
            recorder: None,
        }
    }

    /// On a serial line of 80x24, everything answered, painted once.
    pub fn new(language: Language) -> Self {
        let mut console = Self::bare(vt220(), 80, 24, Some(language));
        console.event(Event::Connected);
        console
    }

    pub fn event(&mut self, event: Event) {
        let mut queue = VecDeque::from([event]);
        while let Some(event) = queue.pop_front() {
            let Some(event) = varde_console::resolve(&self.state, event) else {
                continue;
            };
            if let Some(recorder) = &mut self.recorder {
                recorder.record(&self.state, self.at, &event);
            }
            self.events.push((self.at, event.clone()));
            for effect in on(&mut self.state, self.at, event) {
                queue.extend(self.carry_out(effect));
            }
        }
        self.paint();
    }

    pub fn paint(&mut self) -> Vec<u8> {
        let wanted = Size::new(self.state.display.columns, self.state.display.rows);
        if self.screen.size().unwrap() != wanted {
            self.screen.backend_mut().resize(wanted);
            self.screen.clear().unwrap();
            self.terminal = emulator(wanted.height, wanted.width);
        }
        self.screen.draw(|frame| draw(&self.state, frame)).unwrap();
        let bytes = self.screen.backend_mut().take();
        self.terminal.process(&bytes);
        self.paints.push(bytes.len());
        bytes
    }

    pub fn repaint(&mut self) -> Vec<u8> {
        self.screen.backend_mut().forget();
        self.screen.clear().unwrap();
        self.paint()
    }

    fn carry_out(&mut self, effect: Effect) -> Vec<Event> {
        match effect {
            Effect::Ask(ask) => {
                let answer = match &self.fake.fail {
                    Some(failure) => Err(failure.clone()),
                    None => Ok(self.fake.answer(&ask)),
                };
                vec![Event::Answered { ask, answer }]
            }
            Effect::Perform(action) => {
                self.fake.performed.push(action.clone());
                let result = match &self.fake.fail {
                    Some(failure) => Err(failure.clone()),
                    None => Ok(Text::new("Utført", "Done")),
                };
                vec![Event::Performed { action, result }]
            }
            Effect::Attach(vm) => {
                self.fake.attached.push(vm.clone());
                vec![Event::Attached(vm)]
            }
            Effect::Detach => {
                let vm = self.state.attached.clone().unwrap();
                vec![Event::Detached { vm, failure: None }]
            }
            Effect::Unlock(password) => {
                let right = password.reveal() == self.fake.password;
                vec![Event::Unlocked(if right { Unlock::Right } else { Unlock::Wrong })]
            }
            Effect::Repaint => {
                self.repaint();
                Vec::new()
            }
            Effect::LogOut => {
                self.fake.logged_out = true;
                Vec::new()
            }
        }
    }

    /// Keys in angle brackets, everything else typed: `<down><enter>sure<enter>`.
    pub fn press(&mut self, notation: &str) {
        for key in keys(notation) {
            self.event(Event::Key(key));
        }
    }

    /// Lets time go by, with the wake-ups that are asked for on the way; says how many there were.
    pub fn pass(&mut self, milliseconds: i64) -> usize {
        let end = self.at + milliseconds;
        let mut wakes = 0;
        while let Some(next) = wake::next(&self.state).filter(|next| *next <= end) {
            assert!(
                wakes < 10_000,
                "a wake-up that changes nothing is asked for again and again"
            );
            self.at = next.max(self.at);
            self.event(Event::Tick);
            wakes += 1;
        }
        self.at = end;
        wakes
    }

    /// What the operator sees, one row a line.
    pub fn screen(&self) -> String {
        let (_, columns) = self.terminal.screen().size();
        self.terminal
            .screen()
            .rows(0, columns.get())
            .map(|row| row.trim_end().to_owned() + "\n")
            .collect()
    }

    pub fn terminal(&self) -> &vt100::Screen {
        self.terminal.screen()
    }

    #[track_caller]
    pub fn sees(&self, text: &str) {
        let screen = self.screen();
        assert!(screen.contains(text), "{text:?} is not on the screen:\n{screen}");
    }

    #[track_caller]
    pub fn misses(&self, text: &str) {
        let screen = self.screen();
        assert!(!screen.contains(text), "{text:?} is on the screen:\n{screen}");
    }
}

impl Fake {
    fn answer(&self, ask: &Ask) -> Answer {
        match ask {
            Ask::Vms => Answer::Vms(fixtures::vms()),
            Ask::Snapshots => Answer::Snapshots(fixtures::snapshots(), fixtures::STORAGE),
            Ask::Rehearsals => Answer::Rehearsals(Vec::new(), Vec::new()),
            Ask::Access => Answer::Access(Box::new(self.access.clone())),
            Ask::Update | Ask::UpdateMenu => Answer::Update(Box::new(self.update.clone())),
            Ask::PromotionPrice { .. } => Answer::PromotionPrice(fixtures::promotion_price()),
            Ask::Price { deed, .. } => Answer::Price(fixtures::price(*deed)),
            Ask::Usage(_) => Answer::Usage(fixtures::USAGE),
            Ask::Host => Answer::Host(fixtures::host()),
            Ask::Site => Answer::Site(fixtures::site()),
            Ask::History => Answer::History(fixtures::history()),
            Ask::Show(_) | Ask::MediaFile(_) => Answer::Text(fixtures::SITE_TOML.into()),
            Ask::Diff { .. } | Ask::DiffText(_) => Answer::Difference {
                diff: fixtures::DIFF.into(),
                risks: self.risks.clone(),
            },
            Ask::Trial => Answer::Trial(self.trial.clone()),
            Ask::Check(toml) => Answer::Findings(fixtures::findings(toml)),
            Ask::Log(query) => Answer::Log(fixtures::log(query)),
            Ask::Records => Answer::Records(fixtures::records()),
            Ask::Verify => Answer::Verdict(varde_bus::audit::Verdict {
                records: 6,
                faults: Vec::new(),
            }),
            Ask::Since => Answer::Absence(self.absence.clone()),
            Ask::MediaFiles => Answer::Names(self.media.clone()),
            Ask::Databases => Answer::Databases(Vec::new()),
            Ask::PlannedRuns(_) => Answer::PlannedRuns(fixtures::planned_runs()),
            Ask::Runs(_) => Answer::Runs(fixtures::runs()),
            Ask::Telephony => Answer::Telephony(telephony::status(self.telephony)),
            Ask::Lines => Answer::Lines(telephony::lines()),
            Ask::Trunks => Answer::Trunks(telephony::trunks()),
            Ask::Extensions => Answer::Extensions(telephony::extensions()),
            Ask::Calls => Answer::Calls(telephony::calls()),
            Ask::CallRecords => Answer::CallRecords(telephony::records()),
        }
    }
}

/// A terminal that is not ours.
pub fn emulator(rows: u16, columns: u16) -> vt100::Parser {
    let some = |size| std::num::NonZeroU16::new(size).expect("a terminal has a size");
    vt100::Parser::new(some(rows), some(columns), 0)
}

pub fn refusal() -> Failure {
    Failure::new(FailureKind::Refused, "Avslått med vilje", "Refused on purpose")
}

pub fn keys(notation: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = notation;
    while let Some(first) = rest.chars().next() {
        if let Some((name, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            keys.push(named(name));
            rest = after;
        } else {
            keys.push(Key::Char(first));
            rest = &rest[first.len_utf8()..];
        }
    }
    keys
}

fn named(name: &str) -> Key {
    match name {
        "enter" => Key::Enter,
        "tab" => Key::Tab,
        "backtab" => Key::BackTab,
        "backspace" => Key::Backspace,
        "delete" => Key::Delete,
        "esc" => Key::Esc,
        "up" => Key::Up,
        "down" => Key::Down,
        "left" => Key::Left,
        "right" => Key::Right,
        "home" => Key::Home,
        "end" => Key::End,
        "pageup" => Key::PageUp,
        "pagedown" => Key::PageDown,
        "space" => Key::Char(' '),
        other => match other.strip_prefix("ctrl-").and_then(|key| key.chars().next()) {
            Some(letter) => Key::Ctrl(letter),
            None => panic!("<{other}> is no key"),
        },
    }
}

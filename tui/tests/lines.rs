//! The line mode: what is printed, what a typed line does, and that all that can be done on the screen can be done here.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use proptest::prelude::*;
use support::tasks::TASKS;
use support::{Console, refusal};
use varde_bus::{Action, Language};
use varde_console::event::{Event, Service};
use varde_console::lines::{Answer, Lines};
use varde_console::terminal::{Characters, Input, Key};

/// A console that is talked to in lines.
struct Talk {
    console: Console,
    lines: Lines,
    /// All that was printed since it was last asked for.
    printed: String,
    logged_out: bool,
}

impl Talk {
    fn with(console: Console) -> Self {
        let mut talk = Self {
            console,
            lines: Lines::default(),
            printed: String::new(),
            logged_out: false,
        };
        talk.console.state.display.characters = Characters::Ascii;
        talk.console.state.display.lines = true;
        talk.turn();
        talk
    }

    fn new(language: Language) -> Self {
        Self::with(Console::new(language))
    }

    /// Prints and answers until nothing waits, as the runner does.
    fn turn(&mut self) {
        loop {
            self.printed += &self.lines.print(&self.console.state);
            match self.lines.answer(&self.console.state) {
                None => return,
                Some(Answer::LogOut) => {
                    self.logged_out = true;
                    return;
                }
                Some(Answer::Events(events)) => {
                    for event in events {
                        self.console.event(event);
                    }
                }
            }
        }
    }

    fn key(&mut self, key: Key) {
        self.printed += &self.lines.key(&self.console.state, Input::Key(key));
        self.turn();
    }

    /// Types lines, and gives what was printed for the last of them.
    fn say(&mut self, lines: &[&str]) -> String {
        for line in lines {
            self.printed.clear();
            line.chars().for_each(|character| self.key(Key::Char(character)));
            self.key(Key::Enter);
        }
        std::mem::take(&mut self.printed)
    }
}

/// As a program at the other end would see it.
fn plain(text: &str) -> bool {
    let controls =
        |character: char| !character.is_control() || matches!(character, '\r' | '\n' | '\x07' | '\x08');
    text.is_ascii() && text.chars().all(controls) && text.split("\r\n").all(|line| line.len() <= 79)
}

#[test]
fn what_is_wrong_stands_first_and_the_prompt_last() {
    let talk = Talk::new(Language::En);
    assert!(plain(&talk.printed), "{}", talk.printed);
    let wrong = talk.printed.find("journal crashed").unwrap();
    assert!(
        wrong < talk.printed.find("Last events").unwrap(),
        "{}",
        talk.printed
    );
    assert!(talk.printed.ends_with("choice> "), "{}", talk.printed);
}

#[test]
fn a_machine_is_picked_by_its_name_and_forced_off_with_a_reason() {
    let mut talk = Talk::new(Language::Nb);
    let console = talk.say(&["0"]);
    assert!(
        console.contains("virtuelle maskiner") && console.contains("logg ut"),
        "{console}"
    );
    let machines = talk.say(&["2"]);
    assert!(machines.contains("== Maskiner =="), "{machines}");
    let picked = talk.say(&["=web"]);
    assert!(picked.contains("> web"), "{picked}");
    let why = talk.say(&["f"]);
    assert!(why.contains("Kutte") && why.ends_with("hvorfor> "), "{why}");
    // Without a reason it is asked for again.
    let again = talk.say(&["", "2"]);
    assert!(
        again.contains("Skriv hvorfor foerst.") && again.ends_with("hvorfor> "),
        "{again}"
    );
    assert_eq!(talk.console.fake.performed, []);
    let answers = talk.say(&["den henger"]);
    assert!(answers.contains(" 1  ") && answers.contains(" 2  "), "{answers}");
    let done = talk.say(&["2"]);
    assert!(done.contains("ok: Utfoert\r\n"), "{done}");
    let action = Action::ForceOffVm {
        vm: "web".into(),
        why: "den henger".into(),
    };
    assert_eq!(talk.console.fake.performed, [action]);
}

#[test]
fn no_is_the_first_answer_and_a_full_stop_leaves_the_question() {
    let mut talk = Talk::new(Language::En);
    talk.say(&["0", "2", "s"]);
    for leave in ["1", "."] {
        let left = talk.say(&[leave]);
        assert!(left.contains("== Machines =="), "{left}");
        assert_eq!(talk.console.fake.performed, []);
        talk.say(&["s"]);
    }
}

#[test]
fn a_refusal_is_one_line_that_begins_with_a_word_for_it() {
    let mut talk = Talk::new(Language::En);
    talk.console.fake.fail = Some(refusal());
    let refused = talk.say(&["0", "2", "s", "2"]);
    assert!(refused.contains("error: Refused on purpose\r\n"), "{refused}");
}

#[test]
fn what_nobody_knows_is_not_said_to_have_failed() {
    let mut talk = Talk::new(Language::En);
    talk.console.fake.fail = Some(varde_bus::Failure::new(
        varde_bus::FailureKind::Unknown,
        "Intet svar",
        "No answer",
    ));
    let unknown = talk.say(&["0", "2", "s", "2"]);
    assert!(
        unknown.contains("unknown: No answer\r\n") && !unknown.contains("error:"),
        "{unknown}"
    );
}

#[test]
fn a_name_is_found_before_another_row_that_has_it_in_it() {
    let mut talk = Talk::new(Language::En);
    talk.say(&["0", "2"]);
    // Above the machine that is called so.
    let title = "Arkiv for web";
    let web = support::fixtures::vm("web", title, varde_bus::hypervisor::VmState::Running);
    talk.console.event(Event::VmChanged(web));
    assert!(talk.say(&["=arkiv for"]).contains("> web "));
    assert!(talk.say(&["=arkiv"]).contains("> arkiv "));
}

#[test]
fn what_cannot_be_chosen_is_said_and_asked_again() {
    let mut talk = Talk::new(Language::En);
    for wrong in ["99", "zz", "=nowhere"] {
        let said = talk.say(&[wrong]);
        assert!(
            said.contains("error: ") && said.ends_with("choice> "),
            "{wrong}: {said}"
        );
    }
    assert!(talk.say(&[""]).contains("== Overview =="));
}

#[test]
fn lines_that_come_all_at_once_each_answer_the_prompt_they_are_meant_for() {
    let mut talk = Talk::new(Language::En);
    let pasted = Input::Paste("0\n2\n=web\nf\nit hangs\n2\n".into());
    talk.printed += &talk.lines.key(&talk.console.state, pasted);
    talk.turn();
    assert!(matches!(&talk.console.fake.performed[..], [Action::ForceOffVm { vm, .. }] if vm == "web"));
}

#[test]
fn a_text_is_read_page_by_page_and_a_list_is_chosen_from_by_number() {
    let mut talk = Talk::new(Language::En);
    let shown = talk.say(&["0", "3", "1"]);
    assert!(
        shown.contains("site.toml, generation 2") && shown.contains("Enter shows more"),
        "{shown}"
    );
    let back = talk.say(&["0"]);
    assert!(back.contains("== Site =="), "{back}");
    let power = talk.say(&["P"]);
    assert!(power.contains(" 1  ") && power.contains(" 2  "), "{power}");
    let reboot = talk.say(&["1"]);
    assert!(reboot.ends_with("why> "), "{reboot}");
}

#[test]
fn a_whole_file_is_taken_in_place_of_the_one_that_was_there() {
    let mut talk = Talk::new(Language::En);
    let how = talk.say(&["0", "3", "e"]);
    assert!(how.ends_with("file> "), "{how}");
    let checked = talk.say(&["version = 1", "", "[site]", "name = \"ny\"", "."]);
    assert!(checked.contains("Enter shows more"), "{checked}");
    let asked = talk
        .console
        .events
        .iter()
        .rev()
        .find_map(|(_, event)| match event {
            Event::Answered {
                ask: varde_console::event::Ask::Check(toml),
                ..
            } => Some(toml.clone()),
            _ => None,
        });
    assert_eq!(asked.as_deref(), Some("version = 1\n\n[site]\nname = \"ny\"\n"));
}

#[test]
fn what_happens_meanwhile_is_printed_once_and_what_was_typed_stays() {
    let mut talk = Talk::new(Language::En);
    talk.say(&["0", "2"]);
    "=we".chars().for_each(|character| talk.key(Key::Char(character)));
    talk.printed.clear();
    talk.console.event(Event::Service {
        service: Service::Audit,
        up: false,
    });
    talk.turn();
    assert_eq!(talk.printed, "", "nothing that was asked for");
    talk.console.state.tell(false, varde_bus::Text::same("gone"));
    talk.turn();
    assert_eq!(talk.printed, "\r\nerror: gone\r\nchoice> =we");
    let picked = talk.say(&["b"]);
    assert!(picked.contains("> web"), "{picked}");
}

#[test]
fn a_line_is_mended_before_it_is_sent() {
    let mut talk = Talk::new(Language::En);
    talk.printed.clear();
    for key in [Key::Char('9'), Key::Backspace, Key::Char('0'), Key::Up] {
        talk.key(key);
    }
    assert_eq!(talk.printed, "9\x08 \x080\x07");
    talk.key(Key::Enter);
    assert!(talk.printed.contains("log out"), "{}", talk.printed);
    talk.say(&["2"]);
    "99".chars().for_each(|character| talk.key(Key::Char(character)));
    talk.printed.clear();
    talk.key(Key::Ctrl('c'));
    assert!(talk.printed.ends_with("choice> "), "{}", talk.printed);
    assert!(talk.say(&["="]).contains("== Machines =="));
}

#[test]
fn a_password_is_not_echoed_and_the_end_of_what_is_typed_logs_out() {
    let mut talk = Talk::new(Language::En);
    let locked = talk.say(&["K"]);
    assert!(locked.ends_with("password> "), "{locked}");
    let unlocked = talk.say(&["riktig"]);
    assert!(
        !unlocked.contains("riktig") && unlocked.contains("== Overview =="),
        "{unlocked}"
    );
    assert!(!talk.logged_out);
    talk.key(Key::Ctrl('d'));
    assert!(talk.logged_out);
}

#[test]
fn every_key_of_every_page_that_is_not_about_a_screen_is_offered_by_number() {
    // The overview's Enter and the machine's Back are offers too: all that has a page for it.
    for (page, keys) in [
        ("2", &["s", "d", "f", "p", "c", "l", "t", "r", "m", "n", "x"][..]),
        ("3", &["d", "r", "m", "e"]),
        ("4", &["/", "u", "p", "t", "x"]),
        ("5", &["v"]),
    ] {
        let mut talk = Talk::new(Language::En);
        let shown = talk.say(&["0", page]);
        for key in keys {
            let offered = shown.split("\r\n").any(|line| {
                let mut words = line.split_whitespace();
                words.next().is_some_and(|number| number.parse::<u8>().is_ok()) && words.next() == Some(key)
            });
            assert!(offered, "{key} on page {page}:\n{shown}");
        }
    }
    let console = Talk::new(Language::En).say(&["0"]);
    for key in ["K", "q", "P", "H", "U", "L", "A", "M"] {
        assert!(console.contains(&format!("  {key}  ")), "{key}:\n{console}");
    }
}

/// The same errands as on the screen, in lines.
const ERRANDS: [&[&str]; 10] = [
    &["1"],
    &["0", "2", "s", "2"],
    &["0", "2", "=web", "f", "feil", "2"],
    &["0", "2", "l"],
    &["0", "2", "=web", "r", "feil", "2"],
    &["0", "6", "s", "feil", "2"],
    &["0", "6", "t", "35003099", "feil", "2"],
    &["0", "3", "+", "r", "1", "feil", "2"],
    &["0", "4", "p", "4"],
    &["U", "1", "0", "U", "2"],
];

#[test]
fn what_an_operator_does_most_is_done_in_lines_too() {
    for language in [Language::Nb, Language::En] {
        for (task, errand) in TASKS.iter().zip(ERRANDS) {
            let mut talk = Talk::with(task.console(language));
            let (last, before) = errand.split_last().unwrap();
            talk.say(before);
            let printed = talk.say(&[last]);
            // What is on the screen is what is printed.
            talk.console.state.display.lines = false;
            talk.console.paint();
            assert!((task.done)(&talk.console), "{}:\n{printed}", task.title);
            assert!(plain(&printed), "{}:\n{printed}", task.title);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever is typed, what is printed is text in lines that fit.
    #[test]
    fn whatever_is_typed_only_plain_lines_come(
        lines in proptest::collection::vec("(0|1|2|3|4|[1-9]|=[a-z]{0,3}|\\+|-|\\.|[A-Zsdfrmex]|\\PC{0,90}|)", 1..25),
    ) {
        let mut talk = Talk::new(Language::Nb);
        for line in &lines {
            let printed = talk.say(&[line]);
            // What is typed may be as long as its writer likes; the letters of the terminal can be chosen.
            let (echo, answer) = printed.split_once("\r\n").unwrap();
            prop_assert!(!echo.contains(|character: char| character.is_control() && character != '\x07'), "{:?}", echo);
            let letters: String = answer.chars().map(|letter| if letter < '\u{a0}' { letter } else { 'x' }).collect();
            prop_assert!(plain(&letters), "{:?}: {}", line, answer);
        }
    }
}

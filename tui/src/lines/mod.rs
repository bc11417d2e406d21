//! The console in plain lines: for terminals that cannot place a cursor, for screen readers, for programs.
//!
//! Another face of the same [`State`]. It prints what the screen would show, with the answers numbered, and makes of each
//! line that is typed the keys that the screen would have had. What can be done, what is asked before, and who may, is
//! therefore the same in both. Nothing is sent but text, line ends, bells, and blanks over what is deleted.

mod answer;
mod offers;
mod show;

use std::collections::VecDeque;
use std::mem::{Discriminant, discriminant};

use self::answer::Asked;
use self::offers::Menu;
use crate::charset;
use crate::dialog::Dialog;
use crate::event::Event;
use crate::page::PageId;
use crate::state::{Notice, State};
use crate::terminal::{Input, Key};
use crate::words::both;

const LINE_END: &str = "\r\n";
const BELL: char = '\x07';
/// Of one line; a file has more of them.
const LONGEST: usize = 4096;

/// What a line that was typed comes to.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// To be taken in, one after the other; none where nothing is to be done but to ask again.
    Events(Vec<Event>),
    /// The end of what is typed.
    LogOut,
}

#[derive(Debug, Default)]
pub struct Lines {
    /// What was typed since the last line end.
    typed: String,
    /// Lines that are typed and not yet answered: each waits for the prompt it answers.
    queue: VecDeque<Option<String>>,
    menu: Menu,
    /// The lines of a file so far.
    file: Vec<String>,
    /// What the prompt that stands there was printed for; `None` where it is to be printed again.
    shown: Option<Shown>,
    notice: Option<Notice>,
    /// Why the last line was no answer.
    complaint: Option<String>,
}

/// Whatever changes of this is printed without being asked for; what else changes waits for the next line.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shown {
    page: PageId,
    menu: Menu,
    locked: bool,
    dialogs: usize,
    dialog: Option<Discriminant<Dialog>>,
    asked: Asked,
}

impl Lines {
    /// What a key says to the terminal: the line as it grows.
    pub fn key(&mut self, state: &State, input: Input) -> String {
        let secret = answer::asked(state) == Asked::Password;
        match input {
            Input::Key(Key::Enter) => {
                self.queue.push_back(Some(std::mem::take(&mut self.typed)));
                LINE_END.to_owned()
            }
            Input::Key(Key::Ctrl('d')) if self.typed.is_empty() => {
                self.queue.push_back(None);
                String::new()
            }
            Input::Key(Key::Ctrl('c')) => {
                self.typed.clear();
                self.queue.clear();
                self.shown = None;
                LINE_END.to_owned()
            }
            Input::Key(Key::Ctrl('u')) => {
                let all = self.typed.chars().count();
                self.typed.clear();
                if secret { String::new() } else { rubbed_out(all) }
            }
            Input::Key(Key::Backspace) => match self.typed.pop() {
                Some(_) if !secret => rubbed_out(1),
                _ => String::new(),
            },
            Input::Key(Key::Char(character)) => self.typed(state, character, secret),
            Input::Paste(text) => {
                let mut echo = String::new();
                for character in text.chars() {
                    if character == '\n' {
                        echo += &self.key(state, Input::Key(Key::Enter));
                    } else {
                        echo += &self.typed(state, character, secret);
                    }
                }
                echo
            }
            Input::Key(_) | Input::Cursor { .. } => BELL.to_string(),
        }
    }

    fn typed(&mut self, state: &State, character: char, secret: bool) -> String {
        if self.typed.len() >= LONGEST {
            return BELL.to_string();
        }
        self.typed.push(character);
        if secret {
            return String::new();
        }
        charset::shown(&character.to_string(), state.display.characters)
    }

    /// What is to be printed now, if anything: what came of the last line, what is asked next.
    pub fn print(&mut self, state: &State) -> String {
        let shown = Shown {
            page: state.page,
            menu: self.menu,
            locked: state.lock.is_some(),
            dialogs: state.dialogs.len(),
            dialog: state.dialogs.last().map(discriminant),
            asked: answer::asked(state),
        };
        let words = state.words();
        let mut lines = Vec::new();
        if self.notice != state.notice {
            self.notice.clone_from(&state.notice);
            if let Some(Notice { good, unknown, text }) = &state.notice {
                let word = match good {
                    _ if *unknown => words.lines_unknown(),
                    true if *text == both(|words| words.sent().to_owned()) => words.lines_sent(),
                    true => words.lines_ok(),
                    false => words.lines_error(),
                };
                lines.extend(show::paragraph(state, &format!("{word}{}", state.say(text))));
            }
        }
        if let Some(complaint) = self.complaint.take() {
            lines.extend(show::paragraph(
                state,
                &format!("{}{complaint}", words.lines_error()),
            ));
        }
        if self.shown != Some(shown) {
            self.shown = Some(shown);
            lines.push(String::new());
            lines.extend(show::asked(state, self.menu));
        } else if lines.is_empty() {
            return String::new();
        }
        let mut text = String::new();
        // Something came while the prompt stood there.
        if !self.typed.is_empty() {
            text += LINE_END;
        }
        for line in lines {
            text += &line;
            text += LINE_END;
        }
        text += &charset::shown(show::prompt(state), state.display.characters);
        if shown.asked != Asked::Password {
            text += &charset::shown(&self.typed, state.display.characters);
        }
        text
    }

    /// What the oldest line that waits comes to; `None` where none waits.
    pub fn answer(&mut self, state: &State) -> Option<Answer> {
        let Some(line) = self.queue.pop_front()? else {
            return Some(Answer::LogOut);
        };
        Some(Answer::Events(answer::of(self, state, &line)))
    }

    /// Prints everything once more: the terminal has shown something else.
    pub fn forget(&mut self) {
        self.shown = None;
    }
}

fn rubbed_out(characters: usize) -> String {
    "\x08 \x08".repeat(characters)
}

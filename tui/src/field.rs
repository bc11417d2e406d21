//! One line of text that is being written.

use serde::{Deserialize, Serialize};

use crate::command::Cmd;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub text: String,
}

/// Longer than any reason or filter that makes sense.
const LIMIT: usize = 200;

impl Field {
    /// Takes part in writing; other commands are left alone.
    pub fn command(&mut self, cmd: &Cmd) {
        match cmd {
            Cmd::Insert(character) => self.insert(*character),
            // A line end in pasted text is a blank: it must not answer anything.
            Cmd::Paste(text) => text.chars().for_each(|character| self.insert(character)),
            Cmd::Backspace => {
                self.text.pop();
            }
            Cmd::CutLine => self.text.clear(),
            _ => {}
        }
    }

    fn insert(&mut self, character: char) {
        if self.text.chars().count() < LIMIT {
            self.text
                .push(if character.is_control() { ' ' } else { character });
        }
    }

    /// What was written, without blanks around it.
    pub fn answer(&self) -> &str {
        self.text.trim()
    }
}

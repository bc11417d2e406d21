//! One line that a filter or a test call needs.

use serde::{Deserialize, Serialize};
use varde_bus::Text;

use super::Outcome;
use super::confirm::draw_field;
use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::event::Effect;
use crate::field::Field;
use crate::page::{log, telephony};
use crate::state::State;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    title: Text,
    hint: Text,
    field: Field,
    wanted: Wanted,
}

/// What the answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    LogText,
    LogUnit,
    /// The number of a test call.
    TestNumber,
}

impl Prompt {
    pub fn new(title: Text, hint: Text, text: String, wanted: Wanted) -> Self {
        Self {
            title,
            hint,
            field: Field { text },
            wanted,
        }
    }

    pub(super) fn command(&mut self, cmd: &Cmd) -> Outcome {
        match cmd {
            Cmd::Back => Outcome::Close,
            Cmd::Open => Outcome::Wanted(self.wanted, self.field.answer().to_owned()),
            cmd => {
                self.field.command(cmd);
                Outcome::Stay
            }
        }
    }

    pub(super) fn draw(&self, state: &State, canvas: &mut Canvas) {
        canvas.bar(0, &format!(" {}", state.say(&self.title)));
        let row = canvas.wrapped(1, 2, Role::Plain, state.say(&self.hint));
        draw_field(canvas, row, &self.field, true);
    }
}

impl Wanted {
    pub(super) fn take(self, state: &mut State, text: &str) -> Vec<Effect> {
        match self {
            Self::LogText => text.clone_into(&mut state.log.query.text),
            Self::LogUnit => text.clone_into(&mut state.log.query.unit),
            Self::TestNumber => return telephony::test(state, text),
        }
        log::restart(state)
    }
}

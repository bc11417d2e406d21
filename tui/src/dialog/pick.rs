//! One of several.

use serde::{Deserialize, Serialize};
use varde_bus::Text;

use super::Outcome;
use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::event::{Ask, Effect};
use crate::list;
use crate::page::log;
use crate::power;
use crate::state::State;
use crate::update;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pick {
    title: Text,
    pub items: Vec<(Text, Picked)>,
    selected: usize,
}

/// What a choice means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Picked {
    /// Log lines of this priority and worse.
    Priority(u8),
    /// A file of the media disk.
    MediaFile(String),
    Reboot,
    PowerOff,
    Update(update::Choice),
}

impl Pick {
    pub fn new(title: Text, items: Vec<(Text, Picked)>, selected: usize) -> Self {
        Self {
            title,
            items,
            selected,
        }
    }

    pub fn title(&self) -> &Text {
        &self.title
    }

    pub(super) fn command(&mut self, cmd: &Cmd) -> Outcome {
        match cmd {
            Cmd::Back => Outcome::Close,
            Cmd::Open => match self.items.get(self.selected) {
                Some((_, picked)) => Outcome::Picked(picked.clone()),
                None => Outcome::Close,
            },
            cmd => {
                list::step(&mut self.selected, self.items.len(), cmd, 10);
                Outcome::Stay
            }
        }
    }

    pub(super) fn draw(&self, state: &State, canvas: &mut Canvas) {
        canvas.bar(0, &format!(" {}", state.say(&self.title)));
        let room = usize::from(canvas.height().saturating_sub(3));
        let top = list::top(self.selected, self.items.len(), room);
        for (row, (place, (text, _))) in (2u16..).zip(self.items.iter().enumerate().skip(top).take(room)) {
            let picked = place == self.selected;
            canvas.text(1, row, Role::Plain, if picked { ">" } else { " " });
            let role = if picked { Role::Picked } else { Role::Plain };
            canvas.text(3, row, role, state.say(text));
        }
    }
}

impl Picked {
    pub(super) fn take(self, state: &mut State) -> Vec<Effect> {
        match self {
            Self::Priority(priority) => {
                state.log.query.priority = priority;
                log::restart(state)
            }
            Self::MediaFile(name) => vec![Effect::Ask(Ask::MediaFile(name))],
            Self::Reboot => power::confirm(state, false),
            Self::PowerOff => power::confirm(state, true),
            Self::Update(choice) => update::chosen(state, choice),
        }
    }
}

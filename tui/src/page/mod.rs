//! The pages, one a file: what is drawn on them, and what their commands do.

pub mod log;
pub mod machine;
pub mod machines;
pub mod overview;
pub mod record;
pub mod site;

use serde::{Deserialize, Serialize};

pub use log::LogPage;
pub use machines::MachinesPage;
pub use overview::OverviewPage;
pub use record::RecordPage;
pub use site::SitePage;

use crate::canvas::Canvas;
use crate::command::Cmd;
use crate::event::Effect;
use crate::state::State;
use crate::words::Words;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageId {
    Overview,
    Machines,
    Site,
    Log,
    Record,
}

impl PageId {
    pub const ALL: [Self; 5] = [
        Self::Overview,
        Self::Machines,
        Self::Site,
        Self::Log,
        Self::Record,
    ];

    pub fn title(self, words: Words) -> &'static str {
        match self {
            Self::Overview => words.page_overview(),
            Self::Machines => words.page_machines(),
            Self::Site => words.page_site(),
            Self::Log => words.page_log(),
            Self::Record => words.page_record(),
        }
    }

    #[must_use]
    /// The page some steps to the right, around the end.
    pub fn step(self, steps: usize) -> Self {
        let place = Self::ALL.iter().position(|page| *page == self).unwrap_or(0);
        Self::ALL[(place + steps) % Self::ALL.len()]
    }
}

/// Goes to a page, and asks for what it shows.
pub fn open(state: &mut State, page: PageId) -> Vec<Effect> {
    state.page = page;
    match page {
        PageId::Overview => overview::open(state),
        PageId::Machines => machines::open(state),
        PageId::Site => site::open(state),
        PageId::Log => log::open(state),
        PageId::Record => record::open(state),
    }
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    match state.page {
        PageId::Overview => overview::command(state, cmd),
        PageId::Machines => machines::command(state, cmd),
        PageId::Site => site::command(state, cmd),
        PageId::Log => log::command(state, cmd),
        PageId::Record => record::command(state, cmd),
    }
}

pub fn draw(state: &State, canvas: Canvas) {
    match state.page {
        PageId::Overview => overview::draw(state, canvas),
        PageId::Machines if state.machines.detail => machine::draw(state, canvas),
        PageId::Machines => machines::draw(state, canvas),
        PageId::Site => site::draw(state, canvas),
        PageId::Log => log::draw(state, canvas),
        PageId::Record => record::draw(state, canvas),
    }
}

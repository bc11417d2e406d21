//! The pages, one a file: what is drawn on them, and what their commands do.

pub mod access;
pub mod databases;
pub mod log;
pub mod machine;
pub mod machines;
pub mod overview;
pub mod record;
pub mod rehearsals;
pub mod site;
pub mod snapshots;
pub mod telephony;

use serde::{Deserialize, Serialize};

pub use access::AccessPage;
pub use databases::DatabasesPage;
pub use log::LogPage;
pub use machines::MachinesPage;
pub use overview::OverviewPage;
pub use record::RecordPage;
pub use rehearsals::RehearsalsPage;
pub use site::SitePage;
pub use telephony::TelephonyPage;

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
    Databases,
    Telephony,
    Rehearsals,
    Access,
}

impl PageId {
    pub const ALL: [Self; 9] = [
        Self::Overview,
        Self::Machines,
        Self::Site,
        Self::Log,
        Self::Record,
        Self::Databases,
        Self::Telephony,
        Self::Rehearsals,
        Self::Access,
    ];

    pub fn title(self, words: Words) -> &'static str {
        match self {
            Self::Overview => words.page_overview(),
            Self::Machines => words.page_machines(),
            Self::Site => words.page_site(),
            Self::Log => words.page_log(),
            Self::Record => words.page_record(),
            Self::Databases => words.page_databases(),
            Self::Telephony => words.page_telephony(),
            Self::Rehearsals => words.page_rehearsals(),
            Self::Access => words.page_access(),
        }
    }

    /// The pages that this site has something for, each with its key.
    pub fn shown(state: &State) -> Vec<(usize, Self)> {
        let has = |page: Self| match page {
            Self::Databases => !state.databases().is_empty(),
            Self::Telephony => state.has_telephony(),
            Self::Rehearsals => state.has_recipes(),
            Self::Access => state.has_portal(),
            _ => true,
        };
        (1..)
            .zip(Self::ALL)
            .filter(|(_, page)| *page == state.page || has(*page))
            .collect()
    }

    /// The page some steps to the right of the open one, or to the left, around the end.
    pub fn step(state: &State, steps: isize) -> Self {
        let shown = Self::shown(state);
        let place = shown
            .iter()
            .position(|(_, page)| *page == state.page)
            .unwrap_or(0);
        shown[place.wrapping_add_signed(steps + shown.len().cast_signed()) % shown.len()].1
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
        PageId::Databases => databases::open(state),
        PageId::Telephony => telephony::open(state),
        PageId::Rehearsals => rehearsals::open(state),
        PageId::Access => access::open(state),
    }
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    match state.page {
        PageId::Overview => overview::command(state, cmd),
        PageId::Machines => machines::command(state, cmd),
        PageId::Site => site::command(state, cmd),
        PageId::Log => log::command(state, cmd),
        PageId::Record => record::command(state, cmd),
        PageId::Databases => databases::command(state, cmd),
        PageId::Telephony => telephony::command(state, cmd),
        PageId::Rehearsals => rehearsals::command(state, cmd),
        PageId::Access => access::command(state, cmd),
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
        PageId::Databases => databases::draw(state, canvas),
        PageId::Telephony => telephony::draw(state, canvas),
        PageId::Rehearsals => rehearsals::draw(state, canvas),
        PageId::Access => access::draw(state, canvas),
    }
}

//! Who comes in from devices of their own: persons, those who are in, and virtual desktops. The page is there where the
//! site has a portal.

mod draw;

use serde::{Deserialize, Serialize};
use varde_bus::access::{PersonStatus, PortalStatus, SessionStatus};
use varde_bus::desktop::{DesktopStatus, PoolStatus};
use varde_bus::tunnel::{PeerStatus, TunnelStatus};
use varde_bus::{Action, Text, Verb};

pub use draw::draw;

use super::PageId;
use crate::command::Cmd;
use crate::dialog::{Confirm, Dialog, Intent, Kind, Viewer, Why};
use crate::event::Effect;
use crate::format;
use crate::list;
use crate::reload;
use crate::state::State;
use crate::words::both;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    #[default]
    Persons,
    Sessions,
    Desktops,
    Tunnel,
}

impl View {
    pub const ALL: [Self; 4] = [Self::Persons, Self::Sessions, Self::Desktops, Self::Tunnel];

    fn next(self) -> Self {
        let place = Self::ALL.iter().position(|view| *view == self).unwrap_or(0);
        Self::ALL[(place + 1) % Self::ALL.len()]
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPage {
    pub view: View,
    pub selected: usize,
}

/// What the services tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub portal: PortalStatus,
    pub persons: Vec<PersonStatus>,
    pub sessions: Vec<SessionStatus>,
    pub pools: Vec<PoolStatus>,
    pub desktops: Vec<DesktopStatus>,
    pub tunnel: TunnelStatus,
    pub peers: Vec<PeerStatus>,
}

impl Told {
    fn count(&self, view: View) -> usize {
        match view {
            View::Persons => self.persons.len(),
            View::Sessions => self.sessions.len(),
            View::Desktops => self.desktops.len(),
            View::Tunnel => self.peers.len(),
        }
    }

    /// What an operator should see to.
    fn troubles(&self) -> impl Iterator<Item = &Text> {
        let pools = self.pools.iter().map(|pool| &pool.trouble);
        self.portal
            .troubles
            .iter()
            .chain(pools)
            .chain([&self.tunnel.trouble])
            .filter(|trouble| !trouble.is_empty())
    }
}

fn told(state: &State) -> Option<&Told> {
    state.data.access.value.as_ref()
}

fn picked(state: &State) -> usize {
    let count = told(state).map_or(0, |told| told.count(state.access.view));
    state.access.selected.min(count.saturating_sub(1))
}

/// For the overview.
pub fn problems(state: &State) -> Vec<String> {
    let words = state.words();
    let all = told(state).into_iter().flat_map(Told::troubles);
    all.map(|trouble| words.access_overview(state.say(trouble)))
        .collect()
}

pub fn open(state: &mut State) -> Vec<Effect> {
    reload::access(state).into_iter().collect()
}

/// A service says that something of this is new.
pub fn changed(state: &mut State, what: &str) -> Vec<Effect> {
    // Only the portal's troubles stand elsewhere.
    if what == "portal" || state.page == PageId::Access {
        return open(state);
    }
    Vec::new()
}

/// What is picked stays picked when others come and go.
pub fn answered(state: &mut State, new: Told) {
    let place = picked(state);
    let name = |told: &Told, view| match view {
        View::Persons => told.persons.get(place).map(|one| one.name.clone()),
        View::Sessions => told.sessions.get(place).map(|one| one.id.clone()),
        View::Desktops => told.desktops.get(place).map(|one| one.name.clone()),
        View::Tunnel => told.peers.get(place).map(|one| one.key.clone()),
    };
    let view = state.access.view;
    if let Some(before) = told(state).and_then(|told| name(told, view)) {
        let found = match view {
            View::Persons => new.persons.iter().position(|one| one.name == before),
            View::Sessions => new.sessions.iter().position(|one| one.id == before),
            View::Desktops => new.desktops.iter().position(|one| one.name == before),
            View::Tunnel => new.peers.iter().position(|one| one.key == before),
        };
        state.access.selected = found.unwrap_or(place);
    }
    let now = state.now;
    state.data.access.take(now, Ok(new));
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    match cmd {
        Cmd::NextView => {
            state.access.view = state.access.view.next();
            state.access.selected = 0;
            return open(state);
        }
        Cmd::Open => {
            let viewer = told(state).map(|told| match state.access.view {
                View::Tunnel => tunnel(&told.tunnel),
                _ => portal(state, &told.portal),
            });
            state.dialogs.extend(viewer.map(Dialog::Viewer));
        }
        Cmd::Enrol | Cmd::Clear | Cmd::Renew => {
            let Some((verb, confirm)) = wanted(state, cmd) else {
                state.tell(false, both(|words| words.access_not_here().to_owned()));
                return Vec::new();
            };
            if state.allowed(verb) {
                state.dialogs.push(Dialog::Confirm(confirm));
            }
        }
        cmd => {
            let mut place = picked(state);
            let count = told(state).map_or(0, |told| told.count(state.access.view));
            let page = usize::from(state.page_rows()).saturating_sub(4);
            if list::step(&mut place, count, cmd, page) {
                state.access.selected = place;
            }
        }
    }
    Vec::new()
}

/// What a key asks for in the open view.
fn wanted(state: &State, cmd: &Cmd) -> Option<(Verb, Confirm)> {
    let told = told(state)?;
    let place = picked(state);
    let why = String::new();
    Some(match (state.access.view, cmd) {
        (View::Persons, Cmd::Enrol) => {
            let person = told.persons.get(place)?;
            let action = Action::Enrol {
                person: person.name.clone(),
                why,
            };
            let confirm = confirm(
                both(|words| words.access_enrol_title(&person.title)),
                both(|words| words.access_enrol_body(person.enrolled)),
                both(|words| words.access_enrol_yes(&person.name)),
                action,
                Why::May,
            );
            (Verb::Enrol, confirm)
        }
        (View::Persons, Cmd::Clear) => {
            let person = told.persons.get(place)?;
            let action = Action::Forget {
                person: person.name.clone(),
                why,
            };
            let confirm = confirm(
                both(|words| words.access_forget_title(&person.title)),
                both(|words| words.access_forget_body().to_owned()),
                both(|words| words.access_forget_yes(&person.name)),
                action,
                Why::Must,
            );
            (Verb::Forget, confirm)
        }
        (View::Sessions, Cmd::Clear) => {
            let session = told.sessions.get(place)?;
            let action = Action::EndSession {
                session: session.id.clone(),
                why,
            };
            let confirm = confirm(
                both(|words| words.access_end_title(&session.person)),
                both(|words| words.access_end_body().to_owned()),
                both(|words| words.access_end_yes(&session.id)),
                action,
                Why::May,
            );
            (Verb::EndSession, confirm)
        }
        (View::Desktops, Cmd::Clear) => {
            let desktop = told.desktops.get(place)?;
            let action = Action::EndDesktop {
                desktop: desktop.name.clone(),
                why,
            };
            let confirm = confirm(
                both(|words| words.desktop_end_title(&desktop.name)),
                both(|words| words.desktop_end_body(desktop.viewers)),
                both(|words| words.desktop_end_yes(&desktop.name)),
                action,
                Why::Must,
            );
            (Verb::EndDesktop, confirm)
        }
        (View::Desktops, Cmd::Renew) => {
            let desktop = told.desktops.get(place)?;
            let action = Action::RenewDesktop {
                desktop: desktop.name.clone(),
                why,
            };
            let confirm = confirm(
                both(|words| words.desktop_renew_title(&desktop.name)),
                both(|words| words.desktop_renew_body().to_owned()),
                both(|words| words.desktop_renew_yes(&desktop.name)),
                action,
                Why::Must,
            );
            (Verb::RenewDesktop, confirm)
        }
        _ => return None,
    })
}

fn confirm(title: Text, body: Text, yes: Text, action: Action, why: Why) -> Confirm {
    let no = both(|words| words.answer_no().to_owned());
    Confirm::new(title, vec![body], no, yes, Intent::Act(action), why)
}

/// The code has come: it is shown until it has been read, and kept nowhere.
pub fn enrolled(state: &mut State, person: &str, said: Text) {
    let lines = vec![
        said,
        Text::default(),
        both(|words| words.access_code_body(person)),
    ];
    let title = both(|words| words.access_code_title(person));
    state
        .dialogs
        .push(Dialog::Viewer(Viewer::new(title, lines, Kind::Secret)));
}

/// What other sites are told of us.
fn tunnel(tunnel: &TunnelStatus) -> Viewer {
    let mut lines = vec![
        both(|words| words.tunnel_endpoint(&tunnel.endpoint)),
        both(|words| words.tunnel_key(&tunnel.key)),
    ];
    if !tunnel.next_key.is_empty() {
        lines.push(both(|words| words.tunnel_next_key(&tunnel.next_key)));
    }
    lines.push(tunnel.trouble.clone());
    Viewer::new(both(|words| words.tunnel_title().to_owned()), lines, Kind::Prose)
}

fn portal(state: &State, portal: &PortalStatus) -> Viewer {
    let until = format::stamp(portal.certificate_until, state.zone());
    let mut lines = vec![
        both(|words| words.access_address(&portal.address)),
        both(|words| words.access_certificate(portal.self_made, &until)),
        Text::default(),
        both(|words| words.access_fingerprint().to_owned()),
        Text::same(portal.fingerprint.clone()),
    ];
    lines.extend(portal.troubles.iter().cloned());
    Viewer::new(both(|words| words.access_portal().to_owned()), lines, Kind::Prose)
}

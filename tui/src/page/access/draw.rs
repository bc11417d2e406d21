//! How access looks.

use varde_bus::access::PersonStatus;
use varde_bus::desktop::DesktopStatus;
use varde_bus::hypervisor::VmState;

use super::{Told, View, picked, told};
use crate::canvas::{Canvas, Role};
use crate::format;
use crate::list;
use crate::state::State;

pub fn draw(state: &State, mut canvas: Canvas) {
    let words = state.words();
    let mut row = 0;
    if let Some(failure) = &state.data.access.trouble {
        let text = words.service_down(words.service_access(), state.say(&failure.text));
        row = canvas.wrapped(1, 0, Role::Bad, &text);
    }
    let Some(told) = told(state) else {
        canvas.wrapped(1, row, Role::Plain, &state.waiting());
        return;
    };
    if told.portal.declared {
        row = canvas.wrapped(1, row, Role::Plain, &words.access_address(&told.portal.address));
    }
    if told.tunnel.declared {
        row = canvas.wrapped(1, row, Role::Plain, &words.tunnel_endpoint(&told.tunnel.endpoint));
    }
    if !(told.portal.declared || told.tunnel.declared) {
        canvas.wrapped(1, row, Role::Plain, words.access_none());
        return;
    }
    for trouble in told.troubles().take(3) {
        row = canvas.wrapped(1, row, Role::Bad, state.say(trouble));
    }
    row = draw_views(state, &mut canvas, row + 1);
    match state.access.view {
        View::Persons => persons(state, told, &mut canvas, row),
        View::Sessions => sessions(state, told, &mut canvas, row),
        View::Desktops => desktops(state, told, &mut canvas, row),
        View::Tunnel => tunnel(state, told, &mut canvas, row),
    }
}

/// The names of the views, the open one marked.
fn draw_views(state: &State, canvas: &mut Canvas, row: u16) -> u16 {
    let words = state.words();
    let mut x = 1;
    for view in View::ALL {
        let open = view == state.access.view;
        let role = if open { Role::Picked } else { Role::Quiet };
        let name = words.access_view(view);
        let name = if open {
            format!("[{name}]")
        } else {
            format!(" {name} ")
        };
        x = canvas.text(x, row, role, &name) + 1;
    }
    row + 1
}

type Cells<const N: usize> = [(Role, String); N];

/// A list below its heads, in columns of these widths; the last one has what is left.
fn rows<const N: usize>(
    state: &State,
    canvas: &mut Canvas,
    top: u16,
    widths: [u16; N],
    heads: [&str; N],
    none: &str,
    all: &[Cells<N>],
) {
    let mut line = |row: u16, picked: bool, cells: [(Role, &str); N]| {
        canvas.text(1, row, Role::Plain, if picked { ">" } else { " " });
        let mut x = 3;
        for (place, (role, text)) in cells.into_iter().enumerate() {
            let room = if place + 1 == N {
                canvas.width().saturating_sub(x + 1)
            } else {
                widths[place] - 1
            };
            let role = if picked && place == 0 { Role::Picked } else { role };
            canvas.cell(x, row, room, role, text);
            x += widths[place];
        }
    };
    line(top, false, heads.map(|head| (Role::Heading, head)));
    let room = usize::from(state.page_rows().saturating_sub(top + 1));
    let selected = picked(state);
    let first = list::top(selected, all.len(), room);
    for ((place, cells), row) in all.iter().enumerate().skip(first).take(room).zip(top + 1..) {
        line(
            row,
            place == selected,
            cells.each_ref().map(|(role, text)| (*role, text.as_str())),
        );
    }
    if all.is_empty() {
        canvas.wrapped(3, top + 1, Role::Plain, none);
    }
}

fn persons(state: &State, told: &Told, canvas: &mut Canvas, top: u16) {
    let words = state.words();
    let moment = |when| format::moment(when, state.now, state.zone(), state.language());
    let how = |person: &PersonStatus| match (person.enrolled, person.code_until) {
        (true, _) if person.recovery < 3 => (Role::Warning, words.access_few_codes(person.recovery)),
        (true, _) => (Role::Good, words.access_enrolled().to_owned()),
        (false, until) if until > state.now => (Role::Warning, words.access_code_until(moment(until))),
        (false, _) => (Role::Plain, words.access_not_enrolled().to_owned()),
    };
    let all: Vec<Cells<4>> = told
        .persons
        .iter()
        .map(|person| {
            let last = match person.last_login {
                0 => "-".to_owned(),
                when => moment(when),
            };
            [
                (Role::Plain, person.name.clone()),
                (Role::Plain, person.title.clone()),
                how(person),
                (Role::Plain, last),
            ]
        })
        .collect();
    let heads = [
        words.column_name(),
        words.column_who(),
        words.column_state(),
        words.column_last_in(),
    ];
    rows(
        state,
        canvas,
        top,
        [16, 22, 22, 0],
        heads,
        words.access_no_persons(),
        &all,
    );
}

fn sessions(state: &State, told: &Told, canvas: &mut Canvas, top: u16) {
    let words = state.words();
    let moment = |when| format::moment(when, state.now, state.zone(), state.language());
    let all: Vec<Cells<5>> = told
        .sessions
        .iter()
        .map(|session| {
            [
                (Role::Plain, session.person.clone()),
                (Role::Plain, session.from.clone()),
                (Role::Plain, moment(session.began)),
                (Role::Plain, moment(session.seen)),
                (Role::Plain, session.desktops.join(" ")),
            ]
        })
        .collect();
    let heads = [
        words.column_person(),
        words.column_from(),
        words.column_began(),
        words.column_seen(),
        words.column_desktops(),
    ];
    rows(
        state,
        canvas,
        top,
        [16, 17, 13, 13, 0],
        heads,
        words.access_nobody(),
        &all,
    );
}

fn desktops(state: &State, told: &Told, canvas: &mut Canvas, top: u16) {
    let words = state.words();
    let role = |state| match state {
        VmState::Running => Role::Good,
        VmState::Crashed | VmState::Blocked => Role::Bad,
        VmState::Declared | VmState::Stopped => Role::Plain,
        _ => Role::Warning,
    };
    let about = |desktop: &DesktopStatus| {
        let mut about = Vec::new();
        if desktop.viewers > 0 {
            about.push(words.desktop_seen().to_owned());
        }
        if desktop.idle_since > 0 {
            let since = format::moment(desktop.idle_since, state.now, state.zone(), state.language());
            about.push(words.desktop_idle(since));
        }
        if desktop.outdated {
            about.push(words.desktop_outdated().to_owned());
        }
        about.join(", ")
    };
    let all: Vec<Cells<4>> = told
        .desktops
        .iter()
        .map(|desktop| {
            [
                (Role::Plain, desktop.name.clone()),
                (role(desktop.state), words.vm_state(desktop.state).to_owned()),
                (Role::Plain, desktop.person.clone()),
                (Role::Plain, about(desktop)),
            ]
        })
        .collect();
    let heads = [
        words.column_name(),
        words.column_state(),
        words.column_person(),
        words.column_about(),
    ];
    rows(
        state,
        canvas,
        top,
        [24, 12, 16, 0],
        heads,
        words.desktop_none(),
        &all,
    );
}

/// Later than this somebody who keeps in touch is away: two handshakes of WireGuard and some. Milliseconds.
const AWAY: i64 = 300_000;

fn tunnel(state: &State, told: &Told, canvas: &mut Canvas, top: u16) {
    let (words, language) = (state.words(), state.language());
    let all: Vec<Cells<5>> = told
        .peers
        .iter()
        .map(|peer| {
            let role = match state.now - peer.handshake {
                since if since < AWAY => Role::Good,
                _ if peer.site => Role::Bad,
                _ => Role::Plain,
            };
            let heard = match peer.handshake {
                0 => words.tunnel_never().to_owned(),
                when => format::moment(when, state.now, state.zone(), language),
            };
            [
                (Role::Plain, peer.name.clone()),
                (Role::Plain, peer.title.clone()),
                (role, heard),
                (
                    Role::Plain,
                    format!(
                        "{} / {}",
                        format::bytes(peer.received, language),
                        format::bytes(peer.sent, language)
                    ),
                ),
                (Role::Plain, peer.networks.join(" ")),
            ]
        })
        .collect();
    let heads = [
        words.column_name(),
        words.column_what(),
        words.column_heard(),
        words.column_in_out(),
        words.column_networks(),
    ];
    rows(
        state,
        canvas,
        top,
        [14, 14, 13, 20, 0],
        heads,
        words.tunnel_none(),
        &all,
    );
}

//! How telephony looks.

use varde_bus::telephony::{CallRecord, ChannelState, Health, LineStatus, TelephonyStatus};

use super::{View, in_use};
use crate::canvas::{Canvas, Role};
use crate::format;
use crate::list;
use crate::state::State;

pub fn draw(state: &State, mut canvas: Canvas) {
    let words = state.words();
    let mut row = 0;
    if let Some(failure) = &state.data.telephony.trouble {
        let text = words.service_down(words.service_telephony(), state.say(&failure.text));
        row = canvas.wrapped(1, 0, Role::Bad, &text);
    }
    let Some(status) = &state.data.telephony.value else {
        canvas.wrapped(1, row, Role::Plain, &state.waiting());
        return;
    };
    if !status.declared {
        canvas.wrapped(1, row, Role::Plain, words.no_telephony());
        return;
    }
    row = draw_status(state, &mut canvas, row, status);
    row = draw_views(state, &mut canvas, row);
    match state.telephony.view {
        View::Lines => draw_lines(state, &mut canvas, row),
        View::Calls => draw_calls(state, &mut canvas, row),
        View::Records => draw_records(state, &mut canvas, row),
        View::Numbers => draw_numbers(state, &mut canvas, row),
    }
}

/// Calls, the emergency route, and what an operator should see to.
fn draw_status(state: &State, canvas: &mut Canvas, top: u16, status: &TelephonyStatus) -> u16 {
    let (words, language) = (state.words(), state.language());
    let at = |when| format::moment(when, state.now, state.zone(), language);
    let tested = match (status.tested, status.test_passed) {
        (0, _) if status.next_test == 0 => words.phone_no_test().to_owned(),
        (0, _) => words.phone_not_tested(at(status.next_test)),
        (when, true) => words.phone_tested(at(when)),
        (when, false) => words.phone_test_failed(at(when)),
    };
    let calls = words.phone_calls(status.calls, status.most_calls, status.emergency_calls);
    let bad = status.tested > 0 && !status.test_passed;
    let mut row = canvas.wrapped(1, top, Role::Plain, &calls);
    row = canvas.wrapped(1, row, if bad { Role::Bad } else { Role::Plain }, &tested);
    if status.shed > 0 {
        row = canvas.wrapped(1, row, Role::Warning, &words.phone_shed(status.shed));
    }
    // The worst; the rest are in what is listed below.
    for trouble in status.troubles.iter().take(3) {
        row = canvas.wrapped(1, row, Role::Bad, state.say(trouble));
    }
    row + 1
}

/// The names of the views, the open one marked.
fn draw_views(state: &State, canvas: &mut Canvas, row: u16) -> u16 {
    let words = state.words();
    let mut x = 1;
    for view in View::ALL {
        let open = view == state.telephony.view;
        let role = if open { Role::Picked } else { Role::Quiet };
        let mark = if open { "[" } else { " " };
        let end = if open { "]" } else { " " };
        x = canvas.text(x, row, role, &format!("{mark}{}{end}", words.phone_view(view))) + 1;
    }
    row + 1
}

/// A row of a list: its columns, each with role, text and width.
fn columns(canvas: &mut Canvas, row: u16, picked: bool, cells: &[(Role, &str, u16)]) {
    canvas.text(1, row, Role::Plain, if picked { ">" } else { " " });
    let mut x = 3;
    for (place, (role, text, width)) in cells.iter().enumerate() {
        // The last one has what is left.
        let room = if place + 1 == cells.len() {
            canvas.width().saturating_sub(x + 1)
        } else {
            width - 1
        };
        let role = if picked && place == 0 { Role::Picked } else { *role };
        canvas.cell(x, row, room, role, text);
        x += width;
    }
}

/// The rows of a list that are in sight: which, and on what row of the screen.
fn in_sight(
    state: &State,
    canvas: &Canvas,
    top: u16,
    count: usize,
) -> impl Iterator<Item = (usize, u16, bool)> + use<> {
    let room = usize::from(canvas.height().saturating_sub(top));
    let selected = state.telephony.picked();
    let first = list::top(selected, count, room);
    (first..count)
        .take(room)
        .zip(top..)
        .map(move |(place, row)| (place, row, place == selected))
}

fn role_of(health: Health) -> Role {
    match health {
        Health::Up => Role::Good,
        Health::Starting => Role::Warning,
        Health::Down | Health::Blocked => Role::Bad,
    }
}

fn draw_lines(state: &State, canvas: &mut Canvas, top: u16) {
    let words = state.words();
    let page = &state.telephony;
    let heads = [
        (Role::Heading, words.column_name(), 16),
        (Role::Heading, words.column_state(), 12),
        (Role::Heading, words.column_in_use(), 9),
        (Role::Heading, words.column_channels(), 0),
    ];
    columns(canvas, top, false, &heads);
    let count = page.lines.len() + page.trunks.len();
    if count == 0 {
        canvas.wrapped(3, top + 1, Role::Plain, words.phone_no_lines());
    }
    for (place, row, picked) in in_sight(state, canvas, top + 1, count) {
        let (name, health, used, what) = if let Some(line) = page.lines.get(place) {
            let used = format!("{}/{}", in_use(line), line.channels.len());
            let what = if line.reason.is_empty() {
                map(line)
            } else {
                state.say(&line.reason).to_owned()
            };
            (&line.name, line.state, used, what)
        } else {
            let trunk = &page.trunks[place - page.lines.len()];
            let used = format!("{}/{}", trunk.calls, trunk.most_calls);
            let what = if trunk.reason.is_empty() {
                format!("SIP {}:{}", trunk.transport, trunk.address)
            } else {
                state.say(&trunk.reason).to_owned()
            };
            (&trunk.name, trunk.state, used, what)
        };
        let row_cells = [
            (Role::Plain, name.as_str(), 16),
            (role_of(health), words.health(health), 12),
            (Role::Plain, used.as_str(), 9),
            (Role::Plain, what.as_str(), 0),
        ];
        columns(canvas, row, picked, &row_cells);
    }
}

/// A character for each channel, a blank after each ten: `##........ ..........`.
fn map(line: &LineStatus) -> String {
    let mut map = String::new();
    for (place, channel) in line.channels.iter().enumerate() {
        if place > 0 && place % 10 == 0 {
            map.push(' ');
        }
        map.push(match channel.state {
            ChannelState::Free => '.',
            ChannelState::Busy => '#',
            ChannelState::Restarting => '~',
            ChannelState::Blocked => '!',
        });
    }
    map
}

fn draw_calls(state: &State, canvas: &mut Canvas, top: u16) {
    let (words, language) = (state.words(), state.language());
    let calls = &state.telephony.calls;
    let heads = [
        (Role::Heading, words.column_number(), 7),
        (Role::Heading, words.column_state(), 11),
        (Role::Heading, words.phone_from(), 14),
        (Role::Heading, words.phone_to(), 14),
        (Role::Heading, words.column_since(), 0),
    ];
    columns(canvas, top, false, &heads);
    if calls.is_empty() {
        canvas.wrapped(3, top + 1, Role::Plain, words.phone_no_calls());
    }
    for (place, row, picked) in in_sight(state, canvas, top + 1, calls.len()) {
        let call = &calls[place];
        let since = format::moment(call.started, state.now, state.zone(), language);
        let mut last = words.phone_kind(call.emergency, call.test).to_owned();
        let role = if call.trouble.is_empty() {
            Role::Plain
        } else {
            Role::Bad
        };
        for part in [since.as_str(), state.say(&call.trouble)] {
            if !last.is_empty() && !part.is_empty() {
                last.push(' ');
            }
            last.push_str(part);
        }
        let id = call.id.to_string();
        let row_cells = [
            (Role::Plain, id.as_str(), 7),
            (Role::Plain, words.call_state(call.state), 11),
            (Role::Plain, call.from.number.as_str(), 14),
            (Role::Plain, call.to.number.as_str(), 14),
            (role, last.as_str(), 0),
        ];
        columns(canvas, row, picked, &row_cells);
    }
}

/// Minutes and seconds from answer to end.
fn talked(record: &CallRecord) -> String {
    if record.answered == 0 {
        return "-".to_owned();
    }
    let seconds = (record.ended - record.answered).max(0) / 1000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn draw_records(state: &State, canvas: &mut Canvas, top: u16) {
    let (words, language) = (state.words(), state.language());
    let records = &state.telephony.records;
    let heads = [
        (Role::Heading, words.column_when(), 14),
        (Role::Heading, words.phone_from(), 15),
        (Role::Heading, words.phone_dialled(), 15),
        (Role::Heading, words.phone_lasted(), 8),
        (Role::Heading, words.column_outcome(), 0),
    ];
    columns(canvas, top, false, &heads);
    if records.is_empty() {
        canvas.wrapped(3, top + 1, Role::Plain, words.phone_no_records());
    }
    for (place, row, picked) in in_sight(state, canvas, top + 1, records.len()) {
        let record = &records[place];
        let when = format::moment(record.started, state.now, state.zone(), language);
        let (role, how) = if record.trouble.is_empty() {
            (Role::Plain, &record.outcome)
        } else {
            (Role::Bad, &record.trouble)
        };
        let kind = words.phone_kind(record.emergency, record.test);
        let outcome = format!("{kind} {}", state.say(how));
        let lasted = talked(record);
        let row_cells = [
            (Role::Plain, when.as_str(), 14),
            (Role::Plain, record.from.number.as_str(), 15),
            (Role::Plain, record.dialled.as_str(), 15),
            (Role::Plain, lasted.as_str(), 8),
            (role, outcome.trim_start(), 0),
        ];
        columns(canvas, row, picked, &row_cells);
    }
}

fn draw_numbers(state: &State, canvas: &mut Canvas, top: u16) {
    let words = state.words();
    let extensions = &state.telephony.extensions;
    let heads = [
        (Role::Heading, words.column_phone_number(), 10),
        (Role::Heading, words.column_name(), 22),
        (Role::Heading, words.column_place(), 22),
        (Role::Heading, words.column_state(), 0),
    ];
    columns(canvas, top, false, &heads);
    if extensions.is_empty() {
        canvas.wrapped(3, top + 1, Role::Plain, words.phone_no_numbers());
    }
    for (place, row, picked) in in_sight(state, canvas, top + 1, extensions.len()) {
        let extension = &extensions[place];
        let (role, how) = match (extension.reachable, extension.credential) {
            (true, _) => (Role::Good, words.phone_reachable().to_owned()),
            (false, false) => (Role::Bad, words.phone_no_secret().to_owned()),
            (false, true) => (Role::Warning, words.phone_unreachable().to_owned()),
        };
        let (role, how) = if extension.forwarded.is_empty() {
            (role, how)
        } else {
            (Role::Plain, words.phone_forwards(&extension.forwarded))
        };
        let where_it_is = words.phone_place(&extension.place);
        let row_cells = [
            (Role::Plain, extension.number.as_str(), 10),
            (Role::Plain, extension.title.as_str(), 22),
            (Role::Plain, where_it_is.as_str(), 22),
            (role, how.as_str(), 0),
        ];
        columns(canvas, row, picked, &row_cells);
    }
}

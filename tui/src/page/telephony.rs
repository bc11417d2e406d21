//! Telephony: lines and trunks, calls now, calls that have been, the site's numbers. The page is there where the site has
//! any.

mod draw;

use serde::{Deserialize, Serialize};
use varde_bus::telephony::{
    CallRecord, CallStatus, ChannelState, ExtensionStatus, LineStatus, Party, TrunkStatus,
};
use varde_bus::{Action, Text, Verb};

pub use draw::draw;

use crate::command::Cmd;
use crate::dialog::{Confirm, Dialog, Intent, Kind, Prompt, Viewer, Wanted, Why};
use crate::event::{Ask, Effect};
use crate::list;
use crate::reload;
use crate::state::State;
use crate::words::{Words, both};
use crate::{format, page::PageId};

/// Calls of the past that are asked for.
pub const RECORDS: u32 = 100;

/// What is shown of telephony.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    #[default]
    Lines,
    Calls,
    Records,
    Numbers,
}

impl View {
    pub const ALL: [Self; 4] = [Self::Lines, Self::Calls, Self::Records, Self::Numbers];

    fn next(self) -> Self {
        let place = Self::ALL.iter().position(|view| *view == self).unwrap_or(0);
        Self::ALL[(place + 1) % Self::ALL.len()]
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelephonyPage {
    pub view: View,
    pub selected: usize,
    pub lines: Vec<LineStatus>,
    pub trunks: Vec<TrunkStatus>,
    pub extensions: Vec<ExtensionStatus>,
    pub calls: Vec<CallStatus>,
    pub records: Vec<CallRecord>,
}

impl TelephonyPage {
    /// Rows that can be picked.
    fn count(&self) -> usize {
        match self.view {
            View::Lines => self.lines.len() + self.trunks.len(),
            View::Calls => self.calls.len(),
            View::Records => self.records.len(),
            View::Numbers => self.extensions.len(),
        }
    }

    fn picked(&self) -> usize {
        self.selected.min(self.count().saturating_sub(1))
    }

    /// The line that is picked, where one is.
    fn line(&self) -> Option<&LineStatus> {
        (self.view == View::Lines)
            .then(|| self.lines.get(self.picked()))
            .flatten()
    }
}

/// What the open view shows.
pub fn open(state: &mut State) -> Vec<Effect> {
    let view = match state.telephony.view {
        View::Lines => vec![Ask::Lines, Ask::Trunks],
        View::Calls => vec![Ask::Calls],
        View::Records => vec![Ask::CallRecords],
        View::Numbers => vec![Ask::Extensions],
    };
    let status = reload::telephony(state);
    status
        .into_iter()
        .chain(view.into_iter().map(Effect::Ask))
        .collect()
}

/// The service answers again.
pub fn refresh(state: &mut State) -> Vec<Effect> {
    if state.page == PageId::Telephony {
        return open(state);
    }
    reload::telephony(state).into_iter().collect()
}

/// The service says that something of this is new.
pub fn changed(state: &mut State, what: &str) -> Vec<Effect> {
    if what == "status" {
        return reload::telephony(state).into_iter().collect();
    }
    if state.page != PageId::Telephony {
        return Vec::new();
    }
    let ask = match (what, state.telephony.view) {
        ("lines", View::Lines) => Ask::Lines,
        ("trunks", View::Lines) => Ask::Trunks,
        ("calls", View::Calls) => Ask::Calls,
        ("records", View::Records) => Ask::CallRecords,
        ("extensions", View::Numbers) => Ask::Extensions,
        _ => return Vec::new(),
    };
    vec![Effect::Ask(ask)]
}

/// New records came: what is picked stays picked.
pub fn records(state: &mut State, records: Vec<CallRecord>) {
    let page = &mut state.telephony;
    let picked = page.records.get(page.selected).map(|record| record.id);
    page.records = records;
    if page.view == View::Records && page.selected > 0 {
        let place = picked.and_then(|id| page.records.iter().position(|record| record.id == id));
        page.selected = place.unwrap_or(page.selected);
    }
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    match cmd {
        Cmd::NextView => return turn(state),
        Cmd::TestCall => {
            if state.allowed(Verb::TestCall) {
                state.dialogs.push(Dialog::Prompt(Prompt::new(
                    both(|words| words.phone_test_title().to_owned()),
                    both(|words| words.phone_test_hint().to_owned()),
                    String::new(),
                    Wanted::TestNumber,
                )));
            }
        }
        Cmd::TestEmergency => ask(state, Verb::TestCall, test_emergency()),
        Cmd::Clear => clear(state),
        Cmd::Open => {
            let viewer = viewer(state);
            state.dialogs.extend(viewer.map(Dialog::Viewer));
        }
        cmd => {
            let (mut place, count) = (state.telephony.picked(), state.telephony.count());
            let page = usize::from(state.page_rows()).saturating_sub(4);
            if list::step(&mut place, count, cmd, page) {
                state.telephony.selected = place;
            }
        }
    }
    Vec::new()
}

fn turn(state: &mut State) -> Vec<Effect> {
    state.telephony.view = state.telephony.view.next();
    state.telephony.selected = 0;
    open(state)
}

fn ask(state: &mut State, verb: Verb, confirm: Confirm) {
    if state.allowed(verb) {
        state.dialogs.push(Dialog::Confirm(confirm));
    }
}

fn confirm(title: Text, body: Text, yes: Text, action: Action, why: Why) -> Confirm {
    let no = both(|words| words.answer_no().to_owned());
    Confirm::new(title, vec![body], no, yes, Intent::Act(action), why)
}

/// The number to be called has been written.
pub fn test(state: &mut State, number: &str) -> Vec<Effect> {
    if !number.is_empty() {
        let action = Action::TestCall {
            number: number.to_owned(),
            target: String::new(),
            why: String::new(),
        };
        state.dialogs.push(Dialog::Confirm(confirm(
            both(|words| words.phone_test_ask(number)),
            both(|words| words.phone_test_body().to_owned()),
            both(|words| words.phone_test_yes(number)),
            action,
            Why::May,
        )));
    }
    Vec::new()
}

fn test_emergency() -> Confirm {
    confirm(
        both(|words| words.phone_emergency_title().to_owned()),
        both(|words| words.phone_emergency_body().to_owned()),
        both(|words| words.phone_emergency_yes().to_owned()),
        Action::TestEmergency { why: String::new() },
        Why::May,
    )
}

/// Ends the picked call, or brings the picked line's channels to rest.
fn clear(state: &mut State) {
    let page = &state.telephony;
    if let Some(line) = page.line() {
        let name = line.name.clone();
        let busy = in_use(line);
        let confirm = confirm(
            both(|words| words.phone_restart_title(&name)),
            both(|words| words.phone_restart_body(busy)),
            both(|words| words.phone_restart_yes(&name)),
            Action::RestartChannel {
                line: name.clone(),
                channel: 0,
                why: String::new(),
            },
            Why::Must,
        );
        return ask(state, Verb::RestartChannel, confirm);
    }
    if page.view == View::Calls
        && let Some(call) = page.calls.get(page.picked())
    {
        let (id, from, to) = (call.id, call.from.number.clone(), call.to.number.clone());
        let confirm = confirm(
            both(|words| words.phone_clear_title(id)),
            both(|words| words.phone_clear_body(&from, &to)),
            both(|words| words.phone_clear_yes().to_owned()),
            Action::ClearCall {
                call: id,
                why: String::new(),
            },
            Why::Must,
        );
        ask(state, Verb::ClearCall, confirm);
    }
}

fn in_use(line: &LineStatus) -> usize {
    let busy = |state| state == ChannelState::Busy;
    line.channels.iter().filter(|channel| busy(channel.state)).count()
}

/// The picked line's channels, or the picked record whole.
fn viewer(state: &State) -> Option<Viewer> {
    let page = &state.telephony;
    if let Some(line) = page.line() {
        return Some(channels(state, line));
    }
    match page.view {
        View::Records => page
            .records
            .get(page.picked())
            .map(|record| detail(state, record)),
        _ => None,
    }
}

fn channels(state: &State, line: &LineStatus) -> Viewer {
    let lines = line
        .channels
        .iter()
        .map(|channel| {
            let since = format::stamp(channel.since, state.zone());
            both(|words| {
                let what = words.channel_state(channel.state);
                match channel.call {
                    0 => words.phone_channel(channel.number, what, &since),
                    call => words.phone_channel_call(channel.number, what, &since, call),
                }
            })
        })
        .collect();
    Viewer::new(
        both(|words| words.phone_line_title(&line.title)),
        lines,
        Kind::Lines,
    )
}

fn detail(state: &State, record: &CallRecord) -> Viewer {
    let zone = state.zone();
    let at = |when: i64| {
        if when == 0 {
            String::new()
        } else {
            format::stamp(when, zone)
        }
    };
    let mut lines = Vec::new();
    let mut line = |label: fn(Words) -> &'static str, value: &dyn Fn(Words) -> String| {
        if !value(Words(varde_bus::Language::En)).is_empty() {
            lines.push(both(|words| format!("{}: {}", label(words), value(words))));
        }
    };
    line(Words::phone_from, &|words| party(words, &record.from));
    line(Words::phone_dialled, &|_| record.dialled.clone());
    line(Words::phone_to, &|words| party(words, &record.to));
    line(Words::phone_forwarded, &|_| record.forwarded.join(", "));
    line(Words::phone_tried, &|_| record.tried.join(", "));
    line(Words::phone_started, &|_| at(record.started));
    line(Words::phone_rang, &|_| at(record.rang));
    line(Words::phone_answered, &|_| at(record.answered));
    line(Words::phone_ended, &|_| at(record.ended));
    line(Words::phone_ended_by, &|words| {
        words.ended_by(&record.ended_by).to_owned()
    });
    line(Words::column_outcome, &|words| {
        record.outcome.get(words.0).to_owned()
    });
    line(Words::phone_cause_from, &|_| {
        cause(record.from_cause, record.from_status)
    });
    line(Words::phone_cause_to, &|_| {
        cause(record.to_cause, record.to_status)
    });
    line(Words::phone_trouble, &|words| {
        record.trouble.get(words.0).to_owned()
    });
    Viewer::new(
        both(|words| words.phone_record_title(record.id)),
        lines,
        Kind::Prose,
    )
}

fn cause(cause: u8, status: u16) -> String {
    match (cause, status) {
        (0, 0) => String::new(),
        (cause, 0) => format!("Q.850 {cause}"),
        (0, status) => format!("SIP {status}"),
        (cause, status) => format!("Q.850 {cause}, SIP {status}"),
    }
}

/// Such as `35003012 (line sentral, channel 3)`.
fn party(words: Words, party: &Party) -> String {
    let number = if party.number.is_empty() {
        "-"
    } else {
        &party.number
    };
    let place = match (words.phone_place(&party.place), party.channel) {
        (place, 0) => place,
        (place, channel) => words.phone_place_channel(place, channel),
    };
    let secret = if party.secret { words.phone_secret() } else { "" };
    if place.is_empty() {
        return format!("{number}{secret}");
    }
    format!("{number}{secret} ({place})")
}

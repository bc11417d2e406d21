//! The site: its generations, and how a new one comes about.
//!
//! Nothing is applied unseen: a file is checked, its difference from what is active is shown, and only from there
//! does the way lead to the question.

mod trial;

use serde::{Deserialize, Serialize};
use varde_bus::site::Generation;
use varde_bus::{Finding, Text, Verb};

use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::dialog::{Dialog, Editor, Kind, Next, Pick, Picked, Viewer};
use crate::event::{Answer, Ask, Effect};
use crate::format;
use crate::list;
use crate::reload;
use crate::state::State;
use crate::words::both;

pub use trial::line as trial_line;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SitePage {
    selected: usize,
}

fn generations(state: &State) -> &[Generation] {
    state.data.history.value.as_deref().unwrap_or_default()
}

pub fn open(state: &mut State) -> Vec<Effect> {
    [reload::history(state), reload::trial(state)]
        .into_iter()
        .flatten()
        .collect()
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    let count = generations(state).len();
    let page = usize::from(state.page_rows().saturating_sub(head(state)));
    if list::step(&mut state.site.selected, count, cmd, page) {
        return Vec::new();
    }
    let picked = generations(state).get(state.site.selected).cloned();
    let ask = match (cmd, picked) {
        (Cmd::Open, Some(generation)) => Ask::Show(generation.number),
        (Cmd::Diff, Some(generation)) => Ask::Diff {
            from: generation.number,
            to: 0,
        },
        (Cmd::RollBack, Some(generation)) => {
            if !state.allowed(Verb::RollBackSite) {
                return Vec::new();
            }
            if generation.active {
                state.tell(false, both(|words| words.is_active(generation.number)));
                return Vec::new();
            }
            Ask::Diff {
                from: 0,
                to: generation.number,
            }
        }
        (Cmd::FromMedia, _) if state.allowed(Verb::ApplySite) => Ask::MediaFiles,
        (Cmd::ConfirmTrial, _) => {
            if state.allowed(Verb::ConfirmSite) {
                trial::confirm(state);
            }
            return Vec::new();
        }
        (Cmd::TakeBack, _) => {
            if state.allowed(Verb::TakeBackSite) {
                trial::take_back(state);
            }
            return Vec::new();
        }
        // The active file, to be changed.
        (Cmd::Edit, _) if state.allowed(Verb::ApplySite) => Ask::Show(0),
        _ => return Vec::new(),
    };
    vec![Effect::Ask(ask)]
}

/// Sees whether a file could become the site.
pub fn check(toml: String) -> Vec<Effect> {
    vec![Effect::Ask(Ask::Check(toml))]
}

/// An answer to one of the questions of this page.
pub fn answered(state: &mut State, ask: Ask, answer: Answer) -> Vec<Effect> {
    match (ask, answer) {
        (Ask::Show(0), Answer::Text(text)) => state.dialogs.push(Dialog::Editor(Editor::new(&text))),
        (Ask::Show(number), Answer::Text(text)) => {
            let title = both(|words| words.generation(number));
            view(state, Viewer::of(title, &text, Kind::Lines));
        }
        (Ask::Diff { from: 0, to }, Answer::Difference { diff: text, risks }) => {
            let title = both(|words| words.roll_back_diff_title(to));
            let next = Next::RollBack {
                generation: to,
                risks,
            };
            view(state, diff(title, &text).then(next));
        }
        (Ask::Diff { from, .. }, Answer::Difference { diff: text, .. }) => {
            let title = both(|words| words.diff_title(from));
            view(state, diff(title, &text));
        }
        (Ask::Check(toml), Answer::Findings(findings)) => {
            if findings.is_empty() {
                return vec![Effect::Ask(Ask::DiffText(toml))];
            }
            view(state, found(&findings));
        }
        (Ask::DiffText(toml), Answer::Difference { diff: text, risks }) => {
            let title = both(|words| words.apply_diff_title().to_owned());
            view(state, diff(title, &text).then(Next::Apply { toml, risks }));
        }
        (Ask::MediaFiles, Answer::Names(names)) if names.is_empty() => {
            state.tell(false, both(|words| words.no_media_files().to_owned()));
        }
        (Ask::MediaFiles, Answer::Names(names)) => {
            let items = names
                .into_iter()
                .map(|name| (Text::same(name.clone()), Picked::MediaFile(name)))
                .collect();
            let title = both(|words| words.pick_media_file().to_owned());
            state.dialogs.push(Dialog::Pick(Pick::new(title, items, 0)));
        }
        (Ask::MediaFile(_), Answer::Text(toml)) => return check(toml),
        _ => {}
    }
    Vec::new()
}

fn view(state: &mut State, viewer: Viewer) {
    state.dialogs.push(Dialog::Viewer(viewer));
}

fn diff(title: Text, text: &str) -> Viewer {
    if text.trim().is_empty() {
        return Viewer::new(
            title,
            vec![both(|words| words.no_difference().to_owned())],
            Kind::Prose,
        );
    }
    Viewer::of(title, text, Kind::Diff)
}

fn found(findings: &[Finding]) -> Viewer {
    let mut lines = Vec::new();
    for finding in findings {
        let place = both(|words| words.place(finding.line, finding.column));
        lines.push(Text::new(
            format!("{}: {}", place.nb, finding.text.nb),
            format!("{}: {}", place.en, finding.text.en),
        ));
        lines.push(finding.remedy.clone());
        lines.push(Text::default());
    }
    let title = both(|words| words.findings_title(findings.len()));
    Viewer::new(title, lines, Kind::Prose)
}

/// Rows over the list.
fn head(state: &State) -> u16 {
    4 + trial::rows(state)
}

pub fn draw(state: &State, mut canvas: Canvas) {
    let (words, language) = (state.words(), state.language());
    let width = canvas.width();
    if let Some(site) = &state.data.site.value {
        canvas.cell(1, 0, width.saturating_sub(2), Role::Heading, &site.title);
        let counties = site.counties.join(", ");
        let about = words.site_about(&site.name, counties, &site.timezone);
        canvas.cell(1, 1, width.saturating_sub(2), Role::Plain, &about);
    } else {
        canvas.wrapped(1, 0, Role::Plain, &state.waiting());
        return;
    }
    let trouble = state
        .data
        .history
        .trouble
        .as_ref()
        .or(state.data.site.trouble.as_ref());
    if let Some(failure) = trouble {
        let text = words.service_down(words.service_site(), state.say(&failure.text));
        canvas.cell(1, 2, width.saturating_sub(2), Role::Bad, &text);
    }
    let head = head(state);
    trial::draw(state, canvas.part(0, 3, width, trial::rows(state)));
    let columns = [
        (words.column_generation(), 12),
        (words.column_when(), 18),
        (words.column_who(), 14),
        (words.column_hash(), 11),
    ];
    let mut x = 3;
    for (title, width) in columns {
        canvas.cell(x, head - 1, width - 1, Role::Heading, title);
        x += width;
    }
    canvas.text(x, head - 1, Role::Heading, words.why());
    let room = usize::from(canvas.height().saturating_sub(head));
    let all = generations(state);
    let selected = state.site.selected.min(all.len().saturating_sub(1));
    let top = list::top(selected, all.len(), room);
    for (y, (place, generation)) in (head..).zip(all.iter().enumerate().skip(top).take(room)) {
        let picked = place == selected;
        canvas.text(1, y, Role::Plain, if picked { ">" } else { " " });
        let number = if generation.active {
            words.active(generation.number)
        } else {
            generation.number.to_string()
        };
        let when = format::moment(generation.when, state.now, state.zone(), language);
        let role = if picked { Role::Picked } else { Role::Plain };
        let hash: String = generation.hash.chars().take(8).collect();
        let mut x = 3;
        for ((role, text), (_, width)) in [
            (role, number.as_str()),
            (Role::Plain, when.as_str()),
            (Role::Plain, generation.who.as_str()),
            (Role::Quiet, hash.as_str()),
        ]
        .into_iter()
        .zip(columns)
        {
            canvas.cell(x, y, width - 1, role, text);
            x += width;
        }
        let rest = width.saturating_sub(x + 1);
        canvas.cell(x, y, rest, Role::Plain, &generation.why);
    }
}

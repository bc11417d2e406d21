//! Updates of the appliance: how they stand, and what can be done. A menu over any page, and lines for the overview.

use varde_bus::update::UpdateStatus;
use varde_bus::{Action, Text, Verb};

use crate::dialog::{Confirm, Dialog, Intent, Kind, Pick, Picked, Viewer, Why};
use crate::event::{Ask, Effect};
use crate::format;
use crate::state::State;
use crate::words::both;

/// What can be chosen in the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    Status,
    Fetch,
    InstallFetched,
    Install,
    InstallEvenSo,
    TakeBack,
    MarkRead,
}

/// The stick may have been put in just now: it is asked first.
pub fn open() -> Vec<Effect> {
    vec![Effect::Ask(Ask::UpdateMenu)]
}

pub fn answered(state: &mut State, status: UpdateStatus) {
    let title = both(|words| words.update_title(&status.version));
    let mut items = vec![(both(|words| words.update_status().to_owned()), Choice::Status)];
    if status.unread {
        items.push((both(|words| words.update_read().to_owned()), Choice::MarkRead));
    }
    if status.stick && status.declared {
        items.push((both(|words| words.update_install().to_owned()), Choice::Install));
        items.push((
            both(|words| words.update_even_so().to_owned()),
            Choice::InstallEvenSo,
        ));
    }
    if whole(&status) {
        items.push((
            both(|words| words.update_install_fetched(&status.fetched)),
            Choice::InstallFetched,
        ));
    }
    if !status.source.is_empty() && status.doing.is_empty() {
        items.push((both(|words| words.update_fetch().to_owned()), Choice::Fetch));
    }
    if !status.pending.is_empty() {
        items.push((
            both(|words| words.update_cancel(&status.pending)),
            Choice::TakeBack,
        ));
    } else if !status.other.is_empty() {
        items.push((both(|words| words.update_back(&status.other)), Choice::TakeBack));
    }
    let items = items
        .into_iter()
        .map(|(text, choice)| (text, Picked::Update(choice)))
        .collect();
    let now = state.now;
    state.data.update.take(now, Ok(status));
    state.dialogs.push(Dialog::Pick(Pick::new(title, items, 0)));
}

/// A version was fetched that is another than the one that runs.
fn whole(status: &UpdateStatus) -> bool {
    status.declared && status.fetched_when != 0 && status.fetched != status.version
}

pub fn chosen(state: &mut State, choice: Choice) -> Vec<Effect> {
    let Some(status) = state.data.update.value.clone() else {
        return Vec::new();
    };
    let why = String::new();
    let (verb, dialog) = match choice {
        Choice::Status => (Verb::ReadUpdate, Dialog::Viewer(viewer(state, &status))),
        Choice::MarkRead => {
            if !state.allowed(Verb::MarkUpdateRead) {
                return Vec::new();
            }
            return vec![Effect::Perform(Action::MarkUpdateRead { why })];
        }
        Choice::Fetch => {
            let confirm = Confirm::new(
                both(|words| words.update_fetch_title().to_owned()),
                vec![both(|words| words.update_fetch_body(&status.source))],
                both(|words| words.answer_no().to_owned()),
                both(|words| words.update_fetch_yes().to_owned()),
                Intent::Act(Action::FetchUpdate { why }),
                Why::Must,
            );
            (Verb::FetchUpdate, Dialog::Confirm(confirm))
        }
        Choice::Install | Choice::InstallEvenSo | Choice::InstallFetched => {
            let fetched = choice == Choice::InstallFetched;
            let even_so = choice == Choice::InstallEvenSo;
            let confirm = Confirm::new(
                if fetched {
                    both(|words| words.update_fetched_title(&status.fetched))
                } else {
                    both(|words| words.update_install_title().to_owned())
                },
                vec![
                    both(|words| words.update_install_body(&status.version)),
                    both(|words| words.update_install_then().to_owned()),
                ],
                both(|words| words.answer_no().to_owned()),
                both(|words| words.update_install_yes().to_owned()),
                Intent::Act(Action::InstallUpdate {
                    fetched,
                    even_so,
                    why,
                }),
                Why::Must,
            );
            (Verb::InstallUpdate, Dialog::Confirm(confirm))
        }
        Choice::TakeBack => {
            let body = if status.pending.is_empty() {
                both(|words| words.update_back_body(&status.other, &status.version))
            } else {
                both(|words| words.update_cancel_body(&status.pending))
            };
            let confirm = Confirm::new(
                both(|words| words.update_back_title().to_owned()),
                vec![body],
                both(|words| words.answer_no().to_owned()),
                both(|words| words.update_back_yes().to_owned()),
                Intent::Act(Action::TakeBackUpdate { why }),
                Why::Must,
            );
            (Verb::TakeBackUpdate, Dialog::Confirm(confirm))
        }
    };
    if state.allowed(verb) {
        state.dialogs.push(dialog);
    }
    Vec::new()
}

fn viewer(state: &State, status: &UpdateStatus) -> Viewer {
    let mut lines = vec![both(|words| words.update_runs(&status.version))];
    if !status.declared {
        lines.push(both(|words| words.update_no_keys().to_owned()));
    } else if !status.stick {
        lines.push(both(|words| words.update_no_stick().to_owned()));
    }
    lines.push(status.doing.clone());
    if !status.fetched.is_empty() {
        let (have, size) = (status.fetched_have >> 20, status.fetched_size >> 20);
        let when = format::moment(status.fetched_when, state.now, state.zone(), state.language());
        lines.push(if status.fetched_when == 0 {
            both(|words| words.update_fetching(&status.fetched, have, size))
        } else {
            both(|words| words.update_fetched(&status.fetched, size, &when))
        });
    }
    if !status.fetch_refusal.is_empty() {
        lines.push(both(|words| {
            words.update_not_fetched(status.fetch_refusal.get(words.0))
        }));
    }
    if !status.pending.is_empty() {
        lines.push(both(|words| words.update_pending(&status.pending)));
    }
    if !status.other.is_empty() {
        lines.push(both(|words| words.update_other(&status.other)));
    }
    if !status.refusal.is_empty() {
        lines.push(both(|words| words.update_refused(status.refusal.get(words.0))));
    }
    if !status.quarantined.is_empty() {
        let all = status.quarantined.join(", ");
        lines.push(both(|words| words.update_quarantined(&all)));
    }
    lines.retain(|line| !line.is_empty());
    for outcome in &status.outcomes {
        let when = format::moment(outcome.when, state.now, state.zone(), state.language());
        lines.push(Text::default());
        lines.push(if outcome.kept {
            both(|words| words.update_kept(&when, &outcome.from, &outcome.to))
        } else {
            both(|words| {
                words.update_came_back(&when, &outcome.from, &outcome.to, outcome.cause.get(words.0))
            })
        });
        lines.extend(outcome.excerpt.iter().map(|line| Text::same(format!("  {line}"))));
    }
    Viewer::new(
        both(|words| words.update_title(&status.version)),
        lines,
        Kind::Prose,
    )
}

/// For the overview: what is to be read, and what waits for a restart.
pub fn problems(state: &State) -> Vec<String> {
    let words = state.words();
    let Some(status) = &state.data.update.value else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if let Some(outcome) = status.outcomes.first().filter(|_| status.unread) {
        let when = format::moment(outcome.when, state.now, state.zone(), state.language());
        let line = if outcome.kept {
            words.update_kept(when, &outcome.from, &outcome.to)
        } else {
            words.update_came_back(when, &outcome.from, &outcome.to, state.say(&outcome.cause))
        };
        lines.push(format!("{line} {}", words.update_how_to_read()));
    }
    if !status.pending.is_empty() {
        lines.push(words.update_pending(&status.pending));
    }
    if !status.refusal.is_empty() {
        lines.push(words.update_refused(state.say(&status.refusal)));
    }
    lines
}

//! Upgrades that can be rehearsed, and the rehearsals that there are. The page is there where the site has recipes.

use serde::{Deserialize, Serialize};
use varde_bus::rehearsal::{RecipeInfo, Rehearsal, RehearsalState};
use varde_bus::{Action, Text, Verb};

use super::PageId;
use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::dialog::{Confirm, Dialog, Intent, Why};
use crate::event::{Ask, Effect};
use crate::format;
use crate::list;
use crate::reload;
use crate::state::State;
use crate::words::both;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalsPage {
    /// Place in the list: recipes first, then rehearsals.
    pub selected: usize,
}

/// What the service tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub recipes: Vec<RecipeInfo>,
    pub rehearsals: Vec<Rehearsal>,
}

/// What is picked.
enum Picked<'a> {
    Recipe(&'a RecipeInfo),
    Rehearsal(&'a Rehearsal),
}

impl Told {
    fn count(&self) -> usize {
        self.recipes.len() + self.rehearsals.len()
    }
}

pub fn role_of(state: RehearsalState) -> Role {
    match state {
        RehearsalState::Failed | RehearsalState::TakenBack => Role::Bad,
        RehearsalState::Passed | RehearsalState::Promoted => Role::Good,
        _ => Role::Warning,
    }
}

fn told(state: &State) -> Option<&Told> {
    state.data.rehearsals.value.as_ref()
}

fn picked(state: &State) -> Option<(usize, Picked<'_>)> {
    let told = told(state)?;
    let place = state.rehearsals.selected.min(told.count().saturating_sub(1));
    let picked = match told.recipes.get(place) {
        Some(recipe) => Picked::Recipe(recipe),
        None => Picked::Rehearsal(told.rehearsals.get(place - told.recipes.len())?),
    };
    Some((place, picked))
}

/// Something goes on by itself.
pub fn is_busy(state: &State) -> bool {
    let all = told(state).into_iter().flat_map(|told| &told.rehearsals);
    all.into_iter().any(|one| one.state.is_busy())
}

pub fn open(state: &mut State) -> Vec<Effect> {
    reload::rehearsals(state).into_iter().collect()
}

/// What went wrong in a rehearsal or a promotion, for the overview.
pub fn problems(state: &State) -> Vec<String> {
    let words = state.words();
    let all = told(state).into_iter().flat_map(|told| &told.rehearsals);
    all.filter(|one| matches!(one.state, RehearsalState::TakenBack))
        .map(|one| {
            let what = words.rehearsal_of(&one.name, &one.recipe);
            format!(
                "{what}: {}. {}",
                words.rehearsal_state(one.state),
                state.say(&one.text)
            )
        })
        .collect()
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    let Some((mut place, picked)) = picked(state) else {
        return Vec::new();
    };
    let (verb, dialog) = match (cmd, picked) {
        (Cmd::Rehearse, Picked::Recipe(recipe)) => (Verb::Rehearse, Some(rehearse(recipe))),
        (Cmd::Discard, Picked::Rehearsal(one)) => (Verb::DiscardRehearsal, Some(discard(&one.name))),
        (Cmd::Promote | Cmd::TakeBackPromotion, Picked::Rehearsal(one)) => {
            let one = one.clone();
            return priced_first(state, cmd, &one);
        }
        (Cmd::Rehearse, _) => {
            state.tell(false, both(|words| words.pick_recipe().to_owned()));
            return Vec::new();
        }
        (Cmd::Discard | Cmd::Promote | Cmd::TakeBackPromotion, _) => {
            state.tell(false, both(|words| words.pick_rehearsal().to_owned()));
            return Vec::new();
        }
        (cmd, _) => {
            let count = told(state).map_or(0, Told::count);
            if list::step(&mut place, count, cmd, count) {
                state.rehearsals.selected = place;
            }
            return Vec::new();
        }
    };
    if let Some(dialog) = dialog.filter(|_| state.allowed(verb)) {
        state.dialogs.push(Dialog::Confirm(dialog));
    }
    Vec::new()
}

/// The service says what it costs before it is asked for.
fn priced_first(state: &mut State, cmd: &Cmd, one: &Rehearsal) -> Vec<Effect> {
    let name = &one.name;
    let (verb, possible) = if *cmd == Cmd::Promote {
        (Verb::Promote, one.state == RehearsalState::Passed)
    } else {
        let promoted = matches!(
            one.state,
            RehearsalState::Promoting | RehearsalState::Watching | RehearsalState::Promoted
        );
        (Verb::TakeBackPromotion, promoted)
    };
    if !state.allowed(verb) {
        return Vec::new();
    }
    if !possible {
        let why = both(|words| match verb {
            Verb::Promote => words.promote_not_yet(name),
            _ => words.promotion_back_not(name),
        });
        state.tell(false, why);
        return Vec::new();
    }
    let rehearsal = name.clone();
    vec![Effect::Ask(Ask::PromotionPrice {
        rehearsal,
        back: verb == Verb::TakeBackPromotion,
    })]
}

/// The price has come: it stands in the question.
pub fn priced(state: &mut State, rehearsal: &str, back: bool, price: Text) {
    // The page may have been left meanwhile.
    if state.page != PageId::Rehearsals || !state.dialogs.is_empty() {
        return;
    }
    let (rehearsal, why) = (rehearsal.to_owned(), String::new());
    let (title, yes) = if back {
        (
            both(|words| words.promotion_back_title(&rehearsal)),
            both(|words| words.promotion_back_yes(&rehearsal)),
        )
    } else {
        (
            both(|words| words.promote_title(&rehearsal)),
            both(|words| words.promote_yes(&rehearsal)),
        )
    };
    let action = if back {
        Action::TakeBackPromotion { rehearsal, why }
    } else {
        Action::Promote { rehearsal, why }
    };
    let confirm = Confirm::new(title, vec![price], not_now(), yes, Intent::Act(action), Why::Must);
    state.dialogs.push(Dialog::Confirm(confirm));
}

fn not_now() -> Text {
    both(|words| words.answer_no().to_owned())
}

fn rehearse(recipe: &RecipeInfo) -> Confirm {
    let machines = recipe.machines.join(", ");
    Confirm::new(
        both(|words| words.rehearse_title(&recipe.title)),
        vec![both(|words| {
            words.rehearse_body(&machines, format::bytes(recipe.memory, words.0))
        })],
        not_now(),
        both(|words| words.rehearse_yes(&recipe.name)),
        Intent::Act(Action::Rehearse {
            recipe: recipe.name.clone(),
            why: String::new(),
        }),
        Why::May,
    )
}

fn discard(name: &str) -> Confirm {
    Confirm::new(
        both(|words| words.discard_title(name)),
        vec![both(|words| words.discard_body().to_owned())],
        not_now(),
        both(|words| words.discard_yes(name)),
        Intent::Act(Action::DiscardRehearsal {
            rehearsal: name.to_owned(),
            why: String::new(),
        }),
        Why::Not,
    )
}

pub fn draw(state: &State, mut canvas: Canvas) {
    let words = state.words();
    let mut row = 0;
    if let Some(failure) = &state.data.rehearsals.trouble {
        let text = words.service_down(words.service_hypervisor(), state.say(&failure.text));
        row = canvas.wrapped(1, 0, Role::Bad, &text);
    }
    let Some(told) = told(state) else {
        canvas.wrapped(1, row, Role::Plain, &state.waiting());
        return;
    };
    let Some((selected, picked)) = picked(state) else {
        canvas.wrapped(1, row, Role::Plain, words.no_recipes());
        return;
    };
    row = draw_list(state, &mut canvas, row, told, selected);
    match picked {
        Picked::Recipe(recipe) => {
            let about = words.recipe_about(
                recipe.machines.join(", "),
                recipe.steps,
                recipe.checks,
                format::bytes(recipe.memory, state.language()),
            );
            canvas.wrapped(1, row + 1, Role::Plain, &about);
        }
        Picked::Rehearsal(one) => draw_rehearsal(state, &mut canvas, row + 1, one),
    }
}

const NAME: u16 = 26;
const STATE: u16 = 20;

fn draw_list(state: &State, canvas: &mut Canvas, top: u16, told: &Told, selected: usize) -> u16 {
    let words = state.words();
    let mut row = top;
    let rest = canvas.width().saturating_sub(NAME + 4);
    canvas.text(1, row, Role::Heading, words.recipes());
    row += 1;
    let mark = |canvas: &mut Canvas, row, place| {
        let picked = place == selected;
        canvas.text(1, row, Role::Plain, if picked { ">" } else { " " });
        if picked { Role::Picked } else { Role::Plain }
    };
    // A third of the page; the rest belongs to what is picked.
    let room = usize::from(canvas.height() / 3).max(1);
    let first = list::top(
        selected.min(told.recipes.len().saturating_sub(1)),
        told.recipes.len(),
        room,
    );
    for (place, recipe) in told.recipes.iter().enumerate().skip(first).take(room) {
        let role = mark(canvas, row, place);
        canvas.cell(3, row, NAME - 1, role, &recipe.name);
        canvas.cell(3 + NAME, row, rest, Role::Plain, &recipe.title);
        row += 1;
    }
    row += 1;
    canvas.text(1, row, Role::Heading, words.rehearsals());
    row += 1;
    if told.rehearsals.is_empty() {
        canvas.text(3, row, Role::Quiet, words.no_rehearsals());
        return row + 1;
    }
    for (place, one) in told.rehearsals.iter().enumerate() {
        let role = mark(canvas, row, told.recipes.len() + place);
        let begun = format::moment(one.begun, state.now, state.zone(), state.language());
        canvas.cell(
            3,
            row,
            NAME - 1,
            role,
            &words.rehearsal_of(&one.name, &one.recipe),
        );
        canvas.cell(
            3 + NAME,
            row,
            STATE - 1,
            role_of(one.state),
            words.rehearsal_state(one.state),
        );
        let rest = rest.saturating_sub(STATE);
        canvas.cell(
            3 + NAME + STATE,
            row,
            rest,
            Role::Plain,
            &format!("{begun} {}", one.by),
        );
        row += 1;
    }
    row
}

fn draw_rehearsal(state: &State, canvas: &mut Canvas, top: u16, one: &Rehearsal) {
    let (words, language) = (state.words(), state.language());
    let moment = |when| format::moment(when, state.now, state.zone(), language);
    let mut row = top;
    if !one.text.is_empty() {
        row = canvas.wrapped(1, row, role_of(one.state), state.say(&one.text));
    }
    let promoted = one.outcomes.iter().any(|outcome| outcome.production);
    let done = one
        .outcomes
        .iter()
        .filter(|outcome| outcome.production == promoted)
        .count();
    let mut about = vec![words.rehearsal_done(done, one.all)];
    if one.used > 0 {
        about.push(words.rehearsal_written(format::bytes(one.used, language)));
    }
    if one.state == RehearsalState::Watching {
        about.push(words.rehearsal_watched(moment(one.watched_until)));
    }
    if one.undo_until > 0 {
        about.push(words.rehearsal_undo(moment(one.undo_until)));
    }
    row = canvas.wrapped(1, row, Role::Plain, &format!("{}.", about.join("; ")));
    // The last ones: what went wrong stands at the end.
    let room = usize::from(canvas.height().saturating_sub(row)).max(1);
    let first = one.outcomes.len().saturating_sub(room);
    for outcome in &one.outcomes[first..] {
        let (role, how) = if outcome.passed {
            (Role::Good, words.outcome_well())
        } else {
            (Role::Bad, words.outcome_bad())
        };
        let mut kind = words.outcome_kind(outcome.kind).to_owned();
        if outcome.production {
            kind = format!("{kind} ({})", words.on_production());
        }
        let line = words.outcome_line(how, kind, &outcome.vm, &outcome.what, outcome.took.div_ceil(1000));
        canvas.cell(1, row, canvas.width().saturating_sub(2), role, &line);
        row += 1;
    }
}

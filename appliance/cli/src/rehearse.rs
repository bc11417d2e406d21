//! `varde rehearse`: upgrades, tried on clones and promoted. What cannot be taken back without a loss is priced first.

use std::time::{Duration, Instant};

use varde_bus::rehearsal::{Outcome, OutcomeKind, Rehearsal, RehearsalState};
use varde_bus::{Action, Failure, FailureKind, Language, Text};

use crate::Context;
use crate::args::RehearseVerb;
use crate::error::Error;
use crate::host::{bytes, moment};
use crate::output::Output;
use crate::snapshot::paragraph;
use crate::table::table;

/// Between two looks at a rehearsal that somebody waits for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub async fn run(context: &Context, verb: RehearseVerb) -> Result<(), Error> {
    match verb {
        RehearseVerb::Recipes => recipes(context).await,
        RehearseVerb::List => list(context).await,
        RehearseVerb::Show { rehearsal } => {
            let rehearsal = find(context, &rehearsal).await?;
            show(context, &rehearsal)
        }
        RehearseVerb::Start { recipe, why, wait } => {
            let rehearsals = &context.client.rehearsals;
            let name = rehearsals.rehearse(&recipe, &why).await.map_err(Failure::from)?;
            match wait {
                Some(seconds) => until_settled(context, &name, seconds, RehearsalState::Passed).await,
                None => context
                    .output
                    .answer(&serde_json::json!({ "rehearsal": name }), |output| {
                        format!(
                            "{} {name}\n",
                            output.word("Øvingen er i gang:", "The rehearsal is under way:")
                        )
                    }),
            }
        }
        RehearseVerb::Discard { rehearsal, why } => {
            act(context, &Action::DiscardRehearsal { rehearsal, why }).await
        }
        RehearseVerb::Promote {
            rehearsal,
            why,
            yes,
            wait,
        } => {
            agreed(context, &rehearsal, yes).await?;
            let action = Action::Promote {
                rehearsal: rehearsal.clone(),
                why,
            };
            act(context, &action).await?;
            match wait {
                Some(seconds) => until_settled(context, &rehearsal, seconds, RehearsalState::Promoted).await,
                None => Ok(()),
            }
        }
        RehearseVerb::TakeBack { rehearsal, why, yes } => {
            agreed(context, &rehearsal, yes).await?;
            act(context, &Action::TakeBackPromotion { rehearsal, why }).await
        }
    }
}

async fn act(context: &Context, action: &Action) -> Result<(), Error> {
    let done = context.client.perform(action).await?;
    context.output.done(&done)
}

/// Says what it costs; goes on only with `--yes`.
async fn agreed(context: &Context, rehearsal: &str, yes: bool) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    let price = context
        .client
        .rehearsals
        .price(rehearsal)
        .await
        .map_err(Failure::from)?;
    if !context.output.json {
        context
            .output
            .answer(&price, |output| paragraph(output.text(&price)))?;
    }
    Err(Failure::new(
        FailureKind::Refused,
        "Ingenting er gjort. Legg til --yes for å gjøre det",
        "Nothing was done. Add --yes to do it",
    )
    .into())
}

async fn recipes(context: &Context) -> Result<(), Error> {
    let recipes = context.client.rehearsals.recipes().await.map_err(Failure::from)?;
    context.output.answer(&recipes, |output| {
        let rows: Vec<_> = recipes
            .iter()
            .map(|recipe| {
                [
                    recipe.name.clone(),
                    recipe.machines.join(" "),
                    format!("{}+{}", recipe.steps, recipe.checks),
                    bytes(recipe.memory),
                    recipe.title.clone(),
                ]
            })
            .collect();
        let heads = match output.language {
            Language::Nb => ["NAVN", "MASKINER", "STEG+SJEKKER", "MINNE", "TITTEL"],
            Language::En => ["NAME", "MACHINES", "STEPS+CHECKS", "MEMORY", "TITLE"],
        };
        table(heads, &rows)
    })
}

async fn all(context: &Context) -> Result<Vec<Rehearsal>, Error> {
    Ok(context.client.rehearsals.list().await.map_err(Failure::from)?)
}

async fn find(context: &Context, name: &str) -> Result<Rehearsal, Error> {
    let found = all(context).await?.into_iter().find(|one| one.name == name);
    found.ok_or_else(|| {
        Failure::new(
            FailureKind::NotFound,
            format!("Det finnes ingen øving {name}"),
            format!("There is no rehearsal {name}"),
        )
        .into()
    })
}

async fn list(context: &Context) -> Result<(), Error> {
    let rehearsals = all(context).await?;
    context.output.answer(&rehearsals, |output| {
        let rows: Vec<_> = rehearsals
            .iter()
            .map(|one| {
                [
                    one.name.clone(),
                    one.recipe.clone(),
                    state(one.state, output.language).to_owned(),
                    moment(one.begun),
                    output.text(&one.text).to_owned(),
                ]
            })
            .collect();
        let heads = match output.language {
            Language::Nb => ["NAVN", "OPPSKRIFT", "TILSTAND", "BEGYNT", "OM"],
            Language::En => ["NAME", "RECIPE", "STATE", "BEGUN", "ABOUT"],
        };
        table(heads, &rows)
    })
}

fn state(state: RehearsalState, language: Language) -> &'static str {
    let (nb, en) = match state {
        RehearsalState::Cloning => ("kloner", "cloning"),
        RehearsalState::Booting => ("starter klonene", "booting"),
        RehearsalState::Steps => ("steg", "steps"),
        RehearsalState::Checks => ("sjekker", "checks"),
        RehearsalState::Passed => ("gikk bra", "passed"),
        RehearsalState::Failed => ("gikk ikke", "failed"),
        RehearsalState::Discarding => ("ryddes bort", "discarding"),
        RehearsalState::Promoting => ("settes i drift", "promoting"),
        RehearsalState::Watching => ("i drift, ses etter", "watching"),
        RehearsalState::Promoted => ("i drift", "promoted"),
        RehearsalState::TakenBack => ("tatt tilbake", "taken back"),
    };
    match language {
        Language::Nb => nb,
        Language::En => en,
    }
}

fn show(context: &Context, rehearsal: &Rehearsal) -> Result<(), Error> {
    context.output.answer(rehearsal, |output| {
        let mut lines = vec![
            (output.word("navn", "name"), rehearsal.name.clone()),
            (
                output.word("oppskrift", "recipe"),
                format!("{} ({})", rehearsal.recipe, rehearsal.title),
            ),
            (output.word("maskiner", "machines"), rehearsal.machines.join(" ")),
            (
                output.word("tilstand", "state"),
                state(rehearsal.state, output.language).to_owned(),
            ),
            (
                output.word("om", "about"),
                output.text(&rehearsal.text).to_owned(),
            ),
            (
                output.word("begynt", "begun"),
                format!("{} ({})", moment(rehearsal.begun), rehearsal.by),
            ),
            (output.word("hvorfor", "why"), rehearsal.why.clone()),
            (output.word("skrevet", "written"), bytes(rehearsal.used)),
            (
                output.word("satt i drift av", "promoted by"),
                rehearsal.promoted_by.clone(),
            ),
        ];
        if rehearsal.undo_until > 0 {
            let until = format!("{} ({})", moment(rehearsal.undo_until), rehearsal.snapshot);
            lines.push((output.word("kan tas tilbake", "undo until"), until));
        }
        lines.retain(|(_, value)| !value.is_empty());
        let mut text: String = lines
            .into_iter()
            .map(|(name, value)| format!("{name:<15} {value}\n"))
            .collect();
        for outcome in &rehearsal.outcomes {
            text += &went(outcome, output);
        }
        text
    })
}

/// A step or check, and under it what was said.
fn went(outcome: &Outcome, output: &Output) -> String {
    let how = if outcome.passed {
        output.word("bra ", "ok  ")
    } else {
        output.word("FEIL", "FAIL")
    };
    let kind = match outcome.kind {
        OutcomeKind::Step => output.word("steg", "step"),
        OutcomeKind::Check => output.word("sjekk", "check"),
        OutcomeKind::Boot => output.word("oppstart", "boot"),
    };
    let place = if outcome.production {
        output.word("i drift", "production")
    } else {
        output.word("klon", "clone")
    };
    let seconds = outcome.took.div_ceil(1000);
    let mut text = format!(
        "{how} {kind} {} ({place}, {seconds} s): {}\n",
        outcome.vm, outcome.what
    );
    let said = output.text(&outcome.said);
    if !outcome.passed && !said.is_empty() {
        text += &paragraph(said);
    }
    text
}

/// Waits until nothing goes on by itself any more; an end that is not the one hoped for is a failure.
async fn until_settled(
    context: &Context,
    name: &str,
    seconds: u64,
    hoped: RehearsalState,
) -> Result<(), Error> {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        let rehearsal = find(context, name).await?;
        if !rehearsal.state.is_busy() {
            show(context, &rehearsal)?;
            if rehearsal.state == hoped {
                return Ok(());
            }
            let text = if rehearsal.text.is_empty() {
                Text::new("Det gikk ikke", "It did not go well")
            } else {
                rehearsal.text
            };
            return Err(Failure {
                kind: FailureKind::Failed,
                text,
            }
            .into());
        }
        if Instant::now() >= end {
            return Err(Failure::new(
                FailureKind::Unknown,
                "Tiden er ute; det går videre",
                "The time is out; it goes on",
            )
            .into());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

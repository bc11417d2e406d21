//! `varde site`: what the site is, and its generations.

use std::path::Path;

use serde_json::json;
use varde_bus::site::{ProbeState, TRIAL, TrialStatus};
use varde_bus::{Action, Failure, Language, Text};

use crate::Context;
use crate::args::{SiteVerb, Trial};
use crate::error::Error;
use crate::host::moment;
use crate::output::Output;
use crate::table::table;

pub async fn run(context: &Context, verb: SiteVerb) -> Result<(), Error> {
    let site = &context.client.site;
    match verb {
        SiteVerb::Check { file } => check(context, &file).await,
        SiteVerb::Apply { file, why, trial } => apply(context, &file, why, trial).await,
        SiteVerb::Trial => trial(context).await,
        SiteVerb::Confirm { why } => {
            let generation = site.trial().await.map_err(Failure::from)?.generation;
            let confirm = Action::ConfirmSite { generation, why };
            context.output.done(&context.client.perform(&confirm).await?)
        }
        SiteVerb::TakeBack { why } => {
            let done = context.client.perform(&Action::TakeBackSite { why }).await?;
            context.output.done(&done)
        }
        SiteVerb::Show { generation } => {
            let toml = site.show(generation).await.map_err(Failure::from)?;
            context.output.answer(&json!({ "toml": toml }), |_| toml.clone())
        }
        SiteVerb::History => history(context).await,
        SiteVerb::Diff { from, to } => {
            let diff = site.diff(from, to).await.map_err(Failure::from)?;
            context.output.answer(&json!({ "diff": diff }), |_| diff.clone())
        }
        SiteVerb::Rollback {
            generation,
            why,
            trial,
        } => {
            let risks = site.risks(generation).await.map_err(Failure::from)?;
            let roll_back = Action::RollBackSite {
                generation,
                why,
                within: within(trial, &risks),
            };
            context.output.done(&context.client.perform(&roll_back).await?)
        }
    }
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|error| Error::io("read", file.display(), error))
}

/// Fails with what the service finds wrong with the file.
async fn require_sound(context: &Context, file: &Path, toml: &str) -> Result<(), Error> {
    let findings = context.client.site.check(toml).await.map_err(Failure::from)?;
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Error::Findings {
            file: file.display().to_string(),
            findings,
        })
    }
}

async fn check(context: &Context, file: &Path) -> Result<(), Error> {
    require_sound(context, file, &read(file)?).await?;
    let name = file.display();
    context.output.said(&Text::new(
        format!("{name} er i orden"),
        format!("{name} is in order"),
    ))
}

async fn apply(context: &Context, file: &Path, why: String, trial: Trial) -> Result<(), Error> {
    let toml = read(file)?;
    require_sound(context, file, &toml).await?;
    let risks = context
        .client
        .site
        .risks_of_text(&toml)
        .await
        .map_err(Failure::from)?;
    let apply = Action::ApplySite {
        toml,
        why,
        within: within(trial, &risks),
    };
    context.output.done(&context.client.perform(&apply).await?)
}

/// Seconds of the trial; 0 for good. What could lock operators out is tried out unless somebody says otherwise.
fn within(trial: Trial, risks: &[Text]) -> u32 {
    match trial.confirm_within {
        Some(within) => within,
        None if trial.for_good || risks.is_empty() => 0,
        None => TRIAL,
    }
}

async fn trial(context: &Context) -> Result<(), Error> {
    let trial = context.client.site.trial().await.map_err(Failure::from)?;
    context.output.answer(&trial, |output| shown(output, &trial))
}

/// What is on trial, in words.
pub fn shown(output: &Output, trial: &TrialStatus) -> String {
    if trial.generation == 0 {
        return output
            .word("Ingen generasjon er på prøve\n", "No generation is on trial\n")
            .to_owned();
    }
    let risks: Vec<&str> = trial.risks.iter().map(|risk| output.text(risk)).collect();
    let mut text = format!(
        "{} {} ({}{}{})\n{} {} {} {} s\n",
        output.word("På prøve: generasjon", "On trial: generation"),
        trial.generation,
        trial.who,
        if risks.is_empty() { "" } else { ": " },
        risks.join(", "),
        output.word("Tas tilbake til", "Taken back to"),
        trial.before,
        output.word("om", "in"),
        trial.left,
    );
    for probe in &trial.probes {
        let mark = match probe.state {
            ProbeState::Good => "+",
            ProbeState::Waiting => ".",
            ProbeState::Bad => "!",
            ProbeState::Unknown => "?",
        };
        text += &format!(
            "{mark} {}: {}\n",
            output.text(&probe.what),
            output.text(&probe.found)
        );
    }
    text + output.word(
        "Bekreft med: varde site confirm\n",
        "Confirm with: varde site confirm\n",
    )
}

async fn history(context: &Context) -> Result<(), Error> {
    let generations = context.client.site.history().await.map_err(Failure::from)?;
    context.output.answer(&generations, |output| {
        let rows: Vec<_> = generations
            .iter()
            .map(|generation| {
                [
                    if generation.active { "*" } else { "" }.to_owned(),
                    generation.number.to_string(),
                    moment(generation.when),
                    generation.who.clone(),
                    generation.hash.chars().take(12).collect(),
                    generation.why.clone(),
                ]
            })
            .collect();
        let heads = match output.language {
            Language::Nb => ["", "NR", "NÅR", "HVEM", "INNHOLD", "HVORFOR"],
            Language::En => ["", "NO", "WHEN", "WHO", "CONTENT", "WHY"],
        };
        table(heads, &rows)
    })
}

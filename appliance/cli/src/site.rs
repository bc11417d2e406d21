//! `varde site`: what the site is, and its generations.

use std::path::Path;

use serde_json::json;
use varde_bus::{Action, Failure, Language, Text};

use crate::Context;
use crate::args::SiteVerb;
use crate::error::Error;
use crate::host::moment;
use crate::table::table;

pub async fn run(context: &Context, verb: SiteVerb) -> Result<(), Error> {
    let site = &context.client.site;
    match verb {
        SiteVerb::Check { file } => check(context, &file).await,
        SiteVerb::Apply { file, why } => apply(context, &file, why).await,
        SiteVerb::Show { generation } => {
            let toml = site.show(generation).await.map_err(Failure::from)?;
            context.output.answer(&json!({ "toml": toml }), |_| toml.clone())
        }
        SiteVerb::History => history(context).await,
        SiteVerb::Diff { from, to } => {
            let diff = site.diff(from, to).await.map_err(Failure::from)?;
            context.output.answer(&json!({ "diff": diff }), |_| diff.clone())
        }
        SiteVerb::Rollback { generation, why } => {
            let done = context
                .client
                .perform(&Action::RollBackSite { generation, why })
                .await?;
            context.output.done(&done)
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

async fn apply(context: &Context, file: &Path, why: String) -> Result<(), Error> {
    let toml = read(file)?;
    require_sound(context, file, &toml).await?;
    let done = context.client.perform(&Action::ApplySite { toml, why }).await?;
    context.output.done(&done)
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

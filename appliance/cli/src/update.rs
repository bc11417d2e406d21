//! `varde update`: new versions of the appliance.

use std::time::Duration;

use varde_bus::update::{UpdateOutcome, UpdateStatus};
use varde_bus::{Action, Failure, FailureKind, Text};

use crate::Context;
use crate::args::{UpdateFrom, UpdateVerb};
use crate::error::Error;
use crate::host::moment;
use crate::output::Output;

const LOOK: Duration = Duration::from_secs(1);
/// As long as the service itself waits, and some.
const BOUND: Duration = Duration::from_mins(45);
const FETCH_BOUND: Duration = Duration::from_mins(255);

pub async fn run(context: &Context, verb: UpdateVerb) -> Result<(), Error> {
    match verb {
        UpdateVerb::Status => {
            let status = status(context).await?;
            context.output.answer(&status, |output| shown(output, &status))
        }
        UpdateVerb::Fetch { why } => change(context, Action::FetchUpdate { why }).await,
        UpdateVerb::Install { from, even_so, why } => {
            let fetched = from == UpdateFrom::Source;
            change(
                context,
                Action::InstallUpdate {
                    fetched,
                    even_so,
                    why,
                },
            )
            .await
        }
        UpdateVerb::Back { why } => change(context, Action::TakeBackUpdate { why }).await,
        UpdateVerb::MarkRead => {
            let done = context
                .client
                .perform(&Action::MarkUpdateRead { why: String::new() })
                .await?;
            context.output.said(&done.text)
        }
    }
}

async fn status(context: &Context) -> Result<UpdateStatus, Error> {
    Ok(context.client.update.status().await.map_err(Failure::from)?)
}

/// Waits until it is done: a script goes on when the restart may come.
async fn change(context: &Context, action: Action) -> Result<(), Error> {
    context.client.perform(&action).await?;
    let done = async {
        loop {
            tokio::time::sleep(LOOK).await;
            let status = status(context).await?;
            if status.doing.is_empty() {
                return Ok::<_, Error>(status);
            }
        }
    };
    let fetch = matches!(action, Action::FetchUpdate { .. });
    let bound = if fetch { FETCH_BOUND } else { BOUND };
    let Ok(status) = tokio::time::timeout(bound, done).await else {
        return Err(Failure::new(
            FailureKind::Unknown,
            "Ikke ferdig ennå; se med «varde update status»",
            "Not done yet; look with \"varde update status\"",
        )
        .into());
    };
    let status = status?;
    if fetch && status.fetch_refusal.is_empty() && status.fetched_when == 0 {
        return Err(Failure::new(
            FailureKind::Failed,
            "Det ble avbrutt; «varde log --unit varde-download.service» sier hvorfor",
            "It was cut off; \"varde log --unit varde-download.service\" says why",
        )
        .into());
    }
    let refusal = if fetch {
        status.fetch_refusal
    } else {
        status.refusal
    };
    if !refusal.is_empty() {
        return Err(Failure {
            kind: FailureKind::Failed,
            text: refusal,
        }
        .into());
    }
    context.output.said(&match action {
        Action::FetchUpdate { .. } => Text::new(
            format!(
                "Utgave {} er hentet: skriv den med «varde update install --from source»",
                status.fetched
            ),
            format!(
                "Version {} is fetched: write it with \"varde update install --from source\"",
                status.fetched
            ),
        ),
        Action::InstallUpdate { .. } => Text::new(
            format!("Utgave {} er skrevet: neste omstart prøver den", status.pending),
            format!("Version {} is written: the next restart tries it", status.pending),
        ),
        _ => Text::new(
            "Neste omstart tar den andre utgaven",
            "The next restart takes the other version",
        ),
    })
}

fn shown(output: &Output, status: &UpdateStatus) -> String {
    let stick = if status.stick {
        output.word("ja", "yes")
    } else {
        output.word("nei", "no")
    };
    let quarantined = status.quarantined.join(", ");
    let fetched = fetched(output, status);
    let rows = [
        (output.word("går", "runs"), status.version.as_str()),
        (output.word("gjør nå", "doing"), output.text(&status.doing)),
        (
            output.word("venter på omstart", "awaits restart"),
            &status.pending,
        ),
        (output.word("også på disken", "also on the disk"), &status.other),
        (output.word("minnepinne", "stick"), stick),
        (output.word("kilde", "source"), &status.source),
        (output.word("hentet", "fetched"), &fetched),
        (
            output.word("ikke hentet", "not fetched"),
            output.text(&status.fetch_refusal),
        ),
        (output.word("i karantene", "quarantined"), &quarantined),
        (
            output.word("sist avvist", "last refusal"),
            output.text(&status.refusal),
        ),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    let mut text: String = rows
        .map(|(name, value)| format!("{name:<18} {value}\n"))
        .collect();
    if !status.declared {
        text += output.word(
            "Anlegget sier ikke hvem som kan gi ut nye utgaver: [update] mangler i site.toml\n",
            "The site does not say who may release new versions: [update] is missing in site.toml\n",
        );
    }
    for outcome in &status.outcomes {
        text += &told(output, outcome);
    }
    text
}

/// Which version, and when it was whole or how far it has come.
fn fetched(output: &Output, status: &UpdateStatus) -> String {
    let mebibytes = |bytes: u64| bytes >> 20;
    if status.fetched.is_empty() {
        return String::new();
    }
    let (have, size) = (mebibytes(status.fetched_have), mebibytes(status.fetched_size));
    if status.fetched_when == 0 {
        let of = output.word("av", "of");
        return format!("{} ({have} {of} {size} MiB)", status.fetched);
    }
    format!("{} ({size} MiB, {})", status.fetched, moment(status.fetched_when))
}

fn told(output: &Output, outcome: &UpdateOutcome) -> String {
    let how = if outcome.kept {
        output.word("beholdt", "kept")
    } else {
        output.word("tatt tilbake", "taken back")
    };
    let mut text = format!(
        "{} {} -> {} {how}",
        moment(outcome.when),
        outcome.from,
        outcome.to
    );
    if !outcome.cause.is_empty() {
        text += &format!(": {}", output.text(&outcome.cause));
    }
    text.push('\n');
    for line in &outcome.excerpt {
        text += &format!("    {line}\n");
    }
    text
}

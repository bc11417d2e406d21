//! `varde snapshot`: instants that machines can be taken back to. What cannot be taken back is priced first.

use std::time::{Duration, Instant};

use varde_bus::snapshot::{Deed, Price, Snapshot, SnapshotState};
use varde_bus::{Action, Failure, FailureKind, Language};

use crate::Context;
use crate::args::SnapshotVerb;
use crate::error::Error;
use crate::host::{bytes, moment};
use crate::output::Output;
use crate::table::table;

/// Between two looks at a merge that somebody waits for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub async fn run(context: &Context, verb: SnapshotVerb) -> Result<(), Error> {
    match verb {
        SnapshotVerb::List => list(context).await,
        SnapshotVerb::Show { snapshot } => show(context, &snapshot).await,
        SnapshotVerb::Take {
            vms,
            group,
            keep,
            budget,
            why,
        } => {
            let vms = machines(context, vms, group).await?;
            let action = Action::TakeSnapshot {
                vms,
                keep: keep.unwrap_or(0),
                budget: budget.unwrap_or(0),
                why,
            };
            act(context, &action).await
        }
        SnapshotVerb::Rollback { snapshot, why, yes } => {
            agreed(context, &snapshot, Deed::RollBack, yes).await?;
            act(context, &Action::RollBackSnapshot { snapshot, why }).await
        }
        SnapshotVerb::Commit {
            snapshot,
            quiet,
            why,
            yes,
            wait,
        } => {
            agreed(context, &snapshot, Deed::Merge, yes || quiet).await?;
            let action = Action::MergeSnapshot {
                snapshot: snapshot.clone(),
                quiet,
                why,
            };
            act(context, &action).await?;
            match wait {
                Some(seconds) if !quiet => until_merged(context, &snapshot, seconds).await,
                _ => Ok(()),
            }
        }
        SnapshotVerb::Cancel { snapshot, why } => act(context, &Action::CancelMerge { snapshot, why }).await,
    }
}

async fn act(context: &Context, action: &Action) -> Result<(), Error> {
    let done = context.client.perform(action).await?;
    context.output.done(&done)
}

/// Those that are named, or those of a group.
async fn machines(context: &Context, vms: Vec<String>, group: Option<String>) -> Result<Vec<String>, Error> {
    let Some(group) = group else { return Ok(vms) };
    let all = context.client.hypervisor.list().await.map_err(Failure::from)?;
    let of_group: Vec<String> = all
        .into_iter()
        .filter(|vm| vm.group == group)
        .map(|vm| vm.name)
        .collect();
    if of_group.is_empty() {
        return Err(Failure::new(
            FailureKind::NotFound,
            format!("Ingen maskin er i gruppen {group}"),
            format!("No machine is in the group {group}"),
        )
        .into());
    }
    Ok(of_group)
}

async fn all(context: &Context) -> Result<Vec<Snapshot>, Error> {
    Ok(context
        .client
        .hypervisor
        .snapshots()
        .await
        .map_err(Failure::from)?)
}

async fn find(context: &Context, id: &str) -> Result<Snapshot, Error> {
    all(context)
        .await?
        .into_iter()
        .find(|snapshot| snapshot.id == id)
        .ok_or_else(|| {
            Failure::new(
                FailureKind::NotFound,
                format!("Det finnes ikke noe øyeblikksbilde {id}"),
                format!("There is no snapshot {id}"),
            )
            .into()
        })
}

async fn list(context: &Context) -> Result<(), Error> {
    let snapshots = all(context).await?;
    let storage = context.client.hypervisor.storage().await.map_err(Failure::from)?;
    let answer = serde_json::json!({ "snapshots": snapshots, "storage": storage });
    context.output.answer(&answer, |output| {
        let rows: Vec<_> = snapshots
            .iter()
            .map(|snapshot| {
                [
                    snapshot.id.clone(),
                    moment(snapshot.taken),
                    bytes(snapshot.used),
                    moment(snapshot.expires),
                    state(snapshot, output.language),
                    output.text(&snapshot.problem).to_owned(),
                ]
            })
            .collect();
        let heads = match output.language {
            Language::Nb => ["NAVN", "TATT", "SKREVET", "UTLØPER", "TILSTAND", "GALT"],
            Language::En => ["NAME", "TAKEN", "WRITTEN", "EXPIRES", "STATE", "WRONG"],
        };
        let free = format!("{} / {}", bytes(storage.free), bytes(storage.total));
        let full = match storage.full_at {
            0 => String::new(),
            when => format!(", {} {}", output.word("full", "full"), moment(when)),
        };
        format!(
            "{}\n{} {free}{full}\n",
            table(heads, &rows),
            output.word("Ledig på datadisken:", "Free on the data disk:")
        )
    })
}

fn state(snapshot: &Snapshot, language: Language) -> String {
    let (nb, en) = match snapshot.state {
        SnapshotState::Kept => ("beholdes", "kept"),
        SnapshotState::Quiet => ("slås sammen i de stille timene", "merged in the quiet hours"),
        SnapshotState::Merging => ("slås sammen", "merging"),
        SnapshotState::Halted => ("halvveis slått sammen", "merged in part"),
    };
    let word = match language {
        Language::Nb => nb,
        Language::En => en,
    };
    let progress = snapshot.progress;
    if snapshot.state != SnapshotState::Merging || progress.total == 0 {
        return word.to_owned();
    }
    format!(
        "{word} {}/{}, {}/s, {} s",
        bytes(progress.done),
        bytes(progress.total),
        bytes(progress.rate),
        progress.left
    )
}

async fn show(context: &Context, id: &str) -> Result<(), Error> {
    let snapshot = find(context, id).await?;
    let hypervisor = &context.client.hypervisor;
    let mut prices = Vec::new();
    for deed in [Deed::RollBack, Deed::Merge] {
        prices.push((deed, hypervisor.price(id, deed).await.map_err(Failure::from)?));
    }
    let answer = serde_json::json!({ "snapshot": snapshot, "roll_back": prices[0].1, "commit": prices[1].1 });
    context.output.answer(&answer, |output| {
        let frozen = if snapshot.quiesced {
            output.word("filsystemene ble frosset", "file systems were frozen")
        } else {
            output.word("som etter et strømbrudd", "as after a power cut")
        };
        let mut lines = vec![
            (output.word("navn", "name"), snapshot.id.clone()),
            (output.word("maskiner", "machines"), snapshot.machines.join(" ")),
            (
                output.word("tatt", "taken"),
                format!("{} ({frozen})", moment(snapshot.taken)),
            ),
            (output.word("av", "by"), snapshot.by.clone()),
            (output.word("hvorfor", "why"), snapshot.why.clone()),
            (output.word("utløper", "expires"), moment(snapshot.expires)),
            (
                output.word("skrevet", "written"),
                format!("{} / {}", bytes(snapshot.used), bytes(snapshot.budget)),
            ),
            (
                output.word("tilstand", "state"),
                state(&snapshot, output.language),
            ),
            (
                output.word("galt", "wrong"),
                output.text(&snapshot.problem).to_owned(),
            ),
        ];
        lines.retain(|(_, value)| !value.is_empty());
        let mut text: String = lines
            .into_iter()
            .map(|(name, value)| format!("{name:<15} {value}\n"))
            .collect();
        for (deed, price) in &prices {
            text += &format!("\n{}", tag(output, *deed, price));
        }
        text
    })
}

/// What it costs, in words.
fn tag(output: &Output, deed: Deed, price: &Price) -> String {
    let title = match deed {
        Deed::RollBack => output.word("Å rulle tilbake:", "To roll back:"),
        Deed::Merge => output.word("Å slå sammen:", "To commit:"),
    };
    let mut text = format!("{title}\n{}", paragraph(output.text(&price.text)));
    if !price.possible {
        return text
            + &format!(
                "  {}\n",
                output.word("Kan ikke gjøres nå.", "Cannot be done now.")
            );
    }
    if price.lost > 0 {
        text += &format!(
            "  {} {} {} {}.\n",
            output.word("Går tapt:", "Lost:"),
            bytes(price.lost),
            output.word("skrevet siden", "written since"),
            moment(price.lost_since)
        );
    }
    let undo = match price.undo_until {
        0 => output.word("Kan ikke angres.", "It cannot be undone.").to_owned(),
        until => format!(
            "{} {}.",
            output.word("Kan angres til", "It can be undone until"),
            moment(until)
        ),
    };
    let about = output.word("Varer omtrent", "It takes about");
    text + &format!("  {about} {} s. {undo}\n", price.seconds)
}

/// In lines of at most 80 columns, two of them left empty.
pub(crate) fn paragraph(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from(" ");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > 80 {
            lines += &format!("{line}\n");
            line = String::from(" ");
        }
        line += &format!(" {word}");
    }
    lines + &line + "\n"
}

/// Says what it costs; goes on only with `--yes`.
async fn agreed(context: &Context, id: &str, deed: Deed, yes: bool) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    let price = context
        .client
        .hypervisor
        .price(id, deed)
        .await
        .map_err(Failure::from)?;
    if !context.output.json {
        context
            .output
            .answer(&price, |output| tag(output, deed, &price))?;
    }
    Err(Failure::new(
        FailureKind::Refused,
        "Ingenting er gjort. Legg til --yes for å gjøre det",
        "Nothing was done. Add --yes to do it",
    )
    .into())
}

async fn until_merged(context: &Context, id: &str, seconds: u64) -> Result<(), Error> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut told = String::new();
    loop {
        let Some(snapshot) = all(context).await?.into_iter().find(|one| one.id == id) else {
            return context.output.said(&varde_bus::Text::new(
                format!("{id} er slått sammen"),
                format!("{id} is merged"),
            ));
        };
        if snapshot.state != SnapshotState::Merging {
            return Err(Failure {
                kind: FailureKind::Failed,
                text: snapshot.problem,
            }
            .into());
        }
        let now = state(&snapshot, context.output.language);
        if now != told && !context.output.json {
            context.output.answer(&snapshot, |_| format!("{now}\n"))?;
            told = now;
        }
        if Instant::now() >= end {
            return Err(Failure::new(
                FailureKind::Unknown,
                "Tiden er ute; sammenslåingen går videre",
                "The time is out; the merge goes on",
            )
            .into());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

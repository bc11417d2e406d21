//! `varde db`: databases, and their scheduled restarts.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::json;
use varde_bus::dbrestart::{DatabaseState, DatabaseStatus, InUse, PlannedRun, RunRecord};
use varde_bus::{Action, Failure, FailureKind, Language};

use crate::Context;
use crate::args::{DbChange, DbVerb};
use crate::error::Error;
use crate::host::moment;
use crate::output::Output;
use crate::secret;
use crate::table::table;

pub async fn run(context: &Context, verb: DbVerb) -> Result<(), Error> {
    match verb {
        DbVerb::List => list(context).await,
        DbVerb::Show { database } => show(context, &database).await,
        DbVerb::Runs { database, count } => runs(context, &database, count).await,
        DbVerb::Next { database } => next(context, &database).await,
        DbVerb::Restart { change, now: _, at } => {
            let DbChange { database, why } = change;
            let at = at.map_or(Ok(0), |text| time(&text))?;
            act(context, &Action::RestartDatabase { database, at, why }).await
        }
        DbVerb::Skip(DbChange { database, why }) => {
            act(context, &Action::SkipDatabase { database, why }).await
        }
        DbVerb::Hold(change) => hold(context, change, true).await,
        DbVerb::Unhold(change) => hold(context, change, false).await,
        DbVerb::Cancel(DbChange { database, why }) => {
            act(context, &Action::CancelDatabase { database, why }).await
        }
        DbVerb::Prepare { database } => {
            let sql = context
                .client
                .dbrestart
                .preparation(&database)
                .await
                .map_err(Failure::from)?;
            context.output.answer(&json!({ "sql": sql }), |_| sql.clone())
        }
        DbVerb::Credential(change) => credential(context, change).await,
    }
}

async fn act(context: &Context, action: &Action) -> Result<(), Error> {
    let done = context.client.perform(action).await?;
    context.output.done(&done)
}

async fn hold(context: &Context, change: DbChange, hold: bool) -> Result<(), Error> {
    let DbChange { database, why } = change;
    act(context, &Action::HoldDatabase { database, hold, why }).await
}

async fn list(context: &Context) -> Result<(), Error> {
    let databases = context.client.dbrestart.list().await.map_err(Failure::from)?;
    context.output.answer(&databases, |output| {
        let rows: Vec<_> = databases
            .iter()
            .map(|database| {
                let (state, step) = (word(database.state, output.language), &database.step);
                [
                    database.name.clone(),
                    format!("{state} {step}").trim_end().to_owned(),
                    moment(database.next),
                    stall(database, output),
                    why(database, output),
                ]
            })
            .collect();
        let heads = match output.language {
            Language::Nb => ["NAVN", "TILSTAND", "NESTE", "VENTET STANS", "HVORFOR"],
            Language::En => ["NAME", "STATE", "NEXT", "EXPECTED STALL", "WHY"],
        };
        table(heads, &rows)
    })
}

/// Such as `160/250 ms`: expected, and allowed.
fn stall(database: &DatabaseStatus, output: &Output) -> String {
    let guess = if database.expected_from == 0 {
        output.word(" (anslag)", " (guess)")
    } else {
        ""
    };
    format!("{}/{} ms{guess}", database.expected, database.stall_budget)
}

fn why(database: &DatabaseStatus, output: &Output) -> String {
    if let Some(first) = database.uses.first() {
        return used(first, output);
    }
    if database.reason.is_empty() {
        return output.text(&database.obstacle).to_owned();
    }
    output.text(&database.reason).to_owned()
}

fn used(found: &InUse, output: &Output) -> String {
    let since = moment(found.since);
    format!(
        "{} {} {since} {}",
        found.whose,
        output.text(&found.title),
        found.doing
    )
}

async fn show(context: &Context, name: &str) -> Result<(), Error> {
    let proxy = &context.client.dbrestart;
    let database = proxy.get(name).await.map_err(Failure::from)?;
    let planned = proxy.planned(name, 10).await.map_err(Failure::from)?;
    context
        .output
        .answer(&json!({ "database": database, "planned": planned }), |output| {
            let mut lines = vec![
                (
                    output.word("navn", "name"),
                    format!("{} ({})", database.name, database.title),
                ),
                (
                    output.word("tilstand", "state"),
                    format!("{} {}", word(database.state, output.language), database.step),
                ),
                (
                    output.word("hvorfor", "why"),
                    output.text(&database.reason).to_owned(),
                ),
                (output.word("port", "gate"), database.gate.clone()),
                (
                    output.word("tjener", "server"),
                    format!("{} {} ({})", database.server, database.address, database.what),
                ),
                (
                    output.word("ventet stans", "expected stall"),
                    stall(&database, output),
                ),
            ];
            for found in &database.uses {
                lines.push((output.word("i bruk", "in use"), used(found, output)));
            }
            if !database.quietest.is_empty() {
                lines.push((
                    output.word("stilleste tid", "quietest time"),
                    format!(
                        "{}, {}",
                        database.quietest,
                        delays(database.quietest_delays, output)
                    ),
                ));
            }
            lines.retain(|(_, value)| !value.is_empty());
            let mut text: String = lines
                .into_iter()
                .map(|(name, value)| format!("{name:<15} {}\n", value.trim_end()))
                .collect();
            text += "\n";
            text + &upcoming(&planned, output)
        })
}

async fn next(context: &Context, name: &str) -> Result<(), Error> {
    let planned = context
        .client
        .dbrestart
        .planned(name, 10)
        .await
        .map_err(Failure::from)?;
    context
        .output
        .answer(&planned, |output| upcoming(&planned, output))
}

fn upcoming(planned: &[PlannedRun], output: &Output) -> String {
    let rows: Vec<_> = planned
        .iter()
        .map(|run| {
            [
                moment(run.at),
                delays(run.delays, output),
                output.text(&run.obstacle).to_owned(),
            ]
        })
        .collect();
    let heads = match output.language {
        Language::Nb => ["NÅR", "VENTET", "SKJER IKKE FORDI"],
        Language::En => ["WHEN", "EXPECTED", "WILL NOT BECAUSE"],
    };
    table(heads, &rows)
}

fn delays(count: f64, output: &Output) -> String {
    if count < 0.0 {
        return String::new();
    }
    format!("{count:.1} {}", output.word("forsinket", "delayed"))
}

async fn runs(context: &Context, name: &str, count: u32) -> Result<(), Error> {
    let records = context
        .client
        .dbrestart
        .runs(name, count)
        .await
        .map_err(Failure::from)?;
    context.output.answer(&records, |output| {
        let rows: Vec<_> = records
            .iter()
            .map(|run| {
                [
                    moment(run.started),
                    outcome(&run.outcome, output.language).to_owned(),
                    format!("{}/{} ms", run.longest, run.expected),
                    format!("{}/{}", run.delayed, run.failed),
                    kroner(run.avoided),
                    reason(run, output),
                ]
            })
            .collect();
        let heads = match output.language {
            Language::Nb => [
                "NÅR",
                "UTFALL",
                "STANS/VENTET",
                "VENTET/FEILET",
                "SPART",
                "HVORFOR",
            ],
            Language::En => [
                "WHEN",
                "OUTCOME",
                "STALL/EXPECTED",
                "WAITED/FAILED",
                "SAVED",
                "WHY",
            ],
        };
        table(heads, &rows)
    })
}

fn reason(run: &RunRecord, output: &Output) -> String {
    if let Some(first) = run.uses.first() {
        return used(first, output);
    }
    if !run.reason.is_empty() {
        return output.text(&run.reason).to_owned();
    }
    match run.trouble.first() {
        Some(trouble) => output.text(trouble).to_owned(),
        None => format!("{} {}", run.who, run.why).trim().to_owned(),
    }
}

/// Øre as kroner.
fn kroner(ore: u64) -> String {
    format!("{},{:02} kr", ore / 100, ore % 100)
}

fn word(state: DatabaseState, language: Language) -> &'static str {
    let (nb, en) = match state {
        DatabaseState::Ready => ("klar", "ready"),
        DatabaseState::Running => ("omstart", "restarting"),
        DatabaseState::Hold => ("i bero", "on hold"),
        DatabaseState::Blocked => ("hindret", "blocked"),
        DatabaseState::Down => ("nede", "down"),
    };
    match language {
        Language::Nb => nb,
        Language::En => en,
    }
}

fn outcome(name: &str, language: Language) -> &str {
    if language == Language::En {
        return name;
    }
    match name {
        "restarted" => "startet på nytt",
        "fell_back" => "tilbake til forrige",
        "not_needed" => "ikke nødvendig",
        "put_off" => "utsatt",
        "cancelled" => "avlyst",
        "refused" => "ikke begynt",
        "failed" => "mislyktes",
        "down" => "nede",
        "missed" => "for sent",
        other => other,
    }
}

/// A local time as milliseconds since 1970, UTC. One that the clock jumps over or comes to twice is not guessed at.
fn time(text: &str) -> Result<i64, Error> {
    let wrong = |cause: &dyn std::fmt::Display| {
        Error::from(Failure::new(
            FailureKind::Invalid,
            format!("«{text}» er ikke et tidspunkt som 2026-11-23T03:30: {cause}"),
            format!("\"{text}\" is not a time such as 2026-11-23T03:30: {cause}"),
        ))
    };
    let civil: DateTime = text.parse().map_err(|error| wrong(&error))?;
    let moment = TimeZone::system().to_ambiguous_timestamp(civil).unambiguous();
    Ok(moment.map_err(|error| wrong(&error))?.as_millisecond())
}

async fn credential(context: &Context, change: DbChange) -> Result<(), Error> {
    let DbChange { database, why } = change;
    let output = &context.output;
    let prompt = output.word("Passord til varde i", "Password of varde in");
    let password = secret::read(&format!("{prompt} {database}: "))?;
    let set = context
        .client
        .dbrestart
        .set_credential(&database, &password, &why);
    set.await.map_err(Failure::from)?;
    output.said(&varde_bus::Text::new(
        format!("Passordet til {database} er tatt vare på, og virker"),
        format!("The password for {database} is kept, and works"),
    ))
}

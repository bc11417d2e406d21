//! `varde db`: databases, and their scheduled restarts.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::json;
use varde_bus::dbrestart::{DatabaseState, DatabaseStatus, InUse, PlannedRun, QuarterLoad, RunRecord};
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
        DbVerb::Load { database } => load(context, &database).await,
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
            if !database.limit.is_empty() {
                text += &format!("{}.\n\n", output.text(&database.limit));
            }
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
                    waited(run),
                    format!("{}", run.failed + run.sessions_cut),
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
                "SATT PÅ VENT",
                "BRUTT",
                "SPART",
                "HVORFOR",
            ],
            Language::En => [
                "WHEN",
                "OUTCOME",
                "STALL/EXPECTED",
                "HELD",
                "BROKEN",
                "SAVED",
                "WHY",
            ],
        };
        let mut text = table(heads, &rows);
        if let Some(last) = records.iter().find(|run| run.delayed > 0) {
            let head = output.word("Ventet ved omstarten", "Waits at the restart of");
            text += &format!(
                "\n{head} {}:\n{}",
                moment(last.started),
                picture(&last.histogram, &last.histogram_ends)
            );
        }
        text
    })
}

/// How many waited, and how many were expected to where that is known: `9 (7.5)`.
fn waited(run: &RunRecord) -> String {
    if run.expected_delayed < 0.0 {
        return run.delayed.to_string();
    }
    format!("{} ({:.1})", run.delayed, run.expected_delayed)
}

/// How many waited how long, a line for each class of waits that anybody was in.
fn picture(histogram: &[u32], ends: &[u64]) -> String {
    const LONGEST: u64 = 40;
    let most = u64::from(histogram.iter().copied().max().unwrap_or(1).max(1));
    let over = ends.last().map(|end| format!(" > {end} ms"));
    ends.iter()
        .map(|end| format!("<= {end} ms"))
        .chain(over)
        .zip(histogram)
        .filter(|(_, count)| **count > 0)
        .map(|(end, count)| {
            let length = (u64::from(*count) * LONGEST).div_ceil(most);
            let bar = "#".repeat(usize::try_from(length).unwrap_or(1));
            format!("{end:>10} {bar} {count}\n")
        })
        .collect()
}

/// What is known of a week: the transactions a second of each hour, with a `*` where something was in use at more than
/// every tenth look.
async fn load(context: &Context, name: &str) -> Result<(), Error> {
    let proxy = &context.client.dbrestart;
    let status = proxy.get(name).await.map_err(Failure::from)?;
    let mut days = Vec::new();
    for weekday in 0..7 {
        days.push(proxy.load(name, weekday).await.map_err(Failure::from)?);
    }
    let answer =
        json!({ "quietest": status.quietest, "quietest_delays": status.quietest_delays, "days": days });
    context.output.answer(&answer, |output| {
        let mut text = week(&days, output);
        let quietest = match status.quietest.as_str() {
            "" => output
                .word(
                    "Den stilleste tiden er ikke kjent ennå.",
                    "The quietest time is not known yet.",
                )
                .to_owned(),
            quietest => format!(
                "{}: {quietest}, {}",
                output.word("Stilleste tid", "Quietest time"),
                delays(status.quietest_delays, output)
            ),
        };
        text += &format!("\n{quietest}\n");
        text
    })
}

fn week(days: &[Vec<QuarterLoad>], output: &Output) -> String {
    const EVERY_TENTH: f64 = 0.1;
    let hour = |day: &[QuarterLoad], hour: usize| {
        let seen: Vec<&QuarterLoad> = day
            .iter()
            .skip(hour * 4)
            .take(4)
            .filter(|quarter| quarter.rate >= 0.0)
            .collect();
        let Some(most) = seen.iter().map(|quarter| quarter.rate).max_by(f64::total_cmp) else {
            return "-".to_owned();
        };
        let busy = seen.iter().any(|quarter| quarter.busy > EVERY_TENTH);
        format!("{most:.1}{}", if busy { "*" } else { "" })
    };
    let rows: Vec<[String; 8]> = (0..24)
        .map(|clock| {
            let mut row: [String; 8] = std::array::from_fn(|_| String::new());
            row[0] = format!("{clock:02}:00");
            for (cell, day) in row[1..].iter_mut().zip(days) {
                *cell = hour(day, clock);
            }
            row
        })
        .collect();
    let heads = match output.language {
        Language::Nb => ["TX/S", "MAN", "TIR", "ONS", "TOR", "FRE", "LØR", "SØN"],
        Language::En => ["TX/S", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"],
    };
    table(heads, &rows)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_drawn_by_the_classes_that_somebody_waited_in() {
        assert_eq!(
            picture(&[0, 80, 2, 0, 40], &[10, 25, 50, 100]),
            [
                format!("  <= 25 ms {} 80\n", "#".repeat(40)),
                format!("  <= 50 ms {} 2\n", "#"),
                format!("  > 100 ms {} 40\n", "#".repeat(20)),
            ]
            .concat()
        );
        assert_eq!(picture(&[], &[]), "");
        // As many as there can be are still a line.
        assert_eq!(picture(&[u32::MAX], &[10]).lines().count(), 1);
    }

    #[test]
    fn a_week_of_load_tells_the_busiest_quarter_of_each_hour() {
        let quarter = |rate, busy| QuarterLoad { rate, busy };
        let mut monday = vec![quarter(-1.0, 0.0); 96];
        monday[13] = quarter(2.5, 0.0);
        monday[15] = quarter(12.34, 0.0);
        // In use at every fifth look, though hardly any transaction ran.
        monday[16] = quarter(0.1, 0.2);
        let output = Output {
            json: false,
            language: Language::Nb,
        };
        let text = week(&[monday], &output);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 25);
        assert!(lines[0].starts_with("TX/S") && lines[0].contains("SØN"), "{text}");
        let cells = |hour: usize| lines[1 + hour].split_whitespace().collect::<Vec<_>>();
        assert_eq!(cells(3), ["03:00", "12.3"]);
        assert_eq!(cells(4), ["04:00", "0.1*"]);
        assert_eq!(cells(5), ["05:00", "-"]);
    }

    #[test]
    fn a_time_that_the_clock_has_twice_or_never_is_not_guessed_at() {
        assert!(time("2026-11-23T03:30").is_ok());
        let Error::Service(failure) = time("in an hour").expect_err("no time") else {
            panic!("another kind of error");
        };
        assert!(failure.text.en.contains("in an hour"), "{}", failure.text.en);
    }
}

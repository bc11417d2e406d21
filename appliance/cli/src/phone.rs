//! `varde phone`: lines, trunks, phones and calls.

mod show;
mod wait;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;
use varde_bus::telephony::{CallRecord, LineStatus};
use varde_bus::{Action, Failure, FailureKind, Text};

use crate::Context;
use crate::args::{PhoneVerb, TestHow};
use crate::error::Error;
use crate::secret;

pub async fn run(context: &Context, verb: PhoneVerb) -> Result<(), Error> {
    let (telephony, output) = (&context.client.telephony, &context.output);
    match verb {
        PhoneVerb::Status => {
            let status = telephony.status().await.map_err(Failure::from)?;
            output.answer(&status, |output| show::status(&status, output))
        }
        PhoneVerb::Lines { line } => {
            let lines = telephony.lines().await.map_err(Failure::from)?;
            match line {
                None => output.answer(&lines, |output| show::lines(&lines, output)),
                Some(name) => {
                    let line = named(lines, &name)?;
                    output.answer(&line, |output| show::channels(&line, output))
                }
            }
        }
        PhoneVerb::Trunks => {
            let trunks = telephony.trunks().await.map_err(Failure::from)?;
            output.answer(&trunks, |output| show::trunks(&trunks, output))
        }
        PhoneVerb::Extensions => {
            let extensions = telephony.extensions().await.map_err(Failure::from)?;
            output.answer(&extensions, |output| show::extensions(&extensions, output))
        }
        PhoneVerb::Calls => {
            let calls = telephony.calls().await.map_err(Failure::from)?;
            output.answer(&calls, |output| show::calls(&calls, output))
        }
        PhoneVerb::Records { count, before } => {
            let records = telephony.records(before, count).await.map_err(Failure::from)?;
            output.answer(&records, |output| show::records(&records, output))
        }
        PhoneVerb::Record { call } => {
            let record = record(context, call).await?.ok_or_else(|| no_record(call))?;
            output.answer(&record, |output| show::record(&record, output))
        }
        PhoneVerb::Test { number, over, how } => {
            let TestHow { why, wait } = how;
            let action = Action::TestCall {
                number,
                target: over,
                why,
            };
            test(context, &action, wait).await
        }
        PhoneVerb::TestEmergency { how } => {
            let TestHow { why, wait } = how;
            test(context, &Action::TestEmergency { why }, wait).await
        }
        PhoneVerb::Clear { call, why } => act(context, &Action::ClearCall { call, why }).await,
        PhoneVerb::Restart { line, channel, why } => {
            let channel = channel.unwrap_or(0);
            act(context, &Action::RestartChannel { line, channel, why }).await
        }
        PhoneVerb::Credential { of, why } => {
            let prompt = output.word("Hemmelighet til", "Secret of");
            let secret = secret::read(&format!("{prompt} {of}: "))?;
            let set = telephony.set_credential(&of, &secret, &why);
            set.await.map_err(Failure::from)?;
            output.said(&Text::new(
                format!("Hemmeligheten til {of} er tatt vare på"),
                format!("The secret of {of} is kept"),
            ))
        }
        PhoneVerb::Recording { call, file, why } => {
            let bytes = telephony.recording(call, &why).await.map_err(Failure::from)?;
            write(&file, &bytes)?;
            let name = file.display();
            let text = Text::new(
                format!("Signaleringen i samtale {call} er skrevet til {name}"),
                format!("The signalling of call {call} is written to {name}"),
            );
            output.answer(
                &json!({ "done": text, "file": file, "bytes": bytes.len() }),
                |output| format!("{}\n", output.text(&text)),
            )
        }
    }
}

async fn act(context: &Context, action: &Action) -> Result<(), Error> {
    let done = context.client.perform(action).await?;
    context.output.done(&done)
}

/// Makes the calls; with `seconds` also waits for what becomes of them, and fails where one of them did.
async fn test(context: &Context, action: &Action, seconds: Option<u64>) -> Result<(), Error> {
    let Some(seconds) = seconds else {
        return act(context, action).await;
    };
    // Listens before it asks, so that no end is missed.
    let waiter = wait::Waiter::new(&context.client).await?;
    let done = context.client.perform(action).await?;
    let records = waiter.ended(&done.calls, seconds).await?;
    context
        .output
        .answer(&records, |output| show::tests(&records, output))?;
    match records.iter().find(|record| !passed(record)) {
        None => Ok(()),
        Some(record) => Err(Failure {
            kind: FailureKind::Failed,
            text: said(record),
        }
        .into()),
    }
}

/// Answered, and heard.
fn passed(record: &CallRecord) -> bool {
    record.answered > 0 && record.trouble.is_empty()
}

/// Why a test failed.
fn said(record: &CallRecord) -> Text {
    let why = if record.answered > 0 {
        &record.trouble
    } else {
        &record.outcome
    };
    Text::new(
        format!("Prøvesamtale {}: {}", record.id, why.nb),
        format!("Test call {}: {}", record.id, why.en),
    )
}

/// The record of a call, once it has ended.
async fn record(context: &Context, call: u64) -> Result<Option<CallRecord>, Failure> {
    let before = call.saturating_add(1);
    let records = context.client.telephony.records(before, 1).await?;
    Ok(records.into_iter().find(|record| record.id == call))
}

fn no_record(call: u64) -> Failure {
    Failure::new(
        FailureKind::NotFound,
        format!("Ingen samtale {call} har vært; «varde phone records» viser dem som er slutt"),
        format!("There has been no call {call}; \"varde phone records\" shows those that have ended"),
    )
}

fn named(lines: Vec<LineStatus>, name: &str) -> Result<LineStatus, Failure> {
    lines.into_iter().find(|line| line.name == name).ok_or_else(|| {
        Failure::new(
            FailureKind::NotFound,
            format!("Det finnes ingen linje «{name}»; «varde phone lines» viser dem som finnes"),
            format!("There is no line \"{name}\"; \"varde phone lines\" shows those that exist"),
        )
    })
}

/// For its owner only: there are whole numbers in it.
fn write(file: &Path, bytes: &[u8]) -> Result<(), Error> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut opened| opened.write_all(bytes))
        .map_err(|error| Error::io("write", file.display(), error))
}

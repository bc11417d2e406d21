//! `varde support`: what helps somebody who is elsewhere, with no network between.
//!
//! A code is so short that it can be read out by phone ([`varde_bus::health`]); a bundle is a text with all that helps to
//! find a fault, written to a file or out on the line ([`bundle`]), from which what is nobody else's business is taken
//! out first ([`redact`]).

mod bundle;
mod redact;

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use sha2::{Digest, Sha256};
use varde_bus::health::{Answers, Health};
use varde_bus::{Failure, FailureKind, Text};

use self::redact::Redactor;
use crate::Context;
use crate::args::SupportVerb;
use crate::error::Error;
use crate::host::moment;
use crate::output::Output;

pub async fn run(context: &Context, verb: SupportVerb) -> Result<(), Error> {
    match verb {
        SupportVerb::Code => {
            let health = health(context).await;
            let (code, lines) = (health.code(), health.lines());
            context
                .output
                .answer(&json!({ "code": code, "health": health }), |output| {
                    format!("{code}\n\n{}", said(output, &lines))
                })
        }
        SupportVerb::Decode { code } => decode(&context.output, &code.concat()),
        SupportVerb::Bundle { file, serial: _, yes } => write(context, file.as_deref(), yes).await,
    }
}

/// Needs no services: it is done where the phone is.
pub fn decode(output: &Output, code: &str) -> Result<(), Error> {
    let health = Health::decoded(code)
        .map_err(|wrong| Failure::new(FailureKind::Invalid, wrong.nb.clone(), wrong.en.clone()))?;
    let made = health.made(now());
    output.answer(&json!({ "health": health, "made": made }), |output| {
        format!(
            "{} {}\n{}",
            output.word("Laget", "Made"),
            moment(made),
            said(output, &health.lines())
        )
    })
}

fn said(output: &Output, lines: &[Text]) -> String {
    lines
        .iter()
        .map(|line| format!("{}\n", output.text(line)))
        .collect()
}

/// What the services say; one that does not answer is part of it.
async fn health(context: &Context) -> Health {
    let client = &context.client;
    let answers = Answers {
        host: client.host.status().await.ok(),
        site: client.site.summary().await.ok(),
        trial: client.site.trial().await.ok(),
        machines: client.hypervisor.list().await.ok(),
        databases: client.dbrestart.list().await.ok(),
        record: client.audit.tail(1).await.is_ok(),
    };
    Health::of(&answers, now())
}

async fn write(context: &Context, file: Option<&Path>, yes: bool) -> Result<(), Error> {
    let mut redactor = Redactor::default();
    let code = health(context).await.code();
    let body = bundle::gather(&context.client, &code, &mut redactor).await?;
    let output = &context.output;
    let list = redactor.list(output);
    if !yes && !agreed(output, &list)? {
        return Err(Failure::new(
            FailureKind::Refused,
            format!("Ingenting er skrevet. Les hva som tas ut, og bekreft med --yes:\n{list}"),
            format!("Nothing was written. Read what is taken out, and confirm with --yes:\n{list}"),
        )
        .into());
    }
    let text = format!("{list}\n{body}");
    let sum: String = Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let Some(file) = file else {
        // Marked, because what a terminal has taken down holds more than this.
        let framed = format!("-----BEGIN VARDE BUNDLE-----\n{text}-----END VARDE BUNDLE {sum}-----\n");
        return output.answer(&json!({ "bundle": text, "sha256": sum }), |_| framed);
    };
    let place = file.display();
    let written = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|error: std::io::Error| Error::io("write", &place, error))?;
    let done = Text::new(
        format!("{place} er skrevet, {} byte, SHA-256 {sum}", text.len()),
        format!("{place} is written, {} bytes, SHA-256 {sum}", text.len()),
    );
    output.answer(
        &json!({ "done": done, "sha256": sum, "redacted": redactor.counts() }),
        |output| format!("{list}\n{}\n", output.text(&done)),
    )
}

/// Asks whoever sits there; a program that asks has to say so beforehand.
fn agreed(output: &Output, list: &str) -> Result<bool, Error> {
    if output.json || !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let question = output.word("Skrive det? (ja/nei) ", "Write it? (yes/no) ");
    crate::output::print(std::io::stderr(), format!("{list}\n{question}").as_bytes())?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Error::io("read", "the answer", error))?;
    Ok(matches!(answer.trim(), "ja" | "j" | "yes" | "y"))
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

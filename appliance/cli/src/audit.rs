//! `varde audit`: who did what.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;
use varde_bus::{Failure, Text};

use crate::Context;
use crate::args::AuditVerb;
use crate::error::Error;
use crate::host::moment;
use crate::table::table;

pub async fn run(context: &Context, verb: AuditVerb) -> Result<(), Error> {
    match verb {
        AuditVerb::List { count } => list(context, count).await,
        AuditVerb::Verify => verify(context).await,
        AuditVerb::Export { file } => export(context, &file).await,
    }
}

async fn list(context: &Context, count: u32) -> Result<(), Error> {
    let records = context.client.audit.tail(count).await.map_err(Failure::from)?;
    context.output.answer(&records, |output| {
        let rows: Vec<_> = records
            .iter()
            .map(|record| {
                let mut what = vec![
                    record.subject.as_str(),
                    record.why.as_str(),
                    record.detail.as_str(),
                ];
                what.retain(|part| !part.is_empty());
                [
                    record.sequence.to_string(),
                    moment(record.when),
                    record.who.clone(),
                    format!("{} {}", record.verb, record.outcome),
                    what.join(": "),
                ]
            })
            .collect();
        let heads = match output.language {
            varde_bus::Language::Nb => ["NR", "NÅR", "HVEM", "HVA", "PÅ HVA, HVORFOR"],
            varde_bus::Language::En => ["NO", "WHEN", "WHO", "WHAT", "ON WHAT, WHY"],
        };
        table(heads, &rows)
    })
}

async fn verify(context: &Context) -> Result<(), Error> {
    let verdict = context.client.audit.verify().await.map_err(Failure::from)?;
    if !verdict.faults.is_empty() {
        return Err(Error::Chain(verdict.faults));
    }
    context.output.answer(&verdict, |output| {
        let words = output.word("innførsler, og kjeden er hel", "records, and the chain is whole");
        format!("{} {words}\n", verdict.records)
    })
}

/// Copies file by file: what is damaged goes along, for whoever finds out why.
async fn export(context: &Context, path: &Path) -> Result<(), Error> {
    let place = path.display();
    let failed = |error: std::io::Error| Error::io("write", &place, error);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let (mut after, mut lines, mut last) = (String::new(), 0, String::new());
    loop {
        let (name, bytes) = context.client.audit.export(&after).await.map_err(Failure::from)?;
        if name.is_empty() {
            break;
        }
        file.write_all(&bytes).map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes);
        lines += text.lines().count();
        if let Some(line) = text.lines().last() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            record["hash"].as_str().unwrap_or_default().clone_into(&mut last);
        }
        after = name;
    }
    file.sync_all().map_err(failed)?;
    // The copy is whole whatever the chain is; what is wrong with that is said here too.
    let verdict = context.client.audit.verify().await.map_err(Failure::from)?;
    let done = Text::new(
        format!("{place} er skrevet: {lines} innførsler. Oppbevar den siste hashen et annet sted:\n{last}"),
        format!("{place} is written: {lines} records. Keep the last hash elsewhere:\n{last}"),
    );
    context.output.answer(
        &json!({ "done": done, "records": lines, "hash": last, "faults": verdict.faults }),
        |output| {
            let faults: String = verdict
                .faults
                .iter()
                .map(|fault| format!("! {}\n", output.text(fault)))
                .collect();
            format!("{}\n{faults}", output.text(&done))
        },
    )
}

//! `varde audit`: who did what.

use varde_bus::Failure;

use crate::Context;
use crate::args::AuditVerb;
use crate::error::Error;
use crate::host::moment;
use crate::table::table;

pub async fn run(context: &Context, verb: AuditVerb) -> Result<(), Error> {
    match verb {
        AuditVerb::List { count } => list(context, count).await,
        AuditVerb::Verify => verify(context).await,
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

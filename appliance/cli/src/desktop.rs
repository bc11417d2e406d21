//! `varde desktop`: virtual desktops and who has them.

use varde_bus::desktop::{DesktopStatus, PoolStatus};
use varde_bus::{Action, Failure, Language};

use crate::Context;
use crate::args::DesktopVerb;
use crate::error::Error;
use crate::host::{bytes, moment};
use crate::table::table;

pub async fn run(context: &Context, verb: DesktopVerb) -> Result<(), Error> {
    let action = match verb {
        DesktopVerb::Pools => return pools(context).await,
        DesktopVerb::List => return list(context).await,
        DesktopVerb::End { desktop, why } => Action::EndDesktop { desktop, why },
        DesktopVerb::Renew { desktop, why } => Action::RenewDesktop { desktop, why },
    };
    let done = context.client.perform(&action).await?;
    context.output.done(&done)
}

async fn pools(context: &Context) -> Result<(), Error> {
    let pools = context.client.desktops.pools().await.map_err(Failure::from)?;
    context.output.answer(&pools, |output| {
        let row = |pool: &PoolStatus| {
            [
                pool.name.clone(),
                kind(&pool.kind, output.language).to_owned(),
                format!("{}/{}/{}", pool.used, pool.running, pool.desktops),
                bytes(pool.memory),
                pool.image.clone(),
                output.text(&pool.trouble).to_owned(),
            ]
        };
        let rows: Vec<_> = pools.iter().map(row).collect();
        let heads = match output.language {
            Language::Nb => ["NAVN", "SLAG", "I BRUK/PÅ/ALLE", "MINNE", "BILDE", "GALT"],
            Language::En => ["NAME", "KIND", "USED/ON/ALL", "MEMORY", "IMAGE", "WRONG"],
        };
        table(heads, &rows)
    })
}

fn kind(kind: &str, language: Language) -> &'static str {
    let (nb, en) = match kind {
        "own" => ("egne", "own"),
        "fresh" => ("ferske", "fresh"),
        _ => ("flytende", "floating"),
    };
    match language {
        Language::Nb => nb,
        Language::En => en,
    }
}

async fn list(context: &Context) -> Result<(), Error> {
    let desktops = context.client.desktops.list().await.map_err(Failure::from)?;
    context.output.answer(&desktops, |output| {
        let row = |desktop: &DesktopStatus| {
            let image = if desktop.outdated {
                output.word("gammelt bilde", "old image")
            } else {
                ""
            };
            [
                desktop.name.clone(),
                crate::vm::word(desktop.state, output.language).to_owned(),
                desktop.person.clone(),
                desktop.viewers.to_string(),
                moment(desktop.idle_since),
                image.to_owned(),
            ]
        };
        let rows: Vec<_> = desktops.iter().map(row).collect();
        let heads = match output.language {
            Language::Nb => ["PULT", "TILSTAND", "PERSON", "SER PÅ", "LEDIG SIDEN", "OM"],
            Language::En => ["DESKTOP", "STATE", "PERSON", "VIEWERS", "IDLE SINCE", "ABOUT"],
        };
        table(heads, &rows)
    })
}

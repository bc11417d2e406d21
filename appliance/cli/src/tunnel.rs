//! `varde tunnel`: other sites, and people's devices.

use varde_bus::tunnel::PeerStatus;
use varde_bus::{Failure, Language, Text};

use crate::Context;
use crate::args::TunnelVerb;
use crate::error::Error;
use crate::host::{bytes, moment};
use crate::table::table;

pub async fn run(context: &Context, verb: TunnelVerb) -> Result<(), Error> {
    let tunnel = &context.client.tunnel;
    match verb {
        TunnelVerb::Status => status(context).await,
        TunnelVerb::Peers => peers(context).await,
        TunnelVerb::PrepareKey { why } => {
            let key = tunnel.prepare_key(&why).await.map_err(Failure::from)?;
            context
                .output
                .answer(&serde_json::json!({ "next_key": key }), |_| format!("{key}\n"))
        }
        TunnelVerb::ChangeKey { why } => {
            tunnel.change_key(&why).await.map_err(Failure::from)?;
            context.output.said(&Text::new(
                "Den neste nøkkelen er i bruk",
                "The next key is in use",
            ))
        }
    }
}

async fn status(context: &Context) -> Result<(), Error> {
    let status = context.client.tunnel.status().await.map_err(Failure::from)?;
    context.output.answer(&status, |output| {
        if !status.declared {
            let text = output.word(
                "Anlegget har ingen [tunnel] i site.toml",
                "The site has no [tunnel] in site.toml",
            );
            return format!("{text}\n");
        }
        let rows = [
            (output.word("galt", "wrong"), output.text(&status.trouble)),
            (output.word("adresse", "endpoint"), &status.endpoint),
            (output.word("nøkkel", "key"), &status.key),
            (output.word("neste nøkkel", "next key"), &status.next_key),
        ];
        rows.into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name:<15} {value}\n"))
            .collect()
    })
}

async fn peers(context: &Context) -> Result<(), Error> {
    let peers = context.client.tunnel.peers().await.map_err(Failure::from)?;
    context.output.answer(&peers, |output| {
        let row = |peer: &PeerStatus| {
            let heard = match peer.handshake {
                0 => output.word("aldri", "never").to_owned(),
                when => moment(when),
            };
            [
                peer.name.clone(),
                peer.title.clone(),
                heard,
                bytes(peer.received),
                bytes(peer.sent),
                peer.networks.join(" "),
            ]
        };
        let rows: Vec<_> = peers.iter().map(row).collect();
        let heads = match output.language {
            Language::Nb => ["NAVN", "HVA", "HØRT SIST", "INN", "UT", "NETT"],
            Language::En => ["NAME", "WHAT", "LAST HEARD", "IN", "OUT", "NETWORKS"],
        };
        table(heads, &rows)
    })
}

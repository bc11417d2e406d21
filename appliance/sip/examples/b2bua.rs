//! The smallest exchange: what comes from trunk `in` goes to trunk `out`, and what one leg says the other hears.
//!
//! `cargo run --release -p varde-sip --example b2bua LISTEN IN OUT` with addresses such as `127.0.0.1:5060`. It measures
//! what a call costs: sipp on both sides, this pinned to one processor.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use varde_sip::{
    Command, Directory, Event, LegId, Limits, Listener, Outgoing, Party, Setup, Sip, Timers, Transport,
    Trunk, Why,
};

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let addresses = std::env::args()
        .skip(1)
        .map(|text| text.parse())
        .collect::<Result<Vec<SocketAddr>, _>>()?;
    let [listen, from, to] = addresses[..] else {
        return Err("usage: b2bua LISTEN IN OUT".into());
    };
    let setup = Setup {
        listeners: vec![Listener {
            transport: Transport::Udp,
            address: listen,
            advertised: None,
        }],
        tls: None,
        realm: "varde.example".into(),
        product: "Varde".into(),
        tap: false,
        timers: Timers::default(),
    };
    let limits = Limits {
        max_legs: 100_000,
        ..Limits::default()
    };
    let trunks = vec![trunk("in", from), trunk("out", to)];
    let directory = Directory {
        trunks,
        limits,
        ..Directory::default()
    };
    let mut sip = Sip::start(setup, directory).await?;
    let mut other: HashMap<LegId, LegId> = HashMap::new();
    loop {
        match sip.event().await {
            Event::Incoming(call) => {
                let out = sip.call(Outgoing {
                    to: Party::Trunk("out".into()),
                    called: call.called,
                    calling: call.calling,
                    asserted: call.asserted,
                    private: call.private,
                    diversions: call.diversions,
                    sdp: call.sdp.unwrap_or_default(),
                    emergency: call.emergency,
                    extra: Vec::new(),
                    hops: call.hops,
                    ring_for: Duration::from_mins(3),
                });
                other.insert(call.leg, out);
                other.insert(out, call.leg);
            }
            Event::Progress { leg, status, sdp } => {
                if let Some(&leg) = other.get(&leg) {
                    sip.command(Command::Progress { leg, status, sdp });
                }
            }
            Event::Answered { leg, sdp, .. } => {
                if let Some(&leg) = other.get(&leg) {
                    sip.command(Command::Answer { leg, sdp });
                }
            }
            Event::Ended(ended) => {
                if let Some(leg) = other.remove(&ended.leg) {
                    other.remove(&leg);
                    let cause = ended.cause;
                    sip.command(match ended.why {
                        Why::Refused { status, .. } => Command::Reject { leg, status, cause },
                        _ => Command::HangUp { leg, cause },
                    });
                }
            }
            _ => {}
        }
    }
}

fn trunk(name: &str, address: SocketAddr) -> Trunk {
    Trunk {
        name: name.into(),
        host: address.ip().to_string(),
        port: address.port(),
        transport: Transport::Udp,
        sources: Vec::new(),
        domain: None,
        login: None,
        register: None,
        probe: None,
        max_legs: 100_000,
    }
}

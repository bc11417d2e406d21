//! A bridge to which a trunk, a phone and a stranger send whatever they like.

use std::net::SocketAddr;
use std::time::Duration;

use varde_sip::message::{Framed, Message, frame};
use varde_sip::{
    Account, Agent, Command, Directory, Event, Flow, LegId, Listener, Secret, Setup, Timers, Transport, Trunk,
};

/// The most datagrams of one story.
const MOST: usize = 40;
/// More messages than one datagram can cause.
const MOST_SENT: usize = 20;
/// Longer than any time-out of a call that nobody goes on with.
const LONG: Duration = Duration::from_hours(2);

/// Plays a story: datagrams between zeros, the first byte of each says who sends it.
pub fn judge(story: &[u8]) {
    cut(story);
    let local = SocketAddr::from(([10, 0, 0, 1], 5060));
    let sources = [2, 3, 4].map(|last| SocketAddr::from(([10, 0, 0, last], 5060)));
    let mut agent = bridge(local, sources[0]);
    let mut now = Duration::from_secs(1);
    let (mut begun, mut ended): (Vec<LegId>, Vec<LegId>) = (Vec::new(), Vec::new());
    for datagram in story.split(|byte| *byte == 0).take(MOST) {
        let Some((first, bytes)) = datagram.split_first() else {
            continue;
        };
        again(bytes);
        let flow = Flow {
            transport: Transport::Udp,
            local,
            remote: sources[usize::from(*first) % sources.len()],
        };
        agent.receive(now, flow, bytes);
        let mut sent = 0;
        while let Some((_, bytes)) = agent.poll_send() {
            Message::parse(&bytes).expect("what we send can be read");
            sent += 1;
            assert!(sent < MOST_SENT, "one datagram has no end");
        }
        drain(&mut agent, now, &mut begun, &mut ended);
        now += Duration::from_millis(700);
        agent.handle_timeout(now);
        drain(&mut agent, now, &mut begun, &mut ended);
    }
    let end = now + LONG;
    while let Some(at) = agent.poll_timeout().filter(|at| *at < end) {
        now = now.max(at);
        agent.handle_timeout(now);
        assert!(
            agent.poll_timeout().is_none_or(|next| next > at),
            "a deadline stays due"
        );
        while agent.poll_send().is_some() {}
        drain(&mut agent, now, &mut begun, &mut ended);
    }
    assert_eq!(begun, ended, "each leg ends once");
    assert_eq!((agent.legs(), agent.load()), (0, 0), "something is kept for ever");
}

fn drain(agent: &mut Agent, now: Duration, begun: &mut Vec<LegId>, ended: &mut Vec<LegId>) {
    while let Some(event) = agent.poll_event() {
        match event {
            Event::Incoming(call) => {
                begun.push(call.leg);
                // Every other call is answered, so that requests within a call mean something.
                let (leg, sdp) = (call.leg, "v=0".to_owned());
                agent.command(
                    now,
                    if begun.len() % 2 == 1 {
                        Command::Answer { leg, sdp }
                    } else {
                        Command::Progress {
                            leg,
                            status: 183,
                            sdp: Some(sdp),
                        }
                    },
                );
            }
            Event::Offer { leg, .. } => {
                let sdp = "v=0".into();
                agent.command(now, Command::AnswerOffer { leg, sdp });
            }
            Event::Ended(end) => {
                ended.push(end.leg);
                ended.sort();
            }
            _ => {}
        }
    }
}

fn bridge(local: SocketAddr, trunk: SocketAddr) -> Agent {
    let setup = Setup {
        listeners: vec![Listener {
            transport: Transport::Udp,
            address: local,
            advertised: None,
        }],
        tls: None,
        realm: "varde.example".into(),
        product: "Varde".into(),
        tap: true,
        timers: Timers::default(),
    };
    let directory = Directory {
        accounts: vec![Account {
            name: "210".into(),
            secret: Secret::Password("hemmelig".into()),
            max_contacts: 2,
            max_legs: 4,
        }],
        trunks: vec![Trunk {
            name: "trunk".into(),
            host: trunk.ip().to_string(),
            port: trunk.port(),
            transport: Transport::Udp,
            sources: Vec::new(),
            domain: None,
            login: None,
            register: None,
            probe: None,
            max_legs: 10,
        }],
        ..Directory::default()
    };
    // The key is fixed, so that a story can name the tags that it will be given.
    let mut agent = Agent::new(&setup, &[local], [7; 32]);
    agent.configure(Duration::ZERO, directory);
    while agent.poll_lookup().is_some() {
        agent.found(Duration::ZERO, "trunk", vec![(trunk, None)]);
    }
    agent
}

/// What can be read can be written, and is the same when it is read again.
fn again(bytes: &[u8]) {
    // Written out, names are longer and bytes that are no text are three.
    if bytes.len() > 4000 {
        return;
    }
    let Ok(first) = Message::parse(bytes) else {
        return;
    };
    let second = Message::parse(&first.to_bytes()).expect("what was written can be read");
    let third = Message::parse(&second.to_bytes()).expect("what was written can be read");
    assert_eq!(second, third);
}

/// A stream is cut into pieces that are there, and always goes on.
fn cut(mut stream: &[u8]) {
    while let Ok(Framed::KeepAlive(length) | Framed::Message(length)) = frame(stream) {
        assert!(length > 0 && length <= stream.len(), "a piece that is not there");
        stream = &stream[length..];
    }
}

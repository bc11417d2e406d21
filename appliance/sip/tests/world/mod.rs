//! A world of bridges without IO: a network that delays, loses and repeats, and a clock that jumps.

#![allow(dead_code, reason = "each test file uses a part of the world")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use varde_sip::{
    Account, Agent, Command, Directory, Event, Flow, Identity, Incoming, LegId, Listener, Login, Outgoing,
    Party, Secret, Setup, Tapped, Timers, Transport, Trunk,
};

pub const BRIDGE: usize = 0;
pub const DELAY: Duration = Duration::from_millis(10);
/// More steps than any test has: a world that does not come to rest is a fault.
const MOST_STEPS: usize = 200_000;

pub struct World {
    pub now: Duration,
    pub agents: Vec<(Agent, SocketAddr)>,
    flying: VecDeque<(Duration, SocketAddr, SocketAddr, Vec<u8>)>,
    /// What happened, by whom.
    pub log: Vec<(Duration, usize, Event)>,
    pub taps: Vec<Tapped>,
    /// Whether the next datagram of an agent is lost.
    pub loses: Box<dyn FnMut(Duration, usize) -> bool>,
    pub sent: usize,
    /// What was sent, by whom.
    pub wire: Vec<(usize, Vec<u8>)>,
}

pub fn address(agent: usize) -> SocketAddr {
    format!("10.0.0.{}:5060", agent + 1).parse().unwrap()
}

pub fn setup(agent: usize, tap: bool) -> Setup {
    Setup {
        listeners: vec![Listener {
            transport: Transport::Udp,
            address: address(agent),
            advertised: None,
        }],
        tls: None,
        realm: "varde.example".into(),
        product: "Varde".into(),
        tap,
        timers: Timers::default(),
    }
}

pub fn account(name: &str) -> Account {
    Account {
        name: name.into(),
        secret: Secret::Password(format!("hemmelig {name}")),
        max_contacts: 2,
        max_legs: 4,
    }
}

/// A trunk to another agent. With `login` it registers there as that account.
pub fn trunk(name: &str, to: usize, login: Option<&str>) -> Trunk {
    Trunk {
        name: name.into(),
        host: address(to).ip().to_string(),
        port: 5060,
        transport: Transport::Udp,
        sources: Vec::new(),
        domain: None,
        login: login.map(|user| Login {
            user: user.into(),
            secret: Secret::Password(format!("hemmelig {user}")),
        }),
        register: login.map(|_| Duration::from_mins(10)),
        probe: None,
        max_legs: 10,
    }
}

pub fn to_trunk(name: &str, called: &str) -> Outgoing {
    Outgoing {
        to: Party::Trunk(name.into()),
        called: called.into(),
        calling: Identity::number("210"),
        asserted: None,
        private: false,
        diversions: Vec::new(),
        sdp: "v=0\r\no=offer\r\n".into(),
        emergency: false,
        extra: Vec::new(),
        hops: 70,
        ring_for: Duration::from_mins(1),
    }
}

pub fn to_account(name: &str) -> Outgoing {
    Outgoing {
        to: Party::Account(name.into()),
        ..to_trunk("", name)
    }
}

impl World {
    pub fn new(agents: usize) -> Self {
        Self {
            now: Duration::from_secs(1),
            agents: (0..agents)
                .map(|agent| {
                    let key = [u8::try_from(agent).unwrap() + 1; 32];
                    (
                        Agent::new(&setup(agent, false), &[address(agent)], key),
                        address(agent),
                    )
                })
                .collect(),
            flying: VecDeque::new(),
            log: Vec::new(),
            taps: Vec::new(),
            loses: Box::new(|_, _| false),
            sent: 0,
            wire: Vec::new(),
        }
    }

    /// A bridge (agent 0) with accounts 210 and 211, and a phone for each name: agent 1, 2, …
    pub fn with_phones(names: &[&str]) -> Self {
        let mut world = Self::new(names.len() + 1);
        world.configure(
            BRIDGE,
            Directory {
                accounts: vec![account("210"), account("211")],
                ..Directory::default()
            },
        );
        for (at, name) in names.iter().enumerate() {
            world.configure(
                at + 1,
                Directory {
                    trunks: vec![trunk("varde", BRIDGE, Some(name))],
                    ..Directory::default()
                },
            );
        }
        world.run(Duration::from_secs(2));
        world
    }

    pub fn configure(&mut self, agent: usize, directory: Directory) {
        let now = self.now;
        self.agents[agent].0.configure(now, directory);
        self.settle();
    }

    pub fn call(&mut self, agent: usize, call: Outgoing) -> LegId {
        let now = self.now;
        let leg = self.agents[agent].0.call(now, call);
        self.settle();
        leg
    }

    pub fn command(&mut self, agent: usize, command: Command) {
        let now = self.now;
        self.agents[agent].0.command(now, command);
        self.settle();
    }

    /// Bytes of somebody who may be no agent.
    pub fn inject(&mut self, from: SocketAddr, to: usize, bytes: &[u8]) {
        let flow = Flow {
            transport: Transport::Udp,
            local: address(to),
            remote: from,
        };
        let now = self.now;
        self.agents[to].0.receive(now, flow, bytes);
        self.settle();
    }

    fn settle(&mut self) {
        for at in 0..self.agents.len() {
            while let Some(lookup) = self.agents[at].0.poll_lookup() {
                let found = format!("{}:{}", lookup.host, lookup.port).parse().unwrap();
                let now = self.now;
                self.agents[at].0.found(now, &lookup.trunk, vec![(found, None)]);
            }
            let (agent, from) = &mut self.agents[at];
            while let Some(event) = agent.poll_event() {
                match event {
                    Event::Tapped(tapped) => self.taps.push(*tapped),
                    event => self.log.push((self.now, at, event)),
                }
            }
            while let Some((flow, bytes)) = agent.poll_send() {
                self.sent += 1;
                self.wire.push((at, bytes.clone()));
                if !(self.loses)(self.now, at) {
                    self.flying
                        .push_back((self.now + DELAY, *from, flow.remote, bytes));
                }
            }
        }
    }

    /// Lets time pass, and everything happen in it.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..MOST_STEPS {
            let arrival = self.flying.front().map(|(at, ..)| *at);
            let due = self
                .agents
                .iter()
                .filter_map(|(agent, _)| agent.poll_timeout())
                .min();
            let Some(next) = [arrival, due].into_iter().flatten().min().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let (_, from, to, bytes) = self.flying.pop_front().unwrap();
                if let Some(at) = self.agents.iter().position(|(_, address)| *address == to) {
                    self.inject(from, at, &bytes);
                }
            } else {
                let now = self.now;
                for (agent, _) in &mut self.agents {
                    agent.handle_timeout(now);
                }
            }
            self.settle();
        }
        panic!("the world does not come to rest at {:?}", self.now);
    }

    /// What was said since the last time, by this agent.
    pub fn events(&mut self, agent: usize) -> Vec<Event> {
        let mut events = Vec::new();
        self.log.retain(|(_, by, event)| {
            if *by == agent {
                events.push(event.clone());
            }
            *by != agent
        });
        events
    }

    /// Runs a while and hands over the one call that comes in.
    pub fn incoming(&mut self, agent: usize) -> Incoming {
        self.run(Duration::from_millis(200));
        let mut calls: Vec<_> = self
            .events(agent)
            .into_iter()
            .filter_map(|event| match event {
                Event::Incoming(call) => Some(*call),
                _ => None,
            })
            .collect();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.remove(0)
    }
}

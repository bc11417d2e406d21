//! A recorded call is played into a stack that knows nothing of it, which says what the first one said.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use varde_capture::{Direction, Frame, Packet, Recorder, read};
use varde_dss1::{
    BearerCapability, Cause, Config, Element, Elements, Indication, Interface, Number, Output, Request,
};
use varde_lapd::{Ces, Indication as Link, Request as ToLink, Side};

const CALL: u64 = 7;

/// The network's end, and who uses it: it lets each call ring and answers it.
struct Network(Interface);

impl Network {
    /// With a user at the other end; both have brought their channels to rest (RESTART), which is no part of a call.
    fn with_user() -> (Self, Interface) {
        let now = Duration::ZERO;
        let mut network = Self(Interface::new(Config::primary(Side::Network)));
        let mut user = Interface::new(Config::primary(Side::User));
        network.0.receive(now, Ces::OWN, Link::Establish);
        user.receive(now, Ces::OWN, Link::Establish);
        loop {
            let said = network.says(now);
            for message in &said {
                user.receive(now, Ces::OWN, Link::Data(message.clone()));
            }
            let answered = says(&mut user);
            for message in &answered {
                network.0.receive(now, Ces::OWN, Link::Data(message.clone()));
            }
            if said.is_empty() && answered.is_empty() {
                return (network, user);
            }
        }
    }

    /// A message comes; those that go because of it.
    fn hears(&mut self, now: Duration, message: &[u8]) -> Vec<Vec<u8>> {
        self.0.receive(now, Ces::OWN, Link::Data(message.to_vec()));
        self.says(now)
    }

    fn says(&mut self, now: Duration) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some(output) = self.0.poll_output() {
            match output {
                Output::Link(_, ToLink::Data(message)) => sent.push(message),
                Output::Call(id, Indication::Setup, _) => {
                    for request in [Request::Proceeding, Request::Alerting, Request::Connect] {
                        self.0.request(now, id, request, Elements::new()).unwrap();
                    }
                }
                Output::Call(id, Indication::Disconnect, _) => {
                    self.0.clear(now, id, Cause::NORMAL_CALL_CLEARING).unwrap();
                }
                _ => {}
            }
        }
        sent
    }
}

fn says(user: &mut Interface) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    while let Some(output) = user.poll_output() {
        if let Output::Link(_, ToLink::Data(message)) = output {
            sent.push(message);
        }
    }
    sent
}

/// I frames as the network's end of a line sees them; only their information counts here.
fn noted(now: Duration, direction: Direction, message: &[u8]) -> Packet {
    let address = if direction == Direction::In { 0 } else { 2 };
    let bytes = [&[address, 1, 0, 0], message].concat();
    Packet {
        at: u64::try_from(now.as_micros()).unwrap(),
        direction,
        frame: Frame::Lapd {
            line: "sentral".into(),
            network: true,
            bytes,
        },
    }
}

fn message(packet: &Packet) -> &[u8] {
    match &packet.frame {
        Frame::Lapd { bytes, .. } => &bytes[4..],
        Frame::Sip { .. } => panic!("there was no SIP"),
    }
}

/// A call between two ends from set-up to release, recorded at the network's.
fn recorded() -> Vec<u8> {
    let mut recorder = Recorder::new(1 << 20);
    let (mut network, mut user) = Network::with_user();
    let mut now = Duration::from_secs(10);
    let setup = Elements::from([
        Element::BearerCapability(BearerCapability::speech()),
        Element::CalledNumber(Number::dialled("35003012")),
        Element::SendingComplete,
    ]);
    let id = user.call(now, setup).unwrap();
    let mut hung_up = false;
    loop {
        let said = says(&mut user);
        if said.is_empty() {
            if hung_up {
                break;
            }
            hung_up = true;
            now += Duration::from_secs(42);
            user.clear(now, id, Cause::NORMAL_CALL_CLEARING).unwrap();
        }
        for message in said {
            recorder.note(CALL, noted(now, Direction::In, &message));
            now += Duration::from_millis(7);
            for answer in network.hears(now, &message) {
                recorder.note(CALL, noted(now, Direction::Out, &answer));
                user.receive(now, Ces::OWN, Link::Data(answer));
            }
        }
    }
    recorder.end(CALL);
    recorder.file(CALL).unwrap()
}

#[test]
fn a_recorded_call_played_again_is_the_same_call() {
    let packets = read(&recorded()).unwrap();
    let out = |packet: &&Packet| packet.direction == Direction::Out;
    let first: Vec<&[u8]> = packets.iter().filter(out).map(message).collect();
    // PROCEEDING, ALERTING, CONNECT and RELEASE, by their message types.
    let kinds: Vec<u8> = first.iter().map(|message| message[4]).collect();
    assert_eq!(kinds, [0x02, 0x01, 0x07, 0x4d]);

    let (mut again, _) = Network::with_user();
    let mut second = Vec::new();
    for packet in packets.iter().filter(|packet| !out(packet)) {
        second.extend(again.hears(Duration::from_micros(packet.at), message(packet)));
    }
    assert_eq!(second, first);
    assert_eq!(again.0.calls().count(), 0, "nothing is left of it");
}

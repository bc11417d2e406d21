//! What strangers get: nothing, a challenge, or silence; and nobody else suffers for it.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

mod world;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use varde_sip::message::{Message, Method};
use varde_sip::{Alarm, Command, Directory, Event, Secret, Transport};
use world::{BRIDGE, World, account, address, to_trunk, trunk};

const SOON: Duration = Duration::from_millis(200);

fn stranger(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 5060))
}

fn request(method: Method, number: u32) -> Message {
    Message::request(method, "sip:100@varde.example")
        .with(
            "Via",
            format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number};rport"),
        )
        .with("From", "<sip:100@varde.example>;tag=x")
        .with("To", "<sip:100@varde.example>")
        .with("Call-ID", format!("scan-{number}"))
        .with("CSeq", format!("{number} {}", method.name()))
        .with("Contact", "<sip:100@192.0.2.1>")
}

/// What the bridge has answered since the last time.
fn answers(world: &mut World) -> Vec<u16> {
    let wire = std::mem::take(&mut world.wire);
    wire.into_iter()
        .filter(|(by, _)| *by == BRIDGE)
        .filter_map(|(_, bytes)| Message::parse(&bytes).unwrap().status())
        .collect()
}

fn alarms(world: &mut World) -> Vec<Alarm> {
    world
        .events(BRIDGE)
        .into_iter()
        .filter_map(|event| match event {
            Event::Alarm(alarm) => Some(alarm),
            _ => None,
        })
        .collect()
}

#[test]
fn who_scans_hears_nothing_and_is_soon_not_heard() {
    let mut world = World::with_phones(&[]);
    for number in 1..20 {
        let bytes = request(Method::Options, number).to_bytes();
        world.inject(stranger(1), BRIDGE, &bytes);
    }
    assert_eq!(answers(&mut world), []);
    let source: IpAddr = stranger(1).ip();
    let lasts = Duration::from_mins(1);
    assert_eq!(alarms(&mut world), [Alarm::SourceBlocked { source, lasts }]);
    assert_eq!(world.agents[BRIDGE].0.load(), 0);
    // What it could have had before it does not get now.
    let invite = request(Method::Invite, 30).to_bytes();
    world.inject(stranger(1), BRIDGE, &invite);
    assert_eq!(answers(&mut world), []);
    world.inject(stranger(2), BRIDGE, &invite);
    assert_eq!(answers(&mut world), [401]);
}

#[test]
fn calls_and_registrations_without_proof_cost_a_challenge_and_are_forgotten() {
    let mut world = World::with_phones(&[]);
    for number in 1..30 {
        for method in [Method::Invite, Method::Register] {
            world.inject(stranger(1), BRIDGE, &request(method, number).to_bytes());
        }
    }
    assert_eq!(answers(&mut world), [401; 58]);
    assert_eq!(world.agents[BRIDGE].0.load(), 0);
    assert_eq!(world.agents[BRIDGE].0.poll_timeout(), None);
    assert_eq!(world.events(BRIDGE), []);
}

#[test]
fn bytes_that_are_no_message_are_dropped_and_their_sender_is_blocked() {
    let mut world = World::with_phones(&["210"]);
    world.events(BRIDGE);
    for _ in 0..20 {
        world.inject(stranger(1), BRIDGE, b"GET / HTTP/1.1\r\n\r\n");
        world.inject(address(1), BRIDGE, b"not SIP at all");
    }
    assert_eq!(alarms(&mut world).len(), 1, "the phone's address is not blocked");
    world.call(1, to_trunk("varde", "1"));
    world.incoming(BRIDGE);
}

#[test]
fn guessing_is_stopped_and_the_phone_itself_goes_on() {
    let mut world = World::with_phones(&["210", "210"]);
    world.events(BRIDGE);
    let mut guess = trunk("varde", BRIDGE, Some("210"));
    guess.login.as_mut().unwrap().secret = Secret::Password("gjettet".into());
    world.configure(2, Directory::default());
    world.run(SOON);
    world.events(BRIDGE);
    world.wire.clear();
    // Each reload is an attempt.
    for attempt in 0..15 {
        guess.register = Some(Duration::from_secs(600 + attempt));
        let trunks = vec![guess.clone()];
        world.configure(
            2,
            Directory {
                trunks,
                ..Directory::default()
            },
        );
        world.run(SOON);
    }
    let said = answers(&mut world);
    assert_eq!(said.iter().filter(|status| **status == 403).count(), 10);
    assert!(!said.contains(&200));
    let source = address(2).ip();
    assert!(
        matches!(alarms(&mut world)[..], [Alarm::SourceBlocked { source: blocked, .. }] if blocked == source)
    );
    world.call(1, to_trunk("varde", "1"));
    world.incoming(BRIDGE);
}

#[test]
fn an_account_that_does_not_exist_is_refused_as_one_that_does() {
    let mut world = World::new(3);
    world.configure(
        BRIDGE,
        Directory {
            accounts: vec![account("210")],
            ..Directory::default()
        },
    );
    for (agent, user) in [(1, "210"), (2, "999")] {
        let mut guess = trunk("varde", BRIDGE, Some(user));
        guess.login.as_mut().unwrap().secret = Secret::Password("gjettet".into());
        let trunks = vec![guess];
        world.configure(
            agent,
            Directory {
                trunks,
                ..Directory::default()
            },
        );
        world.run(SOON);
        assert_eq!(answers(&mut world), [401, 403]);
    }
}

#[test]
fn what_a_phone_has_sent_proves_nothing_when_somebody_else_sends_it() {
    let mut world = World::with_phones(&["210"]);
    world.call(1, to_trunk("varde", "1"));
    world.incoming(BRIDGE);
    let proofs: Vec<Vec<u8>> = world
        .wire
        .drain(..)
        .filter(|(by, bytes)| *by == 1 && String::from_utf8_lossy(bytes).contains("Authorization:"))
        .map(|(_, bytes)| bytes)
        .collect();
    assert_eq!(proofs.len(), 2, "a registration and a call");
    // After every repetition that would be answered as before.
    world.run(Duration::from_mins(2));
    world.events(BRIDGE);
    world.wire.clear();
    for proof in proofs {
        let other = String::from_utf8(proof)
            .unwrap()
            .replace("branch=z9hG4bK", "branch=z9hG4bKx");
        world.inject(stranger(1), BRIDGE, other.as_bytes());
    }
    assert_eq!(answers(&mut world), [401, 401]);
    assert_eq!(world.events(BRIDGE), []);
}

fn md5(text: &str) -> String {
    use md5::Digest as _;
    md5::Md5::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn nobody_registers_for_another() {
    let mut world = World::with_phones(&[]);
    let statuses = ["210", "211"].map(|to| {
        let mut register = request(Method::Register, 1);
        register.set("To", format!("<sip:{to}@varde.example>"));
        register.set("Call-ID", format!("register {to}"));
        world.inject(stranger(1), BRIDGE, &register.to_bytes());
        let (_, challenge) = world.wire.pop().unwrap();
        let challenge = Message::parse(&challenge).unwrap();
        let nonce = challenge.header("WWW-Authenticate").unwrap();
        let nonce = nonce.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        let (ha1, ha2) = (
            md5("210:varde.example:hemmelig 210"),
            md5("REGISTER:sip:varde.example"),
        );
        let response = md5(&format!("{ha1}:{nonce}:{ha2}"));
        let proof = format!(
            "Digest username=\"210\", realm=\"varde.example\", nonce=\"{nonce}\", uri=\"sip:varde.example\", \
             response=\"{response}\", algorithm=MD5"
        );
        let register = register.with("Authorization", proof);
        world.inject(stranger(1), BRIDGE, &register.to_bytes());
        answers(&mut world)
    });
    assert_eq!(statuses, [vec![200], vec![403]]);
}

#[test]
fn a_call_is_not_ended_by_who_only_knows_its_name() {
    let mut world = World::with_phones(&["210"]);
    world.call(1, to_trunk("varde", "1"));
    let leg = world.incoming(BRIDGE).leg;
    world.command(
        BRIDGE,
        Command::Answer {
            leg,
            sdp: "v=0".into(),
        },
    );
    world.run(SOON);
    let (_, ack) = world.wire.iter().rfind(|(by, _)| *by == 1).unwrap();
    let ack = Message::parse(ack).unwrap();
    let mut bye = request(Method::Bye, 99);
    bye.set("Call-ID", ack.call_id());
    bye.set("From", ack.header("From").unwrap());
    bye.set("To", "<sip:1@varde.example>;tag=0123456789abcdef");
    world.events(BRIDGE);
    world.inject(stranger(1), BRIDGE, &bye.to_bytes());
    world.inject(address(1), BRIDGE, &bye.to_bytes());
    assert_eq!(world.events(BRIDGE), []);
    assert_eq!(world.agents[BRIDGE].0.legs(), 1);
}

#[test]
fn an_account_that_is_taken_away_is_out_at_once() {
    let mut world = World::with_phones(&["210"]);
    world.configure(BRIDGE, Directory::default());
    world.events(1);
    let leg = world.call(1, to_trunk("varde", "1"));
    world.run(SOON);
    assert!(matches!(
        &world.events(1)[..],
        [Event::Ended(ended)] if ended.leg == leg && ended.why == varde_sip::Why::Refused { status: 403, moved_to: None }
    ));
}

#[test]
fn a_phone_whose_secret_was_changed_is_registered_no_more() {
    let mut world = World::with_phones(&["210"]);
    let mut changed = account("210");
    changed.secret = Secret::Password("en annen".into());
    world.events(BRIDGE);
    for (accounts, gone) in [(vec![account("210")], false), (vec![changed], true)] {
        world.configure(
            BRIDGE,
            Directory {
                accounts,
                ..Directory::default()
            },
        );
        let is_gone =
            |event: &Event| matches!(event, Event::Unregistered { account, contacts: 0 } if account == "210");
        assert_eq!(world.events(BRIDGE).iter().any(is_gone), gone);
    }
}

#[test]
fn a_datagram_from_the_address_of_a_trunk_that_speaks_tls_proves_nothing() {
    let mut world = World::new(2);
    for (transport, expected) in [(Transport::Udp, false), (Transport::Tls, true)] {
        let mut one = trunk("operator", 1, None);
        one.transport = transport;
        world.configure(
            BRIDGE,
            Directory {
                trunks: vec![one],
                ..Directory::default()
            },
        );
        let number = u32::from(expected) + 1;
        world.inject(address(1), BRIDGE, &request(Method::Invite, number).to_bytes());
        assert_eq!(answers(&mut world).contains(&401), expected, "{transport:?}");
    }
}

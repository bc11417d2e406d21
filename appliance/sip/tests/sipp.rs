//! The bridge on real sockets, with sipp (Debian's sip-tester) and with itself at the other end.
//!
//! Each test has loopback addresses of its own: 127.9.N.1 is the bridge, .2 a trunk, .3 a phone.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

mod world;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command as Program};
use tokio::time::timeout;
use varde_sip::{
    Account, Command, Digests, Directory, Ended, Event, Identity, Incoming, LegId, Listener, Outgoing, Party,
    Secret, Setup, Sip, Tls, Transport, Trunk, Why,
};

/// More than any of it takes on a busy machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(40);

fn bridge(net: u8) -> SocketAddr {
    format!("127.9.{net}.1:5060").parse().unwrap()
}

fn trunk(net: u8, transport: Transport) -> Trunk {
    Trunk {
        host: format!("127.9.{net}.2"),
        transport,
        ..world::trunk("sipp", 0, None)
    }
}

fn directory(net: u8, transport: Transport) -> Directory {
    Directory {
        accounts: vec![Account {
            secret: Secret::Password("hemmelig".into()),
            ..world::account("210")
        }],
        trunks: vec![trunk(net, transport)],
        // Sipp 3.6 knows no other, and gives up at the first that it does not know.
        digests: Digests::Md5,
        ..Directory::default()
    }
}

async fn start(net: u8, transport: Transport) -> Sip {
    let mut setup = Setup {
        listeners: vec![Listener {
            transport,
            address: bridge(net),
            advertised: None,
        }],
        ..world::setup(0, false)
    };
    // So that a dead peer is found while the test watches.
    setup.timers.t1 = Duration::from_millis(100);
    setup.timers.session = Duration::from_secs(4);
    setup.timers.session_min = Duration::from_secs(2);
    let mut sip = Sip::start(setup, directory(net, transport)).await.unwrap();
    next(&mut sip, |event| {
        matches!(event, Event::TrunkUp { .. }).then_some(())
    })
    .await;
    sip
}

/// Waits for an event, past others.
async fn next<T>(sip: &mut Sip, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let mut seen = Vec::new();
    let found = timeout(PATIENCE, async {
        loop {
            let event = sip.event().await;
            if let Some(found) = wanted(&event) {
                return found;
            }
            seen.push(event);
        }
    })
    .await;
    found.unwrap_or_else(|_| panic!("not among {seen:#?}"))
}

async fn incoming(sip: &mut Sip) -> Incoming {
    next(sip, |event| match event {
        Event::Incoming(call) => Some((**call).clone()),
        _ => None,
    })
    .await
}

async fn ended(sip: &mut Sip) -> Ended {
    next(sip, |event| match event {
        Event::Ended(ended) => Some(ended.clone()),
        _ => None,
    })
    .await
}

fn to_trunk() -> Outgoing {
    world::to_trunk("sipp", "33440000")
}

/// Sipp, at work. It is killed if it is dropped.
struct Sipp(Child);

impl Sipp {
    /// `host` is the last number of its address.
    fn start(net: u8, host: u8, arguments: &[&str]) -> Self {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp");
        let child = Program::new("sipp")
            .current_dir(scenarios)
            .args([
                "-i",
                &format!("127.9.{net}.{host}"),
                "-p",
                "5060",
                "-m",
                "1",
                "-nostdin",
            ])
            .args(["-timeout", "30", "-timeout_error", "-cid_str", "%u-%p@%s"])
            .args(arguments)
            .arg(bridge(net).to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("sipp is in Debian's package sip-tester");
        Self(child)
    }

    /// Waits until it listens: a call before that would find nobody.
    async fn listening(self, net: u8, transport: Transport) -> Self {
        let address = format!("127.9.{net}.2:5060");
        let free = async || match transport {
            Transport::Udp => tokio::net::UdpSocket::bind(&address).await.is_ok(),
            _ => tokio::net::TcpStream::connect(&address).await.is_err(),
        };
        timeout(PATIENCE, async {
            while free().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("sipp does not listen");
        self
    }

    /// Waits for its end, which must be a good one, while the bridge works on. What happened meanwhile comes back.
    async fn succeeds(self, sip: &mut Sip) -> Vec<Event> {
        let mut seen = Vec::new();
        let output = async {
            let mut done = std::pin::pin!(self.0.wait_with_output());
            loop {
                tokio::select! {
                    output = &mut done => return output.unwrap(),
                    event = sip.event() => seen.push(event),
                }
            }
        };
        let output = timeout(PATIENCE, output).await.expect("sipp does not end");
        assert!(
            output.status.success(),
            "{}\n{}\n{seen:#?}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        seen
    }
}

fn answer(leg: LegId) -> Command {
    Command::Answer {
        leg,
        sdp: "v=0\r\no=answer\r\n".into(),
    }
}

#[tokio::test]
async fn a_trunk_calls_over_udp_and_tcp() {
    for (net, transport, mode) in [(1, Transport::Udp, "u1"), (2, Transport::Tcp, "t1")] {
        let mut sip = start(net, transport).await;
        let sipp = Sipp::start(net, 2, &["-sn", "uac", "-t", mode, "-s", "33440000", "-d", "50"]);
        let call = incoming(&mut sip).await;
        assert_eq!(call.source, Party::Trunk("sipp".into()));
        assert_eq!(call.called, "33440000");
        let leg = call.leg;
        sip.command(Command::Progress {
            leg,
            status: 180,
            sdp: None,
        });
        sip.command(answer(leg));
        assert_eq!(ended(&mut sip).await.why, Why::HungUp);
        sipp.succeeds(&mut sip).await;
    }
}

#[tokio::test]
async fn a_trunk_is_called_over_udp_and_tcp() {
    for (net, transport, mode) in [(3, Transport::Udp, "u1"), (4, Transport::Tcp, "t1")] {
        let mut sip = start(net, transport).await;
        let sipp = Sipp::start(net, 2, &["-sn", "uas", "-t", mode]);
        let sipp = sipp.listening(net, transport).await;
        let leg = sip.call(to_trunk());
        let status = next(&mut sip, |event| match event {
            Event::Progress { status, .. } => Some(*status),
            _ => None,
        });
        assert_eq!(status.await, 180);
        next(&mut sip, |event| {
            matches!(event, Event::Answered { .. }).then_some(())
        })
        .await;
        sip.command(Command::HangUp { leg, cause: Some(16) });
        assert_eq!(ended(&mut sip).await.why, Why::Released);
        sipp.succeeds(&mut sip).await;
    }
}

#[tokio::test]
async fn a_phone_registers_and_calls_with_proof() {
    for (net, transport, mode) in [(5, Transport::Udp, "u1"), (6, Transport::Tcp, "t1")] {
        let mut sip = start(net, transport).await;
        let sipp = Sipp::start(net, 3, &["-sf", "phone.xml", "-t", mode]);
        next(&mut sip, |event| {
            matches!(event, Event::Registered { contacts: 1, .. }).then_some(())
        })
        .await;
        let call = incoming(&mut sip).await;
        assert_eq!(call.source, Party::Account("210".into()));
        sip.command(answer(call.leg));
        assert_eq!(ended(&mut sip).await.why, Why::HungUp);
        let seen = sipp.succeeds(&mut sip).await;
        // Over a connection that is gone nobody can be called.
        let gone = |event: &Event| matches!(event, Event::Unregistered { contacts: 0, .. });
        if transport == Transport::Tcp && !seen.iter().any(gone) {
            next(&mut sip, |event| gone(event).then_some(())).await;
        }
    }
}

#[tokio::test]
async fn a_trunk_that_is_called_gives_early_media_and_rings_reliably() {
    let mut sip = start(7, Transport::Udp).await;
    let sipp = Sipp::start(7, 2, &["-sf", "reliable_uas.xml"]);
    let sipp = sipp.listening(7, Transport::Udp).await;
    let leg = sip.call(to_trunk());
    let mut progress = Vec::new();
    for _ in 0..2 {
        progress.push(
            next(&mut sip, |event| match event {
                Event::Progress { status, sdp, .. } => Some((*status, sdp.is_some())),
                _ => None,
            })
            .await,
        );
    }
    assert_eq!(progress, [(183, true), (180, false)]);
    let sdp = next(&mut sip, |event| match event {
        Event::Answered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert!(sdp.await.contains("o=answer"));
    sip.command(Command::HangUp { leg, cause: None });
    sipp.succeeds(&mut sip).await;
}

#[tokio::test]
async fn a_trunk_that_requires_100rel_calls_changes_the_session_and_gives_a_cause() {
    let mut sip = start(8, Transport::Udp).await;
    let sipp = Sipp::start(8, 2, &["-sf", "reliable_uac.xml"]);
    let call = incoming(&mut sip).await;
    assert_eq!(call.asserted, Some(Identity::number("+4711223344")));
    assert_eq!(call.diversions[0].reason, "no-answer");
    let leg = call.leg;
    for (status, sdp) in [(183, Some("v=0\r\no=early\r\n".to_owned())), (180, None)] {
        sip.command(Command::Progress { leg, status, sdp });
    }
    sip.command(answer(leg));
    let offer = next(&mut sip, |event| match event {
        Event::Offer { sdp, .. } => sdp.clone(),
        _ => None,
    });
    assert!(offer.await.contains("sendonly"));
    sip.command(Command::AnswerOffer {
        leg,
        sdp: "v=0\r\no=held\r\n".into(),
    });
    let end = ended(&mut sip).await;
    assert_eq!((end.why, end.cause), (Why::HungUp, Some(31)));
    sipp.succeeds(&mut sip).await;
}

#[tokio::test]
async fn a_trunk_refuses_and_a_call_to_it_is_taken_back() {
    let mut sip = start(9, Transport::Udp).await;
    let sipp = Sipp::start(9, 2, &["-sf", "refuse_uas.xml"]);
    let sipp = sipp.listening(9, Transport::Udp).await;
    sip.call(to_trunk());
    let end = ended(&mut sip).await;
    let why = Why::Refused {
        status: 486,
        moved_to: None,
    };
    assert_eq!((end.why, end.cause), (why, Some(17)));
    sipp.succeeds(&mut sip).await;

    let sipp = Sipp::start(9, 2, &["-sf", "cancelled_uas.xml"]);
    let sipp = sipp.listening(9, Transport::Udp).await;
    let leg = sip.call(to_trunk());
    next(&mut sip, |event| {
        matches!(event, Event::Progress { .. }).then_some(())
    })
    .await;
    sip.command(Command::HangUp { leg, cause: Some(16) });
    assert_eq!(ended(&mut sip).await.why, Why::Released);
    sipp.succeeds(&mut sip).await;
}

#[tokio::test]
async fn a_trunk_that_dies_in_a_call_is_found() {
    let mut sip = start(10, Transport::Udp).await;
    let mut sipp = Sipp::start(10, 2, &["-sn", "uas"])
        .listening(10, Transport::Udp)
        .await;
    sip.call(to_trunk());
    next(&mut sip, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    })
    .await;
    sipp.0.kill().await.unwrap();
    assert_eq!(ended(&mut sip).await.why, Why::Dead);
}

#[tokio::test]
async fn a_trunk_without_anybody_is_unreachable_over_tcp_at_once() {
    let mut sip = start(11, Transport::Tcp).await;
    let mut patient = directory(11, Transport::Tcp);
    // So that it is the refused connection that says it.
    patient.limits.first_answer = PATIENCE * 10;
    sip.configure(patient);
    sip.call(to_trunk());
    assert_eq!(ended(&mut sip).await.why, Why::Unreachable);
}

/// A certificate that vouches for itself, and its key.
fn certificate(folder: &Path, name: &str) -> (Vec<u8>, Vec<u8>) {
    let file = |kind: &str| folder.join(format!("{name}.{kind}"));
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-days", "2", "-subj", "/CN=varde.example"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args([
            "-addext",
            "subjectAltName=IP:127.9.12.1,IP:127.9.12.2,IP:127.9.12.3",
        ])
        .arg("-keyout")
        .arg(file("key"))
        .arg("-out")
        .arg(file("crt"))
        .output()
        .expect("openssl is in Debian's package of that name");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (
        std::fs::read(file("crt")).unwrap(),
        std::fs::read(file("key")).unwrap(),
    )
}

#[tokio::test]
async fn two_bridges_speak_tls_to_each_other_and_only_to_whom_they_trust() {
    let folder = tempfile::tempdir().unwrap();
    let (own, key) = certificate(folder.path(), "own");
    let (foreign, _) = certificate(folder.path(), "foreign");
    let tls = |trusted: &[u8]| Tls {
        certificate: own.clone(),
        key: key.clone(),
        trusted: trusted.to_vec(),
    };
    let begin = async |host: u8, other: u8, trusted: &[u8]| {
        let setup = Setup {
            listeners: vec![Listener {
                transport: Transport::Tls,
                address: format!("127.9.12.{host}:5061").parse().unwrap(),
                advertised: None,
            }],
            tls: Some(tls(trusted)),
            ..world::setup(0, false)
        };
        let other = Trunk {
            host: format!("127.9.12.{other}"),
            port: 5061,
            transport: Transport::Tls,
            ..world::trunk("sipp", 0, None)
        };
        let trunks = vec![other];
        let mut sip = Sip::start(
            setup,
            Directory {
                trunks,
                ..Directory::default()
            },
        )
        .await
        .unwrap();
        next(&mut sip, |event| {
            matches!(event, Event::TrunkUp { .. }).then_some(())
        })
        .await;
        sip
    };
    let mut first = begin(1, 2, &own).await;
    let mut second = begin(2, 1, &own).await;
    first.call(to_trunk());
    let both = async {
        let call = tokio::select! {
            call = incoming(&mut second) => call,
            _ = ended(&mut first) => panic!("the call has ended"),
        };
        second.command(answer(call.leg));
        tokio::select! {
            () = next(&mut first, |event| matches!(event, Event::Answered { .. }).then_some(())) => {}
            _ = ended(&mut second) => panic!("the call has ended"),
        }
    };
    timeout(PATIENCE, both).await.unwrap();

    let mut wary = begin(3, 2, &foreign).await;
    wary.call(to_trunk());
    let end = async {
        tokio::select! {
            end = ended(&mut wary) => end,
            _ = incoming(&mut second) => panic!("a call from somebody who does not trust us"),
        }
    };
    assert_eq!(end.await.why, Why::Unreachable);
}

//! A phone that registers with its secret, is called from an exchange of libpri, and the record of its signalling. It
//! is our own SIP from the other side; SIP against others is tried in `varde-sip` and over trunks.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use varde_bus::telephony::CallState;
use varde_capture::Frame;
use varde_sip::{
    Command, Directory, Event, Listener, Login, Secret, Setup, Sip, Timers, Transport, Trunk, TrunkTrouble,
};
use varde_telephony::secrets::Of;
use varde_telephony_lab::PATIENCE;

use crate::rig::free;
use crate::sip::{Sipp, start};

const SECRET: &str = "riktig hest batteri";

/// What a phone notices.
#[derive(Debug, PartialEq, Eq)]
enum Noticed {
    Registered,
    Refused,
    Ended,
}

/// A phone that answers whoever calls.
struct Phone {
    noticed: mpsc::UnboundedReceiver<Noticed>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Phone {
    async fn start(registrar: SocketAddr, secret: &str) -> Self {
        let listener = Listener {
            transport: Transport::Udp,
            address: "127.0.0.1:0".parse().unwrap(),
            advertised: None,
        };
        let setup = Setup {
            listeners: vec![listener],
            tls: None,
            realm: "telefoni.fylke.no".into(),
            product: "phone".into(),
            tap: false,
            timers: Timers::default(),
        };
        let registration = Trunk {
            name: "registrar".into(),
            host: registrar.ip().to_string(),
            port: registrar.port(),
            transport: Transport::Udp,
            sources: Vec::new(),
            domain: Some("telefoni.fylke.no".into()),
            login: Some(Login {
                user: "skranke".into(),
                secret: Secret::Password(secret.into()),
            }),
            register: Some(Duration::from_mins(10)),
            probe: None,
            max_legs: 4,
        };
        let directory = Directory {
            trunks: vec![registration],
            ..Directory::default()
        };
        let mut sip = Sip::start(setup, directory).await.unwrap();
        let address = sip.bound()[0].1;
        let (notice, noticed) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let noticed = match sip.event().await {
                    Event::TrunkUp { .. } => Noticed::Registered,
                    Event::TrunkDown {
                        why: TrunkTrouble::RegistrationRefused(_),
                        ..
                    } => Noticed::Refused,
                    Event::Incoming(incoming) => {
                        let sdp = format!(
                            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                             m=audio {} RTP/AVP 8\r\n",
                            free().port()
                        );
                        let (leg, status) = (incoming.leg, 180);
                        sip.command(Command::Progress {
                            leg,
                            status,
                            sdp: None,
                        });
                        sip.command(Command::Answer { leg, sdp });
                        continue;
                    }
                    Event::Ended(_) => Noticed::Ended,
                    _ => continue,
                };
                if notice.send(noticed).is_err() {
                    return;
                }
            }
        });
        Self {
            noticed,
            address,
            task,
        }
    }

    async fn notices(&mut self) -> Noticed {
        timeout(PATIENCE, self.noticed.recv()).await.unwrap().unwrap()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn a_phone_registers_with_its_secret_is_called_from_the_exchange_and_the_call_is_recorded() {
    let mut site = start().await;
    let kept = |bridge: &mut varde_telephony::bridge::Bridge| {
        bridge.set_secret(Of::Extension("200"), SECRET).is_ok()
    };
    assert!(site.rig.with(kept).await);
    let mut stranger = Phone::start(site.sip, "gal hest").await;
    assert_eq!(stranger.notices().await, Noticed::Refused);
    drop(stranger);
    let mut phone = Phone::start(site.sip, SECRET).await;
    assert_eq!(phone.notices().await, Noticed::Registered);
    let extension = site.rig.with(|bridge| bridge.extensions().remove(0)).await;
    assert!(
        extension.reachable && extension.contact == phone.address.to_string(),
        "{extension:?}"
    );

    site.pbx.order("call 0 3 35501012 200");
    site.pbx.says("answered 0").await;
    site.pbx.order("clear 0 16");
    assert_eq!(phone.notices().await, Noticed::Ended);
    let records = site.rig.records(1).await;
    assert_eq!(records[0].record.to.as_deref(), Some("extension 200"));

    let call = records[0].record.call;
    let file = site.rig.with(move |bridge| bridge.recording(call)).await.unwrap();
    let packets = varde_capture::read(&file).unwrap();
    let of_line = packets
        .iter()
        .filter(|packet| matches!(packet.frame, Frame::Lapd { .. }));
    let messages: Vec<String> = packets
        .iter()
        .filter_map(|packet| match &packet.frame {
            Frame::Sip { bytes, .. } => String::from_utf8_lossy(bytes).lines().next().map(String::from),
            Frame::Lapd { .. } => None,
        })
        .collect();
    assert!(
        of_line.count() >= 4,
        "SETUP, CONNECT, DISCONNECT, RELEASE at least"
    );
    for beginning in ["INVITE", "SIP/2.0 180", "SIP/2.0 200", "ACK", "BYE"] {
        assert!(
            messages.iter().any(|line| line.starts_with(beginning)),
            "{beginning}: {messages:?}"
        );
    }
}

#[tokio::test]
async fn a_trunk_calls_a_phone_and_an_operator_ends_the_call_on_both_sides() {
    let site = start().await;
    let kept = |bridge: &mut varde_telephony::bridge::Bridge| {
        bridge.set_secret(Of::Extension("200"), SECRET).is_ok()
    };
    assert!(site.rig.with(kept).await);
    let mut phone = Phone::start(site.sip, SECRET).await;
    assert_eq!(phone.notices().await, Noticed::Registered);
    let trunk = Sipp::start("calls", site.trunks[0], Some((site.sip, "200")));
    let talks = async {
        loop {
            let calls = site.rig.with(|bridge| bridge.calls()).await;
            if calls.first().is_some_and(|call| call.state == CallState::Talking) {
                return calls[0].id;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let call = timeout(PATIENCE, talks).await.unwrap();
    // As if an operator had seen enough of it.
    assert!(site.rig.with(move |bridge| bridge.clear(call)).await);
    assert_eq!(phone.notices().await, Noticed::Ended);
    trunk.done().await;
    let record = &site.rig.records(1).await[0].record;
    assert_eq!(
        (record.from.as_str(), record.to.as_deref()),
        ("trunk en", Some("extension 200"))
    );
}

#[tokio::test]
async fn hundreds_of_calls_leave_no_channel_that_is_stuck() {
    let mut site = start().await;
    for round in 0..20_u8 {
        let n = round % 2;
        for channel in 1..=10_u8 {
            let call = n * 10 + channel;
            site.pbx.order(&format!("call {call} {channel} 35501012 99"));
        }
        for channel in 1..=10_u8 {
            let call = n * 10 + channel;
            assert_eq!(site.pbx.says(&format!("cleared {call} ")).await, ["28"]);
            site.pbx.says(&format!("over {call}")).await;
        }
    }
    site.rig.rests("sentral").await;
    let records = site.rig.with(|bridge| bridge.reader().read(0, 1000).len()).await;
    assert_eq!(records, 200);
    assert_eq!(site.rig.with(|bridge| bridge.calls().len()).await, 0);
}

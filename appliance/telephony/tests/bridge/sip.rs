//! Between an exchange of libpri and SIP trunks of sipp.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::net::UdpSocket;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use varde_line::udp::Bound;

use varde_telephony_lab::PATIENCE;
use varde_telephony_lab::Pbx;

use crate::rig::{Rig, free, telephony};

/// One end of sipp, on a port of its own; its audio is an echo.
pub struct Sipp {
    child: Child,
    _echo: Echo,
    folder: tempfile::TempDir,
}

impl Sipp {
    /// Somebody who is called at `at`, or calls `called` at `bridge` from there; one call, then it ends.
    pub fn start(scenario: &str, at: SocketAddr, calls: Option<(SocketAddr, &str)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let echo = Echo::start();
        let scenario =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/bridge/sipp/{scenario}.xml"));
        let mut command = Command::new("sipp");
        command
            .arg("-sf")
            .arg(scenario)
            .args(["-i", &at.ip().to_string(), "-p", &at.port().to_string()])
            .args(["-mi", "127.0.0.1", "-key", "rtp", &echo.port.to_string()])
            .args(["-m", "1", "-nostdin", "-trace_logs", "-log_file"])
            .arg(folder.path().join("log"))
            .args(["-trace_err", "-error_file"])
            .arg(folder.path().join("errors"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some((bridge, called)) = calls {
            command.args(["-s", called, &bridge.to_string()]);
        }
        let child = command
            .spawn()
            .expect("sipp starts: install sip-tester, or run cargo xtask test, which does");
        Self {
            child,
            _echo: echo,
            folder,
        }
    }

    /// Waits until its call has gone as its scenario says; gives what it has noted.
    pub async fn done(mut self) -> String {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let read = |name| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        let errors = read("errors");
        assert!(
            ended.is_ok_and(|status| status.unwrap().success()),
            "the call did not go as the scenario says: {errors}"
        );
        read("log")
    }
}

/// Sends RTP back as another stream: an own stream that comes back is one that nobody listens to.
struct Echo {
    port: u16,
    task: JoinHandle<()>,
}

impl Echo {
    fn start() -> Self {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port();
        let socket = UdpSocket::from_std(socket).unwrap();
        let task = tokio::spawn(async move {
            let mut space = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut space).await {
                // The stream's number (RFC 3550 §5.1).
                space[8] ^= 0xff;
                drop(socket.send_to(&space[..length], from).await);
            }
        });
        Self { port, task }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An exchange on a line, two trunks, and a phone without a secret.
pub struct Site {
    pub rig: Rig,
    pub pbx: Pbx,
    pub sip: SocketAddr,
    pub trunks: [SocketAddr; 2],
}

pub async fn start() -> Site {
    let bound = Bound::new("127.0.0.1:0".parse().unwrap()).unwrap();
    let (line, far) = (free(), bound.address());
    // Who calls from a trunk is known by its address.
    let second = SocketAddr::from(([127, 0, 0, 2], free().port()));
    let (sip, trunks) = (free(), [free(), second]);
    let text = format!(
        r#"
[telephony]
domain = "telefoni.fylke.no"
listen = ["udp:{sip}"]
rtp_ports = "20000-29999"
[telephony.emergency]
to = ["en", "to"]
number = "35501000"
location = "Telemarksvegen 1, Skien"
[telephony.emergency.test]
calendar = ["*-*-* 04:10"]
number = "35509999"
within = "20 s"
[[telephony.line]]
name = "sentral"
title = "Sentral"
access = "primary"
side = "network"
local = "{line}"
remote = "{far}"
number = "35501000"
ddi = "355010"
ddi_digits = 2
[[telephony.trunk]]
name = "en"
title = "En"
address = "{one}"
kind = "peer"
check_every = "0 s"
[[telephony.trunk]]
name = "to"
title = "To"
address = "{two}"
kind = "peer"
check_every = "0 s"
[[telephony.extension]]
number = "200"
title = "Skranken"
account = "skranke"
forward_no_answer = "35501055"
[[telephony.route]]
prefix = ""
to = ["en", "to"]
"#,
        one = trunks[0],
        two = trunks[1],
    );
    let rig = Rig::start(telephony(&text)).await;
    let mut pbx = Pbx::start(bound, line, "user");
    pbx.says("up").await;
    rig.rests("sentral").await;
    rig.listens().await;
    Site {
        rig,
        pbx,
        sip,
        trunks,
    }
}

/// A-law that is no silence, and repeats nowhere within a packet.
fn sound(from: u8) -> Vec<u8> {
    (0..160).map(|step: u8| from.wrapping_add(step) | 1).collect()
}

#[tokio::test]
async fn an_exchange_calls_over_a_trunk_and_hears_itself_octet_for_octet() {
    let mut site = start().await;
    let trunk = Sipp::start("answers", site.trunks[0], None);
    site.pbx.order("call 0 3 35501012 22445566");
    assert_eq!(
        site.pbx.says("alerting 0").await,
        ["1"],
        "with the tone of ringing in the channel"
    );
    site.pbx.says("answered 0").await;
    // The far end sends back what it gets; what comes is looked for, for silence comes before it and after.
    let (said, mut heard) = (sound(7), Vec::new());
    while !heard.windows(said.len()).any(|window| window == said) {
        site.pbx.play(3, &said);
        heard.extend(site.pbx.hears(3, 160).await);
        assert!(heard.len() < 8000 * 20, "nothing of what was said came back");
    }
    site.pbx.order("clear 0 16");
    site.pbx.says("over 0").await;
    let noted = trunk.done().await;
    assert!(noted.contains("+4735501012"), "{noted}");
    let records = site.rig.records(1).await;
    assert_eq!(records[0].record.to.as_deref(), Some("trunk en"));
    assert!(records[0].called.packets > 0 && records[0].caller.channel == 3);
}

#[tokio::test]
async fn a_trunk_calls_a_number_of_the_exchange() {
    let mut site = start().await;
    let trunk = Sipp::start("calls", site.trunks[0], Some((site.sip, "+4735501034")));
    let ring = site.pbx.says("ring ").await;
    assert_eq!(ring[2..], ["99887766", "35501034"]);
    site.pbx.order(&format!("alert {}", ring[0]));
    site.pbx.order(&format!("answer {}", ring[0]));
    // It has been answered when audio can be heard there; then the exchange hangs up.
    let channel = ring[1].parse().unwrap();
    let (said, mut heard) = (sound(9), Vec::new());
    while !heard.windows(said.len()).any(|window| window == said) {
        site.pbx.play(channel, &said);
        heard.extend(site.pbx.hears(channel, 160).await);
        assert!(heard.len() < 8000 * 20, "nothing of what was said came back");
    }
    site.pbx.order(&format!("clear {} 16", ring[0]));
    trunk.done().await;
    let record = &site.rig.records(1).await[0].record;
    assert_eq!((record.from.as_str(), record.caller_cause), ("trunk en", 16));
}

#[tokio::test]
async fn who_is_busy_on_a_line_is_busy_on_a_trunk_and_the_cause_goes_along() {
    let mut site = start().await;
    let trunk = Sipp::start("busy", site.trunks[0], Some((site.sip, "+4735501034")));
    let ring = site.pbx.says("ring ").await;
    site.pbx.order(&format!("clear {} 17", ring[0]));
    trunk.done().await;
}

#[tokio::test]
async fn a_trunk_that_refuses_leaves_the_call_to_the_next() {
    let mut site = start().await;
    let first = Sipp::start("refuses", site.trunks[0], None);
    let second = Sipp::start("answers", site.trunks[1], None);
    site.pbx.order("call 0 3 35501012 22445566");
    site.pbx.says("answered 0").await;
    first.done().await;
    site.pbx.order("clear 0 16");
    second.done().await;
    let records = site.rig.records(1).await;
    let tried: Vec<_> = records[0]
        .record
        .attempts
        .iter()
        .map(|one| (one.place.as_str(), one.cause))
        .collect();
    assert_eq!(tried, [("trunk en", Some(41)), ("trunk to", None)]);
}

#[tokio::test]
async fn a_call_for_help_tells_the_number_though_it_be_secret_and_the_place() {
    let mut site = start().await;
    let trunk = Sipp::start("answers", site.trunks[0], None);
    site.pbx.order("call 0 3 !35501012 112");
    site.pbx.says("answered 0").await;
    site.pbx.order("clear 0 16");
    let noted = trunk.done().await;
    assert!(
        noted.contains("+4735501012") && noted.contains("Telemarksvegen 1, Skien"),
        "{noted}"
    );
    assert!(site.rig.records(1).await[0].record.emergency);
}

#[tokio::test]
async fn a_phone_that_is_not_registered_has_its_calls_forwarded() {
    let mut site = start().await;
    site.pbx.order("call 0 3 35501012 200");
    let ring = site.pbx.says("ring ").await;
    assert_eq!(ring[3], "35501055");
}

#[tokio::test]
async fn the_test_of_the_emergency_route_calls_over_each_target_and_says_what_became_of_it() {
    let site = start().await;
    let first = Sipp::start("answers", site.trunks[0], None);
    let second = Sipp::start("answers", site.trunks[1], None);
    let calls = site
        .rig
        .with(varde_telephony::bridge::Bridge::test_emergency)
        .await;
    assert_eq!(calls.len(), 2);
    for noted in [first.done().await, second.done().await] {
        assert!(noted.contains("Telemarksvegen 1, Skien"), "{noted}");
    }
    let records = site.rig.records(2).await;
    assert!(
        records
            .iter()
            .all(|one| one.record.test && one.record.answered.is_some())
    );
    assert!(site.rig.with(|bridge| bridge.status().test_passed).await);
}

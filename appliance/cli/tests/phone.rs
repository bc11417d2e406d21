//! `varde phone` against a service that answers as the real one does.
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(
    clippy::needless_pass_by_value,
    clippy::unused_self,
    reason = "the interface says what a method takes"
)]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use varde_bus::telephony::{
    self, CallRecord, CallState, CallStatus, ChannelState, ChannelStatus, ExtensionStatus, Health,
    LineStatus, Party, TelephonyStatus, TrunkStatus,
};
use varde_bus::testing::PrivateBus;
use varde_bus::{Failure, FailureKind, Text};
use zbus::interface;
use zbus::object_server::SignalEmitter;

/// 2026-11-22 12:00:00 UTC
const NOON: i64 = 1_795_348_800_000;

fn party(number: &str, place: &str, channel: u8) -> Party {
    Party {
        number: number.into(),
        place: place.into(),
        channel,
        secret: false,
    }
}

fn record(id: u64, answered: bool) -> CallRecord {
    CallRecord {
        id,
        emergency: false,
        test: true,
        from: party("35003000", "test", 0),
        to: party("35003099", "trunk operator", 0),
        dialled: "35003099".into(),
        started: NOON,
        rang: 0,
        answered: if answered { NOON + 2000 } else { 0 },
        ended: NOON + 67_000,
        ended_by: "caller".into(),
        from_cause: 16,
        from_status: 0,
        to_cause: if answered { 16 } else { 18 },
        to_status: if answered { 200 } else { 408 },
        outcome: if answered {
            Text::new("vanlig nedkobling", "normal call clearing")
        } else {
            Text::new("ingen svarte", "no user responding")
        },
        forwarded: vec![],
        tried: vec!["line bylinje".into()],
        from_packets: 0,
        from_lost: 0,
        from_jitter: 0,
        to_packets: 3000,
        to_lost: 2,
        to_jitter: 4,
        trouble: Text::default(),
        recorded: true,
    }
}

/// Asked for a test, it answers at once, and the record comes later. Calls to `404` are not answered.
struct Telephony {
    records: Arc<Mutex<Vec<CallRecord>>>,
    told: Arc<Mutex<Vec<String>>>,
}

#[interface(name = "no.varde.Telephony1")]
impl Telephony {
    fn status(&self) -> TelephonyStatus {
        TelephonyStatus {
            declared: true,
            troubles: vec![Text::new("Linjen bylinje er nede", "The line bylinje is down")],
            generation: 7,
            calls: 1,
            most_calls: 120,
            emergency_calls: 0,
            shed: 3,
            tested: NOON,
            test_passed: true,
            next_test: NOON + 86_400_000,
        }
    }

    fn lines(&self) -> Vec<LineStatus> {
        let channel = |number, state, call| ChannelStatus {
            number,
            state,
            since: NOON,
            call,
        };
        vec![LineStatus {
            name: "sentral".into(),
            title: "Hussentralen".into(),
            access: "primary".into(),
            side: "network".into(),
            bus: false,
            state: Health::Up,
            reason: Text::default(),
            since: NOON,
            remote: "10.20.0.40:931".into(),
            channels: vec![
                channel(1, ChannelState::Busy, 4),
                channel(2, ChannelState::Free, 0),
            ],
            reserved: 1,
        }]
    }

    fn trunks(&self) -> Vec<TrunkStatus> {
        vec![TrunkStatus {
            name: "operator".into(),
            title: "Teleoperatør".into(),
            kind: "register".into(),
            transport: "udp".into(),
            address: "sip.operator.no".into(),
            state: Health::Blocked,
            reason: Text::default(),
            since: NOON,
            calls: 0,
            most_calls: 30,
            credential: false,
        }]
    }

    fn extensions(&self) -> Vec<ExtensionStatus> {
        vec![ExtensionStatus {
            number: "101".into(),
            title: "Skranken".into(),
            public: "35003001".into(),
            place: "account skranke".into(),
            reachable: true,
            contact: "10.20.0.50:5060".into(),
            calls: 1,
            forwarded: String::new(),
            credential: true,
        }]
    }

    fn calls(&self) -> Vec<CallStatus> {
        vec![CallStatus {
            id: 4,
            state: CallState::Talking,
            emergency: true,
            test: false,
            from: party("35003012", "line sentral", 1),
            to: party("112", "trunk operator", 0),
            started: NOON,
            answered: NOON,
            trouble: Text::new("stille fra operator", "silence from operator"),
        }]
    }

    fn records(&self, before: u64, count: u32) -> Vec<CallRecord> {
        let records = self.records.lock().unwrap();
        let wanted = records
            .iter()
            .rev()
            .filter(|record| before == 0 || record.id < before);
        wanted.take(count as usize).cloned().collect()
    }

    fn test_call(
        &self,
        number: String,
        target: String,
        why: String,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> u64 {
        self.told
            .lock()
            .unwrap()
            .push(format!("test {number} {target} {why}"));
        let id = 10;
        // Others change first; what is waited for comes when the answer is out.
        let (records, emitter) = (Arc::clone(&self.records), emitter.to_owned());
        tokio::spawn(async move {
            Self::changed(&emitter, "calls".into()).await.unwrap();
            if number != "0" {
                records.lock().unwrap().push(record(id, number != "404"));
                Self::changed(&emitter, "records".into()).await.unwrap();
            }
        });
        id
    }

    fn test_emergency(&self, why: String) -> Vec<u64> {
        self.told.lock().unwrap().push(format!("emergency {why}"));
        vec![11, 12]
    }

    fn clear_call(&self, call: u64, why: String) -> Result<(), Failure> {
        self.told.lock().unwrap().push(format!("clear {call} {why}"));
        if call == 4 {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::NotFound,
            "Ingen slik samtale",
            "No such call",
        ))
    }

    fn restart_channel(&self, line: String, channel: u8, why: String) {
        self.told
            .lock()
            .unwrap()
            .push(format!("restart {line} {channel} {why}"));
    }

    fn set_credential(&self, of: String, secret: String, why: String) {
        self.told
            .lock()
            .unwrap()
            .push(format!("secret {of} {secret} {why}"));
    }

    fn recording(&self, call: u64, why: String) -> Vec<u8> {
        self.told.lock().unwrap().push(format!("recording {call} {why}"));
        vec![0x0a, u8::try_from(call).unwrap()]
    }

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>, what: String) -> zbus::Result<()>;
}

struct Appliance {
    bus: PrivateBus,
    told: Arc<Mutex<Vec<String>>>,
    _connection: zbus::Connection,
}

impl Appliance {
    async fn start() -> Self {
        let bus = PrivateBus::start();
        let connection = bus.connect().await;
        let told = Arc::default();
        let service = Telephony {
            records: Arc::new(Mutex::new(vec![record(3, true)])),
            told: Arc::clone(&told),
        };
        connection
            .object_server()
            .at(telephony::PATH, service)
            .await
            .unwrap();
        connection.request_name(telephony::NAME).await.unwrap();
        Self {
            bus,
            told,
            _connection: connection,
        }
    }

    async fn varde(&self, arguments: &[&str], typed: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_varde"));
        command
            .arg("phone")
            .args(arguments)
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.bus.address())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let typed = typed.to_owned();
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            // One that reads nothing has gone by then.
            let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
            child.wait_with_output().unwrap()
        })
        .await
        .unwrap()
    }

    /// What it prints, once it has done what it was asked.
    async fn said(&self, arguments: &[&str]) -> String {
        let output = self.varde(arguments, "").await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[tokio::test]
async fn what_is_shown_is_the_bus_types_in_json_and_words_in_both_languages() {
    let appliance = Appliance::start().await;
    for (verb, nb, en) in [
        (
            &["status"][..],
            "Linjen bylinje er nede",
            "The line bylinje is down",
        ),
        (&["lines"], "utvidet, nett", "primary, network"),
        (&["lines", "sentral"], "i bruk", "busy"),
        (&["trunks"], "mangler hemm", "no secret is"),
        (&["extensions"], "konto skranke", "account skranke"),
        (&["calls"], "NØD", "EMERGENCY"),
        (&["records"], "1:05", "1:05"),
        (
            &["record", "3"],
            "Q.850 16, SIP 200",
            "3000 packets, 2 lost, 4 ms jitter",
        ),
    ] {
        for (language, expected) in [("nb", nb), ("en", en)] {
            let text = appliance.said(&[&["--lang", language], verb].concat()).await;
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
        let json: Value = serde_json::from_str(&appliance.said(&[verb, &["--json"]].concat()).await).unwrap();
        match verb {
            ["status"] => assert_eq!(serde_json::from_value::<TelephonyStatus>(json).unwrap().shed, 3),
            ["lines"] => assert_eq!(serde_json::from_value::<Vec<LineStatus>>(json).unwrap().len(), 1),
            ["lines", _] => assert_eq!(serde_json::from_value::<LineStatus>(json).unwrap().reserved, 1),
            ["record", _] => assert_eq!(
                serde_json::from_value::<CallRecord>(json).unwrap(),
                record(3, true)
            ),
            _ => assert_eq!(json.as_array().unwrap().len(), 1),
        }
    }
}

#[tokio::test]
async fn a_test_that_is_waited_for_ends_with_how_it_went() {
    let appliance = Appliance::start().await;
    let text = appliance
        .said(&["test", "35003099", "--wait", "--lang", "en"])
        .await;
    assert!(text.contains("normal call clearing"), "{text}");

    let other = Appliance::start().await;
    let output = other
        .varde(
            &["test", "404", "--over", "operator", "--wait", "--lang", "en"],
            "",
        )
        .await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error, "varde: Test call 10: no user responding\n");
    assert_eq!(*other.told.lock().unwrap(), ["test 404 operator "]);

    let late = Appliance::start().await;
    let output = late.varde(&["test", "0", "--wait", "1", "--json"], "").await;
    assert_eq!(output.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "unknown");
}

#[tokio::test]
async fn changes_carry_the_reason_and_secrets_come_by_a_pipe() {
    let appliance = Appliance::start().await;
    let json: Value = serde_json::from_str(
        &appliance
            .said(&["test-emergency", "--why", "øvelse", "--json"])
            .await,
    )
    .unwrap();
    assert_eq!(json["calls"], serde_json::json!([11, 12]));
    appliance.said(&["clear", "4", "--why", "henger"]).await;
    appliance.said(&["restart", "sentral", "--why", "feil"]).await;
    appliance
        .said(&["restart", "sentral", "--channel", "3", "--why", "feil"])
        .await;
    let output = appliance
        .varde(&["credential", "operator", "--why", "ny"], "hem me\n")
        .await;
    assert!(output.status.success());
    assert!(!String::from_utf8_lossy(&output.stdout).contains("hem me"));
    assert_eq!(
        *appliance.told.lock().unwrap(),
        [
            "emergency øvelse",
            "clear 4 henger",
            "restart sentral 0 feil",
            "restart sentral 3 feil",
            "secret operator hem me ny",
        ]
    );
    let output = appliance.varde(&["clear", "5", "--why", "x", "--json"], "").await;
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "not_found");
    for (missing, said) in [
        (["record", "9"], "no call 9"),
        (["lines", "sentralen"], "no line"),
    ] {
        let output = appliance
            .varde(&[&missing[..], &["--lang", "en"]].concat(), "")
            .await;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(said));
    }
}

#[tokio::test]
async fn a_recording_is_for_its_owner_only_and_overwrites_nothing() {
    let appliance = Appliance::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("call.pcapng");
    let path = file.to_str().unwrap();
    appliance.said(&["recording", "3", path]).await;
    assert_eq!(std::fs::read(&file).unwrap(), [0x0a, 3]);
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let output = appliance.varde(&["recording", "4", path], "").await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read(&file).unwrap(), [0x0a, 3]);
}

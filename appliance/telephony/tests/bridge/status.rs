//! What operators are told.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use varde_exchange::Test;
use varde_sip::message::Message;
use varde_site::Text;
use varde_telephony::bridge::Bridge;
use varde_telephony::directory::directory;
use varde_telephony::kept::Kept;
use varde_telephony::secrets::{Of, Secrets};
use varde_telephony_lab::PATIENCE;

use crate::rig::{Rig, free, telephony};

/// One trunk that we log in to, and nothing else.
fn one_trunk(more: &str) -> String {
    one_trunk_at(free(), more)
}

fn one_trunk_at(trunk: SocketAddr, more: &str) -> String {
    let (sip, tls) = (free(), free());
    format!(
        r#"
[telephony]
domain = "telefoni.fylke.no"
listen = ["udp:{sip}", "tls:{tls}"]
{more}
[telephony.emergency]
to = ["operator"]
number = "35501000"
location = "Telemarksvegen 1, Skien"
[[telephony.trunk]]
name = "operator"
title = "Operatør"
address = "{trunk}"
kind = "register"
user = "4735501000"
[[telephony.route]]
prefix = ""
to = ["operator"]
"#
    )
}

async fn troubles(rig: &Rig) -> Vec<Text> {
    rig.with(|bridge| bridge.status().troubles).await
}

#[tokio::test]
async fn a_trunk_without_its_secret_says_by_which_command_it_is_given() {
    let rig = Rig::start(telephony(&one_trunk(""))).await;
    let said = rig.with(|bridge| bridge.trunks()[0].reason.clone()).await;
    assert!(said.en.contains("varde phone credential operator"), "{}", said.en);
    assert!(said.nb.starts_with("Trunken operator"), "{}", said.nb);
    assert!(said.nb.contains("varde phone credential operator"), "{}", said.nb);
}

#[tokio::test]
async fn a_trunk_that_refuses_the_account_says_so() {
    let trunk = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let rig = Rig::start(telephony(&one_trunk_at(trunk.local_addr().unwrap(), ""))).await;
    rig.listens().await;
    assert!(
        rig.with(|bridge| bridge.set_secret(Of::Trunk("operator"), "feil").is_ok())
            .await
    );
    let refuses = async {
        let mut space = [0; 4096];
        loop {
            let (length, from) = trunk.recv_from(&mut space).await.unwrap();
            let request = Message::parse(&space[..length]).unwrap();
            let response = Message::response(&request, 403, "Forbidden").to_bytes();
            trunk.send_to(&response, from).await.unwrap();
            let said = rig.with(|bridge| bridge.trunks()[0].reason.en.clone()).await;
            if said.contains("refuses the account with SIP status 403") {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, refuses).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_takes_tls_away_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("secrets")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        std::fs::write(folder.path().join("secrets").join(name), "no PEM").unwrap();
    }
    let mut bridge = Bridge::new(folder.path()).unwrap();
    bridge.follow(Some(telephony(&one_trunk(""))), &jiff::tz::TimeZone::UTC, 1);
    bridge.listen().await;
    assert!(bridge.listens());
    let told = bridge.status().troubles;
    assert!(
        told.iter().any(|text| text.en.contains("without TLS")),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_has_happened_lately_is_told_among_the_troubles() {
    let rig = Rig::start(telephony(&one_trunk(""))).await;
    let shed = |troubles: &[Text]| {
        troubles
            .iter()
            .any(|text| text.en.starts_with("New calls are turned away"))
    };
    assert!(!shed(&troubles(&rig).await));
    // More than there may be in a second.
    rig.with(|bridge| {
        for _ in 0..30 {
            let test = Test {
                to: None,
                emergency: false,
            };
            bridge.test_call("22445566", test, Duration::from_secs(1));
        }
    })
    .await;
    assert!(shed(&troubles(&rig).await));
}

#[tokio::test]
async fn a_generation_that_cannot_be_read_is_told_until_one_can() {
    let site = telephony(&one_trunk(""));
    let mut rig = Rig::start(site.clone()).await;
    rig.with(|bridge| bridge.cannot_follow("no such file", None))
        .await;
    let told = |troubles: &[Text]| troubles.iter().any(|text| text.en.contains("no such file"));
    assert!(told(&troubles(&rig).await));
    assert_eq!(
        rig.with(|bridge: &mut Bridge| bridge.trunks().len()).await,
        1,
        "as before"
    );
    rig.follow(site).await;
    assert!(!told(&troubles(&rig).await));
}

#[tokio::test]
async fn a_start_without_a_generation_that_can_be_read_uses_what_was_in_use_last() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept {
        telephony: Some(telephony(&one_trunk(""))),
        zone: "Europe/Oslo".into(),
        generation: 7,
    };
    assert_eq!(Kept::read(folder.path()), None);
    kept.write(folder.path()).unwrap();
    let mut bridge = Bridge::new(folder.path()).unwrap();
    bridge.cannot_follow("no such file", Kept::read(folder.path()));
    assert_eq!(bridge.declared(), kept.telephony.as_ref());
    let status = bridge.status();
    assert_eq!(status.generation, 7);
    assert!(
        status
            .troubles
            .iter()
            .any(|text| text.en.contains("no such file"))
    );
    // Once there is something in use, it stays.
    bridge.cannot_follow(
        "no such file",
        Some(Kept {
            telephony: None,
            ..kept
        }),
    );
    assert!(bridge.declared().is_some());
    std::fs::write(folder.path().join("in-use.json"), "{").unwrap();
    assert_eq!(Kept::read(folder.path()), None);
}

#[tokio::test]
async fn nobody_who_helps_is_called_for_a_test() {
    let rig = Rig::start(telephony(&one_trunk(""))).await;
    for number in ["112", "+47113"] {
        let call = rig.with(move |bridge| {
            let to = bridge.target("operator");
            let test = Test { to, emergency: true };
            bridge.test_call(number, test, Duration::from_secs(1))
        });
        assert_eq!(call.await, None, "{number}");
    }
    assert!(rig.with(|bridge| bridge.calls().is_empty()).await);
}

#[test]
fn phones_are_asked_for_the_proofs_that_the_site_says() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Secrets::open(folder.path());
    let digests = |more| directory(&telephony(&one_trunk(more)), &secrets).digests;
    assert_eq!(digests("digests = \"md5\""), varde_sip::Digests::Md5);
    assert_eq!(digests(""), varde_sip::Digests::Both);
}

//! A small exchange's night: what the telephony service says.

use varde_bus::Text;
use varde_bus::telephony::{
    CallRecord, CallState, CallStatus, ChannelState, ChannelStatus, ExtensionStatus, Health, LineStatus,
    Party, TelephonyStatus, TrunkStatus,
};

use super::fixtures::NOW;

const MINUTE: i64 = 60_000;

/// Most of the tests' site has no telephony.
pub fn status(declared: bool) -> TelephonyStatus {
    TelephonyStatus {
        declared,
        troubles: vec![Text::new(
            "Linjen bylinje er nede: den andre enden svarer ikke på 10.20.0.41:931. Se etter kabelen.",
            "The line bylinje is down: the other end does not answer on 10.20.0.41:931. Look at the cable.",
        )],
        generation: 2,
        calls: 2,
        most_calls: 120,
        emergency_calls: 1,
        shed: 0,
        tested: NOW - 22 * 60 * MINUTE,
        test_passed: true,
        next_test: NOW + 2 * 60 * MINUTE,
    }
}

pub fn lines() -> Vec<LineStatus> {
    let channels = |numbers: Vec<u8>| {
        numbers
            .into_iter()
            .map(|number| ChannelStatus {
                number,
                state: match number {
                    1 | 3 => ChannelState::Busy,
                    4 => ChannelState::Restarting,
                    31 => ChannelState::Blocked,
                    _ => ChannelState::Free,
                },
                since: NOW - 3 * MINUTE,
                call: if matches!(number, 1 | 3) {
                    40 + u64::from(number)
                } else {
                    0
                },
            })
            .collect()
    };
    vec![
        LineStatus {
            name: "sentral".into(),
            title: "Hussentralen på legevakten".into(),
            access: "primary".into(),
            side: "network".into(),
            bus: false,
            state: Health::Up,
            reason: Text::default(),
            since: NOW - 300 * MINUTE,
            remote: "10.20.0.40:931".into(),
            channels: channels((1..=31).filter(|slot| *slot != 16).collect()),
            reserved: 1,
        },
        LineStatus {
            name: "bylinje".into(),
            title: "Bylinjen".into(),
            access: "basic".into(),
            side: "user".into(),
            bus: false,
            state: Health::Down,
            reason: Text::new(
                "svarer ikke på 10.20.0.41:931",
                "does not answer on 10.20.0.41:931",
            ),
            since: NOW - 12 * MINUTE,
            remote: "10.20.0.41:931".into(),
            channels: channels(vec![2]),
            reserved: 0,
        },
    ]
}

pub fn trunks() -> Vec<TrunkStatus> {
    vec![TrunkStatus {
        name: "operator".into(),
        title: "Teleoperatør".into(),
        kind: "register".into(),
        transport: "tls".into(),
        address: "sip.operator.no".into(),
        state: Health::Up,
        reason: Text::default(),
        since: NOW - 300 * MINUTE,
        calls: 2,
        most_calls: 30,
        credential: true,
    }]
}

pub fn extensions() -> Vec<ExtensionStatus> {
    let extension =
        |number: &str, title: &str, place: &str, reachable, credential, forwarded: &str| ExtensionStatus {
            number: number.into(),
            title: title.into(),
            public: String::new(),
            place: place.into(),
            reachable,
            contact: String::new(),
            calls: 0,
            forwarded: forwarded.into(),
            credential,
        };
    vec![
        extension("101", "Skranken", "account skranke", true, true, ""),
        extension("102", "Fysioterapi, øvre etasje", "line sentral", true, true, ""),
        extension("103", "Vaktrommet", "account vakt", false, true, ""),
        extension("104", "Tannlegen", "account tann", false, false, ""),
        extension("105", "Kontoret", "account kontor", true, true, "101"),
    ]
}

fn party(number: &str, place: &str, channel: u8) -> Party {
    Party {
        number: number.into(),
        place: place.into(),
        channel,
        secret: false,
    }
}

pub fn calls() -> Vec<CallStatus> {
    let call = |id, state, from, to| CallStatus {
        id,
        state,
        emergency: false,
        test: false,
        from,
        to,
        started: NOW - 3 * MINUTE,
        answered: NOW - 2 * MINUTE,
        trouble: Text::default(),
    };
    let mut one_way = call(
        41,
        CallState::Talking,
        party("35003012", "line sentral", 1),
        party("91000000", "trunk operator", 0),
    );
    one_way.trouble = Text::new("stille fra operator", "silence from operator");
    let mut emergency = call(
        43,
        CallState::Ringing,
        party("35003019", "line sentral", 3),
        party("113", "trunk operator", 0),
    );
    emergency.emergency = true;
    vec![one_way, emergency]
}

pub fn records() -> Vec<CallRecord> {
    let ordinary = CallRecord {
        id: 39,
        emergency: false,
        test: false,
        from: party("91000000", "trunk operator", 0),
        to: party("101", "extension 101", 0),
        dialled: "35003001".into(),
        started: NOW - 40 * MINUTE,
        rang: NOW - 40 * MINUTE + 800,
        answered: NOW - 40 * MINUTE + 6_000,
        ended: NOW - 37 * MINUTE,
        ended_by: "caller".into(),
        from_cause: 16,
        from_status: 0,
        to_cause: 16,
        to_status: 200,
        outcome: Text::new("vanlig nedkobling", "normal call clearing"),
        forwarded: vec!["105".into()],
        tried: Vec::new(),
        from_packets: 8700,
        from_lost: 3,
        from_jitter: 4,
        to_packets: 8700,
        to_lost: 0,
        to_jitter: 2,
        trouble: Text::default(),
        recorded: true,
    };
    let test = CallRecord {
        id: 40,
        test: true,
        emergency: true,
        from: party("35003000", "test", 0),
        to: party("35003099", "line bylinje", 0),
        dialled: "35003099".into(),
        started: NOW - 22 * MINUTE,
        rang: 0,
        answered: 0,
        ended: NOW - 21 * MINUTE,
        ended_by: "exchange".into(),
        from_cause: 38,
        to_cause: 38,
        to_status: 0,
        outcome: Text::new("nettet er ute av drift", "network out of order"),
        forwarded: Vec::new(),
        ..ordinary.clone()
    };
    vec![test, ordinary]
}

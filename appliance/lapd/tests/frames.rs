//! Frames and TEI messages: what is written can be read, whatever is read is something.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::time::Duration;

use proptest::prelude::*;
use varde_lapd::{
    Ces, Config, Control, DChannel, ErrorCode, Fault, Frame, FrameError, Parameters, Request, Role, Side,
    Supervisory, TeiError, TeiMessage, TeiMessageType, Unnumbered,
};

fn sides() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Network), Just(Side::User)]
}

/// A control field, its role, and how much information it may carry.
fn controls() -> impl Strategy<Value = (Control, Role, usize)> {
    let supervisory = prop_oneof![
        Just(Supervisory::Rr),
        Just(Supervisory::Rnr),
        Just(Supervisory::Rej)
    ];
    let roles = prop_oneof![Just(Role::Command), Just(Role::Response)];
    let unnumbered = prop_oneof![
        Just((Unnumbered::Sabme, Role::Command, 0)),
        Just((Unnumbered::Disc, Role::Command, 0)),
        Just((Unnumbered::Ui, Role::Command, 260)),
        Just((Unnumbered::Dm, Role::Response, 0)),
        Just((Unnumbered::Ua, Role::Response, 0)),
        Just((Unnumbered::Xid, Role::Command, 260)),
        Just((Unnumbered::Xid, Role::Response, 260)),
    ];
    prop_oneof![
        (0..128u8, 0..128u8, any::<bool>()).prop_map(|(ns, nr, poll)| (
            Control::Information { ns, nr, poll },
            Role::Command,
            260
        )),
        (supervisory, 0..128u8, any::<bool>(), roles).prop_map(|(kind, nr, poll, role)| (
            Control::Supervisory { kind, nr, poll },
            role,
            0
        )),
        (unnumbered, any::<bool>()).prop_map(|((kind, role, most), poll)| (
            Control::Unnumbered { kind, poll },
            role,
            most
        )),
    ]
}

proptest! {
    #[test]
    fn a_frame_that_was_written_is_read(
        side in sides(),
        sapi in 0..64u8,
        tei in 0..128u8,
        (control, role, most) in controls(),
        information in prop::collection::vec(any::<u8>(), 0..=260),
    ) {
        let information = &information[..information.len().min(most)];
        let frame = Frame { sapi, tei, role, control, information };
        let bytes = frame.encode(side);
        prop_assert_eq!(Frame::parse(&bytes, side), Ok(frame));
    }

    #[test]
    fn a_frame_that_is_read_is_written_the_same(
        side in sides(),
        bytes in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        if let Ok(frame) = Frame::parse(&bytes, side) {
            prop_assert_eq!(frame.encode(side), bytes);
        }
    }

    #[test]
    fn a_tei_message_that_is_read_is_written_the_same(
        tail in prop::collection::vec(any::<u8>(), 0..8),
        kind in 0..9u8,
    ) {
        let bytes = [&[0x0f, 0x12, 0x34, kind][..], &tail].concat();
        if let Ok(message) = TeiMessage::parse(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}

#[test]
fn what_is_wrong_with_a_frame_is_said_precisely() {
    let at_64 = |fault| FrameError::Rejected {
        sapi: 0,
        tei: 64,
        fault,
    };
    let cases: [(&[u8], FrameError); 11] = [
        (&[], FrameError::TooShort(0)),
        (&[0x02, 0x81], FrameError::TooShort(2)),
        (&[0x02, 0x81, 0x01], FrameError::TooShort(3)),
        (&[0x03, 0x81, 0x7f], FrameError::Address(0x03, 0x81)),
        (&[0x02, 0x80, 0x7f], FrameError::Address(0x02, 0x80)),
        (&[0x02, 0x81, 0x0d, 0x00], at_64(Fault::Control(0x0d))),
        (&[0x00, 0x81, 0x7f], at_64(Fault::NotAResponse(0x7f))),
        (&[0x02, 0x81, 0x73], at_64(Fault::NotACommand(0x73))),
        (&[0x00, 0x81, 0x00, 0x00], at_64(Fault::NotAResponse(0x00))),
        (&[0x02, 0x81, 0x7f, 0x00], at_64(Fault::Information(1))),
        (&[0x00, 0x81, 0x87, 0x00], at_64(Fault::Size(1))),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Frame::parse(bytes, Side::Network), Err(expected), "{bytes:02x?}");
    }
    assert_eq!(Fault::Control(0).code(), ErrorCode::L);
    let error = at_64(Fault::Control(0x0d)).to_string();
    assert_eq!(
        error,
        "frame for SAPI 0, TEI 64: the control field 0d is not defined"
    );
}

#[test]
fn what_is_wrong_with_a_tei_message_is_said_precisely() {
    let cases: [(&[u8], TeiError); 5] = [
        (&[0x0f, 0, 0, 1], TeiError::TooShort(4)),
        (&[0x0e, 0, 0, 1, 0xff], TeiError::Entity(0x0e)),
        (&[0x0f, 0, 0, 8, 0xff], TeiError::Type(8)),
        (&[0x0f, 0, 0, 5, 0x80], TeiError::ActionIndicator(0)),
        (&[0x0f, 0, 0, 5, 0x81, 0x81], TeiError::ActionIndicator(1)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(TeiMessage::parse(bytes), Err(expected), "{bytes:02x?}");
    }
    // Figure 9/Q.921: a terminal that holds two TEIs answers with both.
    let two = TeiMessage::parse(&[0x0f, 0xab, 0xcd, 5, 0x80, 0x83]).unwrap();
    assert_eq!(two.kind, TeiMessageType::CheckResponse);
    assert_eq!((two.ri, two.ai), (0xabcd, vec![64, 65]));
}

#[test]
fn a_request_that_cannot_be_done_says_why() {
    let mut bus = DChannel::new(Config::bus(Side::Network, 0));
    let refused = |request| -> Result<(), String> { Err(request) };
    let text = |result: Result<(), varde_lapd::RequestError>| result.map_err(|error| error.to_string());
    let now = Duration::ZERO;
    assert_eq!(
        text(bus.request(now, Ces(64), Request::Establish)),
        refused("no data link 64: no terminal has this TEI now".into())
    );
    assert_eq!(
        text(bus.request(now, Ces::BROADCAST, Request::Establish)),
        refused("the broadcast data link carries unit data only".into())
    );
    let long = Request::UnitData(vec![0; Parameters::BASIC.n201 + 1]);
    assert_eq!(
        text(bus.request(now, Ces::BROADCAST, long)),
        refused("261 octets are more than a frame carries (N201: 260)".into())
    );
}

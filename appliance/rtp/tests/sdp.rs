//! Offers and answers as peers write them.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::net::SocketAddr;

use proptest::prelude::*;
use varde_rtp::SdpError;
use varde_rtp::g711::Codec;
use varde_rtp::sdp::{Agreed, Direction, Local, accept, answer, offer, offer_again};

const LOCAL: Local = Local {
    address: SocketAddr::new(
        std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
        30_000,
    ),
    session: 5,
    version: 1,
    direction: Direction::SendRecv,
};

/// An offer with these lines after the session's own.
fn offered(lines: &str) -> Result<(String, Agreed), SdpError> {
    let head = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n";
    answer(
        &LOCAL,
        format!("{head}{}\r\n", lines.replace('\n', "\r\n")).as_bytes(),
    )
}

#[test]
fn an_offer_is_a_law_first_then_mu_law_and_events() {
    let expected = "v=0\r\no=- 5 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
        m=audio 30000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
    assert_eq!(offer(&LOCAL), expected);
}

#[test]
fn of_an_offer_a_law_is_taken_wherever_it_stands() {
    let (text, agreed) = offered("m=audio 4000 RTP/AVP 9 0 8 96\na=rtpmap:96 telephone-event/8000").unwrap();
    assert_eq!(agreed.codec, Codec::Pcma);
    assert_eq!(agreed.rtp, "198.51.100.7:4000".parse().unwrap());
    assert_eq!(agreed.rtcp, "198.51.100.7:4001".parse().unwrap());
    assert_eq!((agreed.events_out, agreed.events_in), (Some(96), Some(96)));
    assert_eq!((agreed.ptime, agreed.direction), (20, Direction::SendRecv));
    assert!(text.contains(
        "m=audio 30000 RTP/AVP 8 96\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n"
    ));
}

#[test]
fn a_peer_with_mu_law_alone_and_without_events_is_answered_so() {
    let (text, agreed) = offered("m=audio 4000 RTP/AVP 0 3").unwrap();
    assert_eq!(
        (agreed.codec, agreed.events_out, agreed.events_in),
        (Codec::Pcmu, None, None)
    );
    assert!(text.contains("m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n"));
}

#[test]
fn hold_is_answered_by_its_reverse() {
    for (said, answered, direction) in [
        ("a=sendonly", "a=recvonly\r\n", Direction::RecvOnly),
        ("a=inactive", "a=inactive\r\n", Direction::Inactive),
        ("a=recvonly", "a=sendonly\r\n", Direction::SendOnly),
        ("c=IN IP4 0.0.0.0", "a=recvonly\r\n", Direction::RecvOnly),
    ] {
        let (text, agreed) = offered(&format!("m=audio 4000 RTP/AVP 8\n{said}")).unwrap();
        assert_eq!(agreed.direction, direction, "{said}");
        assert!(text.ends_with(answered), "{said}");
    }
}

#[test]
fn a_direction_of_the_session_holds_for_media_without_one() {
    let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\na=sendonly\r\n";
    let held = format!("{text}m=audio 4000 RTP/AVP 8\r\n");
    assert_eq!(
        answer(&LOCAL, held.as_bytes()).unwrap().1.direction,
        Direction::RecvOnly
    );
    let resumed = format!("{held}a=sendrecv\r\n");
    assert_eq!(
        answer(&LOCAL, resumed.as_bytes()).unwrap().1.direction,
        Direction::SendRecv
    );
}

#[test]
fn we_hold_a_call_by_what_we_offer() {
    let held = Local {
        direction: Direction::SendOnly,
        ..LOCAL
    };
    let text = offer(&held);
    assert!(text.ends_with("a=sendonly\r\n"));
    let (reply, _) = answer(&LOCAL, text.as_bytes()).unwrap();
    assert_eq!(
        accept(&held, reply.as_bytes()).unwrap().direction,
        Direction::SendOnly
    );
}

#[test]
fn media_that_are_not_taken_are_refused_in_their_places() {
    let lines =
        "m=video 5000 RTP/AVP 97\nm=audio 0 RTP/AVP 8\nm=audio 4000 RTP/AVP 8\nm=audio 6000 RTP/AVP 8";
    let (text, agreed) = offered(lines).unwrap();
    assert_eq!(agreed.rtp.port(), 4000);
    let medias: Vec<_> = text.lines().filter(|line| line.starts_with("m=")).collect();
    let expected = [
        "m=video 0 RTP/AVP 97",
        "m=audio 0 RTP/AVP 8",
        "m=audio 30000 RTP/AVP 8",
        "m=audio 0 RTP/AVP 8",
    ];
    assert_eq!(medias, expected);
}

#[test]
fn what_does_not_suit_is_refused_with_the_reason() {
    let refused = |lines| offered(lines).unwrap_err().to_string();
    assert_eq!(
        refused("m=audio 4000 RTP/AVP 96 18\na=rtpmap:96 opus/48000/2"),
        "its audio has neither PCMA nor PCMU, but opus/48000/2, 18"
    );
    assert_eq!(
        refused("m=audio 4000 RTP/SAVP 8"),
        "its audio asks for RTP/SAVP, and here is RTP/AVP alone"
    );
    assert_eq!(
        refused("m=video 4000 RTP/AVP 97"),
        "it has no audio that could be used"
    );
    assert_eq!(
        refused("m=audio 4000 RTP/AVP 8\nc=IN IP4 239.1.2.3/127"),
        "its audio names no address, or one that is not unicast: 239.1.2.3/127"
    );
    assert!(matches!(answer(&LOCAL, b"hello"), Err(SdpError::Syntax(_))));
    assert_eq!(
        answer(&LOCAL, &vec![b' '; 20_000]),
        Err(SdpError::TooLong(20_000))
    );
    // A payload type that was given another meaning is not A-law.
    assert!(matches!(
        offered("m=audio 4000 RTP/AVP 8\na=rtpmap:8 L16/8000"),
        Err(SdpError::Codec(_))
    ));
}

#[test]
fn packets_are_as_long_as_the_peer_asks_within_reason() {
    for (said, ptime) in [
        ("ptime:30", 30),
        ("ptime:25", 20),
        ("ptime:200", 20),
        ("maxptime:10", 10),
        ("maxptime:3", 10),
    ] {
        let (_, agreed) = offered(&format!("m=audio 4000 RTP/AVP 8\na={said}")).unwrap();
        assert_eq!(agreed.ptime, ptime, "{said}");
    }
}

#[test]
fn reports_go_where_the_peer_says() {
    for (said, rtcp) in [
        ("rtcp:5555", "198.51.100.7:5555"),
        ("rtcp:5555 IN IP4 198.51.100.9", "198.51.100.9:5555"),
        ("rtcp:x", "198.51.100.7:4001"),
    ] {
        let (_, agreed) = offered(&format!("m=audio 4000 RTP/AVP 8\na={said}")).unwrap();
        assert_eq!(agreed.rtcp, rtcp.parse().unwrap(), "{said}");
    }
}

#[test]
fn an_answer_must_answer_what_was_offered() {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";
    let accepted = |media: &str| accept(&LOCAL, format!("{head}{media}").as_bytes());
    let agreed = accepted("m=audio 4000 RTP/AVP 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\n").unwrap();
    assert_eq!(
        (agreed.codec, agreed.events_out, agreed.events_in),
        (Codec::Pcmu, Some(96), Some(101))
    );
    assert_eq!(accepted("m=audio 0 RTP/AVP 8\r\n"), Err(SdpError::AudioRefused));
    assert_eq!(accepted(""), Err(SdpError::NoAudio));
}

#[test]
fn what_was_refused_keeps_its_place_in_our_next_offer() {
    let (text, _) = offered("m=video 5000 RTP/AVP 97\nm=audio 4000 RTP/AVP 0").unwrap();
    let held = Local {
        direction: Direction::SendOnly,
        version: 2,
        ..LOCAL
    };
    let text = offer_again(&held, &text).unwrap();
    let medias: Vec<_> = text.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(medias, ["m=video 0 RTP/AVP 97", "m=audio 30000 RTP/AVP 8 0 101"]);
    assert!(text.starts_with("v=0\r\no=- 5 2 IN IP4 192.0.2.1\r\n") && text.ends_with("a=sendonly\r\n"));
    let (reply, _) = answer(&LOCAL, text.as_bytes()).unwrap();
    assert_eq!(
        accept(&held, reply.as_bytes()).unwrap().direction,
        Direction::SendOnly
    );
    assert_eq!(offer_again(&held, &offer(&held)).unwrap(), offer(&held));
}

#[test]
fn ipv6_is_an_address_like_another() {
    let local = Local {
        address: "[2001:db8::1]:30000".parse().unwrap(),
        ..LOCAL
    };
    let (text, _) = answer(&LOCAL, offer(&local).as_bytes()).unwrap();
    assert!(text.contains("c=IN IP4 192.0.2.1\r\n"));
    let (_, agreed) = answer(&LOCAL, offer(&local).as_bytes()).unwrap();
    assert_eq!(agreed.rtp, local.address);
}

proptest! {
    #[test]
    fn two_ends_of_ours_always_agree(ours in 0_usize..4, theirs in 0_usize..4, port in 1_u16..65_000) {
        let directions = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
        let one = Local { direction: directions[ours], ..LOCAL };
        let other = Local { direction: directions[theirs], address: SocketAddr::new(LOCAL.address.ip(), port), ..LOCAL };
        let (text, there) = answer(&other, offer(&one).as_bytes()).unwrap();
        let here = accept(&one, text.as_bytes()).unwrap();
        prop_assert_eq!(here.direction, there.direction.reversed());
        prop_assert_eq!(here.codec, there.codec);
        prop_assert_eq!(here.events_out, there.events_in);
        prop_assert_eq!(here.rtp, other.address);
        prop_assert_eq!(there.rtp, one.address);
    }

    #[test]
    fn any_text_is_answered_or_refused(lines in prop::collection::vec("[vosctma]=[ -~]{0,40}", 0..20)) {
        if let Ok((text, _)) = answer(&LOCAL, lines.join("\r\n").as_bytes()) {
            let answered = text.lines().filter(|line| line.starts_with("m=")).count();
            prop_assert_eq!(answered, lines.iter().filter(|line| line.starts_with("m=")).count());
        }
    }
}

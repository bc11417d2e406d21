use proptest::prelude::*;

use super::*;

const INVITE: &str = "INVITE sip:+4733440000@10.0.0.1;transport=udp SIP/2.0\r\n\
    v: SIP/2.0/UDP 10.0.0.2:5062;branch=z9hG4bK1;rport, SIP/2.0/TCP [2001:db8::1];branch=z9hG4bK0\r\n\
    f: \"Kari, \\\"K\\\" <x>\" <sip:210@varde.example>;tag=a\r\n\
    t: sip:+4733440000@10.0.0.1\r\n\
    i: c1@10.0.0.2\r\n\
    CSEQ: 7 INVITE\r\n\
    Reason: SIP;cause=200,\r\n  Q.850;cause=31;text=\"a;b\"\r\n\
    c: application/sdp\r\n\
    l: 5\r\n\r\nv=0\r\nleft over";

fn parse(text: &str) -> Result<Message, Malformed> {
    Message::parse(text.as_bytes())
}

#[test]
fn a_message_with_compact_names_folded_lines_and_lists_is_read() {
    let message = parse(INVITE).unwrap();
    assert_eq!(message.method(), Some(Method::Invite));
    assert_eq!(Uri::parse(message.uri()).unwrap().user, "+4733440000");
    let via = message.via().unwrap();
    assert_eq!(
        (via.host.as_str(), via.port, via.branch()),
        ("10.0.0.2", Some(5062), Some("z9hG4bK1"))
    );
    assert!(via.params.has("rport"));
    assert_eq!(message.values("Via").count(), 2);
    let from = message.from().unwrap();
    assert_eq!(from.display.as_deref(), Some("Kari, \"K\" <x>"));
    assert_eq!(message.from_tag().as_deref(), Some("a"));
    assert_eq!(message.to_tag(), None);
    assert_eq!(message.cseq(), Ok((7, Method::Invite)));
    assert_eq!(message.q850(), Some(31));
    assert_eq!(
        message.sdp().as_deref(),
        Some("v=0\r\n"),
        "what is after the body is dropped"
    );
}

#[test]
fn a_session_description_is_found_beside_the_place_of_who_calls_for_help() {
    let parts = |kind: &str, body: &str| {
        Message::request(Method::Invite, "sip:112@h")
            .with_body(kind, body)
            .sdp()
    };
    let body = "preamble\r\n--b1\r\nContent-Type: application/pidf+xml\r\n\r\n<presence/>\r\n--b1\r\n\
                content-type: application/SDP; charset=utf-8\r\n\r\nv=0\r\ns=-\r\n--b1--\r\n";
    for kind in ["multipart/mixed;boundary=b1", "Multipart/Mixed; boundary=\"b1\""] {
        assert_eq!(parts(kind, body).as_deref(), Some("v=0\r\ns=-\r\n"));
    }
    assert_eq!(parts("multipart/mixed;boundary=b", body), None);
    assert_eq!(parts("multipart/mixed", body), None);
    let cut = body.split("--b1--").next().unwrap();
    assert_eq!(parts("multipart/mixed;boundary=b1", cut), None, "it has no end");
    let other = body.replace("SDP", "json");
    assert_eq!(parts("multipart/mixed;boundary=b1", &other), None);
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let message = parse(INVITE).unwrap();
    let again = Message::parse(&message.to_bytes()).unwrap();
    let without = |message: &Message| {
        let mut message = message.clone();
        message.remove("Content-Length");
        message
    };
    assert_eq!(without(&again), without(&message));
}

#[test]
fn what_two_readers_could_see_differently_is_refused() {
    let base = INVITE.replace("left over", "");
    assert_eq!(
        parse(&base.replace("l: 5", "l: 5\r\nContent-Length: 0")),
        Err(Malformed::Twice("Content-Length"))
    );
    assert_eq!(
        parse(&base.replace("CSEQ: 7", "f: <sip:x@y>;tag=b\r\nCSeq: 7")),
        Err(Malformed::Twice("From"))
    );
    assert_eq!(
        parse(&base.replace("l: 5", "l: +5")),
        Err(Malformed::Header("Content-Length"))
    );
    assert_eq!(parse(&base.replace("l: 5", "l: 500")), Err(Malformed::Ends));
    assert_eq!(
        parse(&base.replace("7 INVITE", "7 BYE")),
        Err(Malformed::Header("CSeq"))
    );
    assert_eq!(
        parse(&base.replace("CSEQ: 7", "CSEQ: 2147483648")),
        Err(Malformed::Header("CSeq"))
    );
    assert_eq!(
        parse(&base.replace("SIP/2.0\r\nv", "SIP/3.0\r\nv")),
        Err(Malformed::StartLine)
    );
    assert_eq!(parse(&base.replace("i: c1", "i c1")), Err(Malformed::Line));
}

#[test]
fn a_header_that_is_no_utf8_hides_no_header_after_it() {
    let mut bytes = INVITE.as_bytes().to_vec();
    let at = INVITE.find("Kari").unwrap();
    bytes[at] = 0xe6;
    assert_eq!(Message::parse(&bytes).unwrap().cseq(), Ok((7, Method::Invite)));
}

#[test]
fn no_value_can_begin_another_header() {
    let message = parse(INVITE).unwrap().with("Subject", "a\r\nRoute: <sip:evil>");
    let again = Message::parse(&message.to_bytes()).unwrap();
    assert_eq!(again.header("Route"), None);
    assert!(Uri::parse("sip:a%0d%0aRoute:x@h").is_err());
}

#[test]
fn a_stream_is_cut_where_messages_end() {
    let bytes = INVITE.as_bytes();
    let length = INVITE.len() - "left over".len();
    assert_eq!(frame(bytes), Ok(Framed::Message(length)));
    assert_eq!(frame(&bytes[..length - 1]), Ok(Framed::Partial));
    assert_eq!(frame(&bytes[..40]), Ok(Framed::Partial));
    assert_eq!(frame(b"\r\n\r\nINVITE"), Ok(Framed::KeepAlive(4)));
    assert_eq!(frame(&vec![b'x'; MAX_HEAD + 1]), Err(Malformed::TooLarge));
    let without = INVITE.replace("l: 5\r\n", "");
    assert_eq!(
        frame(without.as_bytes()),
        Err(Malformed::Missing("Content-Length"))
    );
    let huge = INVITE.replace("l: 5\r\n", "l: 99999999\r\n");
    assert_eq!(frame(huge.as_bytes()), Err(Malformed::TooLarge));
}

#[test]
fn addresses_are_read_in_every_form() {
    let tel = Uri::parse("tel:+47-33;phone-context=x").unwrap();
    assert_eq!(tel.user, "+47-33");
    let v6 = Uri::parse("sips:a%20b:secret@[::1]:5061;lr?X=y").unwrap();
    assert_eq!(
        (v6.user.as_str(), v6.host.as_str(), v6.port),
        ("a b", "::1", Some(5061))
    );
    assert!(v6.params.has("lr"));
    for bad in [
        "",
        "sip:",
        "sip:a@",
        "http://x",
        "sip:a@h:70000",
        "sip:a@h h",
        "sip:%zz@h",
        "sip:a@[x]",
    ] {
        assert!(Uri::parse(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn reading_never_fails_otherwise_than_by_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = frame(&bytes);
        let _ = Message::parse(&bytes);
    }

    #[test]
    fn a_display_name_survives(name in "\\PC{0,20}") {
        let text = format!("{} <sip:a@b>", address::quoted(&name));
        let read = Address::parse(&text).unwrap();
        prop_assert_eq!(read.display.unwrap_or_default(), name);
    }

    #[test]
    fn a_user_part_survives(name in "[ -~æøå]{1,20}") {
        let text = format!("sip:{}@h", address::user_part(&name));
        prop_assert_eq!(Uri::parse(&text).unwrap().user, name);
    }
}

//! Wireshark's own reader sees in a recording what was said, by whom and to whom.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::Write;
use std::net::SocketAddrV4;
use std::process::Command;

use varde_capture::{Direction, Frame, Packet, write};

const CALLING: &[u8] = b"35003012";
const CALLED: &[u8] = b"91000000";

/// An I frame (Q.921 §3.6.1) with a message of Q.931 for call 5; the appliance is the network.
fn isdn(number: u8, direction: Direction, kind: u8, elements: &[u8]) -> Packet {
    // Commands of the network have C/R=1, those of the user C/R=0. The flag of the call reference is set by the side
    // that did not begin the call.
    let (address, flag) = match direction {
        Direction::In => (0x00, 0x00),
        Direction::Out => (0x02, 0x80),
    };
    let mut bytes = vec![address, 0x01, number << 1, 0, 0x08, 2, flag, 5, kind];
    bytes.extend(elements);
    let line = "sentral".into();
    packet(
        direction,
        Frame::Lapd {
            line,
            network: true,
            bytes,
        },
    )
}

fn sip(direction: Direction, text: &str) -> Packet {
    let local = SocketAddrV4::new([10, 20, 0, 1].into(), 5060);
    let remote = SocketAddrV4::new([10, 30, 0, 5].into(), 5060);
    let bytes = format!(
        "{text}\r\nVia: SIP/2.0/TLS 10.20.0.1;branch=z9hG4bK1\r\nFrom: <sip:35003012@fylke.no>;tag=1\r\n\
         To: <sip:91000000@operator.no>\r\nCall-ID: 1@10.20.0.1\r\nCSeq: 1 {}\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n",
        if text.contains("BYE") { "BYE" } else { "INVITE" }
    );
    let bytes = bytes.into_bytes();
    packet(direction, Frame::Sip { local, remote, bytes })
}

fn packet(direction: Direction, frame: Frame) -> Packet {
    Packet {
        at: 0,
        direction,
        frame,
    }
}

/// A call from a private exchange to a trunk, whole.
fn call() -> Vec<Packet> {
    use Direction::{In, Out};
    let setup = [
        &[
            0x04, 3, 0x80, 0x90, 0xa3, 0x18, 3, 0xa9, 0x83, 0x81, 0x6c, 10, 0x00, 0x80,
        ][..],
        CALLING,
        &[0x70, 9, 0x80],
        CALLED,
    ]
    .concat();
    let mut packets = vec![
        isdn(0, In, 0x05, &setup),
        sip(Out, "INVITE sip:91000000@operator.no SIP/2.0"),
        isdn(0, Out, 0x02, &[0x18, 3, 0xa9, 0x83, 0x81]),
        sip(In, "SIP/2.0 180 Ringing"),
        isdn(1, Out, 0x01, &[]),
        sip(In, "SIP/2.0 200 OK"),
        isdn(2, Out, 0x07, &[]),
        isdn(1, In, 0x0f, &[]),
        isdn(2, In, 0x45, &[0x08, 2, 0x80, 0x90]),
        sip(Out, "BYE sip:91000000@operator.no SIP/2.0"),
        isdn(3, Out, 0x4d, &[]),
        isdn(3, In, 0x5a, &[]),
    ];
    for (number, packet) in (0_u64..).zip(&mut packets) {
        packet.at = 1_795_000_000_000_000 + number * 1500;
    }
    packets
}

/// What tshark prints of these fields, a line for each packet.
fn fields(file: &std::path::Path, names: &[&str]) -> Vec<String> {
    let mut tshark = Command::new("tshark");
    tshark.args(["-T", "fields", "-E", "separator=,", "-r"]).arg(file);
    for name in names {
        tshark.args(["-e", name]);
    }
    let output = tshark
        .env("HOME", file.parent().unwrap())
        .output()
        .expect("tshark starts; it is in the package tshark");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    // Versions differ in how they write octets: 00:05 or 0005.
    text.lines().map(|line| line.replace(':', "")).collect()
}

#[test]
fn tshark_sees_who_said_what_to_whom() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&write("call 5", &call())).unwrap();
    let seen = fields(
        file.path(),
        &[
            "frame.interface_name",
            "frame.p2p_dir",
            "lapd.direction",
            "q931.message_type",
            "sip.Method",
            "sip.Status-Code",
            "udp.dstport",
        ],
    );
    // Of LAPD, 0 is from the user to the network; of a message, 0 has gone and 1 has come.
    let expected = [
        "sentral,1,0,0x05,,,",
        "SIP,0,,,INVITE,,5060",
        "sentral,0,1,0x02,,,",
        "SIP,1,,,,180,5060",
        "sentral,0,1,0x01,,,",
        "SIP,1,,,,200,5060",
        "sentral,0,1,0x07,,,",
        "sentral,1,0,0x0f,,,",
        "sentral,1,0,0x45,,,",
        "SIP,0,,,BYE,,5060",
        "sentral,0,1,0x4d,,,",
        "sentral,1,0,0x5a,,,",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn tshark_finds_numbers_times_and_no_fault() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&write("call 5", &call())).unwrap();
    let seen = fields(
        file.path(),
        &[
            "frame.time_epoch",
            "q931.calling_party_number.digits",
            "q931.called_party_number.digits",
            "q931.cause_value",
            "_ws.malformed",
        ],
    );
    let from = seen.iter().map(|line| line.split_once(',').unwrap());
    let (times, rest): (Vec<&str>, Vec<&str>) = from.unzip();
    assert_eq!(times[..2], ["1795000000.000000000", "1795000000.001500000"]);
    assert_eq!(rest[0], "35003012,91000000,,");
    assert_eq!(rest[8], ",,16,");
    let others = rest
        .iter()
        .enumerate()
        .filter(|(place, _)| ![0, 8].contains(place));
    for (place, line) in others {
        assert_eq!(*line, ",,,", "packet {place}");
    }
}

//! An old exchange on a line, and a phone on the network: what one says, the other hears, octet by octet.
//!
//! Nothing here keeps time: what has been said is there before it is played, so that a slow machine changes nothing.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};
use varde_line::{Access, Line, Pace, Received, memory};
use varde_rtp::g711::{Codec, SILENCE};
use varde_rtp::rtp::{self, Packet};
use varde_rtp::sdp::{self, Direction, Local};
use varde_rtp::{Config, Media};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Packets of 20 ms that each says.
const PACKETS: u16 = 8;

/// What is said: nothing in it is silence.
fn speech(seed: u32) -> Vec<u8> {
    let octets = (0..u32::from(PACKETS) * 160).map(|at| {
        let [.., low] = (at.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13).to_be_bytes();
        if low == SILENCE { 0x2a } else { low }
    });
    octets.collect()
}

/// The next audio on a line.
async fn audio(line: &mut dyn Line) -> (u32, Vec<u8>) {
    loop {
        if let Received::Audio { time, octets, .. } = line.receive().await.unwrap() {
            return (time, octets);
        }
    }
}

async fn call() {
    let (media, _happened) = Media::start(&Config {
        address: HERE,
        ports: 23_400..=23_419,
    })
    .unwrap();
    let endpoint = media.open().unwrap();
    let phone = UdpSocket::bind((HERE, 0)).await.unwrap();
    let ours = Local {
        address: endpoint.local(),
        session: 1,
        version: 1,
        direction: Direction::SendRecv,
    };
    let theirs = Local {
        address: phone.local_addr().unwrap(),
        ..ours
    };
    let (_, agreed) = sdp::answer(&ours, sdp::offer(&theirs).as_bytes()).unwrap();
    endpoint.agree(agreed);
    let mut channel = endpoint.channel();
    let (mut here, mut there) = memory::pair(Access::Primary);
    let b = Access::Primary.b_channel(31).unwrap();

    let said = speech(1);
    for (index, audio) in (0..PACKETS).zip(said.chunks(160)) {
        let head = Packet {
            marker: index == 0,
            payload_type: Codec::Pcma.payload_type(),
            sequence: index,
            timestamp: u32::from(index) * 160,
            ssrc: 7,
            payload: 12..172,
        };
        let mut packet = vec![0; 12];
        rtp::write_head(&head, &mut packet);
        packet.extend_from_slice(audio);
        phone.send_to(&packet, endpoint.local()).await.unwrap();
    }
    while endpoint.statistics().received < u64::from(PACKETS) {
        sleep(Duration::from_millis(1)).await;
    }
    let mut heard = vec![];
    while heard.len() < 320 + said.len() {
        let mut block = [0; 64];
        assert_eq!(block.len(), Pace::EightMs.octets());
        channel.play(&mut block);
        here.send_audio(b, &block).unwrap();
        heard.extend(audio(&mut there).await.1);
    }
    assert_eq!(heard[..320], [SILENCE; 320], "the first packet waits 40 ms");
    assert_eq!(heard[320..], said);

    let said = speech(2);
    for octets in said.chunks(64) {
        there.send_audio(b, octets).unwrap();
        let (time, octets) = audio(&mut here).await;
        channel.hear(time, &octets);
    }
    let (mut heard, mut datagram) = (vec![], [0; 2048]);
    while heard.len() < said.len() {
        let length = phone.recv(&mut datagram).await.unwrap();
        let packet = rtp::parse(&datagram[..length]).unwrap();
        heard.extend_from_slice(&datagram[packet.payload]);
    }
    // The old exchange has said nothing until now: silence went before.
    let first = heard.iter().position(|octet| *octet != SILENCE).unwrap();
    assert_eq!(heard[first..], said[..heard.len() - first]);
}

#[tokio::test]
async fn a_phone_and_an_old_exchange_hear_each_other_octet_by_octet() {
    timeout(PATIENCE, call()).await.unwrap();
}

//! Endpoints on real sockets, between peers that are sockets too.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use varde_rtp::g711::{Codec, SILENCE, from_alaw};
use varde_rtp::rtp::{self, Packet};
use varde_rtp::sdp::{Agreed, Direction};
use varde_rtp::tone::{self, Tone};
use varde_rtp::{Config, Endpoint, Event, Happened, Media};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Longer than anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Each test has its own ports.
fn media(first: u16) -> (Media, mpsc::Receiver<Happened>) {
    Media::start(&Config {
        address: HERE,
        ports: first..=first + 19,
    })
    .unwrap()
}

/// Waits for what another thread is about to do.
fn wait_until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "it has not been done");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A phone: one stream out, whatever comes in.
struct Peer {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

impl Peer {
    fn new(ssrc: u32) -> Self {
        let bind = || {
            let socket = UdpSocket::bind((HERE, 0)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        };
        Self {
            rtp: bind(),
            rtcp: bind(),
            ssrc,
            sequence: 65_530,
            timestamp: 4_294_967_000,
        }
    }

    fn address(&self) -> SocketAddr {
        self.rtp.local_addr().unwrap()
    }

    /// What is agreed with it.
    fn agreed(&self, codec: Codec) -> Agreed {
        Agreed {
            rtp: self.address(),
            rtcp: self.rtcp.local_addr().unwrap(),
            codec,
            events_out: Some(101),
            events_in: Some(101),
            ptime: 20,
            direction: Direction::SendRecv,
        }
    }

    fn send_as(&mut self, to: &Endpoint, payload_type: u8, timestamp: u32, payload: &[u8]) {
        let head = Packet {
            marker: false,
            payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            payload: 12..12 + payload.len(),
        };
        let mut datagram = vec![0; 12];
        rtp::write_head(&head, &mut datagram);
        datagram.extend_from_slice(payload);
        self.rtp.send_to(&datagram, to.local()).unwrap();
        self.sequence = self.sequence.wrapping_add(1);
    }

    fn send(&mut self, to: &Endpoint, codec: Codec, audio: &[u8]) {
        self.send_as(to, codec.payload_type(), self.timestamp, audio);
        self.timestamp = self.timestamp.wrapping_add(u32::try_from(audio.len()).unwrap());
    }

    fn receive(&self) -> (Packet, Vec<u8>) {
        let mut datagram = [0; 2048];
        let length = self.rtp.recv(&mut datagram).unwrap();
        let packet = rtp::parse(&datagram[..length]).unwrap();
        let payload = datagram[packet.payload.clone()].to_vec();
        (packet, payload)
    }
}

/// Audio that is different in each packet.
fn audio(packet: u8) -> Vec<u8> {
    (0..160)
        .map(|at: u8| at.wrapping_mul(7).wrapping_add(packet))
        .collect()
}

/// Two peers whose calls are bridged.
fn bridged(media: &Media, codecs: (Codec, Codec)) -> ((Peer, Endpoint), (Peer, Endpoint)) {
    let (one, other) = (Peer::new(111), Peer::new(222));
    let (here, there) = (media.open().unwrap(), media.open().unwrap());
    here.agree(one.agreed(codecs.0));
    there.agree(other.agreed(codecs.1));
    here.bridge(&there);
    ((one, here), (other, there))
}

#[test]
fn the_same_codec_is_passed_through_octet_by_octet_both_ways() {
    let (media, _happened) = media(23_000);
    let ((mut one, here), (mut other, there)) = bridged(&media, (Codec::Pcma, Codec::Pcma));
    let mut first: Option<Packet> = None;
    for index in 0..100 {
        one.send(&here, Codec::Pcma, &audio(index));
        let (packet, payload) = other.receive();
        assert_eq!(payload, audio(index));
        let first = first.get_or_insert(packet.clone());
        assert_eq!(packet.sequence, first.sequence.wrapping_add(u16::from(index)));
        assert_eq!(
            packet.timestamp,
            first.timestamp.wrapping_add(160 * u32::from(index))
        );
        assert_eq!(
            (packet.ssrc, packet.payload_type, packet.marker),
            (first.ssrc, 8, index == 0)
        );
        assert_ne!(packet.ssrc, 111, "it is our stream, not the other peer's");
        other.send(&there, Codec::Pcma, &audio(index + 100));
        assert_eq!(one.receive().1, audio(index + 100));
    }
    let statistics = here.statistics();
    assert_eq!(
        (statistics.received, statistics.lost, statistics.sent),
        (100, 0, 100)
    );
    assert_eq!((statistics.refused, statistics.unsent), (0, 0));
    assert_eq!(statistics.from, Some(one.address()));
}

#[test]
fn mu_law_is_converted_both_ways() {
    let (media, _happened) = media(23_020);
    let ((mut one, here), (mut other, there)) = bridged(&media, (Codec::Pcma, Codec::Pcmu));
    one.send(&here, Codec::Pcma, &audio(3));
    let (packet, payload) = other.receive();
    let mut expected = audio(3);
    Codec::Pcma.convert(Codec::Pcmu, &mut expected);
    assert_eq!((packet.payload_type, payload), (0, expected));
    other.send(&there, Codec::Pcmu, &audio(4));
    let (packet, payload) = one.receive();
    let mut expected = audio(4);
    Codec::Pcmu.convert(Codec::Pcma, &mut expected);
    assert_eq!((packet.payload_type, payload), (8, expected));
}

#[test]
fn a_button_is_passed_on_under_the_other_peers_number_and_told() {
    let (media, mut happened) = media(23_040);
    let ((mut one, here), (other, there)) = bridged(&media, (Codec::Pcma, Codec::Pcma));
    there.agree(Agreed {
        events_out: Some(96),
        ..other.agreed(Codec::Pcma)
    });
    let mut sent = vec![];
    for (flags, duration) in [
        (9, 160),
        (9, 320),
        (0x80 | 9, 480),
        (0x80 | 9, 480),
        (0x80 | 9, 480),
    ] {
        let [high, low] = u16::to_be_bytes(duration);
        sent.push(vec![11, flags, high, low]);
        one.send_as(&here, 101, 5000, sent.last().unwrap());
    }
    let passed: Vec<_> = sent.iter().map(|_| other.receive()).collect();
    assert!(passed.iter().all(|(packet, _)| packet.payload_type == 96));
    assert!(
        passed
            .iter()
            .all(|(packet, _)| packet.timestamp == passed[0].0.timestamp)
    );
    assert_eq!(
        passed.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>(),
        sent
    );
    let happened = happened.blocking_recv().unwrap();
    assert_eq!(happened.endpoint, here.id());
    let Event::Pressed(press) = happened.event else {
        panic!("{happened:?}")
    };
    assert_eq!((press.button, press.duration), ('#', Duration::from_millis(60)));
}

#[test]
fn a_peer_that_takes_no_events_hears_the_tones_of_a_button() {
    let (media, _happened) = media(23_060);
    let ((mut one, here), (other, there)) = bridged(&media, (Codec::Pcma, Codec::Pcma));
    there.agree(Agreed {
        events_out: None,
        ..other.agreed(Codec::Pcma)
    });
    let mut heard = vec![];
    for (flags, duration) in [(9, 160), (9, 480), (0x80 | 9, 640), (0x80 | 9, 640)] {
        let [high, low] = u16::to_be_bytes(duration);
        one.send_as(&here, 101, 5000, &[5, flags, high, low]);
    }
    let mut next = None;
    while heard.len() < 640 {
        let (packet, payload) = other.receive();
        assert_eq!(packet.payload_type, 8);
        assert!(next.is_none_or(|next| next == packet.timestamp));
        next = Some(
            packet
                .timestamp
                .wrapping_add(u32::try_from(payload.len()).unwrap()),
        );
        heard.extend(payload);
    }
    let mut expected = vec![0; 640];
    tone::button('5', 0, &mut expected);
    assert_eq!(heard, expected);
}

#[test]
fn a_channel_hears_a_peer_and_a_peer_hears_a_channel_octet_by_octet() {
    let (media, _happened) = media(23_080);
    let mut peer = Peer::new(7);
    let endpoint = media.open().unwrap();
    endpoint.agree(peer.agreed(Codec::Pcma));
    let mut channel = endpoint.channel();
    // From the channel: 8 ms at a time, as mISDN has it.
    let spoken: Vec<u8> = (0..20).flat_map(audio).collect();
    for (index, octets) in (0..).zip(spoken.chunks(64)) {
        channel.hear(u32::MAX.wrapping_add(index * 64), octets);
    }
    let heard: Vec<u8> = (0..20).flat_map(|_| peer.receive().1).collect();
    assert_eq!(heard, spoken);
    // To the channel: all that comes is put before it is played.
    for index in 0..5 {
        peer.send(&endpoint, Codec::Pcma, &audio(index));
    }
    wait_until(|| endpoint.statistics().received >= 5);
    let mut played = vec![0; 320 + 5 * 160];
    channel.play(&mut played);
    assert_eq!(played[..320], [SILENCE; 320]);
    assert_eq!(played[320..], (0..5).flat_map(audio).collect::<Vec<_>>()[..]);
    assert_eq!(endpoint.statistics().buffer.unwrap().concealed, 0);
}

#[test]
fn packets_from_a_channel_are_as_long_as_was_agreed_last() {
    let (media, _happened) = media(23_260);
    let peer = Peer::new(7);
    let endpoint = media.open().unwrap();
    let mut channel = endpoint.channel();
    for (ptime, length) in [(30, 240), (10, 80)] {
        endpoint.agree(Agreed {
            ptime,
            ..peer.agreed(Codec::Pcma)
        });
        channel.hear(0, &audio(1).repeat(2));
        assert_eq!(peer.receive().1.len(), length);
    }
}

#[test]
fn a_silent_channel_is_silence_for_the_peer() {
    let (media, _happened) = media(23_100);
    let peer = Peer::new(7);
    let endpoint = media.open().unwrap();
    endpoint.agree(peer.agreed(Codec::Pcma));
    let mut channel = endpoint.channel();
    for _ in 0..4 {
        channel.play(&mut [0; 160]);
    }
    assert_eq!(peer.receive().1, [SILENCE; 160]);
}

#[test]
fn audio_goes_to_where_the_peer_turns_out_to_be_and_no_stranger_gets_it() {
    let (media, _happened) = media(23_120);
    let ((mut one, here), (mut other, there)) = bridged(&media, (Codec::Pcma, Codec::Pcma));
    // Behind an address translation: another port than it said.
    there.agree(Agreed {
        rtp: SocketAddr::new(HERE, 9),
        ..other.agreed(Codec::Pcma)
    });
    other.send(&there, Codec::Pcma, &audio(0));
    other.send(&there, Codec::Pcma, &audio(1));
    assert_eq!(one.receive().1, audio(1), "the first one is a trial");
    let mut stranger = Peer::new(666);
    for index in 0..10 {
        stranger.send(&there, Codec::Pcma, &audio(index));
    }
    wait_until(|| there.statistics().refused >= 11);
    one.send(&here, Codec::Pcma, &audio(2));
    assert_eq!(other.receive().1, audio(2));
    other.send(&there, Codec::Pcma, &audio(3));
    assert_eq!(one.receive().1, audio(3), "nothing of the stranger's");
}

#[test]
fn nothing_goes_to_a_peer_on_hold() {
    let (media, _happened) = media(23_140);
    let ((mut one, here), (other, there)) = bridged(&media, (Codec::Pcma, Codec::Pcma));
    there.agree(Agreed {
        direction: Direction::RecvOnly,
        ..other.agreed(Codec::Pcma)
    });
    one.send(&here, Codec::Pcma, &audio(1));
    wait_until(|| here.statistics().received >= 1);
    there.agree(other.agreed(Codec::Pcma));
    one.send(&here, Codec::Pcma, &audio(2));
    assert_eq!(other.receive().1, audio(2));
    assert_eq!(there.statistics().sent, 1);
}

#[test]
fn a_tone_takes_the_place_of_the_bridge_until_it_ends() {
    let (media, _happened) = media(23_160);
    let ((mut one, here), (other, there)) = bridged(&media, (Codec::Pcma, Codec::Pcma));
    there.play(Some(Tone::Busy));
    let tones: Vec<_> = (0..3).map(|_| other.receive()).collect();
    let mut expected = vec![0; 480];
    tone::Player::new(Tone::Busy).play(&mut expected);
    assert_eq!(
        tones
            .iter()
            .flat_map(|(_, audio)| audio.clone())
            .collect::<Vec<_>>(),
        expected
    );
    one.send(&here, Codec::Pcma, &audio(1));
    wait_until(|| here.statistics().received >= 1);
    there.play(None);
    one.send(&here, Codec::Pcma, &audio(2));
    let mut last = tones[2].0.clone();
    loop {
        let (packet, payload) = other.receive();
        assert_eq!(packet.sequence, last.sequence.wrapping_add(1));
        last = packet;
        assert_ne!(payload, audio(1));
        if payload == audio(2) {
            assert!(last.marker);
            break;
        }
    }
}

#[test]
fn a_button_is_pressed_as_events_or_as_tones() {
    let (media, _happened) = media(23_180);
    let peer = Peer::new(7);
    let endpoint = media.open().unwrap();
    endpoint.agree(peer.agreed(Codec::Pcma));
    assert!(endpoint.press('9', Duration::from_millis(40)));
    assert!(!endpoint.press('?', Duration::from_millis(40)));
    let events: Vec<_> = (0..4).map(|_| peer.receive()).collect();
    assert_eq!(events[0].1, [9, 9, 0, 160]);
    for (packet, payload) in &events[1..] {
        assert_eq!(payload[..], [9, 0x89, 1, 64]);
        assert_eq!(
            (packet.timestamp, packet.payload_type),
            (events[0].0.timestamp, 101)
        );
    }
    endpoint.agree(Agreed {
        events_out: None,
        ..peer.agreed(Codec::Pcma)
    });
    assert!(endpoint.press('9', Duration::from_millis(40)));
    let (packet, payload) = peer.receive();
    assert_eq!(packet.payload_type, 8);
    assert!(payload.iter().any(|octet| from_alaw(*octet) > 10_000));
}

#[test]
fn the_peer_is_told_when_an_endpoint_closes_and_its_ports_are_free_again() {
    let (media, _happened) = media(23_200);
    let mut peer = Peer::new(7);
    let endpoint = media.open().unwrap();
    let local = endpoint.local();
    assert_eq!(local.port() % 2, 0);
    endpoint.agree(peer.agreed(Codec::Pcma));
    peer.send(&endpoint, Codec::Pcma, &audio(1));
    wait_until(|| endpoint.statistics().received >= 1);
    drop(endpoint);
    let mut datagram = [0; 512];
    let (length, from) = peer.rtcp.recv_from(&mut datagram).unwrap();
    assert_eq!(from.port(), local.port() + 1);
    let heard = varde_rtp::rtcp::parse(&datagram[..length], 7).unwrap();
    assert!(heard.bye);
    assert_eq!(heard.about_us.unwrap().loss.cumulative, 0);
    drop(UdpSocket::bind(local).unwrap());
}

#[test]
fn an_endpoint_whose_other_side_has_closed_goes_on_alone() {
    let (media, _happened) = media(23_220);
    let ((mut one, here), (_other, there)) = bridged(&media, (Codec::Pcma, Codec::Pcma));
    drop(there);
    one.send(&here, Codec::Pcma, &audio(1));
    wait_until(|| here.statistics().received >= 1);
    // Whoever gets the place of the one that has closed is not bridged with anyone.
    let mut peer = Peer::new(9);
    let next = media.open().unwrap();
    next.agree(peer.agreed(Codec::Pcma));
    peer.send(&next, Codec::Pcma, &audio(2));
    wait_until(|| next.statistics().received >= 1);
    next.bridge(&here);
    peer.send(&next, Codec::Pcma, &audio(3));
    assert_eq!(one.receive().1, audio(3));
}

#[test]
fn a_channel_whose_endpoint_is_gone_is_silent_and_nobody_hears_it() {
    let (media, _happened) = media(23_280);
    let (gone, peer) = (media.open().unwrap(), Peer::new(7));
    let mut stale = gone.channel();
    drop(gone);
    // The next endpoint has the place of the one that is gone.
    let endpoint = media.open().unwrap();
    endpoint.agree(peer.agreed(Codec::Pcma));
    let mut channel = endpoint.channel();
    stale.hear(0, &audio(1));
    channel.hear(0, &audio(2));
    assert_eq!(peer.receive().1, audio(2));
    let mut played = [0; 160];
    stale.play(&mut played);
    assert_eq!(played, [SILENCE; 160]);
}

#[test]
fn what_an_endpoint_was_bridged_with_before_does_not_reach_it() {
    let (media, _happened) = media(23_300);
    let ((one, here), (mut other, there)) = bridged(&media, (Codec::Pcma, Codec::Pcma));
    let mut channel = here.channel();
    other.send(&there, Codec::Pcma, &audio(1));
    wait_until(|| there.statistics().received >= 1);
    channel.hear(0, &audio(2));
    assert_eq!(one.receive().1, audio(2));
}

#[test]
fn bytes_that_are_no_packets_are_counted_and_change_nothing() {
    let (media, _happened) = media(23_240);
    let ((mut one, here), (other, _there)) = bridged(&media, (Codec::Pcma, Codec::Pcma));
    let rtcp = SocketAddr::new(HERE, here.local().port() + 1);
    for junk in [&[][..], &[0x80], &[0xff; 40], &[0; 2000], &[0x80; 3000]] {
        one.rtp.send_to(junk, here.local()).unwrap();
        one.rtcp.send_to(junk, rtcp).unwrap();
    }
    wait_until(|| here.statistics().refused >= 10);
    one.send(&here, Codec::Pcma, &audio(1));
    assert_eq!(other.receive().1, audio(1));
}

//! Two sessions and a network between them, without sockets and with a clock of our own.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::net::SocketAddr;
use std::time::Duration;

use varde_rtp::g711::Codec;
use varde_rtp::rtcp::{self, AboutUs, Report};
use varde_rtp::rtp::{self, Packet};
use varde_rtp::sdp::{Agreed, Direction};
use varde_rtp::session::{STEP, Seed, Session};
use varde_rtp::{Event, Kind, Loss, Notice, Refused, Way};

fn address(end: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, end], port))
}

fn agreed(end: u8) -> Agreed {
    Agreed {
        rtp: address(end, 4000),
        rtcp: address(end, 4001),
        codec: Codec::Pcma,
        events_out: Some(101),
        events_in: Some(101),
        ptime: 20,
        direction: Direction::SendRecv,
    }
}

fn session(end: u8) -> Session {
    let seed = Seed {
        ssrc: u32::from(end),
        sequence: 65_000,
        timestamp: 77,
        name: 1,
    };
    Session::new(seed, Duration::from_secs(1_700_000_000))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A network between ends 1 and 2: each datagram takes 30 ms, and some do not arrive.
struct Network {
    ends: [Session; 2],
    now: Duration,
    under_way: Vec<(Duration, usize, SocketAddr, Vec<u8>)>,
    /// Whether the next datagram of RTP to this end arrives.
    arrives: fn(usize, u64) -> bool,
    count: u64,
    speaks: [bool; 2],
    events: [Vec<Event>; 2],
}

impl Network {
    fn new() -> Self {
        let mut ends = [session(1), session(2)];
        ends[0].agree(Duration::ZERO, agreed(2));
        ends[1].agree(Duration::ZERO, agreed(1));
        Self {
            ends,
            now: Duration::ZERO,
            under_way: vec![],
            arrives: |_, _| true,
            count: 0,
            speaks: [true; 2],
            events: [vec![], vec![]],
        }
    }

    /// Whose address this is, from 0.
    fn end_of(address: SocketAddr) -> usize {
        usize::from(address == self::address(2, 4000) || address == self::address(2, 4001))
    }

    fn put(&mut self, from: usize, to: SocketAddr, datagram: Vec<u8>) {
        let end = Self::end_of(to);
        self.count += 1;
        if to.port() == 4001 || (self.arrives)(end, self.count) {
            let port = to.port();
            let from = address(u8::try_from(from).unwrap() + 1, port);
            self.under_way.push((self.now + ms(30), end, from, datagram));
        }
    }

    /// Goes on for so many steps of 20 ms, in which each end sends audio and looks after itself.
    fn run(&mut self, steps: u32) {
        for _ in 0..steps {
            for end in 0..2 {
                let mut datagram = vec![];
                if self.speaks[end]
                    && let Some(to) = self.ends[end].send(self.now, &[0x55; 160], &mut datagram)
                {
                    self.put(end, to, datagram.clone());
                }
                if self.ends[end].due().is_some_and(|due| due <= self.now)
                    && let Some(to) = self.ends[end].make(self.now, &mut datagram)
                {
                    self.put(end, to, datagram);
                }
                if let Some((to, report)) = self.ends[end].look_after(self.now) {
                    self.put(end, to, report);
                }
            }
            self.now += STEP;
            let now = self.now;
            let (arrived, rest) = self.under_way.drain(..).partition(|(at, ..)| *at <= now);
            self.under_way = rest;
            for (at, end, from, datagram) in arrived {
                if from.port() == 4000 {
                    self.ends[end].receive(at, from, &datagram).unwrap();
                } else {
                    self.ends[end].receive_report(at, from, &datagram).unwrap();
                }
            }
            for (end, events) in self.ends.iter_mut().zip(&mut self.events) {
                events.extend(end.take_events());
            }
        }
    }
}

#[test]
fn reports_tell_each_end_of_loss_and_of_the_way_there_and_back() {
    let mut network = Network::new();
    // Every fourth packet to end 2 is lost; the count goes over both ends' packets.
    network.arrives = |end, count| end == 0 || count % 8 != 1;
    network.run(1000);
    let here = network.ends[0].statistics();
    let there = network.ends[1].statistics();
    assert_eq!(here.lost, 0);
    assert!((240..260).contains(&there.lost), "{there:?}");
    let peer = here.peer.unwrap();
    assert!((150..260).contains(&peer.lost), "{peer:?}");
    assert!((60..70).contains(&peer.fraction_lost), "{peer:?}");
    let round_trip = peer.round_trip.unwrap();
    assert!(round_trip.abs_diff(ms(60)) < ms(1), "{round_trip:?}");
    assert_eq!(network.events, [vec![], vec![]]);
}

#[test]
fn audio_that_reaches_one_end_only_is_said_at_both() {
    let mut network = Network::new();
    network.run(100);
    network.arrives = |end, _| end == 0;
    network.run(1000);
    let to = Event::Noticed(Notice::Missing {
        way: Way::ToPeer,
        ever: true,
    });
    let from = Event::Noticed(Notice::Missing {
        way: Way::FromPeer,
        ever: true,
    });
    assert_eq!(network.events, [vec![to], vec![from]]);
    network.arrives = |_, _| true;
    network.run(600);
    assert_eq!(
        network.events[0][1..],
        [Event::Noticed(Notice::Back { way: Way::ToPeer })]
    );
    assert_eq!(
        network.events[1][1..],
        [Event::Noticed(Notice::Back { way: Way::FromPeer })]
    );
}

#[test]
fn a_peer_that_falls_silent_on_purpose_is_not_missing() {
    let mut network = Network::new();
    network.run(100);
    network.speaks[1] = false;
    network.run(3000);
    assert_eq!(network.events, [vec![], vec![]]);
}

#[test]
fn buttons_arrive_once_each_through_loss() {
    let mut network = Network::new();
    network.arrives = |_, count| count % 3 != 0;
    for button in "0123456789*#ABCD".chars() {
        assert!(network.ends[0].press(Duration::ZERO, button, ms(100)));
    }
    network.run(300);
    let pressed: String = network.events[1]
        .iter()
        .filter_map(|event| match event {
            Event::Pressed(press) => Some(press.button),
            Event::Noticed(_) => None,
        })
        .collect();
    assert_eq!(pressed, "0123456789*#ABCD");
}

/// A packet from end 2.
fn packet(payload_type: u8, sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut datagram = vec![0; 12];
    let head = Packet {
        marker: false,
        payload_type,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc,
        payload: 12..13,
    };
    rtp::write_head(&head, &mut datagram);
    datagram.push(1);
    datagram
}

#[test]
fn what_was_not_agreed_is_not_taken() {
    let mut session = session(1);
    let receive = |session: &mut Session, payload_type, ssrc| {
        session
            .receive(ms(0), address(2, 4000), &packet(payload_type, 1, ssrc))
            .map(|taken| taken.kind)
    };
    assert_eq!(receive(&mut session, 8, 2), Err(Refused::NotExpected));
    session.agree(ms(0), agreed(2));
    assert_eq!(receive(&mut session, 18, 2), Err(Refused::PayloadType));
    assert_eq!(receive(&mut session, 8, 1), Err(Refused::Source), "our own SSRC");
    assert_eq!(receive(&mut session, 8, 2), Ok(Kind::Audio(Codec::Pcma)));
    assert_eq!(receive(&mut session, 0, 2), Ok(Kind::Audio(Codec::Pcmu)));
    assert_eq!(receive(&mut session, 13, 2), Ok(Kind::ComfortNoise));
    session.agree(
        ms(0),
        Agreed {
            direction: Direction::SendOnly,
            ..agreed(2)
        },
    );
    assert_eq!(receive(&mut session, 8, 2), Err(Refused::NotExpected));
    assert_eq!(session.statistics().refused, 4);
}

#[test]
fn another_stream_of_a_peer_has_another_number_and_the_counts_go_on() {
    let mut session = session(1);
    session.agree(ms(0), agreed(2));
    let mut stream = |sequence, ssrc| {
        session
            .receive(ms(0), address(2, 4000), &packet(8, sequence, ssrc))
            .map(|taken| taken.stream)
    };
    let first = stream(1, 7).unwrap();
    assert_eq!(stream(4, 7), Ok(first));
    let second = stream(1, 8).unwrap();
    assert_ne!(second, first);
    assert_eq!(stream(30_000, 8), Err(Refused::Sequence));
    assert_ne!(stream(30_001, 8).unwrap(), second);
    let statistics = session.statistics();
    assert_eq!((statistics.received, statistics.lost), (4, 2));
}

#[test]
fn nothing_is_sent_to_an_address_that_is_none() {
    let mut session = session(1);
    let mut datagram = vec![];
    assert_eq!(session.send(ms(0), &[0; 160], &mut datagram), None);
    session.agree(
        ms(0),
        Agreed {
            rtp: SocketAddr::from(([0, 0, 0, 0], 4000)),
            ..agreed(2)
        },
    );
    assert_eq!(session.send(ms(0), &[0; 160], &mut datagram), None);
    assert_eq!(session.report(ms(0), false), None);
    session.agree(ms(0), agreed(2));
    assert_eq!(
        session.send(ms(0), &[0; 160], &mut datagram),
        Some(address(2, 4000))
    );
}

#[test]
fn reports_of_strangers_and_of_other_streams_say_nothing() {
    let mut session = session(1);
    session.agree(ms(0), agreed(2));
    session
        .receive(ms(0), address(2, 4000), &packet(8, 1, 2))
        .unwrap();
    let about = AboutUs {
        loss: Loss {
            fraction: 9,
            cumulative: 9,
            highest: 9,
            jitter: 9,
        },
        last_report: 0,
        since: 0,
    };
    let report = |ssrc| {
        rtcp::write(&Report {
            ssrc,
            name: "a1b2",
            sent: None,
            about: Some((1, about)),
            bye: false,
        })
    };
    let stranger = session.receive_report(ms(0), address(9, 4001), &report(2));
    assert_eq!(stranger, Err(Refused::Source));
    let other = session.receive_report(ms(0), address(2, 4001), &report(3));
    assert_eq!(other, Err(Refused::NotRtcp));
    assert_eq!(session.statistics().peer, None);
    session
        .receive_report(ms(0), address(2, 4001), &report(2))
        .unwrap();
    assert_eq!(session.statistics().peer.unwrap().lost, 9);
}

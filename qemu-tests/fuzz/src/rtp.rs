//! A call whose peer sends whatever it likes to its RTP port, from wherever it likes.

use std::net::SocketAddr;
use std::time::Duration;

use varde_rtp::g711::Codec;
use varde_rtp::jitter::JitterBuffer;
use varde_rtp::rtp;
use varde_rtp::sdp::{Agreed, Direction};
use varde_rtp::session::{Seed, Session};

/// The longest delay of a jitter buffer, and the longest packet that it takes.
const LONGEST_DELAY: u32 = 1600 + 4000;
/// More happenings than one datagram has.
const MOST_EVENTS: usize = 8;

/// What is agreed with the peer at one end.
pub fn agreed(codec: Codec, events: Option<u8>) -> Agreed {
    Agreed {
        rtp: peer(0),
        rtcp: SocketAddr::from(([192, 0, 2, 1], 4001)),
        codec,
        events_out: events,
        events_in: Some(101),
        ptime: 20,
        direction: Direction::SendRecv,
    }
}

/// The peer's addresses: the first is the one it said.
pub fn peer(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000 + 2 * u16::from(number)))
}

pub fn session(ssrc: u32) -> Session {
    let seed = Seed {
        ssrc,
        sequence: 65_000,
        timestamp: 0,
        name: 1,
    };
    Session::new(seed, Duration::ZERO)
}

/// Plays a story. Each event is a byte of what happens before (its lowest two bits: which address, the others: how many
/// steps of 8 ms), one of a datagram's length, and the datagram.
pub fn judge(story: &[u8]) {
    let mut from = session(1);
    from.agree(Duration::ZERO, agreed(Codec::Pcma, Some(101)));
    let mut with_events = session(2);
    with_events.agree(Duration::ZERO, agreed(Codec::Pcmu, Some(96)));
    let mut without = session(3);
    without.agree(Duration::ZERO, agreed(Codec::Pcma, None));
    let mut buffer = JitterBuffer::new();
    let (mut now, mut rest) = (Duration::ZERO, story);
    while let [before, length, tail @ ..] = rest {
        let (datagram, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = tail;
        for _ in 0..before >> 2 {
            now += Duration::from_millis(8);
            buffer.play(&mut [0; 64]);
        }
        // What is refused is not the question here.
        let Ok(taken) = from.receive(now, peer(before & 3), datagram) else {
            continue;
        };
        for to in [&mut with_events, &mut without] {
            let mut space = datagram.to_vec();
            space.resize(2048, 0);
            if let Some((_, range)) = to.pass(now, &taken, &mut space) {
                let passed = rtp::parse(&space[range]).expect("what is sent can be read");
                assert!(
                    matches!(passed.payload_type, 0 | 8 | 96),
                    "what was not agreed is sent"
                );
            }
        }
        let mut space = [0; 800];
        if let Some((timestamp, audio)) = taken.audio(&mut datagram.to_vec(), &mut space) {
            buffer.put(timestamp, audio);
        }
        assert!(buffer.delay() <= LONGEST_DELAY, "the delay has no bound");
        drop(from.look_after(now));
        assert!(
            from.take_events().count() <= MOST_EVENTS,
            "one datagram has no end"
        );
    }
}

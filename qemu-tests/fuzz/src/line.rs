//! A D channel whose other end sends whatever it likes, whenever it likes.

use std::time::Duration;

use varde_lapd::{Arrangement, Ces, Config, DChannel, Output, Parameters, Request, Side};

/// More outputs than any one event has: a window of I frames, answers, errors, all links of a bus.
const MOST_OUTPUTS: usize = 2000;

/// Plays a story. Its first byte chooses side and arrangement; each event after it is a byte: below 0xf0 it is the
/// length of a frame that follows, 0xf0 and above are requests and time.
pub fn judge(story: &[u8]) {
    let Some((first, mut rest)) = story.split_first() else {
        return;
    };
    let side = if first & 1 == 0 { Side::Network } else { Side::User };
    let arrangement = if first & 2 == 0 {
        Arrangement::PointToPoint {
            tei: first >> 2 & 0x3f,
        }
    } else {
        Arrangement::PointToMultipoint
    };
    let mut channel = DChannel::new(Config {
        side,
        arrangement,
        parameters: Parameters::PRIMARY,
        seed: 0,
    });
    let mut now = Duration::ZERO;
    while let Some((event, tail)) = rest.split_first() {
        rest = tail;
        let ces = channel.links().last().map_or(Ces::OWN, |(ces, _)| ces);
        // What a request or a frame is refused for is not the question here: nothing may panic, hang or grow.
        match event {
            0xff => {
                if let Some(at) = channel.poll_timeout() {
                    now = now.max(at);
                    channel.handle_timeout(now);
                }
            }
            0xfe => drop(channel.request(now, ces, Request::Establish)),
            0xfd => drop(channel.request(now, ces, Request::Release)),
            0xfc => drop(channel.request(now, ces, Request::Data(vec![1]))),
            0xfb => drop(channel.request(now, ces, Request::UnitData(vec![2]))),
            0xfa => drop(channel.set_receiver_busy(now, ces, true)),
            0xf9 => drop(channel.set_receiver_busy(now, ces, false)),
            0xf8 => channel.deactivated(now),
            0xf7 => channel.check_terminals(now),
            0xf0..=0xf6 => now += Duration::from_millis(300),
            length => {
                let (frame, tail) = rest.split_at(rest.len().min(usize::from(*length)));
                rest = tail;
                drop(channel.receive(now, frame));
            }
        }
        let mut outputs = 0;
        while let Some(output) = channel.poll_output(now) {
            if let Output::Frame(bytes) = output {
                assert!(bytes.len() >= 3, "a frame has an address and a control field");
            }
            outputs += 1;
            assert!(outputs < MOST_OUTPUTS, "one event has no end");
        }
        assert!(
            channel
                .poll_timeout()
                .is_none_or(|at| at >= now || *event != 0xff),
            "a timer stays due"
        );
    }
}

//! The framing of l1oip: octet by octet as in the kernel's driver, and whatever else may come.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::time::Duration;

use proptest::prelude::*;
use varde_line::l1oip::{Block, Endpoint, Header};
use varde_line::{Access, L1oipError, Received};

const PRIMARY: Header = Header {
    access: Access::Primary,
    id: None,
};

fn headers() -> impl Strategy<Value = Header> {
    let access = prop_oneof![Just(Access::Basic), Just(Access::Primary)];
    (access, prop::option::of(any::<u32>())).prop_map(|(access, id)| Header { access, id })
}

proptest! {
    #[test]
    fn a_datagram_that_was_written_is_read(
        header in headers(),
        channel in 0..128u8,
        time in any::<u16>(),
        data in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let block = Block { channel, time, data: &data };
        let bytes = header.encode(block);
        prop_assert_eq!(header.parse(&bytes), Ok(vec![block]));
    }

    #[test]
    fn blocks_in_one_datagram_are_all_read(
        blocks in prop::collection::vec((1..128u8, any::<u16>(), prop::collection::vec(any::<u8>(), 1..=256)), 1..5),
    ) {
        let mut bytes = vec![0x20];
        let last = blocks.len() - 1;
        for (at, (channel, time, data)) in blocks.iter().enumerate() {
            if at < last {
                bytes.extend([0x80 | channel, u8::try_from(data.len() % 256).unwrap()]);
            } else {
                bytes.push(*channel);
            }
            bytes.extend(time.to_be_bytes());
            bytes.extend(data);
        }
        let expected: Vec<_> = blocks.iter().map(|(channel, time, data)| Block {
            channel: *channel,
            time: *time,
            data,
        }).collect();
        prop_assert_eq!(PRIMARY.parse(&bytes), Ok(expected));
        // Cut anywhere before the last block's data, it is no datagram.
        let whole = bytes.len() - blocks[last].2.len();
        for cut in 0..whole {
            prop_assert!(PRIMARY.parse(&bytes[..cut]).is_err(), "cut at {}", cut);
        }
    }

    #[test]
    fn no_datagram_stops_an_end(
        header in headers(),
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
    ) {
        let mut end = Endpoint::new(Duration::ZERO, header);
        for datagram in &datagrams {
            let _ = end.receive(Duration::ZERO, datagram);
            while let Some(received) = end.poll_received() {
                if let Received::Audio { channel, .. } = received {
                    prop_assert!(header.access.b_channel(channel.number()).is_some());
                }
            }
        }
    }

    /// Over more than one turn of the 16 bits, with gaps up to half a turn.
    #[test]
    fn audio_has_its_place_across_turns_of_the_time_base(gaps in prop::collection::vec(0..32_000u32, 1..30)) {
        let mut end = Endpoint::new(Duration::ZERO, PRIMARY);
        let mut place = 0u32;
        for gap in gaps {
            place += gap;
            let time = u16::try_from(place % 65_536).unwrap();
            let bytes = PRIMARY.encode(Block { channel: 1, time, data: &[0] });
            end.receive(Duration::ZERO, &bytes).unwrap();
            let heard = std::iter::from_fn(|| end.poll_received()).last().unwrap();
            let Received::Audio { time, .. } = heard else { panic!("{heard:?}") };
            prop_assert_eq!(time, place);
        }
    }
}

/// What `l1oip_socket_send` puts together for an E1 without id.
#[test]
fn a_frame_of_the_d_channel_is_as_the_kernel_sends_it() {
    let mut end = Endpoint::new(Duration::ZERO, PRIMARY);
    end.send_frame(Duration::ZERO, &[0x02, 0x01, 0x7f]).unwrap();
    end.send_frame(Duration::ZERO, &[0x02, 0x01, 0x7f]).unwrap();
    assert_eq!(end.poll_datagram().unwrap(), [0x20, 16, 0, 0, 0x02, 0x01, 0x7f]);
    assert_eq!(end.poll_datagram().unwrap(), [0x20, 16, 0, 1, 0x02, 0x01, 0x7f]);
    let mut basic = Endpoint::new(
        Duration::ZERO,
        Header {
            access: Access::Basic,
            id: Some(0x1234_5678),
        },
    );
    basic.send_frame(Duration::ZERO, &[0x02, 0x81, 0x7f]).unwrap();
    let expected = [0x10, 0x12, 0x34, 0x56, 0x78, 3, 0, 0, 0x02, 0x81, 0x7f];
    assert_eq!(basic.poll_datagram().unwrap(), expected);
}

#[test]
fn audio_is_reversed_bit_by_bit_and_counted_by_octets() {
    let b5 = Access::Primary.b_channel(5).unwrap();
    let mut end = Endpoint::new(Duration::ZERO, PRIMARY);
    // 0xd5 is A-law's silence in RTP.
    end.send_audio(Duration::ZERO, b5, &[0xd5, 0x01, 0x80]).unwrap();
    end.send_audio(Duration::ZERO, b5, &[0xd5]).unwrap();
    assert_eq!(end.poll_datagram().unwrap(), [0x20, 5, 0, 0, 0xab, 0x80, 0x01]);
    assert_eq!(end.poll_datagram().unwrap(), [0x20, 5, 0, 3, 0xab]);
    end.receive(Duration::ZERO, &[0x20, 5, 0, 3, 0xab, 0x80]).unwrap();
    assert_eq!(end.poll_received(), Some(Received::Up));
    let expected = Received::Audio {
        channel: b5,
        time: 3,
        octets: vec![0xd5, 0x01],
    };
    assert_eq!(end.poll_received(), Some(expected));
}

#[test]
fn more_audio_than_a_datagram_takes_goes_into_several() {
    let b1 = Access::Primary.b_channel(1).unwrap();
    let mut end = Endpoint::new(Duration::ZERO, PRIMARY);
    end.send_audio(Duration::ZERO, b1, &[0; 3000]).unwrap();
    let sizes: Vec<_> = std::iter::from_fn(|| end.poll_datagram())
        .map(|bytes| (bytes[2..4].to_vec(), bytes.len()))
        .collect();
    let time = |time: u16| time.to_be_bytes().to_vec();
    assert_eq!(sizes, [(time(0), 1404), (time(1400), 1404), (time(2800), 204)]);
}

#[test]
fn what_is_wrong_with_a_datagram_is_said_precisely() {
    let with_id = Header {
        id: Some(7),
        ..PRIMARY
    };
    let (ours, theirs) = (Access::Primary, Access::Basic);
    let cases: [(Header, &[u8], L1oipError); 10] = [
        (PRIMARY, &[], L1oipError::Ends(0, "the header")),
        (PRIMARY, &[0x60, 16, 0, 0], L1oipError::Version(1)),
        (PRIMARY, &[0x00, 16, 0, 0], L1oipError::Access { ours, theirs }),
        (PRIMARY, &[0x22, 1, 0, 0], L1oipError::Codec(2)),
        (PRIMARY, &[0x30, 0, 0, 0, 7, 16, 0, 0], L1oipError::UnexpectedId),
        (with_id, &[0x20, 16, 0, 0], L1oipError::MissingId),
        (with_id, &[0x30, 0, 0, 0, 8, 16, 0, 0], L1oipError::ForeignId(8)),
        (with_id, &[0x30, 0, 0], L1oipError::Ends(3, "the id")),
        (PRIMARY, &[0x20, 16, 0], L1oipError::Ends(3, "a time base")),
        (
            PRIMARY,
            &[0x20, 0x81, 2, 0, 0, 9],
            L1oipError::Length {
                channel: 1,
                length: 2,
                left: 1,
            },
        ),
    ];
    for (header, bytes, expected) in cases {
        assert_eq!(header.parse(bytes), Err(expected), "{bytes:02x?}");
    }
    let mut end = Endpoint::new(Duration::ZERO, PRIMARY);
    for channel in [0, 32, 127] {
        let refused = end.receive(Duration::ZERO, &[0x20, channel, 0, 0, 1]);
        assert_eq!(refused, Err(L1oipError::Channel(channel)));
    }
    assert!(!end.is_up(), "what is wrong does not show that the line is up");
}

#[test]
fn a_line_is_kept_alive_and_given_up() {
    let second = Duration::from_secs;
    let mut end = Endpoint::new(Duration::ZERO, PRIMARY);
    assert_eq!(end.poll_timeout(), Duration::ZERO, "it shows itself at once");
    end.handle_timeout(Duration::ZERO);
    assert_eq!(end.poll_datagram().unwrap(), [0x20, 16, 0, 0]);
    assert_eq!(end.poll_timeout(), second(15));
    // The other end's sign of life is no frame.
    end.receive(second(1), &[0x20, 16, 0, 0]).unwrap();
    assert_eq!(end.poll_received(), Some(Received::Up));
    assert_eq!(end.poll_received(), None);
    assert_eq!(
        end.poll_timeout(),
        second(1),
        "who has just come learns at once that we are here"
    );
    end.handle_timeout(second(1));
    assert_eq!(end.poll_datagram().unwrap(), [0x20, 16, 0, 0]);
    assert_eq!(end.poll_timeout(), second(16));
    end.send_frame(second(10), &[0x02, 0x01, 0x7f]).unwrap();
    assert_eq!(end.poll_timeout(), second(25), "15 s after what was sent last");
    let mut datagrams = 0;
    while end.poll_timeout() < second(66) {
        end.handle_timeout(end.poll_timeout());
        datagrams += std::iter::from_fn(|| end.poll_datagram()).count();
    }
    assert_eq!(datagrams, 4, "the frame, and a sign of life at 25, 40 and 55 s");
    end.handle_timeout(second(66));
    assert_eq!(end.poll_received(), Some(Received::Down));
    end.receive(second(70), &[0x20, 16, 0, 0, 1, 2, 3]).unwrap();
    assert_eq!(end.poll_received(), Some(Received::Up));
    assert_eq!(end.poll_received(), Some(Received::Frame(vec![1, 2, 3])));
}

#[test]
fn the_channels_of_both_accesses() {
    let numbers = |access: Access| {
        access
            .b_channels()
            .map(varde_line::BChannel::number)
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(Access::Basic), [1, 2]);
    let primary: Vec<u8> = (1..=15).chain(17..=31).collect();
    assert_eq!(numbers(Access::Primary), primary);
    assert_eq!([Access::Basic.d_channel(), Access::Primary.d_channel()], [3, 16]);
}

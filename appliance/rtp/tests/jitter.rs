//! The jitter buffer against a model of a network: packets that come late, in another order, twice, or not at all, and
//! clocks that differ.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use proptest::prelude::*;
use varde_rtp::g711::{SILENCE, from_alaw};
use varde_rtp::jitter::JitterBuffer;

/// Octets in a packet.
const BLOCK: u32 = 160;

/// The octet of a stream at a place: any that is not silence.
fn octet(place: u32) -> u8 {
    let [.., low] = (place.wrapping_mul(2_654_435_761) >> 13).to_be_bytes();
    if low == SILENCE { 0x2a } else { low }
}

fn packet(index: u32) -> Vec<u8> {
    (0..BLOCK).map(|at| octet(index * BLOCK + at)).collect()
}

/// Plays blocks of 8 ms for as long as so many packets take, and before each gives what has arrived by then: packets by
/// number and time of arrival in octets. The stream's timestamps begin at `start`.
fn run(buffer: &mut JitterBuffer, start: u32, mut arrivals: Vec<(u32, u32)>, packets: u32) -> Vec<u8> {
    arrivals.sort_by_key(|(_, at)| *at);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut played = vec![];
    for now in (0..packets * BLOCK).step_by(64) {
        while let Some((index, _)) = arrivals.next_if(|(_, at)| *at <= now) {
            buffer.put(start.wrapping_add(index * BLOCK), &packet(index));
        }
        let mut audio = [0; 64];
        buffer.play(&mut audio);
        played.extend(audio);
    }
    played
}

/// Where a stretch of the stream stands in what was played.
fn place_of(played: &[u8], from: u32) -> Option<usize> {
    let wanted: Vec<u8> = (from..from + 400).map(octet).collect();
    played.windows(400).position(|window| window == wanted)
}

proptest! {
    #[test]
    fn whatever_the_order_the_octets_are_those_that_were_sent(
        start: u32, jitter in prop::collection::vec(0_u32..160, 200), again in prop::collection::vec(any::<bool>(), 200),
    ) {
        // Packets of 10 ms, which overtake each other.
        let sent: Vec<u8> = (0..200 * 80).map(octet).collect();
        let mut arrivals = vec![];
        for (index, (jitter, again)) in (0..).zip(jitter.into_iter().zip(again)) {
            // The first packet says how long the others have: it comes without jitter.
            let at = index * 80 + if index == 0 { 0 } else { jitter };
            arrivals.push((at, index));
            arrivals.extend(again.then_some((at + 77, index)));
        }
        arrivals.sort_unstable();
        let (mut buffer, mut played) = (JitterBuffer::new(), vec![]);
        let mut arrivals = arrivals.into_iter().peekable();
        for now in (0..210 * 80).step_by(64) {
            while let Some((_, index)) = arrivals.next_if(|(at, _)| *at <= now) {
                let from = usize::try_from(index * 80).unwrap();
                buffer.put(start.wrapping_add(index * 80), &sent[from..from + 80]);
            }
            let mut audio = [0; 64];
            buffer.play(&mut audio);
            played.extend(audio);
        }
        let first = played.iter().position(|octet| *octet != SILENCE).unwrap();
        prop_assert_eq!(&played[first..first + sent.len()], &sent[..]);
        prop_assert_eq!((buffer.counts().late, buffer.counts().restarts), (0, 0));
    }

    #[test]
    fn what_is_lost_moves_nothing_else(lost in prop::collection::vec(prop::bool::weighted(0.1), 100)) {
        let kept = |index: u32| index == 0 || !lost[usize::try_from(index).unwrap()];
        let arrivals = (0..100).filter(|index| kept(*index)).map(|index| (index, index * BLOCK)).collect();
        let mut buffer = JitterBuffer::new();
        let played = run(&mut buffer, 7, arrivals, 110);
        let first = played.iter().position(|octet| *octet != SILENCE).unwrap();
        for index in (0..100).filter(|index| kept(*index)) {
            let at = first + usize::try_from(index * BLOCK).unwrap();
            prop_assert_eq!(&played[at..at + 160], &packet(index)[..], "packet {}", index);
        }
        prop_assert_eq!(buffer.counts().late, 0);
    }

    #[test]
    fn nothing_that_comes_makes_it_delay_more_than_its_bound(
        packets in prop::collection::vec((any::<u32>(), 0_usize..5000, 0_usize..2000), 0..100),
    ) {
        let mut buffer = JitterBuffer::new();
        let mut base = 0_u32;
        for (jump, length, played) in packets {
            base = if jump % 4 == 0 { jump } else { base.wrapping_add(jump % 3000).wrapping_sub(1000) };
            buffer.put(base, &vec![0x80; length]);
            // The longest packet that is taken, and the longest delay before it.
            prop_assert!(buffer.delay() <= 1600 + 4000);
            let mut audio = vec![0; played];
            buffer.play(&mut audio);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn clocks_that_differ_neither_fill_nor_empty_it(
        ppm in -1000_i64..1000, most in 1_u32..100, block in prop::sample::select(vec![64_u32, 160]),
    ) {
        let mut buffer = JitterBuffer::new();
        let mut sent = 0_u32;
        let mut audio = vec![0; usize::try_from(block).unwrap()];
        // Two minutes of the channel's clock.
        for index in 0..960_000 / block {
            let now = i64::from(index * block);
            let jitter = index.wrapping_mul(2_654_435_761) >> 16;
            let theirs = now + now * ppm / 1_000_000 - i64::from(jitter % most * u32::from(sent > 0));
            while i64::from(sent * BLOCK) <= theirs {
                buffer.put(sent * BLOCK, &[0x80; 160]);
                sent += 1;
            }
            buffer.play(&mut audio);
            prop_assert!(buffer.delay() <= 1000, "{} at {now}", buffer.delay());
        }
        let counts = buffer.counts();
        prop_assert_eq!((counts.late, counts.restarts, counts.concealed), (0, 0, 0), "{:?}", counts);
        // 1000 ppm of two minutes are 960 octets; each is one slip. Some more bring the delay to where it belongs.
        let needed = u64::from(u32::try_from(ppm.unsigned_abs() * 960_000 / 1_000_000).unwrap());
        prop_assert!(counts.left_out + counts.doubled <= needed + 300, "{counts:?}");
    }
}

#[test]
fn a_stretch_without_packets_is_a_pause_and_nothing_of_it_is_lost() {
    // Packets 50 to 55 are held up and come at once, 120 ms late.
    let arrivals = (0..200).map(|index| match index {
        50..56 => (index, 56 * BLOCK),
        _ => (index, index * BLOCK),
    });
    let mut buffer = JitterBuffer::new();
    let played = run(&mut buffer, 0, arrivals.collect(), 220);
    let before = place_of(&played, 40 * BLOCK).unwrap();
    let held = place_of(&played, 50 * BLOCK).unwrap();
    let after = place_of(&played, 100 * BLOCK).unwrap();
    assert_eq!(
        after - held,
        50 * 160,
        "what came late, and what came after, is whole"
    );
    assert!(held - before > 10 * 160, "it was played later than it was due");
    assert_eq!(buffer.counts().late, 0);
    assert!(buffer.delay() < 1600);
}

#[test]
fn a_packet_that_another_has_overtaken_by_far_makes_room_for_the_next_like_it() {
    // Every tenth packet comes 50 ms after its time: later than the delay of the beginning.
    let arrivals = (0..200).map(|index| (index, index * BLOCK + if index % 10 == 5 { 500 } else { 0 }));
    let mut buffer = JitterBuffer::new();
    let played = run(&mut buffer, 0, arrivals.collect(), 220);
    assert_eq!(buffer.counts().late, 1, "only the first is lost");
    let (one, other) = (
        place_of(&played, 25 * BLOCK).unwrap(),
        place_of(&played, 155 * BLOCK).unwrap(),
    );
    assert_eq!(other - one, 130 * 160);
}

#[test]
fn a_long_delay_is_worked_off_slowly() {
    let arrivals = (0..3000).map(|index| {
        (
            index,
            if (50..58).contains(&index) {
                58 * BLOCK
            } else {
                index * BLOCK
            },
        )
    });
    let mut buffer = JitterBuffer::new();
    let _ = run(&mut buffer, 0, arrivals.collect(), 3000);
    assert!(buffer.delay() <= 480 + 2 * BLOCK, "{}", buffer.delay());
    let counts = buffer.counts();
    assert!(counts.left_out > 500 && counts.restarts == 0, "{counts:?}");
}

#[test]
fn a_stream_that_jumps_is_played_from_there() {
    for jump in [1_000_000_u32, 3_000_000_000] {
        let mut buffer = JitterBuffer::new();
        let arrivals = (0..50).map(|index| (index, index * BLOCK)).collect();
        let _ = run(&mut buffer, 0, arrivals, 60);
        let arrivals = (0..50).map(|index| (index, index * BLOCK)).collect();
        let played = run(&mut buffer, jump, arrivals, 60);
        assert_eq!(buffer.counts().restarts, 1);
        assert!(place_of(&played, 20 * BLOCK).is_some(), "{jump}");
    }
}

#[test]
fn what_is_missing_repeats_and_fades_to_silence() {
    let mut buffer = JitterBuffer::new();
    // 425 Hz, so that loudness is even.
    let mut tone = [0; 1280];
    varde_rtp::tone::Player::new(varde_rtp::tone::Tone::Dial).play(&mut tone);
    for (index, audio) in (0..).zip(tone.chunks(160)) {
        buffer.put(index * BLOCK, audio);
    }
    let mut played = [0; 320 + 1280];
    buffer.play(&mut played);
    let mut missing = [0; 800];
    buffer.play(&mut missing);
    let loudness: Vec<i32> = missing
        .chunks(80)
        .map(|block| {
            block
                .iter()
                .map(|octet| i32::from(from_alaw(*octet)).abs())
                .max()
                .unwrap()
        })
        .collect();
    assert!(loudness[0] > 5000, "{loudness:?}");
    assert!(
        loudness[..7].windows(2).all(|pair| pair[1] < pair[0]),
        "{loudness:?}"
    );
    assert!(missing[480..].iter().all(|octet| *octet == SILENCE));
    assert_eq!(buffer.counts().concealed, 480);
}

#[test]
fn an_empty_one_plays_silence() {
    let mut audio = [0; 160];
    JitterBuffer::new().play(&mut audio);
    assert_eq!(audio, [SILENCE; 160]);
}

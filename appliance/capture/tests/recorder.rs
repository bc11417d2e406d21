//! What the flight recorder keeps, and what it lets go.
#![allow(clippy::unwrap_used, reason = "a test")]

use varde_capture::{Direction, Frame, Packet, Recorder, read};

fn frame(length: usize) -> Packet {
    Packet {
        at: 1,
        direction: Direction::In,
        frame: Frame::Lapd {
            line: "a".into(),
            network: true,
            bytes: vec![7; length],
        },
    }
}

fn packets(recorder: &Recorder, call: u64) -> usize {
    recorder.file(call).map_or(0, |file| read(&file).unwrap().len())
}

#[test]
fn each_call_has_a_file_of_its_own_also_when_it_is_over() {
    let mut recorder = Recorder::new(100_000);
    recorder.note(1, frame(10));
    recorder.note(2, frame(20));
    recorder.note(1, frame(30));
    recorder.end(1);
    assert_eq!((packets(&recorder, 1), packets(&recorder, 2)), (2, 1));
    assert!(!recorder.has(3));
    assert_eq!(recorder.file(3), None);
}

#[test]
fn the_oldest_call_that_is_over_makes_room_and_those_still_up_stay() {
    let mut recorder = Recorder::new(10_000);
    for call in 1..=9 {
        recorder.note(call, frame(1000));
    }
    // Call 2 ended before call 1; an end told twice changes nothing.
    for call in [2, 2, 1] {
        recorder.end(call);
    }
    recorder.note(10, frame(1000));
    assert!(!recorder.has(2) && recorder.has(1), "2 ended first");
    recorder.note(11, frame(1000));
    assert!(!recorder.has(1));
    recorder.note(12, frame(1000));
    assert!(!recorder.has(12), "all that are left are still up");
    for call in 3..=11 {
        assert_eq!(packets(&recorder, call), 1, "call {call}");
    }
}

#[test]
fn a_call_that_talks_without_end_keeps_its_beginning_and_leaves_room_for_others() {
    let mut recorder = Recorder::new(100_000);
    for _ in 0..1000 {
        recorder.note(1, frame(100));
    }
    let kept = packets(&recorder, 1);
    assert!((50..=125).contains(&kept), "{kept}");
    recorder.note(2, frame(100));
    assert!(recorder.has(2));
}

//! Push buttons as packets (RFC 4733): recognised, and written.
//!
//! A press is a row of packets with one timestamp and a growing duration; the last one is sent three times, because a
//! digit must not be lost with a packet, and neither may it become two.

use std::collections::VecDeque;
use std::time::Duration;

use crate::g711::RATE;

/// The bit that says that a press has ended.
const END: u8 = 0x80;
/// Octets of an event's payload.
pub const PAYLOAD: usize = 4;
/// Samples in one packet of a press that is sent: 20 ms.
const STEP: u16 = 160;
/// Ends that are sent (§2.5.1.4).
const ENDS: u8 = 3;
/// Packets' time between two presses that are sent: 60 ms.
const PAUSE: u8 = 3;
/// A press of which nothing is heard for so long has ended (§2.5.2.2: three packets' time, with some more for jitter).
const FORGOTTEN: Duration = Duration::from_millis(200);
/// Power of the tone, in −dBm0.
const VOLUME: u8 = 9;
/// Presses that wait to be sent; more are not taken.
const MOST_WAITING: usize = 64;

const BUTTONS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D',
];

/// A press that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    /// `0` to `9`, `*`, `#`, `A` to `D`.
    pub button: char,
    pub duration: Duration,
}

/// What one packet adds to a press: samples of it that were not known before. For those who must hear it as a tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub button: char,
    /// Timestamp of the first new sample.
    pub timestamp: u32,
    /// How far that is into the press.
    pub from: u32,
    pub samples: u32,
}

/// Recognises presses in a stream of packets.
#[derive(Debug, Default)]
pub struct Recogniser {
    current: Option<Current>,
    /// Timestamp of the press that has ended last: more ends of it may come.
    ended: Option<u32>,
    presses: VecDeque<Press>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    button: char,
    timestamp: u32,
    /// Samples in segments before this one (§2.5.1.3).
    before: u32,
    duration: u16,
    heard: Duration,
}

impl Current {
    fn press(&self) -> Press {
        let samples = self.before + u32::from(self.duration);
        Press {
            button: self.button,
            duration: Duration::from_secs(1) * samples / RATE,
        }
    }
}

impl Recogniser {
    /// Takes a packet's timestamp and payload; gives what it adds.
    pub fn receive(&mut self, now: Duration, timestamp: u32, payload: &[u8]) -> Option<Part> {
        let &[event, flags, high, low, ..] = payload else {
            return None;
        };
        let button = *BUTTONS.get(usize::from(event))?;
        let duration = u16::from_be_bytes([high, low]);
        let is_old = |known: u32| timestamp.wrapping_sub(known).cast_signed() <= 0;
        if self.ended.is_some_and(is_old) {
            return None;
        }
        let current = match self.current.take() {
            Some(current) if current.timestamp == timestamp => current,
            // A packet of an earlier press that was overtaken.
            Some(current) if is_old(current.timestamp) => {
                self.current = Some(current);
                return None;
            }
            before => Current {
                button,
                timestamp,
                before: before.map_or(0, |before| self.follow(before, button, timestamp)),
                duration: 0,
                heard: now,
            },
        };
        let known = current.duration;
        let part = (duration > known).then(|| Part {
            button: current.button,
            timestamp: timestamp.wrapping_add(u32::from(known)),
            from: current.before + u32::from(known),
            samples: u32::from(duration - known),
        });
        let current = Current {
            duration: known.max(duration),
            heard: now,
            ..current
        };
        if flags & END == 0 {
            self.current = Some(current);
        } else {
            self.end(&current);
        }
        part
    }

    /// A new timestamp after a press that was not ended: a further segment of it, of which the samples so far are given,
    /// or the next press.
    fn follow(&mut self, before: Current, button: char, timestamp: u32) -> u32 {
        let segment = u32::from(before.duration);
        if button == before.button && timestamp == before.timestamp.wrapping_add(segment) && segment > 0 {
            return before.before + segment;
        }
        self.end(&before);
        0
    }

    fn end(&mut self, current: &Current) {
        self.ended = Some(current.timestamp);
        self.presses.push_back(current.press());
    }

    /// Ends a press of which nothing more comes.
    pub fn check(&mut self, now: Duration) {
        if let Some(current) = self.current.take_if(|current| current.heard + FORGOTTEN <= now) {
            self.end(&current);
        }
    }

    /// The next press that has ended.
    pub fn poll_press(&mut self) -> Option<Press> {
        self.presses.pop_front()
    }
}

/// What is to be sent for the next 20 ms of a press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The first packet of a press has the marker.
    pub first: bool,
    /// The press has ended: this packet repeats how. It has no samples of its own.
    pub ended: bool,
    /// How far into the press these 20 ms are, in samples.
    pub from: u32,
    pub button: char,
    pub payload: [u8; PAYLOAD],
}

/// Writes presses, a packet every 20 ms.
#[derive(Debug, Default)]
pub struct Sender {
    waiting: VecDeque<(char, u16)>,
    current: Option<Sending>,
}

#[derive(Debug)]
struct Sending {
    event: u8,
    button: char,
    /// Samples of the whole press.
    length: u16,
    sent: u16,
    ends: u8,
    pause: u8,
}

impl Sender {
    /// Has a button pressed, after those that wait. False if there is no such button, or too many wait.
    pub fn press(&mut self, button: char, duration: Duration) -> bool {
        let steps = (duration.as_millis() / 20).clamp(2, 400);
        let length = u16::try_from(steps).map_or(STEP, |steps| steps * STEP);
        let known = BUTTONS.contains(&button) && self.waiting.len() < MOST_WAITING;
        if known {
            self.waiting.push_back((button, length));
        }
        known
    }

    /// Whether a press is being sent, or waits.
    pub fn is_busy(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    /// What to send for the next 20 ms; nothing in the pause after a press.
    pub fn step(&mut self) -> Option<Step> {
        if self.current.is_none() {
            let (button, length) = self.waiting.pop_front()?;
            let event = BUTTONS.iter().position(|known| *known == button)?;
            let [.., event] = event.to_be_bytes();
            self.current = Some(Sending {
                event,
                button,
                length,
                sent: 0,
                ends: 0,
                pause: PAUSE,
            });
        }
        let current = self.current.as_mut()?;
        if current.ends == ENDS {
            current.pause -= 1;
            if current.pause == 0 {
                self.current = None;
            }
            return None;
        }
        let from = current.sent;
        let ended = from == current.length;
        if !ended {
            current.sent += STEP;
        }
        // The packet that brings the last samples is the first that says so.
        let is_end = current.sent == current.length;
        if is_end {
            current.ends += 1;
        }
        let [high, low] = current.sent.to_be_bytes();
        let flags = if is_end { END | VOLUME } else { VOLUME };
        Some(Step {
            first: from == 0,
            ended,
            from: u32::from(from),
            button: current.button,
            payload: [current.event, flags, high, low],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn presses(recogniser: &mut Recogniser) -> Vec<(char, u128)> {
        let presses = std::iter::from_fn(|| recogniser.poll_press());
        presses
            .map(|press| (press.button, press.duration.as_millis()))
            .collect()
    }

    /// What is sent for these buttons: timestamp and payload of each packet.
    fn sent(buttons: &str, ms: u64) -> Vec<(u32, [u8; 4])> {
        let mut sender = Sender::default();
        for button in buttons.chars() {
            assert!(sender.press(button, Duration::from_millis(ms)));
        }
        let (mut packets, mut clock, mut timestamp) = (vec![], 0, 0);
        while sender.is_busy() {
            if let Some(step) = sender.step() {
                if step.first {
                    timestamp = clock;
                }
                packets.push((timestamp, step.payload));
            }
            clock += u32::from(STEP);
        }
        packets
    }

    #[test]
    fn a_press_is_a_growing_duration_and_three_ends() {
        let packets = sent("5", 100);
        let durations: Vec<_> = packets
            .iter()
            .map(|(_, payload)| u16::from_be_bytes([payload[2], payload[3]]))
            .collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        let ends: Vec<_> = packets.iter().map(|(_, payload)| payload[1] & END != 0).collect();
        assert_eq!(ends, [false, false, false, false, true, true, true]);
        assert!(
            packets
                .iter()
                .all(|(timestamp, payload)| *timestamp == 0 && payload[0] == 5)
        );
    }

    #[test]
    fn three_ends_are_one_press() {
        let mut recogniser = Recogniser::default();
        for (timestamp, payload) in sent("5", 100) {
            let _ = recogniser.receive(NOW, timestamp, &payload);
        }
        assert_eq!(presses(&mut recogniser), [('5', 100)]);
    }

    #[test]
    fn a_press_whose_ends_are_all_lost_ends_with_the_next_or_after_a_while() {
        let mut recogniser = Recogniser::default();
        let packets = sent("12", 100);
        for (timestamp, payload) in packets.iter().filter(|(_, payload)| payload[1] & END == 0) {
            let _ = recogniser.receive(NOW, *timestamp, payload);
        }
        assert_eq!(presses(&mut recogniser), [('1', 80)]);
        recogniser.check(NOW + Duration::from_millis(199));
        assert_eq!(presses(&mut recogniser), []);
        recogniser.check(NOW + Duration::from_millis(200));
        assert_eq!(presses(&mut recogniser), [('2', 80)]);
    }

    #[test]
    fn a_press_that_is_one_late_end_after_another_press_was_forgotten_gives_both() {
        let mut recogniser = Recogniser::default();
        let _ = recogniser.receive(NOW, 0, &[1, VOLUME, 0, 160]);
        let _ = recogniser.receive(NOW, 8000, &[2, END | VOLUME, 1, 64]);
        assert_eq!(presses(&mut recogniser), [('1', 20), ('2', 40)]);
    }

    #[test]
    fn a_press_of_many_segments_is_one() {
        let mut recogniser = Recogniser::default();
        let _ = recogniser.receive(NOW, 1000, &[11, VOLUME, 0xff, 0xff]);
        let part = recogniser
            .receive(NOW, 66_535, &[11, END | VOLUME, 0x1f, 0x41])
            .unwrap();
        assert_eq!((part.from, part.samples), (65_535, 8001));
        assert_eq!(presses(&mut recogniser), [('#', 9192)]);
    }

    #[test]
    fn what_is_no_button_is_no_press() {
        let mut recogniser = Recogniser::default();
        let _ = recogniser.receive(NOW, 0, &[16, END, 1, 0]);
        let _ = recogniser.receive(NOW, 0, &[1, END, 1]);
        assert_eq!(presses(&mut recogniser), []);
        let mut sender = Sender::default();
        assert!(!sender.press('x', Duration::from_millis(100)));
        assert!(!sender.is_busy());
    }

    proptest! {
        #[test]
        fn what_is_sent_is_pressed_whatever_is_lost_or_comes_twice(
            buttons in "[0-9*#A-D]{1,8}", ms in 40_u64..500,
            fate in prop::collection::vec(0_usize..4, 300),
        ) {
            let mut recogniser = Recogniser::default();
            let mut parts = std::collections::BTreeMap::new();
            let mut ends = 0;
            for ((timestamp, payload), copies) in sent(&buttons, ms).into_iter().zip(fate) {
                // Of three ends one comes through.
                let end = payload[1] & END != 0;
                ends = if end { ends + 1 } else { 0 };
                for _ in 0..copies.max(usize::from(ends == 3)) {
                    if let Some(part) = recogniser.receive(NOW, timestamp, &payload) {
                        for sample in 0..part.samples {
                            prop_assert!(parts.insert(part.timestamp + sample, part.from + sample).is_none());
                        }
                    }
                }
            }
            let length = u128::from(ms / 20 * 20);
            let expected: Vec<_> = buttons.chars().map(|button| (button, length)).collect();
            prop_assert_eq!(presses(&mut recogniser), expected);
            prop_assert_eq!(parts.len(), usize::try_from(length).unwrap() * 8 * buttons.len());
        }
    }
}

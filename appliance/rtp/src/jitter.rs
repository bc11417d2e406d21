//! The jitter buffer between RTP, which comes when it comes, and a channel that takes 8000 octets every second.
//!
//! ```text
//!            play ▼                    ▼ end
//!   ──────────────┼──■■■■■■■■──■■■■■■■■┼──────▶ timestamp
//!                 └──┤ margin of a packet: how long before its turn it came
//! ```
//!
//! Octets lie in a ring by their timestamp, so that order, size and repetition of packets make no difference. What is
//! missing when its turn comes is concealed: the last 20 ms again, fading to silence within 60 ms.
//!
//! **Delay.** The first packet is played 40 ms after it came. When one comes after its turn and nothing else was played
//! meanwhile, the play goes back to it: nothing is lost, the delay is longer from then on. When others were played, it
//! is lost and the play pauses for as long as it was late, so that the next one like it is not. The delay is never made
//! longer than 200 ms that way; what is further off starts the play anew. While all packets of the last 5 to 10 s came
//! more than 60 ms early, one octet in 20 ms is left out; while the last one came so late that it would miss the next
//! block of the channel if it came 3 ms later, one is played twice. These are the slips of G.822, which a line whose clocks differ has as well: the delay neither grows nor runs
//! out however long the call. Between those bounds what is played is what was sent, octet by octet.

use crate::g711::{SILENCE, from_alaw, to_alaw};

/// Octets that the ring holds, a power of two: what has been played lately, the longest delay, the longest packet.
const RING: usize = 8192;
/// What has been played is remembered for so many octets.
const PAST: u32 = 2048;
/// Longest packet that is taken.
const LONGEST: usize = 4000;
/// Delay of the first packet: 40 ms.
const START: u32 = 320;
/// Margin beside one block of the channel, because a packet that misses a block waits for the next: with less, an octet
/// is played twice. 3 ms.
const LOW: i32 = 24;
/// Blocks of the channel that the delay can allow for: 20 ms.
const LONGEST_BLOCK: i32 = 160;
/// More margin than this for long lets an octet be left out: 60 ms.
const HIGH: i32 = 480;
/// What is added to the delay, beside one block of the channel, when it is made longer: 5 ms.
const SPARE: u32 = 40;
/// Longest delay: 200 ms.
const MOST: u32 = 1600;
/// So many packets too late, one after the other, start the play anew.
const LATE_IN_A_ROW: u32 = 10;
/// Octets after which the smallest margin is looked for anew: 5 s.
const WINDOW: u32 = 40_000;
/// Octets from one slip to the next: 20 ms.
const BETWEEN_SLIPS: u32 = 160;
/// Octets that are repeated when something is missing: 20 ms.
const HISTORY: usize = 160;
/// Octets in which the repetition fades: 60 ms.
const FADE: u16 = 480;

/// What happened to a stream on its way through the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets that were there already.
    pub duplicate: u64,
    /// Octets played in place of some that had not come, until they had faded to silence.
    pub concealed: u64,
    /// Octets left out because the stream is faster than the channel.
    pub left_out: u64,
    /// Octets played twice because it is slower.
    pub doubled: u64,
    /// How often the play was started anew.
    pub restarts: u64,
}

/// What is known of one octet of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It has not come.
    Empty,
    /// It has come, and its turn has not.
    Waiting(u8),
    Played,
}

#[derive(Debug)]
pub struct JitterBuffer {
    ring: Box<[Place; RING]>,
    /// Timestamp of what is played next, once a packet has come.
    play: Option<u32>,
    /// Timestamp after the last octet that has come.
    end: u32,
    /// Octets for which the play pauses.
    pause: u32,
    late_in_a_row: u32,
    last_margin: i32,
    /// Octets that are played at once.
    block: i32,
    /// Smallest margin of this window, and of the one before, if there were packets.
    smallest: Option<i32>,
    smallest_before: Option<i32>,
    window: u32,
    since_slip: u32,
    history: [u8; HISTORY],
    position: usize,
    /// Octets concealed without a break.
    concealing: u16,
    counts: Counts,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self {
            ring: Box::new([Place::Empty; RING]),
            play: None,
            end: 0,
            pause: 0,
            late_in_a_row: 0,
            last_margin: LOW,
            block: 0,
            smallest: None,
            smallest_before: None,
            window: 0,
            since_slip: 0,
            history: [SILENCE; HISTORY],
            position: 0,
            concealing: FADE,
            counts: Counts::default(),
        }
    }
}

impl JitterBuffer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Octets that are yet to be played before the last one that has come.
    pub fn delay(&self) -> u32 {
        let waiting = self
            .play
            .map_or(0, |play| distance(play, self.end).max(0).unsigned_abs());
        waiting + self.pause
    }

    /// Forgets the stream, as when another one takes its place. The counts stay.
    pub fn restart(&mut self) {
        self.ring.fill(Place::Empty);
        self.play = None;
    }

    /// Takes a packet's audio, in A-law.
    pub fn put(&mut self, timestamp: u32, audio: &[u8]) {
        if audio.is_empty() || audio.len() > LONGEST {
            return;
        }
        let play = self.play.unwrap_or_else(|| self.start(timestamp));
        let margin = distance(play, timestamp);
        if (-PAST.cast_signed()..0).contains(&margin) && self.known(timestamp, audio.len()) {
            self.counts.duplicate += 1;
            return;
        }
        let play = if margin < 0 {
            self.come_late(play, timestamp)
        } else if margin.unsigned_abs().saturating_add(self.pause) > MOST {
            self.counts.restarts += 1;
            self.start(timestamp)
        } else {
            play
        };
        let margin = distance(play, timestamp);
        let mut new = false;
        let mut at = timestamp;
        for octet in audio {
            let place = &mut self.ring[slot(at)];
            if distance(play, at) >= 0 && *place == Place::Empty {
                *place = Place::Waiting(*octet);
                new = true;
            }
            at = at.wrapping_add(1);
        }
        if margin >= 0 && new {
            let margin = margin.saturating_add_unsigned(self.pause);
            self.late_in_a_row = 0;
            self.last_margin = margin;
            self.smallest = Some(self.smallest.map_or(margin, |smallest| smallest.min(margin)));
        } else if margin >= 0 {
            self.counts.duplicate += 1;
        }
        if distance(self.end, at) > 0 {
            self.end = at;
        }
    }

    /// Gives the next octets to play, in A-law.
    pub fn play(&mut self, audio: &mut [u8]) {
        self.block = i32::try_from(audio.len()).unwrap_or(0).min(LONGEST_BLOCK);
        for octet in audio {
            *octet = self.next();
        }
    }

    fn next(&mut self) -> u8 {
        let Some(play) = self.play else {
            return self.conceal();
        };
        if self.pause > 0 {
            self.pause -= 1;
            return self.conceal();
        }
        self.window += 1;
        if self.window >= WINDOW {
            self.window = 0;
            self.smallest_before = self.smallest.take();
        }
        self.since_slip = self.since_slip.saturating_add(1);
        let Place::Waiting(mut octet) = self.ring[slot(play)] else {
            self.advance(play);
            return self.conceal();
        };
        let mut play = play;
        if self.since_slip >= BETWEEN_SLIPS {
            let long_early = self.smallest_before.is_some_and(|margin| margin > HIGH)
                && self.smallest.is_none_or(|margin| margin > HIGH);
            if self.last_margin < LOW + self.block {
                self.counts.doubled += 1;
                self.move_margins(1);
                return self.remember(octet);
            } else if long_early && let Place::Waiting(after) = self.ring[slot(play.wrapping_add(1))] {
                self.counts.left_out += 1;
                self.move_margins(-1);
                play = self.advance(play);
                octet = after;
            }
        }
        self.advance(play);
        self.remember(octet)
    }

    fn remember(&mut self, octet: u8) -> u8 {
        self.concealing = 0;
        self.history[self.position] = octet;
        self.position = (self.position + 1) % HISTORY;
        octet
    }

    /// Every margin is another one after a slip.
    fn move_margins(&mut self, by: i32) {
        self.since_slip = 0;
        self.last_margin += by;
        self.smallest = self.smallest.map(|margin| margin + by);
        self.smallest_before = self.smallest_before.map(|margin| margin + by);
    }

    /// Goes on by an octet, which counts as played if it was there.
    fn advance(&mut self, play: u32) -> u32 {
        let place = &mut self.ring[slot(play)];
        if *place != Place::Empty {
            *place = Place::Played;
        }
        self.ring[slot(play.wrapping_sub(PAST))] = Place::Empty;
        let next = play.wrapping_add(1);
        self.play = Some(next);
        next
    }

    fn conceal(&mut self) -> u8 {
        if self.concealing >= FADE {
            return SILENCE;
        }
        let value = i32::from(from_alaw(self.history[self.position]));
        let faded = value * i32::from(FADE - self.concealing) / i32::from(FADE);
        self.position = (self.position + 1) % HISTORY;
        self.concealing += 1;
        self.counts.concealed += 1;
        i16::try_from(faded).map_or(SILENCE, to_alaw)
    }

    /// Begins to play a stream with this packet as its first.
    fn start(&mut self, timestamp: u32) -> u32 {
        self.restart();
        let play = timestamp.wrapping_sub(START);
        self.play = Some(play);
        self.end = timestamp;
        self.pause = 0;
        self.late_in_a_row = 0;
        self.new_window();
        play
    }

    /// A packet came after its turn: where is played from now on?
    fn come_late(&mut self, play: u32, timestamp: u32) -> u32 {
        let late = distance(timestamp, play).unsigned_abs();
        let spare = SPARE + self.block.unsigned_abs();
        let back = late.saturating_add(spare).saturating_sub(self.pause);
        let nothing_since = late <= PAST && !self.any_played(timestamp, play);
        let silent = self.concealing >= FADE;
        if self.delay().saturating_add(back) <= MOST {
            self.new_window();
            if nothing_since {
                self.pause += spare;
                self.play = Some(timestamp);
                return timestamp;
            }
            self.pause += back;
        }
        self.counts.late += 1;
        self.late_in_a_row += 1;
        if self.late_in_a_row >= LATE_IN_A_ROW || silent && late > MOST {
            self.counts.restarts += 1;
            return self.start(timestamp);
        }
        play
    }

    fn new_window(&mut self) {
        self.window = 0;
        self.smallest = None;
        self.smallest_before = None;
    }

    /// Whether all of a packet has come before.
    fn known(&self, timestamp: u32, length: usize) -> bool {
        let mut places = wrapping_from(timestamp)
            .take(length)
            .map(|at| self.ring[slot(at)]);
        places.all(|place| place != Place::Empty)
    }

    /// Whether something of the stream between two timestamps has been played.
    fn any_played(&self, from: u32, to: u32) -> bool {
        let mut places = wrapping_from(from)
            .take_while(|at| *at != to)
            .map(|at| self.ring[slot(at)]);
        places.any(|place| place == Place::Played)
    }
}

/// How far a timestamp is after another, in octets.
fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

/// Where in the ring a timestamp's octet lies.
fn slot(timestamp: u32) -> usize {
    usize::try_from(timestamp).map_or(0, |timestamp| timestamp % RING)
}

fn wrapping_from(timestamp: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(timestamp), |at| Some(at.wrapping_add(1)))
}

//! The audio of B channels, and of test calls: who hears whom, and what is played to a channel every 20 ms.
//!
//! Between two lines, octets go on as they come, at the pace of whoever speaks. Between a line and SIP, the endpoint's
//! jitter buffer stands between the two clocks: every tick it is asked for what goes out on the channel. A tone takes the
//! place of all that.

use std::collections::BTreeMap;

use varde_exchange::LegId;
use varde_rtp::tone::{Player, Tone};
use varde_rtp::{Channel, Endpoint};

/// Octets of one tick: 20 ms.
pub const TICK: usize = 160;

/// What is played to a leg that has no endpoint of its own.
#[derive(Debug, Default)]
struct Voice {
    /// The endpoint of whom it talks to.
    channel: Option<Channel>,
    tone: Option<Player>,
    /// Octets that have gone to the endpoint, for what has no clock.
    time: u32,
}

/// Who hears whom.
#[derive(Debug, Default)]
pub struct Sound {
    joins: BTreeMap<LegId, LegId>,
    voices: BTreeMap<LegId, Voice>,
}

impl Sound {
    /// Two legs hear each other, each with its endpoint if it has one.
    pub fn join(&mut self, legs: [LegId; 2], endpoints: [Option<&Endpoint>; 2]) {
        let [one, other] = legs;
        for leg in legs {
            self.part(leg);
        }
        self.joins.insert(one, other);
        self.joins.insert(other, one);
        let (leg, endpoint) = match endpoints {
            [Some(one), Some(other)] => {
                one.bridge(other);
                return;
            }
            [None, Some(endpoint)] => (one, endpoint),
            [Some(endpoint), None] => (other, endpoint),
            [None, None] => return,
        };
        let voice = Voice {
            channel: Some(endpoint.channel()),
            ..Voice::default()
        };
        self.voices.insert(leg, voice);
    }

    /// A leg hears nobody any more, and nobody it.
    pub fn part(&mut self, leg: LegId) {
        self.voices.remove(&leg);
        if let Some(other) = self.joins.remove(&leg) {
            self.joins.remove(&other);
            self.voices.remove(&other);
        }
    }

    /// A tone to a leg, until it is joined or parted.
    pub fn play(&mut self, leg: LegId, tone: Tone) {
        let voice = Voice {
            tone: Some(Player::new(tone)),
            ..Voice::default()
        };
        self.voices.insert(leg, voice);
    }

    /// Whether anything is to be played at the next tick.
    pub fn is_busy(&self) -> bool {
        !self.voices.is_empty()
    }

    /// What a leg is to be played now.
    pub fn tick(&mut self, mut play: impl FnMut(LegId, &[u8])) {
        let mut octets = [0; TICK];
        for (leg, voice) in &mut self.voices {
            match (&mut voice.tone, &mut voice.channel) {
                (Some(tone), _) => tone.play(&mut octets),
                (None, Some(channel)) => channel.play(&mut octets),
                (None, None) => continue,
            }
            play(*leg, &octets);
        }
    }

    /// Takes what a leg without an endpoint has said. Gives to whom it is to be played, if that is no endpoint either.
    pub fn heard(&mut self, leg: LegId, time: u32, octets: &[u8]) -> Option<LegId> {
        if let Some(Voice {
            channel: Some(channel),
            ..
        }) = self.voices.get_mut(&leg)
        {
            channel.hear(time, octets);
            return None;
        }
        self.joins.get(&leg).copied()
    }

    /// The same of a leg that has no clock either: its octets follow each other.
    pub fn echoed(&mut self, leg: LegId, octets: &[u8]) {
        if let Some(voice) = self.voices.get_mut(&leg) {
            let time = voice.time;
            voice.time = time.wrapping_add(u32::try_from(octets.len()).unwrap_or(0));
            if let Some(channel) = &mut voice.channel {
                channel.hear(time, octets);
            }
        }
    }
}

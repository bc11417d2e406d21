//! Tones that a network plays, and the tones of a push-button telephone, as A-law.
//!
//! The tones are the Norwegian ones (ITU-T E.180 supplement 2, Norway): 425 Hz but for the special information tone,
//! which is E.180's own. Their level is −10 dBm0 (E.180 §4.1). The push buttons' are those of ITU-T Q.23.
//!
//! A tone is a function of the number of the sample, so that it has no state that could drift: where a packet was lost,
//! the next one goes on as if it had not been.

use std::f64::consts::TAU;
use std::sync::LazyLock;

use crate::g711::{RATE, SILENCE, to_alaw};

/// What a network plays to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Dial now: without a break.
    Dial,
    /// It rings at the other end: 1 s of 5.
    Ringing,
    /// The other end is busy: 0.5 s of 1.
    Busy,
    /// The network has no way: 0.2 s of 0.4.
    Congestion,
    /// The number leads nowhere: three rising tones of 0.33 s, then 1 s of nothing.
    SpecialInformation,
    /// Another call waits: 0.2 s, after 0.6 s again, then 10 s of nothing.
    CallWaiting,
}

/// A frequency in Hz, 0 for none, and for how many samples.
type Step = (u32, u32);

impl Tone {
    /// One round of the tone.
    fn steps(self) -> &'static [Step] {
        match self {
            Self::Dial => &[(425, 8000)],
            Self::Ringing => &[(425, 8000), (0, 32_000)],
            Self::Busy => &[(425, 4000), (0, 4000)],
            Self::Congestion => &[(425, 1600), (0, 1600)],
            Self::SpecialInformation => &[(950, 2640), (1400, 2640), (1800, 2640), (0, 8000)],
            Self::CallWaiting => &[(425, 1600), (0, 4800), (425, 1600), (0, 80_000)],
        }
    }
}

/// A tone that is being played.
#[derive(Clone, Debug)]
pub struct Player {
    tone: Tone,
    step: usize,
    /// Samples of the step that have been played.
    played: u32,
}

impl Player {
    pub fn new(tone: Tone) -> Self {
        Self {
            tone,
            step: 0,
            played: 0,
        }
    }

    pub fn tone(&self) -> Tone {
        self.tone
    }

    /// Gives the next octets, in A-law.
    pub fn play(&mut self, audio: &mut [u8]) {
        let steps = self.tone.steps();
        for octet in audio {
            let (frequency, length) = steps[self.step];
            *octet = match frequency {
                0 => SILENCE,
                _ => to_alaw(sine(TONE_LEVEL, frequency, self.played)),
            };
            self.played += 1;
            if self.played == length {
                self.played = 0;
                self.step = (self.step + 1) % steps.len();
            }
        }
    }
}

/// Amplitude of −10 dBm0: a sine of full scale has +3.14 dBm0 in A-law.
const TONE_LEVEL: i32 = 7105;
/// Amplitudes of the push buttons' two tones: −9 and −7 dBm0.
const LOW_LEVEL: i32 = 7973;
const HIGH_LEVEL: i32 = 10_037;

const LOW_FREQUENCIES: [u32; 4] = [697, 770, 852, 941];
const HIGH_FREQUENCIES: [u32; 4] = [1209, 1336, 1477, 1633];
const BUTTONS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// Gives the tones of a push button from a sample on, in A-law; silence if there is no such button.
pub fn button(button: char, from: u32, audio: &mut [u8]) {
    let place = BUTTONS.iter().enumerate().find_map(|(row, buttons)| {
        let column = buttons.iter().position(|known| *known == button)?;
        Some((LOW_FREQUENCIES[row], HIGH_FREQUENCIES[column]))
    });
    let Some((low, high)) = place else {
        return audio.fill(SILENCE);
    };
    for (octet, sample) in audio.iter_mut().zip(from..) {
        *octet = to_alaw(sine(LOW_LEVEL, low, sample).saturating_add(sine(HIGH_LEVEL, high, sample)));
    }
}

/// One second of a sine of 1 Hz: any whole frequency is every so many-th of it.
static SECOND: LazyLock<Vec<f64>> = LazyLock::new(|| {
    (0..RATE)
        .map(|sample| (f64::from(sample) / f64::from(RATE) * TAU).sin())
        .collect()
});

fn sine(level: i32, frequency: u32, sample: u32) -> i16 {
    let place = u64::from(frequency) * u64::from(sample) % u64::from(RATE);
    let value = usize::try_from(place).map_or(0.0, |place| SECOND[place]);
    // Both levels are far within 16 bits.
    #[allow(clippy::cast_possible_truncation, reason = "the level bounds it")]
    let value = (value * f64::from(level)).round() as i16;
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::g711::from_alaw;

    /// How much of the audio is a sine of this frequency: 1 for all of it (Goertzel's sum, by its definition).
    fn share(audio: &[u8], frequency: f64) -> f64 {
        let (mut real, mut imaginary, mut power) = (0.0, 0.0, 0.0);
        for (index, octet) in (0_u32..).zip(audio) {
            let value = f64::from(from_alaw(*octet));
            let angle = TAU * frequency * f64::from(index) / 8000.0;
            real += value * angle.cos();
            imaginary += value * angle.sin();
            power += value * value;
        }
        let length = f64::from(u32::try_from(audio.len()).unwrap());
        2.0 * (real * real + imaginary * imaginary) / (length * power)
    }

    /// A sine of full scale, in dBm0.
    const FULL_SCALE: f64 = 3.139;

    /// In dBm0.
    fn level(audio: &[u8]) -> f64 {
        let power: f64 = audio
            .iter()
            .map(|octet| f64::from(from_alaw(*octet)).powi(2))
            .sum();
        let length = f64::from(u32::try_from(audio.len()).unwrap());
        10.0 * (power / length * 2.0 / 32_256_f64.powi(2)).log10() + FULL_SCALE
    }

    /// When a tone is heard and when not, in ms: changes of 10 ms blocks.
    fn cadence(tone: Tone, rounds_ms: u32) -> Vec<u32> {
        let mut player = Player::new(tone);
        let (mut changes, mut heard) = (vec![], false);
        let mut block = [0; 80];
        for at in (0..rounds_ms).step_by(10) {
            player.play(&mut block);
            let now = block.iter().any(|octet| *octet != SILENCE);
            if now != heard {
                changes.push(at);
            }
            heard = now;
        }
        changes
    }

    #[test]
    fn tones_come_and_go_as_the_norwegian_network_has_them() {
        assert_eq!(cadence(Tone::Dial, 6000), [0]);
        assert_eq!(cadence(Tone::Ringing, 6500), [0, 1000, 5000, 6000]);
        assert_eq!(cadence(Tone::Busy, 1600), [0, 500, 1000, 1500]);
        assert_eq!(cadence(Tone::Congestion, 700), [0, 200, 400, 600]);
        assert_eq!(cadence(Tone::SpecialInformation, 3000), [0, 990, 1990, 2980]);
        assert_eq!(cadence(Tone::CallWaiting, 11_100), [0, 200, 800, 1000, 11_000]);
    }

    #[test]
    fn tones_have_425_hz_at_minus_10_dbm0() {
        for tone in [
            Tone::Dial,
            Tone::Ringing,
            Tone::Busy,
            Tone::Congestion,
            Tone::CallWaiting,
        ] {
            let mut audio = [0; 1600];
            Player::new(tone).play(&mut audio);
            assert!(share(&audio, 425.0) > 0.99, "{tone:?}");
            assert!((level(&audio) + 10.0).abs() < 0.2, "{tone:?} {}", level(&audio));
        }
    }

    #[test]
    fn the_special_information_tone_rises() {
        let mut player = Player::new(Tone::SpecialInformation);
        for frequency in [950.0, 1400.0, 1800.0] {
            let mut audio = [0; 2640];
            player.play(&mut audio);
            assert!(share(&audio, frequency) > 0.99, "{frequency}");
        }
    }

    #[test]
    fn a_button_is_two_tones_and_the_higher_one_is_louder() {
        let mut audio = [0; 800];
        button('6', 0, &mut audio);
        let (low, high) = (share(&audio, 770.0), share(&audio, 1477.0));
        assert!(low > 0.3 && high > low && low + high > 0.98, "{low} {high}");
    }

    #[test]
    fn a_button_in_pieces_is_the_same_button() {
        let (mut whole, mut pieces) = ([0; 480], [0; 480]);
        button('#', 0, &mut whole);
        for (piece, from) in pieces.chunks_mut(160).zip([0, 160, 320]) {
            button('#', from, piece);
        }
        assert_eq!(whole, pieces);
    }
}

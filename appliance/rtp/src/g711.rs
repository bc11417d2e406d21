//! G.711: what an octet of audio is worth, and A-law from µ-law and back.
//!
//! Audio inside Varde is A-law, the law of the European network: an ISDN channel and most peers speak it, and it goes
//! through untouched. A peer that knows µ-law alone is converted with the tables of G.711 itself (tables 3 and 4, with
//! the correction that ITU-T's software tools carry, G.191): they are not quite the nearest values, but what went from
//! A-law to µ-law and back is what it was wherever µ-law is fine enough for that.

/// Samples a second, and octets a second of a channel.
pub const RATE: u32 = 8000;

/// Silence in A-law: the smallest positive value.
pub const SILENCE: u8 = 0xd5;

/// What A-law inverts for the line: every second bit.
const ALAW_INVERTED: u8 = 0x55;
/// The sign bit of both laws; set for a positive value.
const SIGN: u8 = 0x80;

/// How audio is written in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// A-law, payload type 8.
    Pcma,
    /// µ-law, payload type 0.
    Pcmu,
}

impl Codec {
    /// The static payload type (RFC 3551 §6).
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcma => 8,
            Self::Pcmu => 0,
        }
    }

    /// The codec that a static payload type stands for.
    pub fn of_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            8 => Some(Self::Pcma),
            0 => Some(Self::Pcmu),
            _ => None,
        }
    }

    /// The name in SDP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }

    /// Rewrites audio of this codec as that of another. Nothing is touched if they are the same.
    pub fn convert(self, to: Self, audio: &mut [u8]) {
        let table = match (self, to) {
            (Self::Pcma, Self::Pcmu) => &ALAW_TO_ULAW,
            (Self::Pcmu, Self::Pcma) => &ULAW_TO_ALAW,
            _ => return,
        };
        for octet in audio {
            *octet = table[usize::from(*octet)];
        }
    }
}

/// The value of an A-law octet on a scale of 16 bits (G.711 table 1, column 8).
pub fn from_alaw(octet: u8) -> i16 {
    let code = octet ^ ALAW_INVERTED;
    let step = i16::from(code & 0x0f) << 4;
    let magnitude = match (code >> 4) & 7 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    if code & SIGN == 0 { -magnitude } else { magnitude }
}

/// The A-law octet whose interval holds a value on a scale of 16 bits. A-law has 13 bits: the lowest 3 are dropped.
pub fn to_alaw(value: i16) -> u8 {
    let sign = if value < 0 { 0 } else { SIGN };
    // −1 lies in the first negative interval, as 0 does in the first positive one.
    let magnitude = (if value < 0 { !value } else { value }).unsigned_abs() >> 3;
    let segment = (16 - magnitude.leading_zeros()).saturating_sub(5);
    let [_, step] = (magnitude >> segment.max(1)).to_be_bytes();
    let [.., segment] = segment.to_be_bytes();
    (sign | segment << 4 | step & 0x0f) ^ ALAW_INVERTED
}

/// The A-law octet of each µ-law octet.
static ULAW_TO_ALAW: [u8; 256] = {
    let mut table = [0; 256];
    let mut magnitude = 0;
    while magnitude < 128 {
        let code = ULAW_TO_ALAW_MAGNITUDES[magnitude];
        table[0xff ^ magnitude] = (SIGN | code) ^ ALAW_INVERTED;
        table[0x7f ^ magnitude] = code ^ ALAW_INVERTED;
        magnitude += 1;
    }
    table
};

/// The µ-law octet of each A-law octet.
static ALAW_TO_ULAW: [u8; 256] = {
    let mut table = [0; 256];
    let mut magnitude = 0;
    while magnitude < 128 {
        let code = ALAW_TO_ULAW_MAGNITUDES[magnitude];
        table[(SIGN ^ ALAW_INVERTED) as usize ^ magnitude] = 0xff ^ code;
        table[ALAW_INVERTED as usize ^ magnitude] = 0x7f ^ code;
        magnitude += 1;
    }
    table
};

/// For each magnitude of µ-law, smallest first, that of A-law (G.711 table 3, which counts from 1).
#[rustfmt::skip]
const ULAW_TO_ALAW_MAGNITUDES: [u8; 128] = [
      0,   0,   1,   1,   2,   2,   3,   3,   4,   4,   5,   5,   6,   6,   7,   7,
      8,   9,  10,  11,  12,  13,  14,  15,  16,  17,  18,  19,  20,  21,  22,  23,
     24,  26,  28,  30,  32,  33,  34,  35,  36,  37,  38,  39,  40,  41,  42,  43,
     45,  47,  48,  49,  50,  51,  52,  53,  54,  55,  56,  57,  58,  59,  60,  61,
     63,  64,  65,  66,  67,  68,  69,  70,  71,  72,  73,  74,  75,  76,  77,  78,
     79,  81,  82,  83,  84,  85,  86,  87,  88,  89,  90,  91,  92,  93,  94,  95,
     96,  97,  98,  99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111,
    112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127,
];

/// For each magnitude of A-law, smallest first, that of µ-law (G.711 table 4).
#[rustfmt::skip]
const ALAW_TO_ULAW_MAGNITUDES: [u8; 128] = [
      1,   3,   5,   7,   9,  11,  13,  15,  16,  17,  18,  19,  20,  21,  22,  23,
     24,  25,  26,  27,  28,  29,  30,  31,  32,  32,  33,  33,  34,  34,  35,  35,
     36,  37,  38,  39,  40,  41,  42,  43,  44,  45,  46,  47,  48,  48,  49,  49,
     50,  51,  52,  53,  54,  55,  56,  57,  58,  59,  60,  61,  62,  63,  64,  64,
     65,  66,  67,  68,  69,  70,  71,  72,  73,  74,  75,  76,  77,  78,  79,  80,
     80,  81,  82,  83,  84,  85,  86,  87,  88,  89,  90,  91,  92,  93,  94,  95,
     96,  97,  98,  99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111,
    112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a µ-law octet by G.711 table 2, on the same scale.
    fn from_ulaw(octet: u8) -> i16 {
        let code = !octet;
        let magnitude = (((i32::from(code & 0x0f) << 3) + 0x84) << (code >> 4 & 7)) - 0x84;
        let magnitude = i16::try_from(magnitude).unwrap();
        if code & SIGN == 0 { magnitude } else { -magnitude }
    }

    /// How far neighbours are from each other at a magnitude, in the law that is coarser there.
    fn step(value: i16) -> i32 {
        1 << ((i32::from(value).abs() + 0x84).ilog2() - 4).max(4)
    }

    #[test]
    fn an_octet_of_a_law_is_what_its_value_becomes() {
        for octet in 0..=255 {
            assert_eq!(to_alaw(from_alaw(octet)), octet, "{octet:#04x}");
        }
        assert_eq!(from_alaw(SILENCE), 8);
    }

    #[test]
    fn every_value_lies_in_the_interval_of_its_octet() {
        for value in i16::MIN..=i16::MAX {
            let octet = to_alaw(value);
            let segment = (octet ^ ALAW_INVERTED) >> 4 & 7;
            let half_a_step = 8 << segment.saturating_sub(1);
            let error = (i32::from(from_alaw(octet)) - i32::from(value)).abs();
            assert!(error <= half_a_step, "{value}");
            assert_eq!(octet & SIGN == 0, value < 0, "{value}");
        }
    }

    #[test]
    fn the_other_law_has_the_same_sign_and_is_no_step_away() {
        for octet in 0..=255 {
            let (a, u) = (from_alaw(octet), from_ulaw(ALAW_TO_ULAW[usize::from(octet)]));
            assert!(
                (i32::from(a) - i32::from(u)).abs() <= step(a),
                "A {octet:#04x}: {a} {u}"
            );
            assert_eq!(a > 0, u > 0);
            let (u, a) = (from_ulaw(octet), from_alaw(ULAW_TO_ALAW[usize::from(octet)]));
            assert!(
                (i32::from(a) - i32::from(u)).abs() <= step(a),
                "µ {octet:#04x}: {u} {a}"
            );
            assert_eq!(u > 0 || octet == 0xff, a > 0);
        }
    }

    #[test]
    fn a_louder_octet_never_becomes_a_softer_one() {
        for pair in ULAW_TO_ALAW_MAGNITUDES
            .windows(2)
            .chain(ALAW_TO_ULAW_MAGNITUDES.windows(2))
        {
            assert!(pair[0] <= pair[1]);
        }
    }

    #[test]
    fn a_law_survives_the_way_through_mu_law_where_that_is_fine_enough() {
        for octet in 0..=255_u8 {
            let mut audio = [octet];
            Codec::Pcma.convert(Codec::Pcmu, &mut audio);
            Codec::Pcmu.convert(Codec::Pcma, &mut audio);
            let (before, after) = ((octet ^ 0x55) & 0x7f, (audio[0] ^ 0x55) & 0x7f);
            // Magnitudes that share one of µ-law's with their neighbour.
            let shared = [25, 27, 29, 31, 45, 47, 63, 80].contains(&before)
                || [24, 26, 28, 30, 44, 46, 62].contains(&before);
            assert!(
                before == after || shared && before.abs_diff(after) == 1,
                "{before} {after}"
            );
            assert_eq!(octet & SIGN, audio[0] & SIGN);
        }
    }

    #[test]
    fn the_same_law_is_not_touched() {
        let mut audio: Vec<u8> = (0..=255).collect();
        Codec::Pcma.convert(Codec::Pcma, &mut audio);
        Codec::Pcmu.convert(Codec::Pcmu, &mut audio);
        assert!(audio.iter().copied().eq(0..=255));
    }
}

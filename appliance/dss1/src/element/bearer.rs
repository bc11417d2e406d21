//! What kind of call it is (Q.931 §4.5.5).

use super::{ContentError, is_last};

/// Information transfer capability, five bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability(u8);

impl Capability {
    pub const SPEECH: Self = Self(0x00);
    pub const UNRESTRICTED_DIGITAL: Self = Self(0x08);
    pub const RESTRICTED_DIGITAL: Self = Self(0x09);
    /// 3.1 kHz audio: modems, fax.
    pub const AUDIO: Self = Self(0x10);
    /// Unrestricted digital information with tones and announcements: 7 kHz audio.
    pub const UNRESTRICTED_WITH_TONES: Self = Self(0x11);
    pub const VIDEO: Self = Self(0x18);

    /// The five bits; the others are dropped.
    pub fn new(bits: u8) -> Self {
        Self(bits & 0x1f)
    }

    pub fn bits(self) -> u8 {
        self.0
    }
}

/// Bearer capability, coded by ITU-T; another coding standard is a content error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerCapability {
    pub capability: Capability,
    /// Transfer mode, two bits: 0 is circuit mode.
    pub mode: u8,
    /// Transfer rate, five bits: 0x10 is 64 kbit/s.
    pub rate: u8,
    /// Octet 4.1, with rate 0x18 alone.
    pub multiplier: Option<u8>,
    /// Octet 5 and what follows, as it came: layer 1 protocol (3 is A-law), layers 2 and 3.
    pub layers: Vec<u8>,
}

const MULTIRATE: u8 = 0x18;
const A_LAW: u8 = 0xa3;

impl BearerCapability {
    fn circuit(capability: Capability, layers: Vec<u8>) -> Self {
        Self {
            capability,
            mode: 0,
            rate: 0x10,
            multiplier: None,
            layers,
        }
    }

    /// Speech, A-law.
    pub fn speech() -> Self {
        Self::circuit(Capability::SPEECH, vec![A_LAW])
    }

    /// 3.1 kHz audio, A-law.
    pub fn audio() -> Self {
        Self::circuit(Capability::AUDIO, vec![A_LAW])
    }

    /// 64 kbit/s, unrestricted.
    pub fn digital() -> Self {
        Self::circuit(Capability::UNRESTRICTED_DIGITAL, Vec::new())
    }

    pub(super) fn parse(contents: &[u8]) -> Result<Self, ContentError> {
        let [first, second, rest @ ..] = contents else {
            return Err(ContentError);
        };
        if first & 0xe0 != 0x80 || !is_last(*second) {
            return Err(ContentError);
        }
        let rate = second & 0x1f;
        let (multiplier, layers) = if rate == MULTIRATE {
            let (multiplier, layers) = rest.split_first().ok_or(ContentError)?;
            (Some(multiplier & 0x7f), layers)
        } else {
            (None, rest)
        };
        Ok(Self {
            capability: Capability::new(*first),
            mode: second >> 5 & 3,
            rate,
            multiplier,
            layers: layers.into(),
        })
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        into.push(0x80 | self.capability.0);
        into.push(0x80 | (self.mode & 3) << 5 | self.rate & 0x1f);
        if self.rate & 0x1f == MULTIRATE {
            into.push(0x80 | self.multiplier.unwrap_or(1) & 0x7f);
        }
        into.extend(&self.layers);
    }
}

//! What a session has taken of its peer's, for whoever passes it on or plays it.

use crate::event::Part;
use crate::g711::Codec;
use crate::rtp::Packet;
use crate::tone;

/// The longest event packet that is turned into a tone: 100 ms.
const LONGEST_PART: u32 = 800;

/// What of a datagram is of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Counts the peer's streams: another number is another sequence.
    pub stream: u32,
    pub packet: Packet,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Audio(Codec),
    /// A push button's packet, and what of it is new.
    Event(Option<Part>),
    ComfortNoise,
}

impl Taken {
    /// The audio in it, as A-law in its place in the datagram, or of a push button as tones in `space`; with the
    /// timestamp of the first octet.
    pub fn audio<'a>(&self, datagram: &'a mut [u8], space: &'a mut [u8; 800]) -> Option<(u32, &'a [u8])> {
        match self.kind {
            Kind::Audio(codec) => {
                let audio = &mut datagram[self.packet.payload.clone()];
                codec.convert(Codec::Pcma, audio);
                Some((self.packet.timestamp, audio))
            }
            Kind::Event(Some(part)) => {
                let (timestamp, audio) = tones(part, space);
                Some((timestamp, audio))
            }
            Kind::Event(None) | Kind::ComfortNoise => None,
        }
    }
}

/// A part of a press as tones: the end of it, if it is longer than anyone sends.
pub fn tones(part: Part, space: &mut [u8; 800]) -> (u32, &mut [u8]) {
    let samples = part.samples.min(LONGEST_PART);
    let before = part.samples - samples;
    let length = usize::try_from(samples).unwrap_or(0);
    let audio = &mut space[..length];
    tone::button(part.button, part.from + before, audio);
    (part.timestamp.wrapping_add(before), audio)
}

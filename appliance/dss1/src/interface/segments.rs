//! Messages that are longer than a frame (Q.931 Annex H).

use std::collections::BTreeMap;
use std::time::Duration;

use varde_lapd::Ces;

use crate::element::{Element, Segment};
use crate::message::{CallReference, Message, MessageType};

/// N201 of Q.921: what a frame carries.
const MOST: usize = 260;
/// As many segments as a message may have.
const MOST_SEGMENTS: u8 = 8;

/// Messages of which the first segments have come.
#[derive(Clone, Debug, Default)]
pub(super) struct Segments(BTreeMap<(Ces, CallReference), Part>);

#[derive(Clone, Debug)]
struct Part {
    /// The message so far, as if it had come in one.
    bytes: Vec<u8>,
    message: u8,
    remaining: u8,
    /// T314.
    until: Duration,
}

impl Segments {
    /// Takes a SEGMENT; the whole message comes with the last one. What is out of sequence is dropped, and what came
    /// before it: the peer's call control repeats what matters, or gives up.
    pub(super) fn take(
        &mut self,
        from: (Ces, CallReference),
        segment: Segment,
        bytes: &[u8],
        until: Duration,
    ) -> Option<Vec<u8>> {
        let (header, contents) = parts(bytes)?;
        let part = if segment.first {
            if segment.remaining == 0 || segment.remaining >= MOST_SEGMENTS {
                return None;
            }
            let mut whole = header.to_vec();
            whole.push(segment.message);
            whole.extend(contents);
            Part {
                bytes: whole,
                message: segment.message,
                remaining: segment.remaining,
                until,
            }
        } else {
            let mut part = self.0.remove(&from)?;
            if part.message != segment.message || part.remaining != segment.remaining + 1 {
                return None;
            }
            part.bytes.extend(contents);
            (part.remaining, part.until) = (segment.remaining, until);
            part
        };
        if part.remaining == 0 {
            return Some(part.bytes);
        }
        self.0.insert(from, part);
        None
    }

    pub(super) fn forget(&mut self, ces: Ces) {
        self.0.retain(|(from, _), _| *from != ces);
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.0.values().map(|part| part.until).min()
    }

    pub(super) fn expire(&mut self, now: Duration) {
        self.0.retain(|_, part| part.until > now);
    }
}

/// A SEGMENT's discriminator and call reference, and what follows its segmented message element.
fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(*bytes.get(1)?);
    let (header, rest) = bytes.split_at_checked(2 + length)?;
    // Message type, identifier, length, two octets: the element comes first.
    match rest {
        [_, 0, 2, _, _, contents @ ..] => Some((header, contents)),
        _ => None,
    }
}

/// The octets of a message, in as many SEGMENTs as it takes.
pub(super) fn encode(message: &Message, reference_length: u8) -> Vec<Vec<u8>> {
    let whole = message.encode(reference_length);
    if whole.len() <= MOST {
        return vec![whole];
    }
    let head = 3 + usize::from(whole[1]);
    let room = MOST - head - 4;
    let contents: Vec<&[u8]> = whole[head..].chunks(room).collect();
    let count = contents.len();
    let segment = |(index, contents): (usize, &&[u8])| {
        let element = Element::Segmented(Segment {
            first: index == 0,
            remaining: u8::try_from(count - 1 - index).unwrap_or(u8::MAX),
            message: message.kind as u8,
        });
        let mut bytes = Message {
            reference: message.reference,
            kind: MessageType::Segment,
            elements: [element].into(),
        }
        .encode(reference_length);
        bytes.extend_from_slice(contents);
        bytes
    };
    contents.iter().enumerate().map(segment).collect()
}

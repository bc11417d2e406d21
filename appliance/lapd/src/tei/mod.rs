//! TEI management (Q.921 §5.3): its messages here, its two sides beside.

mod network;
mod user;

pub(crate) use network::Network;
pub(crate) use user::User;

use crate::error::TeiError;

/// The SAPI of layer management; its messages are UI frames with TEI 127.
pub(crate) const MANAGEMENT: u8 = 63;
/// In an action indicator: every TEI, or any.
pub(crate) const ANY: u8 = 127;
/// TEIs that a network side gives away; those below are set in the terminals.
pub(crate) const AUTOMATIC: std::ops::RangeInclusive<u8> = 64..=126;

const ENTITY: u8 = 0x0f;

/// What a management message asks or says (Table 8/Q.921).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TeiMessageType {
    IdentityRequest = 1,
    IdentityAssigned = 2,
    IdentityDenied = 3,
    CheckRequest = 4,
    CheckResponse = 5,
    IdentityRemove = 6,
    IdentityVerify = 7,
}

const TYPES: [TeiMessageType; 7] = [
    TeiMessageType::IdentityRequest,
    TeiMessageType::IdentityAssigned,
    TeiMessageType::IdentityDenied,
    TeiMessageType::CheckRequest,
    TeiMessageType::CheckResponse,
    TeiMessageType::IdentityRemove,
    TeiMessageType::IdentityVerify,
];

/// A message of TEI management, the information field of its UI frame.
///
/// | octet | what |
/// |---|---|
/// | 0 | management entity, 0x0f |
/// | 1, 2 | reference number Ri: drawn by the user side for a request, repeated in its answer, drawn anew for a check response; else 0 |
/// | 3 | message type |
/// | 4 … | action indicators Ai (7 bits), each with 1 as its last bit if it is the last |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeiMessage {
    pub kind: TeiMessageType,
    pub ri: u16,
    /// One; more only in a check response, from a user side that holds several TEIs.
    pub ai: Vec<u8>,
}

impl TeiMessage {
    pub fn new(kind: TeiMessageType, ri: u16, ai: u8) -> Self {
        Self {
            kind,
            ri,
            ai: vec![ai],
        }
    }

    pub fn parse(information: &[u8]) -> Result<Self, TeiError> {
        let [entity, high, low, kind, ai @ ..] = information else {
            return Err(TeiError::TooShort(information.len()));
        };
        if ai.is_empty() {
            return Err(TeiError::TooShort(information.len()));
        }
        if *entity != ENTITY {
            return Err(TeiError::Entity(*entity));
        }
        let Some(kind) = TYPES.into_iter().find(|known| *known as u8 == *kind) else {
            return Err(TeiError::Type(*kind));
        };
        let last = ai.iter().position(|octet| octet & 1 == 1);
        if last != Some(ai.len() - 1) {
            let end = last.map_or(ai.len(), |last| last + 1);
            return Err(TeiError::ActionIndicator(ai.len() - end));
        }
        Ok(Self {
            kind,
            ri: u16::from_be_bytes([*high, *low]),
            ai: ai.iter().map(|octet| octet >> 1).collect(),
        })
    }

    pub fn encode(&self) -> Vec<u8> {
        let [high, low] = self.ri.to_be_bytes();
        let mut bytes = vec![ENTITY, high, low, self.kind as u8];
        bytes.extend(self.ai.iter().map(|ai| ai << 1));
        if let Some(last) = bytes.last_mut() {
            *last |= 1;
        }
        bytes
    }
}

/// What a side of TEI management wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Send(TeiMessage),
    /// MDL-ASSIGN request.
    Assign(u8),
    /// MDL-REMOVE request.
    Remove(u8),
    /// MDL-ERROR response: no TEI was to be had.
    Failed,
}

/// Reference numbers: a sequence that looks random, the same for the same seed (splitmix64).
#[derive(Debug)]
pub(crate) struct References(u64);

impl References {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn draw(&mut self) -> u16 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The topmost 16 bits.
        (mixed >> 48) as u16
    }
}

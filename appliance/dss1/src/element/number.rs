//! Numbers and subaddresses (Q.931 §4.5.8 to §4.5.11; redirecting number: EN 300 207-1).

use super::{ContentError, ia5, is_last};

/// Type of number, three bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberType {
    Unknown,
    International,
    National,
    NetworkSpecific,
    Subscriber,
    Reserved5,
    Abbreviated,
    Extension,
}

impl NumberType {
    const ALL: [Self; 8] = [
        Self::Unknown,
        Self::International,
        Self::National,
        Self::NetworkSpecific,
        Self::Subscriber,
        Self::Reserved5,
        Self::Abbreviated,
        Self::Extension,
    ];
}

/// Numbering plan identification, four bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan(u8);

impl Plan {
    pub const UNKNOWN: Self = Self(0);
    /// E.164.
    pub const ISDN: Self = Self(1);
    pub const NATIONAL: Self = Self(8);
    pub const PRIVATE: Self = Self(9);

    /// The four bits; the others are dropped.
    pub fn new(bits: u8) -> Self {
        Self(bits & 0x0f)
    }

    pub fn bits(self) -> u8 {
        self.0
    }
}

/// Whether the number may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presentation {
    Allowed,
    Restricted,
    /// Not available because of interworking.
    NotAvailable,
    Reserved,
}

/// Who says that the number is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screening {
    UserNotScreened,
    UserPassed,
    UserFailed,
    Network,
}

const PRESENTATIONS: [Presentation; 4] = [
    Presentation::Allowed,
    Presentation::Restricted,
    Presentation::NotAvailable,
    Presentation::Reserved,
];
const SCREENINGS: [Screening; 4] = [
    Screening::UserNotScreened,
    Screening::UserPassed,
    Screening::UserFailed,
    Screening::Network,
];

/// A party's number. A called number carries neither presentation nor reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    pub kind: NumberType,
    pub plan: Plan,
    /// Octet 3a. Absent it means allowed, user-provided, not screened.
    pub presentation: Option<(Presentation, Screening)>,
    /// Octet 3b of a redirecting number: the reason, four bits.
    pub reason: Option<u8>,
    /// IA5: printable.
    pub digits: String,
}

impl Number {
    /// A number of unknown type in an unknown plan, as a telephone dials it.
    pub fn dialled(digits: &str) -> Self {
        Self {
            kind: NumberType::Unknown,
            plan: Plan::UNKNOWN,
            presentation: None,
            reason: None,
            digits: digits.into(),
        }
    }

    /// Whether the number is not to be shown (CLIR, COLR).
    pub fn is_restricted(&self) -> bool {
        matches!(self.presentation, Some((Presentation::Restricted, _)))
    }

    pub(super) fn parse(contents: &[u8]) -> Result<Self, ContentError> {
        let (first, mut rest) = contents.split_first().ok_or(ContentError)?;
        let mut number = Self {
            kind: NumberType::ALL[usize::from(first >> 4 & 7)],
            plan: Plan::new(*first),
            presentation: None,
            reason: None,
            digits: String::new(),
        };
        let mut last = is_last(*first);
        if !last {
            let (octet, tail) = rest.split_first().ok_or(ContentError)?;
            number.presentation = Some((
                PRESENTATIONS[usize::from(octet >> 5 & 3)],
                SCREENINGS[usize::from(octet & 3)],
            ));
            (last, rest) = (is_last(*octet), tail);
        }
        if !last {
            let (octet, tail) = rest.split_first().ok_or(ContentError)?;
            number.reason = Some(octet & 0x0f);
            (last, rest) = (is_last(*octet), tail);
        }
        if !last {
            return Err(ContentError);
        }
        number.digits = ia5(rest)?;
        Ok(number)
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        // Octet 3b has no place without 3a.
        let presentation = self.presentation.or(self
            .reason
            .map(|_| (Presentation::Allowed, Screening::UserNotScreened)));
        into.push((self.kind as u8) << 4 | self.plan.0 | last(presentation.is_none()));
        if let Some((presentation, screening)) = presentation {
            into.push((presentation as u8) << 5 | screening as u8 | last(self.reason.is_none()));
        }
        if let Some(reason) = self.reason {
            into.push(reason & 0x0f | 0x80);
        }
        into.extend(self.digits.bytes().map(|octet| octet & 0x7f));
    }
}

fn last(is_last: bool) -> u8 {
    if is_last { 0x80 } else { 0 }
}

/// A subaddress: up to 20 octets after its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subaddress {
    /// Three bits: 0 is NSAP, 2 is specified by the user.
    pub kind: u8,
    /// The last octet holds one digit, not two.
    pub odd: bool,
    pub octets: Vec<u8>,
}

impl Subaddress {
    pub(super) fn parse(contents: &[u8]) -> Result<Self, ContentError> {
        let (first, octets) = contents.split_first().ok_or(ContentError)?;
        Ok(Self {
            kind: first >> 4 & 7,
            odd: first & 8 != 0,
            octets: octets.into(),
        })
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        into.push(0x80 | (self.kind & 7) << 4 | u8::from(self.odd) << 3);
        into.extend(&self.octets);
    }
}

//! Information elements (Q.931 §4.5): what they hold, and the octets they are.

mod bearer;
mod channel;
mod number;

pub use bearer::{BearerCapability, Capability};
pub use channel::{ChannelIdentification, Selection};
pub use number::{Number, NumberType, Plan, Presentation, Screening, Subaddress};

use crate::Cause;

/// Why contents are not what their identifier says (§5.8.6.2, §5.8.7.2). What exactly is wrong is of no use to anyone
/// but whoever looks at the octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentError;

/// Who speaks, in causes and progress indicators (Table 4-13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location(u8);

impl Location {
    pub const USER: Self = Self(0);
    /// The private network that serves the local user.
    pub const PRIVATE_LOCAL: Self = Self(1);
    /// The public network that serves the local user.
    pub const PUBLIC_LOCAL: Self = Self(2);
    pub const TRANSIT: Self = Self(3);
    pub const PUBLIC_REMOTE: Self = Self(4);
    pub const PRIVATE_REMOTE: Self = Self(5);
    pub const INTERNATIONAL: Self = Self(7);
    /// The network beyond the point of interworking.
    pub const BEYOND: Self = Self(10);

    /// Four bits; the others are dropped.
    pub fn new(bits: u8) -> Self {
        Self(bits & 0x0f)
    }

    pub fn bits(self) -> u8 {
        self.0
    }
}

/// Cause (§4.5.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseElement {
    pub cause: Cause,
    pub location: Location,
    pub diagnostics: Vec<u8>,
}

/// Progress indicator (§4.5.23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub location: Location,
    pub description: ProgressDescription,
}

/// Progress description, seven bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressDescription(u8);

impl ProgressDescription {
    /// The call is not end-to-end ISDN; further progress may be in band.
    pub const NOT_END_TO_END_ISDN: Self = Self(1);
    pub const DESTINATION_NOT_ISDN: Self = Self(2);
    pub const ORIGIN_NOT_ISDN: Self = Self(3);
    pub const RETURNED_TO_ISDN: Self = Self(4);
    /// In-band information or an appropriate pattern is now available.
    pub const IN_BAND: Self = Self(8);

    /// Seven bits; the eighth is dropped.
    pub fn new(bits: u8) -> Self {
        Self(bits & 0x7f)
    }

    pub fn bits(self) -> u8 {
        self.0
    }
}

/// What a RESTART is about (§4.5.25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartClass {
    /// The channels that the message names.
    Channels = 0,
    /// The interface of this D channel.
    Interface = 6,
    /// All interfaces that this D channel serves.
    AllInterfaces = 7,
}

/// Which part of a message a SEGMENT carries (Annex H).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub first: bool,
    /// How many segments follow this one.
    pub remaining: u8,
    /// The type of the whole message.
    pub message: u8,
}

/// One information element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    SendingComplete,
    MoreData,
    /// Four bits.
    CongestionLevel(u8),
    /// Four bits. Belongs to the element behind it.
    RepeatIndicator(u8),
    Segmented(Segment),
    BearerCapability(BearerCapability),
    Cause(CauseElement),
    CallIdentity(Vec<u8>),
    /// The number of a state: six bits.
    CallState(u8),
    Channel(ChannelIdentification),
    /// Components of supplementary services, as they came.
    Facility(Vec<u8>),
    Progress(Progress),
    /// Seven bits: 0 user suspended, 1 user resumed, 2 bearer changed.
    Notification(u8),
    /// IA5: printable.
    Display(String),
    DateTime(Vec<u8>),
    /// IA5: printable.
    Keypad(String),
    Signal(u8),
    ConnectedNumber(Number),
    ConnectedSubaddress(Subaddress),
    CallingNumber(Number),
    CallingSubaddress(Subaddress),
    CalledNumber(Number),
    CalledSubaddress(Subaddress),
    RedirectingNumber(Number),
    Restart(RestartClass),
    /// As it came.
    LowLayerCompatibility(Vec<u8>),
    /// As it came.
    HighLayerCompatibility(Vec<u8>),
    /// As it came, its protocol discriminator first.
    UserUser(Vec<u8>),
    /// One that is not known here, or not in codeset 0. An identifier of 0x80 and above has no contents.
    Other {
        codeset: u8,
        identifier: u8,
        contents: Vec<u8>,
    },
}

pub(crate) mod identifier {
    pub(crate) const SEGMENTED: u8 = 0x00;
    pub(crate) const BEARER_CAPABILITY: u8 = 0x04;
    pub(crate) const CAUSE: u8 = 0x08;
    pub(crate) const CALL_IDENTITY: u8 = 0x10;
    pub(crate) const CALL_STATE: u8 = 0x14;
    pub(crate) const CHANNEL: u8 = 0x18;
    pub(crate) const FACILITY: u8 = 0x1c;
    pub(crate) const PROGRESS: u8 = 0x1e;
    pub(crate) const NOTIFICATION: u8 = 0x27;
    pub(crate) const DISPLAY: u8 = 0x28;
    pub(crate) const DATE_TIME: u8 = 0x29;
    pub(crate) const KEYPAD: u8 = 0x2c;
    pub(crate) const SIGNAL: u8 = 0x34;
    pub(crate) const CONNECTED_NUMBER: u8 = 0x4c;
    pub(crate) const CONNECTED_SUBADDRESS: u8 = 0x4d;
    pub(crate) const CALLING_NUMBER: u8 = 0x6c;
    pub(crate) const CALLING_SUBADDRESS: u8 = 0x6d;
    pub(crate) const CALLED_NUMBER: u8 = 0x70;
    pub(crate) const CALLED_SUBADDRESS: u8 = 0x71;
    pub(crate) const REDIRECTING_NUMBER: u8 = 0x74;
    pub(crate) const RESTART: u8 = 0x79;
    pub(crate) const LOW_LAYER: u8 = 0x7c;
    pub(crate) const HIGH_LAYER: u8 = 0x7d;
    pub(crate) const USER_USER: u8 = 0x7e;
    pub(crate) const CONGESTION_LEVEL: u8 = 0xb0;
    pub(crate) const MORE_DATA: u8 = 0xa0;
    pub(crate) const SENDING_COMPLETE: u8 = 0xa1;
    pub(crate) const REPEAT_INDICATOR: u8 = 0xd0;
}

use identifier as id;

/// The most octets of contents (§4.5, third column of Table 4-3 less identifier and length). What is not here has no
/// bound but its length octet, or one that depends on the network.
const MOST_CONTENTS: [(u8, usize); 13] = [
    (id::SEGMENTED, 2),
    (id::BEARER_CAPABILITY, 11),
    (id::CAUSE, 30),
    (id::CALL_IDENTITY, 8),
    (id::CALL_STATE, 1),
    (id::PROGRESS, 2),
    (id::NOTIFICATION, 1),
    (id::DISPLAY, 80),
    (id::SIGNAL, 1),
    (id::RESTART, 1),
    (id::LOW_LAYER, 16),
    (id::HIGH_LAYER, 3),
    (id::USER_USER, 129),
];

fn most_contents(codeset: u8, identifier: u8) -> usize {
    let row = MOST_CONTENTS
        .iter()
        .find(|row| (0, row.0) == (codeset, identifier));
    row.map_or(usize::from(u8::MAX), |row| row.1)
}

impl Element {
    /// Its identifier: codeset and octet 1. Of single octet elements that carry a value, without it.
    pub fn identifier(&self) -> (u8, u8) {
        let identifier = match self {
            Self::SendingComplete => id::SENDING_COMPLETE,
            Self::MoreData => id::MORE_DATA,
            Self::CongestionLevel(_) => id::CONGESTION_LEVEL,
            Self::RepeatIndicator(_) => id::REPEAT_INDICATOR,
            Self::Segmented(_) => id::SEGMENTED,
            Self::BearerCapability(_) => id::BEARER_CAPABILITY,
            Self::Cause(_) => id::CAUSE,
            Self::CallIdentity(_) => id::CALL_IDENTITY,
            Self::CallState(_) => id::CALL_STATE,
            Self::Channel(_) => id::CHANNEL,
            Self::Facility(_) => id::FACILITY,
            Self::Progress(_) => id::PROGRESS,
            Self::Notification(_) => id::NOTIFICATION,
            Self::Display(_) => id::DISPLAY,
            Self::DateTime(_) => id::DATE_TIME,
            Self::Keypad(_) => id::KEYPAD,
            Self::Signal(_) => id::SIGNAL,
            Self::ConnectedNumber(_) => id::CONNECTED_NUMBER,
            Self::ConnectedSubaddress(_) => id::CONNECTED_SUBADDRESS,
            Self::CallingNumber(_) => id::CALLING_NUMBER,
            Self::CallingSubaddress(_) => id::CALLING_SUBADDRESS,
            Self::CalledNumber(_) => id::CALLED_NUMBER,
            Self::CalledSubaddress(_) => id::CALLED_SUBADDRESS,
            Self::RedirectingNumber(_) => id::REDIRECTING_NUMBER,
            Self::Restart(_) => id::RESTART,
            Self::LowLayerCompatibility(_) => id::LOW_LAYER,
            Self::HighLayerCompatibility(_) => id::HIGH_LAYER,
            Self::UserUser(_) => id::USER_USER,
            Self::Other {
                codeset, identifier, ..
            } => return (*codeset, *identifier),
        };
        (0, identifier)
    }

    /// A single octet element, bit 8 of which is 1.
    pub(crate) fn single(codeset: u8, octet: u8) -> Self {
        match octet {
            id::SENDING_COMPLETE if codeset == 0 => Self::SendingComplete,
            id::MORE_DATA if codeset == 0 => Self::MoreData,
            0xb0..=0xbf if codeset == 0 => Self::CongestionLevel(octet & 0x0f),
            0xd0..=0xdf if codeset == 0 => Self::RepeatIndicator(octet & 0x0f),
            identifier => Self::Other {
                codeset,
                identifier,
                contents: Vec::new(),
            },
        }
    }

    /// An element with contents.
    pub(crate) fn parse(codeset: u8, identifier: u8, contents: &[u8]) -> Result<Self, ContentError> {
        if codeset != 0 {
            return Ok(Self::Other {
                codeset,
                identifier,
                contents: contents.into(),
            });
        }
        if contents.len() > most_contents(codeset, identifier) {
            return Err(ContentError);
        }
        let bytes = || contents.to_vec();
        Ok(match identifier {
            id::SEGMENTED => Self::Segmented(segment(contents)?),
            id::BEARER_CAPABILITY => Self::BearerCapability(BearerCapability::parse(contents)?),
            id::CAUSE => Self::Cause(cause(contents)?),
            id::CALL_IDENTITY => Self::CallIdentity(bytes()),
            id::CALL_STATE => Self::CallState(first(contents)? & 0x3f),
            id::CHANNEL => Self::Channel(ChannelIdentification::parse(contents)?),
            id::FACILITY => Self::Facility(bytes()),
            id::PROGRESS => Self::Progress(progress(contents)?),
            id::NOTIFICATION => Self::Notification(first(contents)? & 0x7f),
            id::DISPLAY => Self::Display(ia5(contents)?),
            id::DATE_TIME => Self::DateTime(bytes()),
            id::KEYPAD => Self::Keypad(ia5(contents)?),
            id::SIGNAL => Self::Signal(first(contents)?),
            id::CONNECTED_NUMBER => Self::ConnectedNumber(Number::parse(contents)?),
            id::CONNECTED_SUBADDRESS => Self::ConnectedSubaddress(Subaddress::parse(contents)?),
            id::CALLING_NUMBER => Self::CallingNumber(Number::parse(contents)?),
            id::CALLING_SUBADDRESS => Self::CallingSubaddress(Subaddress::parse(contents)?),
            id::CALLED_NUMBER => Self::CalledNumber(Number::parse(contents)?),
            id::CALLED_SUBADDRESS => Self::CalledSubaddress(Subaddress::parse(contents)?),
            id::REDIRECTING_NUMBER => Self::RedirectingNumber(Number::parse(contents)?),
            id::RESTART => Self::Restart(match first(contents)? & 7 {
                0 => RestartClass::Channels,
                6 => RestartClass::Interface,
                7 => RestartClass::AllInterfaces,
                _ => return Err(ContentError),
            }),
            id::LOW_LAYER => Self::LowLayerCompatibility(bytes()),
            id::HIGH_LAYER => Self::HighLayerCompatibility(bytes()),
            id::USER_USER => Self::UserUser(bytes()),
            _ => Self::Other {
                codeset,
                identifier,
                contents: bytes(),
            },
        })
    }

    /// Identifier, length and contents; a shift to its codeset is the message's business.
    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        let (codeset, identifier) = self.identifier();
        match self {
            Self::CongestionLevel(value) | Self::RepeatIndicator(value) => {
                into.push(identifier | value & 0x0f);
                return;
            }
            _ if identifier & 0x80 != 0 => {
                into.push(identifier);
                return;
            }
            _ => {}
        }
        into.extend([identifier, 0]);
        let start = into.len();
        match self {
            Self::Segmented(segment) => into.extend([
                u8::from(segment.first) << 7 | segment.remaining & 0x7f,
                segment.message & 0x7f,
            ]),
            Self::BearerCapability(bearer) => bearer.encode(into),
            Self::Cause(element) => {
                into.extend([0x80 | element.location.0, 0x80 | element.cause.value()]);
                into.extend(&element.diagnostics);
            }
            Self::CallState(value) => into.push(value & 0x3f),
            Self::Channel(channel) => channel.encode(into),
            Self::Progress(progress) => {
                into.extend([0x80 | progress.location.0, 0x80 | progress.description.0]);
            }
            Self::Notification(value) => into.push(0x80 | value),
            Self::Signal(value) => into.push(*value),
            Self::Restart(class) => into.push(0x80 | *class as u8),
            Self::Display(text) | Self::Keypad(text) => into.extend(text.bytes().map(|octet| octet & 0x7f)),
            Self::ConnectedNumber(number)
            | Self::CallingNumber(number)
            | Self::CalledNumber(number)
            | Self::RedirectingNumber(number) => number.encode(into),
            Self::ConnectedSubaddress(subaddress)
            | Self::CallingSubaddress(subaddress)
            | Self::CalledSubaddress(subaddress) => subaddress.encode(into),
            Self::CallIdentity(contents)
            | Self::Facility(contents)
            | Self::DateTime(contents)
            | Self::LowLayerCompatibility(contents)
            | Self::HighLayerCompatibility(contents)
            | Self::UserUser(contents)
            | Self::Other { contents, .. } => into.extend(contents),
            Self::SendingComplete | Self::MoreData | Self::CongestionLevel(_) | Self::RepeatIndicator(_) => {}
        }
        let most = most_contents(codeset, identifier);
        into.truncate(start + most);
        into[start - 1] = u8::try_from(into.len() - start).unwrap_or(u8::MAX);
    }
}

/// Whether an octet is the last of its group: bit 8, the extension bit.
fn is_last(octet: u8) -> bool {
    octet & 0x80 != 0
}

fn first(contents: &[u8]) -> Result<u8, ContentError> {
    contents.first().copied().ok_or(ContentError)
}

/// IA5 characters that can be printed. Some exchanges set bit 8; others end a text in spaces or a zero.
fn ia5(contents: &[u8]) -> Result<String, ContentError> {
    let end = contents
        .iter()
        .rposition(|octet| octet & 0x7f != 0)
        .map_or(0, |at| at + 1);
    let characters = contents[..end].iter().map(|octet| octet & 0x7f);
    let printable = |octet: u8| (b' '..=b'~').contains(&octet).then_some(char::from(octet));
    characters
        .map(|octet| printable(octet).ok_or(ContentError))
        .collect()
}

fn segment(contents: &[u8]) -> Result<Segment, ContentError> {
    let [count, message] = contents else {
        return Err(ContentError);
    };
    Ok(Segment {
        first: count & 0x80 != 0,
        remaining: count & 0x7f,
        message: message & 0x7f,
    })
}

fn cause(contents: &[u8]) -> Result<CauseElement, ContentError> {
    let (first, mut rest) = contents.split_first().ok_or(ContentError)?;
    if !is_last(*first) {
        // Octet 3a, the recommendation that the cause belongs to.
        rest = rest.split_first().ok_or(ContentError)?.1;
    }
    let (value, diagnostics) = rest.split_first().ok_or(ContentError)?;
    Ok(CauseElement {
        cause: Cause::masked(*value),
        location: Location::new(*first),
        diagnostics: diagnostics.into(),
    })
}

fn progress(contents: &[u8]) -> Result<Progress, ContentError> {
    let [location, description] = contents else {
        return Err(ContentError);
    };
    Ok(Progress {
        location: Location::new(*location),
        description: ProgressDescription::new(*description),
    })
}

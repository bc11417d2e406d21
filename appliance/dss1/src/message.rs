//! Messages (Q.931 §3 and §4): header, information elements, and what is wrong with those that came.
//!
//! | octet | what |
//! |---|---|
//! | 0 | protocol discriminator, 8 |
//! | 1 | length of the call reference |
//! | then | call reference: bit 8 of its first octet is 0 in what the origin of the call sends |
//! | then | message type |
//! | then | information elements |

use crate::element::{ContentError, Element, identifier as id};
use crate::elements::Elements;
use crate::error::MessageError;

const DISCRIMINATOR: u8 = 0x08;
const SHIFT: u8 = 0x90;
/// Bit 4 of a shift: for the next element alone.
const NON_LOCKING: u8 = 0x08;

/// A call reference (§4.3), without its length: leading zeros mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallReference {
    /// Of length 0: for supplementary services that belong to no call.
    Dummy,
    /// Value 0: for the interface.
    Global {
        from_origin: bool,
    },
    Call {
        value: u16,
        from_origin: bool,
    },
}

macro_rules! message_types {
    ($($name:ident $value:literal $text:literal)*) => {
        /// Message types (Table 4-2; EN 300 196-1 for HOLD and RETRIEVE).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum MessageType { $($name = $value,)* }

        impl MessageType {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub fn from_octet(octet: u8) -> Option<Self> {
                match octet {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// As the standard writes it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

message_types! {
    Alerting 0x01 "ALERTING"
    CallProceeding 0x02 "CALL PROCEEDING"
    Progress 0x03 "PROGRESS"
    Setup 0x05 "SETUP"
    Connect 0x07 "CONNECT"
    SetupAcknowledge 0x0d "SETUP ACKNOWLEDGE"
    ConnectAcknowledge 0x0f "CONNECT ACKNOWLEDGE"
    UserInformation 0x20 "USER INFORMATION"
    SuspendReject 0x21 "SUSPEND REJECT"
    ResumeReject 0x22 "RESUME REJECT"
    Hold 0x24 "HOLD"
    Suspend 0x25 "SUSPEND"
    Resume 0x26 "RESUME"
    HoldAcknowledge 0x28 "HOLD ACKNOWLEDGE"
    SuspendAcknowledge 0x2d "SUSPEND ACKNOWLEDGE"
    ResumeAcknowledge 0x2e "RESUME ACKNOWLEDGE"
    HoldReject 0x30 "HOLD REJECT"
    Retrieve 0x31 "RETRIEVE"
    RetrieveAcknowledge 0x33 "RETRIEVE ACKNOWLEDGE"
    RetrieveReject 0x37 "RETRIEVE REJECT"
    Disconnect 0x45 "DISCONNECT"
    Restart 0x46 "RESTART"
    Release 0x4d "RELEASE"
    RestartAcknowledge 0x4e "RESTART ACKNOWLEDGE"
    ReleaseComplete 0x5a "RELEASE COMPLETE"
    Segment 0x60 "SEGMENT"
    Facility 0x62 "FACILITY"
    Notify 0x6e "NOTIFY"
    StatusEnquiry 0x75 "STATUS ENQUIRY"
    CongestionControl 0x79 "CONGESTION CONTROL"
    Information 0x7b "INFORMATION"
    Status 0x7d "STATUS"
}

impl MessageType {
    /// Elements without which the message means nothing (§3.1, §3.4). The channel of a SETUP and causes that only a
    /// first clearing message needs are judged where side and state are known.
    pub(crate) fn mandatory(self) -> &'static [u8] {
        match self {
            Self::Setup => &[id::BEARER_CAPABILITY],
            Self::Disconnect
            | Self::HoldReject
            | Self::RetrieveReject
            | Self::SuspendReject
            | Self::ResumeReject => &[id::CAUSE],
            Self::Status => &[id::CAUSE, id::CALL_STATE],
            Self::Restart | Self::RestartAcknowledge => &[id::RESTART],
            Self::Notify => &[id::NOTIFICATION],
            Self::Progress => &[id::PROGRESS],
            Self::Facility => &[id::FACILITY],
            Self::Segment => &[id::SEGMENTED],
            Self::ResumeAcknowledge => &[id::CHANNEL],
            _ => &[],
        }
    }
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub reference: CallReference,
    pub kind: MessageType,
    pub elements: Elements,
}

impl Message {
    /// Its octets, with a call reference of so many octets: 1 on a basic access, 2 on a primary one.
    pub fn encode(&self, reference_length: u8) -> Vec<u8> {
        let mut bytes = vec![DISCRIMINATOR];
        let (value, from_origin) = match self.reference {
            CallReference::Dummy => (0, true),
            CallReference::Global { from_origin } => (0, from_origin),
            CallReference::Call { value, from_origin } => (value, from_origin),
        };
        let [high, low] = value.to_be_bytes();
        let flag = u8::from(!from_origin) << 7;
        match (self.reference, reference_length) {
            (CallReference::Dummy, _) => bytes.push(0),
            (_, 1) => bytes.extend([1, flag | low & 0x7f]),
            _ => bytes.extend([2, flag | high & 0x7f, low]),
        }
        bytes.push(self.kind as u8);
        for element in &self.elements {
            let (codeset, _) = element.identifier();
            if codeset != 0 {
                bytes.push(SHIFT | NON_LOCKING | codeset & 7);
            }
            element.encode(&mut bytes);
        }
        bytes
    }
}

/// What is wrong with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not known here (§5.8.7.1).
    Unrecognised,
    /// Its contents are not what they must be, or too long (§5.8.6.2, §5.8.7.2).
    Contents,
}

/// An element that was left out of a message that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementFault {
    pub codeset: u8,
    pub identifier: u8,
    pub fault: Fault,
}

impl ElementFault {
    /// Whether the message may not be understood without it: bits 8 to 5 of its identifier are 0 (Table 4-3, Note 5).
    pub fn needs_comprehension(&self) -> bool {
        self.fault == Fault::Unrecognised && self.codeset == 0 && self.identifier & 0xf0 == 0
    }
}

/// A message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub reference: CallReference,
    /// The octet of a type that is not known here.
    pub kind: Result<MessageType, u8>,
    pub elements: Elements,
    /// What is not among `elements`, because it could not be.
    pub faults: Vec<ElementFault>,
}

impl Received {
    /// Reads a message; one that is to be ignored (§5.8.1 to §5.8.3.1) is an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let (discriminator, rest) = bytes.split_first().ok_or(MessageError::TooShort(0))?;
        if *discriminator != DISCRIMINATOR {
            return Err(MessageError::Discriminator(*discriminator));
        }
        let too_short = MessageError::TooShort(bytes.len());
        let (length, rest) = rest.split_first().ok_or(too_short)?;
        if length & 0xf0 != 0 || *length > 2 {
            return Err(MessageError::CallReference(*length));
        }
        let (reference, rest) = rest.split_at_checked(usize::from(*length)).ok_or(too_short)?;
        let (kind, elements) = rest.split_first().ok_or(too_short)?;
        let mut received = Self {
            reference: call_reference(reference),
            kind: MessageType::from_octet(*kind).ok_or(*kind),
            elements: Elements::new(),
            faults: Vec::new(),
        };
        received.read(elements);
        Ok(received)
    }

    /// Whether an element came whose contents are wrong.
    pub(crate) fn is_faulty(&self, identifier: u8) -> bool {
        self.faults.iter().any(|fault| {
            (fault.codeset, fault.identifier) == (0, identifier) && fault.fault == Fault::Contents
        })
    }

    fn read(&mut self, mut octets: &[u8]) {
        let mut found = Vec::new();
        let mut locked = 0;
        let mut next = None;
        while let Some((octet, rest)) = octets.split_first() {
            octets = rest;
            if octet & 0xf0 == SHIFT {
                let codeset = octet & 7;
                if octet & NON_LOCKING != 0 {
                    next = Some(codeset);
                } else {
                    // §4.5.3: to a lower one it does not lock; some exchanges do so all the same, to come back.
                    locked = codeset;
                }
                continue;
            }
            let codeset = next.take().unwrap_or(locked);
            if octet & 0x80 != 0 {
                found.push(Element::single(codeset, *octet));
                continue;
            }
            let (length, rest) = octets.split_first().unwrap_or((&0, &[]));
            let length = usize::from(*length);
            let parsed = if let Some((contents, tail)) = rest.split_at_checked(length) {
                octets = tail;
                Element::parse(codeset, *octet, contents)
            } else {
                octets = &[];
                Err(ContentError)
            };
            match parsed {
                Ok(element) => found.push(element),
                Err(ContentError) => self.faults.push(ElementFault {
                    codeset,
                    identifier: *octet,
                    fault: Fault::Contents,
                }),
            }
        }
        for element in &found {
            if let Element::Other {
                codeset, identifier, ..
            } = element
            {
                self.faults.push(ElementFault {
                    codeset: *codeset,
                    identifier: *identifier,
                    fault: Fault::Unrecognised,
                });
            }
        }
        self.elements = found.into();
    }
}

fn call_reference(octets: &[u8]) -> CallReference {
    let (from_origin, value) = match octets {
        [] => return CallReference::Dummy,
        [only] => (only & 0x80 == 0, u16::from(only & 0x7f)),
        [high, low, ..] => (high & 0x80 == 0, u16::from_be_bytes([high & 0x7f, *low])),
    };
    if value == 0 {
        CallReference::Global { from_origin }
    } else {
        CallReference::Call { value, from_origin }
    }
}

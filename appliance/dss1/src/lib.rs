//! Q.931 (ETSI EN 300 403-1): ISDN call control.
//!
//! Messages as octets and as what they mean: [`Received`] is one that came, [`Message`] one to send, [`Elements`] what
//! they carry, [`Cause`] why a call ends. Nothing here reads a clock or a socket.

mod cause;
mod element;
mod elements;
mod error;
mod message;

pub use cause::{Cause, Class};
pub use element::{
    BearerCapability, Capability, CauseElement, ChannelIdentification, Element, Location, Number, NumberType,
    Plan, Presentation, Progress, ProgressDescription, RestartClass, Screening, Segment, Selection,
    Subaddress,
};
pub use elements::Elements;
pub use error::MessageError;
pub use message::{CallReference, ElementFault, Fault, Message, MessageType, Received};

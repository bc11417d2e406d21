//! Q.931 (ETSI EN 300 403-1): ISDN call control, network and user side, primary rate and basic access.
//!
//! ```text
//! application ── call, Request ───▶ ┌───────────┐ ── Output::Link ──▶ data links
//!             ◀─ Output::Call ──── │ Interface │ ◀──── receive ───── (varde-lapd)
//!                                   └───────────┘
//! time: poll_timeout ──▶ handle_timeout
//! ```
//!
//! Nothing here reads a clock, a socket or a random number: indications and time come in, messages and indications go
//! out, and the same story played again does the same. The procedures of a call are one table a side (`table.rs`);
//! `call.rs` does what its rows name; `interface/` finds the call for a message, gives out channels, restarts those in
//! doubt, and offers a call to all terminals of a bus; `message.rs` and `element.rs` are the octets.
//!
//! Every call ends in one [`Indication::Released`], whatever is lost on the way. A channel whose call ended in doubt is
//! restarted (RESTART) as soon as there is a data link, and active calls are asked for now and then (STATUS ENQUIRY):
//! no channel stays with a call that only one end knows.
//!
//! Of the standard's options: calls are not suspended, held or retrieved (each such message is rejected as it must be);
//! packet mode is for nobody here; a STATUS with another cause than the answer to an enquiry ends no call as long as
//! the states fit; elements out of order are taken, those that are not known or wrong are left out, and STATUS about
//! them is sent only if the message cannot do without.

mod call;
mod cause;
mod config;
mod element;
mod elements;
mod error;
mod interface;
mod message;
mod primitive;
mod table;

pub use cause::{Cause, Class};
pub use config::{Access, Config, Parameters, Sharing, Timer};
pub use element::{
    BearerCapability, Capability, CauseElement, ChannelIdentification, Element, Location, Number, NumberType,
    Plan, Presentation, Progress, ProgressDescription, RestartClass, Screening, Segment, Selection,
    Subaddress,
};
pub use elements::Elements;
pub use error::{MessageError, RequestError};
pub use interface::{ChannelState, Interface, Output};
pub use message::{CallReference, ElementFault, Fault, Message, MessageType, Received};
pub use primitive::{CallId, Indication, Request};
pub use table::State;

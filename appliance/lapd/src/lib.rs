//! Q.921: the data link of ISDN's D channel, network and user side, primary rate and basic access.
//!
//! ```text
//! layer 3 ── Request ──▶ ┌──────────┐ ── Output::Frame ──▶ the line
//!         ◀─ Indication ─│ DChannel │ ◀──── receive ────── (without FCS)
//!                        └──────────┘
//! time: poll_timeout ──▶ handle_timeout
//! ```
//!
//! Nothing here reads a clock, a socket or a random number: bytes and time come in, bytes and primitives go out, and
//! the same line played again does the same. The procedures of a data link are one table (`table.rs`, after Annex B);
//! `link.rs` does what its rows name; `tei/` gives, checks and removes TEIs (§5.3); [`DChannel`] puts them together.
//!
//! Of Q.921 (09/97): modulo 128 alone, as the D channel has it; SAPI 0 (call control) and 63 (management), so that a
//! frame for packet data (SAPI 16) is one for nobody here. SREJ is not used (there, it is optional), parameters are
//! not negotiated: XID is answered with an empty XID, which means the defaults. Where an implementer may choose what
//! to send when T200 runs out (Note in Figure B-7), it is an enquiry, not the last I frame.

mod channel;
mod config;
mod error;
mod frame;
mod link;
mod mdl;
mod primitive;
mod table;
mod tei;

pub use channel::{DChannel, Output};
pub use config::{Arrangement, Config, Parameters, Side};
pub use error::{Fault, FrameError, RequestError, TeiError};
pub use frame::{Control, Frame, Role, Supervisory, Unnumbered};
pub use mdl::ErrorCode;
pub use primitive::{Ces, Indication, Request};
pub use table::State;
pub use tei::{TeiMessage, TeiMessageType};

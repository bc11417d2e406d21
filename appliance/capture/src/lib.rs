//! The flight recorder: the signalling of each call, ISDN and SIP, as one pcapng file that Wireshark opens.
//!
//! ```text
//! frames and messages, as they come and go ──▶ Recorder ── file ──▶ pcapng
//!                                              (in memory, bounded)
//! pcapng ── read ──▶ packets again, in their order, to be looked at or played into a stack
//! ```
//!
//! It always runs: whoever asks why a call failed asks when it is over. It keeps whole numbers, so what it holds stays in
//! memory, the oldest calls go first when there is no more room, and a file leaves only on request.
//!
//! Nothing here reads a clock or touches a file. [`Packet`] is one frame or message; [`Recorder`] keeps those of each
//! call; [`write`] and [`read`] are the file.

mod block;
mod error;
mod packet;
mod read;
mod recorder;
mod sll;
mod udp;
mod write;

pub use error::{Error, Result};
pub use packet::{Direction, Frame, Packet};
pub use read::read;
pub use recorder::Recorder;
pub use write::write;

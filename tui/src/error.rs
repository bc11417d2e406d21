//! Why the console cannot run at all. Everything else is said on its pages.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the console needs a terminal on its standard input; log in on one, or use the command `varde` instead"
    )]
    NoTerminal,
    #[error("could not set up the line of standard input: {0}; log in again")]
    Line(rustix::io::Errno),
    #[error("could not open the line of standard input: {0}; log in again")]
    OpenLine(io::Error),
    #[error("could not start the event loop: {0}; log in again, and restart the appliance if it goes on")]
    Loop(io::Error),
}

//! The line and the terminal at its end: keys in, the fewest bytes out.

mod input;
mod kind;
mod scroll;
mod serial;
mod tty;

pub use input::{Input, Key, Parser, QUIET};
pub use kind::{Characters, Kind};
pub use serial::Serial;
pub use tty::{Tty, restore_on_panic};

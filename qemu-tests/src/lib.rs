//! End-to-end tests of the appliance in QEMU: what a person at the serial line would do and see.
mod dialogue;
mod error;
pub mod keys;
mod line;
mod pace;
mod screen;
mod terminal;
pub use dialogue::{Step, patient};
pub use error::{Error, Result};
pub use line::{Line, View};
pub use pace::Pace;
pub use screen::{Screen, Style};
pub use terminal::Terminal;

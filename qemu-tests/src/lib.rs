//! End-to-end tests of the appliance in QEMU: what a person at the serial line would do and see.
//!
//! [`scenario`] gives a test a [`Scenario`], which gives it appliances: from a snapshot at the login prompt within
//! seconds, or fresh by the full path. A scenario talks to an [`Appliance`] by a dialogue of [`Step`]s with the 80x24
//! terminal on its serial line, and looks for evidence through a debug shell on a second line. Every wait is for a
//! condition and has a bound. When a scenario fails, screen, serial log and journal are kept.
//!
//! The layers, from the bottom: [`Pace`] (how fast the line is), [`Terminal`] and [`Screen`], [`Line`], the dialogue,
//! [`shell`], [`qmp`], the snapshots, the network [`outside`], [`Appliance`], [`Scenario`]. Those up to `qmp` know nothing of QEMU or Varde and
//! are tested alone.

mod appliance;
pub mod cut;
mod dialogue;
mod error;
mod evidence;
mod fault;
mod golden;
pub mod keys;
mod line;
pub mod outside;
mod pace;
mod process;
pub mod qmp;
mod scenario;
mod screen;
mod shape;
pub mod shell;
pub mod slots;
mod snapshot;
mod terminal;

pub use appliance::Appliance;
pub use dialogue::{Step, patient};
pub use error::{Error, Result};
pub use golden::Golden;
pub use line::{Line, Unmet, View};
pub use outside::Outside;
pub use pace::Pace;
pub use process::Process;
pub use scenario::{Scenario, scenario};
pub use screen::{Screen, Style};
pub use shape::{ACCEPTANCE, ADMIN, Build, OPERATOR, Shape, VIEWER};
pub use terminal::Terminal;

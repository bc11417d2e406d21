//! When something recurring is to happen: systemd's calendar syntax, Norwegian holidays, blackout times.
//!
//! Nothing here reads a clock. A [`Calendar`] says which moments match, a [`Blackout`] which moments are closed, and a
//! [`Schedule`] puts them together: it lists the coming runs, each with what stands in its way.
//!
//! **Daylight saving.** A time of day that the clock jumps over (02:30 on the last Sunday of March in Norway) happens
//! at the moment the clock has jumped, so that a weekly run is not lost for a week. A time of day that comes twice
//! (02:30 on the last Sunday of October) happens the first time only.

mod blackout;
mod calendar;
mod error;
mod holiday;
mod parse;
mod schedule;

pub use blackout::Blackout;
pub use calendar::Calendar;
pub use error::Error;
pub use holiday::{Holiday, holiday, holidays};
pub use schedule::{Obstacle, Occurrence, Schedule};

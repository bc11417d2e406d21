//! Who comes in from a device of their own: passwords, second factors, sessions and tickets for desktops.
//!
//! The [`Doorkeeper`] decides. It has no IO but its folder: time, addresses and bytes come in, decisions and what is to be
//! told come out. [`door`] answers the portal, which keeps no secret itself; [`service`] answers operators. Passwords are
//! checked between two steps of the doorkeeper, on a thread of their own, because a check is meant to be slow.
//!
//! [`tunnel`] gives devices a way in while their person is logged in.
//!
//! What must not be believed twice is on disk before it is believed: the step of a second factor, a recovery code, an
//! enrolment.

pub mod certificate;
pub mod credentials;
pub mod door;
pub mod doorkeeper;
mod error;
pub mod folder;
pub mod house;
pub mod password;
pub mod secret;
pub mod service;
pub mod session;
pub mod throttle;
pub mod totp;
pub mod tunnel;

pub use doorkeeper::{Directory, Doorkeeper};
pub use error::{Error, Refusal};

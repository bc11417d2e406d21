//! The tunnel: WireGuard in the kernel, and the rules on who reaches what.
//!
//! [`Keeper`] knows what should be: the sites that are declared, and the devices that the service of access holds. It makes
//! the [`kernel`] so: the interface, its peers ([`wireguard`]), the rules ([`rules`]). Packets never come here, and what is
//! let in for a time ends by the kernel's own clock: a dead service leaves no door open, and closes none.

mod error;
pub mod keeper;
pub mod kernel;
pub mod keys;
pub mod rules;
pub mod service;
pub mod wireguard;

pub use error::Error;
pub use keeper::Keeper;

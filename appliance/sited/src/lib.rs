//! Keeps the generations of the site, and renders the active one for the system.
//!
//! `varde-sited first` makes the first generation of a new machine ([`first`]). `varde-render` makes a tree of files
//! of the active generation ([`render`]) and puts it in its place ([`place`]): accounts, networks, the name of the
//! machine. `varde-sited` answers on the bus ([`service`]): it checks and keeps what is applied, and has it rendered.

mod activate;
mod error;
pub mod first;
pub mod place;
pub mod render;
pub mod service;

pub use error::Error;

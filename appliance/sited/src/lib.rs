//! Keeps the generations of the site, and renders the active one for the system.
//!
//! `varde-sited first` makes the first generation of a new machine ([`first`]). `varde-render` makes a tree of files
//! of the active generation ([`render`]) and puts it in its place ([`place`]): accounts, networks, the name of the
//! machine. `varde-sited` answers on the bus ([`service`]): it checks and keeps what is applied, and has it rendered. What
//! is applied on trial it takes back again unless somebody confirms it ([`trial`]); `varde-sited back` does so after a
//! restart.

mod activate;
pub mod boot;
mod change;
mod error;
pub mod first;
pub mod place;
mod probe;
pub mod render;
pub mod service;
pub mod trial;

pub use error::Error;

//! What a site is: the model of `site.toml`, its checks and its numbered generations.
//!
//! A file becomes a [`Site`] or a list of findings ([`parse`]), each with its place and its remedy. A checked file
//! becomes a generation in the [`Store`]; one generation is active, and every service reads its own part of that one.

mod access;
mod database;
mod diff;
mod error;
mod finding;
mod hashes;
mod identity;
mod model;
mod network;
mod parse;
mod recipe;
mod rehearsal;
mod risk;
mod ssh;
mod store;
mod telephony;
mod text;
mod tunnel;
mod update;

pub use access::{DesktopPool, Desktops, Person, Portal};
pub use database::{Database, DatabaseServer, Engine, Pool, Restart, RestartWhat};
pub use diff::diff;
pub use error::StoreError;
pub use finding::Finding;
pub use hashes::{filled, masked};
pub use identity::{ACCOUNT_UIDS, VM_UIDS, mac, mac_text};
pub use model::{
    Account, Bond, BondMode, Check, CheckKind, Disk, Firmware, Language, Limits, QuietHours, Role, Site,
    SiteInfo, Vm, Zone, ZoneAddress,
};
pub use network::Network;
pub use parse::{Kept, LONGEST_FILE, parse, parse_keeping, readable};
pub use recipe::{GuestCommand, Recipe};
pub use rehearsal::{LONGEST_CLONED, REHEARSALS, clone_name, clone_of, original};
pub use risk::{Risk, risks};
pub use ssh::Ssh;
pub use store::{Active, Origin, Record, Source, Store, TakenBack, Terms, Trial, Writer};
pub use telephony::{
    Barring, CallingNumber, Ddi, Digests, Emergency, EmergencyTest, Extension, ExtensionPlace, Forward, Line,
    LineAccess, LineSide, Listen, Route, RouteFrom, RouteHolidays, Target, Telephony, Transport, Trunk,
};
pub use text::Text;
pub use tunnel::{Tunnel, TunnelKey, TunnelSite};
pub use update::{Update, UpdateSource};

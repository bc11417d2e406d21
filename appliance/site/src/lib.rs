//! What a site is: the model of `site.toml`, its checks and its numbered generations.
//!
//! A file becomes a [`Site`] or a list of findings, each with its place and its remedy. A checked file becomes a
//! generation; one generation is active, and every service reads its own part of that one.

mod finding;
mod identity;
mod model;
mod text;

pub use finding::Finding;
pub use identity::{mac, mac_text};
pub use model::{
    Account, Check, CheckKind, Disk, Firmware, Language, Limits, Role, Site, SiteInfo, Vm, Zone, ZoneAddress,
};
pub use text::Text;

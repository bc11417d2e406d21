//! Fetches the newest release from the site's HTTPS source into a folder, as a stick would have it.
//!
//! Whoever runs this faces the network and is not trusted: root checks signature, hashes and version again when it reads
//! the folder. The same checks are made here so that a bad release is told at once, and no byte more is taken than a
//! signed list has room for.
//!
//! The source is a folder of a web server: `current` says the newest version and nothing else, as in `0.3.0`; the
//! release is in the folder of that name beside it.

pub mod client;
pub mod fetch;
mod told;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use varde_bus::Text;
use varde_site::UpdateSource;

use crate::Version;

/// What the service orders. It reaches the downloader as a credential, so that this sees nothing else of the site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub source: UpdateSource,
    pub keys: Vec<String>,
    pub running: Version,
    /// For what is said when a name is not found.
    pub dns: Vec<IpAddr>,
}

/// Name of the order in the service's folder, and of the credential.
pub const ORDER: &str = "source.json";
/// The downloader's own folder.
pub const FOLDER: &str = "/var/lib/varde/download";
/// The release in it.
pub const RELEASE: &str = "release";
/// How far it has come, in the folder.
pub const STATE: &str = "state.json";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Empty: nothing was fetched.
    pub version: String,
    /// Milliseconds since 1970, UTC, when it was whole; 0: it is not.
    pub when: i64,
    /// Bytes of all files.
    pub size: u64,
    /// Bytes that are here.
    pub have: u64,
    /// Why the last attempt came to nothing; else empty.
    pub refusal: Text,
}

//! `no.varde.Tunnel1`: other sites that are joined, and people's own devices.
//!
//! Keys are public ones of WireGuard, in base 64.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::Type;

pub const NAME: &str = "no.varde.Tunnel1";
pub const PATH: &str = "/no/varde/Tunnel1";

/// How long what is held holds without being said again. Seconds; the kernel counts them.
pub const LEASE: u64 = 300;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct TunnelStatus {
    pub declared: bool,
    /// Where devices outside find it.
    pub endpoint: String,
    /// Our own key, and the one that we have next, where one is made; else empty.
    pub key: String,
    pub next_key: String,
    /// What an operator should see to; else empty.
    pub trouble: Text,
}

/// A site or a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct PeerStatus {
    pub name: String,
    pub title: String,
    /// A site is always let in, a device while it is held.
    pub site: bool,
    pub key: String,
    /// Networks or address behind it.
    pub networks: Vec<String>,
    /// Zones that it reaches.
    pub reach: Vec<String>,
    /// When it was heard last: milliseconds since 1970, UTC; 0 if it never was.
    pub handshake: i64,
    /// Bytes from it and to it.
    pub received: u64,
    pub sent: u64,
}

/// A device that is let in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Type)]
pub struct Grant {
    pub key: String,
    /// IPv4 address of the tunnel's network.
    pub address: String,
    /// Whose it is, and which.
    pub name: String,
    pub title: String,
    /// Names of zones.
    pub reach: Vec<String>,
}

#[zbus::proxy(
    interface = "no.varde.Tunnel1",
    default_service = "no.varde.Tunnel1",
    default_path = "/no/varde/Tunnel1"
)]
pub trait Tunnel {
    fn status(&self) -> zbus::Result<TunnelStatus>;
    fn peers(&self) -> zbus::Result<Vec<PeerStatus>>;
    /// For the service of access alone: these devices are let in, for [`LEASE`] from now, and no others. Answers when the
    /// others are out.
    fn hold(&self, grants: &[Grant]) -> zbus::Result<()>;
    /// Makes the key that we will have next, if there is none yet, and gives it: other sites are to be told first.
    fn prepare_key(&self, why: &str) -> zbus::Result<String>;
    /// Has it from now on; `why` must say something.
    fn change_key(&self, why: &str) -> zbus::Result<()>;

    /// Something of `status` or `peers` is different.
    #[zbus(signal)]
    fn changed(&self) -> zbus::Result<()>;
}

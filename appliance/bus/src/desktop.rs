//! `no.varde.Desktops1`: virtual desktops, and who uses them.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::{OwnedFd, Type};

use crate::hypervisor::VmState;

pub const NAME: &str = "no.varde.Desktops1";
pub const PATH: &str = "/no/varde/Desktops1";

/// A pool as the site declares it, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct PoolStatus {
    pub name: String,
    pub title: String,
    /// Golden image.
    pub image: String,
    /// `own`, `fresh` or `floating`.
    pub kind: String,
    /// Desktops in all, those that are on, and those that somebody uses.
    pub desktops: u32,
    pub running: u32,
    pub used: u32,
    /// Bytes of memory that one takes.
    pub memory: u64,
    /// What an operator should see to, such as a golden image that is missing; else empty.
    pub trouble: Text,
}

/// One desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct DesktopStatus {
    /// The machine's name.
    pub name: String,
    pub pool: String,
    pub state: VmState,
    /// Whose it is, or who has it now; empty where nobody has.
    pub person: String,
    /// Windows that show it now.
    pub viewers: u32,
    /// Since when nobody has looked at it: milliseconds since 1970, UTC; 0 while somebody does, and while it is off.
    pub idle_since: i64,
    /// Made from another image than the pool's present one.
    pub outdated: bool,
}

/// What came of opening one for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Opened {
    /// The machine.
    pub desktop: String,
    /// Its screen can be shown. Else it is coming up: ask again.
    pub ready: bool,
}

/// `open`, `attach` and `release` are for the service of access alone.
#[zbus::proxy(
    interface = "no.varde.Desktops1",
    default_service = "no.varde.Desktops1",
    default_path = "/no/varde/Desktops1"
)]
pub trait Desktops {
    fn pools(&self) -> zbus::Result<Vec<PoolStatus>>;
    fn list(&self) -> zbus::Result<Vec<DesktopStatus>>;
    /// Gives a person a desktop of this pool, the same one as before if there is one, and starts it.
    fn open(&self, person: &str, pool: &str) -> zbus::Result<Opened>;
    /// A connection to its screen, on which RFB is spoken (RFC 6143).
    fn attach(&self, person: &str, desktop: &str) -> zbus::Result<OwnedFd>;
    /// The person has logged out: what is not kept goes.
    fn release(&self, person: &str) -> zbus::Result<()>;
    /// Takes it from whoever has it and shuts it down; `why` must say something.
    fn end(&self, desktop: &str, why: &str) -> zbus::Result<()>;
    /// Makes it anew from the golden image: what was written to it is lost; `why` must say something.
    fn renew(&self, desktop: &str, why: &str) -> zbus::Result<()>;

    /// Something is different about pools or desktops.
    #[zbus(signal)]
    fn changed(&self) -> zbus::Result<()>;
}

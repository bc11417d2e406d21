//! `no.varde.Door1`: what the portal asks of the service of access. The portal itself keeps no secret.
//!
//! Everything after the log-in carries the session's cookie and a [`Proof`] that the device has the session's key: a
//! cookie alone, stolen, is good for nothing but a challenge.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::{OwnedFd, Type};

pub const NAME: &str = "no.varde.Door1";
pub const PATH: &str = "/no/varde/Door1";

/// The account that may.
pub const PORTAL: &str = "varde-portal";

/// What the portal is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Settings {
    /// Address and port to listen on; empty where the site has no portal.
    pub listen: String,
    /// What browsers say in `Host`.
    pub authority: String,
    /// Of the site.
    pub title: String,
    /// `nb` or `en`, where the browser wishes neither.
    pub language: String,
    /// Certificates, the portal's own first, and the key; PEM.
    pub chain: String,
    pub key: String,
}

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Visit {
    /// IP address.
    pub from: String,
    /// The cookie of a device that was here before; else empty.
    pub device: String,
    /// `User-Agent`.
    pub agent: String,
}

/// The device has the session's key: an ECDSA signature (P-256, SHA-256, IEEE P1363) over what is asked for and a
/// challenge that was given for this session and not used yet; see [`signed_text`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Proof {
    pub challenge: String,
    pub signature: Vec<u8>,
}

/// What the device signs. `what` is the request's name and its arguments, such as `ticket kontor`.
pub fn signed_text(what: &str, challenge: &str) -> String {
    format!("varde-door-1\n{what}\n{challenge}")
}

/// A log-in that is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Entered {
    /// The session's cookie, and that of the device.
    pub cookie: String,
    pub device: String,
    /// Codes to be written down, once after enrolment.
    pub recovery: Vec<String>,
}

/// What the authenticator on the phone is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SecondFactor {
    /// Base 32, RFC 4648 §6.
    pub secret: String,
    /// `otpauth://totp/…`, also what the QR code holds.
    pub uri: String,
}

/// What a person sees after the log-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Home {
    pub person: String,
    pub title: String,
    /// This session.
    pub session: String,
    pub until: i64,
    pub recovery: u32,
    pub pools: Vec<HomePool>,
    /// Whether the person's devices may come by the tunnel, and those that there are.
    pub tunnel: bool,
    pub devices: Vec<HomeDevice>,
    pub sessions: Vec<HomeSession>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct HomePool {
    pub name: String,
    pub title: String,
    /// What is written to it goes at the log-out.
    pub forgets: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct HomeSession {
    pub id: String,
    pub from: String,
    pub agent: String,
    pub began: i64,
    pub seen: i64,
}

/// A device that comes by the tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct HomeDevice {
    pub id: String,
    pub title: String,
    pub address: String,
    pub added: i64,
}

/// What a new device is given, once: the file that WireGuard's clients read, wg-quick(8). It holds the private key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct DeviceFile {
    pub file: String,
}

/// What came of asking for a desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Ticket {
    /// Opens the desktop once, within half a minute; empty while it is coming up.
    pub ticket: String,
}

/// A screen that was opened with a ticket.
#[derive(Debug, Serialize, Deserialize, Type)]
pub struct Screen {
    pub screen: OwnedFd,
    pub held: Held,
}

/// A desktop on the screen of a session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Type)]
pub struct Held {
    pub session: String,
    pub desktop: String,
}

/// What a screen has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Carried {
    /// Bytes to the person's device, and from it.
    pub out: u64,
    pub into: u64,
    /// Bytes of its clipboard that were held back.
    pub clipboard: u64,
}

#[zbus::proxy(
    interface = "no.varde.Door1",
    default_service = "no.varde.Door1",
    default_path = "/no/varde/Door1"
)]
pub trait Door {
    fn settings(&self) -> zbus::Result<Settings>;
    /// How the portal is: what is wrong with it; empty when nothing is.
    fn report(&self, trouble: &Text) -> zbus::Result<()>;

    /// The first step; gives what names this log-in in the second.
    fn login(&self, person: &str, password: &str, visit: &Visit) -> zbus::Result<String>;
    /// The second step. `code` is from the authenticator, or a recovery code; `key` the session's public key, an
    /// uncompressed point of P-256.
    fn second_factor(&self, login: &str, code: &str, key: &[u8], visit: &Visit) -> zbus::Result<Entered>;
    /// With an operator's code; gives what names this enrolment in the next steps.
    fn enrol(&self, person: &str, code: &str, visit: &Visit) -> zbus::Result<String>;
    fn choose_password(&self, enrolment: &str, password: &str) -> zbus::Result<SecondFactor>;
    /// A code of the new authenticator completes the enrolment.
    fn confirm(&self, enrolment: &str, code: &str, key: &[u8], visit: &Visit) -> zbus::Result<Entered>;

    /// For the next proof.
    fn challenge(&self, cookie: &str) -> zbus::Result<String>;
    /// Proves `home`.
    fn home(&self, cookie: &str, proof: &Proof) -> zbus::Result<Home>;
    /// Proves `ticket POOL`.
    fn ticket(&self, cookie: &str, pool: &str, proof: &Proof) -> zbus::Result<Ticket>;
    fn redeem(&self, cookie: &str, ticket: &str) -> zbus::Result<Screen>;
    /// All screens that the portal has now. Gives the sessions among them that are over.
    fn holds(&self, screens: &[Held]) -> zbus::Result<Vec<String>>;
    /// The person has touched keyboard or mouse.
    fn active(&self, session: &str) -> zbus::Result<()>;
    fn closed(&self, screen: &Held, carried: Carried) -> zbus::Result<()>;
    /// Proves `device TITLE`.
    fn add_device(&self, cookie: &str, title: &str, proof: &Proof) -> zbus::Result<DeviceFile>;
    /// Proves `remove DEVICE`.
    fn remove_device(&self, cookie: &str, device: &str, proof: &Proof) -> zbus::Result<()>;
    /// Proves `logout`, of this session.
    fn log_out(&self, cookie: &str, proof: &Proof) -> zbus::Result<()>;
    /// Proves `end SESSION`, of another one of this person.
    fn end(&self, cookie: &str, session: &str, proof: &Proof) -> zbus::Result<()>;

    /// The settings are different.
    #[zbus(signal)]
    fn settled(&self) -> zbus::Result<()>;
    /// A session is over: its screens are to be closed.
    #[zbus(signal)]
    fn ended(&self, session: &str) -> zbus::Result<()>;
}

//! `no.varde.Access1`: who may come in from a device of their own, and who is in; for operators.
//!
//! Moments are milliseconds since 1970, UTC, and 0 where there is none.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::Type;

pub const NAME: &str = "no.varde.Access1";
pub const PATH: &str = "/no/varde/Access1";

/// Somebody whom the site declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct PersonStatus {
    pub name: String,
    pub title: String,
    /// Has a password and a second factor.
    pub enrolled: bool,
    /// Until when the code for enrolment that was given last can be used.
    pub code_until: i64,
    /// Recovery codes that are left.
    pub recovery: u32,
    pub last_login: i64,
    pub sessions: u32,
    /// Pools of desktops that are open to the person.
    pub pools: Vec<String>,
}

/// A session on the portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SessionStatus {
    /// Names the session; opens nothing.
    pub id: String,
    pub person: String,
    /// Address that it began from; cut for viewers.
    pub from: String,
    /// Which browser, as it says itself.
    pub agent: String,
    pub began: i64,
    pub seen: i64,
    /// When it ends at the latest.
    pub until: i64,
    /// Desktops on its screen now.
    pub desktops: Vec<String>,
}

/// The portal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct PortalStatus {
    pub declared: bool,
    /// What people write in the browser.
    pub address: String,
    /// SHA-256 of its certificate, as browsers show it: pairs of hexadecimal digits with colons.
    pub fingerprint: String,
    /// When its certificate ends.
    pub certificate_until: i64,
    /// It was made here, so browsers warn of it.
    pub self_made: bool,
    /// What an operator should see to, worst first.
    pub troubles: Vec<Text>,
}

/// A code with which a person enrols once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct EnrolmentCode {
    pub code: String,
    pub until: i64,
}

#[zbus::proxy(
    interface = "no.varde.Access1",
    default_service = "no.varde.Access1",
    default_path = "/no/varde/Access1"
)]
pub trait Access {
    fn portal(&self) -> zbus::Result<PortalStatus>;
    fn persons(&self) -> zbus::Result<Vec<PersonStatus>>;
    fn sessions(&self) -> zbus::Result<Vec<SessionStatus>>;
    /// A new code for a person: with it password and second factor are chosen, anew where there were some.
    fn enrol(&self, person: &str, why: &str) -> zbus::Result<EnrolmentCode>;
    /// Forgets password and second factor, and ends the person's sessions; `why` must say something.
    fn forget(&self, person: &str, why: &str) -> zbus::Result<()>;
    /// Ends a session at once.
    fn end_session(&self, session: &str, why: &str) -> zbus::Result<()>;
    /// Gives the portal a certificate, with those that lead to an authority after it, and its key, both PEM.
    fn set_certificate(&self, chain: &str, key: &str, why: &str) -> zbus::Result<()>;

    /// Something of `portal`, `persons` or `sessions` is different.
    #[zbus(signal)]
    fn changed(&self, what: &str) -> zbus::Result<()>;
}

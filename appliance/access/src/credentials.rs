//! What is kept of one person: password, second factor, and what of it was used.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use varde_site::TunnelKey;

use crate::folder::Folder;
use crate::password::Hashed;
use crate::{Error, secret, totp};

/// Groups of an operator's code, and of a recovery code: 80 and 60 bits.
pub const ENROLMENT_GROUPS: usize = 4;
pub const RECOVERY_GROUPS: usize = 3;
/// Recovery codes that a person gets.
const RECOVERY: usize = 8;
/// Devices of a person that are known; the one that was here least lately goes.
const KNOWN: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    pub password: Option<Hashed>,
    pub factor: Option<Factor>,
    /// Hashes of those that are left.
    pub recovery: Vec<String>,
    pub enrolment: Option<Enrolment>,
    /// Hashes of the cookies of devices, the one that was here last at the end.
    pub devices: Vec<String>,
    /// Milliseconds since 1970, UTC.
    pub last_login: i64,
    /// Devices that come by the tunnel while the person is logged in.
    #[serde(default)]
    pub tunnels: Vec<TunnelDevice>,
}

/// A device of the tunnel. Its private key was given away and is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelDevice {
    pub id: String,
    pub title: String,
    pub key: TunnelKey,
    pub address: Ipv4Addr,
    /// Milliseconds since 1970, UTC.
    pub added: i64,
}

/// The secret that the authenticator has too.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factor {
    pub secret: [u8; totp::SECRET],
    /// The last step whose code was taken: neither it nor any before is taken again.
    pub last: u64,
}

/// It stays out of logs.
impl std::fmt::Debug for Factor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Factor")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

/// An operator's code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    pub hash: String,
    pub until: i64,
}

/// Names of persons are letters, digits and hyphens: the reader of site.toml has seen to it.
fn file(person: &str) -> String {
    format!("person/{person}.json")
}

impl Credentials {
    pub fn read(folder: &Folder, person: &str) -> Result<Self, Error> {
        Ok(folder.read(&file(person))?.unwrap_or_default())
    }

    pub fn write(&self, folder: &Folder, person: &str) -> Result<(), Error> {
        folder.write(&file(person), self)
    }

    pub fn is_enrolled(&self) -> bool {
        self.password.is_some() && self.factor.is_some()
    }

    pub fn knows(&self, device: &str) -> bool {
        !device.is_empty() && self.devices.contains(&secret::hash(device))
    }

    pub fn remember(&mut self, device: &str) {
        let hash = secret::hash(device);
        self.devices.retain(|known| *known != hash);
        self.devices.push(hash);
        let too_many = self.devices.len().saturating_sub(KNOWN);
        self.devices.drain(..too_many);
    }

    /// New recovery codes in the place of all earlier ones.
    pub fn new_recovery(&mut self) -> Vec<String> {
        let codes: Vec<String> = (0..RECOVERY).map(|_| secret::spoken(RECOVERY_GROUPS)).collect();
        self.recovery = codes.iter().map(|code| secret::hash(code)).collect();
        codes
    }

    /// Uses up what was typed as a second factor: a code of the authenticator, or a recovery code. What is left has to be
    /// on disk before it counts.
    pub fn use_up(&mut self, typed: &str, seconds: u64) -> bool {
        if let Some(factor) = &mut self.factor
            && let Some(step) = totp::step_of(&factor.secret, typed, seconds, factor.last)
        {
            factor.last = step;
            return true;
        }
        let Some(code) = secret::heard(typed, RECOVERY_GROUPS) else {
            return false;
        };
        let hash = secret::hash(&code);
        let before = self.recovery.len();
        self.recovery.retain(|known| *known != hash);
        self.recovery.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recovery_code_opens_once() {
        let mut credentials = Credentials::default();
        let codes = credentials.new_recovery();
        assert_eq!(codes.len(), 8);
        assert!(credentials.use_up(&codes[3].to_lowercase(), 0));
        assert!(!credentials.use_up(&codes[3], 0));
        assert_eq!(credentials.recovery.len(), 7);
        assert!(!credentials.use_up("00000 00000 00000", 0));
        let newer = credentials.new_recovery();
        assert!(!credentials.use_up(&codes[0], 0), "the earlier ones are void");
        assert!(credentials.use_up(&newer[0], 0));
    }

    #[test]
    fn the_devices_that_were_here_last_are_known() {
        let mut credentials = Credentials::default();
        for number in 0..25 {
            credentials.remember(&number.to_string());
        }
        credentials.remember("5");
        assert!(credentials.knows("5") && credentials.knows("24"));
        assert!(!credentials.knows("4") && !credentials.knows("") && !credentials.knows("x"));
        assert_eq!(credentials.devices.len(), KNOWN);
    }
}

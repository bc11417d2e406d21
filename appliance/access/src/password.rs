//! Passwords: argon2id (RFC 9106), with the parameters kept beside each hash, so that those of tomorrow may be others.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::error::Weak;
use crate::secret;

/// KiB, passes and lanes: those that OWASP's cheat sheet on password storage names for servers.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

const SHORTEST: usize = 12;
/// A longer one would only keep the server busy.
const LONGEST: usize = 256;

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashed {
    memory: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; 16],
    hash: [u8; 32],
}

/// It stays out of logs.
impl std::fmt::Debug for Hashed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hashed").finish_non_exhaustive()
    }
}

impl Hashed {
    /// Takes some tens of milliseconds.
    pub fn of(password: &str) -> Self {
        let mut hashed = Self {
            memory: MEMORY,
            passes: PASSES,
            lanes: LANES,
            salt: secret::random(),
            hash: [0; 32],
        };
        hashed.hash = hashed.computed(password).expect("these parameters are allowed");
        hashed
    }

    /// One that no password matches, and that takes as long to find out: for persons who are not there.
    pub fn nobody() -> Self {
        Self {
            memory: MEMORY,
            passes: PASSES,
            lanes: LANES,
            salt: [0; 16],
            hash: secret::random(),
        }
    }

    /// Takes as long as [`Hashed::of`].
    pub fn matches(&self, password: &str) -> bool {
        // What is that long was never taken as a password.
        if password.len() > LONGEST {
            return false;
        }
        self.computed(password)
            .is_some_and(|hash| hash.ct_eq(&self.hash).into())
    }

    fn computed(&self, password: &str) -> Option<[u8; 32]> {
        let params = Params::new(self.memory, self.passes, self.lanes, Some(32)).ok()?;
        let mut hash = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), &self.salt, &mut hash)
            .ok()?;
        Some(hash)
    }
}

/// Whether it may be a new password of this person: long, and not the name over again (NIST SP 800-63B §5.1.1.2, which
/// asks for length and against rules on kinds of characters).
pub fn acceptable(password: &str, person: &str) -> Result<(), Weak> {
    if password.chars().count() < SHORTEST {
        return Err(Weak::Short);
    }
    if password.len() > LONGEST {
        return Err(Weak::Long);
    }
    let rest = password.to_lowercase().replace(&person.to_lowercase(), "");
    if rest.chars().filter(|c| c.is_alphabetic()).count() < 4 && rest.chars().count() < SHORTEST / 2 {
        return Err(Weak::Name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_and_no_other() {
        let hashed = Hashed::of("riktig hest batteri");
        assert!(hashed.matches("riktig hest batteri"));
        assert!(!hashed.matches("riktig hest batterI"));
        assert!(!Hashed::nobody().matches(""));
        assert_ne!(
            Hashed::of("riktig hest batteri"),
            hashed,
            "each has a salt of its own"
        );
        let kept: Hashed = serde_json::from_str(&serde_json::to_string(&hashed).unwrap()).unwrap();
        assert!(kept.matches("riktig hest batteri"));
    }

    #[test]
    fn a_weak_password_is_refused_for_its_weakness() {
        assert_eq!(acceptable("kort", "anne"), Err(Weak::Short));
        assert_eq!(acceptable("Anne-anne-anne", "anne"), Err(Weak::Name));
        assert_eq!(acceptable(&"x".repeat(257), "anne"), Err(Weak::Long));
        assert_eq!(acceptable("tre små kaffekopper", "anne"), Ok(()));
    }
}

//! Sessions: each belongs to one device, which has a key that cannot be taken out of it.

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use varde_bus::door::{Proof, signed_text};

use crate::folder::Folder;
use crate::{Error, Refusal, secret};

const FILE: &str = "sessions.json";

/// Challenges that may be open at once, and how long each: milliseconds.
const CHALLENGES: usize = 8;
const CHALLENGE: i64 = 120_000;

/// An uncompressed point of P-256, SEC 1 §2.3.3.
pub const KEY: usize = 65;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Names it; opens nothing.
    pub id: String,
    /// Hash of its cookie.
    pub cookie: String,
    pub person: String,
    /// The device's public key.
    pub key: Vec<u8>,
    pub from: String,
    pub agent: String,
    /// Milliseconds since 1970, UTC.
    pub began: i64,
    pub seen: i64,
    pub until: i64,
    /// Those that were given and not used yet, and when.
    #[serde(skip)]
    pub challenges: Vec<(String, i64)>,
}

impl Session {
    /// `idle` in seconds.
    pub fn is_over(&self, now: i64, idle: u64) -> bool {
        let idle = i64::try_from(idle).unwrap_or(i64::MAX).saturating_mul(1000);
        now >= self.until || now - self.seen >= idle
    }

    pub fn challenge(&mut self, now: i64) -> String {
        let challenge = secret::token();
        self.challenges.push((challenge.clone(), now));
        let too_many = self.challenges.len().saturating_sub(CHALLENGES);
        self.challenges.drain(..too_many);
        challenge
    }

    /// Uses up a challenge, whether the signature is right or not.
    pub fn prove(&mut self, what: &str, proof: &Proof, now: i64) -> Result<(), Refusal> {
        let place = self
            .challenges
            .iter()
            .position(|(challenge, _)| *challenge == proof.challenge)
            .ok_or(Refusal::NoProof)?;
        let (challenge, given) = self.challenges.remove(place);
        if !(0..CHALLENGE).contains(&(now - given)) {
            return Err(Refusal::NoProof);
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.key)
            .verify(signed_text(what, &challenge).as_bytes(), &proof.signature)
            .map_err(|_| Refusal::NoProof)
    }
}

pub fn read(folder: &Folder) -> Result<Vec<Session>, Error> {
    Ok(folder.read(FILE)?.unwrap_or_default())
}

pub fn write(folder: &Folder, sessions: &[Session]) -> Result<(), Error> {
    folder.write(FILE, &sessions)
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;

    fn pair() -> EcdsaKeyPair {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap()
    }

    fn session(pair: &EcdsaKeyPair) -> Session {
        Session {
            id: "1".into(),
            cookie: String::new(),
            person: "anne".into(),
            key: pair.public_key().as_ref().to_vec(),
            from: String::new(),
            agent: String::new(),
            began: 0,
            seen: 0,
            until: 100_000,
            challenges: Vec::new(),
        }
    }

    fn proof(pair: &EcdsaKeyPair, what: &str, challenge: &str) -> Proof {
        let text = signed_text(what, challenge);
        let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        Proof {
            challenge: challenge.to_owned(),
            signature: signature.as_ref().to_vec(),
        }
    }

    #[test]
    fn a_proof_is_good_once_for_one_thing_and_from_one_device() {
        let (mine, theirs) = (pair(), pair());
        let mut session = session(&mine);
        let challenge = session.challenge(0);
        let good = proof(&mine, "home", &challenge);
        assert_eq!(session.prove("home", &good, 1), Ok(()));
        assert_eq!(session.prove("home", &good, 1), Err(Refusal::NoProof), "used");

        let challenge = session.challenge(0);
        let other = proof(&mine, "home", &challenge);
        assert_eq!(
            session.prove("logout", &other, 1),
            Err(Refusal::NoProof),
            "for another thing"
        );
        let challenge = session.challenge(0);
        let stolen = proof(&theirs, "home", &challenge);
        assert_eq!(
            session.prove("home", &stolen, 1),
            Err(Refusal::NoProof),
            "another device"
        );
        let challenge = session.challenge(0);
        let late = proof(&mine, "home", &challenge);
        assert_eq!(session.prove("home", &late, CHALLENGE), Err(Refusal::NoProof));
        let unknown = proof(&mine, "home", "never given");
        assert_eq!(session.prove("home", &unknown, 1), Err(Refusal::NoProof));
    }

    #[test]
    fn challenges_that_nobody_uses_take_no_room_without_end() {
        let mut session = session(&pair());
        for _ in 0..100 {
            session.challenge(0);
        }
        assert_eq!(session.challenges.len(), CHALLENGES);
    }

    #[test]
    fn a_session_ends_by_itself() {
        let session = session(&pair());
        assert!(!session.is_over(9_999, 10));
        assert!(session.is_over(10_000, 10), "nobody was seen");
        assert!(session.is_over(100_000, 1000), "however busy");
    }
}

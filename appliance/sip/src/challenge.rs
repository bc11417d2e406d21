//! Challenges: nonces that cost nothing until they are used, and who has proved what with them.
//!
//! A nonce is time, a count, and a MAC of both with a key of this process: strangers who ask for challenges fill no
//! memory. Only a nonce that has proved somebody is remembered, with the highest count that was used, until it expires.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::config::{Digests, Secret};
use crate::digest::{Claim, hex};
use crate::message::{Message, Method};

/// How long a nonce is good for.
const NONCE_LIFE: Duration = Duration::from_mins(5);
/// The most used nonces that are remembered. Beyond it the oldest are forgotten, and nothing as old is accepted.
const MOST_NONCES: usize = 100_000;

/// What comes of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proved,
    /// The secret is right, and the nonce too old or used: a new challenge, and no suspicion.
    Stale,
    Wrong,
}

/// Challenges, and who has proved what with them.
pub(crate) struct Challenger {
    realm: String,
    key: [u8; 32],
    pub digests: Digests,
    made: u64,
    used: HashMap<String, u32>,
    /// When each used nonce was made, oldest first.
    ages: BTreeSet<(Duration, String)>,
    /// Nothing as old as this is accepted: what was used of it is forgotten.
    floor: Duration,
}

impl Challenger {
    pub fn new(realm: String, key: [u8; 32]) -> Self {
        Self {
            realm,
            key,
            digests: Digests::default(),
            made: 0,
            used: HashMap::new(),
            ages: BTreeSet::new(),
            floor: Duration::ZERO,
        }
    }

    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Adds a challenge for each algorithm, the better one first (RFC 8760 §2.4).
    pub fn challenge(&mut self, now: Duration, response: &mut Message, stale: bool) {
        let nonce = self.nonce(now);
        for algorithm in self.digests.algorithms() {
            let stale = if stale { ", stale=true" } else { "" };
            response.push(
                "WWW-Authenticate",
                format!(
                    "Digest realm=\"{}\", nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}",
                    self.realm,
                    algorithm.name()
                ),
            );
        }
    }

    fn nonce(&mut self, now: Duration) -> String {
        self.made += 1;
        let stem = format!("{:012x}{:012x}", now.as_millis(), self.made);
        let mac = self.mac(&stem);
        stem + &mac
    }

    fn mac(&self, stem: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else {
            unreachable!("HMAC takes keys of any length");
        };
        mac.update(stem.as_bytes());
        hex(&mac.finalize().into_bytes()[..16])
    }

    /// When this nonce was made, if we made it.
    fn age(&self, nonce: &str) -> Option<Duration> {
        let stem = nonce.get(..24)?;
        let mac = self.mac(stem);
        if !bool::from(mac.as_bytes().ct_eq(nonce.get(24..)?.as_bytes())) {
            return None;
        }
        let millis = u64::from_str_radix(stem.get(..12)?, 16).ok()?;
        Some(Duration::from_millis(millis))
    }

    /// Judges a claim. `secret` is None for an account that does not exist: as much is computed, and it is wrong.
    pub fn judge(
        &mut self,
        now: Duration,
        claim: &Claim,
        secret: Option<&Secret>,
        request: &Message,
    ) -> Verdict {
        let Some(algorithm) = claim.algorithm else {
            return Verdict::Wrong;
        };
        if !self.digests.algorithms().contains(&algorithm) {
            return Verdict::Wrong;
        }
        let method = request.method().map_or("", Method::name);
        let nobody = Secret::Password(String::new());
        let expected = claim.expected(algorithm, secret.unwrap_or(&nobody), method);
        let right = expected.is_some_and(|expected| {
            bool::from(
                expected
                    .as_bytes()
                    .ct_eq(claim.response.to_ascii_lowercase().as_bytes()),
            )
        });
        if !right || secret.is_none() {
            return Verdict::Wrong;
        }
        if claim.counted.as_ref().is_some_and(|(qop, ..)| qop != "auth") {
            return Verdict::Wrong;
        }
        let Some(made) = self.age(&claim.nonce) else {
            // Right for a nonce that is not ours: one from before a restart.
            return Verdict::Stale;
        };
        self.forget(now);
        if made < self.floor || made > now || now.saturating_sub(made) > NONCE_LIFE {
            return Verdict::Stale;
        }
        let count = match &claim.counted {
            Some((_, nc, _)) => match u32::from_str_radix(nc, 16) {
                Ok(count) if count > 0 => count,
                _ => return Verdict::Wrong,
            },
            // Without a count, once (RFC 2069).
            None => u32::MAX,
        };
        match self.used.get_mut(&claim.nonce) {
            Some(highest) if count <= *highest => return Verdict::Stale,
            Some(highest) => *highest = count,
            None => {
                self.used.insert(claim.nonce.clone(), count);
                self.ages.insert((made, claim.nonce.clone()));
            }
        }
        Verdict::Proved
    }

    fn forget(&mut self, now: Duration) {
        while let Some((made, _)) = self.ages.first() {
            let expired = now.saturating_sub(*made) > NONCE_LIFE;
            if !expired && self.ages.len() <= MOST_NONCES {
                return;
            }
            if !expired {
                self.floor = self.floor.max(*made + Duration::from_millis(1));
            }
            if let Some((_, nonce)) = self.ages.pop_first() {
                self.used.remove(&nonce);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Algorithm, answer, without_proofs};

    const NOW: Duration = Duration::from_secs(100);

    fn request() -> Message {
        Message::request(Method::Register, "sip:varde.example")
            .with("Via", "SIP/2.0/UDP h;branch=z9hG4bK1")
            .with("From", "<sip:210@varde.example>;tag=1")
            .with("To", "<sip:210@varde.example>")
            .with("Call-ID", "1")
            .with("CSeq", "1 REGISTER")
    }

    fn password() -> Secret {
        Secret::Password("hemmelig".into())
    }

    fn challenged(challenger: &mut Challenger, now: Duration) -> Message {
        let mut response = Message::response(&request(), 401, "Unauthorized");
        challenger.challenge(now, &mut response, false);
        response
    }

    fn claim(challenge: &Message, secret: &Secret) -> Claim {
        let (_, value) = answer(challenge, "210", secret, "REGISTER", "sip:varde.example", "abc").unwrap();
        Claim::of(&request().with("Authorization", value), "varde.example").unwrap()
    }

    fn challenger() -> Challenger {
        Challenger::new("varde.example".into(), [7; 32])
    }

    #[test]
    fn the_examples_of_the_standards_come_out() {
        // RFC 7616 §3.9.1, both algorithms.
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let claim = Claim {
                user: "Mufasa".into(),
                realm: "http-auth@example.org".into(),
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".into(),
                uri: "/dir/index.html".into(),
                response: String::new(),
                algorithm: Algorithm::of(Some(algorithm)),
                counted: Some((
                    "auth".into(),
                    "00000001".into(),
                    "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".into(),
                )),
            };
            let secret = Secret::Password("Circle of Life".into());
            let expected = claim.expected(claim.algorithm.unwrap(), &secret, "GET");
            assert_eq!(expected.as_deref(), Some(response));
        }
    }

    #[test]
    fn who_knows_the_secret_is_proved_with_the_better_digest() {
        let mut challenger = challenger();
        let claim = claim(&challenged(&mut challenger, NOW), &password());
        assert_eq!(claim.algorithm, Some(Algorithm::Sha256));
        assert_eq!(
            challenger.judge(NOW, &claim, Some(&password()), &request()),
            Verdict::Proved
        );
    }

    #[test]
    fn a_secret_kept_as_ha1_proves_as_the_password_does() {
        let ha1 = Secret::Ha1 {
            md5: Some(Algorithm::Md5.hash(&["210", "varde.example", "hemmelig"])),
            sha256: None,
        };
        let mut challenger = challenger();
        let mut challenge = challenged(&mut challenger, NOW);
        let stronger = claim(&challenge, &password());
        assert_eq!(
            challenger.judge(NOW, &stronger, Some(&ha1), &request()),
            Verdict::Wrong
        );
        challenge.headers.retain(|(_, value)| !value.contains("SHA-256"));
        let weaker = claim(&challenge, &password());
        challenger.digests = Digests::Sha256;
        assert_eq!(
            challenger.judge(NOW, &weaker, Some(&ha1), &request()),
            Verdict::Wrong,
            "an algorithm that is not offered"
        );
        challenger.digests = Digests::Both;
        assert_eq!(
            challenger.judge(NOW, &weaker, Some(&ha1), &request()),
            Verdict::Proved
        );
    }

    #[test]
    fn what_was_sent_once_proves_nothing_again() {
        let mut challenger = challenger();
        let mut first = claim(&challenged(&mut challenger, NOW), &password());
        assert_eq!(
            challenger.judge(NOW, &first, Some(&password()), &request()),
            Verdict::Proved
        );
        assert_eq!(
            challenger.judge(NOW, &first, Some(&password()), &request()),
            Verdict::Stale
        );
        // The next count is new.
        first.counted.as_mut().unwrap().1 = "00000002".into();
        first.response = first
            .expected(Algorithm::Sha256, &password(), "REGISTER")
            .unwrap();
        assert_eq!(
            challenger.judge(NOW, &first, Some(&password()), &request()),
            Verdict::Proved
        );
    }

    #[test]
    fn a_nonce_expires_and_one_of_another_process_is_stale() {
        let mut challenger = challenger();
        let old = claim(&challenged(&mut challenger, NOW), &password());
        let later = NOW + NONCE_LIFE + Duration::from_secs(1);
        assert_eq!(
            challenger.judge(later, &old, Some(&password()), &request()),
            Verdict::Stale
        );
        let mut other = Challenger::new("varde.example".into(), [8; 32]);
        let foreign = claim(&challenged(&mut other, NOW), &password());
        assert_eq!(
            challenger.judge(NOW, &foreign, Some(&password()), &request()),
            Verdict::Stale
        );
    }

    #[test]
    fn a_wrong_secret_an_unknown_account_and_another_method_are_wrong() {
        let mut challenger = challenger();
        let challenge = challenged(&mut challenger, NOW);
        let wrong = claim(&challenge, &Secret::Password("gjettet".into()));
        assert_eq!(
            challenger.judge(NOW, &wrong, Some(&password()), &request()),
            Verdict::Wrong
        );
        let empty = claim(&challenge, &Secret::Password(String::new()));
        assert_eq!(challenger.judge(NOW, &empty, None, &request()), Verdict::Wrong);
        let right = claim(&challenge, &password());
        let mut invite = request();
        invite.start = Message::request(Method::Invite, "sip:1@varde.example").start;
        assert_eq!(
            challenger.judge(NOW, &right, Some(&password()), &invite),
            Verdict::Wrong
        );
    }

    #[test]
    fn a_record_keeps_no_proof_of_a_header_in_several_lines() {
        let bytes = b"REGISTER sip:h SIP/2.0\r\nauthorization: Digest\r\n username=\"210\",\r\n\tresponse=\"ab:cd\"\r\nCall-ID: 1\r\n\r\n";
        let kept = String::from_utf8(without_proofs(bytes)).unwrap();
        assert!(!kept.contains("210") && !kept.contains("ab:cd"), "{kept}");
        assert!(kept.ends_with("\r\nCall-ID: 1\r\n\r\n"), "{kept}");
    }

    #[test]
    fn a_record_keeps_no_proof_and_every_length() {
        let message = request().with("Authorization", "Digest username=\"210\", response=\"ab\"");
        let bytes = message.to_bytes();
        let kept = without_proofs(&bytes);
        assert_eq!(kept.len(), bytes.len());
        let text = String::from_utf8(kept).unwrap();
        assert!(
            text.contains("Authorization: ******") && !text.contains("response=\"ab\""),
            "{text}"
        );
    }
}

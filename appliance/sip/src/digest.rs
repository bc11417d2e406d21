//! Digest authentication (RFC 3261 §22, RFC 8760): both sides of it, and nonces that cost nothing until they are used.
//!
//! A nonce is time, random bytes, and a MAC of both with a key of this process: strangers who ask for challenges fill no
//! memory. Only a nonce that has proved somebody is remembered, with the highest count that was used, until it expires.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::Secret;
use crate::message::{Message, Params};

/// How long a nonce is good for.
const NONCE_LIFE: Duration = Duration::from_mins(5);
/// The most used nonces that are remembered. Beyond it the oldest are forgotten, and nothing as old is accepted.
const MOST_NONCES: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn of(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("MD5") => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Some(Self::Sha256),
            Some(_) => None,
        }
    }

    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Md5 => hex(&Md5::digest(text.as_bytes())),
            Self::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

impl Secret {
    fn ha1(&self, algorithm: Algorithm, user: &str, realm: &str) -> Option<String> {
        match (self, algorithm) {
            (Self::Password(password), _) => Some(algorithm.hash(&[user, realm, password])),
            (Self::Ha1 { md5, .. }, Algorithm::Md5) => md5.as_ref().map(|ha1| ha1.to_ascii_lowercase()),
            (Self::Ha1 { sha256, .. }, Algorithm::Sha256) => {
                sha256.as_ref().map(|ha1| ha1.to_ascii_lowercase())
            }
        }
    }
}

/// What somebody claims in an Authorization header.
#[derive(Debug)]
pub(crate) struct Claim {
    pub user: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    algorithm: Option<Algorithm>,
    /// qop, nc, cnonce; without them it is RFC 2069's form.
    counted: Option<(String, String, String)>,
}

impl Claim {
    /// The claim for our realm, if there is one.
    pub fn of(message: &Message, realm: &str) -> Option<Self> {
        message
            .all("Authorization")
            .filter_map(Self::parse)
            .find(|claim| claim.realm == realm)
    }

    fn parse(value: &str) -> Option<Self> {
        let params = digest_params(value)?;
        let text = |name: &str| params.get(name).map(str::to_owned);
        let counted = match text("qop") {
            Some(qop) => Some((qop, text("nc")?, text("cnonce")?)),
            None => None,
        };
        Some(Self {
            user: text("username")?,
            realm: text("realm")?,
            nonce: text("nonce")?,
            uri: text("uri")?,
            response: text("response")?,
            algorithm: Algorithm::of(params.get("algorithm")),
            counted,
        })
    }

    fn expected(&self, algorithm: Algorithm, secret: &Secret, method: &str) -> Option<String> {
        let ha1 = secret.ha1(algorithm, &self.user, &self.realm)?;
        let ha2 = algorithm.hash(&[method, &self.uri]);
        Some(match &self.counted {
            Some((qop, nc, cnonce)) => algorithm.hash(&[&ha1, &self.nonce, nc, cnonce, qop, &ha2]),
            None => algorithm.hash(&[&ha1, &self.nonce, &ha2]),
        })
    }
}

/// `Digest a=b, c="d"` as parameters.
fn digest_params(value: &str) -> Option<Params> {
    let (scheme, rest) = value.trim().split_once([' ', '\t'])?;
    if !scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    Some(Params::parse_list(rest))
}

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
        for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
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
        let method = request.method().map_or("", crate::message::Method::name);
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

/// Our answer to a challenge: the name and value of the header, if there is a challenge that we can answer.
pub(crate) fn answer(
    challenge: &Message,
    user: &str,
    secret: &Secret,
    method: &str,
    uri: &str,
    cnonce: &str,
) -> Option<(&'static str, String)> {
    let (asks, gives) = match challenge.status()? {
        401 => ("WWW-Authenticate", "Authorization"),
        407 => ("Proxy-Authenticate", "Proxy-Authorization"),
        _ => return None,
    };
    // The first that we know: it is the one that the server likes best (RFC 8760 §2.4).
    challenge.all(asks).find_map(|value| {
        let params = digest_params(value)?;
        let algorithm = Algorithm::of(params.get("algorithm"))?;
        let (realm, nonce) = (params.get("realm")?, params.get("nonce")?);
        let ha1 = secret.ha1(algorithm, user, realm)?;
        let ha2 = algorithm.hash(&[method, uri]);
        let auth = params
            .get("qop")
            .is_some_and(|qop| qop.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth")));
        let response = if auth {
            algorithm.hash(&[&ha1, nonce, "00000001", cnonce, "auth", &ha2])
        } else {
            algorithm.hash(&[&ha1, nonce, &ha2])
        };
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={}",
            crate::message::quoted(user),
            crate::message::quoted(realm),
            crate::message::quoted(nonce),
            crate::message::quoted(uri),
            algorithm.name()
        );
        if auth {
            let _ = write!(value, ", qop=auth, nc=00000001, cnonce=\"{cnonce}\"");
        }
        if let Some(opaque) = params.get("opaque") {
            let _ = write!(value, ", opaque={}", crate::message::quoted(opaque));
        }
        Some((gives, value))
    })
}

/// A message's bytes with every proof blanked, for records.
pub(crate) fn without_proofs(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 0;
    while let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let line = &bytes[at..at + length];
        if line.is_empty() || line == b"\r" {
            break;
        }
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let name = line[..colon].trim_ascii();
            if name.eq_ignore_ascii_case(b"authorization")
                || name.eq_ignore_ascii_case(b"proxy-authorization")
            {
                // As long as before: lengths and offsets of what was on the wire stay true.
                for byte in &mut out[at + colon + 1..at + length] {
                    if !matches!(*byte, b'\r' | b' ' | b'\t') {
                        *byte = b'*';
                    }
                }
            }
        }
        at += length + 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Method;

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

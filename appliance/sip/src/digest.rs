//! Digest authentication (RFC 3261 §22, RFC 8760): what a claim should be, and our own answer to a challenge.

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::config::{Digests, Secret};
use crate::message::{Message, Params};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    pub fn of(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("MD5") => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Some(Self::Sha256),
            Some(_) => None,
        }
    }

    pub fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Md5 => hex(&Md5::digest(text.as_bytes())),
            Self::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }
}

impl Digests {
    /// In the order in which they are offered.
    pub(crate) fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Both => &[Algorithm::Sha256, Algorithm::Md5],
            Self::Md5 => &[Algorithm::Md5],
            Self::Sha256 => &[Algorithm::Sha256],
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
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
    pub realm: String,
    pub nonce: String,
    pub uri: String,
    pub response: String,
    pub algorithm: Option<Algorithm>,
    /// qop, nc, cnonce; without them it is RFC 2069's form.
    pub counted: Option<(String, String, String)>,
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

    pub fn expected(&self, algorithm: Algorithm, secret: &Secret, method: &str) -> Option<String> {
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
    let mut proof = false;
    while let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let line = &bytes[at..at + length];
        if line.is_empty() || line == b"\r" {
            break;
        }
        // A line that begins with a blank goes on with the header before it (RFC 3261 §7.3.1).
        let mut value = 0;
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let colon = line.iter().position(|byte| *byte == b':');
            let name = line[..colon.unwrap_or(0)].trim_ascii();
            proof = name.eq_ignore_ascii_case(b"authorization")
                || name.eq_ignore_ascii_case(b"proxy-authorization");
            value = colon.map_or(0, |colon| colon + 1);
        }
        if proof {
            // As long as before: lengths and offsets of what was on the wire stay true.
            for byte in &mut out[at + value..at + length] {
                if !matches!(*byte, b'\r' | b' ' | b'\t') {
                    *byte = b'*';
                }
            }
        }
        at += length + 1;
    }
    out
}

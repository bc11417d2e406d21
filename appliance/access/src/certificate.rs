//! The portal's certificate: one that was given, or one of our own that nobody has signed.

use std::process::Command;

use ring::digest::{SHA256, digest};

use crate::Error;
use crate::folder::Folder;

const CHAIN: &str = "portal.crt";
const KEY: &str = "portal.key";
/// There while the certificate is one of our own; the name that it was made for.
const OWN: &str = "portal.own";
/// Days: what browsers take at most for such a certificate.
const DAYS: &str = "397";
/// Larger than any chain.
const LONGEST: usize = 1 << 16;

/// Certificate, those that lead to an authority, and the key; PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    pub chain: String,
    pub key: String,
    pub own: bool,
}

/// The key stays out of logs.
impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

/// What an operator sees of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// SHA-256 over the certificate in DER, in pairs of hexadecimal digits.
    pub fingerprint: String,
    /// Milliseconds since 1970, UTC.
    pub until: i64,
}

impl Certificate {
    /// The one that is there; one of our own is made where there is none, where it was made for another name, and a
    /// month before it ends.
    pub fn ensure(folder: &Folder, name: &str, now: i64) -> Result<Self, Error> {
        const MONTH: i64 = 30 * 24 * 3_600_000;
        let read = |file: &str| std::fs::read_to_string(folder.path(file)).ok();
        let made_for = read(OWN);
        if let (Some(chain), Some(key)) = (read(CHAIN), read(KEY)) {
            let own = made_for.is_some();
            let certificate = Self { chain, key, own };
            let good = !own
                || (made_for.as_deref() == Some(name)
                    && certificate.about().is_ok_and(|about| about.until - now > MONTH));
            if good {
                return Ok(certificate);
            }
        }
        make(folder, name)
    }

    /// Takes one that an operator gives, if the two belong together.
    pub fn give(folder: &Folder, chain: &str, key: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Err(Error::Certificate(why.to_owned()));
        if chain.len() > LONGEST || key.len() > LONGEST {
            return wrong("it is too long");
        }
        let certificate = Self {
            chain: chain.to_owned(),
            key: key.to_owned(),
            own: false,
        };
        certificate.about()?;
        let public = openssl(&["x509", "-noout", "-pubkey"], chain)?;
        let of_key = openssl(&["pkey", "-pubout"], key)?;
        if public.trim() != of_key.trim() {
            return wrong("the key belongs to another certificate");
        }
        folder.write_bytes(KEY, key.as_bytes())?;
        folder.write_bytes(CHAIN, chain.as_bytes())?;
        folder.remove(OWN)?;
        Ok(certificate)
    }

    pub fn about(&self) -> Result<About, Error> {
        let begin = "-----BEGIN CERTIFICATE-----";
        let body = self
            .chain
            .split_once(begin)
            .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"))
            .map(|(body, _)| body.split_whitespace().collect::<String>())
            .ok_or_else(|| Error::Certificate("there is no certificate in it (PEM)".to_owned()))?;
        let der = data_encoding::BASE64
            .decode(body.as_bytes())
            .map_err(|error| Error::Certificate(error.to_string()))?;
        let pairs: Vec<String> = digest(&SHA256, &der)
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        let end = openssl(
            &["x509", "-noout", "-enddate", "-dateopt", "iso_8601"],
            &self.chain,
        )?;
        Ok(About {
            fingerprint: pairs.join(":"),
            until: moment(end.trim())
                .ok_or_else(|| Error::Certificate(format!("its end is not understood: {}", end.trim())))?,
        })
    }
}

/// `notAfter=2027-12-28 10:00:00Z`.
fn moment(text: &str) -> Option<i64> {
    let moment: jiff::Timestamp = text.strip_prefix("notAfter=")?.parse().ok()?;
    Some(moment.as_millisecond())
}

/// What openssl says to this.
fn openssl(words: &[&str], input: &str) -> Result<String, Error> {
    use std::io::Write as _;
    let failed = |why: String| Error::Certificate(why);
    let mut child = Command::new("openssl")
        .args(words)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("openssl: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may have seen enough.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(|error| failed(format!("openssl: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(
            said.lines().next().unwrap_or("openssl refused it").to_owned(),
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn make(folder: &Folder, name: &str) -> Result<Certificate, Error> {
    let kind = if name.parse::<std::net::Ipv4Addr>().is_ok() {
        "IP"
    } else {
        "DNS"
    };
    let key = openssl(
        &[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ],
        "",
    )?;
    folder.write_bytes(KEY, key.as_bytes())?;
    let path = folder.path(KEY);
    let chain = openssl(
        &[
            "req",
            "-x509",
            "-new",
            "-key",
            &path.display().to_string(),
            "-days",
            DAYS,
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            &format!("subjectAltName={kind}:{name}"),
        ],
        "",
    )?;
    folder.write_bytes(CHAIN, chain.as_bytes())?;
    folder.write_bytes(OWN, name.as_bytes())?;
    Ok(Certificate {
        chain,
        key,
        own: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_700_000_000;

    #[test]
    fn one_of_our_own_is_made_once_and_anew_for_another_name() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path());
        let first = Certificate::ensure(&folder, "pult.example.no", NOW).unwrap();
        assert!(first.own);
        assert_eq!(
            Certificate::ensure(&folder, "pult.example.no", NOW).unwrap(),
            first
        );
        let other = Certificate::ensure(&folder, "10.20.0.1", NOW).unwrap();
        assert_ne!(other.chain, first.chain);
        let about = other.about().unwrap();
        assert_eq!(about.fingerprint.len(), 95, "{about:?}");
        let late = about.until - 1;
        let renewed = Certificate::ensure(&folder, "10.20.0.1", late).unwrap();
        assert_ne!(renewed.chain, other.chain);
    }

    #[test]
    fn one_that_was_given_stays_and_must_fit_its_key() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, two) = (Folder::new(one.path()), Folder::new(two.path()));
        let given = Certificate::ensure(&one, "a.example.no", NOW).unwrap();
        let other = Certificate::ensure(&two, "b.example.no", NOW).unwrap();
        assert!(Certificate::give(&two, &given.chain, &other.key).is_err());
        assert!(Certificate::give(&two, "rubbish", &other.key).is_err());
        assert_eq!(
            Certificate::ensure(&two, "b.example.no", NOW).unwrap(),
            other,
            "a wrong one changes nothing"
        );
        Certificate::give(&two, &given.chain, &given.key).unwrap();
        let kept = Certificate::ensure(&two, "b.example.no", NOW).unwrap();
        assert_eq!((kept.chain, kept.own), (given.chain, false));
    }

    #[test]
    fn the_end_is_read_as_openssl_writes_it() {
        assert_eq!(moment("notAfter=1970-01-02 00:00:01Z"), Some(86_401_000));
        assert_eq!(moment("notAfter=2024-02-29 12:00:00Z"), Some(1_709_208_000_000));
        assert_eq!(moment("notAfter=never"), None);
    }
}

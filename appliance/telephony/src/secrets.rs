//! Secrets of phones and trunks, each a file that only the service reads; and the certificate of TLS.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Result};

/// Whose certificates are believed.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The folder of secrets.
#[derive(Clone, Debug)]
pub struct Secrets {
    folder: PathBuf,
}

/// Whose secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// By its number.
    Extension(&'a str),
    /// By its name.
    Trunk(&'a str),
}

impl Secrets {
    /// The folder is made when there is something to keep: a full disk is no reason not to serve.
    pub fn open(folder: &Path) -> Self {
        Self {
            folder: folder.join("secrets"),
        }
    }

    fn path(&self, of: Of<'_>) -> PathBuf {
        // Numbers and names are letters, digits and dashes: the reader of site.toml has seen to it.
        self.folder.join(match of {
            Of::Extension(number) => format!("extension-{number}"),
            Of::Trunk(name) => format!("trunk-{name}"),
        })
    }

    pub fn get(&self, of: Of<'_>) -> Option<String> {
        fs::read_to_string(self.path(of)).ok()
    }

    /// Keeps a secret, whole or not at all.
    pub fn set(&self, of: Of<'_>, secret: &str) -> Result<()> {
        let path = self.path(of);
        let part = path.with_extension("part");
        let write = || {
            fs::create_dir_all(&self.folder)?;
            let mut file = OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(true)
                .mode(0o600)
                .open(&part)?;
            file.write_all(secret.as_bytes())?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        write().map_err(|source| fault(&path, "written", source))
    }

    /// The certificate and key of TLS: those that lie there, or new ones that nobody has signed.
    pub fn certificate(&self, domain: &str) -> Result<varde_sip::Tls> {
        fs::create_dir_all(&self.folder).map_err(|source| fault(&self.folder, "made", source))?;
        let (certificate, key) = (self.folder.join("tls.crt"), self.folder.join("tls.key"));
        if !certificate.exists() || !key.exists() {
            let made = Command::new("openssl")
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                ])
                .args(["-nodes", "-days", "3650", "-subj", &format!("/CN={domain}")])
                .args(["-addext", &format!("subjectAltName=DNS:{domain}"), "-keyout"])
                .arg(&key)
                .arg("-out")
                .arg(&certificate)
                .output()
                .map_err(|source| fault(&certificate, "made", source))?;
            if !made.status.success() {
                let words = String::from_utf8_lossy(&made.stderr).trim().to_owned();
                return Err(fault(&certificate, "made", std::io::Error::other(words)));
            }
        }
        let read = |path: &Path| fs::read(path).map_err(|source| fault(path, "read", source));
        Ok(varde_sip::Tls {
            certificate: read(&certificate)?,
            key: read(&key)?,
            // Without them no TLS trunk is believed.
            trusted: fs::read(AUTHORITIES).unwrap_or_default(),
        })
    }
}

fn fault(path: &Path, what: &'static str, source: std::io::Error) -> Error {
    Error::File {
        path: path.into(),
        what,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_kept_for_the_service_alone() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(folder.path());
        let of = Of::Extension("101");
        assert_eq!(secrets.get(of), None);
        secrets.set(of, "hemmelig").unwrap();
        secrets.set(of, "hemmeligere").unwrap();
        assert_eq!(secrets.get(of).as_deref(), Some("hemmeligere"));
        assert_eq!(secrets.get(Of::Trunk("101")), None);
        let mode = fs::metadata(secrets.path(of)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

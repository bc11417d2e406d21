//! Our own keys: the one that we have, and the one that we will have next.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use varde_site::TunnelKey;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::Error;

/// A private key; it stays out of logs.
#[derive(Clone)]
pub struct Secret(StaticSecret);

impl Secret {
    /// # Panics
    /// Where the kernel has no random bytes; nothing here may go on without.
    pub fn new() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
        Self(StaticSecret::from(bytes))
    }

    pub fn public(&self) -> TunnelKey {
        TunnelKey(PublicKey::from(&self.0).to_bytes())
    }

    pub fn bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
}

impl Default for Secret {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The folder of keys.
#[derive(Clone, Debug)]
pub struct Keys(PathBuf);

const KEY: &str = "key";
const NEXT: &str = "next-key";

fn fault(path: &Path, what: &'static str, source: std::io::Error) -> Error {
    Error::File {
        path: path.into(),
        what,
        source,
    }
}

impl Keys {
    pub fn open(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    fn read(&self, name: &str) -> Result<Option<Secret>, Error> {
        let path = self.0.join(name);
        match fs::read(&path) {
            Ok(bytes) => {
                let bytes: [u8; 32] = bytes
                    .try_into()
                    .map_err(|_| fault(&path, "understood", std::io::ErrorKind::InvalidData.into()))?;
                Ok(Some(Secret(StaticSecret::from(bytes))))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault(&path, "read", error)),
        }
    }

    fn write(&self, name: &str, secret: &Secret) -> Result<(), Error> {
        let path = self.0.join(name);
        let part = path.with_extension("part");
        let write = || {
            let mut file = OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(true)
                .mode(0o600)
                .open(&part)?;
            file.write_all(&secret.bytes())?;
            file.sync_all()?;
            fs::rename(&part, &path)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(|source| fault(&path, "written", source))
    }

    /// The one that we have; made the first time.
    pub fn own(&self) -> Result<Secret, Error> {
        if let Some(secret) = self.read(KEY)? {
            return Ok(secret);
        }
        let secret = Secret::new();
        self.write(KEY, &secret)?;
        Ok(secret)
    }

    /// The one that we will have, where one is made.
    pub fn next(&self) -> Result<Option<Secret>, Error> {
        self.read(NEXT)
    }

    pub fn prepare(&self) -> Result<Secret, Error> {
        if let Some(secret) = self.next()? {
            return Ok(secret);
        }
        let secret = Secret::new();
        self.write(NEXT, &secret)?;
        Ok(secret)
    }

    /// The next one becomes the own one. False: there is none.
    pub fn change(&self) -> Result<bool, Error> {
        let (from, to) = (self.0.join(NEXT), self.0.join(KEY));
        match fs::rename(&from, &to) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(fault(&to, "written", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_until_it_is_changed_for_the_one_that_was_announced() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path());
        let first = keys.own().unwrap().public();
        assert_eq!(keys.own().unwrap().public(), first);
        assert!(!keys.change().unwrap());
        let next = keys.prepare().unwrap().public();
        assert_eq!(keys.prepare().unwrap().public(), next);
        assert!(keys.change().unwrap());
        assert_eq!(keys.own().unwrap().public(), next);
        assert!(keys.next().unwrap().is_none());
        assert_ne!(first, next);
    }

    /// RFC 7748 §6.1.
    #[test]
    fn a_public_key_follows_from_the_private_one() {
        let bytes: [u8; 32] = [
            0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
            0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
        ];
        let public = Secret(StaticSecret::from(bytes)).public();
        assert_eq!(public.0[..4], [0x85, 0x20, 0xf0, 0x09]);
        assert_eq!(public.0[29..], [0x9b, 0x4e, 0x6a]);
    }
}

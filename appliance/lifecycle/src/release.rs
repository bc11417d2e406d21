//! What a release is: its list of files, signed.

use std::io::Read as _;
use std::path::Path;

use minisign_verify::{PublicKey, Signature};
use serde::Deserialize;

use crate::{Error, Result, Version, plain};

pub const LIST: &str = "release.toml";
pub const SIGNATURE: &str = "release.toml.minisig";

/// Bytes of a list or a signature: those of a release are below one thousand.
pub(crate) const LONGEST: u64 = 16 << 10;
/// Bytes of a slot's partition, and of the largest kernel image that makes sense.
const LARGEST: u64 = 4 << 30;

/// A list that a key of the site's has signed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub version: Version,
    pub file: Vec<File>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

impl Release {
    /// Reads the list in a folder, and nothing of it before its signature is good.
    pub fn open(folder: &Path, keys: &[String]) -> Result<Self> {
        let list = small(&folder.join(LIST))?;
        let signature = small(&folder.join(SIGNATURE))?;
        Self::signed(&list, &signature, keys)
    }

    pub fn signed(list: &[u8], signature: &[u8], keys: &[String]) -> Result<Self> {
        if keys.is_empty() {
            return Err(Error::refused(
                "Anlegget sier ikke hvem som kan gi ut nye utgaver: skriv nøkkelen i [update] i site.toml",
                "The site does not say who may release new versions: write the key into [update] of site.toml",
            ));
        }
        let signature = std::str::from_utf8(signature)
            .ok()
            .and_then(|text| Signature::decode(text).ok())
            .ok_or_else(|| {
                Error::refused(
                    format!("{SIGNATURE} er ingen signatur fra minisign: filen er skadet. Hent utgaven på nytt"),
                    format!("{SIGNATURE} is no signature of minisign: the file is damaged. Fetch the release again"),
                )
            })?;
        let good = keys.iter().any(|key| {
            // The older kind of signature holds the whole file in memory, and nobody makes it any more.
            PublicKey::from_base64(key).is_ok_and(|key| key.verify(list, &signature, false).is_ok())
        });
        if !good {
            return Err(Error::refused(
                "Utgaven er ikke signert med noen av nøklene i [update] i site.toml, eller den er endret etterpå. \
                 Ingenting er skrevet. Hent den på nytt, og spør den som ga den ut",
                "The release is not signed by any of the keys in [update] of site.toml, or was changed afterwards. \
                 Nothing is written. Fetch it again, and ask who released it",
            ));
        }
        Self::parse(list)
    }

    /// Reads a list, whoever wrote it.
    pub fn parse(list: &[u8]) -> Result<Self> {
        let wrong = |why: &str| {
            Error::refused(
                format!("{LIST} kan ikke brukes: {why}. Utgaven må lages på nytt"),
                format!("{LIST} cannot be used: {why}. The release has to be made again"),
            )
        };
        let text = std::str::from_utf8(list).map_err(|_| wrong("UTF-8"))?;
        let release: Self = toml::from_str(text).map_err(|error| wrong(error.message()))?;
        for (stem, suffix) in release.parts() {
            if release.named(&stem, suffix).is_none() {
                return Err(wrong(suffix));
            }
        }
        let sound = |file: &File| {
            file.size > 0
                && file.size <= LARGEST
                && file.sha256.len() == 64
                && file
                    .sha256
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
        };
        if release.file.len() != release.parts().len() || !release.file.iter().all(sound) {
            return Err(wrong("[[file]]"));
        }
        Ok(release)
    }

    /// How the names of its files begin and end: root, its tree of hashes, kernel image. In between is the partition's
    /// UUID, which the kernel image finds it by.
    fn parts(&self) -> [(String, &'static str); 3] {
        [
            (format!("varde_{}_", self.version), ".root.raw"),
            (format!("varde_{}_", self.version), ".verity.raw"),
            (format!("varde_{}", self.version), ".efi"),
        ]
    }

    fn named(&self, stem: &str, suffix: &str) -> Option<&File> {
        let mut found = self.file.iter().filter(|file| {
            let middle = file
                .name
                .strip_prefix(stem)
                .and_then(|rest| rest.strip_suffix(suffix));
            middle.is_some_and(|middle| {
                if suffix == ".efi" {
                    middle.is_empty()
                } else {
                    is_uuid(middle)
                }
            })
        });
        let first = found.next();
        first.filter(|_| found.next().is_none())
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.file.iter().map(|file| file.size).sum()
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

fn small(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = match plain::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            return Err(Error::refused(
                format!("Det er ingen utgave her: {name} mangler"),
                format!("There is no release here: {name} is missing"),
            ));
        }
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    file.take(LONGEST)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use minisign::KeyPair;
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

    fn list() -> String {
        let hash = "0".repeat(64);
        let file = |name: &str| format!("[[file]]\nname = \"{name}\"\nsize = 5\nsha256 = \"{hash}\"\n");
        [
            "version = \"0.2.0\"\n".to_owned(),
            file(&format!("varde_0.2.0_{UUID}.root.raw")),
            file(&format!("varde_0.2.0_{UUID}.verity.raw")),
            file("varde_0.2.0.efi"),
        ]
        .concat()
    }

    fn signed(pair: &KeyPair, list: &str) -> Vec<u8> {
        let signature = minisign::sign(None, &pair.sk, Cursor::new(list), None, None).unwrap();
        signature.into_string().into_bytes()
    }

    fn said(result: Result<Release>) -> String {
        result.unwrap_err().text().en
    }

    #[test]
    fn a_release_is_taken_if_any_key_of_the_site_has_signed_it() {
        let (old, new) = (
            KeyPair::generate_unencrypted_keypair().unwrap(),
            KeyPair::generate_unencrypted_keypair().unwrap(),
        );
        let keys = [old.pk.to_base64(), new.pk.to_base64()];
        for pair in [&old, &new] {
            let release = Release::signed(list().as_bytes(), &signed(pair, &list()), &keys).unwrap();
            assert_eq!(release.version.to_string(), "0.2.0");
            assert_eq!(release.size(), 15);
        }
        // The old key has been taken out of the site.
        let result = Release::signed(list().as_bytes(), &signed(&old, &list()), &keys[1..]);
        assert!(said(result).contains("not signed by any of the keys"));
    }

    #[test]
    fn a_list_that_was_changed_is_refused_before_it_is_read() {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let keys = [pair.pk.to_base64()];
        let signature = signed(&pair, &list());
        for at in 0..list().len() {
            let mut changed = list().into_bytes();
            changed[at] ^= 1;
            let result = Release::signed(&changed, &signature, &keys);
            assert!(said(result).contains("not signed"), "byte {at}");
        }
        let result = Release::signed(list().as_bytes(), &signature[..signature.len() / 2], &keys);
        assert!(said(result).contains("damaged"));
        assert!(said(Release::signed(list().as_bytes(), &signature, &[])).contains("[update]"));
    }

    #[test]
    fn a_list_names_the_three_files_of_its_version_and_no_others() {
        assert!(Release::parse(list().as_bytes()).is_ok());
        for (from, to) in [
            ("varde_0.2.0.efi", "varde_0.3.0.efi"),
            ("varde_0.2.0.efi", "../varde_0.2.0.efi"),
            (UUID, "..-..-..-..-.."),
            (".verity.raw", ".root.raw"),
            ("size = 5", "size = 0"),
            ("size = 5", "size = 99999999999"),
            ("version", "verson"),
            ("\"0.2.0\"", "\"0.2\""),
        ] {
            let wrong = list().replacen(from, to, 1);
            assert!(Release::parse(wrong.as_bytes()).is_err(), "{from} -> {to}");
        }
        let more = list() + "[[file]]\nname = \"etc\"\nsize = 1\nsha256 = \"\"\n";
        assert!(Release::parse(more.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = Release::parse(&bytes);
            let _ = Release::signed(&bytes, &bytes, &["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3".to_owned()]);
        }
    }
}

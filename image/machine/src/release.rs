//! A release: what an update of the appliance is, made of a built image.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::{Error, Result, Toolbox};

/// The list of files, and its signature.
pub const LIST: &str = "release.toml";
pub const SIGNATURE: &str = "release.toml.minisig";
/// Label of the file system that the appliance looks for.
pub const LABEL: &str = "VARDE";
const CHUNK: usize = 1 << 20;

/// Signs releases: a key of minisign.
pub struct Signer(minisign::KeyPair);

impl Signer {
    /// A new key.
    pub fn generate() -> Result<Self> {
        minisign::KeyPair::generate_unencrypted_keypair()
            .map(Self)
            .map_err(wrong)
    }

    /// A key in the file that [`Self::keep`] or `minisign -G -W` wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io("cannot read the key", path))?;
        let sk = minisign::SecretKeyBox::from_string(&text)
            .and_then(minisign::SecretKeyBox::into_unencrypted_secret_key)
            .map_err(wrong)?;
        let pk = minisign::PublicKey::from_secret_key(&sk).map_err(wrong)?;
        Ok(Self(minisign::KeyPair { pk, sk }))
    }

    /// Writes it to a new file that only its owner reads.
    pub fn keep(&self, path: &Path) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let text = self.0.sk.to_box(Some("Varde")).map_err(wrong)?.into_string();
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(Error::io("cannot make the key", path))?;
        file.write_all(text.as_bytes())
            .map_err(Error::io("cannot write the key", path))
    }

    /// As it stands in `keys` of `[update]` in `site.toml`.
    pub fn public(&self) -> String {
        self.0.pk.to_base64()
    }

    /// Signs what stands in a folder's list.
    pub fn sign(&self, folder: &Path) -> Result<()> {
        let list = folder.join(LIST);
        let text = File::open(&list).map_err(Error::io("cannot read", &list))?;
        let signature = minisign::sign(Some(&self.0.pk), &self.0.sk, text, None, None).map_err(wrong)?;
        let path = folder.join(SIGNATURE);
        fs::write(&path, signature.into_string()).map_err(Error::io("cannot write", path))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn wrong(error: minisign::PError) -> Error {
    Error::Signature(error.to_string())
}

/// What an image is made of.
pub struct Parts {
    pub version: String,
    pub root: PathBuf,
    pub verity: PathBuf,
    pub kernel: PathBuf,
}

impl Parts {
    /// Those of a folder that `cargo xtask image` made.
    pub fn of(folder: &Path, version: &str) -> Self {
        Self {
            version: version.to_owned(),
            root: folder.join("varde.root.raw"),
            verity: folder.join("varde.root-verity.raw"),
            kernel: folder.join("varde.efi"),
        }
    }

    /// Makes the release in an empty folder, not signed yet.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let kernel = fs::read(&self.kernel).map_err(Error::io("cannot read", &self.kernel))?;
        let [root, verity] = partitions(&kernel).ok_or_else(|| Error::Usage {
            what: "the kernel image",
            given: self.kernel.display().to_string(),
            remedy: "its command line names no root hash",
        })?;
        let version = &self.version;
        let mut list = format!("version = \"{version}\"\n");
        for (from, name) in [
            (&self.root, format!("varde_{version}_{root}.root.raw")),
            (&self.verity, format!("varde_{version}_{verity}.verity.raw")),
            (&self.kernel, format!("varde_{version}.efi")),
        ] {
            let (size, hash) = copy(from, &folder.join(&name))?;
            list += &format!("\n[[file]]\nname = \"{name}\"\nsize = {size}\nsha256 = \"{hash}\"\n");
        }
        let path = folder.join(LIST);
        fs::write(&path, list).map_err(Error::io("cannot write", path))
    }
}

/// UUIDs of the root partition and of its verity partition: the halves of the root hash, by the Discoverable Partitions
/// Specification.
pub fn partitions(kernel: &[u8]) -> Option<[String; 2]> {
    const WORD: &[u8] = b"roothash=";
    let at = kernel.windows(WORD.len()).position(|window| window == WORD)?;
    let hash = kernel.get(at + WORD.len()..)?.get(..64)?;
    let hash = std::str::from_utf8(hash).ok()?;
    if !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let uuid = |half: &str| {
        format!(
            "{}-{}-{}-{}-{}",
            &half[..8],
            &half[8..12],
            &half[12..16],
            &half[16..20],
            &half[20..]
        )
    };
    Some([uuid(&hash[..32]), uuid(&hash[32..])])
}

/// Copies a partition without the empty end; gives size and hash.
fn copy(from: &Path, to: &Path) -> Result<(u64, String)> {
    let source = File::open(from).map_err(Error::io("cannot open", from))?;
    let mut end = source
        .metadata()
        .map_err(Error::io("cannot look at", from))?
        .len();
    let mut chunk = vec![0; CHUNK];
    while end > 0 {
        let length = end.min(CHUNK as u64);
        // At most a chunk.
        let part = &mut chunk[..usize::try_from(length).unwrap_or(CHUNK)];
        source
            .read_exact_at(part, end - length)
            .map_err(Error::io("cannot read", from))?;
        if let Some(last) = part.iter().rposition(|byte| *byte != 0) {
            end = end - length + (last as u64 + 1).next_multiple_of(4096).min(length);
            break;
        }
        end -= length;
    }
    let mut target = File::create(to).map_err(Error::io("cannot make", to))?;
    let mut hash = Sha256::new();
    let mut source = source.take(end);
    loop {
        let count = source.read(&mut chunk).map_err(Error::io("cannot read", from))?;
        if count == 0 {
            break;
        }
        hash.update(&chunk[..count]);
        target
            .write_all(&chunk[..count])
            .map_err(Error::io("cannot write", to))?;
    }
    let hash = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((end, hash))
}

/// Makes `disk`: what a stick with the files of a folder on it is, byte by byte.
pub fn stick(toolbox: &Toolbox, folder: &Path, disk: &Path, size: u64) -> Result<()> {
    File::create(disk)
        .and_then(|file| file.set_len(size))
        .map_err(Error::io("cannot make", disk))?;
    let mut command: Command = toolbox.command("mkfs.ext4");
    command
        .args(["-q", "-F", "-m", "0", "-O", "^has_journal", "-L", LABEL, "-d"])
        .arg(folder)
        .arg(disk);
    let output = command.output().map_err(Error::io("cannot start", "mkfs.ext4"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Tool {
        tool: "mkfs.ext4",
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_the_partitions_that_its_kernel_names_without_their_empty_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut root = vec![7; 5000];
        root.resize(3 << 20, 0);
        fs::write(path("varde.root.raw"), &root).unwrap();
        fs::write(path("varde.root-verity.raw"), vec![1; 4096]).unwrap();
        let hash = "0123456789abcdef".repeat(4);
        fs::write(path("varde.efi"), format!("..\0quiet roothash={hash} x\0..")).unwrap();
        let to = path("release");
        fs::create_dir(&to).unwrap();
        Parts::of(folder.path(), "0.2.0").write(&to).unwrap();
        let uuid = "01234567-89ab-cdef-0123-456789abcdef";
        let written = fs::read(to.join(format!("varde_0.2.0_{uuid}.root.raw"))).unwrap();
        assert_eq!(written, root[..8192]);
        assert_eq!(
            fs::read(to.join(format!("varde_0.2.0_{uuid}.verity.raw")))
                .unwrap()
                .len(),
            4096
        );
        let list = fs::read_to_string(to.join(LIST)).unwrap();
        assert!(list.starts_with("version = \"0.2.0\"\n"), "{list}");
        assert!(list.contains("size = 8192"), "{list}");
    }

    #[test]
    fn a_key_that_was_kept_signs_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        let signer = Signer::generate().unwrap();
        signer.keep(&key).unwrap();
        assert!(signer.keep(&key).is_err(), "a key is never written over");
        let again = Signer::read(&key).unwrap();
        assert_eq!(again.public(), signer.public());
        assert!(again.public().starts_with("RW") && again.public().len() == 56);
        fs::write(folder.path().join(LIST), "version = \"0.2.0\"\n").unwrap();
        again.sign(folder.path()).unwrap();
        let signature = fs::read_to_string(folder.path().join(SIGNATURE)).unwrap();
        assert!(signature.starts_with("untrusted comment:"), "{signature}");
    }
}

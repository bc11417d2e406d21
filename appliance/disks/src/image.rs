//! One image file: what qemu-img says of it, and its hash.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{Base, Error};

/// As `qemu-img info` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Image {
    /// `qcow2`, `raw`, …
    pub format: String,
    /// Bytes that a guest sees.
    pub virtual_size: u64,
    /// Bytes that it takes.
    #[serde(default)]
    pub actual_size: u64,
    /// The file below it, as it is written in the image.
    #[serde(default)]
    pub backing_filename: Option<String>,
}

/// Asks qemu-img about an image that may be in use. The format is told, not guessed, except for an image from outside:
/// a guest could write the head of another format into a raw disk.
pub fn inspect(qemu_img: &Path, file: &Path, format: Option<&str>) -> Result<Image, Error> {
    let mut command = Command::new(qemu_img);
    command.args(["info", "-U", "--output=json"]);
    if let Some(format) = format {
        command.args(["-f", format]);
    }
    let failed = |said: String| Error::QemuImg {
        doing: format!("info {}", file.display()),
        said,
    };
    let output = command
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "),
        ));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

/// Bytes that the guest sees, from the head of a qcow2 file.
pub fn virtual_size(path: &Path) -> Result<u64, Error> {
    let mut head = [0; 32];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .map_err(Error::file("read", path))?;
    parse_virtual_size(&head).ok_or_else(|| {
        Error::refused(
            format!("{} er ikke noe qcow2-bilde, eller er ødelagt", path.display()),
            format!("{} is no qcow2 image, or is damaged", path.display()),
        )
    })
}

/// Magic `QFI\xfb` at 0, size in bytes at 24, both big-endian (QEMU's docs/interop/qcow2).
fn parse_virtual_size(head: &[u8; 32]) -> Option<u64> {
    let size = head.last_chunk::<8>()?;
    head.starts_with(b"QFI\xfb").then(|| u64::from_be_bytes(*size))
}

impl Base {
    /// An image whose hash is not known yet.
    pub fn unhashed(path: PathBuf) -> Self {
        Self {
            path,
            sha256: String::new(),
            size: 0,
            modified: 0,
        }
    }

    /// The same image with its hash taken, unless it is known and the file looks as it did. An image that is gone or has
    /// become another one is refused: what lies over it would be nonsense.
    pub fn verified(&self) -> Result<Self, Error> {
        let metadata = fs::metadata(&self.path).map_err(|error| {
            if error.kind() != std::io::ErrorKind::NotFound {
                return Error::file("look at", &self.path)(error);
            }
            Error::refused(
                format!(
                    "Bildet {} under disken er borte. Legg det tilbake",
                    self.path.display()
                ),
                format!(
                    "The image {} below the disk is gone. Put it back",
                    self.path.display()
                ),
            )
        })?;
        if !self.sha256.is_empty() && self.size == metadata.len() && self.modified == metadata.mtime() {
            return Ok(self.clone());
        }
        let sha256 = hash(&self.path)?;
        if !self.sha256.is_empty() && self.sha256 != sha256 {
            return Err(Error::refused(
                format!(
                    "Bildet {} under disken er endret siden disken ble laget. Legg tilbake det som har SHA-256 {}",
                    self.path.display(),
                    self.sha256
                ),
                format!(
                    "The image {} below the disk has been altered since the disk was made. Put back the one with SHA-256 {}",
                    self.path.display(),
                    self.sha256
                ),
            ));
        }
        Ok(Self {
            path: self.path.clone(),
            sha256,
            size: metadata.len(),
            modified: metadata.mtime(),
        })
    }
}

fn hash(path: &Path) -> Result<String, Error> {
    let mut file = File::open(path).map_err(Error::file("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(Error::file("read", path))? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_was_altered_or_is_gone_is_refused_and_one_that_was_only_touched_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("small.qcow2");
        fs::write(&path, "an image").unwrap();
        let base = Base::unhashed(path.clone()).verified().unwrap();
        assert_eq!(base.sha256.len(), 64);

        let touched = Base {
            modified: base.modified - 1,
            ..base.clone()
        };
        assert_eq!(touched.verified().unwrap(), base);

        fs::write(&path, "another image").unwrap();
        let refusal = base.verified().unwrap_err().text();
        assert!(refusal.en.contains("altered"), "{refusal}");
        fs::remove_file(&path).unwrap();
        let refusal = base.verified().unwrap_err().text();
        assert!(refusal.en.contains("is gone"), "{refusal}");
    }

    #[test]
    fn the_size_of_a_qcow2_image_is_found_in_its_head_and_nowhere_else() {
        let mut head = [0; 32];
        head[..4].copy_from_slice(b"QFI\xfb");
        head[24..].copy_from_slice(&(3u64 << 30).to_be_bytes());
        assert_eq!(parse_virtual_size(&head), Some(3 << 30));
        head[3] = 0;
        assert_eq!(parse_virtual_size(&head), None);
    }
}

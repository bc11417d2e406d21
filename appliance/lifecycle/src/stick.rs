//! The stick with a release on it.

use std::path::Path;
use std::process::Command;

use crate::{Error, Result};

/// Short enough for every file system.
pub const LABEL: &str = "VARDE";
/// Where it is mounted, in the unit's own view of the file systems: gone with the unit.
pub const PLACE: &str = "/run/varde/stick";

/// Mounts it, and gives where.
pub fn mount() -> Result<&'static Path> {
    let found = Command::new("blkid")
        .args(["--cache-file", "/dev/null", "--label", LABEL])
        .output();
    let found = found.map_err(Error::io("start", "blkid"))?;
    let device = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    if device.is_empty() {
        return Err(Error::refused(
            format!("Det står ingen minnepinne i med navnet {LABEL}. Sett den i, og prøv igjen"),
            format!("There is no stick labelled {LABEL}. Put it in, and try again"),
        ));
    }
    let place = Path::new(PLACE);
    std::fs::create_dir_all(place).map_err(Error::io("make", place))?;
    let output = Command::new("mount")
        .args(["-o", "ro,nodev,nosuid,noexec", &device, PLACE])
        .output()
        .map_err(Error::io("start", "mount"))?;
    if output.status.success() {
        return Ok(place);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::refused(
        format!("Minnepinnen {device} kan ikke leses: {said}. Formater den med FAT32 eller ext4"),
        format!("The stick {device} cannot be read: {said}. Format it with FAT32 or ext4"),
    ))
}

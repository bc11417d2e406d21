//! Disks of a machine: overlays over what is built, so that the built image is never written to.

use std::path::Path;

use crate::{Error, Result, Toolbox};

/// UEFI's code, inside the toolbox.
pub const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// Makes `disk`: a new overlay over the raw image `base`, `size` bytes large. The appliance grows its data partition
/// into what is beyond the image.
pub fn overlay(toolbox: &Toolbox, base: &Path, disk: &Path, size: u64) -> Result<()> {
    let base = base
        .canonicalize()
        .map_err(Error::io("cannot find the image", base))?;
    let mut command = toolbox.command("qemu-img");
    command
        .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
        .arg(base)
        .arg(disk)
        .arg(size.to_string());
    run("qemu-img", command)
}

/// A disk with nothing on it.
pub fn empty(toolbox: &Toolbox, disk: &Path, size: u64) -> Result<()> {
    let mut command = toolbox.command("qemu-img");
    command
        .args(["create", "-q", "-f", "qcow2"])
        .arg(disk)
        .arg(size.to_string());
    run("qemu-img", command)
}

/// Makes `disk`: a copy of the raw image `base` that stands alone, `size` bytes large. For a disk that is kept longer
/// than the image it came from.
pub fn copy(toolbox: &Toolbox, base: &Path, disk: &Path, size: u64) -> Result<()> {
    let part = disk.with_extension("part");
    let mut convert = toolbox.command("qemu-img");
    convert
        .args(["convert", "-q", "-f", "raw", "-O", "qcow2"])
        .arg(base)
        .arg(&part);
    run("qemu-img", convert)?;
    let mut resize = toolbox.command("qemu-img");
    resize
        .args(["resize", "-q", "-f", "qcow2"])
        .arg(&part)
        .arg(size.to_string());
    run("qemu-img", resize)?;
    std::fs::rename(&part, disk).map_err(Error::io("cannot put in its place", disk))
}

/// Makes `disk`: a new overlay over the frozen qcow2 `base`, of the same size.
pub fn branch(toolbox: &Toolbox, base: &Path, disk: &Path) -> Result<()> {
    let base = base
        .canonicalize()
        .map_err(Error::io("cannot find the disk", base))?;
    let mut command = toolbox.command("qemu-img");
    command
        .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"])
        .arg(base)
        .arg(disk);
    run("qemu-img", command)
}

/// Makes `variables`: UEFI's variables as the firmware ships them. As qcow2, so that snapshots can hold them.
pub fn variables(toolbox: &Toolbox, variables: &Path) -> Result<()> {
    let mut command = toolbox.command("qemu-img");
    command
        .args(["convert", "-q", "-f", "raw", "-O", "qcow2", VARIABLES])
        .arg(variables);
    run("qemu-img", command)
}

fn run(tool: &'static str, mut command: std::process::Command) -> Result<()> {
    let output = command.output().map_err(Error::io("cannot start", tool))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Tool {
        tool,
        status: output.status,
        stderr,
    })
}

/// A size as people write it (`16G`, `2048M`, `512K` or bytes), in bytes.
pub fn parse_size(text: &str) -> Result<u64> {
    let usage = || Error::Usage {
        what: "the size",
        given: text.to_owned(),
        remedy: "write for instance 16G, 4096M or bytes",
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &text[digits.len()..] {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        "T" | "t" => 1 << 40,
        _ => return Err(usage()),
    };
    let number: u64 = digits.parse().map_err(|_| usage())?;
    number.checked_mul(factor).ok_or_else(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("16G").unwrap(), 16 << 30);
        assert_eq!(parse_size("512m").unwrap(), 512 << 20);
        assert_eq!(parse_size("4096").unwrap(), 4096);
        for wrong in ["", "G", "1.5G", "16GB", "-1", "99999999999999T", "16 G"] {
            assert!(parse_size(wrong).is_err(), "{wrong:?} was taken");
        }
    }
}

//! Disks as they are declared: a missing one is made, one that is too small grows, none shrinks. Runs as the machine's
//! own user.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use varde_site::{Disk, Firmware, Vm};

use crate::argv::UEFI_VARIABLES_TEMPLATE;
use crate::paths::Paths;
use crate::{Error, gate};

pub fn make(vm: &Vm, paths: &Paths) -> Result<(), Error> {
    for disk in &vm.disks {
        let file = paths.disk(&vm.name, &disk.name);
        if !file.exists() {
            create(disk, &file, paths)?;
        } else if virtual_size(&file)? < disk.size {
            qemu_img(
                &["resize", "-q", "-f", "qcow2"],
                &[file.as_os_str(), disk.size.to_string().as_ref()],
                paths,
            )?;
        }
    }
    let variables = paths.uefi_variables(&vm.name);
    if vm.firmware == Firmware::Uefi && !variables.exists() {
        let new = variables.with_extension("new");
        let from_to = [UEFI_VARIABLES_TEMPLATE.as_ref(), new.as_os_str()];
        qemu_img(&["convert", "-f", "raw", "-O", "qcow2"], &from_to, paths)?;
        fs::rename(&new, &variables).map_err(Error::file("rename", &new))?;
    }
    Ok(())
}

/// Under another name first: a file that has its name is whole.
fn create(disk: &Disk, file: &Path, paths: &Paths) -> Result<(), Error> {
    let new = file.with_extension("new");
    let mut options = vec!["create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=off"];
    let base = disk
        .image
        .as_deref()
        .map(|name| gate::image(name, paths))
        .transpose()?;
    let base = base.map(|path| path.display().to_string());
    if let Some(base) = &base {
        options.extend(["-F", "qcow2", "-b", base]);
    }
    qemu_img(
        &options,
        &[new.as_os_str(), disk.size.to_string().as_ref()],
        paths,
    )?;
    fs::rename(&new, file).map_err(Error::file("rename", &new))
}

fn qemu_img(options: &[&str], arguments: &[&std::ffi::OsStr], paths: &Paths) -> Result<(), Error> {
    let failed = |said: String| Error::Program {
        program: "qemu-img",
        doing: options.first().copied().unwrap_or_default().to_owned(),
        said,
    };
    let output = Command::new(&paths.qemu_img)
        .args(options)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(
        String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "),
    ))
}

/// Bytes that the guest sees, from the head of a qcow2 file.
fn virtual_size(path: &Path) -> Result<u64, Error> {
    let mut head = [0; 32];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .map_err(Error::file("read", path))?;
    parse_virtual_size(&head)
        .ok_or_else(|| Error::file("find a qcow2 image in", path)(std::io::ErrorKind::InvalidData.into()))
}

/// Magic `QFI\xfb` at 0, size in bytes at 24, both big-endian (QEMU's docs/interop/qcow2).
fn parse_virtual_size(head: &[u8; 32]) -> Option<u64> {
    let size = head.last_chunk::<8>()?;
    head.starts_with(b"QFI\xfb").then(|| u64::from_be_bytes(*size))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// In place of qemu-img: notes what it was told, and writes what it was to make.
    fn fake_qemu_img(root: &Path) -> std::path::PathBuf {
        let program = root.join("qemu-img");
        let log = root.join("told");
        let script = format!(
            "#!/bin/sh\necho \"$@\" >> '{}'\nfor last; do :; done\necho fresh > \"$last\"\n",
            log.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    #[test]
    fn a_uefi_machine_gets_variables_once_and_keeps_what_its_guest_wrote() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path(), Path::new("/bin/false"), fake_qemu_img(root.path()));
        let mut vm = crate::test::vm("web");
        fs::create_dir_all(paths.disks("web")).unwrap();
        let variables = paths.uefi_variables("web");

        make(&vm, &paths).unwrap();
        assert!(!variables.exists(), "a machine with BIOS has none");

        vm.firmware = Firmware::Uefi;
        // What a power cut left over.
        fs::write(variables.with_extension("new"), "half").unwrap();
        make(&vm, &paths).unwrap();
        assert_eq!(fs::read_to_string(&variables).unwrap(), "fresh\n");
        let told = fs::read_to_string(root.path().join("told")).unwrap();
        assert!(
            told.starts_with(&format!("convert -f raw -O qcow2 {UEFI_VARIABLES_TEMPLATE} ")),
            "{told}"
        );

        fs::write(&variables, "boot order of the guest").unwrap();
        make(&vm, &paths).unwrap();
        assert_eq!(fs::read_to_string(&variables).unwrap(), "boot order of the guest");
        assert_eq!(fs::read_to_string(root.path().join("told")).unwrap(), told);
    }

    #[test]
    fn the_size_of_a_disk_is_read_from_its_head_and_only_of_a_qcow2() {
        let mut head = [0; 32];
        head[..4].copy_from_slice(b"QFI\xfb");
        head[24..].copy_from_slice(&(5u64 << 30).to_be_bytes());
        assert_eq!(parse_virtual_size(&head), Some(5 << 30));
        head[0] = b'X';
        assert_eq!(parse_virtual_size(&head), None);
    }
}

//! An installation medium: the image, on a disk that knows itself by its label.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::release::{Parts, partitions};
use crate::{Error, Result, Toolbox, iso};

/// Label of its EFI system partition, by which the appliance finds that it was started from one.
pub const LABEL: &str = "varde-medium";
/// KiB: the boot loader and a kernel image, with room to spare; enough clusters for FAT32.
const ESP: u32 = 96 << 10;
/// Where the first partition begins, in bytes: systemd-repart's choice.
const FIRST: u64 = 1 << 20;
const LOADER: &str = "usr/lib/systemd/boot/efi/systemd-bootx64.efi";

/// Makes `disk`: for a stick, and for a (virtual) CD. `work` is an empty folder; `settings` are the boot loader's.
pub fn make(toolbox: &Toolbox, parts: &Parts, settings: &Path, work: &Path, disk: &Path) -> Result<()> {
    let kernel = fs::read(&parts.kernel).map_err(Error::io("cannot read", &parts.kernel))?;
    let [root, verity] = partitions(&kernel).ok_or_else(|| Error::Usage {
        what: "the kernel image",
        given: parts.kernel.display().to_string(),
        remedy: "its command line names no root hash",
    })?;
    let version = &parts.version;
    let esp = work.join("esp");
    let loader = toolbox.tree().join(LOADER);
    let kernel = format!("::EFI/Linux/varde_{version}.efi");
    run(
        toolbox,
        "mkfs.fat",
        &[
            "-C",
            "-F",
            "32",
            "-s",
            "1",
            "-n",
            "VARDE-EFI",
            &text(&esp),
            &ESP.to_string(),
        ],
    )?;
    for folder in ["::EFI", "::EFI/BOOT", "::EFI/Linux", "::EFI/systemd", "::loader"] {
        run(toolbox, "mmd", &["-i", &text(&esp), folder])?;
    }
    for (from, to) in [
        (&parts.kernel, kernel.as_str()),
        (&loader, "::EFI/BOOT/BOOTX64.EFI"),
        (&loader, "::EFI/systemd/systemd-bootx64.efi"),
        (&settings.to_owned(), "::loader/loader.conf"),
    ] {
        run(toolbox, "mcopy", &["-i", &text(&esp), &text(from), to])?;
    }

    let layout = work.join("repart.d");
    fs::create_dir_all(&layout).map_err(Error::io("cannot make", &layout))?;
    let partition = |name: &str, kind: &str, label: &str, from: &Path, more: &str| {
        let path = layout.join(name);
        let text = format!(
            "[Partition]\nType={kind}\nLabel={label}\nCopyBlocks={}\n{more}",
            text(from)
        );
        fs::write(&path, text).map_err(Error::io("cannot write", path))
    };
    partition("10.conf", "esp", LABEL, &esp, "")?;
    let label = format!("varde_{version}");
    partition("20.conf", "root", &label, &parts.root, &format!("UUID={root}\n"))?;
    partition(
        "30.conf",
        "root-verity",
        &label,
        &parts.verity,
        &format!("UUID={verity}\n"),
    )?;
    run(
        toolbox,
        "systemd-repart",
        &[
            "--dry-run=no",
            "--empty=create",
            "--size=auto",
            "--sector-size=512",
            "--pretty=no",
            &format!("--definitions={}", text(&layout)),
            &text(disk),
        ],
    )?;
    // Most of the root's partition is empty.
    run(toolbox, "fallocate", &["--dig-holes", &text(disk)])?;
    iso::write(disk, &format!("VARDE_{}", version.replace('.', "_")), FIRST)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn run(toolbox: &Toolbox, tool: &'static str, arguments: &[&str]) -> Result<()> {
    let mut command: Command = toolbox.command(tool);
    let output = command
        .args(arguments)
        .output()
        .map_err(Error::io("cannot start", tool))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Tool {
        tool,
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

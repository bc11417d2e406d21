//! How large the appliance is: what an update carries, and what lies on the disk.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::table::Table;
use crate::error::{Error, Result};
use crate::{image, place, step};

/// What an update carries.
const PARTS: [(&str, &str); 3] = [
    ("root", "varde.root.raw"),
    ("verity tree", "varde.root-verity.raw"),
    ("kernel and initrd (UKI)", "varde.efi"),
];

/// What others publish of themselves, and where; nothing of it was measured here.
const PUBLISHED: [(&str, &str, &str); 2] = [
    (
        "Talos Linux",
        "under 100",
        "Talos Linux: disk space of the system, without the container images that it fetches to do its work \
         (docs.siderolabs.com/talos/v1.12/getting-started/system-requirements).",
    ),
    (
        "IncusOS",
        "up to 1,178.6",
        "IncusOS: a slot of a root of 1 GiB and 100 MiB of hashes; Incus itself comes on top \
         (linuxcontainers.org/incus-os/docs/main/reference/partitioning-scheme).",
    ),
];

pub fn bench() -> Result<()> {
    let built = image::ensure()?;
    let work = place::output().join("bench/image");
    place::remove_tree(&work)?;
    place::make(&work)?;
    let mut table = Table::new("image", &["part", "on disk MB", "in an update MB"]);
    let (mut disk, mut update) = (0, 0);
    for (name, file) in PARTS {
        let part = built.image.join(file);
        let packed = work.join(format!("{file}.zst"));
        let mut zstd = built.toolbox.command("zstd");
        zstd.args(["--quiet", "--ultra", "-19", "--threads=0", "-o"])
            .arg(&packed)
            .arg(&part);
        step::run(
            &format!("Compressing the {name}"),
            &mut zstd,
            "Look at the space left on the disk.",
        )?;
        // Blocks, not length: the rest of a slot is a hole.
        let (used, sent) = (metadata(&part)?.blocks() * 512, metadata(&packed)?.len());
        table.row(&[name, &megabytes(used), &megabytes(sent)]);
        disk += used;
        update += sent;
    }
    table.row(&["Varde", &megabytes(disk), &megabytes(update)]);
    for (name, on_disk, _) in PUBLISHED {
        table.row(&[&format!("{name}, as published"), on_disk, ""]);
    }
    for (.., source) in PUBLISHED {
        table.note(source);
    }
    table.note(
        "Proxmox VE is installed from an ISO and updated by packages; no published size to compare was found.",
    );
    table.note("MB are 10^6 bytes; an update is compressed with zstd -19.");
    table.publish()
}

fn metadata(path: &Path) -> Result<fs::Metadata> {
    fs::metadata(path).map_err(Error::io("cannot read", path))
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^52")]
fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

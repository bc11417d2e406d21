//! From power on to the console, by the full path of firmware, boot loader and verity, beside an untuned image of the
//! same packages that mkosi makes with its own settings.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use varde_machine::Toolbox;
use varde_machine::keys::Key;

use super::table::{Table, median};
use crate::error::{Error, Result};
use crate::{binaries, image, place, step};

const RUNS: usize = 5;

pub fn bench() -> Result<()> {
    let built = image::ensure()?;
    let stock = ensure_stock(&built.toolbox, &built.image.join("varde.manifest"))?;
    let (mut ours, mut paints, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does meets both.
    for run in 1..=RUNS {
        eprintln!("Boot {run} of {RUNS}, Varde and the stock image");
        let figures = boot(&built, &built.disk(), true)?;
        ours.push(seconds(&figures["login"]));
        paints.push(seconds(&figures["paint"]));
        theirs.push(seconds(&boot(&built, &stock, false)?["login"]));
    }
    let mut table = Table::new(
        "boot",
        &["from power on, s", "Varde", "stock mkosi image", "at most"],
    );
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    table.row(&[
        "login prompt",
        &format!("{ours:.1}"),
        &format!("{theirs:.1}"),
        &format!("{:.1}", theirs / 2.0),
    ]);
    table.row(&[
        "first page, logged in",
        &format!("{:.1}", median(&mut paints)),
        "",
        "60",
    ]);
    table.note(format!(
        "Medians of {RUNS} first boots in turns; {}. The stock image has the same packages.",
        varde_machine::Accel::probe(&built.toolbox, &built.kernel())?.option()
    ));
    table.publish()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of a boot are far below 2^52"
)]
fn seconds(milliseconds: &Value) -> f64 {
    milliseconds.as_u64().unwrap_or_default() as f64 / 1e3
}

fn boot(built: &image::Built, disk: &Path, paint: bool) -> Result<Value> {
    let mut cargo = binaries::cargo();
    cargo.args(["run", "--quiet", "--locked", "--package", "varde-qemu-tests"]);
    cargo.args(["--example", "boot_time", "--"]);
    if paint {
        cargo.arg("--paint");
    }
    built.tell(&mut cargo)?;
    cargo.env("VARDE_IMAGE", disk);
    super::figures(&mut cargo)
}

/// The peer: every package of our image, by mkosi's defaults: its initrd, its kernel modules, a root that is written to.
fn ensure_stock(toolbox: &Toolbox, manifest: &Path) -> Result<PathBuf> {
    let text = fs::read_to_string(manifest).map_err(Error::io("cannot read", manifest))?;
    let manifest: Value = serde_json::from_str(&text).map_err(|source| Error::Json {
        what: "the image's list of packages",
        source,
    })?;
    let packages: Vec<_> = manifest["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let tools = toolbox.tree().display().to_string();
    let key = Key::default().text(&packages.join(" ")).text(&tools).finish();
    let dir = place::cache("")?.join(format!("stock-{key}"));
    if !dir.exists() {
        let part = dir.with_extension("part");
        place::remove_tree(&part)?;
        place::make(&part)?;
        let mut mkosi = toolbox.command("mkosi");
        mkosi.arg("--directory=").arg("--output-directory").arg(&part);
        mkosi.args([
            "--distribution=debian",
            "--release=trixie",
            "--format=disk",
            "--output=stock",
        ]);
        mkosi.args(["--bootable=yes", "--bootloader=systemd-boot", "--hostname=stock"]);
        mkosi.args(["--kernel-command-line=console=ttyS0", "--root-password=hashed:!"]);
        mkosi.args(packages.iter().map(|package| format!("--package={package}")));
        mkosi.arg("--package-cache-dir").arg(place::cache("packages")?);
        mkosi.arg("--workspace-directory").arg(place::cache("work")?);
        mkosi.arg("--sandbox-tree").arg(image::apt_sources(toolbox)?);
        mkosi.arg("build");
        step::run(
            "Building the stock image",
            &mut mkosi,
            "If a download failed, run the same command again.",
        )?;
        fs::rename(&part, &dir).map_err(Error::io("cannot put in its place", &dir))?;
        place::prune("stock", 1)?;
    }
    Ok(dir.join("stock.raw"))
}

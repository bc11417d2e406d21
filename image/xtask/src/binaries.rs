//! Our binaries, built for release and laid out as in the image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::{place, step};

/// What people type; the rest is started by the service manager and lies in `/usr/lib/varde`.
const COMMANDS: [&str; 2] = ["varde", "varde-console"];

/// The folders of the crates whose binaries the appliance has: `*` is one name. Labs and tools lie elsewhere.
const ROOMS: [&[&str]; 2] = [&["appliance", "*"], &["tui"]];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Builds them and copies them to `tree`, as the image has them.
pub fn build(tree: &Path) -> Result<()> {
    let metadata = metadata()?;
    let inside = metadata
        .packages
        .iter()
        .filter(|package| in_appliance(&package.manifest_path));
    let mut names = Vec::new();
    let mut command = cargo();
    command.args(["build", "--release", "--locked", "--bins"]);
    for package in inside {
        let bins: Vec<_> = package
            .targets
            .iter()
            .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
            .collect();
        if !bins.is_empty() {
            command.args(["--package", &package.name]);
            names.extend(bins.iter().map(|target| target.name.clone()));
        }
    }
    place::remove_tree(tree)?;
    place::make(tree)?;
    if names.is_empty() {
        return Ok(());
    }
    step::run(
        "Building our binaries",
        &mut command,
        "Mend what the compiler names, then run the same command again.",
    )?;
    for name in names {
        let dir = tree.join(if COMMANDS.contains(&name.as_str()) {
            "usr/bin"
        } else {
            "usr/lib/varde"
        });
        place::make(&dir)?;
        let built = metadata.target_directory.join("release").join(&name);
        fs::copy(&built, dir.join(&name)).map_err(Error::io("cannot copy", &built))?;
    }
    Ok(())
}

fn in_appliance(manifest: &Path) -> bool {
    let project = place::project();
    let Some(Ok(room)) = manifest.parent().map(|room| room.strip_prefix(&project)) else {
        return false;
    };
    let names: Vec<_> = room.iter().collect();
    ROOMS.iter().any(|pattern| {
        let same = |(name, pattern): (&&std::ffi::OsStr, &&str)| *pattern == "*" || *name == *pattern;
        pattern.len() == names.len() && names.iter().zip(pattern.iter()).all(same)
    })
}

/// Cargo in the project, as the caller's own cargo.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(place::project());
    command
}

fn metadata() -> Result<Metadata> {
    let output = cargo()
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .output();
    let output = output.map_err(|source| Error::Start {
        program: "cargo metadata".into(),
        source,
        remedy: "Run it as `cargo xtask`.",
    })?;
    if !output.status.success() {
        return Err(Error::Refused(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    serde_json::from_slice(&output.stdout).map_err(|source| Error::Json {
        what: "the answer of cargo metadata",
        source,
    })
}

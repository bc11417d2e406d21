//! `cargo xtask media`: the installation medium, for a stick, a CD or a blade's virtual media.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use varde_machine::Toolbox;
use varde_machine::medium;
use varde_machine::release::Parts;

use crate::error::{Error, Result};
use crate::{image, place};

#[derive(Args)]
pub struct Arguments {
    /// The version that it installs; else the workspace's
    #[arg(long, value_name = "VERSION", default_value = image::VERSION)]
    version: String,
    /// A file that is not there yet, such as varde.iso
    file: PathBuf,
}

pub fn command(arguments: &Arguments) -> Result<()> {
    let file = &arguments.file;
    if file.exists() {
        return Err(Error::Refused(format!(
            "{} is there already. Name a file that is not.",
            file.display()
        )));
    }
    let file = std::path::absolute(file).map_err(Error::io("cannot find", file))?;
    let (toolbox, built) = image::ensure_version(&arguments.version)?;
    make(&toolbox, &built, &arguments.version, &file)?;
    println!("medium {}", file.display());
    Ok(())
}

/// Makes it of a built image.
pub fn make(toolbox: &Toolbox, built: &Path, version: &str, file: &Path) -> Result<()> {
    let (work, part) = (file.with_extension("work"), file.with_extension("part"));
    place::remove_tree(&work)?;
    place::make(&work)?;
    let _ = fs::remove_file(&part);
    let settings = place::project().join("image/mkosi.extra/efi/loader/loader.conf");
    medium::make(toolbox, &Parts::of(built, version), &settings, &work, &part)?;
    place::remove_tree(&work)?;
    fs::rename(&part, file).map_err(Error::io("cannot put in its place", file))
}

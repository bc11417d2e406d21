//! `cargo xtask release`: a signed release of the appliance, as a folder for a stick.

use std::path::PathBuf;

use clap::Args;
use varde_machine::release::{Parts, Signer, stick};

use crate::error::{Error, Result};
use crate::{image, place};

/// What a release and its file system take, with room to spare.
const STICK: u64 = 1 << 30;

#[derive(Args)]
pub struct Arguments {
    /// The secret key that signs it; a new one is made where there is none
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The version that it carries; else the workspace's
    #[arg(long, value_name = "VERSION", default_value = image::VERSION)]
    version: String,
    /// Also make the image of a stick with it, for virtual media
    #[arg(long, value_name = "FILE")]
    stick: Option<PathBuf>,
    /// A folder that is not there yet
    folder: PathBuf,
}

pub fn command(arguments: &Arguments) -> Result<()> {
    if arguments.folder.exists() {
        return Err(Error::Refused(format!(
            "{} is there already. Name a folder that is not.",
            arguments.folder.display()
        )));
    }
    let signer = if arguments.key.exists() {
        Signer::read(&arguments.key)?
    } else {
        let signer = Signer::generate()?;
        signer.keep(&arguments.key)?;
        signer
    };
    let (toolbox, built) = image::ensure_version(&arguments.version)?;
    let part = arguments.folder.with_extension("part");
    place::remove_tree(&part)?;
    place::make(&part)?;
    Parts::of(&built, &arguments.version).write(&part)?;
    signer.sign(&part)?;
    std::fs::rename(&part, &arguments.folder)
        .map_err(Error::io("cannot put in its place", &arguments.folder))?;
    if let Some(disk) = &arguments.stick {
        stick(&toolbox, &arguments.folder, disk, STICK)?;
    }
    println!("release {} in {}", arguments.version, arguments.folder.display());
    println!("key for [update] in site.toml: {}", signer.public());
    Ok(())
}

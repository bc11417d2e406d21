//! The guests of the demo site, and the read-only disk that carries them into the machine.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use varde_machine::Toolbox;
use varde_machine::keys::Key;

use crate::error::{Error, Result};
use crate::{place, step};

/// The label by which the appliance finds the disk.
const LABEL: &str = "varde-images";

/// The disk with the guests; made if it is missing.
pub fn ensure(toolbox: &Toolbox) -> Result<PathBuf> {
    let source = place::project().join("image/guests");
    let tools = toolbox
        .tree()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    // The database guest is prepared for restarts on schedule.
    let prepare = place::project().join("appliance/dbrestart/prepare.sql");
    let prepare = fs::read_to_string(&prepare).map_err(Error::io("cannot read", &prepare))?;
    let key = Key::default()
        .text(&tools)
        .text(LABEL)
        .text(&prepare)
        .tree(&source, &[])?
        .finish();
    let dir = place::cache("")?.join(format!("guests-{key}"));
    let media = dir.join("media.raw");
    if !media.exists() {
        place::make(&dir)?;
        let mut build = Command::new(source.join("build.sh"));
        build.arg(toolbox.tree()).arg(&dir);
        step::run(
            "Building the guests",
            &mut build,
            "The last lines say which package or file; mend it and try again.",
        )?;

        let content = dir.join("content");
        place::remove_tree(&content)?;
        place::make(&content)?;
        for entry in fs::read_dir(&dir).map_err(Error::io("cannot list", &dir))? {
            let path = entry.map_err(Error::io("cannot list", &dir))?.path();
            if path.extension().is_some_and(|extension| extension == "qcow2") {
                let name = path.file_name().unwrap_or_default();
                fs::hard_link(&path, content.join(name)).map_err(Error::io("cannot link", &path))?;
            }
        }
        let part = dir.join("media.part");
        let mut make = toolbox.command("mkfs.erofs");
        make.args(["--quiet", "--all-root", "-T0", "-L", LABEL])
            .arg(&part)
            .arg(&content);
        step::run(
            "Writing the disk of guests",
            &mut make,
            "Look at the space left on the disk.",
        )?;
        place::remove_tree(&content)?;
        fs::rename(&part, &media).map_err(Error::io("cannot put in its place", &media))?;
        place::prune("guests", 3)?;
    }
    place::point(&place::output().join("media.raw"), &media)?;
    Ok(media)
}

//! `cargo xtask image`: builds what is missing and says where it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use varde_machine::Toolbox;
use varde_machine::keys::Key;

use crate::error::{Error, Result};
use crate::{binaries, guests, novnc, place, step, toolbox};

/// The version that the image carries: the workspace's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `run`, `test` and `bench` start from.
pub struct Built {
    pub toolbox: Toolbox,
    /// The folder with the disk image and the parts of an update.
    pub image: PathBuf,
    /// The disk of guests.
    pub media: PathBuf,
}

impl Built {
    pub fn disk(&self) -> PathBuf {
        self.image.join("varde.raw")
    }

    pub fn kernel(&self) -> PathBuf {
        self.image.join("varde.vmlinuz")
    }

    /// Tells a program of the end-to-end framework what was built.
    pub fn tell(&self, command: &mut Command) -> Result<()> {
        command.env("VARDE_TOOLBOX", self.toolbox.tree());
        command.env("VARDE_IMAGE", self.disk());
        command.env("VARDE_KERNEL", self.kernel());
        command.env("VARDE_MEDIA", &self.media);
        command.env("VARDE_CACHE", place::cache("")?);
        Ok(())
    }
}

pub fn command() -> Result<()> {
    let built = ensure()?;
    println!("image   {}", built.disk().display());
    println!("guests  {}", built.media.display());
    println!("toolbox {}", built.toolbox.tree().display());
    Ok(())
}

/// Toolbox, guests, image; each made if it is missing.
pub fn ensure() -> Result<Built> {
    let _lock = place::lock()?;
    let toolbox = toolbox::ensure()?;
    let media = guests::ensure(&toolbox)?;
    let image = ensure_image(&toolbox, VERSION)?;
    Ok(Built {
        toolbox,
        image,
        media,
    })
}

/// The image of a version, and the toolbox; made if it is missing.
pub fn ensure_version(version: &str) -> Result<(Toolbox, PathBuf)> {
    let _lock = place::lock()?;
    let toolbox = toolbox::ensure()?;
    let image = ensure_image(&toolbox, version)?;
    Ok((toolbox, image))
}

/// The version after the workspace's, for tests of updates.
pub fn next_version() -> String {
    let mut parts: Vec<u32> = VERSION.split('.').filter_map(|part| part.parse().ok()).collect();
    if let Some(last) = parts.last_mut() {
        *last += 1;
    }
    parts.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

fn ensure_image(toolbox: &Toolbox, version: &str) -> Result<PathBuf> {
    let project = place::project();
    let tree = place::cache("work")?.join("binaries");
    binaries::build(&tree)?;
    let novnc = novnc::ensure(toolbox)?;
    let tools = toolbox
        .tree()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let key = Key::default()
        .text(&tools)
        .text(version)
        .tree(&project.join("image"), &["guests", "machine", "xtask"])?
        .tree(&project.join("units"), &[])?
        .tree(&tree, &[])?
        .tree(&novnc, &[])?
        .finish();
    let dir = place::cache("")?.join(format!("image-{key}"));
    if !dir.exists() {
        build(toolbox, version, &[&tree, &novnc], &dir)?;
        place::prune("image", 6)?;
    }
    if version == VERSION {
        place::point(&place::output().join("image"), &dir)?;
    }
    Ok(dir)
}

fn build(toolbox: &Toolbox, version: &str, trees: &[&Path], dir: &Path) -> Result<()> {
    if !toolbox::is_root()? {
        return Err(Error::Refused(
            "The image's files belong to many users, and this is not root.\n\
             Type: sudo env \"PATH=$PATH\" \"HOME=$HOME\" cargo xtask image"
                .into(),
        ));
    }
    let part = dir.with_extension("part");
    place::remove_tree(&part)?;
    place::make(&part)?;
    let mut mkosi = toolbox.command("mkosi");
    mkosi.arg("--directory").arg(place::project().join("image"));
    mkosi.arg("--image-version").arg(version);
    mkosi.arg("--output-directory").arg(&part);
    mkosi.arg("--cache-directory").arg(place::cache("mkosi")?);
    mkosi.arg("--package-cache-dir").arg(place::cache("packages")?);
    mkosi.arg("--workspace-directory").arg(place::cache("work")?);
    mkosi.arg("--sandbox-tree").arg(apt_sources(toolbox)?);
    for tree in trees {
        mkosi.arg("--extra-tree").arg(tree);
    }
    mkosi.args(["--incremental=yes", "build"]);
    step::run(
        "Building the image",
        &mut mkosi,
        "If a download failed, run the same command again.",
    )?;

    // What was needed on the way and nobody starts from.
    for name in [
        "initrd",
        "initrd.cpio.zst",
        "varde",
        "varde.esp.raw",
        "varde.initrd",
    ] {
        let path = part.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("cannot remove", &path)(error));
            }
            _ => {}
        }
    }
    fs::rename(&part, dir).map_err(Error::io("cannot put in its place", dir))
}

/// The toolbox's mirrors in the form that mkosi takes instead of a list of its own, which has a repository of debug
/// symbols that not every mirror carries.
pub fn apt_sources(toolbox: &Toolbox) -> Result<PathBuf> {
    let list = toolbox.tree().join("etc/apt/sources.list");
    let lines = fs::read_to_string(&list).map_err(Error::io("cannot read", &list))?;
    let tree = place::cache("work")?.join("sandbox");
    let file = tree.join("etc/apt/sources.list.d/mkosi.sources");
    place::make(file.parent().unwrap_or(&tree))?;
    fs::write(&file, deb822(&lines)).map_err(Error::io("cannot write", &file))?;
    Ok(tree)
}

/// One-line entries as stanzas.
fn deb822(lines: &str) -> String {
    let mut stanzas = String::new();
    for line in lines.lines() {
        let mut words = line.split_whitespace().filter(|word| !word.starts_with('['));
        if words.next() != Some("deb") {
            continue;
        }
        let (Some(address), Some(suite)) = (words.next(), words.next()) else {
            continue;
        };
        let components: Vec<_> = words.collect();
        stanzas += &[
            "Types: deb",
            &format!("URIs: {address}"),
            &format!("Suites: {suite}"),
            &format!("Components: {}", components.join(" ")),
            "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg",
            "\n",
        ]
        .join("\n");
    }
    stanzas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_mirror_list_becomes_a_stanza() {
        let stanzas = deb822(
            "# a comment\ndeb [arch=amd64] http://mirror.example/debian trixie main\n\ndeb-src x y z\n",
        );
        assert_eq!(
            stanzas,
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\nComponents: main\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"
        );
    }
}

//! What an appliance of a scenario is: which site, how large, from where the first second starts.

use std::path::{Path, PathBuf};

use varde_machine::keys::Key;
use varde_machine::{Accel, Toolbox};

use crate::error::{Context, Error, Result};

/// The site that scenarios run when nothing else is said, with accounts of each role.
const SITE: &str = include_str!("../site.toml");

/// Account of each role in [`SITE`], with its password.
pub const VIEWER: (&str, &str) = ("innsyn", "varde-test");
pub const OPERATOR: (&str, &str) = ("drift", "varde-test");
pub const ADMIN: (&str, &str) = ("leder", "varde-test");
/// The account that [`Shape::acceptance`] adds to a site; an admin.
pub const ACCEPTANCE: (&str, &str) = ("akseptanse", "varde-test");

/// An account that is added to an integrator's own site, so that scenarios can log in without knowing any password.
const ACCOUNT: &str = include_str!("../account.toml");

/// Everything that a machine's first boot depends on: machines of one shape may share a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Text of `site.toml`; without one the appliance takes the demo site that it carries.
    pub site: Option<String>,
    /// MiB.
    pub memory: u64,
    /// Bytes.
    pub disk: u64,
    /// Whether the disk of demo guests is attached.
    pub media: bool,
    /// Whether there is a place for a stick: [`crate::Appliance::put_stick`] puts one in.
    pub stick: bool,
    /// Virtual machines that run, their checks passed, in the snapshot.
    pub running: &'static [&'static str],
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            site: Some(SITE.to_owned()),
            memory: 4096,
            disk: 16 << 30,
            media: true,
            stick: false,
            running: &[],
        }
    }
}

impl Shape {
    /// The integrator's site if `VARDE_SITE` names one, else the scenarios' own.
    pub fn acceptance() -> Result<Self> {
        let site = match std::env::var_os("VARDE_SITE").map(PathBuf::from) {
            None => SITE.to_owned(),
            Some(path) => std::fs::read_to_string(&path).on("read the site", &path)?,
        };
        let site = format!("{site}\n{ACCOUNT}");
        Ok(Self {
            site: Some(site),
            ..Self::default()
        })
    }
}

/// What was built, and what runs it.
pub struct Build {
    pub toolbox: Toolbox,
    pub image: PathBuf,
    pub media: Option<PathBuf>,
    /// Another version of the image, which updates go to, and which it is.
    pub next: Option<(PathBuf, String)>,
    /// The installation medium of the image.
    pub medium: Option<PathBuf>,
    pub accel: Accel,
}

impl Build {
    /// What `cargo xtask test` made, told by environment.
    pub fn find() -> Result<Self> {
        let toolbox = Toolbox::find()?;
        let image = told("VARDE_IMAGE")?.ok_or_else(|| Error::Setup {
            what: "no image is named by VARDE_IMAGE".to_owned(),
            remedy: "run `cargo xtask test`, which builds one and names it".to_owned(),
        })?;
        let media = told("VARDE_MEDIA")?;
        let accel = match told("VARDE_KERNEL")? {
            Some(kernel) => Accel::probe(&toolbox, &kernel)?,
            None => Accel::Tcg,
        };
        let next = told("VARDE_NEXT")?.zip(std::env::var("VARDE_NEXT_VERSION").ok());
        Ok(Self {
            toolbox,
            image,
            media,
            next,
            medium: told("VARDE_MEDIUM")?,
            accel,
        })
    }

    /// What a snapshot of this shape depends on. A built file is known by its place, size and time: reading gigabytes
    /// in each test process would cost more than the snapshot saves.
    pub fn key(&self, shape: &Shape) -> Result<String> {
        let mut key = Key::default();
        key.text("snapshot 1")
            .text(&format!("{shape:?} {:?}", self.accel));
        key.text(&self.toolbox.tree().to_string_lossy());
        for file in std::iter::once(&self.image).chain(&self.media) {
            let meta = std::fs::metadata(file).on("look at", file)?;
            let time = meta.modified().on("look at the time of", file)?;
            key.text(&format!("{} {} {time:?}", file.display(), meta.len()));
        }
        Ok(key.finish())
    }
}

fn told(variable: &str) -> Result<Option<PathBuf>> {
    let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    Path::new(&path)
        .canonicalize()
        .on("find", Path::new(&path))
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sites_of_the_scenarios_are_in_order() {
        assert_eq!(varde_site::parse(SITE).err(), None);
        let site = varde_site::parse(&format!("{SITE}\n{ACCOUNT}")).unwrap();
        assert_eq!(site.accounts.len(), 4);
    }
}

//! The part of the active generation that machines are made of.

use varde_site::{Site, Store};

use crate::Error;
use crate::paths::Paths;

/// `None` before the first generation.
pub fn active(paths: &Paths) -> Result<Option<Site>, Error> {
    let active = Store::open(paths.site())
        .active()
        .map_err(|error| Error::Site(error.to_string()))?;
    Ok(active.map(|active| active.site))
}

//! The part of the active generation that machines are made of, and the clones of rehearsals.

use varde_site::{Site, Store, clone_name};

use crate::Error;
use crate::paths::Paths;
use crate::rehearsal;

/// `None` before the first generation.
pub fn active(paths: &Paths) -> Result<Option<Site>, Error> {
    let active = Store::open(paths.site())
        .active()
        .map_err(|error| Error::Site(error.to_string()))?;
    Ok(active.map(|active| active.site))
}

/// The active generation with the clones of the rehearsals that there are.
pub fn with_clones(paths: &Paths) -> Result<Option<Site>, Error> {
    let Some(mut site) = active(paths)? else {
        return Ok(None);
    };
    let clones: Vec<_> = rehearsal::records(paths)
        .iter()
        .flat_map(|record| record.machines.iter().map(|vm| clone_name(&record.rehearsal, vm)))
        .filter_map(|name| site.cloned(&name))
        .collect();
    site.vms.extend(clones);
    Ok(Some(site))
}

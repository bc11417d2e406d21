//! In which order machines stop when the appliance goes down: a machine before those it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use varde_site::Site;

use super::{Tree, file};

pub(super) const FOLDER: &str = "/run/systemd/system";

/// Drop-ins of single machines; those of all of them are in the image.
pub(super) const PREFIX: &str = "varde-vm@";

/// systemd stops units in the reverse of the order in which `After=` has them start. Machines that start are held back
/// longer than this, until the checks of those they need have passed.
pub(super) fn render(site: &Site, tree: &mut Tree) {
    for (vm, needed) in stop_order(site) {
        let mut text = String::from("[Unit]\n");
        for other in needed {
            writeln!(text, "After={PREFIX}{other}.service").expect("writing to a text does not fail");
        }
        file(
            tree,
            format!("{FOLDER}/{PREFIX}{vm}.service.d/50-varde-order.conf"),
            text,
        );
    }
}

/// Machines that need others, and which.
fn stop_order(site: &Site) -> BTreeMap<&str, BTreeSet<&str>> {
    site.vms
        .iter()
        .filter(|vm| !vm.after.is_empty())
        .map(|vm| (vm.name.as_str(), vm.after.iter().map(String::as_str).collect()))
        .collect()
}

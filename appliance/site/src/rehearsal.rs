//! Clones of machines for a rehearsal: what they are called, and what they are like.
//!
//! A clone is declared by nobody: it follows from its machine and the number of the rehearsal, so that the units' root
//! steps, users, networks and the service agree on it without telling each other.

use crate::{Limits, Site, Vm, Zone};

/// The rehearsals that there may be at once. Machines and zones of a site may not be called so with a hyphen after it.
pub const REHEARSALS: [&str; 2] = ["r1", "r2"];

/// Longest name of a machine that can be cloned: the clone's user has to fit in 31 characters.
pub const LONGEST_CLONED: usize = 19;

/// A clone's weight beside the 100 of a machine: production keeps five sixths of a processor that both want.
const WEIGHT: u64 = 20;

/// The rehearsal and the machine that a name belongs to; `None` for a machine of the site.
pub fn clone_of(vm: &str) -> Option<(&'static str, &str)> {
    REHEARSALS
        .into_iter()
        .find_map(|rehearsal| Some((rehearsal, vm.strip_prefix(rehearsal)?.strip_prefix('-')?)))
}

/// The machine itself, whether this is its name or a clone's.
pub fn original(vm: &str) -> &str {
    clone_of(vm).map_or(vm, |(_, original)| original)
}

/// What a machine is called in a rehearsal.
pub fn clone_name(rehearsal: &str, vm: &str) -> String {
    format!("{rehearsal}-{vm}")
}

impl Zone {
    /// Name of the bridge that stands for it in a rehearsal.
    pub fn bridge_in(&self, rehearsal: &str) -> String {
        format!("{rehearsal}-{}", self.name)
    }
}

impl Vm {
    /// Name of the bridge that it stands on.
    pub fn bridge(&self) -> String {
        match clone_of(&self.name) {
            Some((rehearsal, _)) => format!("{rehearsal}-{}", self.zone),
            None => format!("br-{}", self.zone),
        }
    }
}

impl Site {
    /// The machines that a recipe of this group is about, in the order of the file.
    pub fn of_group(&self, group: &str) -> impl Iterator<Item = &Vm> {
        self.vms.iter().filter(move |vm| vm.group == group)
    }

    /// The clone of that name, if its machine is declared. It starts after the clones of its own group alone, and its
    /// disks stand on those of the machine.
    pub fn cloned(&self, name: &str) -> Option<Vm> {
        let (rehearsal, original) = clone_of(name)?;
        let vm = self.vms.iter().find(|vm| vm.name == original)?;
        let among = |name: &&String| self.of_group(&vm.group).any(|other| other.name == **name);
        let mut clone = vm.clone();
        name.clone_into(&mut clone.name);
        clone.title = format!("{rehearsal}: {}", vm.title);
        rehearsal.clone_into(&mut clone.group);
        clone.autostart = false;
        clone.after = vm
            .after
            .iter()
            .filter(among)
            .map(|name| clone_name(rehearsal, name))
            .collect();
        for disk in &mut clone.disks {
            disk.image = None;
        }
        clone.limits = Limits {
            cpu_weight: Some(WEIGHT),
            io_weight: Some(WEIGHT),
            ..vm.limits
        };
        Some(clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn a_clone_is_told_from_a_machine_by_its_name() {
        assert_eq!(clone_of("r1-journal-db"), Some(("r1", "journal-db")));
        assert_eq!(clone_of("r2-r1-x"), Some(("r2", "r1-x")));
        for name in ["journal", "r1", "r10-x", "r3-x"] {
            assert_eq!(clone_of(name), None, "{name}");
        }
        assert_eq!(original("r2-web"), "web");
        assert_eq!(original("web"), "web");
    }

    #[test]
    fn a_clone_is_its_machine_on_another_bridge_and_never_before_production() {
        let site = parse(include_str!("../../../image/demo/site.toml")).unwrap();
        let vm = &site.vms[0];
        let clone = site.cloned(&clone_name("r1", &vm.name)).unwrap();
        assert_eq!(
            (clone.cpus, clone.memory, clone.address),
            (vm.cpus, vm.memory, vm.address)
        );
        assert_eq!(clone.uid(), vm.uid(), "the disks below are readable to one user");
        assert_ne!(clone.user(), vm.user());
        assert_ne!(clone.bridge(), vm.bridge());
        assert!(clone.limits.cpu_weight < Some(100) && !clone.autostart);
        assert_eq!(site.cloned("r1-nobody"), None);
        assert_eq!(site.cloned(&vm.name), None);
    }
}

//! What must hold before a machine may start. The daemon asks, to answer whoever wants the start; the unit's own first
//! step asks again, because a start may come without the daemon.

use std::path::PathBuf;

use varde_bus::hypervisor::VmState;
use varde_site::{Text, Vm};

use crate::Error;
use crate::admission::{self, Held};
use crate::paths::Paths;

/// Whether the host has what the machine stands on: its bridge, its images, its memory.
pub fn surroundings(vm: &Vm, held: &[Held], paths: &Paths) -> Result<(), Error> {
    let bridge = vm.bridge();
    if !paths.network_interface(&bridge).exists() {
        return Err(Error::Blocked(Text::new(
            format!(
                "Sonen {} har ingen bro ({bridge}) på denne maskinen. Se i loggen til varde-render og systemd-networkd",
                vm.zone
            ),
            format!(
                "The zone {} has no bridge ({bridge}) on this host. Read the logs of varde-render and systemd-networkd",
                vm.zone
            ),
        )));
    }
    for disk in &vm.disks {
        // A disk that was made has its base already; if that is gone, QEMU says so.
        if let Some(name) = &disk.image
            && !paths.disk(&vm.name, &disk.name).exists()
        {
            image(name, paths)?;
        }
    }
    let total = admission::total(paths)?;
    admission::admit(&vm.name, vm.memory, held, total).map_err(Error::Blocked)
}

/// Where a base image lies.
pub fn image(name: &str, paths: &Paths) -> Result<PathBuf, Error> {
    let file = format!("{}.qcow2", name.strip_suffix(".qcow2").unwrap_or(name));
    let places = paths.images();
    places
        .iter()
        .map(|place| place.join(&file))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let [store, media] = &places;
            Error::Blocked(Text::new(
                format!(
                    "Bildet {file} finnes verken i {} eller i {}",
                    store.display(),
                    media.display()
                ),
                format!(
                    "The image {file} is neither in {} nor in {}",
                    store.display(),
                    media.display()
                ),
            ))
        })
}

/// What the machines before this one say to its start.
#[derive(Debug, PartialEq, Eq)]
pub enum Dependencies {
    Up,
    /// These are on their way.
    ComingUp(Vec<String>),
    /// These will not come up by themselves.
    Down(Text),
}

/// `state` tells the state of a machine, `None` of one that is not declared.
pub fn dependencies(vm: &Vm, state: impl Fn(&str) -> Option<VmState>) -> Dependencies {
    let mut coming = Vec::new();
    let mut down = Vec::new();
    for name in &vm.after {
        match state(name) {
            Some(VmState::Running) => {}
            Some(VmState::Starting) => coming.push(name.clone()),
            _ => down.push(name.clone()),
        }
    }
    if !down.is_empty() {
        return Dependencies::Down(not_up(&vm.name, &down));
    }
    if coming.is_empty() {
        Dependencies::Up
    } else {
        Dependencies::ComingUp(coming)
    }
}

pub fn not_up(vm: &str, down: &[String]) -> Text {
    let names = down.join(", ");
    Text::new(
        format!("{vm} skal starte etter {names}, som ikke er oppe. Start {names} først"),
        format!("{vm} starts after {names}, which is not up. Start {names} first"),
    )
}

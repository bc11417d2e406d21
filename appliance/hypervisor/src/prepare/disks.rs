//! Disks as they are declared: a missing one is made, one that is too small grows, none shrinks. Runs as the machine's
//! own user.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use varde_disks::{Chains, Executor};
use varde_site::{Firmware, Text, Vm, clone_of};

use crate::argv::{UEFI_VARIABLES, UEFI_VARIABLES_TEMPLATE};
use crate::notes::Ended;
use crate::paths::Paths;
use crate::{Error, gate};

/// Longer than a start may wait for whoever works on the disks.
const PATIENCE: Duration = Duration::from_mins(1);

/// `run` is the number of this run, which will have opened them.
pub fn make(vm: &Vm, run: &str, paths: &Paths) -> Result<Chains, Error> {
    let directory = paths.disks(&vm.name);
    let mut tell = |_| {};
    let mut executor = Executor::new(&directory, &paths.qemu_img, PATIENCE, &mut tell)?;
    let uefi = vm.firmware == Firmware::Uefi;
    let lent = lent(vm, paths)?;
    if uefi && lent.is_empty() {
        variables(vm, paths)?;
    }
    let mut disks = Vec::new();
    for (disk, layer) in &lent {
        let declared = vm.disks.iter().find(|one| one.name == *disk);
        let size = varde_disks::virtual_size(layer)?.max(declared.map_or(0, |disk| disk.size));
        disks.push((disk.clone(), size, Some(layer.clone())));
    }
    for disk in vm.disks.iter().filter(|disk| !lent.contains_key(&disk.name)) {
        // Looked for only where the disk has still to be made: one that was made knows its base.
        let made = paths.disk(&vm.name, &disk.name).exists();
        let image = disk.image.as_deref().filter(|_| !made);
        let image = image.map(|name| gate::image(name, paths)).transpose()?;
        disks.push((disk.name.clone(), disk.size, image));
    }
    let extra = if uefi { &[UEFI_VARIABLES][..] } else { &[] };
    let ended_well = |run: &str| {
        // Gone with the last boot, if that was not orderly.
        Ended::read(paths, &vm.name).is_some_and(|ended| ended.invocation == run && ended.result == "success")
    };
    let chains = executor.make_ready(&disks, extra, ended_well)?;
    varde_disks::remember(&directory, run)?;
    Ok(chains)
}

/// By disk of a clone the layer of its machine's disk that it stands on. What is not lent to it is no clone's to read.
fn lent(vm: &Vm, paths: &Paths) -> Result<BTreeMap<String, PathBuf>, Error> {
    let Some((rehearsal, original)) = clone_of(&vm.name) else {
        return Ok(BTreeMap::new());
    };
    let directory = paths.disks(original);
    let lent = varde_disks::read(&directory)?.lent_to(rehearsal);
    if lent.is_empty() {
        return Err(Error::Blocked(Text::new(
            format!("{} er en klon, og øvingen den hører til er over", vm.name),
            format!(
                "{} is a clone, and the rehearsal that it belongs to is over",
                vm.name
            ),
        )));
    }
    let place = |(disk, layer): (String, String)| (disk, directory.join(layer));
    Ok(lent.into_iter().map(place).collect())
}

fn variables(vm: &Vm, paths: &Paths) -> Result<(), Error> {
    let variables = paths.uefi_variables(&vm.name);
    if variables.exists() {
        return Ok(());
    }
    let new = variables.with_extension("new");
    let output = Command::new(&paths.qemu_img)
        .args(["convert", "-f", "raw", "-O", "qcow2", UEFI_VARIABLES_TEMPLATE])
        .arg(&new)
        .stdin(Stdio::null())
        .output()
        .map_err(Error::file("run", &paths.qemu_img))?;
    if !output.status.success() {
        return Err(Error::Program {
            program: "qemu-img",
            doing: "convert".to_owned(),
            said: String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "),
        });
    }
    File::open(&new)
        .and_then(|file| file.sync_all())
        .map_err(Error::file("bring to disk", &new))?;
    fs::rename(&new, &variables).map_err(Error::file("rename", &new))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// In place of qemu-img: notes what it was told, and writes what it was to make.
    fn fake_qemu_img(root: &Path) -> std::path::PathBuf {
        let program = root.join("qemu-img");
        let log = root.join("told");
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = info ]; then echo '{{\"format\": \"qcow2\", \"virtual-size\": 1}}'; exit; fi\n\
             echo \"$@\" >> '{}'\nfor last; do :; done\nprintf 'QFI\\373%028d' 1 > \"$last\"\n",
            log.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    #[test]
    fn a_uefi_machine_gets_variables_once_and_keeps_what_its_guest_wrote() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path(), Path::new("/bin/false"), fake_qemu_img(root.path()));
        let mut vm = crate::test::vm("web");
        fs::create_dir_all(paths.disks("web")).unwrap();
        fs::create_dir_all(paths.machines()).unwrap();
        let variables = paths.uefi_variables("web");

        assert_eq!(make(&vm, "1", &paths).unwrap(), Chains::default());
        assert!(!variables.exists(), "a machine with BIOS has none");

        vm.firmware = Firmware::Uefi;
        // What a power cut left over.
        fs::write(variables.with_extension("new"), "half").unwrap();
        let chains = make(&vm, "2", &paths).unwrap();
        assert_eq!(chains.head(UEFI_VARIABLES), Some("uefi-variables.qcow2"));
        let told = fs::read_to_string(root.path().join("told")).unwrap();
        assert!(
            told.starts_with(&format!("convert -f raw -O qcow2 {UEFI_VARIABLES_TEMPLATE} ")),
            "{told}"
        );

        let theirs = b"QFI\xfb and the boot order of the guest";
        fs::write(&variables, theirs).unwrap();
        let ended = Ended {
            invocation: "2".into(),
            when: 1,
            result: "success".into(),
            exit_code: "exited".into(),
            exit_status: "0".into(),
            said: String::new(),
            blocked: None,
        };
        ended.write(&paths, "web").unwrap();
        make(&vm, "3", &paths).unwrap();
        assert_eq!(fs::read(&variables).unwrap(), theirs);
        assert_eq!(
            fs::read_to_string(root.path().join("told")).unwrap(),
            told,
            "nothing was made or checked"
        );

        make(&vm, "4", &paths).unwrap();
        let told = fs::read_to_string(root.path().join("told")).unwrap();
        assert!(
            told.contains("\ncheck -q -f qcow2 -r leaks "),
            "run 3 has no clean end: {told}"
        );
    }
}

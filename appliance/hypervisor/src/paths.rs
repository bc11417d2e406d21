//! Where things lie. Everything hangs below one root, so that a test can have a whole appliance in a directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Directories and programs; `/` on the appliance.
#[derive(Clone, Debug)]
pub struct Paths {
    root: PathBuf,
    /// `qemu-system-x86_64`
    pub qemu: PathBuf,
    pub qemu_img: PathBuf,
}

impl Paths {
    /// The appliance's own places, unless `VARDE_ROOT`, `VARDE_QEMU` or `VARDE_QEMU_IMG` say otherwise (tests and
    /// benches set them).
    pub fn from_environment() -> Self {
        let or = |name: &str, usual: &str| {
            std::env::var_os(name)
                .unwrap_or_else(|| OsString::from(usual))
                .into()
        };
        Self {
            root: or("VARDE_ROOT", "/"),
            qemu: or("VARDE_QEMU", "/usr/bin/qemu-system-x86_64"),
            qemu_img: or("VARDE_QEMU_IMG", "/usr/bin/qemu-img"),
        }
    }

    pub fn below(root: impl Into<PathBuf>, qemu: impl Into<PathBuf>, qemu_img: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            qemu: qemu.into(),
            qemu_img: qemu_img.into(),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Generations of `site.toml`.
    pub fn site(&self) -> PathBuf {
        self.at("var/lib/varde/site")
    }

    /// Where base images are looked for, in this order.
    pub fn images(&self) -> [PathBuf; 2] {
        [self.at("var/lib/varde/images"), self.at("run/varde/media")]
    }

    /// Disks and UEFI variables of a machine.
    pub fn disks(&self, vm: &str) -> PathBuf {
        self.at("var/lib/varde/vm").join(vm)
    }

    pub fn disk(&self, vm: &str, disk: &str) -> PathBuf {
        self.disks(vm).join(format!("{disk}.qcow2"))
    }

    pub fn uefi_variables(&self, vm: &str) -> PathBuf {
        self.disks(vm).join("uefi-variables.qcow2")
    }

    /// Sockets and serial log of a machine.
    pub fn run(&self, vm: &str) -> PathBuf {
        self.at("run/varde/vm").join(vm)
    }

    pub fn qmp(&self, vm: &str) -> PathBuf {
        self.run(vm).join("qmp.sock")
    }

    /// The second QMP socket, for whoever acts while the daemon holds the first or is dead.
    pub fn rescue(&self, vm: &str) -> PathBuf {
        self.run(vm).join("rescue.sock")
    }

    pub fn agent(&self, vm: &str) -> PathBuf {
        self.run(vm).join("agent.sock")
    }

    /// Where a desktop's screen is shown, by RFB.
    pub fn screen(&self, vm: &str) -> PathBuf {
        self.run(vm).join("screen.sock")
    }

    pub fn serial(&self, vm: &str) -> PathBuf {
        self.run(vm).join("serial.sock")
    }

    pub fn serial_log(&self, vm: &str) -> PathBuf {
        self.run(vm).join("serial.log")
    }

    /// What is to be done with a machine's disks, by the daemon.
    pub fn errand(&self, vm: &str) -> PathBuf {
        self.notes().join(format!("{vm}.disks.json"))
    }

    /// How that went, by the machine's own user.
    pub fn errand_report(&self, vm: &str) -> PathBuf {
        self.run(vm).join("disks.json")
    }

    /// There while the daemon has halted the machine for the instant of a snapshot.
    pub fn halted(&self, vm: &str) -> PathBuf {
        self.notes().join(format!("{vm}.halted"))
    }

    /// What QEMU said on its standard error.
    pub fn stderr(&self, vm: &str) -> PathBuf {
        self.run(vm).join("qemu.log")
    }

    /// What the root steps of a unit write down: how machines were started and how they ended.
    pub fn machines(&self) -> PathBuf {
        self.at("run/varde/machines")
    }

    /// The daemon's own notes, which outlive it until the next boot.
    pub fn notes(&self) -> PathBuf {
        self.at("run/varde/hypervisor")
    }

    /// What is written down of a rehearsal.
    pub fn rehearsal(&self, rehearsal: &str) -> PathBuf {
        self.at("var/lib/varde/rehearsal")
            .join(format!("{rehearsal}.json"))
    }

    /// Who has which floating desktop.
    pub fn desktops(&self) -> PathBuf {
        self.notes().join("desktops")
    }

    /// How much was free on the data disk, in the last days.
    pub fn forecast(&self) -> PathBuf {
        self.notes().join("forecast")
    }

    /// The data partition.
    pub fn data(&self) -> PathBuf {
        self.at("var/lib/varde")
    }

    /// `kvm` or `tcg`, as the probe of this boot found.
    pub fn accelerator(&self) -> PathBuf {
        self.at("run/varde/accelerator")
    }

    pub fn control_group(&self, vm: &str) -> PathBuf {
        self.at("sys/fs/cgroup/varde.slice/varde-vm.slice")
            .join(format!("varde-vm@{vm}.service"))
    }

    pub fn network_interface(&self, name: &str) -> PathBuf {
        self.at("sys/class/net").join(name)
    }

    pub fn memory_information(&self) -> PathBuf {
        self.at("proc/meminfo")
    }
}

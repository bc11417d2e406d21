//! What the tests of this crate stand on.

use std::path::Path;

use varde_site::{Disk, Firmware, Limits, Site, Vm};

use crate::paths::Paths;

/// A machine as small as one can be declared.
pub fn vm(name: &str) -> Vm {
    Vm {
        name: name.to_owned(),
        title: String::new(),
        group: String::new(),
        cpus: 1,
        memory: 64 << 20,
        zone: "inner".to_owned(),
        address: None,
        firmware: Firmware::Bios,
        autostart: false,
        after: Vec::new(),
        disks: Vec::new(),
        checks: Vec::new(),
        limits: Limits::default(),
        shutdown_timeout: 60,
        desktop: false,
    }
}

pub fn disk(name: &str, image: Option<&str>) -> Disk {
    Disk {
        name: name.to_owned(),
        image: image.map(ToOwned::to_owned),
        size: 1 << 30,
    }
}

/// A site with these machines.
pub fn site(vms: &[Vm]) -> Site {
    let text = include_str!("../tests/site.toml");
    let mut site = varde_site::parse(text).expect("the site of these tests is in order");
    site.vms = vms.to_vec();
    site
}

/// An appliance in a directory of its own.
pub struct Place {
    pub paths: Paths,
    _directory: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        for path in [
            "run/varde/vm",
            "run/varde/machines",
            "run/varde/hypervisor",
            "run/varde/media",
            "var/lib/varde/vm",
            "var/lib/varde/images",
            "sys/class/net/br-inner",
            "proc",
        ] {
            std::fs::create_dir_all(root.join(path)).expect("a directory");
        }
        std::fs::write(root.join("proc/meminfo"), "MemTotal: 4194304 kB\n").expect("written");
        Self {
            paths: Paths::below(root, Path::new("/bin/false"), Path::new("/bin/false")),
            _directory: directory,
        }
    }
}

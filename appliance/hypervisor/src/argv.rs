//! What QEMU is told: a machine and its surroundings in, a command line out. Pure, so that it can be compared word for
//! word.
//!
//! The machine type is a numbered one: a guest sees the same hardware after an update of QEMU.

use serde_json::{Value, json};
use varde_site::{Firmware, Vm};

use crate::identity;
use crate::paths::Paths;
use crate::probe::Accelerator;

pub const MACHINE_TYPE: &str = "pc-q35-10.0";

/// Room for translated code where the processor is emulated. QEMU's default, 1 GiB, would not fit beside the RAM in
/// the memory that the unit may use.
const TRANSLATION_CACHE_MIB: u32 = 128;

/// The system calls that QEMU has no business with once it runs.
pub const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

const UEFI_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
pub const UEFI_VARIABLES_TEMPLATE: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// The whole command line after the program's name. `tap` is absent where there is no network to join (benches).
pub fn argv(vm: &Vm, site: &str, accelerator: Accelerator, tap: Option<&str>, paths: &Paths) -> Vec<String> {
    let mut line = Line::default();
    line.option("-name", &vm.name);
    line.option("-uuid", identity::uuid(site, &vm.name));
    line.option("-sandbox", SANDBOX);
    line.flag("-nodefaults");
    line.flag("-no-user-config");
    line.option("-display", "none");
    processor(&mut line, vm, accelerator);
    firmware(&mut line, vm, paths);
    line.option("-rtc", "base=utc");
    line.option("-boot", "strict=on");
    line.option("-device", "virtio-rng-pci");
    for (place, disk) in vm.disks.iter().enumerate() {
        let file = paths.disk(&vm.name, &disk.name).display().to_string();
        drive(&mut line, vm, place, &disk.name, &file);
    }
    if let Some(tap) = tap {
        network(&mut line, vm, site, accelerator, tap);
    }
    line.option("-device", "virtio-serial-pci");
    let socket = |id: &str, path: std::path::PathBuf| {
        format!(
            "socket,id={id},path={},server=on,wait=off",
            escape(&path.display().to_string())
        )
    };
    line.option("-chardev", socket("agent", paths.agent(&vm.name)));
    line.option(
        "-device",
        "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
    );
    let log = paths.serial_log(&vm.name).display().to_string();
    line.option(
        "-chardev",
        format!(
            "{},logfile={},logappend=on",
            socket("serial", paths.serial(&vm.name)),
            escape(&log)
        ),
    );
    line.option("-serial", "chardev:serial");
    for (id, path) in [("qmp", paths.qmp(&vm.name)), ("rescue", paths.rescue(&vm.name))] {
        line.option("-chardev", socket(id, path));
        line.option("-mon", format!("chardev={id},mode=control"));
    }
    line.words
}

fn processor(line: &mut Line, vm: &Vm, accelerator: Accelerator) {
    // graphics=off: firmware and boot loader speak on the serial port, so that a guest that does not boot says so.
    let mut machine = format!("{MACHINE_TYPE},graphics=off,vmport=off");
    if vm.firmware == Firmware::Uefi {
        machine.push_str(",pflash0=firmware,pflash1=variables");
    }
    line.option("-machine", machine);
    match accelerator {
        Accelerator::Kvm => {
            line.option("-accel", "kvm");
            line.option("-cpu", "host");
        }
        Accelerator::Tcg => {
            line.option(
                "-accel",
                format!("tcg,thread=multi,tb-size={TRANSLATION_CACHE_MIB}"),
            );
            line.option("-cpu", "max,la57=off");
        }
    }
    line.option("-smp", vm.cpus.to_string());
    line.option("-m", format!("size={}B", vm.memory));
}

/// The code is the image's, the variables are the machine's own.
fn firmware(line: &mut Line, vm: &Vm, paths: &Paths) {
    if vm.firmware != Firmware::Uefi {
        return;
    }
    line.json("-blockdev", &firmware_code());
    let variables = paths.uefi_variables(&vm.name).display().to_string();
    line.json(
        "-blockdev",
        &json!({"driver": "qcow2", "node-name": "variables",
                "file": {"driver": "file", "filename": variables}}),
    );
}

/// The node `firmware`: UEFI code, which no machine may write.
pub fn firmware_code() -> Value {
    json!({"driver": "raw", "node-name": "firmware", "read-only": true,
           "file": {"driver": "file", "filename": UEFI_CODE}})
}

fn drive(line: &mut Line, vm: &Vm, place: usize, name: &str, file: &str) {
    let node = format!("disk{place}");
    line.json(
        "-blockdev",
        &json!({"driver": "qcow2", "node-name": node, "discard": "unmap", "detect-zeroes": "unmap",
                "file": {"driver": "file", "filename": file}}),
    );
    let mut top = node.clone();
    if vm.limits.io_bandwidth.is_some() || vm.limits.io_operations.is_some() {
        let group = format!("throttle{place}");
        let mut limits = serde_json::Map::new();
        let mut limit = |key: &str, value: Option<u64>| {
            if let Some(value) = value {
                limits.insert(key.to_owned(), value.into());
            }
        };
        limit("bps-total", vm.limits.io_bandwidth);
        limit("iops-total", vm.limits.io_operations);
        line.json(
            "-object",
            &json!({"qom-type": "throttle-group", "id": group, "limits": limits}),
        );
        top = format!("{node}-throttled");
        line.json(
            "-blockdev",
            &json!({"driver": "throttle", "node-name": top, "throttle-group": group, "file": node}),
        );
    }
    // A serial number has 20 bytes in virtio; the guest finds the disk under it in /dev/disk/by-id.
    let serial: String = name.chars().take(20).collect();
    line.option(
        "-device",
        format!(
            "virtio-blk-pci,drive={top},serial={serial},bootindex={}",
            place + 1
        ),
    );
}

fn network(line: &mut Line, vm: &Vm, site: &str, accelerator: Accelerator, tap: &str) {
    let vhost = if accelerator == Accelerator::Kvm {
        ",vhost=on"
    } else {
        ""
    };
    line.option(
        "-netdev",
        format!("tap,id=network,ifname={tap},script=no,downscript=no{vhost}"),
    );
    let mac = varde_site::mac_text(varde_site::mac(site, &vm.name));
    line.option(
        "-device",
        format!("virtio-net-pci,netdev=network,mac={mac},romfile="),
    );
}

/// A comma in a value of an option list is doubled.
fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

#[derive(Default)]
struct Line {
    words: Vec<String>,
}

impl Line {
    fn flag(&mut self, name: &str) {
        self.words.push(name.to_owned());
    }

    fn option(&mut self, name: &str, value: impl Into<String>) {
        self.words.push(name.to_owned());
        self.words.push(value.into());
    }

    fn json(&mut self, name: &str, value: &Value) {
        self.option(name, value.to_string());
    }
}

#[cfg(test)]
mod tests {
    use varde_site::Limits;

    use super::*;
    use crate::test::{disk, vm};

    fn paths() -> Paths {
        Paths::below("/", "qemu-system-x86_64", "qemu-img")
    }

    /// One option a line, as a person would write it down.
    fn golden(words: &[String]) -> String {
        let mut text = String::new();
        for word in words {
            text.push_str(if word.starts_with('-') { "\n" } else { " " });
            text.push_str(word);
        }
        text.trim_start().to_owned()
    }

    #[test]
    fn a_bios_machine_under_kvm() {
        let mut vm = vm("journal-db");
        vm.cpus = 2;
        vm.disks = vec![disk("system", Some("postgresql"))];
        let line = argv(&vm, "nord", Accelerator::Kvm, Some("vm-journal-db"), &paths());
        assert_eq!(golden(&line), include_str!("../tests/argv/bios-kvm").trim_end());
    }

    #[test]
    fn a_uefi_machine_with_limited_disks_under_emulation() {
        let mut vm = vm("web");
        vm.firmware = Firmware::Uefi;
        vm.disks = vec![
            disk("system", Some("small")),
            disk("a-disk-with-a-very-long-name", None),
        ];
        vm.limits = Limits {
            io_bandwidth: Some(50 << 20),
            io_operations: Some(500),
            ..Limits::default()
        };
        let line = argv(&vm, "nord", Accelerator::Tcg, Some("vm-web"), &paths());
        assert_eq!(golden(&line), include_str!("../tests/argv/uefi-tcg").trim_end());
    }

    #[test]
    fn a_comma_in_a_path_does_not_begin_another_option() {
        let paths = Paths::below("/a,b", "qemu", "qemu-img");
        let line = argv(&vm("web"), "nord", Accelerator::Tcg, None, &paths).join(" ");
        assert!(
            line.contains("path=/a,,b/run/varde/vm/web/qmp.sock,server=on"),
            "{line}"
        );
    }
}

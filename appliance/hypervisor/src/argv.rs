//! What QEMU is told: a machine and its surroundings in, a command line out. Pure, so that it can be compared word for
//! word.
//!
//! The machine type is a numbered one: a guest sees the same hardware after an update of QEMU.

use std::path::Path;

use serde_json::{Value, json};
use varde_disks::Chains;
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
/// `chains` tells which files a disk consists of; one that it does not know is a file of its own.
pub fn argv(
    vm: &Vm,
    site: &str,
    accelerator: Accelerator,
    tap: Option<&str>,
    chains: &Chains,
    paths: &Paths,
) -> Vec<String> {
    let mut line = Line::default();
    line.option("-name", &vm.name);
    line.option("-uuid", identity::uuid(site, &vm.name));
    line.option("-sandbox", SANDBOX);
    line.flag("-nodefaults");
    line.flag("-no-user-config");
    if vm.desktop {
        // Never `-k`: the browser sends keys by their place, and the guest knows its own keyboard.
        let screen = paths.screen(&vm.name).display().to_string();
        line.option("-display", format!("vnc=unix:{}", escape(&screen)));
    } else {
        line.option("-display", "none");
    }
    processor(&mut line, vm, accelerator);
    firmware(&mut line, vm, chains, paths);
    line.option("-rtc", "base=utc");
    line.option("-boot", "strict=on");
    line.option("-device", "virtio-rng-pci");
    if vm.desktop {
        // What every guest has a driver for; a pointer that is where the browser's is.
        line.option("-device", "VGA,vgamem_mb=16");
        line.option("-device", "qemu-xhci");
        line.option("-device", "usb-tablet");
    }
    for (place, disk) in vm.disks.iter().enumerate() {
        drive(&mut line, vm, place, &disk.name, chains, paths);
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
    // A desktop has a screen for that.
    let graphics = if vm.desktop { "on" } else { "off" };
    let mut machine = format!("{MACHINE_TYPE},graphics={graphics},vmport=off");
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
fn firmware(line: &mut Line, vm: &Vm, chains: &Chains, paths: &Paths) {
    if vm.firmware != Firmware::Uefi {
        return;
    }
    line.json("-blockdev", &firmware_code());
    if let Some((_, variables)) = layers(vm, UEFI_VARIABLES, chains, paths) {
        line.json("-blockdev", &variables);
    }
}

/// The disk that holds a machine's UEFI variables.
pub const UEFI_VARIABLES: &str = "uefi-variables";

/// Name of the node that a layer of a disk is in QEMU; `None` for a disk that this machine does not have.
pub fn node(vm: &Vm, disk: &str, file: &str) -> Option<String> {
    let name = if let Some(place) = vm.disks.iter().position(|declared| declared.name == disk) {
        format!("disk{place}")
    } else if disk == UEFI_VARIABLES && vm.firmware == Firmware::Uefi {
        "variables".to_owned()
    } else {
        return None;
    };
    Some(match varde_disks::number_of(file) {
        Some(number) => format!("{name}-{number}"),
        None => name,
    })
}

/// Name of the node that the guest's device has for a disk whose top layer is the node `top`: with limits a filter stands
/// between the two.
pub fn root(vm: &Vm, disk: &str, top: &str) -> String {
    match vm.disks.iter().position(|declared| declared.name == disk) {
        Some(place) if is_limited(vm) => throttled(place),
        _ => top.to_owned(),
    }
}

fn is_limited(vm: &Vm) -> bool {
    vm.limits.io_bandwidth.is_some() || vm.limits.io_operations.is_some()
}

fn throttled(place: usize) -> String {
    format!("disk{place}-throttled")
}

/// How QEMU opens one layer.
pub fn layer(node: &str, file: &Path) -> Value {
    let file = file.display().to_string();
    let mut options =
        json!({"driver": "qcow2", "node-name": node, "file": {"driver": "file", "filename": file}});
    // Variables are written by firmware, which never gives space back.
    if node.starts_with("disk") {
        options["discard"] = "unmap".into();
        options["detect-zeroes"] = "unmap".into();
    }
    options
}

/// The whole disk, and the name of its top node. What lies below a layer is named here rather than looked up in the
/// image: a guest that has broken out of its QEMU could have written another name there.
fn layers(vm: &Vm, disk: &str, chains: &Chains, paths: &Paths) -> Option<(String, Value)> {
    let first = [format!("{disk}.qcow2")];
    let files = chains.disks.get(disk).map_or(&first[..], |chain| &chain.layers);
    let mut below: Option<(String, Value)> = None;
    for file in files {
        let node = node(vm, disk, file)?;
        let mut options = layer(&node, &paths.disks(&vm.name).join(file));
        if let Some((_, below)) = below.take() {
            options["backing"] = below;
        }
        below = Some((node, options));
    }
    below
}

/// The node `firmware`: UEFI code, which no machine may write.
pub fn firmware_code() -> Value {
    json!({"driver": "raw", "node-name": "firmware", "read-only": true,
           "file": {"driver": "file", "filename": UEFI_CODE}})
}

fn drive(line: &mut Line, vm: &Vm, place: usize, name: &str, chains: &Chains, paths: &Paths) {
    let Some((node, disk)) = layers(vm, name, chains, paths) else {
        return;
    };
    line.json("-blockdev", &disk);
    let mut top = node.clone();
    if is_limited(vm) {
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
        top = throttled(place);
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
        let line = argv(
            &vm,
            "nord",
            Accelerator::Kvm,
            Some("vm-journal-db"),
            &Chains::default(),
            &paths(),
        );
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
        let line = argv(
            &vm,
            "nord",
            Accelerator::Tcg,
            Some("vm-web"),
            &Chains::default(),
            &paths(),
        );
        assert_eq!(golden(&line), include_str!("../tests/argv/uefi-tcg").trim_end());
    }

    #[test]
    fn a_desktop_has_a_screen_on_a_socket_and_no_clipboard() {
        let mut vm = vm("kontor-anne");
        vm.desktop = true;
        vm.disks = vec![disk("system", Some("desktop"))];
        let line = argv(&vm, "nord", Accelerator::Kvm, None, &Chains::default(), &paths());
        assert_eq!(golden(&line), include_str!("../tests/argv/desktop").trim_end());
    }

    #[test]
    fn a_disk_with_snapshots_names_every_layer_and_what_lies_below_it() {
        let mut vm = vm("web");
        vm.firmware = Firmware::Uefi;
        vm.disks = vec![disk("system", None), disk("new", None)];
        let layers = |files: &[&str]| varde_disks::Chain {
            base: None,
            layers: files.iter().map(|file| (*file).to_owned()).collect(),
        };
        let chains = Chains {
            disks: [
                (
                    "system".to_owned(),
                    layers(&["system.qcow2", "system.3.qcow2", "system.4.qcow2"]),
                ),
                (
                    UEFI_VARIABLES.to_owned(),
                    layers(&["uefi-variables.qcow2", "uefi-variables.3.qcow2"]),
                ),
            ]
            .into(),
            ..Chains::default()
        };
        let line = argv(&vm, "nord", Accelerator::Tcg, None, &chains, &paths());
        let nodes: Vec<&str> = line
            .iter()
            .filter(|word| word.starts_with("{\"backing"))
            .map(String::as_str)
            .collect();
        assert_eq!(nodes.len(), 2, "{line:?}");
        assert!(nodes[0].contains(r#""backing":{"driver":"qcow2","file":{"driver":"file","filename":"/var/lib/varde/vm/web/uefi-variables.qcow2"},"node-name":"variables"}"#));
        assert!(nodes[0].ends_with(r#""node-name":"variables-3"}"#));
        assert!(nodes[1].contains(r#"system.3.qcow2"},"node-name":"disk0-3"}"#));
        assert!(nodes[1].ends_with(r#""node-name":"disk0-4"}"#));
        assert!(line.contains(&"virtio-blk-pci,drive=disk0-4,serial=system,bootindex=1".to_owned()));
        assert!(line.contains(&"virtio-blk-pci,drive=disk1,serial=new,bootindex=2".to_owned()));
    }

    #[test]
    fn a_comma_in_a_path_does_not_begin_another_option() {
        let paths = Paths::below("/a,b", "qemu", "qemu-img");
        let line = argv(
            &vm("web"),
            "nord",
            Accelerator::Tcg,
            None,
            &Chains::default(),
            &paths,
        )
        .join(" ");
        assert!(
            line.contains("path=/a,,b/run/varde/vm/web/qmp.sock,server=on"),
            "{line}"
        );
    }
}

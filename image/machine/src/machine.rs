//! The machine and the QEMU command line that makes it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use crate::{Accel, Error, Result, Toolbox, disks};

/// Where a serial line of the machine leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serial {
    /// This terminal. `Ctrl-A x` ends the machine, `Ctrl-A c` is QEMU's own prompt.
    Terminal,
    /// A Unix socket that QEMU listens on; the machine does not wait for anyone.
    Socket(PathBuf),
}

/// `tcp:HOST-GUEST`: a port of this host leads to a port of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    pub host: u16,
    pub guest: u16,
}

impl FromStr for Forward {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.strip_prefix("tcp:")
            .and_then(|ports| ports.split_once('-'))
            .and_then(|(host, guest)| {
                Some(Self {
                    host: host.parse().ok()?,
                    guest: guest.parse().ok()?,
                })
            })
            .ok_or_else(|| Error::Usage {
                what: "the port to forward",
                given: text.to_owned(),
                remedy: "write tcp:HOST-GUEST, for instance tcp:8443-443",
            })
    }
}

/// A file that the machine's service manager gets as a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// For instance `varde.site`.
    pub name: String,
    pub file: PathBuf,
}

#[derive(Debug, Clone)]
pub struct Machine {
    pub accel: Accel,
    pub cpus: u8,
    /// MiB.
    pub memory: u64,
    /// qcow2, written to: from [`disks::overlay`] or [`disks::branch`].
    pub disk: PathBuf,
    /// Every write and flush of the disk goes into this file too, in the format of Linux' dm-log-writes: what a power
    /// cut could leave at any moment. The file must exist.
    pub disk_log: Option<PathBuf>,
    /// UEFI variables, qcow2, written to.
    pub variables: PathBuf,
    /// The disk of demo guests, raw, read-only.
    pub media: Option<PathBuf>,
    /// A stick, raw, read-only.
    pub stick: Option<PathBuf>,
    /// What firmware starts when the disk does not.
    pub medium: Option<Medium>,
    /// The operators' line, ttyS0.
    pub serial: Option<Serial>,
    /// Everything that the machine writes on ttyS0 goes into this file too.
    pub serial_log: Option<PathBuf>,
    /// A second line, ttyS1: a root shell if the credential `varde.debug-shell` is given, else silent.
    pub debug_serial: Option<PathBuf>,
    /// Socket of QEMU's control protocol.
    pub qmp: Option<PathBuf>,
    pub forwards: Vec<Forward>,
    /// The tap that the network card's cable leads to, in the network namespace where QEMU is started; without one, to
    /// QEMU's own NAT, and `forwards` through it.
    pub tap: Option<String>,
    pub credentials: Vec<Credential>,
    /// Anything else, as QEMU takes it.
    pub extra: Vec<OsString>,
}

/// An installation medium, raw, read-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    pub file: PathBuf,
    pub drive: Drive,
    /// Firmware tries it before the disk.
    pub first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// As a blade's management gives one.
    Cd,
    UsbStick,
}

impl Machine {
    /// The appliance as it is developed and tested: two processors, 4 GiB.
    pub fn new(accel: Accel, disk: impl Into<PathBuf>, variables: impl Into<PathBuf>) -> Self {
        Self {
            accel,
            cpus: 2,
            memory: 4096,
            disk: disk.into(),
            disk_log: None,
            variables: variables.into(),
            media: None,
            stick: None,
            medium: None,
            serial: None,
            serial_log: None,
            debug_serial: None,
            qmp: None,
            forwards: Vec::new(),
            tap: None,
            credentials: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// The process to start. It becomes QEMU: killing it is a power cut.
    pub fn command(&self, toolbox: &Toolbox) -> Command {
        let mut command = toolbox.command("qemu-system-x86_64");
        command.args(self.arguments());
        command
    }

    /// QEMU's arguments.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut line = Line::default();
        line.add("-name", "varde");
        line.add("-nodefaults", "");
        line.add("-display", "none");
        line.add("-machine", "q35");
        line.add("-accel", self.accel.option());
        line.add("-cpu", self.accel.cpu());
        line.add("-smp", self.cpus.to_string());
        line.add("-m", format!("{}M", self.memory));
        line.add(
            "-drive",
            format!("if=pflash,unit=0,format=raw,readonly=on,file={}", disks::FIRMWARE),
        );
        line.add(
            "-drive",
            with_path("if=pflash,unit=1,format=qcow2,file=", &self.variables),
        );

        line.add(
            "-drive",
            match &self.disk_log {
                None => with_path("if=none,id=disk,format=qcow2,discard=unmap,file=", &self.disk),
                Some(log) => {
                    let mut drive = with_path("if=none,id=disk,driver=blklogwrites,log.filename=", log);
                    drive.push(",log.driver=file,file.driver=qcow2,file.file.driver=file");
                    drive.push(with_path(",file.file.filename=", &self.disk));
                    drive
                }
            },
        );
        let (disk, medium) = match &self.medium {
            Some(Medium { first: true, .. }) => (1, 0),
            _ => (0, 1),
        };
        line.add(
            "-device",
            format!("virtio-blk-pci,drive=disk,serial=varde-disk,bootindex={disk}"),
        );
        if let Some(media) = &self.media {
            line.add(
                "-drive",
                with_path("if=none,id=media,format=raw,readonly=on,file=", media),
            );
            line.add("-device", "virtio-blk-pci,drive=media,serial=varde-images");
        }
        if let Some(stick) = &self.stick {
            line.add(
                "-drive",
                with_path(
                    "if=none,id=stick,format=raw,readonly=on,file.locking=off,file=",
                    stick,
                ),
            );
            line.add("-device", "virtio-blk-pci,drive=stick,serial=stick");
        }
        if let Some(Medium { file, drive, .. }) = &self.medium {
            line.add(
                "-drive",
                with_path(
                    "if=none,id=medium,format=raw,readonly=on,file.locking=off,file=",
                    file,
                ),
            );
            match drive {
                Drive::Cd => line.add("-device", format!("ide-cd,drive=medium,bootindex={medium}")),
                Drive::UsbStick => {
                    line.add("-device", "qemu-xhci");
                    line.add(
                        "-device",
                        format!("usb-storage,drive=medium,serial=medium,bootindex={medium}"),
                    );
                }
            }
        }

        let (nat, card) = match &self.tap {
            None => ("net", "net"),
            // The NAT is there all the same, with nothing on it: its state is part of a snapshot that was made with it.
            Some(_) => ("nat", "cable"),
        };
        line.add("-netdev", self.nat(nat));
        if let Some(tap) = &self.tap {
            line.add(
                "-netdev",
                format!("tap,id=cable,ifname={tap},script=no,downscript=no"),
            );
        }
        // Without a boot ROM: the firmware has nothing to look for on the network.
        line.add("-device", format!("virtio-net-pci,netdev={card},romfile="));
        line.add("-device", "virtio-rng-pci");
        line.add("-device", "i6300esb");

        if let Some(serial) = &self.serial {
            let mut chardev = match serial {
                Serial::Terminal => OsString::from("stdio,id=serial,mux=on,signal=off"),
                Serial::Socket(path) => with_path("socket,id=serial,server=on,wait=off,path=", path),
            };
            if let Some(log) = &self.serial_log {
                chardev.push(with_path(",logfile=", log));
            }
            line.add("-chardev", chardev);
            if *serial == Serial::Terminal {
                line.add("-mon", "chardev=serial,mode=readline");
            }
            line.add("-device", "isa-serial,chardev=serial");
        } else if let Some(log) = &self.serial_log {
            line.add("-chardev", with_path("file,id=serial,path=", log));
            line.add("-device", "isa-serial,chardev=serial");
        }
        if let Some(path) = &self.debug_serial {
            line.add(
                "-chardev",
                with_path("socket,id=debug,server=on,wait=off,path=", path),
            );
            line.add("-device", "isa-serial,index=1,chardev=debug");
        }
        if let Some(path) = &self.qmp {
            line.add("-qmp", with_path("unix:", path).with(",server=on,wait=off"));
        }
        for Credential { name, file } in &self.credentials {
            line.add(
                "-fw_cfg",
                with_path(&format!("name=opt/io.systemd.credentials/{name},file="), file),
            );
        }
        // Emulated SVM is known to work, and the appliance's probe of it is known to end QEMU 10.0 now and then: an
        // assertion of its translator fails while firmware runs as a guest's guest.
        if self.accel == Accel::Tcg {
            line.add(
                "-fw_cfg",
                "name=opt/io.systemd.credentials/varde.accelerator,string=kvm",
            );
        }
        line.0.extend(self.extra.iter().cloned());
        line.0
    }

    fn nat(&self, id: &str) -> String {
        let forwards = self
            .forwards
            .iter()
            .map(|Forward { host, guest }| format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"));
        format!("user,id={id},ipv6=off{}", forwards.collect::<String>())
    }
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn add(&mut self, option: &str, value: impl Into<OsString>) {
        self.0.push(option.into());
        let value = value.into();
        if !value.is_empty() {
            self.0.push(value);
        }
    }
}

trait With {
    fn with(self, more: &str) -> Self;
}

impl With for OsString {
    fn with(mut self, more: &str) -> Self {
        self.push(more);
        self
    }
}

/// `options` and then a path; a comma in the path is doubled, as QEMU's options want it.
fn with_path(options: &str, path: &Path) -> OsString {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    OsString::from(options).with(&path.to_string_lossy().replace(',', ",,"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine::new(Accel::Tcg, "/tmp/disk.qcow2", "/tmp/vars.qcow2")
    }

    fn values(machine: &Machine, option: &str) -> Vec<String> {
        let arguments = machine.arguments();
        let pairs = arguments.windows(2).filter(|pair| pair[0] == option);
        pairs.map(|pair| pair[1].to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_port_is_forwarded_from_this_host_alone() {
        let machine = Machine {
            forwards: vec!["tcp:8443-443".parse().unwrap()],
            ..machine()
        };
        let network = values(&machine, "-netdev");
        assert_eq!(network, ["user,id=net,ipv6=off,hostfwd=tcp:127.0.0.1:8443-:443"]);
    }

    #[test]
    fn a_wrong_forward_says_how_to_write_it() {
        for wrong in ["8443-443", "udp:1-2", "tcp:1", "tcp:1-70000", "tcp:-", ""] {
            let error = wrong.parse::<Forward>().unwrap_err().to_string();
            assert!(error.contains("tcp:8443-443"), "{error}");
        }
    }

    #[test]
    fn a_comma_in_a_path_does_not_start_another_option() {
        let machine = Machine {
            disk: "/tmp/a,readonly=on".into(),
            ..machine()
        };
        assert!(
            values(&machine, "-drive")
                .iter()
                .any(|drive| drive.ends_with("file=/tmp/a,,readonly=on"))
        );
    }

    #[test]
    fn a_credential_reaches_the_service_manager_by_its_name() {
        let credential = Credential {
            name: "varde.site".into(),
            file: "/tmp/site.toml".into(),
        };
        let site = "name=opt/io.systemd.credentials/varde.site,file=/tmp/site.toml";
        let emulated = Machine {
            credentials: vec![credential],
            ..machine()
        };
        let kvm = "name=opt/io.systemd.credentials/varde.accelerator,string=kvm";
        assert_eq!(values(&emulated, "-fw_cfg"), [site, kvm]);
        // Where hardware virtualisation works, the appliance finds out by itself, as on a blade.
        let accelerated = Machine {
            accel: Accel::Kvm,
            ..emulated
        };
        assert_eq!(values(&accelerated, "-fw_cfg"), [site]);
    }

    #[test]
    fn the_disk_boots_and_the_media_cannot_be_written() {
        let machine = Machine {
            media: Some("/tmp/media.raw".into()),
            ..machine()
        };
        let drives = values(&machine, "-drive");
        assert!(drives.iter().any(|drive| drive.contains("media.raw")));
        assert!(
            drives
                .iter()
                .all(|drive| !drive.contains("media.raw") || drive.contains("readonly=on"))
        );
        let devices = values(&machine, "-device");
        let boots: Vec<_> = devices
            .iter()
            .filter(|device| device.contains("bootindex"))
            .collect();
        assert_eq!(boots.len(), 1);
        assert!(boots[0].contains("drive=disk"));
    }
}

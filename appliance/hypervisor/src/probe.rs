//! Whether hardware virtualisation works here, found out by using it.
//!
//! `/dev/kvm` can exist and not work: on a machine that is itself virtual, real-mode firmware may run well and the first
//! 64-bit code fail. So UEFI firmware is booted, which runs in long mode with paging, and it must come as far as
//! looking for something to boot. The answer holds until the next boot. Who runs the appliance as a virtual machine may
//! know the answer and give it as a credential.

use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::argv::{MACHINE_TYPE, SANDBOX, firmware_code};
use crate::paths::Paths;

/// Firmware takes a second on hardware, and ten where that hardware is emulated and busy. To take good hardware for bad
/// costs more than to wait.
const BOUND: Duration = Duration::from_secs(90);

/// How the firmware's boot manager begins each of its lines on the serial port.
const FIRMWARE_IS_UP: &str = "BdsDxe";

/// How QEMU reports a virtual processor that KVM could not go on with; the machine then stands still.
const KVM_GAVE_UP: &str = "KVM internal error";

/// What runs a guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    Kvm,
    /// QEMU's own translation: works everywhere, an order of magnitude slower.
    Tcg,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        })
    }
}

impl Accelerator {
    /// What the probe of this boot wrote; emulation, which is always right, if it did not.
    pub fn read(paths: &Paths) -> Self {
        let text = std::fs::read_to_string(paths.accelerator()).ok();
        text.and_then(|text| Self::parse(&text)).unwrap_or(Self::Tcg)
    }

    fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "kvm" => Some(Self::Kvm),
            "tcg" => Some(Self::Tcg),
            _ => None,
        }
    }
}

/// The credential that tells the answer.
const TOLD: &str = "varde.accelerator";

/// Finds out. Says on standard error why KVM is not used.
pub fn probe(paths: &Paths) -> Accelerator {
    if let Some(told) = told(std::env::var_os("CREDENTIALS_DIRECTORY").as_deref()) {
        eprintln!("the credential {TOLD} says {told}; nothing was tried");
        return told;
    }
    match boot_firmware(paths) {
        Ok(()) => Accelerator::Kvm,
        Err(reason) => {
            eprintln!("no hardware virtualisation: {reason}; guests are emulated");
            Accelerator::Tcg
        }
    }
}

fn told(credentials: Option<&OsStr>) -> Option<Accelerator> {
    // Without the credential, or with one that cannot be read, we find out ourselves.
    let text = std::fs::read_to_string(Path::new(credentials?).join(TOLD)).ok()?;
    Accelerator::parse(&text).or_else(|| {
        eprintln!(
            "the credential {TOLD} says {:?}, which is neither kvm nor tcg; trying it out",
            text.trim()
        );
        None
    })
}

fn boot_firmware(paths: &Paths) -> Result<(), String> {
    if !paths.root().join("dev/kvm").exists() {
        return Err("there is no /dev/kvm".to_owned());
    }
    let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
    let also_theirs = theirs.try_clone().map_err(|error| error.to_string())?;
    let mut qemu = Command::new(&paths.qemu)
        .args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-sandbox",
            SANDBOX,
        ])
        .args(["-machine", &format!("{MACHINE_TYPE},pflash0=firmware")])
        .args(["-blockdev", &firmware_code().to_string()])
        .args(["-accel", "kvm", "-cpu", "host", "-m", "64", "-serial", "stdio"])
        .stdin(Stdio::null())
        .stdout(std::os::fd::OwnedFd::from(also_theirs))
        .stderr(std::os::fd::OwnedFd::from(theirs))
        .spawn()
        .map_err(|error| format!("{}: {error}", paths.qemu.display()))?;
    let result = wait_for_firmware(ours);
    // Gone already, or to be: either is fine, and there is nothing in it to lose.
    let _ = qemu.kill();
    let _ = qemu.wait();
    result
}

fn wait_for_firmware(mut from: UnixStream) -> Result<(), String> {
    let end = Instant::now() + BOUND;
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("firmware did not come up within {} s", BOUND.as_secs()));
        }
        from.set_read_timeout(Some(left))
            .map_err(|error| error.to_string())?;
        match from.read(&mut buffer) {
            Ok(0) => return Err(format!("QEMU ended: {}", last_line(&said))),
            Ok(count) => said.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.to_string()),
        }
        let text = String::from_utf8_lossy(&said);
        if text.contains(FIRMWARE_IS_UP) {
            return Ok(());
        }
        if text.contains(KVM_GAVE_UP) {
            return Err(KVM_GAVE_UP.to_owned());
        }
    }
}

fn last_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    text.lines().last().unwrap_or("it said nothing").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_tells_the_answer_and_a_wrong_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(told(Some(dir.path().as_os_str())), None);
        for (text, answer) in [
            ("kvm\n", Some(Accelerator::Kvm)),
            ("tcg", Some(Accelerator::Tcg)),
            ("hvf", None),
        ] {
            std::fs::write(dir.path().join(TOLD), text).unwrap();
            assert_eq!(told(Some(dir.path().as_os_str())), answer, "{text}");
        }
        assert_eq!(told(None), None);
    }
}

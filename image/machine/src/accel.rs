//! Whether hardware virtualisation works: known by booting, never by looking at the device.
//!
//! `/dev/kvm` can be there and fail at the first instruction it has to emulate. The probe boots the appliance's own
//! kernel without a root; it must come as far as saying so.

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::{Error, Result, Toolbox, cache_dir};

/// How long the kernel may take to its last words. With hardware it needs under 2 s.
const BOUND: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// Hardware virtualisation.
    Kvm,
    /// Emulation, of a processor with SVM: virtual machines inside the machine work too.
    Tcg,
}

impl Accel {
    /// Finds out, and remembers the answer until this host boots anew.
    pub fn probe(toolbox: &Toolbox, kernel: &Path) -> Result<Self> {
        if !Path::new("/dev/kvm").exists() {
            return Ok(Self::Tcg);
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let memory = cache_dir()?.join("accel");
        if let Ok(known) = fs::read_to_string(&memory) {
            if known.trim() == format!("{} kvm", boot.trim()) {
                return Ok(Self::Kvm);
            }
            if known.trim() == format!("{} tcg", boot.trim()) {
                return Ok(Self::Tcg);
            }
        }
        let found = if kernel_boots(toolbox, kernel)? {
            Self::Kvm
        } else {
            Self::Tcg
        };
        let word = if found == Self::Kvm { "kvm" } else { "tcg" };
        fs::write(&memory, format!("{} {word}\n", boot.trim()))
            .map_err(Error::io("cannot write", &memory))?;
        Ok(found)
    }

    pub fn option(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg,thread=multi,tb-size=1024",
        }
    }

    pub(crate) fn cpu(self) -> &'static str {
        match self {
            Self::Kvm => "host",
            // Five-level page tables cost the emulator and give nothing at this size.
            Self::Tcg => "max,+svm,-la57",
        }
    }
}

fn kernel_boots(toolbox: &Toolbox, kernel: &Path) -> Result<bool> {
    let mut command = toolbox.command("qemu-system-x86_64");
    command.args([
        "-nodefaults",
        "-display",
        "none",
        "-no-reboot",
        "-machine",
        "q35",
        "-m",
        "256M",
        "-smp",
        "2",
    ]);
    command.args(["-accel", "kvm", "-cpu", "host", "-serial", "stdio"]);
    command
        .args(["-append", "console=ttyS0 panic=-1", "-kernel"])
        .arg(kernel);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command
        .spawn()
        .map_err(Error::io("cannot start", "qemu-system-x86_64"))?;
    let mut stdout = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(stdout) = &mut stdout {
            // A read that fails ends what is known, and what is known decides.
            let _ = stdout.read_to_end(&mut said);
        }
        said
    });
    let started = Instant::now();
    let mut ended = false;
    while !ended && started.elapsed() < BOUND {
        ended = child
            .try_wait()
            .map_err(Error::io("cannot wait for", "qemu-system-x86_64"))?
            .is_some();
        thread::sleep(Duration::from_millis(20));
    }
    if !ended {
        child
            .kill()
            .map_err(Error::io("cannot end", "qemu-system-x86_64"))?;
        child
            .wait()
            .map_err(Error::io("cannot wait for", "qemu-system-x86_64"))?;
    }
    let said = reader.join().unwrap_or_default();
    Ok(String::from_utf8_lossy(&said).contains("Unable to mount root fs"))
}

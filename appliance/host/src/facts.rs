//! What the kernel and the image say of the machine.

use std::path::{Path, PathBuf};

use crate::Error;

/// Where to read: `/`, or the tree of a test.
#[derive(Clone, Debug)]
pub struct Sources {
    root: PathBuf,
}

/// The machine as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub hostname: String,
    pub machine_id: String,
    /// Empty where the system does not say.
    pub version: String,
    pub kernel: String,
    /// Seconds.
    pub uptime: u64,
    /// Over the last minute.
    pub load: f64,
    pub cpus: u32,
    /// Bytes.
    pub memory_total: u64,
    pub memory_available: u64,
    /// Bytes of the data partition.
    pub data_total: u64,
    pub data_available: u64,
    /// `kvm`, `tcg`, or empty before it has been tried.
    pub accelerator: String,
}

impl Sources {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn read(&self) -> Result<Facts, Error> {
        let memory = self.text("proc/meminfo")?;
        let data = self.space("var")?;
        Ok(Facts {
            hostname: self.hostname()?,
            machine_id: self.text("etc/machine-id")?.trim().to_owned(),
            version: os_release(&self.text("etc/os-release")?, "IMAGE_VERSION").unwrap_or_default(),
            kernel: self.text("proc/sys/kernel/osrelease")?.trim().to_owned(),
            // "12345.67 98765.43": whole seconds are before the point.
            uptime: self.first("proc/uptime", "how long the machine has run", |word| {
                word.split('.').next().and_then(|seconds| seconds.parse().ok())
            })?,
            load: self.first("proc/loadavg", "the load", |word| word.parse().ok())?,
            cpus: online(self.text("sys/devices/system/cpu/online")?.trim()).ok_or_else(|| Error::Odd {
                path: "/sys/devices/system/cpu/online".to_owned(),
                what: "how many processors there are",
            })?,
            memory_total: memory_of(&memory, "MemTotal")?,
            memory_available: memory_of(&memory, "MemAvailable")?,
            data_total: data.0,
            data_available: data.1,
            accelerator: self
                .text("run/varde/accelerator")
                .unwrap_or_default()
                .trim()
                .to_owned(),
        })
    }

    pub fn hostname(&self) -> Result<String, Error> {
        Ok(self.text("proc/sys/kernel/hostname")?.trim().to_owned())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn text(&self, path: &str) -> Result<String, Error> {
        let path = self.path(path);
        std::fs::read_to_string(&path).map_err(|source| Error::Read {
            path: shown(&path),
            source,
        })
    }

    fn first<T>(&self, path: &str, what: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
        let text = self.text(path)?;
        text.split_whitespace()
            .next()
            .and_then(read)
            .ok_or_else(|| Error::Odd {
                path: shown(&self.path(path)),
                what,
            })
    }

    /// Bytes of a file system, and how many of them an ordinary user can still take.
    fn space(&self, path: &str) -> Result<(u64, u64), Error> {
        let path = self.path(path);
        let found = rustix::fs::statvfs(&path).map_err(|error| Error::Read {
            path: shown(&path),
            source: error.into(),
        })?;
        Ok((found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn memory_of(text: &str, name: &'static str) -> Result<u64, Error> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map(|kib| kib.saturating_mul(1024))
        .ok_or(Error::Odd {
            path: "/proc/meminfo".to_owned(),
            what: name,
        })
}

/// A variable of os-release(5).
fn os_release(text: &str, name: &str) -> Option<String> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// How many there are in a list such as `0-3,6`.
fn online(list: &str) -> Option<u32> {
    list.split(',').try_fold(0u32, |sum, part| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        sum.checked_add(to.checked_sub(from)?.checked_add(1)?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    fn machine() -> TempDir {
        let root = TempDir::new().unwrap();
        for (path, text) in [
            (
                "proc/meminfo",
                "MemTotal:        4026532 kB\nMemFree: 1 kB\nMemAvailable:    3145728 kB\n",
            ),
            ("proc/uptime", "12345.67 98765.43\n"),
            ("proc/loadavg", "0.52 0.58 0.59 1/389 12345\n"),
            ("proc/sys/kernel/hostname", "fylke\n"),
            ("proc/sys/kernel/osrelease", "6.12.57\n"),
            ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
            ("etc/os-release", "ID=varde\nIMAGE_VERSION=\"0.1.0\"\n"),
            ("sys/devices/system/cpu/online", "0-1,4\n"),
            ("run/varde/accelerator", "kvm\n"),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::create_dir_all(root.path().join("var")).unwrap();
        root
    }

    #[test]
    fn the_machine_is_read_from_the_kernels_files() {
        let root = machine();
        let facts = Sources::new(root.path()).read().unwrap();
        assert_eq!(facts.hostname, "fylke");
        assert_eq!(facts.version, "0.1.0");
        assert_eq!(facts.kernel, "6.12.57");
        assert_eq!(facts.uptime, 12345);
        assert!((facts.load - 0.52).abs() < f64::EPSILON);
        assert_eq!(facts.cpus, 3);
        assert_eq!(facts.memory_total, 4_026_532 * 1024);
        assert_eq!(facts.memory_available, 3 << 30);
        assert_eq!(facts.accelerator, "kvm");
        assert!(facts.data_total >= facts.data_available && facts.data_total > 0);
    }

    #[test]
    fn this_machine_can_be_read() {
        let facts = Sources::new("/").read();
        // A machine that runs tests need not have been given an ID.
        assert!(
            matches!(&facts, Ok(facts) if facts.cpus > 0)
                || matches!(facts, Err(Error::Read { path, .. }) if path == "/etc/machine-id")
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let root = machine();
        std::fs::write(root.path().join("proc/meminfo"), "MemTotal: 1 kB\n").unwrap();
        let error = Sources::new(root.path()).read().unwrap_err();
        assert_eq!(error.to_string(), "/proc/meminfo does not say MemAvailable");
        std::fs::remove_file(root.path().join("proc/loadavg")).unwrap();
        std::fs::write(
            root.path().join("proc/meminfo"),
            "MemTotal: 1 kB\nMemAvailable: 1 kB\n",
        )
        .unwrap();
        let error = Sources::new(root.path()).read().unwrap_err();
        assert!(error.to_string().contains("proc/loadavg"), "{error}");
    }

    #[test]
    fn an_image_that_has_not_tried_virtualisation_yet_says_nothing_of_it() {
        let root = machine();
        std::fs::remove_file(root.path().join("run/varde/accelerator")).unwrap();
        assert_eq!(Sources::new(root.path()).read().unwrap().accelerator, "");
    }

    proptest! {
        #[test]
        fn lists_of_processors_are_counted_or_refused(list in "[0-9,-]{0,12}") {
            if let Some(count) = online(&list) {
                prop_assert!(count > 0);
            }
        }

        #[test]
        fn no_text_breaks_the_readers(text in ".{0,200}") {
            let _ = memory_of(&text, "MemTotal");
            let _ = os_release(&text, "IMAGE_VERSION");
        }
    }
}

//! What the boot loader would start from a disk that a power cut has left, by its own rules.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};
use varde_machine::Toolbox;
use varde_machine::release::LIST;

use crate::cut::Request;
use crate::error::{Context, Error, Result};

const SECTOR: u64 = 512;

/// A disk: what was there before, and what was written since.
#[derive(Clone)]
pub struct Disk<'a> {
    base: Rc<File>,
    size: u64,
    written: Rc<HashMap<u64, &'a [u8]>>,
    at: u64,
}

impl<'a> Disk<'a> {
    /// Takes the whole disk out of one that nobody is writing to; `to` is raw and sparse.
    pub fn extract(toolbox: &Toolbox, disk: &Path, to: &Path) -> Result<Self> {
        let mut convert = toolbox.command("qemu-img");
        convert
            .args(["convert", "-f", "qcow2", "-O", "raw"])
            .arg(disk)
            .arg(to);
        let status = convert.status().doing("start qemu-img")?;
        if !status.success() {
            return Err(Error::Tool {
                command: "qemu-img convert".to_owned(),
                status: status.to_string(),
                stderr: String::new(),
            });
        }
        let base = File::open(to).on("open", to)?;
        let size = base.metadata().on("look at", to)?.len();
        Ok(Self {
            base: Rc::new(base),
            size,
            written: Rc::default(),
            at: 0,
        })
    }

    /// One with nothing on it; `to` is raw and sparse.
    pub fn blank(to: &Path, size: u64) -> Result<Self> {
        let base = File::create_new(to)
            .and_then(|file| file.set_len(size))
            .and_then(|()| File::open(to))
            .on("make", to)?;
        Ok(Self {
            base: Rc::new(base),
            size,
            written: Rc::default(),
            at: 0,
        })
    }

    /// Does a request; what is discarded stays as it was, which is the harder case.
    pub fn apply(&mut self, request: &'a Request) {
        if let Request::Write { at, data } = request {
            // Slices of slices: their lengths are in range.
            let sectors = data.chunks(512).zip(at / SECTOR..);
            Rc::make_mut(&mut self.written).extend(sectors.map(|(bytes, sector)| (sector, bytes)));
        }
    }

    /// Writes it all into a raw file that is as the disk was before.
    pub fn write_to(&self, path: &Path) -> Result<()> {
        let file = File::options().write(true).open(path).on("open", path)?;
        for (sector, bytes) in self.written.iter() {
            file.write_all_at(bytes, sector * SECTOR).on("write", path)?;
        }
        Ok(())
    }

    /// SHA-256 of so many bytes from here.
    pub fn hash(&mut self, from: u64, length: u64) -> Result<String> {
        let mut hash = Sha256::new();
        self.at = from;
        let mut left = self.take(length);
        let mut chunk = vec![0; 1 << 20];
        loop {
            let count = left.read(&mut chunk).doing("read the disk")?;
            if count == 0 {
                break;
            }
            hash.update(&chunk[..count]);
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Read for Disk<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.size.min(self.at + buffer.len() as u64);
        // At most the length of a slice.
        let count = usize::try_from(end.saturating_sub(self.at)).unwrap_or(0);
        let buffer = &mut buffer[..count];
        self.base.read_exact_at(buffer, self.at)?;
        let mut done = 0;
        while done < count {
            let at = self.at + done as u64;
            let within = usize::try_from(at % SECTOR).unwrap_or(0);
            let length = (512 - within).min(count - done);
            if let Some(bytes) = self.written.get(&(at / SECTOR)) {
                buffer[done..done + length].copy_from_slice(&bytes[within..within + length]);
            }
            done += length;
        }
        self.at = end;
        Ok(count)
    }
}

impl Seek for Disk<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Readers of partition tables and file systems want it; nothing is written.
impl Write for Disk<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Disk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub name: String,
    pub uuid: String,
    /// In bytes.
    pub start: u64,
    pub length: u64,
}

impl Request {
    /// Whether it writes in a partition.
    pub fn touches(&self, part: &Partition) -> bool {
        let (at, length) = match self {
            Self::Write { at, data } => (*at, data.len() as u64),
            Self::Discard { at, length } => (*at, *length),
            Self::Flush => return false,
        };
        at < part.start + part.length && at + length > part.start
    }
}

/// The partition table; the copy at the end if that at the beginning is damaged in its head or in its entries, as firmware and
/// kernel have it (UEFI §5.3.2).
pub fn partitions(disk: &Disk<'_>) -> Result<Vec<Partition>> {
    let read = |disk: Disk<'_>| {
        let table = gpt::GptConfig::new().writable(false).open_from_device(disk);
        table.map(|table| table.partitions().clone())
    };
    let table = read(disk.clone()).or_else(|first| {
        let mut copy = disk.clone();
        Rc::make_mut(&mut copy.written).insert(1, &[0; 512]);
        read(copy).map_err(|second| lost(format!("neither partition table can be read: {first}; {second}")))
    })?;
    let mut found: Vec<Partition> = table
        .values()
        .map(|one| Partition {
            name: one.name.clone(),
            uuid: one.part_guid.to_string(),
            start: one.first_lba * SECTOR,
            length: (one.last_lba + 1 - one.first_lba) * SECTOR,
        })
        .collect();
    found.sort_by_key(|one| one.start);
    Ok(found)
}

/// What would be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Name of the entry's file.
    pub entry: String,
    /// SHA-256 of the kernel image.
    pub kernel: String,
    /// The partitions that it names by its root hash: root and verity.
    pub root: Partition,
    pub verity: Partition,
}

type Esp<'a> = fatfs::FileSystem<Part<'a>>;

fn esp<'a>(disk: &Disk<'a>, all: &[Partition]) -> Result<Esp<'a>> {
    let found = all
        .iter()
        .find(|one| one.name == "varde-esp")
        .ok_or_else(|| lost("there is no ESP".to_owned()))?;
    let part = Part {
        disk: disk.clone(),
        start: found.start,
        length: found.length,
        at: 0,
    };
    fatfs::FileSystem::new(part, fatfs::FsOptions::new())
        .map_err(|error| lost(format!("the ESP cannot be read: {error}")))
}

/// The boot loader that firmware starts from this disk, where it looks for one on any (UEFI §3.5.1.1). `None`: it goes on
/// to the next disk.
pub fn loader(disk: &Disk<'_>) -> Option<Vec<u8>> {
    let all = partitions(disk).ok()?;
    let system = esp(disk, &all).ok()?;
    let mut file = system.root_dir().open_file("EFI/BOOT/BOOTX64.EFI").ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    // Nothing is no program.
    (!bytes.is_empty()).then_some(bytes)
}

/// The entry that systemd-boot takes: those without tries last, else the newest.
pub fn start(disk: &Disk<'_>) -> Result<Start> {
    let all = partitions(disk)?;
    let system = esp(disk, &all)?;
    let wrong = |error: io::Error| lost(format!("the ESP cannot be read: {error}"));
    let folder = system.root_dir().open_dir("EFI/Linux").map_err(wrong)?;
    let mut entries: Vec<((bool, [u32; 3]), String)> = Vec::new();
    for entry in folder.iter() {
        let name = entry.map_err(wrong)?.file_name();
        entries.extend(rank(&name).map(|rank| (rank, name)));
    }
    entries.sort();
    let (name, kernel) = loop {
        let (_, name) = entries
            .pop()
            .ok_or_else(|| lost("there is no entry to start".to_owned()))?;
        let mut kernel = Vec::new();
        let read = folder
            .open_file(&name)
            .and_then(|mut file| file.read_to_end(&mut kernel));
        read.map_err(wrong)?;
        // It passes by what is no program: a new name that has not got what it holds yet.
        if !kernel.is_empty() {
            break (name, kernel);
        }
    };
    let hash: String = Sha256::digest(&kernel)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let wanted = varde_machine::release::partitions(&kernel)
        .ok_or_else(|| lost(format!("{name} names no root hash")))?;
    let find = |uuid: &str| {
        let found = all
            .iter()
            .find(|one| one.uuid.eq_ignore_ascii_case(uuid))
            .cloned();
        found.ok_or_else(|| lost(format!("{name} names the partition {uuid}, which is not there")))
    };
    Ok(Start {
        root: find(&wanted[0])?,
        verity: find(&wanted[1])?,
        entry: name,
        kernel: hash,
    })
}

/// Whether what would be started is, byte by byte, what was released.
pub fn intact(release: &Path, start: &Start, disk: &mut Disk<'_>) -> std::result::Result<(), String> {
    let listed = fs::read_to_string(release.join(LIST)).expect("it was made");
    for (suffix, part) in [(".root.raw", &start.root), (".verity.raw", &start.verity)] {
        let files = fs::read_dir(release).expect("it was made");
        let mut paths = files.map(|file| file.expect("it was made").path());
        let path = paths
            .find(|path| path.to_string_lossy().ends_with(suffix))
            .expect("it was made");
        let length = fs::metadata(&path).expect("it was made").len();
        let hash = disk.hash(part.start, length).map_err(|error| error.to_string())?;
        if !listed.contains(&hash) {
            return Err(format!("{} is started, and {suffix} is not whole", start.entry));
        }
    }
    if listed.contains(&start.kernel) {
        return Ok(());
    }
    Err(format!("{} is not whole", start.entry))
}

/// Whether it has tries or needs none, and its version; the greatest is started.
fn rank(name: &str) -> Option<(bool, [u32; 3])> {
    let name = name.strip_prefix("varde_")?.strip_suffix(".efi")?;
    let (version, counts) = name.split_once('+').unwrap_or((name, "1"));
    let version: Vec<u32> = version
        .split('.')
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()
        .ok()?;
    let left: u32 = counts.split('-').next()?.parse().ok()?;
    Some((left > 0, version.try_into().ok()?))
}

fn lost(what: String) -> Error {
    Error::Setup {
        what,
        remedy: "a power cut must not be able to leave this".to_owned(),
    }
}

/// A part of a disk.
struct Part<'a> {
    disk: Disk<'a>,
    start: u64,
    length: u64,
    at: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        self.disk.seek(SeekFrom::Start(self.start + self.at))?;
        let count = self.disk.read(&mut buffer[..count])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Part<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Write for Part<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_with_tries_comes_before_one_without_and_the_newest_first() {
        let mut names = [
            "varde_0.1.0.efi",
            "varde_0.2.0+3-0.efi",
            "varde_0.10.0+0-3.efi",
            "varde_0.9.0+1-2.efi",
        ];
        names.sort_by_key(|name| rank(name));
        assert_eq!(
            names,
            [
                "varde_0.10.0+0-3.efi",
                "varde_0.1.0.efi",
                "varde_0.2.0+3-0.efi",
                "varde_0.9.0+1-2.efi"
            ]
        );
        assert_eq!(rank("varde_0.2.efi"), None);
        assert_eq!(rank(".#varde_0.2.0+3-0.efi1234"), None);
    }
}

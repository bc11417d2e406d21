//! Writes the disk. At any moment a power cut leaves what was there before, or what does not start, or all of it.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use varde_site::Text;

use crate::disks::{Listing, UNFINISHED};
use crate::medium::{LOADER, Medium, Mounted, erofs_size};
use crate::{Error, Result, tool};

const CHUNK: usize = 1 << 20;
/// What the image was laid out by, and the data partition.
const LAYOUTS: [&str; 2] = ["/usr/lib/varde/repart.d", "/usr/lib/repart.d"];
const OURS: &str = "/run/varde-install/repart.d";
/// What a partition is, without what it was filled with when the image was built.
const KEPT: [&str; 4] = ["Type=", "Label=", "SizeMinBytes=", "SizeMaxBytes="];
/// Where the first site waits for the first boot, on the data partition.
const SITE: &str = "lib/varde/site/first.toml";
const SITES_OWNER: &str = "varde-site";
/// Which answers an installation was made by.
const MADE_BY: &str = "lib/varde/installed-by";

pub struct Plan<'a> {
    pub medium: &'a Medium,
    /// The disk.
    pub disk: &'a Path,
    /// Which version the medium is.
    pub version: &'a str,
    pub site: &'a str,
    /// The answers that nobody watched being carried out; empty: somebody did.
    pub answers: &'a str,
}

/// Whether a disk was installed by these very answers: then they are not carried out again, whatever they say of erasing.
/// Nobody takes a medium out in time for ever. A disk that cannot be read is not such a one.
pub fn made_by(listing: &Listing, disk: &Path, answers: &str) -> bool {
    let device = listing.blockdevices.iter().find(|one| one.path == disk);
    let Some(data) = device.and_then(|device| device.part("varde-data")) else {
        return false;
    };
    let Ok(mounted) = Mounted::untouched(&data.path, "look") else {
        return false;
    };
    let found = fs::read_to_string(mounted.path().join(MADE_BY));
    found.is_ok_and(|found| found == mark(answers))
}

fn mark(answers: &str) -> String {
    Sha256::digest(answers)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// How far it is.
pub enum Progress<'a> {
    Step(&'a Text),
    Percent(u64),
}

impl Plan<'_> {
    pub fn carry_out(&self, tell: &mut dyn FnMut(&Progress<'_>)) -> Result<()> {
        let step = |nb: &str, en: &str| Text::new(nb, en);
        tell(&Progress::Step(&step("Partisjonene", "Partitions")));
        self.clear()?;
        self.partition()?;
        let parts = Parts::of(self.disk, self.medium)?;

        tell(&Progress::Step(&step("Systemet", "The system")));
        let size = erofs_size(&self.medium.root)?;
        copy(&self.medium.root, &parts.root, size, tell)?;
        tell(&Progress::Step(&step(
            "Det som verifiserer det",
            "What verifies it",
        )));
        let size = size_of(&self.medium.verity)?;
        copy(&self.medium.verity, &parts.verity, size, tell)?;

        tell(&Progress::Step(&step("Data og anlegg", "Data and site")));
        self.data(&parts)?;
        tell(&Progress::Step(&step("Oppstart", "Boot loader")));
        self.boot(&parts)
    }

    /// From here on the disk does not start: both copies of its table are gone.
    fn clear(&self) -> Result<()> {
        let size = size_of(self.disk)?;
        let wrong = || Error::io("clear", self.disk);
        let disk = File::options().write(true).open(self.disk).map_err(wrong())?;
        let nothing = vec![0; CHUNK];
        disk.write_all_at(&nothing, 0).map_err(wrong())?;
        disk.write_all_at(&nothing, size - CHUNK as u64)
            .map_err(wrong())?;
        disk.sync_all().map_err(wrong())
    }

    fn partition(&self) -> Result<()> {
        let ours = Path::new(OURS);
        fs::create_dir_all(ours).map_err(Error::io("make", ours))?;
        for folder in LAYOUTS {
            for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
                let path = entry.map_err(Error::io("list", folder))?.path();
                let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
                let text = layout(&text, self.medium);
                let to = ours.join(path.file_name().unwrap_or_default());
                fs::write(&to, text).map_err(Error::io("write", &to))?;
            }
        }
        tool::run(
            "systemd-repart",
            &[
                "--dry-run=no",
                "--empty=force",
                "--pretty=no",
                &format!("--definitions={OURS}"),
                &self.disk.to_string_lossy(),
            ],
        )?;
        tool::run("udevadm", &["settle", "--timeout=60"]).map(drop)
    }

    fn data(&self, parts: &Parts) -> Result<()> {
        let device = parts.data.to_string_lossy();
        tool::run("mkfs.ext4", &["-q", "-F", "-L", UNFINISHED, "-m", "1", &device])?;
        let mounted = Mounted::write(&parts.data, "data")?;
        let site = mounted.path().join(SITE);
        let folder = site.parent().unwrap_or(mounted.path());
        fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
        write_synced(&site, self.site.as_bytes())?;
        if !self.answers.is_empty() {
            let made_by = mounted.path().join(MADE_BY);
            write_synced(&made_by, mark(self.answers).as_bytes())?;
        }
        let owner = format!("{SITES_OWNER}:{SITES_OWNER}");
        tool::run("chown", &["--recursive", &owner, &folder.to_string_lossy()])?;
        tool::run("chmod", &["0600", &site.to_string_lossy()])?;
        tool::run("chmod", &["0750", &folder.to_string_lossy()])?;
        mounted.close()
    }

    /// All but the boot loader first, and that by a rename.
    fn boot(&self, parts: &Parts) -> Result<()> {
        let from = Mounted::read(&self.medium.esp, "medium")?;
        let to = Mounted::write(&parts.esp, "esp")?;
        for (file, name) in files(from.path(), self.version)? {
            let path = to.path().join(&name);
            let folder = path.parent().unwrap_or(to.path());
            fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
            let bytes = fs::read(&file).map_err(Error::io("read", &file))?;
            write_synced(&path, &bytes)?;
        }
        to.close()?;

        let to = Mounted::write(&parts.esp, "esp")?;
        let (loader, new) = (to.path().join(LOADER), to.path().join("EFI/BOOT/new"));
        let source = from.path().join(LOADER);
        let bytes = fs::read(&source).map_err(Error::io("read", &source))?;
        let folder = to.path().join("EFI/BOOT");
        fs::create_dir_all(&folder).map_err(Error::io("make", &folder))?;
        write_synced(&new, &bytes)?;
        fs::rename(&new, &loader).map_err(Error::io("write", &loader))?;
        to.close()?;
        tool::run("e2label", &[&parts.data.to_string_lossy(), "varde-data"])?;
        tool::run("sync", &[]).map(drop)
    }
}

/// What a partition's definition says of its place; the first root gets the name that its kernel image knows it by.
fn layout(text: &str, medium: &Medium) -> String {
    let mut kept: Vec<String> = vec!["[Partition]".to_owned()];
    kept.extend(
        text.lines()
            .filter(|line| *line == "Format=vfat" || KEPT.iter().any(|key| line.starts_with(key)))
            .map(ToOwned::to_owned),
    );
    let has = |line: &str| text.lines().any(|one| one == line);
    if !has("Label=_empty") {
        if has("Type=root") {
            kept.push(format!("UUID={}", medium.root_id));
        }
        if has("Type=root-verity") {
            kept.push(format!("UUID={}", medium.verity_id));
        }
    }
    kept.join("\n") + "\n"
}

/// The new partitions.
struct Parts {
    esp: PathBuf,
    root: PathBuf,
    verity: PathBuf,
    data: PathBuf,
}

impl Parts {
    fn of(disk: &Path, medium: &Medium) -> Result<Self> {
        let listing = Listing::here()?;
        let lost = |what: &str| Error::Tool {
            tool: "systemd-repart".to_owned(),
            said: format!("{} has no partition {what}", disk.display()),
        };
        let device = listing.blockdevices.iter().find(|one| one.path == disk);
        let device = device.ok_or_else(|| lost("at all"))?;
        let labelled = |label: &str| {
            let part = device.part(label).ok_or_else(|| lost(label))?;
            Ok::<_, Error>(part.path.clone())
        };
        let by_id = |id: &str| {
            let found = device
                .children
                .iter()
                .find(|one| one.partuuid.as_deref() == Some(id));
            found.map(|one| one.path.clone()).ok_or_else(|| lost(id))
        };
        Ok(Self {
            esp: labelled("varde-esp")?,
            data: labelled("varde-data")?,
            root: by_id(&medium.root_id)?,
            verity: by_id(&medium.verity_id)?,
        })
    }
}

/// Bytes of a file or of a block device.
fn size_of(path: &Path) -> Result<u64> {
    File::open(path)
        .and_then(|mut file| file.seek(SeekFrom::End(0)))
        .map_err(Error::io("look at", path))
}

/// Copies so many bytes, and reads them again from the disk.
fn copy(from: &Path, to: &Path, size: u64, tell: &mut dyn FnMut(&Progress<'_>)) -> Result<()> {
    let mut source = File::open(from).map_err(Error::io("open", from))?;
    let mut target = File::options()
        .read(true)
        .write(true)
        .open(to)
        .map_err(Error::io("open", to))?;
    let mut chunk = vec![0; CHUNK];
    // Half of the work is to read it again.
    let mut percent = |done: u64| tell(&Progress::Percent(done * 50 / size.max(1)));
    let mut written = Sha256::new();
    let mut done = 0;
    while done < size {
        let length = part(size - done);
        source
            .read_exact(&mut chunk[..length])
            .map_err(Error::io("read", from))?;
        written.update(&chunk[..length]);
        target
            .write_all(&chunk[..length])
            .map_err(Error::io("write", to))?;
        done += length as u64;
        percent(done);
    }
    target.sync_all().map_err(Error::io("write", to))?;
    // Else it would be read from memory.
    rustix::fs::fadvise(&target, 0, None, rustix::fs::Advice::DontNeed)
        .map_err(|error| Error::io("read", to)(error.into()))?;
    target.rewind().map_err(Error::io("read", to))?;
    let mut found = Sha256::new();
    let mut read = 0;
    while read < size {
        let length = part(size - read);
        target
            .read_exact(&mut chunk[..length])
            .map_err(Error::io("read", to))?;
        found.update(&chunk[..length]);
        read += length as u64;
        percent(size + read);
    }
    if found.finalize() == written.finalize() {
        return Ok(());
    }
    Err(Error::refused(
        format!(
            "{} gir ikke tilbake det som ble skrevet: disken er i ustand. Bytt den",
            to.display()
        ),
        format!(
            "{} does not give back what was written: the disk is faulty. Change it",
            to.display()
        ),
    ))
}

fn part(left: u64) -> usize {
    usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    File::create(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(Error::io("write", path))
}

/// The files of the medium's EFI system partition but the boot loader, and their names on the disk: there the kernel
/// image is one that has tries.
fn files(medium: &Path, version: &str) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = medium.join(&folder);
        for entry in fs::read_dir(&path).map_err(Error::io("list", &path))? {
            let entry = entry.map_err(Error::io("list", &path))?;
            let name = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(name);
                continue;
            }
            let name = name.to_string_lossy().into_owned();
            let name = match name.as_str() {
                LOADER => continue,
                kernel if kernel == format!("EFI/Linux/varde_{version}.efi") => {
                    format!("EFI/Linux/varde_{version}+3.efi")
                }
                _ => name,
            };
            found.push((entry.path(), name));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medium() -> Medium {
        Medium {
            disk: "sr0".to_owned(),
            esp: "/dev/sr0p1".into(),
            root: "/dev/mapper/root".into(),
            root_id: "the-root".to_owned(),
            verity: "/dev/sr0p3".into(),
            verity_id: "the-verity".to_owned(),
        }
    }

    #[test]
    fn partitions_are_those_of_the_image_without_what_filled_them_then() {
        let root = "[Partition]\nType=root\nFormat=erofs\nLabel=varde_%A\nCopyFiles=/\nVerity=data\nSizeMinBytes=2G\nSizeMaxBytes=2G\n";
        assert_eq!(
            layout(root, &medium()),
            "[Partition]\nType=root\nLabel=varde_%A\nSizeMinBytes=2G\nSizeMaxBytes=2G\nUUID=the-root\n"
        );
        let verity =
            "# a remark\n[Partition]\nType=root-verity\nLabel=varde_%A\nVerity=hash\nSplitName=root-verity\n";
        assert_eq!(
            layout(verity, &medium()),
            "[Partition]\nType=root-verity\nLabel=varde_%A\nUUID=the-verity\n"
        );
        let other = "[Partition]\nType=root\nLabel=_empty\nSplitName=-\n";
        assert_eq!(layout(other, &medium()), "[Partition]\nType=root\nLabel=_empty\n");
        let esp = "[Partition]\nType=esp\nFormat=vfat\nLabel=varde-esp\nCopyFiles=/boot:/\n";
        assert_eq!(
            layout(esp, &medium()),
            "[Partition]\nType=esp\nFormat=vfat\nLabel=varde-esp\n"
        );
    }

    #[test]
    fn the_boot_loader_is_not_among_what_is_written_first_and_the_kernel_has_tries() {
        let folder = tempfile::tempdir().unwrap();
        for name in [LOADER, "EFI/Linux/varde_0.1.0.efi", "loader/loader.conf"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let names: Vec<String> = files(folder.path(), "0.1.0")
            .unwrap()
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(names, ["EFI/Linux/varde_0.1.0+3.efi", "loader/loader.conf"]);
    }

    #[test]
    fn what_is_copied_is_read_again_and_its_progress_told() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        fs::write(&from, &bytes).unwrap();
        fs::write(&to, vec![9; 4_000_000]).unwrap();
        let mut told = Vec::new();
        copy(&from, &to, 2_500_000, &mut |progress| {
            if let Progress::Percent(percent) = progress {
                told.push(*percent);
            }
        })
        .unwrap();
        let written = fs::read(&to).unwrap();
        assert_eq!(written[..2_500_000], bytes[..2_500_000]);
        assert!(written[2_500_000..].iter().all(|byte| *byte == 9));
        assert!(told.is_sorted() && told.last() == Some(&100), "{told:?}");
        // A medium that ends before its time.
        assert!(copy(&from, &to, 3_500_000, &mut |_| ()).is_err());
    }
}

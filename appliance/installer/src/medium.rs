//! What is installed: what was started.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::disks::{Device, Listing};
use crate::{Error, Result, tool};

/// Label of the medium's EFI system partition: by it the appliance knows that it was started from one.
pub const LABEL: &str = "varde-medium";
/// Label of the file system of a stick with answers; short enough for all of them.
pub const STICK: &str = "VARDE";
/// The boot loader, where firmware looks for it on any disk (UEFI §3.5.1.1).
pub const LOADER: &str = "EFI/BOOT/BOOTX64.EFI";
const PLACES: &str = "/run/varde-install";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// The disk, as the kernel calls it.
    pub disk: String,
    pub esp: PathBuf,
    /// The verified root: what is read from it is what was released, or nothing.
    pub root: PathBuf,
    pub root_id: String,
    pub verity: PathBuf,
    pub verity_id: String,
}

impl Medium {
    pub fn here(listing: &Listing) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).map_err(Error::io("read", path));
        let part = read("/run/varde-root-partition")?;
        let line = read("/proc/cmdline")?;
        Self::of(listing, part.trim(), &line)
    }

    fn of(listing: &Listing, part: &str, line: &str) -> Result<Self> {
        let lost = |what: &str| Error::Tool {
            tool: "lsblk".to_owned(),
            said: format!("the medium has no {what}"),
        };
        let disk = listing
            .blockdevices
            .iter()
            .find(|device| device.children.iter().any(|one| one.name == part))
            .ok_or_else(|| lost(part))?;
        let [root_id, verity_id] = partitions(line).ok_or_else(|| lost("root hash"))?;
        let by_id = |id: &str| {
            let found = disk
                .children
                .iter()
                .find(|one| one.partuuid.as_deref() == Some(id));
            found.map(|one| one.path.clone()).ok_or_else(|| lost(id))
        };
        Ok(Self {
            disk: disk.name.clone(),
            esp: disk.part(LABEL).ok_or_else(|| lost(LABEL))?.path.clone(),
            root: "/dev/mapper/root".into(),
            verity: by_id(&verity_id)?,
            root_id,
            verity_id,
        })
    }
}

/// UUIDs of the root partition and of its verity partition: the halves of the root hash, by the Discoverable Partitions
/// Specification.
fn partitions(line: &str) -> Option<[String; 2]> {
    let hash = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("roothash="))?;
    if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let uuid = |half: &str| {
        let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
        groups.map(|group| &half[group]).join("-")
    };
    Some([uuid(&hash[..32]), uuid(&hash[32..])])
}

/// Bytes of the root's file system: what lies behind it in its partition is never read. EROFS' superblock.
pub fn erofs_size(root: &Path) -> Result<u64> {
    const MAGIC: u32 = 0xe0f5_e1e2;
    let mut block = [0; 128];
    File::open(root)
        .and_then(|file| file.read_exact_at(&mut block, 1024))
        .map_err(Error::io("read", root))?;
    let number = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&block[at..at + 4]);
        u32::from_le_bytes(bytes)
    };
    let bits = u32::from(block[12]);
    if number(0) != MAGIC || !(9..=16).contains(&bits) {
        return Err(Error::Tool {
            tool: root.display().to_string(),
            said: "is no EROFS".to_owned(),
        });
    }
    Ok(u64::from(number(36)) << bits)
}

/// A file system that is mounted for as long as this lives.
pub struct Mounted(PathBuf);

impl Mounted {
    pub fn read(device: &Path, name: &str) -> Result<Self> {
        Self::new(device, name, "ro,nodev,nosuid,noexec")
    }

    /// A journal that was not played back stays so.
    pub fn untouched(device: &Path, name: &str) -> Result<Self> {
        Self::new(device, name, "ro,noload,nodev,nosuid,noexec")
    }

    pub fn write(device: &Path, name: &str) -> Result<Self> {
        Self::new(device, name, "nodev,nosuid,noexec")
    }

    fn new(device: &Path, name: &str, options: &str) -> Result<Self> {
        let place = Path::new(PLACES).join(name);
        fs::create_dir_all(&place).map_err(Error::io("make", &place))?;
        let (device, folder) = (device.to_string_lossy(), place.to_string_lossy());
        tool::run("mount", &["-o", options, &device, &folder])?;
        Ok(Self(place))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What was written is on the disk when this returns.
    pub fn close(self) -> Result<()> {
        let place = self.0.to_string_lossy().into_owned();
        std::mem::forget(self);
        tool::run("umount", &[&place]).map(drop)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = tool::run("umount", &[&self.0.to_string_lossy()]);
    }
}

/// Whether a disk with this EFI system partition would be started. One that cannot be read might.
pub fn has_loader(esp: &Path) -> bool {
    let Ok(mounted) = Mounted::read(esp, "look") else {
        return true;
    };
    match fs::metadata(mounted.path().join(LOADER)) {
        Ok(found) => found.len() > 0,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// The stick with answers, if there is one.
pub fn stick(listing: &Listing) -> Option<&Device> {
    let all = listing
        .blockdevices
        .iter()
        .flat_map(|device| std::iter::once(device).chain(&device.children));
    all.into_iter().find(|one| one.label.as_deref() == Some(STICK))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef00000000000000001111111111111111";

    #[test]
    fn the_medium_is_the_disk_with_the_root_that_was_started() {
        let part = |name: &str, label: &str, id: &str| {
            format!(
                r#"{{"name":"{name}","path":"/dev/{name}","size":1,"ro":true,"type":"part","model":null,"serial":null,"tran":null,
                "id-link":null,"pttype":"gpt","partlabel":"{label}","partuuid":"{id}","fstype":null,"label":null}}"#
            )
        };
        let disk = |name: &str, children: &str| {
            format!(
                r#"{{"name":"{name}","path":"/dev/{name}","size":1,"ro":true,"type":"loop","model":null,"serial":null,"tran":null,
                "id-link":null,"pttype":"gpt","partlabel":null,"partuuid":null,"fstype":null,"label":null,"children":[{children}]}}"#
            )
        };
        let verity = "00000000-0000-0000-1111-111111111111";
        let parts = [
            part("loop0p1", LABEL, "a"),
            part("loop0p2", "r", "01234567-89ab-cdef-0123-456789abcdef"),
            part("loop0p3", "v", verity),
        ];
        let other = disk("sda", &part("sda1", "varde-esp", "b"));
        let listing = format!(
            r#"{{"blockdevices":[{other},{}]}}"#,
            disk("loop0", &parts.join(","))
        );
        let listing = Listing::read(&listing).unwrap();
        let line = format!("quiet roothash={HASH} x");
        let medium = Medium::of(&listing, "loop0p2", &line).unwrap();
        assert_eq!(medium.disk, "loop0");
        assert_eq!(medium.esp, PathBuf::from("/dev/loop0p1"));
        assert_eq!(medium.verity, PathBuf::from("/dev/loop0p3"));
        assert_eq!(medium.verity_id, verity);
        assert!(Medium::of(&listing, "sda1", &line).is_err());
        assert!(Medium::of(&listing, "loop0p2", "quiet").is_err());
    }

    #[test]
    fn the_size_of_the_root_is_read_from_its_superblock() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut bytes = vec![0; 4096];
        bytes[1024..1028].copy_from_slice(&0xe0f5_e1e2_u32.to_le_bytes());
        bytes[1024 + 12] = 12;
        bytes[1024 + 36..1024 + 40].copy_from_slice(&70_000_u32.to_le_bytes());
        fs::write(file.path(), &bytes).unwrap();
        assert_eq!(erofs_size(file.path()).unwrap(), 70_000 << 12);
        bytes[1024] = 0;
        fs::write(file.path(), &bytes).unwrap();
        assert!(erofs_size(file.path()).is_err());
    }
}

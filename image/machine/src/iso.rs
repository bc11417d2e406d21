//! The head of an optical disc on a disk image with a GUID partition table: the same file starts from a stick and from a
//! (virtual) CD.
//!
//! The table takes the first 17 KiB, the first partition begins at 1 MiB; between them, from 32 KiB on, is where a disc has
//! its volume descriptors (ECMA-119 §6.2) and its boot catalogue (El Torito 1.0), which sends firmware to the EFI system
//! partition. systemd-repart does the same since version 258.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::{Error, Result};

const SECTOR: u64 = 2048;
/// Where each part lies, in sectors of a disc.
const PRIMARY: u32 = 16;
const BOOT: u32 = 17;
const END: u32 = 18;
const PATHS_LITTLE: u32 = 19;
const PATHS_BIG: u32 = 20;
const ROOT: u32 = 21;
const CATALOGUE: u32 = 22;

/// Writes the head on a disk image; `esp` is where its EFI system partition begins, in bytes.
pub fn write(disk: &Path, name: &str, esp: u64) -> Result<()> {
    let file = File::options()
        .read(true)
        .write(true)
        .open(disk)
        .map_err(Error::io("cannot open", disk))?;
    let size = file.metadata().map_err(Error::io("cannot look at", disk))?.len();
    let usage = |what| Error::Usage {
        what: "the medium",
        given: disk.display().to_string(),
        remedy: what,
    };
    let sectors = u32::try_from(size / SECTOR).map_err(|_| usage("it is too large for a disc"))?;
    let at =
        u32::try_from(esp / SECTOR).map_err(|_| usage("its EFI system partition lies too far behind"))?;
    if !size.is_multiple_of(SECTOR) || !esp.is_multiple_of(SECTOR) || at <= CATALOGUE {
        return Err(usage("its partitions do not lie on sectors of a disc"));
    }
    for (sector, bytes) in head(name, sectors, at) {
        file.write_all_at(&bytes, u64::from(sector) * SECTOR)
            .map_err(Error::io("cannot write", disk))?;
    }
    file.sync_all().map_err(Error::io("cannot write", disk))
}

fn head(name: &str, sectors: u32, esp: u32) -> Vec<(u32, Vec<u8>)> {
    vec![
        (PRIMARY, primary(name, sectors)),
        (BOOT, boot_record()),
        (END, descriptor(255).whole()),
        (PATHS_LITTLE, paths(u32::to_le_bytes, u16::to_le_bytes)),
        (PATHS_BIG, paths(u32::to_be_bytes, u16::to_be_bytes)),
        (ROOT, root()),
        (CATALOGUE, catalogue(esp)),
    ]
}

/// A sector that is filled from its beginning.
#[derive(Default)]
struct Sector(Vec<u8>);

impl Sector {
    fn put(mut self, bytes: &[u8]) -> Self {
        // Into memory, which does not fail.
        let _ = self.0.write_all(bytes);
        self
    }

    /// Text and then blanks.
    fn text(self, text: &str, length: usize) -> Self {
        self.put(format!("{text:<length$.length$}").as_bytes())
    }

    /// Both orders of bytes (§7.2.3, §7.3.3).
    fn both16(self, number: u16) -> Self {
        self.put(&number.to_le_bytes()).put(&number.to_be_bytes())
    }

    fn both32(self, number: u32) -> Self {
        self.put(&number.to_le_bytes()).put(&number.to_be_bytes())
    }

    fn up_to(mut self, length: usize) -> Self {
        self.0.resize(length, 0);
        self
    }

    fn whole(self) -> Vec<u8> {
        self.up_to(2048).0
    }
}

/// The beginning of a volume descriptor (§8.1).
fn descriptor(kind: u8) -> Sector {
    Sector::default().put(&[kind]).put(b"CD001").put(&[1])
}

/// §8.4
fn primary(name: &str, sectors: u32) -> Vec<u8> {
    // No date is given (§8.4.26.1).
    let no_date = [&[b'0'; 16][..], &[0]].concat();
    let mut sector = descriptor(1)
        .up_to(8)
        .text("", 32)
        .text(name, 32)
        .up_to(80)
        .both32(sectors)
        .up_to(120)
        .both16(1)
        .both16(1)
        .both16(2048)
        .both32(10)
        .put(&PATHS_LITTLE.to_le_bytes())
        .put(&[0; 4])
        .put(&PATHS_BIG.to_be_bytes())
        .put(&[0; 4])
        .put(&record(0))
        // Names of the set, of who published and prepared it and with what; of three files.
        .text("", 4 * 128)
        .text("", 3 * 37);
    for _ in 0..4 {
        sector = sector.put(&no_date);
    }
    sector.put(&[1]).whole()
}

/// The root folder as a directory record (§9.1), by the name that it has: 0 itself, 1 its parent.
fn record(name: u8) -> Vec<u8> {
    Sector::default()
        .put(&[34, 0])
        .both32(ROOT)
        .both32(2048)
        // 1 January 1970; a folder.
        .put(&[70, 1, 1, 0, 0, 0, 0, 2, 0, 0])
        .both16(1)
        .put(&[1, name])
        .0
}

/// The folder has nothing in it.
fn root() -> Vec<u8> {
    Sector::default().put(&record(0)).put(&record(1)).whole()
}

/// The path table: the root alone (§9.4).
fn paths(long: fn(u32) -> [u8; 4], short: fn(u16) -> [u8; 2]) -> Vec<u8> {
    Sector::default()
        .put(&[1, 0])
        .put(&long(ROOT))
        .put(&short(1))
        .whole()
}

/// El Torito, figure 7.
fn boot_record() -> Vec<u8> {
    descriptor(0)
        .put(b"EL TORITO SPECIFICATION")
        .up_to(71)
        .put(&CATALOGUE.to_le_bytes())
        .whole()
}

/// El Torito, figures 2 and 3: one entry, for UEFI, without emulation. Its length is not said: to the end of the disc.
fn catalogue(esp: u32) -> Vec<u8> {
    let mut validation = Sector::default()
        .put(&[1, 0xef, 0, 0])
        .up_to(30)
        .put(&[0x55, 0xaa])
        .0;
    let sum = validation.chunks(2).fold(0_u16, |sum, word| {
        sum.wrapping_add(u16::from_le_bytes([word[0], word[1]]))
    });
    validation[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    Sector::default()
        .put(&validation)
        .put(&[0x88, 0, 0, 0, 0, 0, 0, 0])
        .put(&esp.to_le_bytes())
        .whole()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_lies_where_the_standards_say() {
        let head = head("VARDE", 1_000_000, 512);
        let sector = |at: u32| head.iter().find(|one| one.0 == at).map(|one| &one.1[..]).unwrap();
        assert!(head.iter().all(|one| one.1.len() == 2048));
        let primary = sector(PRIMARY);
        assert_eq!(&primary[..8], b"\x01CD001\x01\0");
        assert_eq!(&primary[40..46], b"VARDE ");
        assert_eq!(primary[80..88], [0x40, 0x42, 0x0f, 0, 0, 0x0f, 0x42, 0x40]);
        assert_eq!(primary[128..132], [0, 8, 8, 0]);
        assert_eq!(primary[140..144], PATHS_LITTLE.to_le_bytes());
        assert_eq!(primary[148..152], PATHS_BIG.to_be_bytes());
        assert_eq!((primary[156], primary[158]), (34, 21));
        assert_eq!((primary[190], primary[812], primary[813]), (b' ', b' ', b'0'));
        assert_eq!((primary[829], primary[881]), (0, 1));
        let boot = sector(BOOT);
        assert_eq!(&boot[7..30], b"EL TORITO SPECIFICATION");
        assert_eq!(boot[71..75], CATALOGUE.to_le_bytes());
        let catalogue = sector(CATALOGUE);
        let sum = catalogue[..32].chunks(2).fold(0_u16, |sum, word| {
            sum.wrapping_add(u16::from_le_bytes([word[0], word[1]]))
        });
        assert_eq!((sum, catalogue[32]), (0, 0x88));
        assert_eq!(catalogue[40..44], 512_u32.to_le_bytes());
    }

    #[test]
    fn what_is_on_the_disk_stays_and_a_partition_between_two_sectors_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        std::fs::write(&disk, vec![7; 1 << 20]).unwrap();
        write(&disk, "VARDE", 64 << 10).unwrap();
        let bytes = std::fs::read(&disk).unwrap();
        assert!(bytes[..32 << 10].iter().all(|byte| *byte == 7));
        assert!(bytes[46 << 10..].iter().all(|byte| *byte == 7));
        assert!(write(&disk, "VARDE", (64 << 10) + 512).is_err());
        assert!(write(&disk, "VARDE", 32 << 10).is_err());
    }
}

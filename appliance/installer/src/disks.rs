//! The disks of this machine, and which one is meant.

use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use varde_site::Text;

use crate::medium::STICK;
use crate::{Error, Result, tool};

/// Two versions, the boot loader, and room for data.
pub const LEAST: u64 = 12 << 30;
/// Characters of a disk's name that say that it is meant.
pub const PART: usize = 4;
/// Label of the data's file system while its disk is being written.
pub const UNFINISHED: &str = "varde-installing";

/// What lsblk(8) says.
#[derive(Debug, Deserialize)]
pub struct Listing {
    pub blockdevices: Vec<Device>,
}

#[derive(Debug, Deserialize)]
pub struct Device {
    pub name: String,
    pub path: PathBuf,
    pub size: u64,
    pub ro: bool,
    #[serde(rename = "type")]
    pub kind: String,
    pub model: Option<String>,
    pub serial: Option<String>,
    pub tran: Option<String>,
    #[serde(rename = "id-link")]
    pub id: Option<String>,
    pub pttype: Option<String>,
    pub partlabel: Option<String>,
    pub partuuid: Option<String>,
    pub fstype: Option<String>,
    pub label: Option<String>,
    #[serde(default)]
    pub children: Vec<Device>,
}

impl Listing {
    pub fn here() -> Result<Self> {
        let said = tool::run(
            "lsblk",
            &[
                "--json",
                "--bytes",
                "--output",
                "NAME,PATH,SIZE,RO,TYPE,MODEL,SERIAL,TRAN,ID-LINK,PTTYPE,PARTLABEL,PARTUUID,FSTYPE,LABEL",
            ],
        )?;
        Self::read(&said)
    }

    pub fn read(said: &str) -> Result<Self> {
        serde_json::from_str(said).map_err(|error| Error::Tool {
            tool: "lsblk".to_owned(),
            said: error.to_string(),
        })
    }

    pub fn device(&self, name: &str) -> Option<&Device> {
        self.blockdevices.iter().find(|device| device.name == name)
    }

    /// Those that the appliance can be put on; not `own`, which the medium is, nor the stick with answers.
    pub fn disks(&self, own: &str, has_loader: impl Fn(&Path) -> bool) -> Vec<Disk> {
        let mut disks: Vec<Disk> = self
            .blockdevices
            .iter()
            .filter(|device| device.kind == "disk" && device.size > 0 && !device.ro)
            .filter(|device| device.name != own && !device.is_stick())
            .map(|device| Disk::of(device, &has_loader))
            .collect();
        disks.sort_by(|one, other| one.path.cmp(&other.path));
        disks
    }
}

impl Device {
    fn is_stick(&self) -> bool {
        std::iter::once(self)
            .chain(&self.children)
            .any(|one| one.label.as_deref() == Some(STICK))
    }

    pub fn part(&self, label: &str) -> Option<&Device> {
        self.children
            .iter()
            .find(|part| part.partlabel.as_deref() == Some(label))
    }
}

/// What a disk holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    Nothing,
    /// An installation that a power cut ended: there is no data in it yet.
    Unfinished,
    /// What is lost.
    Data(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    pub path: PathBuf,
    /// As in `/dev/disk/by-id`: bus, maker, serial number.
    pub name: String,
    pub bus: String,
    pub serial: String,
    pub size: u64,
    pub holds: Holds,
}

impl Disk {
    fn of(device: &Device, has_loader: impl Fn(&Path) -> bool) -> Self {
        let text = |field: &Option<String>| field.as_deref().unwrap_or_default().trim().to_owned();
        let name = match (&device.id, &device.model, &device.serial) {
            (Some(id), ..) => id.clone(),
            (None, Some(model), Some(serial)) => format!("{model} {serial}"),
            (None, Some(one), None) | (None, None, Some(one)) => one.clone(),
            (None, None, None) => device.name.clone(),
        };
        Self {
            path: device.path.clone(),
            name,
            bus: text(&device.tran),
            serial: text(&device.serial),
            size: device.size,
            holds: holds(device, has_loader),
        }
    }

    /// Whether what somebody typed names this disk, and none of the others.
    pub fn is_named(&self, typed: &str, all: &[Disk]) -> bool {
        let typed = typed.trim();
        let names = |disk: &Disk| disk.name.contains(typed) || disk.serial.contains(typed);
        typed.chars().count() >= PART.min(self.name.chars().count())
            && names(self)
            && !all.iter().any(|other| other.path != self.path && names(other))
    }

    /// One line: name, size, what it holds.
    pub fn text(&self) -> Text {
        let Self { name, holds, .. } = self;
        let size = gib(self.size);
        let (nb, en) = match holds {
            Holds::Nothing => ("tom".to_owned(), "empty".to_owned()),
            Holds::Unfinished => (
                "en installasjon som ikke ble ferdig".to_owned(),
                "an installation that was not finished".to_owned(),
            ),
            Holds::Data(what) => (format!("IKKE TOM: {what}"), format!("NOT EMPTY: {what}")),
        };
        Text::new(
            format!("{name}, {size} GiB, {nb}"),
            format!("{name}, {size} GiB, {en}"),
        )
    }
}

/// Whole GiB.
pub fn gib(bytes: u64) -> u64 {
    bytes >> 30
}

fn holds(device: &Device, has_loader: impl Fn(&Path) -> bool) -> Holds {
    if device.fstype.is_none() && device.pttype.is_none() && device.children.is_empty() {
        return Holds::Nothing;
    }
    if let (Some(esp), Some(data)) = (device.part("varde-esp"), device.part("varde-data")) {
        let no_data = match data.fstype {
            None => data.label.is_none(),
            Some(_) => data.label.as_deref() == Some(UNFINISHED),
        };
        // Where the ESP cannot be read, nobody knows: then there may be data.
        if no_data && (esp.fstype.is_none() || !has_loader(&esp.path)) {
            return Holds::Unfinished;
        }
        return Holds::Data("Varde".to_owned());
    }
    let mut what: Vec<String> = Vec::new();
    for one in std::iter::once(device).chain(&device.children) {
        let label = one.label.as_deref().or(one.partlabel.as_deref());
        match (&one.fstype, label) {
            (Some(kind), Some(label)) => what.push(format!("{kind} {label}")),
            (Some(kind), None) => what.push(kind.clone()),
            (None, Some(label)) => what.push(label.to_owned()),
            (None, None) => {}
        }
    }
    if what.is_empty() {
        what.push(match &device.pttype {
            Some(table) => format!("{table} {}", device.children.len()),
            None => "?".to_owned(),
        });
    }
    // What stands in a file system's label is anybody's.
    let what: String = what
        .join(", ")
        .chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .take(48)
        .collect();
    Holds::Data(what)
}

/// Which disk is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Its name in `/dev/disk/by-id`, whole.
    pub id: Option<String>,
    pub serial: Option<String>,
    /// `nvme`, `sata`, `sas`, `usb`, `virtio`.
    pub bus: Option<String>,
    /// `"400 GiB"`, `"2 TiB"`; bytes here.
    #[serde(default, deserialize_with = "size")]
    pub at_least: Option<u64>,
    #[serde(default, deserialize_with = "size")]
    pub at_most: Option<u64>,
    /// Part of the name of a disk that may be erased with what it holds.
    pub erase: Option<String>,
}

fn size<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<u64>, D::Error> {
    let text = String::deserialize(from)?;
    let bytes = text.split_once(' ').and_then(|(number, unit)| {
        let unit: u64 = match unit {
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(unit)
    });
    match bytes {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(D::Error::custom(
            "a size is a whole number and GiB or TiB, as in \"400 GiB\"",
        )),
    }
}

impl Wanted {
    fn fits(&self, disk: &Disk) -> bool {
        let is = |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|wanted| wanted == have);
        is(&self.id, &disk.name)
            && is(&self.serial, &disk.serial)
            && is(&self.bus, &disk.bus)
            && self.at_least.is_none_or(|least| disk.size >= least)
            && self.at_most.is_none_or(|most| disk.size <= most)
            && disk.size >= LEAST
    }

    /// The one disk that is meant, if it may be written.
    pub fn choose<'a>(&self, disks: &'a [Disk]) -> Result<&'a Disk> {
        let fit: Vec<&Disk> = disks.iter().filter(|disk| self.fits(disk)).collect();
        let [disk] = fit[..] else {
            let count = fit.len();
            let list = |language| {
                let lines = disks.iter().map(|disk| {
                    let Disk { bus, serial, .. } = disk;
                    let text = disk.text();
                    format!("\n  {} ({bus}, {serial})", text.get(language))
                });
                lines.collect::<String>()
            };
            return Err(Error::refused(
                format!(
                    "[disk] i install.toml passer på {count} disker, og skal passe på én. Diskene er:{}",
                    list(varde_site::Language::Nb)
                ),
                format!(
                    "[disk] in install.toml fits {count} disks, and has to fit one. The disks are:{}",
                    list(varde_site::Language::En)
                ),
            ));
        };
        if let Holds::Data(what) = &disk.holds {
            let typed = self.erase.as_deref().unwrap_or_default();
            if !disk.is_named(typed, disks) {
                let name = &disk.name;
                return Err(Error::refused(
                    format!(
                        "Disken {name} er ikke tom ({what}). Skal den slettes, så sett erase til en del av navnet, minst {PART} tegn, i install.toml"
                    ),
                    format!(
                        "The disk {name} is not empty ({what}). If it is to be erased, set erase to a part of its name, at least {PART} characters, in install.toml"
                    ),
                ));
            }
        }
        Ok(disk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new disk, one with another system, one with ours, a CD, the medium, the stick with answers.
    const LSBLK: &str = r#"{"blockdevices": [
        {"name":"sda","path":"/dev/sda","size":480103981056,"ro":false,"type":"disk","model":"MZ7L3480","serial":"S664NA0T1",
         "tran":"sata","id-link":"ata-MZ7L3480_S664NA0T1","pttype":null,"partlabel":null,"partuuid":null,"fstype":null,"label":null},
        {"name":"sdb","path":"/dev/sdb","size":480103981056,"ro":false,"type":"disk","model":"MZ7L3480","serial":"S664NA0T2",
         "tran":"sata","id-link":"ata-MZ7L3480_S664NA0T2","pttype":"gpt","partlabel":null,"partuuid":null,"fstype":null,"label":null,
         "children":[{"name":"sdb1","path":"/dev/sdb1","size":480103981056,"ro":false,"type":"part","model":null,"serial":null,
         "tran":null,"id-link":"x","pttype":"gpt","partlabel":null,"partuuid":"u","fstype":"ext4","label":"jour\u001bnal"}]},
        {"name":"vda","path":"/dev/vda","size":17179869184,"ro":false,"type":"disk","model":null,"serial":"varde-disk",
         "tran":"virtio","id-link":"virtio-varde-disk","pttype":"gpt","partlabel":null,"partuuid":null,"fstype":null,"label":null,
         "children":[
          {"name":"vda1","path":"/dev/vda1","size":1,"ro":false,"type":"part","model":null,"serial":null,"tran":null,"id-link":null,
           "pttype":"gpt","partlabel":"varde-esp","partuuid":"a","fstype":"vfat","label":"ESP"},
          {"name":"vda6","path":"/dev/vda6","size":1,"ro":false,"type":"part","model":null,"serial":null,"tran":null,"id-link":null,
           "pttype":"gpt","partlabel":"varde-data","partuuid":"b","fstype":"ext4","label":"LABEL"}]},
        {"name":"sr0","path":"/dev/sr0","size":1073741824,"ro":false,"type":"rom","model":"QEMU DVD-ROM","serial":"q","tran":"sata",
         "id-link":null,"pttype":null,"partlabel":null,"partuuid":null,"fstype":null,"label":null},
        {"name":"sdc","path":"/dev/sdc","size":17179869184,"ro":false,"type":"disk","model":"medium","serial":"m","tran":"usb",
         "id-link":"usb-medium","pttype":null,"partlabel":null,"partuuid":null,"fstype":null,"label":null},
        {"name":"sdd","path":"/dev/sdd","size":17179869184,"ro":false,"type":"disk","model":"stick","serial":"s","tran":"usb",
         "id-link":"usb-stick","pttype":null,"partlabel":null,"partuuid":null,"fstype":"vfat","label":"VARDE"}
    ]}"#;

    fn disks(data: &str, has_loader: bool) -> Vec<Disk> {
        let text = LSBLK.replace("LABEL", data);
        Listing::read(&text).unwrap().disks("sdc", |_| has_loader)
    }

    #[test]
    fn what_stands_on_a_disk_is_told_and_neither_cds_nor_the_medium_nor_the_stick_are_offered() {
        let disks = disks("varde-data", true);
        let found: Vec<_> = disks
            .iter()
            .map(|disk| (disk.name.as_str(), &disk.holds))
            .collect();
        assert_eq!(
            found,
            [
                ("ata-MZ7L3480_S664NA0T1", &Holds::Nothing),
                ("ata-MZ7L3480_S664NA0T2", &Holds::Data("ext4 jour?nal".to_owned())),
                ("virtio-varde-disk", &Holds::Data("Varde".to_owned())),
            ]
        );
    }

    #[test]
    fn only_a_disk_without_boot_loader_whose_data_was_never_used_counts_as_unfinished() {
        let holds = |data: &str, has_loader| disks(data, has_loader)[2].holds.clone();
        assert_eq!(holds(UNFINISHED, false), Holds::Unfinished);
        for (data, has_loader) in [(UNFINISHED, true), ("varde-data", false), ("x", false)] {
            assert_eq!(holds(data, has_loader), Holds::Data("Varde".to_owned()), "{data}");
        }
    }

    #[test]
    fn a_disk_is_found_by_id_bus_size_or_serial_number_and_only_if_it_is_the_only_one() {
        let disks = disks("varde-data", true);
        let wanted = |text: &str| toml::from_str::<Wanted>(text).unwrap();
        for text in [
            "id = 'ata-MZ7L3480_S664NA0T1'",
            "serial = 'S664NA0T1'",
            "serial = 'S664NA0T1'\nbus = 'sata'\nat_least = '400 GiB'\nat_most = '1 TiB'",
        ] {
            assert_eq!(
                wanted(text).choose(&disks).unwrap().path,
                PathBuf::from("/dev/sda"),
                "{text}"
            );
        }
        for text in [
            "",
            "bus = 'sata'",
            "at_least = '400 GiB'",
            "bus = 'nvme'",
            "at_least = '500 GiB'",
        ] {
            let said = wanted(text).choose(&disks).unwrap_err().text();
            assert!(said.en.contains("has to fit one"), "{text}: {said}");
            assert!(said.nb.contains("virtio-varde-disk"), "{said}");
        }
    }

    #[test]
    fn a_disk_with_data_needs_part_of_its_name_that_no_other_disk_has() {
        let disks = disks("varde-data", true);
        let choose = |erase: &str| {
            let wanted = Wanted {
                serial: Some("S664NA0T2".to_owned()),
                erase: Some(erase.to_owned()),
                ..Wanted::default()
            };
            wanted.choose(&disks).is_ok()
        };
        assert!(choose("S664NA0T2") && choose(" A0T2 ") && choose("NA0T2"));
        assert!(!choose("") && !choose("T2") && !choose("MZ7L3480") && !choose("S664NA0T1"));
    }
}

//! Writes a release into the slot that is not in use; and the way back.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};
use varde_bus::Text;

use crate::esp::Esp;
use crate::health::Health;
use crate::ledger::{Folder, LEDGER, Ledger, Pending, sync_folder};
use crate::release::{self, Release};
use crate::{Error, Result, Version, plain};

/// What the boot loader tries a new version for.
const TRIES: u32 = 3;
/// Bytes that stay free on the data disk: the record and the journal go on.
const RESERVE: u64 = 256 << 20;
const CHUNK: usize = 1 << 20;

/// Where things are.
#[derive(Clone, Debug)]
pub struct Place {
    pub folder: Folder,
    /// Where systemd-sysupdate finds the files: named in its transfers.
    pub staged: PathBuf,
    pub esp: Esp,
    pub running: Version,
    /// The kernel's ID of the boot.
    pub boot: String,
    /// systemd-sysupdate.
    pub writer: PathBuf,
}

impl Place {
    /// On the appliance.
    pub fn here() -> Result<Self> {
        let release = "/etc/os-release";
        let text = fs::read_to_string(release).map_err(Error::io("read", release))?;
        let version = text.lines().find_map(|line| line.strip_prefix("IMAGE_VERSION="));
        let version = version.unwrap_or_default().trim_matches(['"', '\'']);
        let boot = "/proc/sys/kernel/random/boot_id";
        Ok(Self {
            folder: Folder::new("/var/lib/varde/update"),
            staged: "/var/lib/varde/update/staged".into(),
            esp: Esp::new("/boot/EFI/Linux"),
            running: version.parse().map_err(|error| {
                Error::refused(format!("{release}: {error}"), format!("{release}: {error}"))
            })?,
            boot: fs::read_to_string(boot)
                .map_err(Error::io("read", boot))?
                .trim()
                .to_owned(),
            writer: "/usr/lib/systemd/systemd-sysupdate".into(),
        })
    }
}

/// Takes the release in a folder. `even_so`: an older one too, and one in quarantine.
pub fn install(
    place: &Place,
    from: &Path,
    keys: &[String],
    even_so: bool,
    health: Health,
) -> Result<Version> {
    let release = Release::open(from, keys)?;
    let version = release.version;
    let mut ledger: Ledger = place.folder.read(LEDGER)?;
    if version == place.running || (version < place.running && !even_so) {
        return Err(Error::older(version, place.running));
    }
    if ledger.quarantined.contains(&version) && !even_so {
        return Err(Error::refused(
            format!(
                "Utgave {version} er i karantene: den er tatt tilbake før. Skal den likevel skrives, så si det: «likevel» (--even-so)"
            ),
            format!(
                "Version {version} is in quarantine: it was taken back before. If it is to be written all the same, say so: --even-so"
            ),
        ));
    }
    stage(place, &release, from)?;
    ledger.pending = Some(Pending {
        from: place.running,
        to: version,
        boot: place.boot.clone(),
        written: false,
        health,
        cause: Text::default(),
        excerpt: Vec::new(),
    });
    place.folder.write(LEDGER, &ledger)?;
    place.esp.sweep()?;
    write(place, version)?;
    // One that was given up before is on the disk already, without tries.
    if !place.esp.set(version, TRIES)? {
        return Err(Error::refused(
            format!("Utgave {version} ble ikke skrevet: den mangler i oppstartsmenyen. Prøv igjen"),
            format!("Version {version} was not written: the boot loader has no entry of it. Try again"),
        ));
    }
    ledger.quarantined.retain(|other| *other != version);
    if let Some(pending) = &mut ledger.pending {
        pending.written = true;
    }
    place.folder.write(LEDGER, &ledger)?;
    clear(&place.staged)?;
    Ok(version)
}

/// Copies the files to the data partition, and checks each against the list.
fn stage(place: &Place, release: &Release, from: &Path) -> Result<()> {
    clear(&place.staged)?;
    let space = rustix::fs::statvfs(&place.staged)
        .map_err(|error| Error::io("look at", &place.staged)(error.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let needed = release.size().saturating_add(RESERVE);
    if free < needed {
        let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
        return Err(Error::refused(
            format!(
                "Det er ikke plass: utgaven trenger {} MiB på datadisken, og {} er ledig. Rydd, og prøv igjen",
                mebibytes(needed),
                mebibytes(free)
            ),
            format!(
                "There is no room: the release needs {} MiB on the data disk, and {} are free. Make room, and try again",
                mebibytes(needed),
                mebibytes(free)
            ),
        ));
    }
    for file in &release.file {
        copy(&from.join(&file.name), &place.staged.join(&file.name), file)?;
    }
    sync_folder(&place.staged).map_err(Error::io("write", &place.staged))
}

fn copy(from: &Path, to: &Path, listed: &release::File) -> Result<()> {
    let mut source = plain::open(from).map_err(Error::io("open", from))?;
    let mut target = File::create(to).map_err(Error::io("make", to))?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = source.read(&mut chunk).map_err(Error::io("read", from))?;
        if count == 0 {
            break;
        }
        size += count as u64;
        if size > listed.size {
            break;
        }
        hash.update(&chunk[..count]);
        target
            .write_all(&chunk[..count])
            .map_err(Error::io("write", to))?;
    }
    target.sync_all().map_err(Error::io("write", to))?;
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if size == listed.size && hash == listed.sha256 {
        return Ok(());
    }
    let name = &listed.name;
    Err(Error::refused(
        format!(
            "{name} er ikke slik den ble gitt ut: avkortet eller endret. Ingenting er skrevet. Hent utgaven på nytt"
        ),
        format!(
            "{name} is not as it was released: cut short or changed. Nothing is written. Fetch the release again"
        ),
    ))
}

/// An empty folder.
fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("clear", folder)(error));
        }
        _ => {}
    }
    fs::create_dir_all(folder).map_err(Error::io("make", folder))
}

fn write(place: &Place, version: Version) -> Result<()> {
    let output = Command::new(&place.writer)
        .args(["--verify=no", "update"])
        .arg(version.to_string())
        .output();
    let output = output.map_err(Error::io("start", &place.writer))?;
    let said = String::from_utf8_lossy(&output.stderr);
    eprint!("{said}");
    if output.status.success() {
        return Ok(());
    }
    let last = said.lines().last().unwrap_or_default().to_owned();
    Err(Error::refused(
        format!(
            "Utgave {version} kunne ikke skrives: {last}. Den som går, er urørt. Se i loggen, og prøv igjen"
        ),
        format!(
            "Version {version} could not be written: {last}. The one that runs is untouched. Look at the log, and try again"
        ),
    ))
}

/// Makes the other version the one that the next restart starts, and gives which. `when`: milliseconds since 1970, UTC.
pub fn take_back(place: &Place, when: i64) -> Result<Version> {
    let mut ledger: Ledger = place.folder.read(LEDGER)?;
    let cause = Text::new("Tatt tilbake av en operatør", "Taken back by an operator");
    if let Some(pending) = ledger
        .pending
        .clone()
        .filter(|pending| pending.from == place.running)
    {
        // It has not been started: the one that runs stays.
        place.esp.set(pending.to, 0)?;
        ledger.end(when, false, cause, Vec::new());
        place.folder.write(LEDGER, &ledger)?;
        return Ok(place.running);
    }
    let others = place.esp.entries()?;
    let other = others
        .iter()
        .rfind(|entry| entry.version != place.running && entry.left != Some(0));
    let Some(other) = other else {
        return Err(Error::refused(
            "Det er ingen annen utgave på disken å gå tilbake til",
            "There is no other version on the disk to go back to",
        ));
    };
    ledger.pending = Some(Pending {
        from: other.version,
        to: place.running,
        boot: place.boot.clone(),
        written: true,
        health: Health::default(),
        cause: Text::default(),
        excerpt: Vec::new(),
    });
    ledger.end(when, false, cause, Vec::new());
    // The other comes first where this has no tries; a cut before the ledger is written leaves it on the way back too.
    place.esp.set(place.running, 0)?;
    place.folder.write(LEDGER, &ledger)?;
    Ok(other.version)
}

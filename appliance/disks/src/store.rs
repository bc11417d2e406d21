//! `chain.json` on disk, and the lock on the directory that it lies in.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags, flock, renameat_with};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use crate::{Chains, Error};

/// The file's name in a machine's directory.
pub const CHAINS: &str = "chain.json";

const LOCK: &str = "chain.lock";

/// A machine with every disk and snapshot it may have comes nowhere near this.
const LARGEST: usize = 1 << 20;

/// What is written fills whole multiples of this: more than a machine with a few disks and two snapshots needs.
const ROOM: usize = 16 << 10;

/// Between two looks at a lock that somebody else holds.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Reads what is written down; nothing written down is a machine without disks. The directory may be in the hands of
/// a guest that has broken out: what is read is no link, bounded, and names no file elsewhere.
pub fn read(directory: &Path) -> Result<Chains, Error> {
    let path = directory.join(CHAINS);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(Chains::default()),
        Err(errno) => return Err(Error::file("open", &path)(errno.into())),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST as u64)
        .read_to_end(&mut bytes)
        .map_err(Error::file("read", &path))?;
    let unsound = |cause: String| {
        Error::refused(
            format!(
                "{} er ødelagt: {cause}. Hent den fra en sikkerhetskopi",
                path.display()
            ),
            format!("{} is damaged: {cause}. Take it from a backup", path.display()),
        )
    };
    let chains: Chains = serde_json::from_slice(&bytes).map_err(|error| unsound(error.to_string()))?;
    if !chains.is_sound() {
        return Err(unsound("it names a file elsewhere".to_owned()));
    }
    Ok(chains)
}

/// Puts the new one in the place of the old one, both names and contents on disk before it returns. What could not be
/// read again is not written.
///
/// The two change places, and the next one is written over the old one, which keeps its room on the disk: on a full disk
/// a snapshot can still be rolled back, which makes room.
pub(crate) fn write(directory: &Path, chains: &Chains) -> Result<(), Error> {
    let path = directory.join(CHAINS);
    let new = directory.join("chain.json.new");
    let mut bytes =
        serde_json::to_vec_pretty(chains).map_err(|error| Error::file("write", &path)(error.into()))?;
    bytes.resize((bytes.len() + 1).next_multiple_of(ROOM), b'\n');
    if bytes.len() > LARGEST {
        return Err(Error::refused(
            format!("{} blir for stor. Gi en kortere begrunnelse", path.display()),
            format!("{} would be too large. Give a shorter reason", path.display()),
        ));
    }
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&new)?;
        file.write_all(&bytes)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()?;
        match renameat_with(CWD, &new, CWD, &path, RenameFlags::EXCHANGE) {
            // There is no old one yet, or a file system that cannot do this.
            Err(Errno::NOENT | Errno::INVAL) => fs::rename(&new, &path),
            changed => Ok(changed?),
        }
    };
    write().map_err(Error::file("write", &path))?;
    sync(directory)
}

/// Brings the names in the directory to disk.
pub(crate) fn sync(directory: &Path) -> Result<(), Error> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::file("bring to disk", directory))
}

/// Removes a file that may have gone already.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Notes that a QEMU has been let at the disks: whoever finds it without the news of a clean end has them checked.
pub fn remember(directory: &Path, run: &str) -> Result<(), Error> {
    let path = directory.join("opened-by");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&path)?;
        file.write_all(run.as_bytes())?;
        file.sync_all()
    };
    write().map_err(Error::file("write", &path))?;
    sync(directory)
}

/// Whom [`remember`] was told last.
pub(crate) fn remembered(directory: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(directory.join("opened-by"))
        .ok()?
        .take(200)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// One at a time works on a machine's disks. The lock goes on to each qemu-img that is started under it: whoever comes
/// after a kill waits until such an orphan has ended.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held, not used")] File);

impl Lock {
    pub fn take(directory: &Path, patience: Duration) -> Result<Self, Error> {
        let path = directory.join(LOCK);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        let end = Instant::now() + patience;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < end => {
                    std::thread::sleep(LOOK_AGAIN);
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(Error::refused(
                        format!(
                            "Noen andre arbeider med diskene i {}; prøv igjen om litt",
                            directory.display()
                        ),
                        format!(
                            "Somebody else works on the disks in {}; try again in a moment",
                            directory.display()
                        ),
                    ));
                }
                Err(errno) => return Err(Error::file("lock", &path)(errno.into())),
            }
        }
        fcntl_setfd(&file, FdFlags::empty()).map_err(|errno| Error::file("lock", &path)(errno.into()))?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::{Base, Chain};

    fn with_base(path: &str) -> Chains {
        let chain = Chain {
            base: Some(Base::unhashed(path.into())),
            layers: vec!["system.qcow2".into()],
        };
        Chains {
            disks: [("system".to_owned(), chain)].into(),
            ..Chains::default()
        }
    }

    /// Inodes and blocks of all that lies there.
    fn taken(directory: &Path) -> Vec<(u64, u64)> {
        let entries = fs::read_dir(directory).unwrap();
        let metadata = entries.map(|entry| entry.unwrap().metadata().unwrap());
        let mut taken: Vec<_> = metadata.map(|file| (file.ino(), file.blocks())).collect();
        taken.sort_unstable();
        taken
    }

    #[test]
    fn after_the_second_time_nothing_new_is_taken_of_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        for path in ["/a", "/b"] {
            write(directory, &with_base(path)).unwrap();
        }
        let before = taken(directory);
        let long = with_base(&"/images".repeat(500));
        write(directory, &long).unwrap();
        assert_eq!(read(directory).unwrap(), long);
        assert_eq!(taken(directory), before);
        write(directory, &with_base("/c")).unwrap();
        assert_eq!(read(directory).unwrap(), with_base("/c"));
        assert_eq!(taken(directory), before);
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &with_base("/a")).unwrap();
        let refusal = write(directory.path(), &with_base(&"a".repeat(LARGEST))).unwrap_err();
        assert!(refusal.text().en.contains("too large"), "{refusal}");
        assert_eq!(read(directory.path()).unwrap(), with_base("/a"));
    }
}

//! What a power cut can leave on a disk.
//!
//! Killing QEMU loses nothing that the guest has handed over, but a real disk has a cache: what was written since the
//! last flush may be there or not, in any order. So QEMU logs every write and flush (`blklogwrites`, the format of Linux'
//! dm-log-writes), and from that log any state is made that a cut at any moment may leave: everything up to the last
//! flush, and of what came later whatever one chooses.

use std::fs::File;
use std::io::{Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use varde_machine::Toolbox;

use crate::error::{Context, Error, Result};

/// Something that the guest asked of the disk, in the order in which it asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// These bytes at this place.
    Write { at: u64, data: Vec<u8> },
    /// So many bytes at this place are no longer needed: read as zeros.
    Discard { at: u64, length: u64 },
    /// All that was asked before must be on the disk.
    Flush,
}

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;
const MARK: u64 = 8;

/// How many entries a log has by now. QEMU brings this number up to date at each flush.
pub fn entries(log: &Path) -> Result<u64> {
    let mut head = [0; 24];
    let mut file = File::open(log).on("open", log)?;
    file.read_exact(&mut head).on("read", log)?;
    Ok(u64::from_le_bytes(std::array::from_fn(|byte| head[16 + byte])))
}

/// Reads a log: one sector with magic, version, number of entries and sector size, then entries of one sector each
/// (first sector, number of sectors, flags, length of data), each followed by its data; all numbers little-endian.
pub fn read_log(mut log: impl Read) -> Result<Vec<Request>> {
    let wrong = |why: String| Error::Setup {
        what: format!("the log of the disk's writes is damaged: {why}"),
        remedy: "run the scenario again; if it stays so, QEMU writes another format".to_owned(),
    };
    let mut head = [0; 28];
    log.read_exact(&mut head)
        .doing("read the log of the disk's writes")?;
    let number = |bytes: &[u8], at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    if number(&head, 0) != MAGIC {
        return Err(wrong("it does not begin with the magic number".to_owned()));
    }
    let entries = number(&head, 16);
    let sector = u64::from(u32::from_le_bytes(std::array::from_fn(|byte| head[24 + byte])));
    if !(512..=65536).contains(&sector) || !sector.is_power_of_two() {
        return Err(wrong(format!("a sector of {sector} bytes")));
    }
    skip(&mut log, sector - 28)?;
    let mut requests = Vec::new();
    for _entry in 0..entries {
        let mut entry = [0; 32];
        log.read_exact(&mut entry)
            .doing("read an entry of the log of writes")?;
        skip(&mut log, sector - 32)?;
        let (first, sectors, flags) = (number(&entry, 0), number(&entry, 8), number(&entry, 16));
        let place = |value: u64| {
            value
                .checked_mul(sector)
                .ok_or_else(|| wrong(format!("{value} sectors")))
        };
        if flags & FLUSH != 0 {
            requests.push(Request::Flush);
        }
        let (at, length) = (place(first)?, place(sectors)?);
        if flags & DISCARD != 0 {
            requests.push(Request::Discard { at, length });
        } else if flags & MARK == 0 && length > 0 {
            let mut data = Vec::new();
            (&mut log)
                .take(length)
                .read_to_end(&mut data)
                .doing("read logged data")?;
            if data.len() as u64 != length {
                return Err(wrong("it ends within the data of a write".to_owned()));
            }
            requests.push(Request::Write { at, data });
        }
    }
    Ok(requests)
}

fn skip(from: &mut impl Read, bytes: u64) -> Result<()> {
    std::io::copy(&mut from.take(bytes), &mut std::io::sink())
        .map(drop)
        .doing("read the log of the disk's writes")
}

/// Which of the requests after the last flush the disk has still done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// None: a disk without a cache.
    Nothing,
    /// All of them.
    Unflushed,
    /// Every second one, beginning with the first or with the second.
    EverySecond { from: usize },
}

/// Which of so many states is really started: another one in each run, and the one of `VARDE_SEED` again.
pub fn sample(states: usize) -> usize {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = std::env::var("VARDE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| time.map_or(0, |time| time.as_secs()));
    println!("VARDE_SEED={seed}");
    usize::try_from(seed).unwrap_or(0) % states
}

/// Moments and losses that differ, in the order of time, so many at most: after each write nothing lost, before each flush
/// something lost.
pub fn states(requests: &[Request], begun: usize, done: usize, most: usize) -> Vec<(usize, Lost)> {
    let mut states = Vec::new();
    for asked in begun..=done {
        if asked > begun && matches!(requests[asked - 1], Request::Write { .. }) {
            states.push((asked, Lost::Nothing));
        }
        if requests.get(asked) == Some(&Request::Flush) {
            states.extend([
                (asked, Lost::Unflushed),
                (asked, Lost::EverySecond { from: 0 }),
                (asked, Lost::EverySecond { from: 1 }),
            ]);
        }
    }
    // The last ones decide what starts: they are all taken, of the others some.
    let last = states.len().saturating_sub(most / 2);
    let step = last.div_ceil(most / 2).max(1);
    let picked = states
        .iter()
        .enumerate()
        .filter(|(place, _)| *place >= last || place % step == 0);
    picked.map(|(_, state)| *state).collect()
}

/// The requests that are on the disk after a cut that comes when `asked` of them have been asked.
pub fn survivors(requests: &[Request], asked: usize, lost: Lost) -> Vec<&Request> {
    let asked = &requests[..asked];
    let flushed = asked
        .iter()
        .rposition(|request| *request == Request::Flush)
        .map_or(0, |at| at + 1);
    let (safe, open) = asked.split_at(flushed);
    let open = open.iter().enumerate().filter(|(at, _)| match lost {
        Lost::Nothing => true,
        Lost::Unflushed => false,
        Lost::EverySecond { from } => at % 2 == (from + 1) % 2,
    });
    safe.iter().chain(open.map(|(_, request)| request)).collect()
}

/// A file system of the appliance outside the appliance, as it was when the log began.
pub struct FileSystem {
    toolbox: Toolbox,
    /// The file system alone, raw and sparse.
    base: PathBuf,
    /// Where it begins on the disk, in bytes.
    start: u64,
    length: u64,
}

impl FileSystem {
    /// Takes the partition out of a disk that nobody is writing to.
    pub fn extract(toolbox: &Toolbox, disk: &Path, start: u64, length: u64, to: &Path) -> Result<Self> {
        let mut convert = toolbox.command("qemu-img");
        convert.args(["convert", "-O", "raw", "--image-opts"]);
        convert.arg(format!(
            "driver=raw,offset={start},size={length},file.driver=qcow2,file.file.driver=file,file.file.filename={}",
            disk.display()
        ));
        convert.arg(to);
        tool("qemu-img convert", &mut convert, &[0])?;
        Ok(Self {
            toolbox: toolbox.clone(),
            base: to.to_owned(),
            start,
            length,
        })
    }

    /// The file system with these requests done, its journal replayed and checked, and `folder` of it copied to `to`.
    /// An error if the check finds anything that the journal does not mend.
    pub fn after(&self, requests: &[&Request], folder: &str, to: &Path) -> Result<()> {
        let copy = self.base.with_extension("cut");
        let mut cp = Command::new("cp");
        cp.args(["--sparse=always", "--reflink=auto"])
            .arg(&self.base)
            .arg(&copy);
        tool("cp", &mut cp, &[0])?;
        let file = File::options().write(true).open(&copy).on("open", &copy)?;
        for request in requests {
            self.apply(request, &file).on("write", &copy)?;
        }
        drop(file);
        // Without -y or -p: first the journal alone, then a check that mends nothing.
        let mut journal = self.toolbox.command("e2fsck");
        journal.args(["-y", "-E", "journal_only"]).arg(&copy);
        tool("e2fsck -E journal_only", &mut journal, &[0, 1])?;
        let mut check = self.toolbox.command("e2fsck");
        check.args(["-f", "-n"]).arg(&copy);
        tool("e2fsck -f -n", &mut check, &[0])?;
        std::fs::create_dir_all(to).on("create", to)?;
        let mut dump = self.toolbox.command("debugfs");
        dump.arg("-R")
            .arg(format!("rdump {folder} {}", to.display()))
            .arg(&copy);
        tool("debugfs rdump", &mut dump, &[0])?;
        std::fs::remove_file(&copy).on("remove", &copy)
    }

    /// What of the request falls into this file system.
    fn apply(&self, request: &Request, file: &File) -> std::io::Result<()> {
        let (at, length) = match request {
            Request::Flush => return Ok(()),
            Request::Write { at, data } => (*at, data.len() as u64),
            Request::Discard { at, length } => (*at, *length),
        };
        let (from, to) = (at.max(self.start), (at + length).min(self.start + self.length));
        if from >= to {
            return Ok(());
        }
        match request {
            Request::Write { data, .. } => {
                // Both lie within the data, whose length is that of a slice.
                #[expect(clippy::cast_possible_truncation)]
                let part = &data[(from - at) as usize..(to - at) as usize];
                file.write_all_at(part, from - self.start)
            }
            // A disk may or may not forget what was discarded; what it keeps is the harder case for nobody.
            Request::Discard { .. } | Request::Flush => Ok(()),
        }
    }
}

fn tool(name: &str, command: &mut Command, good: &[i32]) -> Result<()> {
    let output = command.output().doing(format!("start {name}"))?;
    if output.status.code().is_some_and(|code| good.contains(&code)) {
        return Ok(());
    }
    let mut said = output.stdout;
    said.write_all(&output.stderr).doing("gather what a tool said")?;
    Err(Error::Tool {
        command: name.to_owned(),
        status: output.status.to_string(),
        stderr: String::from_utf8_lossy(&said).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn log(entries: &[(u64, u64, u64, &[u8])], sector: usize) -> Vec<u8> {
        let mut log = Vec::new();
        let padded = |log: &mut Vec<u8>| log.resize(log.len().next_multiple_of(sector), 0);
        for value in [MAGIC, 1, entries.len() as u64] {
            log.extend(value.to_le_bytes());
        }
        log.extend(u32::try_from(sector).unwrap().to_le_bytes());
        padded(&mut log);
        for (first, sectors, flags, data) in entries {
            for value in [*first, *sectors, *flags, 0] {
                log.extend(value.to_le_bytes());
            }
            padded(&mut log);
            log.extend(*data);
            padded(&mut log);
        }
        log
    }

    fn write(at: u64, byte: u8) -> Request {
        Request::Write {
            at,
            data: vec![byte; 512],
        }
    }

    #[test]
    fn a_log_tells_writes_discards_and_flushes_in_order() {
        let bytes = log(
            &[
                (2, 1, 0, &[7; 512]),
                (0, 0, FLUSH, &[]),
                (8, 4, DISCARD, &[]),
                (0, 0, MARK, &[]),
            ],
            512,
        );
        let discard = Request::Discard {
            at: 4096,
            length: 2048,
        };
        assert_eq!(
            read_log(&bytes[..]).unwrap(),
            [write(1024, 7), Request::Flush, discard]
        );
    }

    #[test]
    fn what_is_not_a_log_is_refused() {
        assert!(read_log(&[0; 4096][..]).is_err());
        let whole = log(&[(2, 1, 0, &[7; 512])], 512);
        assert!(read_log(&whole[..whole.len() - 1]).is_err());
    }

    #[test]
    fn a_cut_keeps_what_was_flushed_and_of_the_rest_what_is_chosen() {
        let requests = [
            write(0, 1),
            Request::Flush,
            write(512, 2),
            write(1024, 3),
            write(1536, 4),
        ];
        let kept = |asked, lost| {
            survivors(&requests, asked, lost)
                .into_iter()
                .filter_map(|request| match request {
                    Request::Write { data, .. } => Some(data[0]),
                    _ => None,
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(kept(5, Lost::Nothing), [1, 2, 3, 4]);
        assert_eq!(kept(5, Lost::Unflushed), [1]);
        assert_eq!(kept(5, Lost::EverySecond { from: 0 }), [1, 3]);
        assert_eq!(kept(5, Lost::EverySecond { from: 1 }), [1, 2, 4]);
        assert_eq!(kept(1, Lost::Unflushed), [] as [u8; 0]);
        assert_eq!(kept(3, Lost::Nothing), [1, 2]);
    }

    proptest! {
        #[test]
        fn no_log_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048), entries in 0_u64..9) {
            let mut bytes = bytes;
            let _ = read_log(&bytes[..]);
            let head = log(&[], 512);
            bytes.splice(0..0, head);
            bytes[16..24].copy_from_slice(&entries.to_le_bytes());
            let _ = read_log(&bytes[..]);
        }
    }
}

//! From `current` to a whole release in the folder. May be cut off at any time: it goes on where it stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use varde_bus::Text;

use super::client::Client;
use super::{Order, RELEASE, STATE, State, told};
use crate::ledger::{Folder, sync_folder};
use crate::release::{self, LIST, Release, SIGNATURE};
use crate::{Error, Result, Version};

/// Bytes of `current`.
const CURRENT: usize = 64;
/// Bytes between two words of how far it has come.
const STEP: u64 = 16 << 20;
/// How often one file may be cut short.
const TRIES: u32 = 5;
/// Bytes that stay free on the data disk.
const RESERVE: u64 = 256 << 20;

pub struct Fetch<'a> {
    order: &'a Order,
    client: &'a Client,
    folder: PathBuf,
    state: Folder,
    now: State,
}

/// Fetches into `place`, and leaves there how it went; fails only if that cannot be left. `when`: milliseconds since 1970,
/// UTC. `free`: bytes of the disk.
pub async fn fetch(
    place: &Path,
    order: &Order,
    client: &Client,
    when: i64,
    free: u64,
) -> Result<Result<Version>> {
    let mut fetch = Fetch {
        order,
        client,
        folder: place.join(RELEASE),
        state: Folder::new(place),
        now: State::default(),
    };
    // What was fetched before stays named when the source has nothing newer, or is not reached.
    fetch.now = fetch.state.read(STATE).unwrap_or_default();
    fetch.now.refusal = Text::default();
    let done = fetch.run(when, free).await;
    if let Err(error) = &done {
        fetch.now.refusal = error.text();
    }
    fetch.state.write(STATE, &fetch.now)?;
    Ok(done)
}

/// The newest version, as `current` says it.
pub fn current(bytes: &[u8]) -> Result<Version> {
    let text = std::str::from_utf8(bytes).ok().map(str::trim);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Error::refused(
            "«current» på tjeneren er ingen utgave, som 1.2.3. Sjekk mappen i «source»",
            "\"current\" on the server is no version, such as 1.2.3. Check the folder in \"source\"",
        )
    })
}

impl Fetch<'_> {
    async fn run(&mut self, when: i64, free: u64) -> Result<Version> {
        let version = current(&self.client.small("current", CURRENT).await?)?;
        let running = self.order.running;
        if version <= running {
            return Err(Error::refused(
                format!("Det er ingenting nyere: kilden har {version}, og {running} går"),
                format!("There is nothing newer: the source has {version}, and {running} runs"),
            ));
        }
        let longest = usize::try_from(release::LONGEST).unwrap_or_default();
        let list = self.client.small(&format!("{version}/{LIST}"), longest).await?;
        let signature = self
            .client
            .small(&format!("{version}/{SIGNATURE}"), longest)
            .await?;
        let release = Release::signed(&list, &signature, &self.order.keys)?;
        if release.version != version {
            return Err(Error::refused(
                format!(
                    "Mappen {version} på tjeneren inneholder utgave {}",
                    release.version
                ),
                format!(
                    "The folder {version} on the server has version {} in it",
                    release.version
                ),
            ));
        }
        let before = fs::read(self.folder.join(LIST)).unwrap_or_default();
        if before == list && self.have(&release) == release.size() && self.now.when != 0 {
            return Ok(version);
        }
        self.tidy(&release)?;
        self.now = State {
            version: version.to_string(),
            when: 0,
            size: release.size(),
            have: self.have(&release),
            refusal: Text::default(),
        };
        // Root makes a copy that the downloader cannot change.
        let needed = (release.size() - self.now.have) + release.size() + RESERVE;
        if free < needed {
            return Err(told::no_room(needed, free));
        }
        self.state.write(STATE, &self.now)?;
        for file in &release.file {
            self.whole(version, file).await?;
        }
        // Last: before them the folder is no release.
        for (name, bytes) in [(SIGNATURE, &signature), (LIST, &list)] {
            let path = self.folder.join(name);
            let put = File::create(&path).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            });
            put.map_err(Error::io("write", &path))?;
        }
        sync_folder(&self.folder).map_err(Error::io("write", &self.folder))?;
        self.now.have = self.now.size;
        self.now.when = when;
        Ok(version)
    }

    fn part(&self, file: &release::File) -> PathBuf {
        self.folder.join(format!("{}.part", file.name))
    }

    /// Takes away all that is not of this release, and its list: it is not whole now.
    fn tidy(&self, release: &Release) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(Error::io("make", &self.folder))?;
        let entries = fs::read_dir(&self.folder).map_err(Error::io("read", &self.folder))?;
        for entry in entries.flatten() {
            let path = entry.path();
            let kept = release
                .file
                .iter()
                .any(|file| path == self.part(file) || path == self.folder.join(&file.name));
            if !kept {
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Bytes that are here, each file at most as large as it is listed.
    fn have(&self, release: &Release) -> u64 {
        let size = |path: PathBuf| fs::metadata(path).map_or(0, |about| about.len());
        let files = release.file.iter();
        files
            .map(|file| {
                size(self.folder.join(&file.name))
                    .max(size(self.part(file)))
                    .min(file.size)
            })
            .sum()
    }

    async fn whole(&mut self, version: Version, file: &release::File) -> Result<()> {
        let (part, path) = (self.part(file), self.folder.join(&file.name));
        // One that was whole before is checked again: it is only read.
        if path.exists() {
            fs::rename(&path, &part).map_err(Error::io("rename", &path))?;
        }
        let remote = format!("{version}/{}", file.name);
        let mut tries = 0;
        while let Err(error) = self.more(&remote, &part, file.size).await {
            tries += 1;
            let worth = error.text() == told::cut(&remote).text();
            if !worth || tries >= TRIES {
                return Err(error);
            }
        }
        if hash(&part)? != file.sha256 {
            self.now.have -= file.size.min(self.now.have);
            fs::remove_file(&part).map_err(Error::io("remove", &part))?;
            return Err(told::changed(&file.name));
        }
        fs::rename(&part, &path).map_err(Error::io("rename", &part))
    }

    /// Goes on with a file until it has its size.
    async fn more(&mut self, remote: &str, part: &Path, size: u64) -> Result<()> {
        let mut options = OpenOptions::new();
        let mut target = options
            .create(true)
            .append(true)
            .open(part)
            .map_err(Error::io("open", part))?;
        let mut have = target.metadata().map_err(Error::io("read", part))?.len();
        if have > size {
            target.set_len(0).map_err(Error::io("write", part))?;
            have = 0;
        }
        if have == size {
            return Ok(());
        }
        let mut answer = self.client.get(remote, have).await?;
        if answer.begins != have {
            // The server gives only the whole.
            target.set_len(0).map_err(Error::io("write", part))?;
            self.now.have -= have.min(self.now.have);
            have = 0;
        }
        let mut next = have + STEP;
        while let Some(chunk) = answer.chunk().await? {
            let count = chunk.len() as u64;
            if have + count > size {
                drop(target);
                fs::remove_file(part).map_err(Error::io("remove", part))?;
                return Err(told::too_large(remote));
            }
            target.write_all(&chunk).map_err(Error::io("write", part))?;
            have += count;
            self.now.have += count;
            if have >= next {
                next = have + STEP;
                target.sync_data().map_err(Error::io("write", part))?;
                self.state.write(STATE, &self.now)?;
            }
        }
        target.sync_all().map_err(Error::io("write", part))?;
        if have < size {
            return Err(told::cut(remote));
        }
        Ok(())
    }
}

fn hash(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut chunk).map_err(Error::io("read", path))?;
        if count == 0 {
            break;
        }
        hash.update(&chunk[..count]);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

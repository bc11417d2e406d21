//! The hands: does the steps of a plan in a machine's directory, each on disk before the next.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::model::Chain;
use crate::plan::{self, Below, Order, Step};
use crate::store::{self, CHAINS, Lock};
use crate::{Base, Chains, Error, inspect, virtual_size};

/// `qemu-img check` found clusters that nobody uses, and has given them back; everything else but 0 is an error
/// (qemu-img(1)).
const LEAKS_LEFT: i32 = 3;

/// What is heard of the work while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// This step of the plan is about to be done, or a program that does it runs, or it is done.
    Before(usize),
    During(usize),
    After(usize),
    /// Hundredths of a percent of the merge of one disk.
    Progress(u32),
}

/// Works on the disks of one machine, alone.
pub struct Executor<'a> {
    directory: PathBuf,
    qemu_img: PathBuf,
    tell: &'a mut dyn FnMut(Told),
    _lock: Lock,
}

impl<'a> Executor<'a> {
    /// Waits so long for whoever works there now.
    pub fn new(
        directory: &Path,
        qemu_img: &Path,
        patience: Duration,
        tell: &'a mut dyn FnMut(Told),
    ) -> Result<Self, Error> {
        Ok(Self {
            directory: directory.to_owned(),
            qemu_img: qemu_img.to_owned(),
            tell,
            _lock: Lock::take(directory, patience)?,
        })
    }

    pub fn chains(&self) -> Result<Chains, Error> {
        store::read(&self.directory)
    }

    /// Does what is asked for, or undoes what it had done of it.
    pub fn obey(&mut self, order: &Order) -> Result<(), Error> {
        let chains = self.sealed(order)?;
        let steps = plan::plan(&chains, order)?;
        let result = self.run(&steps);
        if result.is_err() && matches!(order, Order::Take { .. }) {
            // What has begun to be made is in nobody's way, but takes space: perhaps that is what there was too little of.
            // Where that fails too, it is undone later, and the first failure is the one that says what is wrong.
            let _ = self
                .chains()
                .and_then(|chains| plan::plan(&chains, &Order::Undo))
                .and_then(|undo| self.run(&undo));
        }
        result
    }

    /// What is there, with the images below verified before a snapshot relies on them: their hash is taken the first time.
    fn sealed(&self, order: &Order) -> Result<Chains, Error> {
        let mut chains = self.chains()?;
        if matches!(order, Order::Take { .. } | Order::RollBack { .. }) {
            for chain in chains.disks.values_mut() {
                if let Some(base) = &chain.base {
                    chain.base = Some(base.verified()?);
                }
            }
        }
        Ok(chains)
    }

    /// Makes the disks ready for a QEMU: finishes or undoes what was interrupted, makes what is missing, grows what is too
    /// small, checks what an unclean stop left. `disks` are names, sizes and images; `extra` are files of a size of their
    /// own, made by whoever calls. `ended_well` tells whether the run of that number did.
    pub fn make_ready(
        &mut self,
        disks: &[(String, u64, Option<PathBuf>)],
        extra: &[&str],
        ended_well: impl Fn(&str) -> bool,
    ) -> Result<Chains, Error> {
        if self.chains()? == Chains::default() {
            self.has_no_overlays()?;
        }
        let recover = plan::recover(&self.chains()?);
        self.run(&recover)?;
        let adopt = plan::adopt(&self.chains()?, self.found(disks, extra)?);
        self.run(&adopt)?;
        for (disk, size, image) in disks {
            let chains = self.chains()?;
            match chains.head(disk) {
                None => {
                    let base = image.clone().map(Base::unhashed);
                    self.run(&plan::create(&chains, disk, *size, base))?;
                }
                Some(head) => self.grow(&self.directory.join(head), *size)?,
            }
        }
        let chains = self.chains()?;
        for chain in chains.disks.values() {
            self.is_whole(chain)?;
        }
        if store::remembered(&self.directory).is_some_and(|run| !ended_well(&run)) {
            for head in chains.disks.values().filter_map(|chain| chain.layers.last()) {
                self.check(head)?;
            }
        }
        Ok(chains)
    }

    /// Without `chain.json` nobody knows what an overlay lies on, and the layer below it is not what the guest wrote last.
    fn has_no_overlays(&self) -> Result<(), Error> {
        let entries = fs::read_dir(&self.directory).map_err(Error::file("read", &self.directory))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let Some(overlay) = names.into_iter().find(|name| crate::number_of(name).is_some()) else {
            return Ok(());
        };
        let directory = self.directory.display();
        Err(Error::refused(
            format!(
                "I {directory} ligger {overlay}, men ingen {CHAINS} som sier hva den hører til. Hent den fra en sikkerhetskopi"
            ),
            format!(
                "In {directory} there is {overlay}, but no {CHAINS} that says what it belongs to. Take it from a backup"
            ),
        ))
    }

    /// Files that are no part of a chain yet, with the image below each.
    fn found(
        &self,
        disks: &[(String, u64, Option<PathBuf>)],
        extra: &[&str],
    ) -> Result<Vec<(String, Option<Base>)>, Error> {
        let names = disks
            .iter()
            .map(|(name, ..)| name.as_str())
            .chain(extra.iter().copied());
        let mut found = Vec::new();
        for name in names {
            let file = self.directory.join(crate::model::first(name));
            if file.exists() && self.chains()?.head(name).is_none() {
                let below = inspect(&self.qemu_img, &file, Some("qcow2"))?.backing_filename;
                found.push((name.to_owned(), below.map(|path| Base::unhashed(path.into()))));
            }
        }
        Ok(found)
    }

    /// No layer is missing, and the image is the one that it was.
    fn is_whole(&self, chain: &Chain) -> Result<(), Error> {
        for layer in &chain.layers {
            let path = self.directory.join(layer);
            if !path.exists() {
                return Err(Error::refused(
                    format!(
                        "Laget {} av disken er borte. Hent det fra en sikkerhetskopi",
                        path.display()
                    ),
                    format!(
                        "The layer {} of the disk is gone. Take it from a backup",
                        path.display()
                    ),
                ));
            }
            virtual_size(&path)?;
        }
        match &chain.base {
            Some(base) if base.sha256.is_empty() && base.path.exists() => Ok(()),
            Some(base) => base.verified().map(|_| ()),
            None => Ok(()),
        }
    }

    fn run(&mut self, steps: &[Step]) -> Result<(), Error> {
        for (place, step) in steps.iter().enumerate() {
            (self.tell)(Told::Before(place));
            self.step(place, step)?;
            (self.tell)(Told::After(place));
        }
        Ok(())
    }

    fn step(&mut self, place: usize, step: &Step) -> Result<(), Error> {
        match step {
            Step::Record(chains) => store::write(&self.directory, chains),
            Step::Make { file, below, size } => self.make(place, file, below, *size),
            Step::Idle { file } => self.idle(file),
            Step::Check { file } => self.check(file),
            Step::Merge { file } => self.merge(place, file),
            Step::Remove { file } => {
                store::remove(&self.directory.join(format!("{file}.new")))?;
                store::remove(&self.directory.join(file))?;
                store::sync(&self.directory)
            }
        }
    }

    /// Under another name first: a file that has its name is whole.
    fn make(&mut self, place: usize, file: &str, below: &Below, size: Option<u64>) -> Result<(), Error> {
        let new = self.directory.join(format!("{file}.new"));
        store::remove(&new)?;
        let mut words = ["create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=off"]
            .map(str::to_owned)
            .to_vec();
        let mut size = size;
        match below {
            Below::Nothing => {}
            // Not opened: a QEMU may have it. Its name without a directory, so that the directory may move.
            Below::Layer(layer) => {
                size = Some(virtual_size(&self.directory.join(layer))?);
                words.extend(["-u", "-F", "qcow2", "-b", layer].map(str::to_owned));
            }
            Below::Image(image) => {
                words.extend(["-F", "qcow2", "-b"].map(str::to_owned));
                words.push(image.display().to_string());
            }
        }
        words.push(new.display().to_string());
        words.extend(size.map(|size| size.to_string()));
        let child = self.qemu_img(&words, Stdio::null())?;
        (self.tell)(Told::During(place));
        finish("create", child)?;
        self.keep(&new, file)
    }

    fn keep(&self, new: &Path, file: &str) -> Result<(), Error> {
        File::open(new)
            .and_then(|file| file.sync_all())
            .map_err(Error::file("bring to disk", new))?;
        fs::rename(new, self.directory.join(file)).map_err(Error::file("rename", new))?;
        store::sync(&self.directory)
    }

    fn grow(&mut self, path: &Path, size: u64) -> Result<(), Error> {
        if virtual_size(path)? >= size {
            return Ok(());
        }
        let words = ["resize", "-q", "-f", "qcow2"].map(str::to_owned);
        let place = [path.display().to_string(), size.to_string()];
        finish(
            "resize",
            self.qemu_img(&[&words[..], &place].concat(), Stdio::null())?,
        )
    }

    /// qemu-img refuses to look without `-U` at what a QEMU has open to write.
    fn idle(&mut self, file: &str) -> Result<(), Error> {
        let path = self.directory.join(file).display().to_string();
        let words = ["info", "--output=json", "-f", "qcow2"].map(str::to_owned);
        let child = self.qemu_img(&[&words[..], &[path]].concat(), Stdio::null())?;
        finish("info", child).map_err(|error| match error {
            Error::QemuImg { said, .. } if said.contains("lock") => Error::refused(
                "Maskinen er på; disken er i bruk",
                "The machine is on; the disk is in use",
            ),
            other => other,
        })
    }

    fn check(&mut self, file: &str) -> Result<(), Error> {
        let path = self.directory.join(file);
        let words = ["check", "-q", "-f", "qcow2", "-r", "leaks"].map(str::to_owned);
        let child = self.qemu_img(
            &[&words[..], &[path.display().to_string()]].concat(),
            Stdio::null(),
        )?;
        let output = child.wait_with_output().map_err(Error::file("check", &path))?;
        if matches!(output.status.code(), Some(0 | LEAKS_LEFT)) {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        let path = path.display();
        Err(Error::refused(
            format!("Disken {path} er skadet: {said}. Rull tilbake, eller hent den fra en sikkerhetskopi"),
            format!("The disk {path} is damaged: {said}. Roll back, or take it from a backup"),
        ))
    }

    /// The overlay keeps what it holds, so that it reads the same however far the merge has come.
    fn merge(&mut self, place: usize, file: &str) -> Result<(), Error> {
        let path = self.directory.join(file);
        let words = ["commit", "-p", "-d", "-f", "qcow2"].map(str::to_owned);
        let mut child = self.qemu_img(
            &[&words[..], &[path.display().to_string()]].concat(),
            Stdio::piped(),
        )?;
        (self.tell)(Told::During(place));
        if let Some(mut stdout) = child.stdout.take() {
            let mut progress = Progress::default();
            let mut buffer = [0; 256];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                if let Some(hundredths) = progress.read(&buffer[..count]) {
                    (self.tell)(Told::Progress(hundredths));
                }
            }
        }
        finish("commit", child)?;
        let chains = self.chains()?;
        let below = chains.disks.values().find_map(|chain| {
            chain
                .layers
                .windows(2)
                .find(|pair| pair[1] == file)
                .map(|pair| pair[0].clone())
        });
        let Some(below) = below else { return Ok(()) };
        let path = self.directory.join(below);
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(Error::file("bring to disk", &path))
    }

    fn qemu_img(&self, words: &[String], stdout: Stdio) -> Result<Child, Error> {
        Command::new(&self.qemu_img)
            .args(words)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::file("run", &self.qemu_img))
    }
}

fn finish(doing: &str, child: Child) -> Result<(), Error> {
    let failed = |said: String| Error::QemuImg {
        doing: doing.to_owned(),
        said,
    };
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(failed(if said.is_empty() {
        output.status.to_string()
    } else {
        said
    }))
}

/// Reads `(12.34/100%)`, which qemu-img writes again and again.
#[derive(Debug, Default)]
struct Progress {
    digits: String,
}

impl Progress {
    fn read(&mut self, bytes: &[u8]) -> Option<u32> {
        let mut last = None;
        for byte in bytes {
            match byte {
                b'0'..=b'9' => self.digits.push(char::from(*byte)),
                b'.' => {}
                b'/' => last = self.digits.parse().ok().or(last),
                _ => self.digits.clear(),
            }
            // Whatever it is, it is no percentage.
            if self.digits.len() > 5 {
                self.digits.clear();
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlays_without_the_file_that_says_what_they_lie_on_are_not_started_from_the_layer_below() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["system.qcow2", "system.3.qcow2"] {
            fs::write(directory.path().join(file), "a layer").unwrap();
        }
        let mut tell = |_| {};
        let mut executor = Executor::new(
            directory.path(),
            Path::new("/bin/true"),
            Duration::ZERO,
            &mut tell,
        )
        .unwrap();
        let refusal = executor.make_ready(&[], &[], |_| true).unwrap_err();
        assert!(refusal.text().en.contains("no chain.json"), "{refusal}");
    }

    #[test]
    fn progress_is_read_however_it_is_cut() {
        let mut progress = Progress::default();
        assert_eq!(progress.read(b"    (0.00/100%)\r    (1"), Some(0));
        assert_eq!(progress.read(b"2.3"), None);
        assert_eq!(progress.read(b"4/100%)\r    (100.00/100%)\n"), Some(10_000));
    }
}

//! The journal of one unfinished run: what the next controller needs to put things right.
//!
//! One file for each database, gone when its run has ended. Its first line is the run, each later one a step, written
//! before the step is taken. Before clients are held a line is on disk; while they are held it is only handed to the
//! kernel, because a controller's death loses nothing of that, and a power cut takes the gate along, whose successor
//! holds nobody.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::ledger::Cause;
use crate::run::{Plan, Step};

/// The run that a journal is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub cause: Cause,
    pub plan: Plan,
    /// Milliseconds since 1970, UTC.
    pub started: i64,
    /// Transactions that it is expected to delay.
    #[serde(default)]
    pub expected_delayed: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    step: Step,
    /// Since when clients are held, on the clock that counts from the boot; absent where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_since: Option<u64>,
}

/// What a journal says of a run that did not end.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    pub head: Head,
    pub step: Step,
    pub held_since: Option<u64>,
}

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Begins the journal of a run. What an earlier run left there has to be read before.
    pub fn begin(path: &Path, head: &Head) -> Result<Self, Error> {
        let begin = || -> io::Result<File> {
            let part = path.with_extension("part");
            let mut file = OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(true)
                .open(&part)?;
            file.write_all(&line(head)?)?;
            file.sync_data()?;
            std::fs::rename(&part, path)?;
            sync_folder(path)?;
            Ok(file)
        };
        let file = begin().map_err(|error| Error::file(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Goes on with the journal of a run that was taken up.
    pub fn take_up(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|error| Error::file(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Says what is about to be done.
    pub fn step(&mut self, step: Step, held_since: Option<u64>) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            // A line that a crash cut short before this one must not swallow it.
            let mut bytes = vec![b'\n'];
            bytes.extend(line(&Line { step, held_since })?);
            self.file.write_all(&bytes)?;
            if step == Step::Pause {
                self.file.sync_data()?;
            }
            Ok(())
        };
        let mut write = write;
        write().map_err(|error| Error::file(&self.path, &error))
    }

    /// The run has ended, and the ledger has it.
    pub fn end(self) -> Result<(), Error> {
        std::fs::remove_file(&self.path)
            .and_then(|()| sync_folder(&self.path))
            .map_err(|error| Error::file(&self.path, &error))
    }

    /// The run that did not end; `None` where there is none.
    pub fn unfinished(path: &Path) -> Result<Option<Unfinished>, Error> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(mut file) => file
                .read_to_end(&mut bytes)
                .map_err(|error| Error::file(path, &error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file(path, &error)),
        };
        let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        // The head was on disk before the file had its name; without one this is not a journal of ours.
        let Some(head) = lines.next().and_then(|line| serde_json::from_slice(line).ok()) else {
            return Err(Error::failed(
                format!(
                    "Journalen {} kan ikke leses; se på porten og slett filen",
                    path.display()
                ),
                format!(
                    "The journal {} cannot be read; look at the gate and delete the file",
                    path.display()
                ),
            ));
        };
        let last = lines
            .rev()
            .find_map(|line| serde_json::from_slice::<Line>(line).ok());
        Ok(Some(Unfinished {
            head,
            step: last.map_or(Step::Preflight, |line| line.step),
            held_since: last.and_then(|line| line.held_since),
        }))
    }
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::Forecast;

    fn head() -> Head {
        Head {
            cause: Cause::calendar(1_800_000_000_000),
            plan: Plan {
                stall_budget: 250,
                give_up: 60_000,
                pause_most: 250,
                held_most: 30_000,
                stop_most: 10_000,
                start_most: 10_000,
                may_cut: std::collections::BTreeMap::new(),
                only_with_reason: false,
                forecast: Forecast {
                    restart: 100,
                    runs: 0,
                },
                falls_back: true,
                has_machine: false,
            },
            started: 1_800_000_000_100,
            expected_delayed: Some(1.5),
        }
    }

    #[test]
    fn a_run_that_did_not_end_is_found_at_its_last_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        assert_eq!(Journal::unfinished(&path).unwrap(), None);
        let mut journal = Journal::begin(&path, &head()).unwrap();
        journal.step(Step::Look, None).unwrap();
        journal.step(Step::Pause, Some(17)).unwrap();
        drop(journal);
        let mut journal = Journal::take_up(&path).unwrap();
        journal.step(Step::Stop, Some(17)).unwrap();
        let found = Journal::unfinished(&path).unwrap().unwrap();
        assert_eq!((found.step, found.held_since), (Step::Stop, Some(17)));
        assert_eq!(found.head, head());
        journal.end().unwrap();
        assert_eq!(Journal::unfinished(&path).unwrap(), None);
    }

    /// Cut anywhere, a journal says a step that was begun: the last whole one or an earlier one, never nonsense.
    #[test]
    fn a_journal_cut_anywhere_still_says_where_the_run_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::begin(&path, &head()).unwrap();
        let first = std::fs::metadata(&path).unwrap().len();
        let steps = [Step::Look, Step::Pause, Step::Stop, Step::Start];
        for step in steps {
            journal.step(step, Some(3)).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        for length in usize::try_from(first).unwrap()..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let mut found = Journal::unfinished(&path).unwrap().unwrap();
            assert!(found.step == Step::Preflight || steps.contains(&found.step));
            // And goes on from there.
            Journal::take_up(&path)
                .unwrap()
                .step(Step::Resume, Some(3))
                .unwrap();
            found = Journal::unfinished(&path).unwrap().unwrap();
            assert_eq!(found.step, Step::Resume, "cut at {length}");
        }
    }
}

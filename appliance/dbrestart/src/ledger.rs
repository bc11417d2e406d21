//! The ledger: what became of every run, and what it saved.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use varde_bus::Text;

use crate::Error;
use crate::forecast::Forecast;
use crate::run::Outcome;
use crate::usage::Use;

/// Why a run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The moment it was meant for: milliseconds since 1970, UTC.
    pub planned: i64,
    /// Who asked for it; empty for the calendar.
    pub who: String,
    pub why: String,
}

impl Cause {
    pub fn calendar(planned: i64) -> Self {
        Self {
            planned,
            who: String::new(),
            why: String::new(),
        }
    }
}

/// Upper ends of the classes of the stall's histogram, in milliseconds; what is longer is in one more class.
pub const CLASSES: [u64; 9] = [10, 25, 50, 100, 150, 200, 250, 500, 1000];

/// What clients noticed of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Clients that waited when the gate let go.
    pub delayed: u32,
    /// Errors that the gate had to tell a client.
    pub failed: u32,
    /// Sessions that a gate which does not know their protocol had to cut.
    #[serde(default)]
    pub cut: u32,
    /// The longest that one of them had waited, in milliseconds.
    pub longest: u64,
    /// How many waited how long: a count for each of [`CLASSES`] and one for the rest.
    pub histogram: Vec<u32>,
}

impl Notice {
    /// From how long each client waited, in milliseconds.
    pub fn of(waits: &[u64]) -> Self {
        let mut histogram = vec![0; CLASSES.len() + 1];
        for wait in waits {
            let class = CLASSES
                .iter()
                .position(|end| wait <= end)
                .unwrap_or(CLASSES.len());
            histogram[class] += 1;
        }
        Self {
            delayed: u32::try_from(waits.len()).unwrap_or(u32::MAX),
            failed: 0,
            cut: 0,
            longest: waits.iter().copied().max().unwrap_or(0),
            histogram,
        }
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub cause: Cause,
    /// Milliseconds since 1970, UTC.
    pub started: i64,
    pub ended: i64,
    pub outcome: Outcome,
    pub forecast: Forecast,
    /// How long clients were held; absent where they were not. Milliseconds, as all durations here.
    pub held: Option<u64>,
    /// From the stop of the server until the gate let go.
    pub restart: Option<u64>,
    pub failed_pauses: u32,
    pub longest_failed_pause: u64,
    pub notice: Notice,
    pub cut: Vec<Use>,
    pub reasons: Vec<Text>,
    pub trouble: Vec<Text>,
    /// Transactions that it was expected to delay, from the load of earlier weeks; absent where nothing was known.
    #[serde(default)]
    pub expected_delayed: Option<f64>,
    /// What the users would have lost without a gate, in øre.
    pub avoided: u64,
}

impl Entry {
    /// A run of which nothing came to pass, ended now.
    pub fn unbegun(cause: Cause, started: i64, forecast: Forecast, outcome: Outcome) -> Self {
        Self {
            cause,
            started,
            // A clock that was set back meanwhile does not end a run before it began.
            ended: jiff::Timestamp::now().as_millisecond().max(started),
            outcome,
            forecast,
            held: None,
            restart: None,
            failed_pauses: 0,
            longest_failed_pause: 0,
            notice: Notice::default(),
            cut: Vec::new(),
            reasons: Vec::new(),
            trouble: Vec::new(),
            expected_delayed: None,
            avoided: 0,
        }
    }
}

/// What a downtime of `millis` costs, in øre, where an hour costs each of `counties` so many kroner.
pub fn cost(millis: u64, kroner_an_hour: u64, counties: usize) -> u64 {
    let counties = u64::try_from(counties.max(1)).unwrap_or(1);
    millis
        .saturating_mul(kroner_an_hour)
        .saturating_mul(counties)
        .saturating_mul(100)
        / 3_600_000
}

/// Adds a run; on disk when it returns.
pub fn append(path: &Path, entry: &Entry) -> Result<(), Error> {
    let append = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        // A line that a power cut left unfinished stays a line of its own.
        let mut bytes = vec![b'\n'];
        bytes.extend(serde_json::to_vec(entry)?);
        bytes.push(b'\n');
        file.write_all(&bytes)?;
        file.sync_data()?;
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    append().map_err(|error| Error::file(path, &error))
}

/// All runs, oldest first.
pub fn read(path: &Path) -> Result<Vec<Entry>, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file(path, &error)),
    };
    Ok(bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_falls_into_one_class() {
        let notice = Notice::of(&[0, 10, 11, 250, 251, 5000]);
        assert_eq!(notice.histogram, [2, 1, 0, 0, 0, 0, 1, 1, 0, 1]);
        assert_eq!((notice.delayed, notice.longest), (6, 5000));
    }

    #[test]
    fn an_hour_costs_each_county_what_the_site_says() {
        assert_eq!(cost(3_600_000, 50_000, 3), 15_000_000);
        assert_eq!(cost(360, 50_000, 1), 500);
    }

    #[test]
    fn a_torn_line_costs_one_run_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let forecast = Forecast { restart: 1, runs: 0 };
        let entry = Entry::unbegun(Cause::calendar(1), 2, forecast, Outcome::NotNeeded);
        append(&path, &entry).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        append(&path, &entry).unwrap();
        assert_eq!(read(&path).unwrap(), [entry]);
    }
}

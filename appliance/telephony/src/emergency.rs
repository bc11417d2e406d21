//! The scheduled test of the emergency route: one call over each target, when the calendar says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use varde_calendar::Calendar;
use varde_exchange::Record;
use varde_site::Telephony;

/// What became of the last test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Milliseconds since 1970; 0 before the first.
    pub at: i64,
    pub passed: bool,
}

/// The tests, and when the next one is.
#[derive(Debug)]
pub struct Tests {
    path: PathBuf,
    calendars: Vec<Calendar>,
    zone: TimeZone,
    /// Lines and trunks by name, one for each call of a test.
    pub targets: Vec<String>,
    pub number: Option<String>,
    pub within: Duration,
    pub next: Option<Timestamp>,
    pub last: Outcome,
    /// Calls of the test that is under way, and whether each was answered.
    under_way: BTreeMap<u64, Option<bool>>,
}

impl Tests {
    pub fn open(folder: &Path) -> Self {
        let path = folder.join("emergency-test.json");
        let last = std::fs::read(&path).ok();
        let last = last.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            path,
            calendars: Vec::new(),
            zone: TimeZone::UTC,
            targets: Vec::new(),
            number: None,
            within: Duration::ZERO,
            next: None,
            last: last.unwrap_or_default(),
            under_way: BTreeMap::new(),
        }
    }

    pub fn follow(&mut self, telephony: Option<&Telephony>, zone: &TimeZone) {
        let test = telephony.and_then(|telephony| telephony.emergency.test.as_ref());
        let targets = telephony.map_or(&[][..], |telephony| &telephony.emergency.to);
        self.targets = targets.iter().map(|target| target.name().to_owned()).collect();
        self.number = test.map(|test| test.number.clone());
        self.within = test.map_or(Duration::ZERO, |test| Duration::from_secs(test.within));
        self.zone = zone.clone();
        let calendars = test.map_or(&[][..], |test| &test.calendar);
        // The reader of site.toml has taken them before.
        self.calendars = calendars.iter().filter_map(|text| text.parse().ok()).collect();
        self.plan(Timestamp::now());
    }

    fn plan(&mut self, after: Timestamp) {
        let next = self
            .calendars
            .iter()
            .filter_map(|calendar| calendar.next(after, &self.zone));
        self.next = next.min();
    }

    /// Whether it is time for the test.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.plan(now);
        }
        due
    }

    pub fn is_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// The calls of a test have begun; none is one that could not even begin.
    pub fn begun(&mut self, now: Timestamp, calls: &[Option<u64>]) {
        self.last = Outcome {
            at: now.as_millisecond(),
            passed: false,
        };
        self.under_way = calls.iter().flatten().map(|call| (*call, None)).collect();
        if calls.contains(&None) {
            // No call has this number.
            self.under_way.insert(0, Some(false));
        }
        self.keep();
    }

    /// A call is over; true if that ended the test.
    pub fn ended(&mut self, record: &Record) -> bool {
        let Some(answered) = self.under_way.get_mut(&record.call) else {
            return false;
        };
        *answered = Some(record.answered.is_some());
        if self.under_way.values().any(Option::is_none) {
            return false;
        }
        self.last.passed = self.under_way.values().all(|answered| *answered == Some(true));
        self.under_way.clear();
        self.keep();
        true
    }

    fn keep(&self) {
        let kept = serde_json::to_vec(&self.last).map_err(std::io::Error::from);
        // What became of it is shown all the same; only a restart forgets it.
        if let Err(error) = kept.and_then(|bytes| std::fs::write(&self.path, bytes)) {
            eprintln!("{} cannot be written: {error}", self.path.display());
        }
    }
}

//! Measures a database's load minute by minute, and learns from it what its weeks are like.

use jiff::Timestamp;
use jiff::civil::DateTime;
use tokio::time::{Duration, Instant};
use varde_calendar::Schedule;
use varde_site::Engine;

use crate::Error;
use crate::postgres::Session;
use crate::quiet::{QUARTERS_A_DAY, Sample, Week};
use crate::relay::rig::{answers, in_use};
use crate::settings::{Paths, Settings};

const SHORT: Duration = Duration::from_secs(5);
/// Looks are this far apart; what happens in between makes its transactions count, but not its locks.
const EVERY: Duration = Duration::from_secs(55);

#[derive(Debug)]
pub struct Meter {
    week: Week,
    /// The quarter under way, and what was seen in it.
    quarter: usize,
    looks: u32,
    busy: u32,
    transactions: u64,
    seconds: f64,
    /// When it was last looked at, and the gate's count then.
    last: Option<(Instant, u64)>,
    session: Option<Session>,
}

impl Meter {
    pub fn new(week: Week) -> Self {
        Self {
            week,
            quarter: usize::MAX,
            looks: 0,
            busy: 0,
            transactions: 0,
            seconds: 0.0,
            last: None,
            session: None,
        }
    }

    pub fn week(&self) -> &Week {
        &self.week
    }

    /// Looks, unless it has just looked; true when a quarter has ended and was learned.
    pub async fn measure(
        &mut self,
        settings: &Settings,
        paths: &Paths,
        local: DateTime,
    ) -> Result<bool, Error> {
        if self.last.is_some_and(|(at, _)| at.elapsed() < EVERY) {
            return Ok(false);
        }
        let (count, busy) = match settings.database.engine {
            Engine::Postgresql => self.look(settings, paths).await?,
            Engine::Tcp => {
                let relay = settings.relay(paths);
                if relay.state(SHORT).await?.held {
                    // No run is under way: whoever held it is gone.
                    relay.release(SHORT).await?;
                }
                answers(settings.database.address.into(), SHORT).await?;
                let uses = in_use(&relay, settings.database.restart.oldest_transaction).await?;
                (relay.state(SHORT).await?.requests, !uses.is_empty())
            }
        };

        let quarter = quarter_of(local);
        let ended = quarter != self.quarter && self.seconds > 0.0;
        if quarter != self.quarter {
            self.turn(quarter);
        }
        let now = Instant::now();
        if let Some((at, before)) = self.last {
            // A gate that was restarted counts from 0.
            self.transactions += count.checked_sub(before).unwrap_or(count);
            self.seconds += now.duration_since(at).as_secs_f64();
        }
        self.last = Some((now, count));
        self.looks += 1;
        self.busy += u32::from(busy);
        Ok(ended)
    }

    /// The transactions so far, and whether something is in use.
    async fn look(&mut self, settings: &Settings, paths: &Paths) -> Result<(u64, bool), Error> {
        let postgres = settings.postgres(paths)?;
        let gate = settings.gate(paths);
        let session = match self.session.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => postgres.open().await?,
        };
        if gate.is_paused(SHORT).await? {
            // No run is under way: whoever paused it is gone.
            gate.resume(None, SHORT).await?;
        }
        let count = gate.transactions(SHORT).await?;
        let backends = gate.backends(SHORT).await?;
        let uses = postgres
            .look(&session, settings.database.restart.oldest_transaction, &backends)
            .await?;
        self.session = Some(session);
        Ok((count, !uses.is_empty()))
    }

    fn turn(&mut self, quarter: usize) {
        if self.seconds > 0.0 && self.looks > 0 {
            let transactions = f64::from(u32::try_from(self.transactions).unwrap_or(u32::MAX));
            let sample = Sample {
                rate: transactions / self.seconds,
                busy: f64::from(self.busy) / f64::from(self.looks),
            };
            self.week.learn(self.quarter, sample);
        }
        self.quarter = quarter;
        (self.looks, self.busy, self.transactions, self.seconds) = (0, 0, 0, 0.0);
    }

    /// The quietest time that the schedule leaves open, such as `Sun 03:45`, and the transactions that a stall of so many
    /// milliseconds would delay then.
    pub fn quietest(&self, stall: u64, schedule: &Schedule) -> (String, f64) {
        // Any week does: closed are hours of weekdays, and days that come once are not a week's habit.
        let monday = jiff::civil::date(2001, 1, 1);
        let start = |quarter: usize| {
            let minutes = i64::try_from(quarter * 15).unwrap_or(0);
            monday
                .at(0, 0, 0, 0)
                .saturating_add(jiff::SignedDuration::from_mins(minutes))
        };
        let closed = |quarter| {
            schedule
                .blackouts
                .iter()
                .any(|blackout| blackout.covers(start(quarter)))
        };
        match self.week.propose(stall, closed) {
            Some(proposal) => (
                start(proposal.quarter).strftime("%a %H:%M").to_string(),
                proposal.delayed,
            ),
            None => (String::new(), -1.0),
        }
    }

    /// The transactions that a stall of so many milliseconds would delay at this moment; negative where unknown.
    pub fn expected(&self, at: Timestamp, stall: u64, schedule: &Schedule) -> f64 {
        let quarter = quarter_of(schedule.zone.to_datetime(at));
        self.week.expected(quarter, stall).unwrap_or(-1.0)
    }
}

/// From 0, Monday 00:00.
fn quarter_of(local: DateTime) -> usize {
    let part = |number: i8| usize::try_from(number).unwrap_or(0);
    let day = part(local.weekday().to_monday_zero_offset());
    day * QUARTERS_A_DAY + part(local.hour()) * 4 + part(local.minute()) / 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_count_from_monday() {
        assert_eq!(quarter_of("2026-11-23T00:00:00".parse().unwrap()), 0);
        assert_eq!(
            quarter_of("2026-11-22T23:59:59".parse().unwrap()),
            7 * QUARTERS_A_DAY - 1
        );
    }

    #[test]
    fn the_quietest_time_is_told_by_its_weekday() {
        let mut week = Week::default();
        for quarter in 0..7 * QUARTERS_A_DAY {
            let rate = if quarter == 6 * QUARTERS_A_DAY + 15 {
                0.0
            } else {
                50.0
            };
            week.learn(quarter, Sample { rate, busy: 0.0 });
        }
        let schedule = Schedule {
            calendars: vec![],
            blackouts: vec![],
            skip_holidays: false,
            zone: jiff::tz::TimeZone::UTC,
        };
        let meter = Meter::new(week);
        assert_eq!(meter.quietest(200, &schedule).0, "Sun 03:45");
        let at = "2026-11-23T12:00:00Z".parse().unwrap();
        assert!((meter.expected(at, 200, &schedule) - 10.0).abs() < 0.01);
    }
}

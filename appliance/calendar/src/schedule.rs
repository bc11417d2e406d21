//! The coming runs, and what stands in the way of each.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::DateTime};

use crate::{Blackout, Calendar, Holiday, holiday};

/// When something is to happen, and when not.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub calendars: Vec<Calendar>,
    pub blackouts: Vec<Blackout>,
    /// Not on Norwegian public holidays.
    pub skip_holidays: bool,
    pub zone: TimeZone,
}

/// A moment that a calendar names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    pub at: Timestamp,
    /// Why nothing happens then.
    pub obstacle: Option<Obstacle>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    Holiday(Holiday),
    /// The blackout as it was written.
    Blackout(String),
}

impl Schedule {
    /// The first moment after `after` that a calendar names, open or not.
    pub fn next(&self, after: Timestamp) -> Option<Occurrence> {
        let at = self
            .calendars
            .iter()
            .filter_map(|calendar| calendar.next(after, &self.zone))
            .min()?;
        Some(Occurrence {
            at,
            obstacle: self.obstacle(at),
        })
    }

    /// The next `count` moments after `after`.
    pub fn upcoming(&self, after: Timestamp, count: usize) -> Vec<Occurrence> {
        let mut last = after;
        std::iter::from_fn(|| {
            let next = self.next(last)?;
            last = next.at;
            Some(next)
        })
        .take(count)
        .collect()
    }

    /// What closes this moment.
    pub fn obstacle(&self, at: Timestamp) -> Option<Obstacle> {
        let local: DateTime = self.zone.to_datetime(at);
        let day: Date = local.date();
        if self.skip_holidays
            && let Some(holiday) = holiday(day)
        {
            return Some(Obstacle::Holiday(holiday));
        }
        self.blackouts
            .iter()
            .find(|blackout| blackout.covers(local))
            .map(|blackout| Obstacle::Blackout(blackout.to_string()))
    }

    /// The first moment from `from` on, and before `until`, at which a window is no longer open; to the minute.
    pub fn closes(&self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let mut moment = from;
        while moment < until {
            if self.obstacle(moment).is_some() {
                return Some(moment);
            }
            let second = moment.as_second();
            moment = Timestamp::from_second(second - second.rem_euclid(60) + 60).ok()?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(calendars: &[&str], blackouts: &[&str], skip_holidays: bool) -> Schedule {
        Schedule {
            calendars: calendars.iter().map(|text| text.parse().unwrap()).collect(),
            blackouts: blackouts.iter().map(|text| text.parse().unwrap()).collect(),
            skip_holidays,
            zone: TimeZone::get("Europe/Oslo").unwrap(),
        }
    }

    #[test]
    fn holidays_and_blackouts_stay_in_the_list_with_their_reason() {
        let schedule = schedule(&["Fri 03:30", "*-12-24 03:30"], &["2027-12-24"], true);
        let from: Timestamp = "2027-03-20T00:00:00Z".parse().unwrap();
        let next = schedule.upcoming(from, 2);
        assert!(
            matches!(&next[0].obstacle, Some(Obstacle::Holiday(day)) if day.nb == "langfredag"),
            "{next:?}"
        );
        assert_eq!(next[1].at.to_string(), "2027-04-02T01:30:00Z");
        assert_eq!(next[1].obstacle, None);
        let eve = schedule.upcoming("2027-12-20T00:00:00Z".parse().unwrap(), 1);
        assert_eq!(eve[0].obstacle, Some(Obstacle::Blackout("2027-12-24".into())));
    }

    #[test]
    fn two_calendars_that_meet_make_one_run() {
        let schedule = schedule(&["Sun 03:30", "*-*-* 03:30"], &[], false);
        let runs = schedule.upcoming("2026-11-21T12:00:00Z".parse().unwrap(), 2);
        assert_eq!(runs[0].at.to_string(), "2026-11-22T02:30:00Z");
        assert_eq!(runs[1].at.to_string(), "2026-11-23T02:30:00Z");
    }

    #[test]
    fn a_window_closes_where_a_blackout_begins() {
        let schedule = schedule(&["03:30"], &["Mon..Fri 06:00..17:00"], false);
        let closes = |from: &str, until: &str| {
            schedule
                .closes(from.parse().unwrap(), until.parse().unwrap())
                .map(|at| at.to_string())
        };
        assert_eq!(
            closes("2026-11-23T02:30:20Z", "2026-11-23T08:00:00Z").as_deref(),
            Some("2026-11-23T05:00:00Z")
        );
        assert_eq!(closes("2026-11-23T02:30:00Z", "2026-11-23T04:30:00Z"), None);
    }
}

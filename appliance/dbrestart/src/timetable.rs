//! When a database is restarted: the calendar, and what operators said about it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use varde_bus::Text;
use varde_calendar::{Obstacle, Schedule};

use crate::ledger::Cause;

/// A run that begins later than this was missed, even where missed runs are made up for by no rule.
const LATE: SignedDuration = SignedDuration::from_mins(2);
/// A clock that has gone back further was wrong before, not set right by a little.
const CLOCK_WAS_WRONG: SignedDuration = SignedDuration::from_hours(24);

/// What is remembered between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// The calendar has been followed up to here.
    pub followed: Option<Timestamp>,
    /// This one is skipped.
    pub skip: Option<Timestamp>,
    /// Nothing is restarted: who said so, and why.
    pub hold: Option<(String, String)>,
    /// Once, besides the calendar.
    pub once: Option<Once>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    pub at: Timestamp,
    pub who: String,
    pub why: String,
}

/// What the clock says is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    Nothing,
    Run(Cause),
    /// It was due then, and it is too late for it now.
    Missed(Timestamp),
}

impl Orders {
    /// What is due, and remembers that it was told. At most one run, however long nobody asked.
    pub fn due(&mut self, schedule: &Schedule, now: Timestamp, made_up: SignedDuration) -> Due {
        let followed = match self.followed {
            Some(followed) if followed.duration_since(now) < CLOCK_WAS_WRONG => followed,
            // The first time, or after a clock from the future: what lies behind is nobody's business.
            _ => now,
        };
        self.followed = Some(followed.max(now));
        if let Some(once) = self.once.take_if(|once| once.at <= now) {
            return if self.hold.is_some() {
                Due::Nothing
            } else {
                let planned = once.at.as_millisecond();
                Due::Run(Cause {
                    planned,
                    who: once.who,
                    why: once.why,
                })
            };
        }
        let mut due = Due::Nothing;
        let mut last = followed;
        while let Some(next) = schedule.next(last).filter(|next| next.at <= now) {
            last = next.at;
            let skipped = self.skip.take_if(|skip| *skip <= next.at).is_some();
            if skipped || self.hold.is_some() || next.obstacle.is_some() {
                continue;
            }
            let late = now.duration_since(next.at);
            // What was missed is made up for where that is still open.
            let open = late <= LATE || schedule.obstacle(now).is_none();
            due = if late <= made_up.max(LATE) && open {
                Due::Run(Cause::calendar(next.at.as_millisecond()))
            } else {
                Due::Missed(next.at)
            };
        }
        due
    }

    /// Why the run at this moment will not happen.
    pub fn obstacle(&self, at: Timestamp, obstacle: Option<&Obstacle>) -> Text {
        if let Some((who, why)) = &self.hold {
            return because(
                &Text::new(format!("stilt i bero av {who}"), format!("on hold by {who}")),
                why,
            );
        }
        if self.skip == Some(at) {
            return Text::new("hoppes over", "skipped");
        }
        match obstacle {
            None => Text::default(),
            Some(Obstacle::Holiday(day)) => Text::new(day.nb, day.en),
            Some(Obstacle::Blackout(text)) => Text::new(format!("stengt: {text}"), format!("closed: {text}")),
        }
    }
}

fn because(text: &Text, why: &str) -> Text {
    if why.trim().is_empty() {
        return text.clone();
    }
    Text::new(format!("{}: {why}", text.nb), format!("{}: {why}", text.en))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nightly() -> Schedule {
        Schedule {
            calendars: vec!["03:30".parse().unwrap()],
            blackouts: vec!["06:00..18:00".parse().unwrap()],
            skip_holidays: true,
            zone: jiff::tz::TimeZone::UTC,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn followed(until: &str) -> Orders {
        Orders {
            followed: Some(at(until)),
            ..Orders::default()
        }
    }

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn runs(due: &Due) -> bool {
        matches!(due, Due::Run(_))
    }

    #[test]
    fn a_run_is_due_once() {
        let mut orders = followed("2026-11-23T03:29:50Z");
        assert_eq!(
            orders.due(&nightly(), at("2026-11-23T03:29:59Z"), HOUR),
            Due::Nothing
        );
        assert!(runs(&orders.due(&nightly(), at("2026-11-23T03:30:01Z"), HOUR)));
        assert_eq!(
            orders.due(&nightly(), at("2026-11-23T03:30:02Z"), HOUR),
            Due::Nothing
        );
    }

    #[test]
    fn the_first_time_nothing_of_the_past_is_due() {
        assert_eq!(
            Orders::default().due(&nightly(), at("2026-11-23T03:31:00Z"), HOUR),
            Due::Nothing
        );
    }

    #[test]
    fn a_missed_run_is_made_up_for_within_its_bound_and_never_twice() {
        let mut orders = followed("2026-11-20T12:00:00Z");
        assert!(runs(&orders.due(&nightly(), at("2026-11-23T04:00:00Z"), HOUR)));
        let mut orders = followed("2026-11-20T12:00:00Z");
        let due = orders.due(&nightly(), at("2026-11-23T05:00:00Z"), HOUR);
        assert_eq!(due, Due::Missed(at("2026-11-23T03:30:00Z")));
        let mut orders = followed("2026-11-20T12:00:00Z");
        let due = orders.due(&nightly(), at("2026-11-23T07:00:00Z"), HOUR * 6);
        assert_eq!(
            due,
            Due::Missed(at("2026-11-23T03:30:00Z")),
            "it is closed by then"
        );
    }

    #[test]
    fn a_clock_that_goes_back_repeats_nothing_and_one_from_the_future_blocks_nothing() {
        let mut orders = followed("2026-11-23T03:30:05Z");
        assert_eq!(
            orders.due(&nightly(), at("2026-11-23T03:29:00Z"), HOUR),
            Due::Nothing
        );
        assert_eq!(
            orders.due(&nightly(), at("2026-11-23T03:30:30Z"), HOUR),
            Due::Nothing
        );
        let mut orders = followed("2031-01-01T00:00:00Z");
        assert_eq!(
            orders.due(&nightly(), at("2026-11-23T03:29:00Z"), HOUR),
            Due::Nothing
        );
        assert!(runs(&orders.due(&nightly(), at("2026-11-23T03:30:30Z"), HOUR)));
    }

    #[test]
    fn skip_hold_and_holidays_leave_runs_out() {
        let mut orders = followed("2026-11-23T03:00:00Z");
        orders.skip = Some(at("2026-11-23T03:30:00Z"));
        assert_eq!(
            orders.due(&nightly(), at("2026-11-23T03:30:01Z"), HOUR),
            Due::Nothing
        );
        assert!(
            runs(&orders.due(&nightly(), at("2026-11-24T03:30:01Z"), HOUR)),
            "only that one"
        );
        orders.hold = Some(("kari".into(), "revisjon".into()));
        assert_eq!(
            orders.due(&nightly(), at("2026-11-25T03:30:01Z"), HOUR),
            Due::Nothing
        );
        assert!(
            orders
                .obstacle(at("2026-11-26T03:30:00Z"), None)
                .nb
                .contains("revisjon")
        );
        let mut orders = followed("2026-12-25T03:00:00Z");
        assert_eq!(
            orders.due(&nightly(), at("2026-12-25T03:30:01Z"), HOUR),
            Due::Nothing
        );
    }

    #[test]
    fn a_run_that_was_asked_for_comes_at_its_time_even_on_a_holiday() {
        let mut orders = followed("2026-12-25T12:00:00Z");
        orders.once = Some(Once {
            at: at("2026-12-25T13:00:00Z"),
            who: "kari".into(),
            why: "minne".into(),
        });
        assert_eq!(
            orders.due(&nightly(), at("2026-12-25T12:59:00Z"), HOUR),
            Due::Nothing
        );
        let due = orders.due(&nightly(), at("2026-12-25T13:00:00Z"), HOUR);
        assert!(matches!(due, Due::Run(cause) if cause.who == "kari"));
        assert_eq!(orders.once, None);
    }
}

//! Times when nothing may happen: hours of the day on some weekdays, or days.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};

use crate::{Calendar, Error, parse};

/// `Mon..Fri 07:00..17:00`, `22:00..02:00` (over midnight; the weekday is the one it begins on), `Sat,Sun`,
/// `2026-06-20..2026-06-25` (both days included) or `2026-12-24`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blackout {
    source: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Days {
        first: Date,
        last: Date,
    },
    /// On these weekdays from `from` up to, not including, `to`; the whole day where they are equal.
    Hours {
        weekdays: u8,
        from: Time,
        to: Time,
    },
}

impl Blackout {
    /// Whether this local time is closed.
    pub fn covers(&self, moment: DateTime) -> bool {
        match self.kind {
            Kind::Days { first, last } => (first..=last).contains(&moment.date()),
            Kind::Hours { weekdays, from, to } => {
                let on = |date: Date| weekdays & (1 << date.weekday().to_monday_zero_offset()) != 0;
                let time = moment.time();
                if from < to {
                    return on(moment.date()) && (from..to).contains(&time);
                }
                let began_today = on(moment.date()) && time >= from;
                let began_yesterday = moment.date().yesterday().is_ok_and(on) && time < to;
                began_today || began_yesterday
            }
        }
    }
}

impl FromStr for Blackout {
    type Err = Error;

    fn from_str(source: &str) -> Result<Self, Error> {
        let wrong = || Error::Blackout(source.to_owned());
        let words: Vec<&str> = source.split_ascii_whitespace().collect();
        let kind = match words[..] {
            [] => return Err(Error::Empty),
            [days] if days.starts_with(|c: char| c.is_ascii_alphabetic()) => Kind::Hours {
                weekdays: parse::weekdays(days)?,
                from: Time::midnight(),
                to: Time::midnight(),
            },
            [hours] if hours.contains(':') => hours_of(Calendar::EVERY_DAY, hours).ok_or_else(wrong)?,
            [days] => {
                let (first, last) = days.split_once("..").unwrap_or((days, days));
                let first: Date = first.parse().map_err(|_| wrong())?;
                let last: Date = last.parse().map_err(|_| wrong())?;
                if last < first {
                    return Err(Error::Backwards(source.to_owned()));
                }
                Kind::Days { first, last }
            }
            [days, hours] => hours_of(parse::weekdays(days)?, hours).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        Ok(Self {
            source: source.trim().to_owned(),
            kind,
        })
    }
}

fn hours_of(weekdays: u8, text: &str) -> Option<Kind> {
    let time = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        if hour.len() > 2 || minute.len() != 2 {
            return None;
        }
        match (hour.parse().ok()?, minute.parse().ok()?) {
            // The end of the day.
            (24, 0) => Some(Time::midnight()),
            (hour, minute) => Time::new(hour, minute, 0, 0).ok(),
        }
    };
    let (from, to) = text.split_once("..")?;
    Some(Kind::Hours {
        weekdays,
        from: time(from)?,
        to: time(to)?,
    })
}

/// As it was written.
impl fmt::Display for Blackout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(blackout: &str, moment: &str) -> bool {
        blackout
            .parse::<Blackout>()
            .unwrap()
            .covers(moment.parse().unwrap())
    }

    #[test]
    fn hours_are_closed_on_their_weekdays_only() {
        // 2026-11-20 is a Friday.
        assert!(covers("Mon..Fri 07:00..17:00", "2026-11-20T07:00:00"));
        assert!(!covers("Mon..Fri 07:00..17:00", "2026-11-20T17:00:00"));
        assert!(!covers("Mon..Fri 07:00..17:00", "2026-11-21T12:00:00"));
        assert!(covers("Sat,Sun", "2026-11-22T23:59:59"));
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_they_begin_on() {
        assert!(covers("Fri 22:00..02:00", "2026-11-20T23:00:00"));
        assert!(covers("Fri 22:00..02:00", "2026-11-21T01:59:59"));
        assert!(!covers("Fri 22:00..02:00", "2026-11-20T01:00:00"));
        assert!(!covers("Fri 22:00..02:00", "2026-11-21T22:00:00"));
        assert!(covers("20:00..24:00", "2026-11-21T22:00:00"));
    }

    #[test]
    fn days_are_closed_from_the_first_to_the_last() {
        assert!(covers("2026-06-20..2026-06-25", "2026-06-25T23:00:00"));
        assert!(!covers("2026-06-20..2026-06-25", "2026-06-26T00:00:00"));
        assert!(covers("2026-12-24", "2026-12-24T03:30:00"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "07:00",
            "Mon 7..8",
            "25:00..26:00",
            "2026-06-25..2026-06-20",
            "2026-13-01",
            "Mon 7:00..8:00 x",
        ] {
            assert!(text.parse::<Blackout>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[ -~æøå]{0,40}") {
            let _ = text.parse::<Blackout>();
        }
    }
}

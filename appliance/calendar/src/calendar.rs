//! A calendar expression, and the moments that match it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::Error;
use crate::parse::{self, LAST_YEAR};

/// A parsed expression, such as `Sun *-*-* 03:30` or `Mon *-*~07/1 04:00 Europe/Oslo` (the last Monday of a month).
#[derive(Clone, Debug)]
pub struct Calendar {
    pub(crate) source: String,
    pub(crate) zone: Option<TimeZone>,
    /// Bits, Monday lowest.
    pub(crate) weekdays: u8,
    pub(crate) year: Field,
    pub(crate) month: Field,
    pub(crate) day: Field,
    /// `~`: days are counted from the end of the month.
    pub(crate) from_end: bool,
    pub(crate) hour: Field,
    pub(crate) minute: Field,
    pub(crate) second: Field,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub name: &'static str,
    pub least: i16,
    pub most: i16,
    pub parts: Vec<Part>,
}

/// From `start` in steps to `stop`; a single value where there is no `stop`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub start: i16,
    pub stop: Option<i16>,
    pub step: i16,
}

impl Field {
    pub fn any(name: &'static str, least: i16, most: i16) -> Self {
        let whole = Part {
            start: least,
            stop: Some(most),
            step: 1,
        };
        Self {
            name,
            least,
            most,
            parts: vec![whole],
        }
    }

    pub fn one(name: &'static str, least: i16, most: i16, value: i16) -> Self {
        let single = Part {
            start: value,
            stop: None,
            step: 1,
        };
        Self {
            name,
            least,
            most,
            parts: vec![single],
        }
    }

    fn matches(&self, value: i16) -> bool {
        self.parts.iter().any(|part| part.matches(value))
    }

    fn values(&self) -> Vec<i8> {
        (self.least..=self.most)
            .filter(|value| self.matches(*value))
            .filter_map(|value| i8::try_from(value).ok())
            .collect()
    }
}

impl Part {
    fn matches(self, value: i16) -> bool {
        match self.stop {
            None => value == self.start,
            Some(stop) => {
                (self.start..=stop).contains(&value) && (value - self.start).rem_euclid(self.step) == 0
            }
        }
    }
}

impl Calendar {
    pub(crate) const EVERY_DAY: u8 = 0b111_1111;

    /// The first moment after `after` that matches; `local` is the zone where the expression names none. `None` where
    /// no moment up to the year 2199 does.
    pub fn next(&self, after: Timestamp, local: &TimeZone) -> Option<Timestamp> {
        let zone = self.zone.as_ref().unwrap_or(local);
        let hours = self.hour.values();
        let minutes = self.minute.values();
        let seconds = self.second.values();
        let from = zone.to_datetime(after);
        // A jump of the clock moves a moment by at most a day's change of offset; what lies before cannot match.
        let mut date = from.date();
        while date.year() <= LAST_YEAR {
            if self.matches_date(date) {
                for &hour in &hours {
                    if date == from.date() && hour + 3 < from.hour() {
                        continue;
                    }
                    for &minute in &minutes {
                        for &second in &seconds {
                            let moment = moment(zone, date, hour, minute, second);
                            if let Some(moment) = moment.filter(|moment| *moment > after) {
                                return Some(moment);
                            }
                        }
                    }
                }
            }
            date = if self.month.matches(date.month().into()) && self.year.matches(date.year()) {
                date.tomorrow().ok()?
            } else {
                date.last_of_month().tomorrow().ok()?
            };
        }
        None
    }

    fn matches_date(&self, date: Date) -> bool {
        self.year.matches(date.year())
            && self.month.matches(date.month().into())
            && self.weekdays & (1 << date.weekday().to_monday_zero_offset()) != 0
            && self.matches_day(date)
    }

    fn matches_day(&self, date: Date) -> bool {
        if !self.from_end {
            return self.day.matches(date.day().into());
        }
        // `~03` is the third last day; `~07/1` every day from the seventh last on; `~03..05` from the fifth to the
        // third last. systemd steps from the earliest day on.
        let length = i16::from(date.days_in_month());
        let day = i16::from(date.day());
        self.day.parts.iter().any(|part| {
            let start = length - part.start + 1;
            let turned = match part.stop {
                None => Part { start, ..*part },
                Some(stop) if stop == self.day.most => Part {
                    start: start.max(1),
                    stop: Some(length),
                    step: part.step,
                },
                Some(stop) => Part {
                    start: length - stop + 1,
                    stop: Some(start),
                    step: part.step,
                },
            };
            turned.start >= 1 && turned.matches(day)
        })
    }
}

/// A time of day as a moment: in a gap the end of the gap, in a fold the first of the two.
fn moment(zone: &TimeZone, date: Date, hour: i8, minute: i8, second: i8) -> Option<Timestamp> {
    let civil = date.at(hour, minute, second, 0);
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            // Read with the later offset, a time in the gap lies just before the jump.
            let before_jump = after.to_timestamp(civil).ok()?;
            zone.following(before_jump)
                .next()
                .map(|transition| transition.timestamp())
        }
    }
}

impl FromStr for Calendar {
    type Err = Error;

    fn from_str(source: &str) -> Result<Self, Error> {
        parse::calendar(source)
    }
}

/// As it was written.
impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn oslo() -> TimeZone {
        TimeZone::get("Europe/Oslo").unwrap()
    }

    fn next(expression: &str, after: &str) -> String {
        let calendar: Calendar = expression.parse().unwrap();
        let next = calendar.next(after.parse().unwrap(), &oslo());
        next.map_or("never".to_owned(), |moment| moment.to_string())
    }

    #[test]
    fn a_time_that_the_clock_jumps_over_happens_as_soon_as_it_has_jumped() {
        assert_eq!(next("02:30", "2027-03-27T12:00:00Z"), "2027-03-28T01:00:00Z");
        assert_eq!(
            next("02:30", "2027-03-28T01:00:00Z"),
            "2027-03-29T00:30:00Z",
            "and only once"
        );
        assert_eq!(
            next("Sun 02:00,45", "2027-03-27T12:00:00Z"),
            "2027-03-28T01:00:00Z"
        );
    }

    #[test]
    fn a_time_that_comes_twice_happens_the_first_time_only() {
        assert_eq!(next("02:30", "2027-10-30T12:00:00Z"), "2027-10-31T00:30:00Z");
        assert_eq!(next("02:30", "2027-10-31T00:30:00Z"), "2027-11-01T01:30:00Z");
    }

    #[test]
    fn days_can_be_counted_from_the_end_of_the_month() {
        assert_eq!(
            next("*-*~01 04:00", "2028-02-01T00:00:00Z"),
            "2028-02-29T03:00:00Z"
        );
        assert_eq!(
            next("Mon *-05~07/1 04:00", "2027-01-01T00:00:00Z"),
            "2027-05-31T02:00:00Z"
        );
    }

    #[test]
    fn what_never_comes_is_never() {
        assert_eq!(next("*-02-30", "2027-01-01T00:00:00Z"), "never");
        assert_eq!(next("2020-*-*", "2027-01-01T00:00:00Z"), "never");
    }

    #[test]
    fn faults_name_the_words_that_are_wrong() {
        let fault = |text: &str| text.parse::<Calendar>().unwrap_err();
        assert_eq!(fault(""), Error::Empty);
        assert_eq!(fault("Europe/Oslo"), Error::Empty);
        assert_eq!(fault("Son 03:30"), Error::Weekday("Son".into()));
        assert_eq!(fault("Fri..Mon"), Error::Backwards("Fri..Mon".into()));
        assert_eq!(fault("03:30 hver"), Error::Unknown("hver".into()));
        assert_eq!(fault("03:30 Europe/Olso"), Error::Zone("Europe/Olso".into()));
        assert_eq!(
            fault("24:00"),
            Error::Range {
                field: "the hour",
                value: 24,
                least: 0,
                most: 23
            }
        );
        assert_eq!(fault("03:0/0"), Error::Number("0/0".into()));
        assert_eq!(fault("3"), Error::Unknown("3".into()));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[ -~æøå]{0,40}") {
            let _ = text.parse::<Calendar>();
        }

        #[test]
        fn every_next_lies_after_and_matches_once(
            hour in 0i8..24,
            minute in 0i8..60,
            start in 1_700_000_000i64..2_000_000_000,
        ) {
            let calendar: Calendar = format!("{hour:02}:{minute:02}").parse().unwrap();
            let mut last = Timestamp::from_second(start).unwrap();
            for _ in 0..4 {
                let next = calendar.next(last, &oslo()).unwrap();
                prop_assert!(next > last);
                prop_assert!(next.duration_since(last).as_hours() <= 26);
                last = next;
            }
        }
    }
}

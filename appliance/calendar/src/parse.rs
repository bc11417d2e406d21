//! Reading a calendar expression: the syntax of systemd.time(7), "Calendar Events".
//!
//! The whole syntax but fractions of a second, `@` with seconds since 1970, and the old `Mon-Fri`.

use jiff::tz::TimeZone;

use crate::Error;
use crate::calendar::{Calendar, Field, Part};

/// systemd has no years past this one either.
pub(crate) const LAST_YEAR: i16 = 2199;

const SHORTHANDS: [(&str, &str); 9] = [
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
];

const WEEKDAYS: [(&str, &str); 7] = [
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
    ("sun", "sunday"),
];

pub(crate) fn calendar(source: &str) -> Result<Calendar, Error> {
    let mut words: Vec<&str> = source.split_ascii_whitespace().collect();
    let zone = match words.last() {
        None => return Err(Error::Empty),
        Some(last) => zone(last)?,
    };
    if zone.is_some() {
        words.pop();
    }
    if let [one] = words[..] {
        let lower = one.to_ascii_lowercase();
        if let Some((_, meaning)) = SHORTHANDS.iter().find(|(name, _)| *name == lower) {
            words = meaning.split(' ').collect();
        }
    }
    if words.is_empty() {
        return Err(Error::Empty);
    }

    let mut rest = words.into_iter().peekable();
    let mut result = Calendar {
        source: source.trim().to_owned(),
        zone,
        weekdays: Calendar::EVERY_DAY,
        year: Field::any("the year", 1970, LAST_YEAR),
        month: Field::any("the month", 1, 12),
        day: Field::any("the day", 1, 31),
        from_end: false,
        hour: Field::one("the hour", 0, 23, 0),
        minute: Field::one("the minute", 0, 59, 0),
        second: Field::one("the second", 0, 59, 0),
    };
    if let Some(word) = rest.next_if(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())) {
        result.weekdays = weekdays(word.trim_end_matches(','))?;
    }
    if let Some(word) = rest.next_if(|word| word.contains(['-', '~'])) {
        date(word, &mut result)?;
    }
    if let Some(word) = rest.next_if(|word| word.contains(':')) {
        time(word, &mut result)?;
    }
    match rest.next() {
        None => Ok(result),
        Some(word) => Err(Error::Unknown(word.to_owned())),
    }
}

/// The last word, where it is a time zone rather than a weekday or a shorthand.
fn zone(word: &str) -> Result<Option<TimeZone>, Error> {
    if word.eq_ignore_ascii_case("utc") {
        return Ok(Some(TimeZone::UTC));
    }
    if !word.starts_with(|c: char| c.is_ascii_alphabetic()) || !word.contains('/') {
        return Ok(None);
    }
    TimeZone::get(word)
        .map(Some)
        .map_err(|_| Error::Zone(word.to_owned()))
}

/// `Mon..Fri,Sun` as bits, Monday lowest.
pub(crate) fn weekdays(word: &str) -> Result<u8, Error> {
    let day = |name: &str| {
        let lower = name.to_ascii_lowercase();
        WEEKDAYS
            .iter()
            .position(|(short, long)| lower == *short || lower == *long)
            .ok_or_else(|| Error::Weekday(name.to_owned()))
    };
    let mut bits = 0;
    for part in word.split(',') {
        let (first, last) = match part.split_once("..") {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        if first > last {
            return Err(Error::Backwards(part.to_owned()));
        }
        for day in first..=last {
            bits |= 1 << day;
        }
    }
    Ok(bits)
}

fn date(word: &str, calendar: &mut Calendar) -> Result<(), Error> {
    let wrong = || Error::Date(word.to_owned());
    let (head, day) = match word.split_once('~') {
        Some((head, day)) => {
            calendar.from_end = true;
            (head, day)
        }
        None => word.rsplit_once('-').ok_or_else(wrong)?,
    };
    let month = match head.split_once('-') {
        Some((year, month)) => {
            calendar.year.parts = parts(year, &calendar.year, two_digit_year)?;
            month
        }
        None => head,
    };
    if month.contains('-') || day.contains(['-', '~']) {
        return Err(wrong());
    }
    calendar.month.parts = parts(month, &calendar.month, |month| month)?;
    calendar.day.parts = parts(day, &calendar.day, |day| day)?;
    Ok(())
}

fn two_digit_year(year: i64) -> i64 {
    match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        _ => year,
    }
}

fn time(word: &str, calendar: &mut Calendar) -> Result<(), Error> {
    let mut fields = word.split(':');
    let mut next = |field: &mut Field| match fields.next() {
        Some(text) => {
            field.parts = parts(text, field, |value| value)?;
            Ok(())
        }
        None => Err(Error::Time(word.to_owned())),
    };
    next(&mut calendar.hour)?;
    next(&mut calendar.minute)?;
    if word.matches(':').count() > 1 {
        next(&mut calendar.second)?;
    }
    match fields.next() {
        None => Ok(()),
        Some(_) => Err(Error::Time(word.to_owned())),
    }
}

/// `*`, `5`, `1..5`, `0/15`, `1..9/2`, and lists of them.
fn parts(text: &str, field: &Field, meant: impl Fn(i64) -> i64) -> Result<Vec<Part>, Error> {
    let number = |digits: &str| -> Result<i64, Error> {
        if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Number(text.to_owned()));
        }
        digits.parse().map_err(|_| Error::Number(text.to_owned()))
    };
    let within = |value: i64| -> Result<i16, Error> {
        i16::try_from(value)
            .ok()
            .filter(|value| (field.least..=field.most).contains(value))
            .ok_or(Error::Range {
                field: field.name,
                value,
                least: field.least,
                most: field.most,
            })
    };
    text.split(',')
        .map(|part| {
            let (range, every) = match part.split_once('/') {
                Some((range, every)) => (range, Some(number(every)?)),
                None => (part, None),
            };
            let (start, stop) = match range.split_once("..") {
                Some((start, stop)) => (
                    within(meant(number(start)?))?,
                    Some(within(meant(number(stop)?))?),
                ),
                None if range == "*" => (field.least, Some(field.most)),
                None => (within(meant(number(range)?))?, None),
            };
            if stop.is_some_and(|stop| stop < start) {
                return Err(Error::Backwards(part.to_owned()));
            }
            let every = match every {
                None => None,
                Some(0) => return Err(Error::Number(part.to_owned())),
                Some(every) => Some(i16::try_from(every).map_err(|_| Error::Number(part.to_owned()))?),
            };
            Ok(Part {
                start,
                stop: stop.or(if every.is_some() { Some(field.most) } else { None }),
                step: every.unwrap_or(1),
            })
        })
        .collect()
}

//! Norwegian public holidays: lov om helligdager (1995) § 2, and 1 and 17 May.

use jiff::ToSpan;
use jiff::civil::{Date, date};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holiday {
    pub nb: &'static str,
    pub en: &'static str,
}

/// Days from Easter Sunday.
const MOVABLE: [(i32, Holiday); 7] = [
    (-3, named("skjærtorsdag", "Maundy Thursday")),
    (-2, named("langfredag", "Good Friday")),
    (0, named("første påskedag", "Easter Sunday")),
    (1, named("andre påskedag", "Easter Monday")),
    (39, named("Kristi himmelfartsdag", "Ascension Day")),
    (49, named("første pinsedag", "Whit Sunday")),
    (50, named("andre pinsedag", "Whit Monday")),
];

const FIXED: [(i8, i8, Holiday); 5] = [
    (1, 1, named("første nyttårsdag", "New Year's Day")),
    (5, 1, named("første mai", "1 May")),
    (5, 17, named("grunnlovsdagen", "Constitution Day")),
    (12, 25, named("første juledag", "Christmas Day")),
    (12, 26, named("andre juledag", "Boxing Day")),
];

const fn named(nb: &'static str, en: &'static str) -> Holiday {
    Holiday { nb, en }
}

/// The holiday that `day` is, if it is one.
pub fn holiday(day: Date) -> Option<Holiday> {
    holidays(day.year())
        .into_iter()
        .find(|(known, _)| *known == day)
        .map(|(_, holiday)| holiday)
}

/// All holidays of a year, in order.
pub fn holidays(year: i16) -> Vec<(Date, Holiday)> {
    let easter = easter(year);
    let mut all: Vec<(Date, Holiday)> = FIXED
        .iter()
        .map(|(month, day, holiday)| (date(year, *month, *day), *holiday))
        .chain(
            MOVABLE
                .iter()
                .map(|(days, holiday)| (easter.saturating_add(days.days()), *holiday)),
        )
        .collect();
    all.sort_by_key(|(day, _)| *day);
    all
}

/// Easter Sunday in the Gregorian calendar, by the method of Meeus, Jones and Butcher.
#[allow(clippy::many_single_char_names, reason = "the method's own letters")]
fn easter(year: i16) -> Date {
    let y = i32::from(year);
    let a = y % 19;
    let (b, c) = (y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let day = (h + l - 7 * m + 33 * month + 19) % 32;
    // Easter lies between 22 March and 25 April.
    date(
        year,
        i8::try_from(month).unwrap_or(4),
        i8::try_from(day).unwrap_or(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_is_where_the_almanac_has_it() {
        for (year, month, day) in [
            (1961, 4, 2),
            (2000, 4, 23),
            (2008, 3, 23),
            (2011, 4, 24),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2038, 4, 25),
            (2285, 3, 22),
        ] {
            assert_eq!(easter(year), date(year, month, day));
        }
    }

    #[test]
    fn the_holidays_of_2027_are_these() {
        let days: Vec<String> = holidays(2027).iter().map(|(day, _)| day.to_string()).collect();
        assert_eq!(
            days,
            [
                "2027-01-01",
                "2027-03-25",
                "2027-03-26",
                "2027-03-28",
                "2027-03-29",
                "2027-05-01",
                "2027-05-06",
                "2027-05-16",
                "2027-05-17",
                "2027-05-17",
                "2027-12-25",
                "2027-12-26"
            ],
            "Whit Monday and Constitution Day fall together that year"
        );
        assert_eq!(holiday(date(2027, 3, 26)).map(|h| h.nb), Some("langfredag"));
        assert_eq!(
            holiday(date(2027, 12, 24)),
            None,
            "Christmas Eve is no public holiday"
        );
    }
}

//! When a route is open: hours of days, holidays.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use varde_calendar::{Blackout, holiday};

/// What Norwegian public holidays are to [`Hours`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnHolidays {
    /// Days like others.
    #[default]
    AsOtherDays,
    Closed,
    /// Open all day, besides the hours.
    Open,
}

/// Opening hours in local time, in the syntax of blackouts.
#[derive(Clone, Debug, Default)]
pub struct Hours {
    /// None: always.
    pub open: Vec<Blackout>,
    pub holidays: OnHolidays,
}

impl Hours {
    /// Whether they hold at a moment.
    pub fn hold(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let local = at.to_zoned(zone.clone()).datetime();
        if holiday(local.date()).is_some() {
            match self.holidays {
                OnHolidays::AsOtherDays => {}
                OnHolidays::Closed => return false,
                OnHolidays::Open => return true,
            }
        }
        self.open.is_empty() || self.open.iter().any(|open| open.covers(local))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn hold(hours: &Hours, day: (i16, i8, i8), hour: i8) -> bool {
        let zone = TimeZone::get("Europe/Oslo").unwrap();
        let local = date(day.0, day.1, day.2).at(hour, 0, 0, 0);
        hours.hold(local.to_zoned(zone.clone()).unwrap().timestamp(), &zone)
    }

    fn office(holidays: OnHolidays) -> Hours {
        let open = vec!["Mon..Fri 08:00..16:00".parse().unwrap()];
        Hours { open, holidays }
    }

    const GOOD_FRIDAY: (i16, i8, i8) = (2026, 4, 3);

    #[test]
    fn an_office_is_open_in_its_hours_in_local_time() {
        let office = office(OnHolidays::Closed);
        assert!(!hold(&office, (2026, 11, 26), 7));
        assert!(hold(&office, (2026, 11, 26), 8));
        assert!(!hold(&office, (2026, 11, 26), 16));
        assert!(!hold(&office, (2026, 11, 29), 10), "Sunday");
        assert!(hold(&Hours::default(), (2026, 11, 29), 10), "no hours: always");
    }

    #[test]
    fn a_holiday_is_what_the_hours_make_of_it() {
        assert!(hold(&office(OnHolidays::AsOtherDays), GOOD_FRIDAY, 10));
        assert!(!hold(&office(OnHolidays::Closed), GOOD_FRIDAY, 10));
        assert!(hold(&office(OnHolidays::Open), GOOD_FRIDAY, 23));
    }
}

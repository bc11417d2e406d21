//! Numbers and times as operators read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use varde_bus::Language;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// Bytes in binary units: `512 MiB`, `1,5 GiB`.
pub fn bytes(bytes: u64, language: Language) -> String {
    if bytes >= GIB {
        let tenths = (u128::from(bytes) * 10 + u128::from(GIB) / 2) / u128::from(GIB);
        if tenths >= 100 || tenths % 10 == 0 {
            return format!("{} GiB", (tenths + 5) / 10);
        }
        return decimal(&format!("{}.{} GiB", tenths / 10, tenths % 10), language);
    }
    if bytes >= MIB || bytes == 0 {
        return format!("{} MiB", (bytes + MIB / 2) / MIB);
    }
    format!("{} KiB", bytes.div_ceil(1024))
}

/// A number with one decimal.
pub fn tenth(number: f64, language: Language) -> String {
    decimal(&format!("{number:.1}"), language)
}

fn decimal(number: &str, language: Language) -> String {
    match language {
        Language::Nb => number.replace('.', ","),
        Language::En => number.to_owned(),
    }
}

/// Kroner, in groups of three.
pub fn kroner(amount: u64, language: Language) -> String {
    let digits = amount.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(if language == Language::Nb { ' ' } else { ',' });
        }
        grouped.push(digit);
    }
    match language {
        Language::Nb => format!("{grouped} kr"),
        Language::En => format!("NOK {grouped}"),
    }
}

fn zone(name: &str) -> TimeZone {
    // A POSIX rule is what an image without a time zone database can have.
    TimeZone::get(name)
        .or_else(|_| TimeZone::posix(name))
        .unwrap_or(TimeZone::UTC)
}

/// A time of the day for what happened today, with the date in front for what did not.
pub fn moment(when: i64, now: i64, zone_name: &str, language: Language) -> String {
    let zone = zone(zone_name);
    let (Ok(when), Ok(now)) = (
        Timestamp::from_millisecond(when),
        Timestamp::from_millisecond(now),
    ) else {
        return String::from("?");
    };
    let (when, now) = (when.to_zoned(zone.clone()), now.to_zoned(zone));
    let clock = format!("{:02}:{:02}", when.hour(), when.minute());
    if when.date() == now.date() {
        return clock;
    }
    let date = match language {
        Language::Nb => format!("{}.{}.", when.day(), when.month()),
        Language::En => when.strftime("%-d %b").to_string(),
    };
    if when.year() == now.year() {
        format!("{date} {clock}")
    } else {
        match language {
            Language::Nb => format!("{date}{} {clock}", when.year()),
            Language::En => format!("{date} {} {clock}", when.year()),
        }
    }
}

/// A time of the day to the second.
pub fn clock(when: i64, zone_name: &str) -> String {
    Timestamp::from_millisecond(when).map_or_else(
        |_| String::from("?"),
        |when| when.to_zoned(zone(zone_name)).strftime("%H:%M:%S").to_string(),
    )
}

/// Date and time to the second, for a log.
pub fn stamp(when: i64, zone_name: &str) -> String {
    Timestamp::from_millisecond(when).map_or_else(
        |_| String::from("?"),
        |when| {
            when.to_zoned(zone(zone_name))
                .strftime("%m-%d %H:%M:%S")
                .to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OSLO: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    /// 2026-11-22 01:14:05 UTC.
    const NOW: i64 = 1_795_310_045_000;

    #[test]
    fn sizes_are_short_and_in_the_language_of_the_reader() {
        assert_eq!(bytes(512 * MIB, Language::Nb), "512 MiB");
        assert_eq!(bytes(GIB * 3 / 2, Language::Nb), "1,5 GiB");
        assert_eq!(bytes(GIB * 3 / 2, Language::En), "1.5 GiB");
        assert_eq!(bytes(8 * GIB, Language::En), "8 GiB");
        assert_eq!(bytes(u64::MAX, Language::En), "17179869184 GiB");
    }

    #[test]
    fn kroner_come_in_thousands() {
        assert_eq!(kroner(1_150_000, Language::Nb), "1 150 000 kr");
        assert_eq!(kroner(999, Language::En), "NOK 999");
    }

    #[test]
    fn today_needs_no_date_and_other_days_do() {
        assert_eq!(moment(NOW - 60_000, NOW, OSLO, Language::Nb), "02:13");
        assert_eq!(moment(NOW - 86_400_000, NOW, OSLO, Language::Nb), "21.11. 02:14");
        assert_eq!(moment(NOW - 86_400_000, NOW, OSLO, Language::En), "21 Nov 02:14");
        assert_eq!(moment(0, NOW, OSLO, Language::Nb), "1.1.1970 01:00");
        assert_eq!(moment(NOW, NOW, "nowhere", Language::En), "01:14");
    }
}

//! Sizes, times, rates and shares, written as a whole number and its unit.

use std::ops::RangeInclusive;

use super::reader::Wrong;
use super::words::{clip, nearest};
use crate::Text;

const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const TIB: u64 = 1 << 40;

const SIZES: &[(&str, u64)] = &[("KiB", KIB), ("MiB", MIB), ("GiB", GIB), ("TiB", TIB)];
const TIMES: &[(&str, u64)] = &[("s", 1), ("min", 60), ("h", 3600)];
const SHORT_TIMES: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000)];
const RATES: &[(&str, u64)] = &[("KiB/s", KIB), ("MiB/s", MIB), ("GiB/s", GIB)];
const SHARES: &[(&str, u64)] = &[("%", 1)];

/// Bytes.
pub(super) fn size(text: &str, range: &RangeInclusive<u64>) -> Result<u64, Wrong> {
    read(text, SIZES, range)
}

/// Seconds.
pub(super) fn time(text: &str, range: &RangeInclusive<u64>) -> Result<u64, Wrong> {
    read(text, TIMES, range)
}

/// Milliseconds.
pub(super) fn short_time(text: &str, range: &RangeInclusive<u64>) -> Result<u64, Wrong> {
    read(text, SHORT_TIMES, range)
}

/// Bytes a second.
pub(super) fn rate(text: &str, range: &RangeInclusive<u64>) -> Result<u64, Wrong> {
    read(text, RATES, range)
}

/// Percent.
pub(super) fn share(text: &str, range: &RangeInclusive<u64>) -> Result<u64, Wrong> {
    read(text, SHARES, range)
}

fn read(text: &str, units: &[(&str, u64)], range: &RangeInclusive<u64>) -> Result<u64, Wrong> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    let Ok(number) = number.parse::<u64>() else {
        return Err(Wrong::new(
            format!("«{}» er ikke et helt tall fulgt av en enhet", clip(text)),
            format!("\"{}\" is not a whole number followed by a unit", clip(text)),
        ));
    };
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(unknown_unit(number, unit, &names));
    };
    match number.checked_mul(*factor) {
        Some(value) if range.contains(&value) => Ok(value),
        _ => Err(Wrong::new(
            format!(
                "«{}» er utenfor det tillatte: fra {} til {}",
                clip(text),
                write(*range.start(), units),
                write(*range.end(), units)
            ),
            format!(
                "\"{}\" is out of range: from {} to {}",
                clip(text),
                write(*range.start(), units),
                write(*range.end(), units)
            ),
        )),
    }
}

fn unknown_unit(number: u64, unit: &str, names: &[&str]) -> Wrong {
    let all = names.join(", ");
    let text = if unit.is_empty() {
        Text::new(
            format!("{number} mangler enhet"),
            format!("{number} lacks a unit"),
        )
    } else if unit.starts_with(['.', ',']) {
        Text::new(
            "Bare hele tall kan brukes; ta en mindre enhet",
            "Only whole numbers can be used; take a smaller unit",
        )
    } else {
        Text::new(
            format!("«{}» er ingen enhet her", clip(unit)),
            format!("\"{}\" is no unit here", clip(unit)),
        )
    };
    // MB and GB are powers of ten and would quietly give less than was meant: name the unit that is meant.
    let near = nearest(unit, names).or_else(|| {
        let first = unit.get(..1)?;
        names
            .iter()
            .copied()
            .find(|name| name.len() > 1 && name[..1].eq_ignore_ascii_case(first))
    });
    let wrong = Wrong { text, remedy: None };
    match near {
        Some(near) => wrong.remedy(
            format!("Skriv \"{number} {near}\"; enhetene er {all}"),
            format!("Write \"{number} {near}\"; the units are {all}"),
        ),
        None => wrong.remedy(
            format!("Enhetene er {all}, som i \"{number} {}\"", names[0]),
            format!("The units are {all}, as in \"{number} {}\"", names[0]),
        ),
    }
}

/// With the largest unit that leaves a whole number.
fn write(value: u64, units: &[(&str, u64)]) -> String {
    let (name, factor) = units
        .iter()
        .rev()
        .find(|(_, factor)| value.is_multiple_of(*factor) && value >= *factor)
        .unwrap_or(&units[0]);
    format!("{} {name}", value / factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: RangeInclusive<u64> = 0..=u64::MAX;

    fn said(result: Result<u64, Wrong>) -> (String, String) {
        let wrong = result.err().unwrap();
        (wrong.text.en, wrong.remedy.unwrap_or_default().en)
    }

    #[test]
    fn numbers_and_units() {
        assert_eq!(size("512 MiB", &ANY).ok(), Some(512 << 20));
        assert_eq!(size("8GiB", &ANY).ok(), Some(8 << 30));
        assert_eq!(time("10 min", &ANY).ok(), Some(600));
        assert_eq!(rate("50 MiB/s", &ANY).ok(), Some(50 << 20));
        assert_eq!(share("150 %", &ANY).ok(), Some(150));
        assert_eq!(share("150%", &ANY).ok(), Some(150));
    }

    #[test]
    fn the_unit_that_was_meant_is_named() {
        assert_eq!(
            said(size("12 GB", &ANY)),
            (
                "\"GB\" is no unit here".into(),
                "Write \"12 GiB\"; the units are KiB, MiB, GiB, TiB".into()
            )
        );
        assert_eq!(
            said(size("512", &ANY)),
            (
                "512 lacks a unit".into(),
                "The units are KiB, MiB, GiB, TiB, as in \"512 KiB\"".into()
            )
        );
        assert_eq!(
            said(time("5 minutter", &ANY)).1,
            "Write \"5 min\"; the units are s, min, h"
        );
        assert_eq!(
            said(size("1.5 GiB", &ANY)).0,
            "Only whole numbers can be used; take a smaller unit"
        );
    }

    #[test]
    fn bounds_are_told_in_units() {
        assert_eq!(
            said(size("1 KiB", &(MIB..=GIB))).0,
            "\"1 KiB\" is out of range: from 1 MiB to 1 GiB"
        );
        assert_eq!(
            said(size("99999999999999999 TiB", &(MIB..=TIB))).0,
            "\"99999999999999999 TiB\" is out of range: from 1 MiB to 1 TiB"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = (size(&text, &ANY), time(&text, &ANY), rate(&text, &ANY), share(&text, &ANY));
        }

        #[test]
        fn what_is_written_reads_back(value in 1u64..1 << 40) {
            prop_assert_eq!(size(&write(value * KIB, SIZES), &ANY).ok(), Some(value * KIB));
            prop_assert_eq!(time(&write(value, TIMES), &ANY).ok(), Some(value));
            prop_assert_eq!(rate(&write(value * KIB, RATES), &ANY).ok(), Some(value * KIB));
        }
    }
}

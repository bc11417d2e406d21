//! Numbers: one form for all of them, and how long they are.

use std::ops::RangeInclusive;

/// The one form that numbers have in the exchange: those of the home country as they are dialled there, those abroad
/// with `00` and country code. What people put between digits is left out.
pub fn canonical(number: &str, country: &str) -> String {
    let kept: String = number
        .chars()
        .filter(|character| character.is_ascii_digit() || matches!(character, '+' | '*' | '#'))
        .enumerate()
        .filter(|(at, character)| *character != '+' || *at == 0)
        .map(|(_, character)| character)
        .collect();
    let abroad = kept.strip_prefix('+').or_else(|| kept.strip_prefix("00"));
    match abroad {
        Some(digits) => match digits.strip_prefix(country) {
            Some(home) if !home.is_empty() => home.into(),
            _ => format!("00{digits}"),
        },
        None => kept,
    }
}

/// How many digits a number that begins so has, where the public plan decides (Nkom's numbering plan for E.164).
pub(crate) fn public_length(digits: &str) -> RangeInclusive<usize> {
    match digits.as_bytes() {
        [] => 3..=12,
        [b'0', b'0', ..] => 10..=17,
        // Five digits.
        [b'0', ..] => 5..=5,
        // Services: 110 to 1999, and 116 with six.
        [b'1', b'1', b'6', ..] => 6..=6,
        [b'1', b'1', ..] => 3..=3,
        [b'1', b'8', ..] => 4..=4,
        [b'1', ..] => 3..=6,
        // Machines.
        [b'5', b'8' | b'9', ..] => 12..=12,
        _ => 8..=8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_home_has_one_form_however_it_is_written() {
        for written in ["22 33 44 55", "+47 22334455", "004722334455", "22-33-44-55"] {
            assert_eq!(canonical(written, "47"), "22334455");
        }
    }

    #[test]
    fn a_number_abroad_has_two_zeros() {
        assert_eq!(canonical("0046 8 123 456", "47"), "00468123456");
        assert_eq!(canonical("+46+8", "47"), "00468");
        assert_eq!(canonical("0047", "47"), "0047");
    }

    #[test]
    fn emergency_numbers_stay_as_they_are() {
        for number in ["110", "112", "113"] {
            assert_eq!(canonical(number, "47"), number);
            assert_eq!(public_length(number), 3..=3);
        }
    }
}

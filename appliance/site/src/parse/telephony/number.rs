//! Telephone numbers as they are dialled, and parts of them.

use super::Wrong;
use crate::parse::words::clip;

/// Digits of the longest number: a country code and all behind it (E.164 §6), and `00` in front.
pub(super) const LONGEST: usize = 17;

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A whole number.
pub(super) fn number(text: &str) -> Result<String, Wrong> {
    if (2..=LONGEST).contains(&text.len()) && digits(text) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("«{}» er ikke et telefonnummer slik det slås", clip(text)),
        format!("\"{}\" is not a telephone number as it is dialled", clip(text)),
    )
    .remedy(
        format!("Skriv 2 til {LONGEST} sifre uten mellomrom, med 00 foran en landskode"),
        format!("Write 2 to {LONGEST} digits without spaces, with 00 before a country code"),
    ))
}

/// The beginning of numbers.
pub(super) fn prefix(text: &str) -> Result<String, Wrong> {
    if text.len() <= LONGEST && digits(text) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("«{}» er ikke begynnelsen på et telefonnummer", clip(text)),
        format!("\"{}\" is not the beginning of a telephone number", clip(text)),
    )
    .remedy(
        format!("Skriv bare sifre, høyst {LONGEST}"),
        format!("Write digits only, at most {LONGEST}"),
    ))
}

/// 1 to 3 digits that do not begin with 0 (E.164 §6.2.1).
pub(super) fn country(text: &str) -> Result<String, Wrong> {
    if (1..=3).contains(&text.len()) && digits(text) && !text.starts_with('0') {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("«{}» er ikke en landskode", clip(text)),
        format!("\"{}\" is not a country code", clip(text)),
    ))
}

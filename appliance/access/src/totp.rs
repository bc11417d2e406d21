//! Time-based one-time passwords, RFC 6238: six digits, thirty seconds, HMAC-SHA-1, which is what every authenticator
//! app does.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// Seconds a code is shown for.
pub const STEP: u64 = 30;

/// Codes of the step before and after are taken as well, RFC 6238 §5.2: clocks differ and fingers take time.
const DRIFT: u64 = 1;

const DIGITS: u32 = 6;

/// Bytes of a secret, RFC 4226 §4.
pub const SECRET: usize = 20;

/// RFC 4226 §5.3.
pub fn code(secret: &[u8], step: u64) -> u32 {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes keys of every length");
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let offset = usize::from(hash[19] & 0x0f);
    let bytes = [hash[offset], hash[offset + 1], hash[offset + 2], hash[offset + 3]];
    (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 10u32.pow(DIGITS)
}

/// The step whose code this is: within the drift of now, and later than the last one that was taken (RFC 6238 §5.2).
pub fn step_of(secret: &[u8], typed: &str, seconds: u64, last: u64) -> Option<u64> {
    let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    if typed.len() != DIGITS as usize || !typed.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let typed: u32 = typed.parse().ok()?;
    let now = seconds / STEP;
    let mut found = None;
    // All of them, whichever it is: how long it takes tells nothing.
    for step in now.saturating_sub(DRIFT)..=now + DRIFT {
        if bool::from(code(secret, step).ct_eq(&typed)) && step > last {
            found = Some(step);
        }
    }
    found
}

/// What the authenticator is given, as in its QR code.
pub fn uri(issuer: &str, person: &str, secret: &str) -> String {
    let issuer = escaped(issuer);
    format!("otpauth://totp/{issuer}:{person}?secret={secret}&issuer={issuer}")
}

/// RFC 3986 §2.1.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6238, appendix B, with the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        for (seconds, expected) in [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_111_111_111, 50_471),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
            (20_000_000_000, 353_130),
        ] {
            assert_eq!(code(secret, seconds / STEP), expected, "{seconds}");
        }
    }

    #[test]
    fn the_address_for_the_authenticator_has_nothing_that_would_end_it() {
        let uri = uri("Demodrift Sørøst & co", "anne", "ABC");
        assert_eq!(
            uri,
            "otpauth://totp/Demodrift%20S%C3%B8r%C3%B8st%20%26%20co:anne?secret=ABC&issuer=Demodrift%20S%C3%B8r%C3%B8st%20%26%20co"
        );
    }

    proptest! {
        #[test]
        fn a_code_is_taken_once_and_only_about_its_time(secret: [u8; SECRET], now in 100u64..1 << 40, away in 0u64..200) {
            let step = now / STEP;
            let typed = format!("{:06}", code(&secret, step));
            let taken = step_of(&secret, &typed, now, 0).unwrap();
            prop_assert!(taken.abs_diff(step) <= 1);
            // Whatever other step has the same digits, none up to the one that was taken counts again.
            if let Some(again) = step_of(&secret, &typed, now + away, taken) {
                prop_assert!(again > taken);
            }
        }

        #[test]
        fn no_text_breaks_it(text: String) {
            let _ = step_of(b"secret", &text, 1_000_000, 0);
        }
    }
}

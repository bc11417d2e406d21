//! `head`: which record was acknowledged last.
//!
//! One line of fixed length, replaced in place after each append: `00000000000000000042 <64 hexadecimal digits>`.
//! Shorter than a sector, so a power cut leaves the old or the new.

use crate::line::{Hash, NONE};

/// Name of the file.
pub const HEAD: &str = "head";

/// The last record and its hash; 0 and 64 zeros before the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub sequence: u64,
    pub hash: Hash,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            sequence: 0,
            hash: NONE.to_owned(),
        }
    }
}

impl Head {
    pub fn to_bytes(&self) -> Vec<u8> {
        format!("{:020} {}\n", self.sequence, self.hash).into_bytes()
    }

    /// `None` for anything that [`Head::to_bytes`] does not write.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (sequence, hash) = std::str::from_utf8(bytes)
            .ok()?
            .strip_suffix('\n')?
            .split_once(' ')?;
        let head = Self {
            sequence: sequence.parse().ok()?,
            hash: hash.to_owned(),
        };
        let hexadecimal = hash.len() == NONE.len() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hexadecimal && head.to_bytes() == bytes).then_some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_form_is_a_head() {
        let head = Head {
            sequence: 42,
            hash: "ab".repeat(32),
        };
        assert_eq!(Head::parse(&head.to_bytes()), Some(head.clone()));
        let text = String::from_utf8(head.to_bytes()).unwrap();
        for other in [
            String::new(),
            text.trim_end().to_owned(),
            text.replace("00042", "+0042"),
            text.replace("ab", "xy"),
            format!("{text}\n"),
        ] {
            assert_eq!(Head::parse(other.as_bytes()), None, "{other:?}");
        }
    }
}

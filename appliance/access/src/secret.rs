//! Random texts, and what is kept of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use varde_bus::code;

/// A text that nobody can guess: 256 bits, for a cookie or a URL.
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// What names something and opens nothing.
pub fn name() -> String {
    random::<4>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is kept of a token: whoever reads the disk cannot use it.
pub fn hash(token: &str) -> String {
    Sha256::digest(token.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A code that is read from paper: 20 bits a group, and in each a symbol that finds a wrong one.
pub fn spoken(groups: usize) -> String {
    let numbers: Vec<u32> = (0..groups)
        .map(|_| u32::from_be_bytes(random::<4>()) & 0xf_ffff)
        .collect();
    code::encode(&numbers)
}

/// As it is hashed, however it was written down; `None` where it is no code of so many groups.
pub fn heard(text: &str, groups: usize) -> Option<String> {
    Some(code::encode(&code::decode(text, groups).ok()?))
}

/// # Panics
/// Where the kernel has no random bytes; nothing here may go on without.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_is_written_down() {
        let code = spoken(4);
        let sloppy = code.to_lowercase().replace(' ', "-");
        assert_eq!(heard(&sloppy, 4).as_deref(), Some(code.as_str()));
        assert_eq!(heard(&code[1..], 4), None);
        assert_eq!(heard("123456", 3), None);
    }

    #[test]
    fn no_two_tokens_are_the_same() {
        let (one, other) = (token(), token());
        assert_ne!(one, other);
        assert_eq!(one.len(), 43);
        assert_ne!(hash(&one), hash(&other));
    }
}

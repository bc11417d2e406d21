//! Keys in notation, as a scenario writes them: `<down><enter>text<ctrl-]>`.
//!
//! Everything outside angle brackets is typed as it stands, in UTF-8. A name in brackets is the key of a VT220:
//! `up down left right home end insert delete pgup pgdn f1`…`f12`, `enter esc tab backtab backspace space lt`,
//! `ctrl-` and a character, `alt-` and a character.

use crate::error::{Error, Result};

/// The bytes that a terminal sends for these keys.
pub fn bytes(notation: &str) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = notation;
    while let Some(open) = rest.find('<') {
        out.extend_from_slice(&rest.as_bytes()[..open]);
        let tail = &rest[open + 1..];
        // `<ctrl->>` would be ambiguous; no terminal has that key.
        let Some(close) = tail.find('>') else {
            return Err(wrong(
                notation,
                &rest[open..],
                "a < without its >; write <lt> for the character itself",
            ));
        };
        let name = &tail[..close];
        out.extend(named(name).ok_or_else(|| wrong(notation, name, "no key has that name"))?);
        rest = &tail[close + 1..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

fn wrong(notation: &str, at: &str, why: &'static str) -> Error {
    Error::Keys {
        notation: notation.to_owned(),
        at: at.to_owned(),
        why,
    }
}

fn named(name: &str) -> Option<Vec<u8>> {
    if let Some(of) = name.strip_prefix("ctrl-") {
        return control(of).map(|byte| vec![byte]);
    }
    if let Some(of) = name.strip_prefix("alt-") {
        let mut chars = of.chars();
        return (chars.next().is_some() && chars.next().is_none()).then(|| [b"\x1b", of.as_bytes()].concat());
    }
    let keys: &[u8] = match name {
        "up" => b"\x1b[A",
        "down" => b"\x1b[B",
        "right" => b"\x1b[C",
        "left" => b"\x1b[D",
        "home" => b"\x1b[1~",
        "insert" => b"\x1b[2~",
        "delete" => b"\x1b[3~",
        "end" => b"\x1b[4~",
        "pgup" => b"\x1b[5~",
        "pgdn" => b"\x1b[6~",
        "f1" => b"\x1bOP",
        "f2" => b"\x1bOQ",
        "f3" => b"\x1bOR",
        "f4" => b"\x1bOS",
        "f5" => b"\x1b[15~",
        "f6" => b"\x1b[17~",
        "f7" => b"\x1b[18~",
        "f8" => b"\x1b[19~",
        "f9" => b"\x1b[20~",
        "f10" => b"\x1b[21~",
        "f11" => b"\x1b[23~",
        "f12" => b"\x1b[24~",
        "enter" => b"\r",
        "esc" => b"\x1b",
        "tab" => b"\t",
        "backtab" => b"\x1b[Z",
        "backspace" => b"\x7f",
        "space" => b" ",
        "lt" => b"<",
        _ => return None,
    };
    Some(keys.to_vec())
}

/// ECMA-48: control characters are the columns 4 and 5 of ASCII with bit 7 off.
fn control(of: &str) -> Option<u8> {
    let &[byte] = of.as_bytes() else { return None };
    match byte.to_ascii_uppercase() {
        upper @ b'@'..=b'_' => Some(upper & 0x1f),
        b' ' => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_and_named_keys_become_what_a_terminal_sends() {
        assert_eq!(
            bytes("<down><enter>blåbær<ctrl-]><ctrl-l>").unwrap(),
            b"\x1b[B\rbl\xc3\xa5b\xc3\xa6r\x1d\x0c"
        );
        assert_eq!(bytes("a<lt>b").unwrap(), b"a<b");
    }

    #[test]
    fn a_key_that_no_terminal_has_is_refused_by_name() {
        for (notation, at) in [
            ("x<hyper>", "hyper"),
            ("<ctrl-æ>", "ctrl-æ"),
            ("<alt->", "alt-"),
            ("1 < 2", "< 2"),
        ] {
            match bytes(notation) {
                Err(Error::Keys { at: found, .. }) => assert_eq!(found, at),
                other => panic!("{notation}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn text_without_brackets_is_typed_as_it_stands(text in "[^<]*") {
            prop_assert_eq!(bytes(&text).unwrap(), text.as_bytes());
        }

        #[test]
        fn no_notation_makes_the_parser_panic(text in ".*") {
            let _ = bytes(&text);
        }
    }
}

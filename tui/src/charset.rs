//! Text as the terminal can show it: one column a character, no controls, and readable ASCII where that is all.

use crate::terminal::Characters;

/// Text that is safe to place in cells.
pub fn shown(text: &str, characters: Characters) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ' '..='~' => out.push(character),
            '\t' | '\n' | '\u{a0}' | '\u{202f}' => out.push(' '),
            // Combining marks and joiners take no column of their own.
            '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' => {}
            _ if character.is_control() => out.push('?'),
            _ if characters == Characters::Ascii => out.push_str(ascii(character)),
            _ if single(character) => out.push(character),
            _ => out.push('?'),
        }
    }
    out
}

/// Letters and signs that every UTF-8 terminal shows in one column.
fn single(character: char) -> bool {
    matches!(character,
        '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{17f}' | '\u{391}'..='\u{3a9}' | '\u{3b1}'..='\u{3c9}'
        | '\u{410}'..='\u{44f}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{203a}' | '€' | '−'
        | '\u{2190}'..='\u{2193}' | '\u{2500}'..='\u{257f}')
}

fn ascii(character: char) -> &'static str {
    match character {
        'æ' | 'ä' => "ae",
        'ø' | 'ö' => "oe",
        'å' => "aa",
        'Æ' | 'Ä' => "Ae",
        'Ø' | 'Ö' => "Oe",
        'Å' => "Aa",
        'é' | 'è' | 'ê' | 'ë' => "e",
        'É' | 'È' | 'Ê' => "E",
        'á' | 'à' | 'â' | 'ã' => "a",
        'ó' | 'ò' | 'ô' | 'õ' => "o",
        'ü' | 'ú' | 'ù' => "u",
        'Ü' => "U",
        'í' | 'ì' | 'ï' => "i",
        'ñ' => "n",
        'ç' | 'č' => "c",
        'š' => "s",
        'ž' => "z",
        'đ' => "d",
        'ŋ' => "ng",
        'ŧ' => "t",
        '–' | '—' | '−' | '‐' | '‑' | '─' => "-",
        '│' => "|",
        '«' | '»' | '“' | '”' | '„' => "\"",
        '‘' | '’' | '′' => "'",
        '…' => "...",
        '·' | '•' => "*",
        '×' => "x",
        '→' => "->",
        '←' => "<-",
        '€' => "EUR",
        '½' => "1/2",
        '°' => "deg",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn norwegian_stays_readable_in_ascii() {
        assert_eq!(
            shown("Blåbærsyltetøy på Øya – «Ærlig»", Characters::Ascii),
            "Blaabaersyltetoey paa Oeya - \"Aerlig\""
        );
    }

    #[test]
    fn what_a_guest_writes_cannot_steer_the_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\u{9b}c", Characters::Utf8), "a?[2Jb?c");
    }

    proptest! {
        #[test]
        fn ascii_is_ascii_and_nothing_controls(text in any::<String>()) {
            prop_assert!(shown(&text, Characters::Ascii).bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            prop_assert!(!shown(&text, Characters::Utf8).chars().any(char::is_control));
        }
    }
}

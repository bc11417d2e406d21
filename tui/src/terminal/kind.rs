//! What the terminal at the other end can do, by `TERM` and the locale.

use serde::{Deserialize, Serialize};

/// How letters beyond ASCII are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Characters {
    Utf8,
    Ascii,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "abilities that terminals have in any combination"
)]
pub struct Kind {
    pub characters: Characters,
    pub colours: bool,
    /// Bold, underlined and reversed text.
    pub attributes: bool,
    /// A scrolling region (DECSTBM), as every VT100 has.
    pub regions: bool,
    /// A second screen, so that what was there before comes back.
    pub alternate: bool,
}

impl Kind {
    /// From `TERM` and the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set.
    pub fn of(term: &str, locale: &str) -> Self {
        let family = |names: &[&str]| names.iter().any(|name| term.starts_with(name));
        let emulator = family(&[
            "xterm",
            "screen",
            "tmux",
            "rxvt",
            "putty",
            "konsole",
            "gnome",
            "alacritty",
            "foot",
            "kitty",
        ]);
        let dumb = term.is_empty() || term == "dumb" || term == "unknown";
        let locale = locale.to_ascii_lowercase();
        let utf8 = locale.contains("utf-8") || locale.contains("utf8");
        Self {
            characters: if utf8 && !dumb {
                Characters::Utf8
            } else {
                Characters::Ascii
            },
            colours: emulator || family(&["linux", "ansi"]) || term.contains("color"),
            attributes: !dumb,
            regions: !dumb,
            alternate: emulator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_vt220_is_mono_and_keeps_its_one_screen() {
        let kind = Kind::of("vt220", "nb_NO.UTF-8");
        assert_eq!(kind.characters, Characters::Utf8);
        assert!(!kind.colours && !kind.alternate && kind.attributes && kind.regions);
    }

    #[test]
    fn a_dumb_terminal_gets_ascii_and_nothing_else() {
        let kind = Kind::of("dumb", "C.UTF-8");
        assert_eq!(kind.characters, Characters::Ascii);
        assert!(!kind.colours && !kind.attributes && !kind.regions && !kind.alternate);
    }

    #[test]
    fn the_locale_decides_the_characters_and_term_the_colours() {
        assert_eq!(Kind::of("linux", "C").characters, Characters::Ascii);
        assert!(Kind::of("linux", "C").colours);
        assert!(Kind::of("screen-256color", "C.utf8").colours);
    }
}

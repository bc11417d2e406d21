//! Keys out of bytes. No IO and no clock: the owner of the line feeds bytes and says when it has been quiet.
//!
//! ECMA-48 control sequences and the SS3 keys of VT100 and VT220 are understood, in their 7-bit and 8-bit forms;
//! whatever else begins with ESC is swallowed whole, so that no part of it counts as typed.

use serde::{Deserialize, Serialize};

/// A key that was struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    Char(char),
    /// With the letter in lower case.
    Ctrl(char),
    Enter,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Esc,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
}

/// What the terminal sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Key(Key),
    /// Text between the marks of bracketed paste.
    Paste(String),
    /// Answer to a cursor position request: row and column, from 1.
    Cursor {
        row: u16,
        column: u16,
    },
}

/// How long the line must be quiet before [`Parser::quiet`] is called. A byte takes 1 ms at 9600 baud, and a serial
/// line that runs over a network may pause for some tens of them within a sequence.
pub const QUIET: std::time::Duration = std::time::Duration::from_millis(300);

/// Longest text that one paste may bring.
const PASTE_LIMIT: usize = 1 << 20;
/// A sequence longer than this is not one.
const SEQUENCE_LIMIT: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Ground,
    /// After ESC: alone it is the key, else it begins a sequence.
    Escape,
    /// ESC has been given as a key because the line went quiet; the rest of a sequence may yet come.
    LateEscape,
    Csi,
    Ss3,
    /// OSC, DCS and the like, up to ST or BEL.
    ControlString,
    Paste,
}

#[derive(Debug, Default)]
pub struct Parser {
    mode: Mode,
    /// Parameters of a sequence, or what has come of a paste.
    held: Vec<u8>,
    /// Bytes of an unfinished UTF-8 character.
    partial: Vec<u8>,
    /// The last byte was CR: a LF directly after it is the same key.
    after_return: bool,
}

impl Parser {
    /// Whether [`Parser::quiet`] must be called once the line has been quiet for [`QUIET`].
    pub fn waits(&self) -> bool {
        !matches!(self.mode, Mode::Ground | Mode::LateEscape)
    }

    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<Input>) {
        for &byte in bytes {
            self.byte(byte, out);
        }
    }

    /// The line has been quiet: what began like a sequence is complete as it stands.
    pub fn quiet(&mut self, out: &mut Vec<Input>) {
        match self.mode {
            Mode::Escape => {
                out.push(Input::Key(Key::Esc));
                self.mode = Mode::LateEscape;
            }
            Mode::Paste => self.end_paste(out),
            Mode::Csi | Mode::Ss3 | Mode::ControlString => {
                self.held.clear();
                self.mode = Mode::Ground;
            }
            Mode::Ground | Mode::LateEscape => {}
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<Input>) {
        match self.mode {
            Mode::Ground => self.ground(byte, out),
            Mode::Escape => match byte {
                b'[' => self.begin(Mode::Csi),
                b'O' => self.begin(Mode::Ss3),
                b']' | b'P' | b'X' | b'^' | b'_' => self.begin(Mode::ControlString),
                0x1b => out.push(Input::Key(Key::Esc)),
                // No key here is struck with Alt: this is Esc and then a key, sent fast.
                _ => {
                    out.push(Input::Key(Key::Esc));
                    self.mode = Mode::Ground;
                    self.ground(byte, out);
                }
            },
            Mode::LateEscape => match byte {
                b'[' => self.begin(Mode::Csi),
                b'O' => self.begin(Mode::Ss3),
                _ => {
                    self.mode = Mode::Ground;
                    self.ground(byte, out);
                }
            },
            Mode::Csi => self.csi(byte, out),
            Mode::Ss3 => {
                self.mode = Mode::Ground;
                if byte == 0x1b {
                    self.mode = Mode::Escape;
                } else if let Some(key) = final_key(byte) {
                    out.push(Input::Key(key));
                }
            }
            Mode::ControlString => {
                self.held.push(byte);
                let over = self.held.len() > SEQUENCE_LIMIT * 4;
                if byte == 0x07 || byte == 0x9c || over || self.held.ends_with(b"\x1b\\") {
                    self.held.clear();
                    self.mode = Mode::Ground;
                }
            }
            Mode::Paste => {
                self.held.push(byte);
                if self.held.ends_with(b"\x1b[201~") {
                    self.held.truncate(self.held.len() - 6);
                    self.end_paste(out);
                } else if self.held.len() >= PASTE_LIMIT {
                    self.end_paste(out);
                }
            }
        }
    }

    fn begin(&mut self, mode: Mode) {
        self.held.clear();
        self.partial.clear();
        self.mode = mode;
    }

    fn ground(&mut self, byte: u8, out: &mut Vec<Input>) {
        let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        if !self.partial.is_empty() && byte & 0xc0 != 0x80 {
            self.partial.clear();
        }
        let key = match byte {
            0x1b => {
                self.mode = Mode::Escape;
                return;
            }
            b'\n' if after_return => return,
            b'\r' | b'\n' => Key::Enter,
            b'\t' => Key::Tab,
            0x08 | 0x7f => Key::Backspace,
            0x01..=0x1a => Key::Ctrl(char::from(b'a' + byte - 1)),
            // 0x1d, Ctrl-], is typed by the digit key that carries `]` on some keyboards.
            0x1c..=0x1f => Key::Ctrl(char::from(byte + 0x40)),
            0x00 => return,
            0x20..=0x7e => Key::Char(char::from(byte)),
            _ => {
                if let Some(character) = self.wide(byte) {
                    out.push(Input::Key(Key::Char(character)));
                }
                return;
            }
        };
        out.push(Input::Key(key));
    }

    /// A byte above 0x7f: part of a UTF-8 character, or an 8-bit control.
    fn wide(&mut self, byte: u8) -> Option<char> {
        if self.partial.is_empty() {
            match byte {
                0x9b => self.begin(Mode::Csi),
                0x8f => self.begin(Mode::Ss3),
                0xc2..=0xf4 => self.partial.push(byte),
                _ => {}
            }
            return None;
        }
        self.partial.push(byte);
        let needs = match self.partial[0] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        if self.partial.len() < needs {
            return None;
        }
        let character = std::str::from_utf8(&self.partial)
            .ok()
            .and_then(|text| text.chars().next());
        self.partial.clear();
        character.filter(|character| !character.is_control())
    }

    fn csi(&mut self, byte: u8, out: &mut Vec<Input>) {
        match byte {
            0x20..=0x3f if self.held.len() < SEQUENCE_LIMIT => self.held.push(byte),
            0x1b => self.begin(Mode::Escape),
            0x40..=0x7e => {
                self.mode = Mode::Ground;
                let held = std::mem::take(&mut self.held);
                if byte == b'~' && held == b"200" {
                    self.mode = Mode::Paste;
                } else if let Some(input) = sequence(&held, byte) {
                    out.push(input);
                }
            }
            _ => {
                self.held.clear();
                self.mode = Mode::Ground;
            }
        }
    }

    fn end_paste(&mut self, out: &mut Vec<Input>) {
        let held = std::mem::take(&mut self.held);
        self.mode = Mode::Ground;
        out.push(Input::Paste(clean(&String::from_utf8_lossy(&held))));
    }
}

/// Pasted text with one kind of line end and without controls.
fn clean(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|character| matches!(character, '\n' | '\t') || !character.is_control())
        .collect()
}

fn final_key(byte: u8) -> Option<Key> {
    Some(match byte {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'M' => Key::Enter,
        _ => return None,
    })
}

fn sequence(held: &[u8], last: u8) -> Option<Input> {
    let text = std::str::from_utf8(held).ok()?;
    let mut numbers = text.split(';').map(|number| number.parse::<u16>().ok());
    let first = numbers.next().flatten();
    let key = match last {
        b'R' => {
            return Some(Input::Cursor {
                row: first?,
                column: numbers.next().flatten()?,
            });
        }
        b'Z' => Key::BackTab,
        b'~' => match first? {
            1 | 7 => Key::Home,
            3 => Key::Delete,
            4 | 8 => Key::End,
            5 => Key::PageUp,
            6 => Key::PageDown,
            _ => return None,
        },
        _ => final_key(last)?,
    };
    Some(Input::Key(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Vec<Input> {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        parser.feed(bytes, &mut out);
        if parser.waits() {
            parser.quiet(&mut out);
        }
        out
    }

    fn keys(bytes: &[u8]) -> Vec<Key> {
        parse(bytes)
            .into_iter()
            .map(|input| match input {
                Input::Key(key) => key,
                other => panic!("{other:?} is not a key"),
            })
            .collect()
    }

    #[test]
    fn arrows_come_in_both_modes_of_the_cursor_keys_and_in_eight_bits() {
        assert_eq!(keys(b"\x1b[A\x1bOB\x9bC"), [Key::Up, Key::Down, Key::Right]);
    }

    #[test]
    fn return_and_line_feed_together_are_one_enter() {
        assert_eq!(keys(b"\r\n\r\n"), [Key::Enter, Key::Enter]);
        assert_eq!(keys(b"\n\n"), [Key::Enter, Key::Enter]);
    }

    #[test]
    fn esc_alone_is_a_key_once_the_line_is_quiet() {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        parser.feed(b"\x1b", &mut out);
        assert_eq!(out, []);
        assert!(parser.waits());
        parser.quiet(&mut out);
        assert_eq!(out, [Input::Key(Key::Esc)]);
    }

    #[test]
    fn an_arrow_torn_apart_by_a_slow_line_never_types_its_letters() {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        parser.feed(b"\x1b", &mut out);
        parser.quiet(&mut out);
        parser.feed(b"[A", &mut out);
        assert_eq!(out, [Input::Key(Key::Esc), Input::Key(Key::Up)]);
    }

    #[test]
    fn a_paste_is_one_text_whatever_is_in_it() {
        assert_eq!(
            parse(b"\x1b[200~q\r\nf\x1b[A\x03\x1b[201~x"),
            [Input::Paste("q\nf[A".into()), Input::Key(Key::Char('x'))]
        );
    }

    #[test]
    fn a_paste_without_its_end_is_not_typed_either() {
        assert_eq!(parse(b"\x1b[200~qq"), [Input::Paste("qq".into())]);
    }

    #[test]
    fn norwegian_letters_are_one_key_each() {
        assert_eq!(
            keys("æøÅ".as_bytes()),
            [Key::Char('æ'), Key::Char('ø'), Key::Char('Å')]
        );
    }

    #[test]
    fn a_cursor_report_is_not_a_key() {
        assert_eq!(parse(b"\x1b[24;80R"), [Input::Cursor { row: 24, column: 80 }]);
    }

    #[test]
    fn unknown_sequences_leave_nothing_behind() {
        assert_eq!(
            keys(b"\x1b[?1;2c\x1b]0;title\x07\x1bP1$r\x1b\\x"),
            [Key::Char('x')]
        );
    }

    proptest! {
        /// However the line cuts the bytes up, the same is read.
        #[test]
        fn where_the_bytes_are_cut_makes_no_difference(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0usize..200,
        ) {
            let mut whole = Vec::new();
            Parser::default().feed(&bytes, &mut whole);
            let (before, after) = bytes.split_at(cut.min(bytes.len()));
            let mut parser = Parser::default();
            let mut parts = Vec::new();
            parser.feed(before, &mut parts);
            parser.feed(after, &mut parts);
            prop_assert_eq!(whole, parts);
        }

        /// Nothing that a line can bring leaves the parser deaf: after two quiet spells a letter is a letter.
        #[test]
        fn quiet_always_brings_it_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut parser = Parser::default();
            let mut out = Vec::new();
            parser.feed(&bytes, &mut out);
            parser.quiet(&mut out);
            prop_assert!(!parser.waits());
            out.clear();
            parser.feed(b"x", &mut out);
            prop_assert_eq!(out, vec![Input::Key(Key::Char('x'))]);
        }
    }
}

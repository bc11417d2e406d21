//! An 80x24 VT220 with UTF-8: takes what comes over the line, keeps the screen, answers what a terminal is asked.

use crate::screen::Screen;

pub struct Terminal {
    parser: vt100::Parser<Answers>,
    /// The beginning of a letter whose end is still on the line: vte 0.15 loses what follows a letter that comes in two
    /// parts.
    begun: Vec<u8>,
}

/// What the terminal has yet to send back.
#[derive(Default)]
struct Answers(Vec<u8>);

impl vt100::Callbacks for Answers {
    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        first: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        last: char,
    ) {
        let param = params
            .first()
            .and_then(|param| param.first())
            .copied()
            .unwrap_or(0);
        match (first, last, param) {
            // ECMA-48 8.3.35 DSR: ready; 8.3.14 CPR: where the cursor is.
            (None, 'n', 5) => self.0.extend_from_slice(b"\x1b[0n"),
            (None, 'n', 6) => {
                let (rows, columns) = screen.size();
                let (row, column) = screen.cursor_position();
                let (row, column) = ((row + 1).min(rows.get()), (column + 1).min(columns.get()));
                self.0
                    .extend_from_slice(format!("\x1b[{row};{column}R").as_bytes());
            }
            // DEC: a VT220.
            (None, 'c', 0) => self.0.extend_from_slice(b"\x1b[?62;1c"),
            _ => {}
        }
    }
}

impl Terminal {
    pub fn new() -> Self {
        let parser = vt100::Parser::new_with_callbacks(
            vt100::Parser::DEFAULT_ROWS,
            vt100::Parser::DEFAULT_COLS,
            0,
            Answers::default(),
        );
        Self {
            parser,
            begun: Vec::new(),
        }
    }

    /// Takes what came over the line and gives what the terminal answers.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.begun.extend_from_slice(bytes);
        let whole = self.begun.len() - unfinished(&self.begun);
        self.parser.process(&self.begun[..whole]);
        self.begun.drain(..whole);
        std::mem::take(&mut self.parser.callbacks_mut().0)
    }

    pub fn screen(&self) -> Screen {
        Screen::new(self.parser.screen().clone())
    }
}

/// How many bytes at the end are a letter of UTF-8 without its last byte.
fn unfinished(bytes: &[u8]) -> usize {
    (1..=3.min(bytes.len()))
        .find(|&count| {
            let tail = &bytes[bytes.len() - count..];
            // Bytes that more bytes could make a letter of.
            std::str::from_utf8(tail)
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_of_norwegian_stands_where_it_was_put_even_when_a_letter_comes_in_two_parts() {
        let mut terminal = Terminal::new();
        let bytes = "\x1b[2J\x1b[3;5HGjøvik på \x1b[7mVærøy\x1b[m".as_bytes();
        for byte in bytes {
            terminal.take(&[*byte]);
        }
        let screen = terminal.screen();
        assert_eq!(screen.lines()[2], "    Gjøvik på Værøy");
        assert_eq!(screen.cursor(), (2, 19));
        assert_eq!(screen.reversed(), ["Værøy"]);
        assert!(screen.style(2, 14).unwrap().inverse);
        assert!(!screen.style(2, 4).unwrap().inverse);
    }

    #[test]
    fn no_letter_is_lost_wherever_the_line_pauses() {
        let bytes = "Prøvested Værøy».".as_bytes();
        for pause in 0..bytes.len() {
            let mut terminal = Terminal::new();
            terminal.take(&bytes[..pause]);
            terminal.take(&bytes[pause..]);
            assert_eq!(
                terminal.screen().lines()[0],
                "Prøvested Værøy».",
                "after {pause} bytes"
            );
        }
    }

    #[test]
    fn asked_for_its_size_by_the_cursor_the_terminal_says_80_by_24() {
        assert_eq!(Terminal::new().take(b"\x1b[999;999H\x1b[6n"), b"\x1b[24;80R");
    }

    #[test]
    fn a_frame_is_as_wide_as_the_screen() {
        let framed = Terminal::new().screen().framed();
        assert!(framed.lines().all(|line| line.chars().count() == 82), "{framed}");
        assert_eq!(framed.lines().count(), 26);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_over_the_line_breaks_the_terminal(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut terminal = Terminal::new();
            terminal.take(&bytes);
            prop_assert_eq!(terminal.screen().lines().len(), 24);
        }
    }
}

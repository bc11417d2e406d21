//! Byte offsets become the line and column that an editor shows.

/// Where each line of a text starts.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column of a byte, both from 1; a column is a character, and a byte order mark is none.
    pub(super) fn place(&self, at: usize) -> (u32, u32) {
        let at = at.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= at) - 1;
        let start = self.starts[line];
        let before = self.text[start..]
            .char_indices()
            .take_while(|(place, character)| start + place + character.len_utf8() <= at)
            .filter(|(place, character)| !(start + place == 0 && *character == '\u{feff}'))
            .count();
        (number(line + 1), number(before + 1))
    }
}

/// The text is at most a mebibyte, so every line and column fits.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters() {
        let text = "æ = 1\r\n\tblåbær = 2\n";
        let lines = Lines::of(text);
        assert_eq!(lines.place(0), (1, 1));
        assert_eq!(lines.place(text.find('=').unwrap()), (1, 3));
        assert_eq!(lines.place(text.find("blåbær").unwrap()), (2, 2));
        assert_eq!(lines.place(text.find('2').unwrap()), (2, 11));
        assert_eq!(lines.place(text.len()), (3, 1));
        assert_eq!(lines.place(usize::MAX), (3, 1));
    }

    #[test]
    fn a_byte_order_mark_takes_no_column() {
        let text = "\u{feff}version = 1";
        assert_eq!(Lines::of(text).place(3), (1, 1));
        assert_eq!(Lines::of(text).place(text.find('1').unwrap()), (1, 11));
    }
}

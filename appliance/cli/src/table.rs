//! A table of words in at most 80 columns: each column as wide as its widest cell, the last one cut to fit.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const WIDTH: usize = 80;

/// Rows under their heads, each line ended.
pub fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heads.map(UnicodeWidthStr::width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut text = line(&heads, &widths);
    for row in rows {
        text += &line(&row.each_ref().map(String::as_str), &widths);
    }
    text
}

fn line(cells: &[&str], widths: &[usize]) -> String {
    let mut line = String::new();
    let mut used = 0;
    for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let last = place + 1 == cells.len();
        let cell = if last {
            fit(cell, WIDTH.saturating_sub(used))
        } else {
            (*cell).to_owned()
        };
        let fill = if last { 0 } else { width + 2 - cell.width() };
        used += cell.width() + fill;
        line += &cell;
        line.extend(std::iter::repeat_n(' ', fill));
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

/// What of `text` fits in `room` columns; a cut is marked.
fn fit(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut fitting = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        fitting.push(c);
    }
    fitting + "~"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_their_heads_whatever_letters_they_hold() {
        let rows = [
            ["blå".to_owned(), "én".to_owned()],
            ["rødgrønn".to_owned(), "to".to_owned()],
        ];
        assert_eq!(
            table(["farge", "tall"], &rows),
            "farge     tall\nblå       én\nrødgrønn  to\n"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let rows = [["a".to_owned(), "ø".repeat(200)]];
        let text = table(["x", "y"], &rows);
        assert!(text.lines().all(|line| line.width() <= WIDTH), "{text}");
        assert!(text.trim_end().ends_with('~'));
    }
}

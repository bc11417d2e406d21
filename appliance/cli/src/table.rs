//! A table of words in at most 80 columns: each column as wide as its widest cell, the last one cut to fit; where the
//! others leave it too little, the widest of them are cut too.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const WIDTH: usize = 80;
/// What the last column has at least, or its widest cell where that is less.
const LAST: usize = 12;

/// Rows under their heads, each line ended.
pub fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heads.map(UnicodeWidthStr::width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    narrow(&mut widths);
    let mut text = line(&heads, &widths);
    for row in rows {
        text += &line(&row.each_ref().map(String::as_str), &widths);
    }
    text
}

/// Takes columns from the widest until all of them fit.
fn narrow(widths: &mut [usize]) {
    let Some((last, others)) = widths.split_last_mut() else {
        return;
    };
    let room = WIDTH - 2 * others.len();
    let kept = LAST.min(*last);
    while others.iter().sum::<usize>() + kept > room
        && let Some(widest) = others.iter_mut().max()
    {
        *widest -= 1;
    }
    *last = room - others.iter().sum::<usize>();
}

fn line(cells: &[&str], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        // A cell of several lines would break the table.
        let cell = fit(&cell.replace(['\n', '\t'], " "), *width);
        let fill = width + 2 - cell.width();
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

    #[test]
    fn wide_columns_leave_room_for_the_last_one() {
        let name = "a".repeat(31);
        let rows = [[
            name.clone(),
            "starter".into(),
            name.clone(),
            name,
            "fordi disken er full".into(),
        ]];
        let text = table(["navn", "tilstand", "siden", "adresse", "hvorfor"], &rows);
        assert!(text.lines().all(|line| line.width() <= WIDTH), "{text}");
        let last = text.lines().last().unwrap();
        assert!(
            last.contains("starter") && last.ends_with("fordi diske~"),
            "{text}"
        );
    }
}

//! What stands on the operator's screen.

use std::fmt::Write as _;

/// 24 lines of 80 characters with their attributes, as they were at one moment.
#[derive(Clone)]
pub struct Screen(vt100::Screen);

/// How a character is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    pub bold: bool,
    pub underline: bool,
    pub inverse: bool,
    pub foreground: Option<u8>,
    pub background: Option<u8>,
}

impl Screen {
    pub(crate) fn new(screen: vt100::Screen) -> Self {
        Self(screen)
    }

    /// The lines without their trailing blanks.
    pub fn lines(&self) -> Vec<String> {
        let (_, columns) = self.0.size();
        self.0
            .rows(0, columns.get())
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// All lines, one below the other.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    pub fn contains(&self, text: &str) -> bool {
        self.text().contains(text)
    }

    /// The first line that holds this text.
    pub fn line_with(&self, text: &str) -> Option<String> {
        self.lines().into_iter().find(|line| line.contains(text))
    }

    /// Row and column of the cursor, from 0.
    pub fn cursor(&self) -> (u16, u16) {
        self.0.cursor_position()
    }

    pub fn cursor_hidden(&self) -> bool {
        self.0.hide_cursor()
    }

    /// How the character at this row and column is shown; `None` outside the screen.
    pub fn style(&self, row: u16, column: u16) -> Option<Style> {
        let cell = self.0.cell(row, column)?;
        let colour = |colour| match colour {
            vt100::Color::Idx(index) => Some(index),
            vt100::Color::Default | vt100::Color::Rgb(..) => None,
        };
        Some(Style {
            bold: cell.bold(),
            underline: cell.underline(),
            inverse: cell.inverse(),
            foreground: colour(cell.fgcolor()),
            background: colour(cell.bgcolor()),
        })
    }

    /// What is shown in reverse: a selection is, on a screen without colours too.
    pub fn reversed(&self) -> Vec<String> {
        let (rows, columns) = self.0.size();
        let mut found = Vec::new();
        for row in 0..rows.get() {
            let mut run = String::new();
            for column in 0..columns.get() {
                let Some(cell) = self.0.cell(row, column) else {
                    continue;
                };
                if cell.inverse() {
                    run.push_str(if cell.has_contents() { cell.contents() } else { " " });
                } else if !run.is_empty() {
                    found.push(std::mem::take(&mut run).trim().to_owned());
                }
            }
            if !run.is_empty() {
                found.push(run.trim().to_owned());
            }
        }
        found.retain(|run| !run.is_empty());
        found
    }

    /// The screen in a frame, so that a report shows where it ends.
    pub fn framed(&self) -> String {
        let (_, columns) = self.0.size();
        let width = usize::from(columns.get());
        let edge = format!("+{}+", "-".repeat(width));
        let mut out = format!("{edge}\n");
        for line in self.lines() {
            // A String never refuses a write.
            let _ = writeln!(out, "|{line:width$}|");
        }
        out + &edge
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.framed())
    }
}

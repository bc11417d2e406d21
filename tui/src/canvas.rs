//! What pages draw on: a part of the screen, text in roles, never a cell outside.
//!
//! Roles instead of colours: in one colour they are bold, underlined and reversed, in sixteen they are colours too.
//! No role is told by its colour alone; a word or a sign always says the same.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};

use crate::charset;
use crate::state::Display;

/// What a text is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    #[default]
    Plain,
    /// Over a part of a page.
    Heading,
    /// Header, footer and the head of a dialog.
    Bar,
    /// Where the keys act.
    Picked,
    Good,
    Warning,
    Bad,
    /// Less important.
    Quiet,
}

impl Role {
    fn style(self, colours: bool) -> Style {
        let plain = Style::new();
        match (self, colours) {
            (Self::Plain, _) | (Self::Good | Self::Quiet, false) => plain,
            (Self::Heading | Self::Warning, false) => plain.add_modifier(Modifier::BOLD),
            (Self::Heading, true) => plain.fg(Color::Cyan).add_modifier(Modifier::BOLD),
            (Self::Bar | Self::Picked, _) => plain.add_modifier(Modifier::REVERSED),
            (Self::Bad, false) => plain.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            (Self::Good, true) => plain.fg(Color::Green),
            (Self::Warning, true) => plain.fg(Color::Yellow),
            (Self::Bad, true) => plain.fg(Color::LightRed).add_modifier(Modifier::BOLD),
            (Self::Quiet, true) => plain.fg(Color::Gray),
        }
    }
}

/// A part of the screen, with its own origin.
pub struct Canvas<'a, 'b> {
    frame: &'a mut Frame<'b>,
    area: Rect,
    display: Display,
}

impl<'a, 'b> Canvas<'a, 'b> {
    pub fn new(frame: &'a mut Frame<'b>, display: Display) -> Self {
        let area = frame.area();
        Self { frame, area, display }
    }

    /// A part of this part; what would stick out is cut off.
    pub fn part(&mut self, x: u16, y: u16, width: u16, height: u16) -> Canvas<'_, 'b> {
        let wanted = Rect {
            x: self.area.x.saturating_add(x),
            y: self.area.y.saturating_add(y),
            width,
            height,
        };
        Canvas {
            area: wanted.intersection(self.area),
            display: self.display,
            frame: self.frame,
        }
    }

    pub fn width(&self) -> u16 {
        self.area.width
    }

    pub fn height(&self) -> u16 {
        self.area.height
    }

    /// How many columns a text takes here.
    pub fn columns(&self, text: &str) -> u16 {
        columns(&charset::shown(text, self.display.characters))
    }

    /// Writes text and says in which column it ends.
    pub fn text(&mut self, x: u16, y: u16, role: Role, text: &str) -> u16 {
        let shown = charset::shown(text, self.display.characters);
        let style = role.style(self.display.colours);
        let mut column = x;
        for character in shown.chars() {
            if column >= self.area.width || y >= self.area.height {
                break;
            }
            let place = (self.area.x + column, self.area.y + y);
            if let Some(cell) = self.frame.buffer_mut().cell_mut(place) {
                cell.set_char(character).set_style(style);
            }
            column += 1;
        }
        column.min(self.area.width)
    }

    /// Writes text that may take at most `width` columns; what is cut ends in a mark.
    pub fn cell(&mut self, x: u16, y: u16, width: u16, role: Role, text: &str) {
        let fits = self.fit(text, width.min(self.area.width.saturating_sub(x)));
        self.text(x, y, role, &fits);
    }

    /// The whole row in one role, and text on it.
    pub fn bar(&mut self, y: u16, text: &str) {
        let fits = self.fit(text, self.area.width);
        let full = format!("{fits:<width$}", width = usize::from(self.area.width));
        self.text(0, y, Role::Bar, &full);
    }

    /// Text over as many rows as it needs; says on which row the next may begin.
    pub fn wrapped(&mut self, x: u16, y: u16, role: Role, text: &str) -> u16 {
        let mut row = y;
        for line in self.wrap(text, self.area.width.saturating_sub(x)) {
            self.text(x, row, role, &line);
            row = row.saturating_add(1);
        }
        row
    }

    /// Text in lines of at most `width` columns, broken at blanks where there are any.
    pub fn wrap(&self, text: &str, width: u16) -> Vec<String> {
        wrap(&charset::shown(text, self.display.characters), usize::from(width))
    }

    /// Empties the part.
    pub fn clear(&mut self) {
        let area = self.area;
        let buffer = self.frame.buffer_mut();
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
    }

    /// Shows the terminal's cursor here.
    pub fn cursor(&mut self, x: u16, y: u16) {
        if x < self.area.width && y < self.area.height {
            self.frame
                .set_cursor_position(Position::new(self.area.x + x, self.area.y + y));
        }
    }

    fn fit(&self, text: &str, width: u16) -> String {
        let shown = charset::shown(text, self.display.characters);
        if columns(&shown) <= width {
            return shown;
        }
        // One column even in ASCII: a cut text needs the room.
        let keep = usize::from(width).saturating_sub(1);
        let mut cut: String = shown.chars().take(keep).collect();
        if width > 0 {
            cut.push('>');
        }
        cut
    }
}

fn columns(shown: &str) -> u16 {
    u16::try_from(shown.chars().count()).unwrap_or(u16::MAX)
}

pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut rest: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + rest.len() > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        while rest.len() > width && width > 0 {
            let after = rest.split_off(width - length.min(width - 1));
            line.extend(rest);
            lines.push(std::mem::take(&mut line));
            length = 0;
            rest = after;
        }
        length += rest.len();
        line.extend(rest);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(wrap("en to tre fire", 7), ["en to", "tre", "fire"]);
    }

    proptest! {
        #[test]
        fn a_wrapped_text_keeps_its_letters_and_its_width(text in "[a-zæøå ]{0,120}", width in 1usize..40) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width));
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}

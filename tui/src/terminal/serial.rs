//! A ratatui backend for slow lines: it knows what the terminal shows, and sends the fewest bytes that change it.
//!
//! Each frame is compared with what the terminal shows. Rows that only moved are moved with a scrolling region
//! (DECSTBM); cells that stay between two changes are written again where that is shorter than moving the cursor;
//! the rest of a row that becomes empty is erased (EL). Attributes (SGR) are sent when they change, and nothing at
//! all is sent for a frame that changes nothing. Cells hold one character of one column each; the canvas sees to it.

use std::convert::Infallible;

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

use super::kind::Kind;
use super::scroll;

/// How a character is written; a subset of SGR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Pen {
    bold: bool,
    underlined: bool,
    reversed: bool,
    /// One of the sixteen colours.
    colour: Option<u8>,
}

impl Pen {
    /// Whether a blank looks the same with it as without.
    fn invisible_on_blank(self) -> bool {
        !self.underlined && !self.reversed
    }

    /// SGR from any pen to this one.
    fn select(self, from: Self, out: &mut Vec<u8>) {
        let loses = (from.bold && !self.bold)
            || (from.underlined && !self.underlined)
            || (from.reversed && !self.reversed)
            || (from.colour.is_some() && self.colour.is_none());
        let mut parameters: Vec<u8> = Vec::new();
        let base = if loses { Self::default() } else { from };
        if self.bold && !base.bold {
            parameters.push(1);
        }
        if self.underlined && !base.underlined {
            parameters.push(4);
        }
        if self.reversed && !base.reversed {
            parameters.push(7);
        }
        if let Some(colour) = self.colour.filter(|_| self.colour != base.colour) {
            parameters.push(if colour < 8 { 30 + colour } else { 90 + colour - 8 });
        }
        out.extend_from_slice(b"\x1b[");
        // An empty parameter is 0, which resets.
        let mut first = true;
        if loses && !parameters.is_empty() {
            first = false;
        }
        for parameter in parameters {
            if !first {
                out.push(b';');
            }
            first = false;
            out.extend_from_slice(parameter.to_string().as_bytes());
        }
        out.push(b'm');
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Glyph {
    character: char,
    pen: Pen,
}

pub(super) const BLANK: Glyph = Glyph {
    character: ' ',
    pen: Pen {
        bold: false,
        underlined: false,
        reversed: false,
        colour: None,
    },
};

impl Glyph {
    fn of(cell: &Cell, attributes: bool) -> Self {
        let character = cell.symbol().chars().next().unwrap_or(' ');
        let pen = if attributes {
            Pen {
                bold: cell.modifier.contains(Modifier::BOLD),
                underlined: cell.modifier.contains(Modifier::UNDERLINED),
                reversed: cell.modifier.contains(Modifier::REVERSED),
                colour: sixteen(cell.fg),
            }
        } else {
            Pen::default()
        };
        if character == ' ' && pen.invisible_on_blank() {
            return BLANK;
        }
        Self { character, pen }
    }
}

fn sixteen(colour: Color) -> Option<u8> {
    Some(match colour {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        _ => return None,
    })
}

/// The terminal at the other end of the line, as far as it is known here.
#[derive(Debug)]
pub struct Serial {
    kind: Kind,
    size: Size,
    /// What the terminal shows, row by row.
    shown: Vec<Glyph>,
    /// What it is to show.
    wanted: Vec<Glyph>,
    /// Where its cursor is; unknown after the last column was written.
    cursor: Option<Position>,
    pen: Pen,
    cursor_shown: bool,
    cursor_wanted: Option<Position>,
    out: Vec<u8>,
}

impl Serial {
    pub fn new(kind: Kind, size: Size) -> Self {
        let cells = usize::from(size.width) * usize::from(size.height);
        Self {
            kind,
            size,
            shown: vec![BLANK; cells],
            wanted: vec![BLANK; cells],
            cursor: None,
            pen: Pen::default(),
            cursor_shown: true,
            cursor_wanted: None,
            out: Vec::new(),
        }
    }

    /// The terminal has another size now; what it shows is not known until [`Backend::clear`].
    pub fn resize(&mut self, size: Size) {
        *self = Self {
            out: std::mem::take(&mut self.out),
            cursor_shown: self.cursor_shown,
            ..Self::new(self.kind, size)
        };
    }

    /// Bytes that must reach the terminal.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// What the terminal is to show: character, bold, reversed, underlined; row by row. For tests.
    pub fn screen(&self) -> Vec<(char, bool, bool, bool)> {
        self.wanted
            .iter()
            .map(|glyph| {
                let pen = glyph.pen;
                (glyph.character, pen.bold, pen.reversed, pen.underlined)
            })
            .collect()
    }

    /// Somebody else wrote to the terminal: nothing is known of it.
    pub fn forget(&mut self) {
        self.cursor = None;
        self.cursor_shown = true;
    }

    fn row(glyphs: &[Glyph], width: u16, y: u16) -> &[Glyph] {
        let start = usize::from(y) * usize::from(width);
        &glyphs[start..start + usize::from(width)]
    }

    fn set_pen(&mut self, pen: Pen) {
        if self.pen != pen {
            pen.select(self.pen, &mut self.out);
            self.pen = pen;
        }
    }

    /// Moves the cursor by the shortest way.
    fn go(&mut self, x: u16, y: u16) {
        let target = Position { x, y };
        if self.cursor == Some(target) {
            return;
        }
        let mut best = absolute(x, y);
        if let Some(from) = self.cursor {
            let mut ways: Vec<Vec<u8>> = Vec::new();
            if y == from.y && x > from.x {
                ways.push(relative(x - from.x, b'C'));
            }
            if y == from.y && x < from.x {
                ways.push(vec![0x08; usize::from(from.x - x)]);
                ways.push(relative(from.x - x, b'D'));
            }
            if x == 0 && y >= from.y && y - from.y < 4 {
                let mut way = vec![b'\r'];
                way.resize(1 + usize::from(y - from.y), b'\n');
                ways.push(way);
            }
            if x == from.x && y > from.y && y - from.y < 4 {
                ways.push(vec![b'\n'; usize::from(y - from.y)]);
            }
            if x == from.x && y < from.y {
                ways.push(relative(from.y - y, b'A'));
            }
            for way in ways {
                if way.len() < best.len() {
                    best = way;
                }
            }
        }
        self.out.extend_from_slice(&best);
        self.cursor = Some(target);
    }

    fn put(&mut self, glyph: Glyph) {
        // A blank may keep a pen that does not show on it.
        if glyph != BLANK || !self.pen.invisible_on_blank() {
            self.set_pen(glyph.pen);
        }
        let mut bytes = [0; 4];
        self.out
            .extend_from_slice(glyph.character.encode_utf8(&mut bytes).as_bytes());
        self.cursor = self
            .cursor
            .filter(|cursor| cursor.x + 1 < self.size.width)
            .map(|cursor| Position {
                x: cursor.x + 1,
                y: cursor.y,
            });
    }

    fn paint_row(&mut self, y: u16) {
        let width = self.size.width;
        let shown = Self::row(&self.shown, width, y).to_vec();
        let wanted = Self::row(&self.wanted, width, y).to_vec();
        if shown == wanted {
            return;
        }
        // From here on the row is to be empty; erasing pays from the fourth cell.
        let tail = wanted
            .iter()
            .rposition(|glyph| *glyph != BLANK)
            .map_or(0, |last| last + 1);
        let stale = shown[tail..].iter().filter(|glyph| **glyph != BLANK).count();
        let erase = stale > 3;
        let end = if erase { tail } else { usize::from(width) };
        let mut x = 0;
        while x < end {
            if shown[x] == wanted[x] {
                x += 1;
                continue;
            }
            self.approach(x, y, &wanted);
            while x < end && shown[x] != wanted[x] {
                self.put(wanted[x]);
                x += 1;
            }
        }
        if erase {
            self.approach(tail, y, &wanted);
            self.set_pen(Pen::default());
            self.out.extend_from_slice(b"\x1b[K");
        }
    }

    /// Comes to a cell, over cells of the same row that stay where writing them again is shorter.
    fn approach(&mut self, x: usize, y: u16, wanted: &[Glyph]) {
        let column = u16::try_from(x).unwrap_or(u16::MAX);
        if let Some(cursor) = self.cursor {
            let from = usize::from(cursor.x);
            if cursor.y == y && from < x {
                let gap = &wanted[from..x];
                let plain = gap
                    .iter()
                    .all(|glyph| glyph.pen == self.pen || (*glyph == BLANK && self.pen.invisible_on_blank()));
                let again: usize = gap.iter().map(|glyph| glyph.character.len_utf8()).sum();
                if plain && again <= relative(column - cursor.x, b'C').len() {
                    for glyph in gap.iter().copied() {
                        self.put(glyph);
                    }
                    return;
                }
            }
        }
        self.go(column, y);
    }

    fn scroll(&mut self) {
        if !self.kind.regions {
            return;
        }
        let Some(scroll) = scroll::find(&self.shown, &self.wanted, usize::from(self.size.width)) else {
            return;
        };
        self.set_pen(Pen::default());
        let (top, bottom) = (scroll.top, scroll.bottom);
        self.out
            .extend_from_slice(format!("\x1b[{};{}r", top + 1, bottom).as_bytes());
        self.cursor = None;
        if scroll.up {
            self.go(0, u16::try_from(bottom - 1).unwrap_or(0));
            self.out.resize(self.out.len() + scroll.rows, b'\n');
        } else {
            self.go(0, u16::try_from(top).unwrap_or(0));
            for _ in 0..scroll.rows {
                self.out.extend_from_slice(b"\x1bM");
            }
        }
        self.out.extend_from_slice(b"\x1b[r");
        self.cursor = Some(Position::ORIGIN);
        scroll.apply(&mut self.shown, usize::from(self.size.width));
    }
}

/// CUP, with what is 1 left out.
fn absolute(x: u16, y: u16) -> Vec<u8> {
    match (x, y) {
        (0, 0) => b"\x1b[H".to_vec(),
        (0, y) => format!("\x1b[{}H", y + 1).into_bytes(),
        (x, 0) => format!("\x1b[;{}H", x + 1).into_bytes(),
        (x, y) => format!("\x1b[{};{}H", y + 1, x + 1).into_bytes(),
    }
}

fn relative(count: u16, last: u8) -> Vec<u8> {
    let mut way = b"\x1b[".to_vec();
    if count > 1 {
        way.extend_from_slice(count.to_string().as_bytes());
    }
    way.push(last);
    way
}

impl Backend for Serial {
    type Error = Infallible;

    fn draw<'a, I>(&mut self, content: I) -> Result<(), Infallible>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        for (x, y, cell) in content {
            if x < self.size.width && y < self.size.height {
                let place = usize::from(y) * usize::from(self.size.width) + usize::from(x);
                self.wanted[place] = Glyph::of(cell, self.kind.attributes);
            }
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> Result<(), Infallible> {
        self.cursor_wanted = None;
        Ok(())
    }

    fn show_cursor(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> Result<Position, Infallible> {
        Ok(self.cursor.unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> Result<(), Infallible> {
        self.cursor_wanted = Some(position.into());
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Infallible> {
        // Out of any region and any odd pen that another program or a line fault left.
        self.out.extend_from_slice(b"\x1b[r\x1b[m\x1b[H\x1b[2J");
        self.pen = Pen::default();
        self.cursor = Some(Position::ORIGIN);
        self.shown.fill(BLANK);
        self.wanted.fill(BLANK);
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> Result<(), Infallible> {
        self.clear()
    }

    fn size(&self) -> Result<Size, Infallible> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> Result<WindowSize, Infallible> {
        Ok(WindowSize {
            columns_rows: self.size,
            pixels: Size::default(),
        })
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        if self.shown != self.wanted {
            self.scroll();
            for y in 0..self.size.height {
                self.paint_row(y);
            }
            self.set_pen(Pen::default());
            self.shown.clone_from(&self.wanted);
        }
        if let Some(cursor) = self.cursor_wanted {
            self.go(
                cursor.x.min(self.size.width.saturating_sub(1)),
                cursor.y.min(self.size.height.saturating_sub(1)),
            );
        }
        if self.cursor_wanted.is_some() != self.cursor_shown && self.kind.attributes {
            self.cursor_shown = self.cursor_wanted.is_some();
            let switch: &[u8] = if self.cursor_shown {
                b"\x1b[?25h"
            } else {
                b"\x1b[?25l"
            };
            self.out.extend_from_slice(switch);
        }
        Ok(())
    }
}

//! Which rows of a frame only moved: what a scrolling region can do for the price of a few bytes.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::serial::{BLANK, Glyph};

/// Rows `top..bottom` move by `rows`, up or down; the rows that come in are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scroll {
    pub top: usize,
    pub bottom: usize,
    pub rows: usize,
    pub up: bool,
}

/// What a scroll costs: region, cursor, region.
const COST: usize = 20;

fn rows(glyphs: &[Glyph], width: usize) -> Vec<(u64, usize)> {
    glyphs
        .chunks(width.max(1))
        .map(|row| {
            let mut hasher = DefaultHasher::new();
            row.hash(&mut hasher);
            let ink = row.iter().filter(|glyph| **glyph != BLANK).count();
            (hasher.finish(), ink)
        })
        .collect()
}

/// The scroll that saves most, if any saves anything.
pub(super) fn find(shown: &[Glyph], wanted: &[Glyph], width: usize) -> Option<Scroll> {
    let (shown, wanted) = (rows(shown, width), rows(wanted, width));
    let height = shown.len();
    let mut best: Option<(usize, Scroll)> = None;
    for rows in 1..height {
        for up in [true, false] {
            // Where row y of the frame stood before.
            let source = |y: usize| {
                if up {
                    Some(y + rows).filter(|from| *from < height)
                } else {
                    y.checked_sub(rows)
                }
            };
            let mut y = 0;
            while y < height {
                let start = y;
                let mut saves = 0;
                while y < height && source(y).is_some_and(|from| shown[from].0 == wanted[y].0) {
                    if shown[y].0 != wanted[y].0 {
                        saves += wanted[y].1.max(4);
                    }
                    y += 1;
                }
                if y > start {
                    let scroll = if up {
                        Scroll {
                            top: start,
                            bottom: y + rows,
                            rows,
                            up,
                        }
                    } else {
                        Scroll {
                            top: start - rows,
                            bottom: y,
                            rows,
                            up,
                        }
                    };
                    let lost = spoilt(&shown, &wanted, scroll);
                    let gain = saves.saturating_sub(lost + COST + if up { rows } else { 2 * rows });
                    if gain > best.map_or(0, |(gain, _)| gain) {
                        best = Some((gain, scroll));
                    }
                }
                y += 1;
            }
        }
    }
    best.map(|(_, scroll)| scroll)
}

/// What has to be written again because the region carries away rows that stood right.
fn spoilt(shown: &[(u64, usize)], wanted: &[(u64, usize)], scroll: Scroll) -> usize {
    let edge = if scroll.up {
        scroll.bottom - scroll.rows..scroll.bottom
    } else {
        scroll.top..scroll.top + scroll.rows
    };
    edge.filter(|y| shown[*y].0 == wanted[*y].0)
        .map(|y| wanted[y].1)
        .sum()
}

impl Scroll {
    /// Does to the known screen what the terminal does to the real one.
    pub(super) fn apply(self, glyphs: &mut [Glyph], width: usize) {
        let region = &mut glyphs[self.top * width..self.bottom * width];
        let cells = self.rows * width;
        if self.up {
            region.copy_within(cells.., 0);
            let rest = region.len() - cells;
            region[rest..].fill(BLANK);
        } else {
            region.copy_within(..region.len() - cells, cells);
            region[..cells].fill(BLANK);
        }
    }
}

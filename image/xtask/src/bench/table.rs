//! A table of figures: printed for people, written as JSON for programs.

use std::fs;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::place;

#[derive(Serialize)]
pub struct Table {
    name: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// How the figures came about, and what they do not say.
    notes: Vec<String>,
}

impl Table {
    pub fn new(name: &'static str, columns: &[&'static str]) -> Self {
        Self {
            name,
            columns: columns.to_vec(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: &[&str]) {
        self.rows
            .push(cells.iter().map(|&cell| cell.to_owned()).collect());
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints the table and writes `target/varde/bench/NAME.json`.
    pub fn publish(&self) -> Result<()> {
        println!("{}", self.text());
        let path = place::output().join("bench").join(format!("{}.json", self.name));
        place::make(path.parent().unwrap_or(&path))?;
        let json = serde_json::to_string_pretty(self).map_err(|source| Error::Json {
            what: "the table of figures",
            source,
        })?;
        fs::write(&path, json).map_err(Error::io("cannot write", &path))
    }

    fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self
                .rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            cells
                .chain([self.columns[column].chars().count()])
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.columns.len()).map(width).collect();
        let line = |cells: &[String]| {
            let cells = cells.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let heads: Vec<_> = self.columns.iter().map(|&column| column.to_owned()).collect();
        let rule: Vec<_> = widths.iter().map(|&width| "-".repeat(width)).collect();
        let mut text = line(&heads) + &line(&rule);
        for row in &self.rows {
            text += &line(row);
        }
        for note in &self.notes {
            text.push('\n');
            text += note;
        }
        text
    }
}

/// The middle of some figures; of an even number the higher of the two.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new("t", &["what", "MB"]);
        table.row(&["a long name", "7"]);
        assert_eq!(
            table.text(),
            "| what        | MB |\n| ----------- | -- |\n| a long name |  7 |\n"
        );
    }
}

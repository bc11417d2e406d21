//! What the console sends over a serial line, beside ratatui's own backend and a repaint of the whole screen.
//!
//! The console's own program measures, by playing an operator's tour through both, and prints one JSON object.

use super::figures;
use super::table::Table;
use crate::binaries;
use crate::error::Result;

pub fn bench() -> Result<()> {
    eprintln!("Measuring what the console sends");
    let mut cargo = binaries::cargo();
    cargo.args(["run", "--quiet", "--locked", "--package", "varde-console"]);
    cargo.args(["--example", "console_bytes"]);
    let figures = figures(&mut cargo)?;
    let bytes = |name: &str| figures[name].to_string();
    let mut table = Table::new(
        "console",
        &[
            "bytes on the line, 80x24",
            "Varde",
            "ratatui on crossterm",
            "whole screen",
            "at most",
        ],
    );
    table.row(&[
        "first paint",
        &bytes("first_paint_bytes"),
        &bytes("first_paint_bytes_crossterm"),
        "",
        "2000",
    ]);
    table.row(&[
        "key press, median",
        &bytes("key_press_bytes_median"),
        &bytes("key_press_bytes_median_crossterm"),
        &bytes("full_repaint_bytes_median"),
        "120",
    ]);
    table.row(&[
        "key press, most",
        &bytes("key_press_bytes_max"),
        &bytes("key_press_bytes_max_crossterm"),
        "",
        "",
    ]);
    table.row(&["idle minute", &bytes("idle_minute_bytes"), "", "", "0"]);
    table.row(&[
        "frame that changes nothing",
        "0",
        &bytes("frame_without_change_bytes_crossterm"),
        "",
        "0",
    ]);
    table.note(format!(
        "{} keys of a tour that look, move, open, read, filter and write; keys that change nothing are left out.",
        figures["keys"]
    ));
    table.publish()
}

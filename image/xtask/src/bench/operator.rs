//! What an operator's ten most usual tasks cost on a serial line: keys, bytes, seconds at 9600 baud.
//!
//! The console's own program measures, by pressing the keys of each task, and prints one JSON object; that each task is done
//! by its keys is a test of the console.

use serde_json::Value;

use super::figures;
use super::table::Table;
use crate::binaries;
use crate::error::{Error, Result};

/// A line of 9600 baud with eight data bits, no parity, one stop bit.
const BYTES_A_SECOND: f64 = 960.0;

pub fn bench() -> Result<()> {
    eprintln!("Measuring an operator's tasks");
    let mut cargo = binaries::cargo();
    cargo.args(["run", "--quiet", "--locked", "--package", "varde-console"]);
    cargo.args(["--example", "operator_tasks"]);
    let figures = figures(&mut cargo)?;
    let tasks = figures["tasks"]
        .as_array()
        .ok_or_else(|| Error::Refused("The measurement gave no tasks".into()))?;
    let mut table = Table::new(
        "operator",
        &[
            "task, from the overview",
            "keys",
            "typed, bytes",
            "shown, nb",
            "shown, en",
            "s at 9600 baud, nb",
            "shown by crossterm, nb",
            "as a command, bytes typed",
        ],
    );
    for task in tasks {
        let title = task["title"].as_str().unwrap_or_default();
        table.row(&[
            title,
            &task["nb"]["keys"].to_string(),
            &task["nb"]["typed"].to_string(),
            &task["nb"]["shown"].to_string(),
            &task["en"]["shown"].to_string(),
            &seconds(&task["nb"]),
            &task["nb"]["shown_crossterm"].to_string(),
            &task["command"].to_string(),
        ]);
    }
    table.note(
        "Exact counts, nothing varies. Reasons are the word «feil». Seconds: every byte of both directions one after the other, \
         and no time to think. The demo site; where a task needs more, what it needs is there.",
    );
    table.publish()
}

/// Both directions one after the other, as they are when every key waits for the screen.
#[expect(clippy::cast_precision_loss, reason = "some thousand bytes")]
fn seconds(task: &Value) -> String {
    let bytes = ["typed", "shown"].map(|way| task[way].as_u64().unwrap_or(0) as f64);
    format!("{:.1}", bytes.iter().sum::<f64>() / BYTES_A_SECOND)
}

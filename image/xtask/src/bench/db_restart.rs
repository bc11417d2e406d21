//! Scheduled database restarts beside other ways, on real servers. The lab of that crate measures; this shows it.

use std::fs;
use std::process::Command;

use serde::Deserialize;

use super::table::Table;
use crate::error::{Error, Result};
use crate::{place, step};

const COLUMNS: [&str; 10] = [
    "restart",
    "meanwhile",
    "runs",
    "stall p50, ms",
    "p99",
    "max",
    "over 100 ms, each",
    "failed",
    "lost",
    "done but failed",
];

#[derive(Deserialize)]
struct Row {
    method: String,
    long_query: bool,
    restarts: usize,
    stall_median: u64,
    stall_p99: u64,
    stall_max: u64,
    delayed: u64,
    failed: u64,
    lost: u64,
    duplicated: u64,
    query_ended: bool,
}

pub fn bench() -> Result<()> {
    let json = place::output().join("bench/db-restart-rows.json");
    place::make(json.parent().unwrap_or(&json))?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--release", "--locked", "--package", "varde-dbrestart-lab"]);
    command.args(["--", "bench", "--json"]).arg(&json);
    step::run(
        "Restarting databases in five ways (about 15 minutes)",
        &mut command,
        "See what it said; it names the logs of the servers.",
    )?;
    let text = fs::read(&json).map_err(Error::io("cannot read", &json))?;
    let rows: Vec<Row> = serde_json::from_slice(&text).map_err(|source| Error::Json {
        what: "the rows of the measurement",
        source,
    })?;
    let mut table = Table::new("db-restart", &COLUMNS);
    for row in &rows {
        let meanwhile = match (row.long_query, row.query_ended) {
            (false, _) => "load",
            (true, true) => "5 s query",
            (true, false) => "5 s query, cut",
        };
        table.row(&[
            &row.method,
            meanwhile,
            &row.restarts.to_string(),
            &row.stall_median.to_string(),
            &row.stall_p99.to_string(),
            &row.stall_max.to_string(),
            &row.delayed.to_string(),
            &row.failed.to_string(),
            &row.lost.to_string(),
            &row.duplicated.to_string(),
        ]);
    }
    table.note(
        "PostgreSQL 17 and PgBouncer of Debian 13 on loopback, 20 clients, 250 transactions a second of one row each; \
         the stall is the longest that any transaction took in a restart. Lost: acknowledged and not there. Done but \
         failed: there, although the client was told of an error.",
    );
    table.publish()
}

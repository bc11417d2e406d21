//! What the portal costs: processor for each Gbit of a screen beside websockify, memory of sessions at rest, log-ins.

use super::figures;
use super::table::Table;
use crate::error::Result;
use crate::{binaries, peers};

pub fn bench() -> Result<()> {
    let websockify = peers::websockify()?;
    eprintln!("Measuring the portal (about two minutes)");
    let mut cargo = binaries::cargo();
    cargo.args([
        "run",
        "--release",
        "--quiet",
        "--locked",
        "--package",
        "varde-portal",
    ]);
    cargo.args(["--example", "portal_load"]);
    if let Some(tree) = &websockify {
        cargo.env("VARDE_WEBSOCKIFY", tree);
    }
    let figures = figures(&mut cargo)?;
    let number = |name: &str, digits: usize| {
        figures[name]
            .as_f64()
            .map_or_else(|| "not there".to_owned(), |number| format!("{number:.digits$}"))
    };
    let mut table = Table::new("portal", &["what", "Varde", "websockify", "goal"]);
    table.row(&[
        "processor for a Gbit to the browser, s",
        &number("seconds_per_gbit", 3),
        &number("seconds_per_gbit_websockify", 3),
        "a fifth",
    ]);
    table.row(&["share of it, %", &number("share", 1), "100", "20"]);
    table.row(&[
        "memory of 600 screens at rest with TLS, MiB",
        &number("idle_mib", 1),
        "",
        "150",
    ]);
    table.row(&[
        "passwords checked a second and processor",
        &number("passwords_per_second", 1),
        "",
        "",
    ]);
    table.note("The screen's bytes go through without TLS at both, one connection, median of three runs.");
    table.publish()
}

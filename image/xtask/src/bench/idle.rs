//! What our services cost in the appliance while five machines run and nothing happens.

use super::table::Table;
use crate::error::Result;
use crate::{binaries, image};

pub fn bench() -> Result<()> {
    let built = image::ensure()?;
    let mut cargo = binaries::cargo();
    cargo.args(["run", "--quiet", "--locked", "--package", "varde-qemu-tests"]);
    cargo.args(["--example", "idle"]);
    built.tell(&mut cargo)?;
    eprintln!("Five machines start inside an emulated appliance; that takes some minutes");
    let figures = super::figures(&mut cargo)?;
    let mut table = Table::new(
        "idle",
        &[
            "service",
            "memory (PSS), MB",
            "CPU, ms a minute",
            "woken a minute",
        ],
    );
    let seconds = figures["seconds"].as_f64().unwrap_or(60.0);
    let mut sums = [0.0; 3];
    for (unit, figure) in figures["services"].as_object().into_iter().flatten() {
        let number = |name: &str| figure[name].as_f64().unwrap_or_default();
        let row = [
            number("pss") * 1024.0 / 1e6,
            number("cpu") * 60.0 / seconds,
            number("woken") * 60.0 / seconds,
        ];
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
        table.row(&cells(unit, row).each_ref().map(String::as_str));
    }
    table.row(
        &cells("together (at most 64 MiB = 67.1 MB)", sums)
            .each_ref()
            .map(String::as_str),
    );
    table.note(format!(
        "{} machines run, nobody is logged in, {seconds} s; switches of all threads that gave the processor up.",
        figures["machines"]
    ));
    table.publish()
}

fn cells(name: &str, [pss, cpu, woken]: [f64; 3]) -> [String; 4] {
    [
        name.to_owned(),
        format!("{pss:.1}"),
        format!("{cpu:.0}"),
        format!("{woken:.1}"),
    ]
}

//! Virtual machines: how long a start takes beside bare QEMU, and what a thousand machines cost.
//!
//! The figures come from the hypervisor's own bench programs, which print one JSON object each.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::table::Table;
use crate::error::{Error, Result};
use crate::{binaries, peers, place, step, toolbox};

/// Start of a machine, from the request to `query-status: running`.
pub fn start() -> Result<()> {
    let libvirt = peers::libvirt()?;
    let figures = measure("vm-start", |command| {
        if let Some(tree) = &libvirt {
            command.env("VARDE_LIBVIRT", tree);
        }
    })?;
    let mut table = Table::new("vm-start", &["start → running", "median ms"]);
    table.row(&["bare QEMU, same command line", &number(&figures, "bare_qemu_ms")]);
    table.row(&["Varde: gate, unit's steps, QMP", &number(&figures, "varde_ms")]);
    table.row(&["libvirt: virsh start", &number(&figures, "virsh_ms")]);
    table.row(&[
        "overhead over bare QEMU (at most 15)",
        &number(&figures, "overhead_ms"),
    ]);
    table.note(format!(
        "Medians of {} starts, turn by turn; QEMU emulates (TCG).",
        figures["rounds"]
    ));
    table.note(
        "The unit's processes are started as systemd would start them; systemd's own part is not in it. libvirt makes no \
         control groups here, and asks no other daemon; without root there is none.",
    );
    table.publish()
}

/// A thousand machines on a thousand fake QMP sockets.
pub fn list() -> Result<()> {
    let figures = measure("vm-list", |_| ())?;
    let mut table = Table::new("vm-list", &["1,000 machines", "median ms", "at most"]);
    table.row(&["list from cache", &number(&figures, "cached_ms"), "20"]);
    table.row(&["list, every QEMU asked", &number(&figures, "verified_ms"), "150"]);
    table.row(&["a crash seen", &number(&figures, "crash_seen_ms"), "50"]);
    table.row(&[
        "all found again by a new daemon",
        &number(&figures, "found_again_ms"),
        "",
    ]);
    table.note(format!(
        "Medians of {} rounds (found again: once). A list is measured up to its form on the bus, {} bytes.",
        figures["rounds"], figures["bytes_on_the_bus"]
    ));
    table.publish()
}

fn measure(bench: &'static str, more: impl FnOnce(&mut Command)) -> Result<Value> {
    let toolbox = toolbox::ensure()?;
    let json = place::output().join(format!("bench/{bench}-figures.json"));
    place::make(json.parent().unwrap_or(&json))?;
    let mut command = binaries::cargo();
    command
        .args([
            "bench",
            "--locked",
            "--package",
            "varde-hypervisor",
            "--bench",
            bench,
        ])
        .env("VARDE_TOOLBOX", toolbox.tree())
        .env("VARDE_BENCH_OUTPUT", &json);
    more(&mut command);
    step::run(
        &format!("Measuring {bench}"),
        &mut command,
        "See what it said; nothing else should run meanwhile.",
    )?;
    let text = fs::read(&json).map_err(Error::io("cannot read", &json))?;
    serde_json::from_slice(&text).map_err(|source| Error::Json {
        what: "the figures of the measurement",
        source,
    })
}

fn number(figures: &Value, name: &str) -> String {
    format!("{:.1}", figures[name].as_f64().unwrap_or(f64::NAN))
}

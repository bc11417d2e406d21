//! `cargo xtask bench NAME`: measures beside peers, prints one table, writes it as JSON. One benchmark a file.

mod boot;
mod console;
mod db_restart;
mod idle;
mod image;
mod operator;
mod portal;
mod table;
mod vm;

use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::error::{Error, Result};

#[derive(Args)]
pub struct Arguments {
    name: Name,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// Power on to the console, beside a stock image of the same packages
    Boot,
    /// Bytes that the console sends over a serial line
    Console,
    /// Restarts of a database under load, beside other ways to do them
    DbRestart,
    /// Memory, CPU and wake-ups of our services while five machines run and nothing happens
    Idle,
    /// Size of an update and of the running system, beside what others publish
    Image,
    /// An operator's ten most usual tasks on the console: keys, bytes, seconds at 9600 baud
    Operator,
    /// The portal: what a screen costs beside websockify, memory of sessions at rest, log-ins
    Portal,
    /// A thousand machines: the list from cache, the list verified, a crash seen
    VmList,
    /// Start of a machine, beside bare QEMU and libvirt
    VmStart,
}

pub fn command(arguments: &Arguments) -> Result<()> {
    match arguments.name {
        Name::Boot => boot::bench(),
        Name::Console => console::bench(),
        Name::DbRestart => db_restart::bench(),
        Name::Idle => idle::bench(),
        Name::Image => image::bench(),
        Name::Operator => operator::bench(),
        Name::Portal => portal::bench(),
        Name::VmList => vm::list(),
        Name::VmStart => vm::start(),
    }
}

/// Runs a program that measures and prints one JSON object as its last line.
fn figures(command: &mut Command) -> Result<Value> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Start {
            program: "cargo".into(),
            source,
            remedy: "It comes with Rust.",
        })?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(Error::Refused(format!(
            "The measurement failed; it said:\n{said}"
        )));
    }
    serde_json::from_str(said.lines().last().unwrap_or_default()).map_err(|source| Error::Json {
        what: "the figures of the measurement",
        source,
    })
}

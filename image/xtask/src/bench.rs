//! `cargo xtask bench NAME`: measures beside peers, prints one table, writes it as JSON. One benchmark a file.

mod console;
mod db_restart;
mod image;
mod table;
mod vm;

use clap::{Args, ValueEnum};

use crate::error::Result;

#[derive(Args)]
pub struct Arguments {
    name: Name,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// Bytes that the console sends over a serial line
    Console,
    /// Restarts of a database under load, beside other ways to do them
    DbRestart,
    /// Size of an update and of the running system, beside what others publish
    Image,
    /// A thousand machines: the list from cache, the list verified, a crash seen
    VmList,
    /// Start of a machine, beside bare QEMU
    VmStart,
}

pub fn command(arguments: &Arguments) -> Result<()> {
    match arguments.name {
        Name::Console => console::bench(),
        Name::DbRestart => db_restart::bench(),
        Name::Image => image::bench(),
        Name::VmList => vm::list(),
        Name::VmStart => vm::start(),
    }
}

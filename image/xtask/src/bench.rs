//! `cargo xtask bench NAME`: measures beside peers, prints one table, writes it as JSON. One benchmark a file.

mod image;
mod table;

use clap::{Args, ValueEnum};

use crate::error::Result;

#[derive(Args)]
pub struct Arguments {
    name: Name,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// Size of an update and of the running system, beside what others publish
    Image,
}

pub fn command(arguments: &Arguments) -> Result<()> {
    match arguments.name {
        Name::Image => image::bench(),
    }
}

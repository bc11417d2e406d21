//! The developers' tool, `cargo xtask`: builds, runs, tests and measures the appliance.
//!
//! Everything stands on three cached things, each keyed by what it is made of: the toolbox (a Debian tree with QEMU and
//! mkosi), the guests (virtual machines of the demo site) and the image. A command makes what is missing, then does its
//! own work. One command a file.

mod bench;
mod binaries;
mod error;
mod guests;
mod image;
mod media;
mod novnc;
mod peers;
mod place;
mod release;
mod run;
mod step;
mod test;
mod toolbox;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, runs, tests and measures the appliance.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build what is missing: toolbox, guests, image
    Image,
    /// Boot the appliance in QEMU, its console on this terminal
    Run(run::Arguments),
    /// Make the medium that installs the appliance on a blade
    Media(media::Arguments),
    /// Make a signed release, which appliances take as an update
    Release(release::Arguments),
    /// Run every test, from unit to end to end
    Test(test::Arguments),
    /// Measure, beside peers, and print one table
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Image => image::command(),
        Command::Run(arguments) => run::command(&arguments),
        Command::Media(arguments) => media::command(&arguments),
        Command::Release(arguments) => release::command(&arguments),
        Command::Test(arguments) => test::command(&arguments),
        Command::Bench(arguments) => bench::command(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error}");
            ExitCode::FAILURE
        }
    }
}

//! Completions and manual pages, made from the description of the command line itself.

use std::io;

use clap::CommandFactory;

use crate::args::{Arguments, Generate};
use crate::error::Error;

pub fn run(what: &Generate) -> Result<(), Error> {
    let mut command = Arguments::command();
    match what {
        Generate::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut command, "varde", &mut script);
            match io::Write::write_all(&mut io::stdout(), &script) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(Error::io("write", "the completions", error))
                }
                _ => Ok(()),
            }
        }
        Generate::Man { folder } => clap_mangen::generate_to(command, folder)
            .map_err(|error| Error::io("write manual pages into", folder.display(), error)),
    }
}

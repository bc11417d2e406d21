//! Completions and manual pages, made from the description of the command line itself.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Arguments;
use crate::error::Error;
use crate::output::print;

pub fn completions(shell: Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "varde", &mut script);
    print(std::io::stdout(), &script)
}

pub fn manual(folder: Option<&Path>) -> Result<(), Error> {
    let command = Arguments::command();
    let Some(folder) = folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Error::io("write", "the manual page", error))?;
        return print(std::io::stdout(), &page);
    };
    clap_mangen::generate_to(command, folder)
        .map_err(|error| Error::io("write manual pages into", folder.display(), error))
}

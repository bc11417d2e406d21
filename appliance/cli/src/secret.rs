//! Asking for a secret.

use std::io::{self, IsTerminal};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::error::Error;

/// A line from a pipe, or from a terminal that does not show it.
pub fn read(prompt: &str) -> Result<String, Error> {
    let stdin = io::stdin();
    let shown = if stdin.is_terminal() {
        eprint!("{prompt}");
        Some(hide(&stdin)?)
    } else {
        None
    };
    let mut secret = String::new();
    let read = stdin.read_line(&mut secret);
    if let Some(shown) = shown {
        tcsetattr(&stdin, OptionalActions::Now, &shown)
            .map_err(|error| Error::io("restore", "the terminal", error))?;
        eprintln!();
    }
    read.map_err(|error| Error::io("read", "the password", error))?;
    Ok(secret.trim_end_matches(['\r', '\n']).to_owned())
}

fn hide(stdin: &io::Stdin) -> Result<Termios, Error> {
    let shown = tcgetattr(stdin).map_err(|error| Error::io("look at", "the terminal", error))?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(stdin, OptionalActions::Now, &hidden)
        .map_err(|error| Error::io("hide", "the password", error))?;
    Ok(shown)
}

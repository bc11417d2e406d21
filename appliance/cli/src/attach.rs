//! `varde vm console`: this terminal, joined to a machine's serial port until Ctrl-] is typed.

use std::io::{IsTerminal, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{self, OptionalActions, Termios};
use varde_bus::{Failure, FailureKind};

use crate::Context;
use crate::error::Error;

/// Ctrl-]
const ESCAPE: u8 = 0x1d;

pub async fn run(context: &Context, vm: &str) -> Result<(), Error> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Service(Failure::new(
            FailureKind::Refused,
            "Konsollen trenger en terminal; bruk «varde vm scrollback» i et skript",
            "The console needs a terminal; use \"varde vm scrollback\" in a script",
        )));
    }
    let (fd, written) = context
        .client
        .hypervisor
        .open_console(vm)
        .await
        .map_err(Failure::from)?;
    let stream = UnixStream::from(OwnedFd::from(fd));
    stream
        .set_nonblocking(false)
        .map_err(|error| Error::io("open", "the console", error))?;
    let raw = Raw::enter().map_err(|error| Error::io("set up", "the terminal", error))?;
    show(&written).map_err(|error| Error::io("write to", "the terminal", error))?;
    // After what the guest wrote, which may clear the screen; the terminal is raw.
    eprint!(
        "\r\n{}\r\n",
        context.output.word("Ctrl-] avslutter.", "Ctrl-] leaves.")
    );
    let joined = join(stream);
    drop(raw);
    eprintln!();
    joined.map_err(|error| Error::io("use", "the console", error))
}

/// Carries bytes both ways until the escape key is typed or the machine goes away.
fn join(mut stream: UnixStream) -> std::io::Result<()> {
    let stdin = std::io::stdin();
    let mut bytes = [0; 4096];
    loop {
        let mut ready = [
            PollFd::new(&stdin, PollFlags::IN),
            PollFd::new(&stream, PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        let [typed, written] = ready.map(|fd| !fd.revents().is_empty());
        if written {
            match stream.read(&mut bytes)? {
                0 => return Ok(()),
                count => show(&bytes[..count])?,
            }
        }
        if typed {
            let count = rustix::io::read(&stdin, &mut bytes)?;
            let typed = &bytes[..count];
            let escape = typed.iter().position(|key| *key == ESCAPE);
            stream.write_all(&typed[..escape.unwrap_or(count)])?;
            if escape.is_some() || count == 0 {
                return Ok(());
            }
        }
    }
}

fn show(bytes: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// The terminal in raw mode, for as long as this lives.
struct Raw(Termios);

impl Raw {
    fn enter() -> std::io::Result<Self> {
        let before = termios::tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(std::io::stdin(), OptionalActions::Flush, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that has gone away.
        termios::tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0).ok();
    }
}

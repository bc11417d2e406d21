//! The line itself: opened without blocking, raw while we have it, given back as it was.

use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;

use ratatui::layout::Size;
use rustix::fs::OFlags;
use rustix::termios::{self, OptionalActions, QueueSelector, Termios};
use tokio::net::unix::pipe;

use super::kind::Kind;
use crate::error::Error;

/// How the line was before, and what makes the terminal itself again: for the panic hook too.
struct Before {
    settings: Termios,
    farewell: Vec<u8>,
}

static BEFORE: OnceLock<Before> = OnceLock::new();

/// The operator's line. While it exists the line is raw.
///
/// Its two directions are tokio's ends of a pipe: they ask of a file that it can be read or written without blocking
/// and waited for, which is as true of a terminal.
pub struct Tty {
    keys: pipe::Receiver,
    paint: pipe::Sender,
    greeting: Vec<u8>,
    farewell: Vec<u8>,
}

impl Tty {
    /// Takes the line that standard input is.
    pub fn open(kind: Kind) -> Result<Self, Error> {
        if !std::io::stdin().is_terminal() {
            return Err(Error::NoTerminal);
        }
        let settings = termios::tcgetattr(rustix::stdio::stdin()).map_err(Error::Line)?;
        // A file description of our own: what started us keeps its blocking one.
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
            .open("/proc/self/fd/0")
            .map_err(Error::OpenLine)?;
        let keys = file
            .try_clone()
            .and_then(pipe::Receiver::from_file_unchecked)
            .map_err(Error::OpenLine)?;
        let paint = pipe::Sender::from_file_unchecked(file).map_err(Error::OpenLine)?;
        let mut raw = settings.clone();
        raw.make_raw();
        termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &raw).map_err(Error::Line)?;
        let (greeting, farewell) = (greeting(kind), farewell(kind));
        BEFORE.get_or_init(|| Before {
            settings,
            farewell: farewell.clone(),
        });
        Ok(Self {
            keys,
            paint,
            greeting,
            farewell,
        })
    }

    /// What makes the terminal ours.
    pub fn greeting(&self) -> &[u8] {
        &self.greeting
    }

    /// What gives the terminal back, to a guest's console or for good.
    pub fn farewell(&self) -> &[u8] {
        &self.farewell
    }

    /// The size that the line says it has; none on a serial line, which cannot know.
    pub fn size(&self) -> Option<Size> {
        let size = termios::tcgetwinsize(&self.paint).ok()?;
        (size.ws_col > 0 && size.ws_row > 0).then_some(Size::new(size.ws_col, size.ws_row))
    }

    /// Some bytes; none when the line is gone.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.keys.readable().await?;
            match self.keys.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    /// As many of the bytes as the line takes now.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.paint.writable().await?;
            match self.paint.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    /// Drops what has been written and not yet sent.
    pub fn discard_output(&self) {
        // Best effort: at worst the operator sees a little more of what was under way.
        let _ = termios::tcflush(&self.paint, QueueSelector::OFlush);
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        restore();
    }
}

/// Makes a panic give the terminal back before it says what happened.
pub fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        before(panic);
    }));
}

fn restore() {
    let Some(before) = BEFORE.get() else { return };
    // There is nobody left to tell if the line is gone.
    let _ = termios::tcflush(rustix::stdio::stdin(), QueueSelector::OFlush);
    let _ = termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &before.settings);
    let mut out = std::io::stdout();
    let _ = out.write_all(&before.farewell);
    let _ = out.flush();
}

/// No wrapping at the last column; bracketed paste, so that pasted text is known as such.
fn greeting(kind: Kind) -> Vec<u8> {
    let mut bytes = Vec::new();
    if kind.alternate {
        bytes.extend_from_slice(b"\x1b[?1049h");
    }
    if kind.attributes {
        bytes.extend_from_slice(b"\x1b[?7l\x1b[?2004h");
    }
    bytes
}

fn farewell(kind: Kind) -> Vec<u8> {
    let mut bytes = Vec::new();
    if kind.attributes {
        bytes.extend_from_slice(b"\x1b[m\x1b[r\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[H\x1b[2J");
    }
    if kind.alternate {
        bytes.extend_from_slice(b"\x1b[?1049l");
    }
    bytes
}

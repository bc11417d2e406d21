//! The serial console of a guest, joined to the operator's terminal: bytes both ways, one key that leaves.

use std::io;

use tokio::net::UnixStream;

/// Ctrl-], as in telnet.
const LEAVE: u8 = 0x1d;
/// What the guest wrote before, as much as two seconds of 9600 baud carry.
const BEFORE: usize = 2_000;
/// Keys that a guest has not read; more are dropped, as a serial port drops them.
const TYPED: usize = 64 * 1024;

/// A guest that has the terminal.
#[derive(Debug)]
pub struct Guest {
    pub vm: String,
    port: UnixStream,
    /// Typed, and not yet taken by the guest.
    typed: Vec<u8>,
}

impl Guest {
    pub fn new(vm: String, port: std::os::fd::OwnedFd) -> io::Result<Self> {
        let port = std::os::unix::net::UnixStream::from(port);
        port.set_nonblocking(true)?;
        Ok(Self {
            vm,
            port: UnixStream::from_std(port)?,
            typed: Vec::new(),
        })
    }

    /// Takes what was typed. `Some`: the operator leaves, and what came after the leaving key.
    pub fn typed<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (for_guest, after) = split(bytes);
        let room = TYPED.saturating_sub(self.typed.len());
        self.typed
            .extend_from_slice(&for_guest[..for_guest.len().min(room)]);
        after
    }

    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.port.readable().await?;
            match self.port.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    pub fn has_typed(&self) -> bool {
        !self.typed.is_empty()
    }

    /// Hands over what was typed, as much as the guest takes.
    pub async fn writable(&self) -> io::Result<()> {
        self.port.writable().await
    }

    pub fn hand_over(&mut self) -> io::Result<()> {
        match self.port.try_write(&self.typed) {
            Ok(count) => {
                self.typed.drain(..count);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn split(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| *byte == LEAVE) {
        Some(place) => (&bytes[..place], Some(&bytes[place + 1..])),
        None => (bytes, None),
    }
}

/// The end of what the guest wrote before, from the beginning of a line.
pub fn tail(before: &[u8]) -> &[u8] {
    let Some(cut) = before.len().checked_sub(BEFORE).filter(|cut| *cut > 0) else {
        return before;
    };
    let rest = &before[cut..];
    let line = rest.iter().position(|byte| *byte == b'\n');
    line.map_or(rest, |line| &rest[line + 1..])
}

/// What undoes whatever a guest did to the terminal: an unfinished sequence, its second screen, character set, keypad
/// and cursor keys, origin, insertion, wrapping and mouse.
pub const REGAIN: &[u8] =
    b"\x18\x1b[?1049l\x1b(B\x0f\x1b>\x1b[?1l\x1b[?6l\x1b[4l\x1b[?1000l\x1b[?1006l\x1b[m\x1b[r";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_go_to_the_guest_up_to_the_one_that_leaves() {
        assert_eq!(split(b"ls\r\x1dq"), (&b"ls\r"[..], Some(&b"q"[..])));
        assert_eq!(split(b"\x1b[A"), (&b"\x1b[A"[..], None));
    }

    proptest! {
        #[test]
        fn what_came_before_is_cut_at_a_line(before in "([a-z]{0,90}\r\n){0,80}") {
            let tail = tail(before.as_bytes());
            prop_assert!(tail.len() <= BEFORE || before.len() <= BEFORE);
            prop_assert!(before.as_bytes().ends_with(tail));
            let start = before.len() - tail.len();
            prop_assert!(start == 0 || before.as_bytes()[start - 1] == b'\n');
        }
    }
}

//! A line within one process.

use std::collections::BTreeMap;
use std::task::{Context, Poll};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::{Access, BChannel, Error, Line, Received, Result};

/// More than a window of frames and half a second of audio on all channels: what is not fetched by then is lost.
const LONGEST_QUEUE: usize = 1024;

/// One end of a line in memory; see [`pair`].
#[derive(Debug)]
pub struct MemoryLine {
    access: Access,
    to: Sender<Received>,
    from: Receiver<Received>,
    times: BTreeMap<BChannel, u32>,
    seen: Seen,
}

/// What this end knows of the other.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Up,
    Down,
}

/// Both ends of a line in memory. It is up; dropping one end takes it down at the other.
pub fn pair(access: Access) -> (MemoryLine, MemoryLine) {
    let (to_second, from_first) = channel(LONGEST_QUEUE);
    let (to_first, from_second) = channel(LONGEST_QUEUE);
    let end = |to, from| MemoryLine {
        access,
        to,
        from,
        times: BTreeMap::new(),
        seen: Seen::Nothing,
    };
    (end(to_second, from_second), end(to_first, from_first))
}

impl MemoryLine {
    fn send(&self, what: Received) {
        match self.to.try_send(what) {
            // Lost, as the trait says; that the other end has gone is told by poll_receive.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {}
        }
    }
}

impl Line for MemoryLine {
    fn access(&self) -> Access {
        self.access
    }

    fn send_frame(&mut self, frame: &[u8]) -> Result<()> {
        self.send(Received::Frame(frame.to_vec()));
        Ok(())
    }

    fn send_audio(&mut self, channel: BChannel, octets: &[u8]) -> Result<()> {
        if self.access.b_channel(channel.number()).is_none() {
            return Err(Error::NoChannel(channel));
        }
        let next = self.times.entry(channel).or_default();
        let time = *next;
        // A u32 wraps after six days of audio.
        *next = next.wrapping_add(u32::try_from(octets.len()).unwrap_or(u32::MAX));
        self.send(Received::Audio {
            channel,
            time,
            octets: octets.to_vec(),
        });
        Ok(())
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Received>> {
        match self.seen {
            Seen::Nothing => {
                self.seen = Seen::Up;
                Poll::Ready(Ok(Received::Up))
            }
            Seen::Up => match self.from.poll_recv(context) {
                Poll::Ready(Some(received)) => Poll::Ready(Ok(received)),
                Poll::Ready(None) => {
                    self.seen = Seen::Down;
                    Poll::Ready(Ok(Received::Down))
                }
                Poll::Pending => Poll::Pending,
            },
            Seen::Down => Poll::Pending,
        }
    }
}

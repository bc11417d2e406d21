//! Keeps the signalling of the calls now and of the last ones before, within a bound.

use std::collections::{BTreeMap, VecDeque};

use crate::{Packet, write};

/// A call may take this part of the room: one that talks without end does not push out all others.
const SHARE: usize = 8;

/// The packets of each call, by the call's number.
#[derive(Debug)]
pub struct Recorder {
    calls: BTreeMap<u64, Kept>,
    /// Those that have ended, the oldest first.
    ended: VecDeque<u64>,
    used: usize,
    room: usize,
}

#[derive(Debug, Default)]
struct Kept {
    packets: Vec<Packet>,
    size: usize,
    ended: bool,
}

impl Recorder {
    /// Keeps about so many bytes.
    pub fn new(room: usize) -> Self {
        Self {
            calls: BTreeMap::new(),
            ended: VecDeque::new(),
            used: 0,
            room,
        }
    }

    /// What came or went of a call. When there is no more room, calls that have ended go, the oldest first; where none
    /// has, and of a call that has taken its share, what comes last is not kept.
    pub fn note(&mut self, call: u64, packet: Packet) {
        let size = packet.size();
        let taken = self.calls.get(&call).map_or(0, |kept| kept.size);
        if taken + size > self.room / SHARE {
            return;
        }
        while self.used + size > self.room {
            let Some(oldest) = self.ended.pop_front() else {
                return;
            };
            self.used -= self.calls.remove(&oldest).map_or(0, |kept| kept.size);
        }
        let kept = self.calls.entry(call).or_default();
        kept.size += size;
        kept.packets.push(packet);
        self.used += size;
    }

    /// The call is over; its packets stay while there is room.
    pub fn end(&mut self, call: u64) {
        if let Some(kept) = self.calls.get_mut(&call)
            && !kept.ended
        {
            kept.ended = true;
            self.ended.push_back(call);
        }
    }

    /// Whether anything of the call is kept.
    pub fn has(&self, call: u64) -> bool {
        self.calls.contains_key(&call)
    }

    /// The call as a file, if anything of it is kept.
    pub fn file(&self, call: u64) -> Option<Vec<u8>> {
        let kept = self.calls.get(&call)?;
        Some(write(&format!("call {call}"), &kept.packets))
    }
}

//! l1oip, "layer 1 over IP" of mISDN (`drivers/isdn/mISDN/l1oip_core.c`), version 0, without IO.
//!
//! | octets | what |
//! |---|---|
//! | 1 | version (2 bits), E1, id follows, codec (4 bits) |
//! | 4, if said so | id |
//! | 1 | more blocks follow, channel (7 bits) |
//! | 1, if more follow | length of this block's data; 0 means 256 |
//! | 2 | time base: octets sent before on a B channel, datagrams on the D channel |
//! | rest | a frame without FCS, or audio with the bits of each octet reversed |
//!
//! The kernel sends an empty block of its D channel when it has sent nothing for 15 s, and gives the other end up when
//! it has heard nothing for 65 s. It does not send audio whose octets are all 0xff or all 0x2a. Nothing here is
//! authenticated: run it on loopback, or in a tunnel.

use std::collections::VecDeque;
use std::time::Duration;

use crate::{Access, BChannel, Error, L1oipError, Received, Result};

/// The port that the kernel takes for its first line.
pub const PORT: u16 = 931;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
const GIVE_UP: Duration = Duration::from_secs(65);
/// The most data in one datagram (`L1OIP_MAX_PERFRAME`).
const MOST_DATA: usize = 1400;

const VERSION: u8 = 0;
const PRIMARY: u8 = 0x20;
const WITH_ID: u8 = 0x10;
const MORE: u8 = 0x80;
/// As it is, and A-law, which is as it is too.
const CODECS: [u8; 2] = [0, 1];

/// What both ends of a line must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub access: Access,
    /// Any number but 0, the same at both ends; keeps strays out, not attackers.
    pub id: Option<u32>,
}

/// The data of one channel in a datagram, as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// 1 to 127.
    pub channel: u8,
    pub time: u16,
    pub data: &'a [u8],
}

impl Header {
    /// A datagram of one block.
    pub fn encode(self, block: Block<'_>) -> Vec<u8> {
        let kind = match self.access {
            Access::Primary => PRIMARY,
            Access::Basic => 0,
        };
        let mut bytes = Vec::with_capacity(8 + block.data.len());
        match self.id {
            Some(id) => {
                bytes.push(VERSION << 6 | kind | WITH_ID);
                bytes.extend(id.to_be_bytes());
            }
            None => bytes.push(VERSION << 6 | kind),
        }
        bytes.push(block.channel & !MORE);
        bytes.extend(block.time.to_be_bytes());
        bytes.extend_from_slice(block.data);
        bytes
    }

    /// The blocks of a datagram; all of it is understood, or none.
    pub fn parse(self, bytes: &[u8]) -> Result<Vec<Block<'_>>, L1oipError> {
        let mut rest = Reader { bytes, at: 0 };
        let first = rest.octet("the header")?;
        if first >> 6 != VERSION {
            return Err(L1oipError::Version(first >> 6));
        }
        let theirs = if first & PRIMARY == 0 {
            Access::Basic
        } else {
            Access::Primary
        };
        if theirs != self.access {
            let ours = self.access;
            return Err(L1oipError::Access { ours, theirs });
        }
        let codec = first & 0x0f;
        if !CODECS.contains(&codec) {
            return Err(L1oipError::Codec(codec));
        }
        match (first & WITH_ID != 0, self.id) {
            (false, None) => {}
            (false, Some(_)) => return Err(L1oipError::MissingId),
            (true, None) => return Err(L1oipError::UnexpectedId),
            (true, Some(ours)) => {
                let id = u32::from_be_bytes(rest.octets("the id")?);
                if id != ours {
                    return Err(L1oipError::ForeignId(id));
                }
            }
        }
        let mut blocks = Vec::new();
        loop {
            let octet = rest.octet("a channel")?;
            let (more, channel) = (octet & MORE != 0, octet & !MORE);
            let length = if more {
                match rest.octet("a length")? {
                    0 => Some(256),
                    length => Some(usize::from(length)),
                }
            } else {
                None
            };
            let time = u16::from_be_bytes(rest.octets("a time base")?);
            let data = rest.data(channel, length)?;
            blocks.push(Block { channel, time, data });
            if !more {
                return Ok(blocks);
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn octets<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], L1oipError> {
        let (octets, rest) = self
            .bytes
            .split_first_chunk()
            .ok_or(L1oipError::Ends(self.at + self.bytes.len(), what))?;
        self.at += N;
        self.bytes = rest;
        Ok(*octets)
    }

    fn octet(&mut self, what: &'static str) -> Result<u8, L1oipError> {
        self.octets(what).map(|[octet]| octet)
    }

    /// So many octets, or all that are left.
    fn data(&mut self, channel: u8, length: Option<usize>) -> Result<&'a [u8], L1oipError> {
        let left = self.bytes.len();
        let length = length.unwrap_or(left);
        let (data, rest) = self.bytes.split_at_checked(length).ok_or(L1oipError::Length {
            channel,
            length,
            left,
        })?;
        self.at += length;
        self.bytes = rest;
        Ok(data)
    }
}

/// One end of a line. Time is a [`Duration`] since a fixed moment of the caller's choice.
#[derive(Debug)]
pub struct Endpoint {
    header: Header,
    /// By channel: what we have sent, and where the other end is.
    sent: [u16; 128],
    heard: [u32; 128],
    keep_alive_at: Duration,
    /// None: the line is down.
    give_up_at: Option<Duration>,
    datagrams: VecDeque<Vec<u8>>,
    received: VecDeque<Received>,
}

impl Endpoint {
    /// Its first datagram, which shows the other end that it is there, is due at once.
    pub fn new(now: Duration, header: Header) -> Self {
        Self {
            header,
            sent: [0; 128],
            heard: [0; 128],
            keep_alive_at: now,
            give_up_at: None,
            datagrams: VecDeque::new(),
            received: VecDeque::new(),
        }
    }

    pub fn access(&self) -> Access {
        self.header.access
    }

    pub fn is_up(&self) -> bool {
        self.give_up_at.is_some()
    }

    /// Sends a frame of the D channel.
    pub fn send_frame(&mut self, now: Duration, frame: &[u8]) -> Result<()> {
        if !(1..=MOST_DATA).contains(&frame.len()) {
            return Err(Error::FrameSize(frame.len()));
        }
        let channel = self.header.access.d_channel();
        let time = self.sent[usize::from(channel)];
        self.sent[usize::from(channel)] = time.wrapping_add(1);
        self.datagram(now, channel, time, frame);
        Ok(())
    }

    /// Sends audio, in as many datagrams as it takes.
    pub fn send_audio(&mut self, now: Duration, channel: BChannel, octets: &[u8]) -> Result<()> {
        let number = channel.number();
        if self.header.access.b_channel(number).is_none() {
            return Err(Error::NoChannel(channel));
        }
        for part in octets.chunks(MOST_DATA) {
            let time = self.sent[usize::from(number)];
            let length = u16::try_from(part.len()).expect("a part has 1400 octets at most");
            self.sent[usize::from(number)] = time.wrapping_add(length);
            self.datagram(now, number, time, &reversed(part));
        }
        Ok(())
    }

    /// A datagram from the other end. One that is wrong is left out as a whole, and does not show that the line is up.
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) -> Result<(), L1oipError> {
        let blocks = self.header.parse(bytes)?;
        let access = self.header.access;
        let known = |channel| channel == access.d_channel() || access.b_channel(channel).is_some();
        if let Some(stranger) = blocks.iter().find(|block| !known(block.channel)) {
            return Err(L1oipError::Channel(stranger.channel));
        }
        if self.give_up_at.is_none() {
            self.received.push_back(Received::Up);
            // The other end may have come after our last sign of life: it learns at once that we are here.
            self.keep_alive_at = now;
        }
        self.give_up_at = Some(now + GIVE_UP);
        for block in blocks.iter().filter(|block| !block.data.is_empty()) {
            let received = match access.b_channel(block.channel) {
                Some(channel) => Received::Audio {
                    channel,
                    time: self.place(block.channel, block.time),
                    octets: reversed(block.data),
                },
                None => Received::Frame(block.data.to_vec()),
            };
            self.received.push_back(received);
        }
        Ok(())
    }

    /// When [`Endpoint::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Duration {
        self.give_up_at
            .map_or(self.keep_alive_at, |at| at.min(self.keep_alive_at))
    }

    pub fn handle_timeout(&mut self, now: Duration) {
        if self.give_up_at.is_some_and(|at| at <= now) {
            self.give_up_at = None;
            self.received.push_back(Received::Down);
        }
        if self.keep_alive_at <= now {
            // As the kernel's: empty, and not counted.
            self.datagram(now, self.header.access.d_channel(), 0, &[]);
        }
    }

    /// The next datagram for the other end.
    pub fn poll_datagram(&mut self) -> Option<Vec<u8>> {
        self.datagrams.pop_front()
    }

    /// What came next from the other end.
    pub fn poll_received(&mut self) -> Option<Received> {
        self.received.pop_front()
    }

    fn datagram(&mut self, now: Duration, channel: u8, time: u16, data: &[u8]) {
        self.keep_alive_at = now + KEEP_ALIVE;
        let bytes = self.header.encode(Block { channel, time, data });
        self.datagrams.push_back(bytes);
    }

    /// The 16 bits of a time base as a place in all of the channel: the nearest one to where it was.
    fn place(&mut self, channel: u8, time: u16) -> u32 {
        let place = &mut self.heard[usize::from(channel)];
        let [_, _, high, low] = place.to_be_bytes();
        let step = time.wrapping_sub(u16::from_be_bytes([high, low])).cast_signed();
        *place = place.wrapping_add_signed(i32::from(step));
        *place
    }
}

/// mISDN has the first bit of an octet lowest, RTP highest.
pub fn reversed(octets: &[u8]) -> Vec<u8> {
    octets.iter().map(|octet| octet.reverse_bits()).collect()
}

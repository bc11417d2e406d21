//! What the exchange holds: the thread that carries audio, endpoints of calls, and the channel's side of one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::fd::OwnedFd;
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::sync::mpsc;

use crate::ports::Ports;
use crate::sdp::Agreed;
use crate::session::{Event, Seed};
use crate::statistics::Statistics;
use crate::switch::{Readable, Switch};
use crate::tone::Tone;
use crate::{Error, Result};

/// What epoll says of the wake-up; no endpoint has it.
const WAKE: u64 = u64::MAX;
/// Happenings that may lie unread.
const MOST_HAPPENED: usize = 4096;
/// Readable sockets that are asked for at once.
const AT_ONCE: usize = 64;

/// Where calls have their audio.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address that peers send to: what stands in session descriptions.
    pub address: IpAddr,
    /// Two ports for each endpoint.
    pub ports: RangeInclusive<u16>,
}

/// An endpoint by number, for [`Happened`]. None is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId {
    pub(crate) place: u32,
    pub(crate) generation: u32,
}

/// Something happened at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happened {
    pub endpoint: EndpointId,
    pub event: Event,
}

/// The audio of all calls. Ends, with every endpoint, when it is dropped.
#[derive(Debug)]
pub struct Media {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    switch: Mutex<Switch>,
    epoll: OwnedFd,
    wake: OwnedFd,
    ended: AtomicBool,
}

impl Shared {
    fn switch(&self) -> MutexGuard<'_, Switch> {
        // Whoever panicked with the lock left one endpoint half changed at worst.
        self.switch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the thread look at what is due.
    fn wake(&self) {
        // The counter is full only if the thread has not looked for 2⁶⁴ wake-ups.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

impl Media {
    /// Starts to carry audio. What happens comes out of the receiver.
    pub fn start(config: &Config) -> Result<(Self, mpsc::Receiver<Happened>)> {
        let start = |errno| Error::Start(io::Error::from(errno));
        let ports = Ports::new(config.address, &config.ports, random_u32().map_err(Error::Start)?)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(start)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(start)?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN).map_err(start)?;
        let (happened, receiver) = mpsc::channel(MOST_HAPPENED);
        let epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let switch = Mutex::new(Switch::new(ports, epoch, happened));
        let shared = Arc::new(Shared {
            switch,
            epoll,
            wake,
            ended: AtomicBool::new(false),
        });
        let carried = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("audio".to_owned())
            .spawn(move || carry(&carried))
            .map_err(Error::Start)?;
        Ok((
            Self {
                shared,
                thread: Some(thread),
            },
            receiver,
        ))
    }

    /// Opens an endpoint: one side of a call, with its own pair of ports. Closed when it is dropped.
    pub fn open(&self) -> Result<Endpoint> {
        let seed = seed().map_err(Error::Start)?;
        let (id, local) = self.shared.switch().open(&self.shared.epoll, seed)?;
        self.shared.wake();
        Ok(Endpoint {
            shared: Arc::clone(&self.shared),
            id,
            local,
        })
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

/// One side of a call, seen from the network: where a peer's audio comes and ours goes.
#[derive(Debug)]
pub struct Endpoint {
    shared: Arc<Shared>,
    id: EndpointId,
    local: SocketAddr,
}

impl Endpoint {
    pub fn id(&self) -> EndpointId {
        self.id
    }

    /// The RTP address; RTCP has the port above.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Tells what the descriptions have agreed on, each time that they do. Before, nothing comes or goes.
    pub fn agree(&self, agreed: Agreed) {
        self.shared.switch().agree(self.id, agreed);
    }

    /// Passes audio between this endpoint and another, in place of what either was bridged with.
    pub fn bridge(&self, other: &Self) {
        self.shared.switch().bridge(self.id, other.id);
    }

    /// Passes audio between this endpoint and a B channel, in place of what it was bridged with.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.shared.switch().bridge_channel(self.id);
        Channel {
            shared: Arc::clone(&self.shared),
            id: self.id,
        }
    }

    /// Passes nothing on any more, to either side.
    pub fn unbridge(&self) {
        self.shared.switch().unbridge(self.id);
    }

    /// Plays a tone to the peer instead of what is bridged, until another one, or none, is asked for.
    pub fn play(&self, tone: Option<Tone>) {
        self.shared.switch().play(self.id, tone);
        self.shared.wake();
    }

    /// Presses a button, after those that are still being pressed: as an event if the peer takes them, else as tones.
    /// False if there is no such button, or too many wait.
    pub fn press(&self, button: char, duration: Duration) -> bool {
        let pressed = self.shared.switch().press(self.id, button, duration);
        self.shared.wake();
        pressed
    }

    pub fn statistics(&self) -> Statistics {
        self.shared.switch().statistics(self.id)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.shared.switch().close(self.id);
    }
}

/// The B channel's side of an endpoint. Who holds the line calls both, at the line's pace. When the endpoint is gone or
/// bridged with something else, it plays silence and hears nothing.
#[derive(Debug)]
pub struct Channel {
    shared: Arc<Shared>,
    id: EndpointId,
}

impl Channel {
    /// Gives the next octets for the channel, at each tick of the line's clock, whether anything came from the channel
    /// or not.
    pub fn play(&mut self, audio: &mut [u8]) {
        self.shared.switch().play_channel(self.id, audio);
    }

    /// Takes what came from the channel, as the line gave it (`Received::Audio`).
    pub fn hear(&mut self, time: u32, audio: &[u8]) {
        self.shared.switch().hear_channel(self.id, time, audio);
    }
}

/// What the thread does: waits, moves what has come, does what is due.
fn carry(shared: &Shared) {
    let mut space = [0; 2048];
    let mut events = Vec::with_capacity(AT_ONCE);
    while !shared.ended.load(Ordering::Acquire) {
        let due = shared.switch().due();
        let timeout = due.and_then(|due| Timespec::try_from(due).ok());
        events.clear();
        // Interrupted by a signal, it looks what is due and waits again.
        let _ = epoll::wait(
            &shared.epoll,
            rustix::buffer::spare_capacity(&mut events),
            timeout.as_ref(),
        );
        let mut switch = shared.switch();
        for event in &events {
            let data = event.data.u64();
            if data == WAKE {
                let _ = rustix::io::read(&shared.wake, &mut [0; 8]);
            } else {
                switch.readable(Readable::from_data(data), &mut space);
            }
        }
    }
}

fn seed() -> io::Result<Seed> {
    let [high, low, ..] = random::<4>()?;
    Ok(Seed {
        ssrc: random_u32()?,
        sequence: u16::from_be_bytes([high, low]),
        timestamp: random_u32()?,
        name: u64::from_be_bytes(random()?),
    })
}

fn random_u32() -> io::Result<u32> {
    Ok(u32::from_be_bytes(random()?))
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut random = [0; N];
    // So few bytes come whole or not at all.
    getrandom(&mut random, GetRandomFlags::empty())?;
    Ok(random)
}

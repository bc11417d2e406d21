//! All endpoints and what each is bridged with, behind one lock: the thread that carries audio holds it while it moves
//! what has come, a caller for as long as it takes to change or ask something.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use tokio::sync::mpsc;

use crate::jitter::JitterBuffer;
use crate::packets::{Out, Packets};
use crate::ports::Ports;
use crate::sdp::Agreed;
use crate::session::{Seed, Session};
use crate::statistics::Statistics;
use crate::taken::{Kind, Taken};
use crate::tone::Tone;
use crate::{EndpointId, Error, Happened, Result};

/// Longest datagram that is taken; one that fills it may have been cut.
const LONGEST: usize = 2048;
/// From one look after everything that does not hurry to the next.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// A channel from which nothing has come for so many octets is silent: 60 ms.
const SILENT: usize = 480;

#[derive(Debug)]
pub struct Switch {
    started: Instant,
    epoch: Duration,
    ports: Ports,
    slots: Vec<Slot>,
    /// Endpoints that make audio of their own.
    busy: Vec<EndpointId>,
    next_look: Duration,
    happened: mpsc::Sender<Happened>,
    datagram: Vec<u8>,
}

#[derive(Debug, Default)]
struct Slot {
    /// Counts who has had this place, so that nobody is taken for the one before.
    generation: u32,
    leg: Option<Leg>,
}

#[derive(Debug)]
struct Leg {
    session: Session,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    bridge: Bridge,
    unsent: u64,
}

#[derive(Debug)]
enum Bridge {
    Nothing,
    Leg(EndpointId),
    Channel(Box<Channel>),
}

#[derive(Debug)]
struct Channel {
    buffer: JitterBuffer,
    /// The stream that is in the buffer.
    stream: u32,
    packets: Packets,
    /// Octets played since something came from the channel.
    quiet: usize,
}

/// Which socket of which endpoint is readable, as epoll keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readable {
    pub id: EndpointId,
    pub is_rtcp: bool,
}

impl Readable {
    pub fn to_data(self) -> u64 {
        u64::from(self.id.generation) << 32 | u64::from(self.id.place) << 1 | u64::from(self.is_rtcp)
    }

    pub fn from_data(data: u64) -> Self {
        let half = |data: u64| u32::try_from(data & u64::from(u32::MAX)).unwrap_or(0);
        let id = EndpointId {
            place: half(data) >> 1,
            generation: half(data >> 32),
        };
        Self {
            id,
            is_rtcp: data & 1 == 1,
        }
    }
}

impl Switch {
    pub fn new(ports: Ports, epoch: Duration, happened: mpsc::Sender<Happened>) -> Self {
        Self {
            started: Instant::now(),
            epoch,
            ports,
            slots: Vec::new(),
            busy: Vec::new(),
            next_look: Duration::ZERO,
            happened,
            datagram: Vec::with_capacity(LONGEST),
        }
    }

    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn leg(&mut self, id: EndpointId) -> Option<&mut Leg> {
        let slot = self.slots.get_mut(usize::try_from(id.place).ok()?)?;
        slot.leg.as_mut().filter(|_| slot.generation == id.generation)
    }

    /// Opens an endpoint. Gives it and its RTP address.
    pub fn open(&mut self, epoll: &OwnedFd, seed: Seed) -> Result<(EndpointId, SocketAddr)> {
        let (rtp, control) = self.ports.take()?;
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = rtp.local_addr().map_err(|source| Error::Socket {
            address: unknown,
            source,
        })?;
        let free = self.slots.iter().position(|slot| slot.leg.is_none());
        let place = free.unwrap_or(self.slots.len());
        if free.is_none() {
            self.slots.push(Slot::default());
        }
        let slot = &mut self.slots[place];
        slot.generation = slot.generation.wrapping_add(1);
        let id = EndpointId {
            place: u32::try_from(place).unwrap_or(u32::MAX),
            generation: slot.generation,
        };
        for (socket, is_rtcp) in [(&rtp, false), (&control, true)] {
            let data = EventData::new_u64(Readable { id, is_rtcp }.to_data());
            epoll::add(epoll, socket, data, EventFlags::IN).map_err(|errno| Error::Socket {
                address,
                source: io::Error::from(errno),
            })?;
        }
        let session = Session::new(seed, self.epoch);
        slot.leg = Some(Leg {
            session,
            rtp,
            rtcp: control,
            bridge: Bridge::Nothing,
            unsent: 0,
        });
        Ok((id, address))
    }

    /// Closes an endpoint; its peer is told. Closing its sockets takes them out of epoll.
    pub fn close(&mut self, id: EndpointId) {
        let now = self.now();
        self.unbridge(id);
        if let Some(leg) = self.leg(id)
            && let Some((address, report)) = leg.session.report(now, true)
        {
            // It is the last that is heard of us: whether it was sent makes no difference here.
            let _ = leg.rtcp.send_to(&report, address);
        }
        if let Some(slot) = usize::try_from(id.place)
            .ok()
            .and_then(|place| self.slots.get_mut(place))
            && slot.generation == id.generation
        {
            slot.leg = None;
        }
        self.busy.retain(|busy| *busy != id);
    }

    pub fn agree(&mut self, id: EndpointId, agreed: Agreed) {
        let now = self.now();
        if let Some(leg) = self.leg(id) {
            let before = leg.session.ptime();
            leg.session.agree(now, agreed);
            if let Bridge::Channel(channel) = &mut leg.bridge
                && before != agreed.ptime
            {
                channel.packets = Packets::new(agreed.ptime);
            }
        }
    }

    pub fn bridge(&mut self, one: EndpointId, other: EndpointId) {
        for (id, to) in [(one, other), (other, one)] {
            self.unbridge(id);
            if let Some(leg) = self.leg(id) {
                leg.bridge = Bridge::Leg(to);
            }
        }
        if let Some(leg) = self.leg(one) {
            leg.bridge = Bridge::Leg(other);
        }
    }

    pub fn bridge_channel(&mut self, id: EndpointId) {
        self.unbridge(id);
        if let Some(leg) = self.leg(id) {
            let packets = Packets::new(leg.session.ptime());
            let channel = Channel {
                buffer: JitterBuffer::new(),
                stream: 0,
                packets,
                quiet: 0,
            };
            leg.bridge = Bridge::Channel(Box::new(channel));
        }
    }

    /// An endpoint is on its own again, and so is the one it was bridged with.
    pub fn unbridge(&mut self, id: EndpointId) {
        let Some(leg) = self.leg(id) else {
            return;
        };
        leg.session.cut();
        if let Bridge::Leg(other) = std::mem::replace(&mut leg.bridge, Bridge::Nothing)
            && let Some(other) = self.leg(other)
            && matches!(other.bridge, Bridge::Leg(back) if back == id)
        {
            other.session.cut();
            other.bridge = Bridge::Nothing;
        }
    }

    pub fn play(&mut self, id: EndpointId, tone: Option<Tone>) {
        let now = self.now();
        if let Some(leg) = self.leg(id) {
            leg.session.play(now, tone);
            self.now_busy(id);
        }
    }

    pub fn press(&mut self, id: EndpointId, button: char, duration: Duration) -> bool {
        let now = self.now();
        let pressed = self
            .leg(id)
            .is_some_and(|leg| leg.session.press(now, button, duration));
        self.now_busy(id);
        pressed
    }

    fn now_busy(&mut self, id: EndpointId) {
        if !self.busy.contains(&id) {
            self.busy.push(id);
        }
    }

    pub fn statistics(&mut self, id: EndpointId) -> Statistics {
        let Some(leg) = self.leg(id) else {
            return Statistics::default();
        };
        let buffer = match &leg.bridge {
            Bridge::Channel(channel) => Some(channel.buffer.counts()),
            _ => None,
        };
        Statistics {
            buffer,
            unsent: leg.unsent,
            ..leg.session.statistics()
        }
    }

    /// The next octets for the channel that an endpoint is bridged with: silence if it is not.
    pub fn play_channel(&mut self, id: EndpointId, audio: &mut [u8]) {
        let now = self.now();
        let mut datagram = std::mem::take(&mut self.datagram);
        match self.leg(id) {
            Some(Leg {
                session,
                rtp,
                bridge: Bridge::Channel(channel),
                unsent,
                ..
            }) => {
                channel.buffer.play(audio);
                channel.quiet = channel.quiet.saturating_add(audio.len());
                if channel.quiet >= SILENT {
                    let mut out =
                        |out: Out<'_>| *unsent += send_channel(now, session, rtp, &mut datagram, out);
                    channel.packets.stand_in(audio.len(), &mut out);
                }
            }
            _ => audio.fill(crate::g711::SILENCE),
        }
        self.datagram = datagram;
    }

    /// Takes what has come from the channel that an endpoint is bridged with.
    pub fn hear_channel(&mut self, id: EndpointId, time: u32, audio: &[u8]) {
        let now = self.now();
        let mut datagram = std::mem::take(&mut self.datagram);
        if let Some(Leg {
            session,
            rtp,
            bridge: Bridge::Channel(channel),
            unsent,
            ..
        }) = self.leg(id)
        {
            channel.quiet = 0;
            let mut out = |out: Out<'_>| *unsent += send_channel(now, session, rtp, &mut datagram, out);
            channel.packets.gather(time, audio, &mut out);
        }
        self.datagram = datagram;
    }

    /// Takes one datagram from a socket that has some. `space` is where it is put.
    pub fn readable(&mut self, readable: Readable, space: &mut [u8; LONGEST]) {
        let now = self.now();
        let Some(leg) = self.leg(readable.id) else {
            return;
        };
        let socket = if readable.is_rtcp { &leg.rtcp } else { &leg.rtp };
        // An error is one that the network has reported about a packet sent before; it has been taken away by that.
        let Ok((length, from)) = socket.recv_from(space) else {
            return;
        };
        // One that fills the space may have been cut: it is refused like one that is empty.
        let whole = &mut space[..if length < LONGEST { length } else { 0 }];
        if readable.is_rtcp {
            let _ = leg.session.receive_report(now, from, whole);
            return;
        }
        // Refused datagrams are counted by the session.
        let Ok(taken) = leg.session.receive(now, from, whole) else {
            return;
        };
        match &mut leg.bridge {
            Bridge::Nothing => {}
            Bridge::Channel(channel) => channel.hear(&taken, whole),
            Bridge::Leg(other) => {
                let other = *other;
                if let Some(other) = self.leg(other)
                    && let Some((address, range)) = other.session.pass(now, &taken, space)
                {
                    other.unsent += u64::from(other.rtp.send_to(&space[range], address).is_err());
                }
            }
        }
        if matches!(taken.kind, Kind::Event(_)) {
            self.tell(readable.id);
        }
    }

    /// Does what is due, and says when something will be; never if there is no endpoint.
    pub fn due(&mut self) -> Option<Duration> {
        let now = self.now();
        self.make(now);
        if now >= self.next_look {
            self.look_after(now);
        }
        let looks = self
            .slots
            .iter()
            .any(|slot| slot.leg.is_some())
            .then_some(self.next_look);
        let busy = (0..self.busy.len()).filter_map(|index| self.leg(self.busy[index])?.session.due());
        let busy = busy.min();
        looks
            .into_iter()
            .chain(busy)
            .min()
            .map(|at| at.saturating_sub(now))
    }

    fn make(&mut self, now: Duration) {
        let mut datagram = std::mem::take(&mut self.datagram);
        let mut busy = std::mem::take(&mut self.busy);
        busy.retain(|id| {
            let Some(leg) = self.leg(*id) else {
                return false;
            };
            while leg.session.due().is_some_and(|due| due <= now) {
                if let Some(address) = leg.session.make(now, &mut datagram) {
                    leg.unsent += u64::from(leg.rtp.send_to(&datagram, address).is_err());
                }
            }
            leg.session.due().is_some()
        });
        self.busy = busy;
        self.datagram = datagram;
    }

    fn look_after(&mut self, now: Duration) {
        self.next_look = now + BETWEEN_LOOKS;
        for place in 0..self.slots.len() {
            let slot = &mut self.slots[place];
            let id = EndpointId {
                place: u32::try_from(place).unwrap_or(u32::MAX),
                generation: slot.generation,
            };
            if let Some(leg) = &mut slot.leg {
                if let Some((address, report)) = leg.session.look_after(now) {
                    leg.unsent += u64::from(leg.rtcp.send_to(&report, address).is_err());
                }
                self.tell(id);
            }
        }
    }

    /// Tells the exchange what has happened. What it leaves lying by the thousand is lost rather than kept for ever.
    fn tell(&mut self, endpoint: EndpointId) {
        let happened = self.happened.clone();
        if let Some(leg) = self.leg(endpoint) {
            for event in leg.session.take_events() {
                let _ = happened.try_send(Happened { endpoint, event });
            }
        }
    }
}

impl Channel {
    fn hear(&mut self, taken: &Taken, datagram: &mut [u8]) {
        if self.stream != taken.stream {
            self.stream = taken.stream;
            self.buffer.restart();
        }
        let mut space = [0; 800];
        if let Some((timestamp, audio)) = taken.audio(datagram, &mut space) {
            self.buffer.put(timestamp, audio);
        }
    }
}

/// Sends what has been made of a channel's octets. Gives how many packets could not be.
fn send_channel(
    now: Duration,
    session: &mut Session,
    rtp: &UdpSocket,
    datagram: &mut Vec<u8>,
    out: Out<'_>,
) -> u64 {
    match out {
        Out::Gap(samples) => session.skip(now, samples),
        Out::Packet(audio) => {
            if let Some(address) = session.send(now, audio, datagram) {
                return u64::from(rtp.send_to(datagram, address).is_err());
            }
        }
    }
    0
}

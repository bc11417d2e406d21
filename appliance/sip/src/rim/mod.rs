//! The rim: sockets, connections, names and the clock, around the [`Agent`].
//!
//! All of it runs while somebody waits for [`Sip::event`]; only connections and name look-ups have tasks of their own,
//! which hand over what they get through one bounded queue. What UDP cannot take at once is lost, as the network loses.

mod stream;
mod tls;

use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use crate::agent::Agent;
use crate::api::{Command, Event, Flow, LegId, Outgoing, Transport};
use crate::config::{Directory, Setup};
use crate::core::Lookup;
use crate::error::{Error, Result};
use crate::message::MAX_MESSAGE;

use stream::{Arrival, Door};
use tls::Ends;

/// How much may wait between connections and the agent.
const QUEUE: usize = 256;
/// How much may wait to be written on a connection.
const UNWRITTEN: usize = 256;
const LOOKUP: Duration = Duration::from_secs(5);

/// The SIP side of the bridge, at work.
pub struct Sip {
    agent: Agent,
    start: Instant,
    udp: Vec<(SocketAddr, UdpSocket)>,
    bound: Vec<(Transport, SocketAddr)>,
    connections: HashMap<(Transport, SocketAddr), mpsc::Sender<Vec<u8>>>,
    /// The names of TLS trunks, for their certificates.
    names: HashMap<SocketAddr, String>,
    tls: Option<Ends>,
    arrivals: mpsc::Receiver<Arrival>,
    door: Arc<Door>,
    /// Those that take connections.
    porters: Vec<JoinHandle<()>>,
    sleep: Pin<Box<Sleep>>,
    buffer: Vec<u8>,
}

impl Sip {
    /// Binds all listeners and begins with a directory.
    ///
    /// # Errors
    /// If an address cannot be bound or a certificate not be used. Nothing is left bound then.
    pub async fn start(setup: Setup, directory: Directory) -> Result<Self> {
        let tls = match &setup.tls {
            Some(tls) => Some(Ends::new(tls)?),
            None => None,
        };
        let (sender, arrivals) = mpsc::channel(QUEUE);
        let door = Arc::new(Door::new(sender));
        let (mut udp, mut bound, mut streams) = (Vec::new(), Vec::new(), Vec::new());
        for listener in &setup.listeners {
            let failed = |source| Error::Listen {
                transport: listener.transport,
                address: listener.address,
                source,
            };
            if listener.address.ip().is_unspecified() && listener.advertised.is_none() {
                return Err(Error::Advertised(listener.address));
            }
            let address = if listener.transport == Transport::Udp {
                let socket = UdpSocket::bind(listener.address).await.map_err(failed)?;
                let address = socket.local_addr().map_err(failed)?;
                udp.push((address, socket));
                address
            } else {
                let socket = TcpListener::bind(listener.address).await.map_err(failed)?;
                let address = socket.local_addr().map_err(failed)?;
                let ends = match (listener.transport, &tls) {
                    (Transport::Tls, None) => return Err(Error::NoCertificate),
                    (Transport::Tls, Some(ends)) => Some(ends.clone()),
                    _ => None,
                };
                streams.push((socket, address, ends));
                address
            };
            bound.push((listener.transport, address));
        }
        let porter = |(socket, address, ends)| tokio::spawn(Arc::clone(&door).accept(socket, address, ends));
        let porters = streams.into_iter().map(porter).collect();
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| Error::Random(error.to_string()))?;
        let addresses: Vec<SocketAddr> = bound.iter().map(|(_, address)| *address).collect();
        let mut sip = Self {
            agent: Agent::new(&setup, &addresses, key),
            start: Instant::now(),
            udp,
            bound,
            connections: HashMap::new(),
            names: HashMap::new(),
            tls,
            arrivals,
            door,
            porters,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            buffer: vec![0; MAX_MESSAGE],
        };
        sip.configure(directory);
        Ok(sip)
    }

    /// Stops listening, without a word to anybody. Afterwards the addresses are free.
    pub async fn close(self) {
        drop(self.arrivals);
        for porter in self.porters {
            // One that panicked has said so itself.
            let _ = porter.await;
        }
    }

    /// Where each listener of the setup listens, in its order.
    pub fn bound(&self) -> &[(Transport, SocketAddr)] {
        &self.bound
    }

    /// Time since the start, as events count it.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Takes another directory. Calls go on; see [`Agent::configure`].
    pub fn configure(&mut self, directory: Directory) {
        self.agent.configure(self.now(), directory);
        self.flush();
    }

    /// Calls a party. Events of the leg follow.
    pub fn call(&mut self, call: Outgoing) -> LegId {
        let leg = self.agent.call(self.now(), call);
        self.flush();
        leg
    }

    pub fn command(&mut self, command: Command) {
        self.agent.command(self.now(), command);
        self.flush();
    }

    /// Whether calls may be sent to this trunk.
    pub fn trunk_is_up(&self, trunk: &str) -> bool {
        self.agent.trunk_is_up(trunk)
    }

    /// How many legs have not ended.
    pub fn legs(&self) -> usize {
        self.agent.legs()
    }

    /// What happens next. May be dropped before it is done: nothing is lost by that. Nothing happens while nobody waits.
    pub async fn event(&mut self) -> Event {
        poll_fn(|context| self.poll_event(context)).await
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.agent.poll_event() {
                return Poll::Ready(event);
            }
            let mut idle = true;
            while let Poll::Ready(Some(arrival)) = self.arrivals.poll_recv(context) {
                self.arrived(arrival);
                idle = false;
                if self.agent.has_event() {
                    break;
                }
            }
            idle &= !self.poll_udp(context);
            idle &= !self.poll_clock(context);
            self.flush();
            if idle && !self.agent.has_event() {
                return Poll::Pending;
            }
        }
    }

    fn poll_udp(&mut self, context: &mut Context<'_>) -> bool {
        let mut busy = false;
        for at in 0..self.udp.len() {
            while !self.agent.has_event() {
                let (local, socket) = &self.udp[at];
                let mut buffer = ReadBuf::new(&mut self.buffer);
                let Poll::Ready(received) = socket.poll_recv_from(context, &mut buffer) else {
                    break;
                };
                busy = true;
                // An error is an answer to something that was sent (ICMP); who waits for that finds out by time.
                if let Ok(remote) = received {
                    let length = buffer.filled().len();
                    let flow = Flow {
                        transport: Transport::Udp,
                        local: *local,
                        remote,
                    };
                    let now = self.start.elapsed();
                    self.agent.receive(now, flow, &self.buffer[..length]);
                    self.flush();
                }
            }
        }
        busy
    }

    fn poll_clock(&mut self, context: &mut Context<'_>) -> bool {
        let Some(at) = self.agent.poll_timeout() else {
            return false;
        };
        let at = self.start + at;
        if self.sleep.deadline() != at {
            self.sleep.as_mut().reset(at);
        }
        if self.sleep.as_mut().poll(context).is_pending() {
            return false;
        }
        // Not by the clock itself: a deadline that has been reached must not be missed by a rounding.
        let now = self.start.elapsed().max(at - self.start);
        self.agent.handle_timeout(now);
        true
    }

    fn arrived(&mut self, arrival: Arrival) {
        let now = self.now();
        match arrival {
            Arrival::Open { flow, writer } => {
                self.connections.insert((flow.transport, flow.remote), writer);
            }
            Arrival::Message { flow, bytes } => self.agent.receive(now, flow, &bytes),
            Arrival::Closed { flow } => {
                let key = (flow.transport, flow.remote);
                // A new connection of the same address may have taken its place.
                if self.connections.get(&key).is_none_or(mpsc::Sender::is_closed) {
                    self.connections.remove(&key);
                    self.agent.closed(now, flow);
                }
            }
            Arrival::Found { lookup, addresses } => {
                for (address, _) in &addresses {
                    self.names.insert(*address, lookup.host.clone());
                }
                self.agent.found(now, &lookup.trunk, addresses);
            }
        }
        self.flush();
    }

    /// Does what the agent wants done.
    fn flush(&mut self) {
        while let Some((flow, bytes)) = self.agent.poll_send() {
            if flow.transport == Transport::Udp {
                self.send_datagram(flow, &bytes);
            } else {
                self.send_on_stream(flow, bytes);
            }
        }
        while let Some(lookup) = self.agent.poll_lookup() {
            tokio::spawn(look_up(Arc::clone(&self.door), lookup));
        }
    }

    fn send_datagram(&mut self, flow: Flow, bytes: &[u8]) {
        let Some((_, socket)) = self.udp.iter().find(|(local, _)| *local == flow.local) else {
            return;
        };
        match socket.try_send_to(bytes, flow.remote) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NetworkUnreachable
                        | io::ErrorKind::HostUnreachable
                        | io::ErrorKind::PermissionDenied
                ) =>
            {
                let now = self.now();
                self.agent.closed(now, flow);
            }
            // Anything else is loss, which repetition makes good.
            _ => {}
        }
    }

    fn send_on_stream(&mut self, flow: Flow, bytes: Vec<u8>) {
        let key = (flow.transport, flow.remote);
        let bytes = match self.connections.get(&key) {
            Some(writer) => match writer.try_send(bytes) {
                // A peer that does not read for so long is as good as gone; its connection's own time-out ends it.
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => return,
                Err(mpsc::error::TrySendError::Closed(bytes)) => bytes,
            },
            None => bytes,
        };
        let (writer, unwritten) = mpsc::channel(UNWRITTEN);
        let _ = writer.try_send(bytes);
        self.connections.insert(key, writer);
        let ends = match flow.transport {
            Transport::Tls => self.tls.clone(),
            _ => None,
        };
        let name = self
            .names
            .get(&flow.remote)
            .cloned()
            .unwrap_or_else(|| flow.remote.ip().to_string());
        tokio::spawn(Arc::clone(&self.door).connect(flow, ends, name, unwritten));
    }
}

/// Looks a trunk's name up. No answer is no address.
async fn look_up(door: Arc<Door>, lookup: Lookup) {
    let host = (lookup.host.clone(), lookup.port);
    let addresses = match tokio::time::timeout(LOOKUP, tokio::net::lookup_host(host)).await {
        Ok(Ok(addresses)) => addresses
            .take(16)
            .map(|address| (address, sends_from(address)))
            .collect(),
        _ => Vec::new(),
    };
    door.hand_over(Arrival::Found { lookup, addresses }).await;
}

/// The address that the host would send from: connecting a datagram socket asks the routes and sends nothing.
fn sends_from(to: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if to.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = std::net::UdpSocket::bind(any).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

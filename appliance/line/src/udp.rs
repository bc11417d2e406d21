//! l1oip on a UDP socket with one peer.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::l1oip::{Endpoint, Header};
use crate::{Access, BChannel, Error, L1oipError, Line, Received, Result};

/// No datagram of l1oip is longer.
const LONGEST: usize = 1500;

/// One end of a line over UDP; the kernel's l1oip can be the other.
#[derive(Debug)]
pub struct UdpLine {
    endpoint: Endpoint,
    socket: tokio::net::UdpSocket,
    /// The same socket, to send without asking tokio first, which knows only later that it may.
    sender: UdpSocket,
    started: Instant,
    timer: Pin<Box<Sleep>>,
    lost: u64,
    refused: Option<L1oipError>,
}

/// A socket that has its address, and no peer yet.
#[derive(Debug)]
pub struct Bound {
    socket: UdpSocket,
    local: SocketAddr,
}

impl Bound {
    pub fn new(address: SocketAddr) -> Result<Self> {
        let bind = |source| Error::Bind { address, source };
        let socket = UdpSocket::bind(address).map_err(bind)?;
        socket.set_nonblocking(true).map_err(bind)?;
        let local = socket.local_addr().map_err(bind)?;
        Ok(Self { socket, local })
    }

    /// With the port that the system chose, if it was to choose.
    pub fn address(&self) -> SocketAddr {
        self.local
    }

    /// Hears and speaks with this peer alone from now on. Belongs into a tokio runtime.
    pub fn connect(self, peer: SocketAddr, header: Header) -> Result<UdpLine> {
        let connect = |source| Error::Connect {
            address: peer,
            source,
        };
        self.socket.connect(peer).map_err(connect)?;
        let socket = self.socket.try_clone().map_err(connect)?;
        let started = Instant::now();
        let mut line = UdpLine {
            endpoint: Endpoint::new(Duration::ZERO, header),
            socket: tokio::net::UdpSocket::from_std(socket).map_err(connect)?,
            sender: self.socket,
            started,
            timer: Box::pin(sleep_until(started)),
            lost: 0,
            refused: None,
        };
        // The other end is to know of us even before we ask for anything.
        line.endpoint.handle_timeout(Duration::ZERO);
        line.flush();
        Ok(line)
    }
}

impl UdpLine {
    /// Datagrams that the socket did not take.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// What was wrong with a datagram from the peer since this was asked last; for the record.
    pub fn take_refused(&mut self) -> Option<L1oipError> {
        self.refused.take()
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn flush(&mut self) {
        while let Some(datagram) = self.endpoint.poll_datagram() {
            // A peer that is not there yet refuses; that it is down is seen by its silence.
            if self.sender.send(&datagram).is_err() {
                self.lost += 1;
            }
        }
    }
}

impl Line for UdpLine {
    fn access(&self) -> Access {
        self.endpoint.access()
    }

    fn send_frame(&mut self, frame: &[u8]) -> Result<()> {
        let now = self.now();
        self.endpoint.send_frame(now, frame)?;
        self.flush();
        Ok(())
    }

    fn send_audio(&mut self, channel: BChannel, octets: &[u8]) -> Result<()> {
        let now = self.now();
        self.endpoint.send_audio(now, channel, octets)?;
        self.flush();
        Ok(())
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Received>> {
        let mut space = [0; LONGEST];
        loop {
            let now = self.now();
            if self.endpoint.poll_timeout() <= now {
                self.endpoint.handle_timeout(now);
            }
            self.flush();
            if let Some(received) = self.endpoint.poll_received() {
                return Poll::Ready(Ok(received));
            }
            let mut buffer = ReadBuf::new(&mut space);
            match self.socket.poll_recv(context, &mut buffer) {
                Poll::Ready(Ok(())) => {
                    if let Err(refused) = self.endpoint.receive(now, buffer.filled()) {
                        self.refused = Some(refused);
                    }
                    continue;
                }
                // The peer's port was closed when we sent: it may be back by now.
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Error::Read(error))),
                Poll::Pending => {}
            }
            let due = self.started + self.endpoint.poll_timeout();
            self.timer.as_mut().reset(due);
            if self.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

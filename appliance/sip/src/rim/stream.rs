//! Connections: TCP, and TLS on it. Each is a task that reads messages and writes what it is given.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::api::{Flow, Transport};
use crate::core::Lookup;
use crate::message::{Framed, frame};

use super::UNWRITTEN;
use super::tls::Ends;

/// The most connections from others, and of one address among them.
const MOST: usize = 2000;
const MOST_OF_ONE: usize = 100;
/// How long connecting, a TLS handshake, or writing may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a message that has begun may take to be complete, and a new connection to say anything.
const BEGUN: Duration = Duration::from_secs(10);
/// How long a connection may be silent: longer than a registration lasts.
const SILENT: Duration = Duration::from_mins(65);

/// What connections and look-ups hand over.
pub(super) enum Arrival {
    Open {
        flow: Flow,
        writer: mpsc::Sender<Vec<u8>>,
    },
    Message {
        flow: Flow,
        bytes: Vec<u8>,
    },
    Closed {
        flow: Flow,
    },
    Found {
        lookup: Lookup,
        addresses: Vec<(SocketAddr, Option<IpAddr>)>,
    },
}

/// Where everything that is not a datagram comes in.
pub(super) struct Door {
    arrivals: mpsc::Sender<Arrival>,
    inside: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among those that there may be.
struct Place {
    door: Arc<Door>,
    source: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = inside.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.source);
            }
        }
    }
}

impl Door {
    pub fn new(arrivals: mpsc::Sender<Arrival>) -> Self {
        Self {
            arrivals,
            inside: Mutex::default(),
        }
    }

    /// False: nobody is there to take it any more.
    pub async fn hand_over(&self, arrival: Arrival) -> bool {
        self.arrivals.send(arrival).await.is_ok()
    }

    fn place(self: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = inside.values().sum();
        let count = inside.entry(source).or_default();
        if all >= MOST || *count >= MOST_OF_ONE {
            if *count == 0 {
                inside.remove(&source);
            }
            return None;
        }
        *count += 1;
        Some(Place {
            door: Arc::clone(self),
            source,
        })
    }

    /// Takes connections until nobody is there to serve them.
    pub async fn accept(self: Arc<Self>, listener: TcpListener, local: SocketAddr, ends: Option<Ends>) {
        while !self.arrivals.is_closed() {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.arrivals.closed() => return,
            };
            let Ok((stream, remote)) = accepted else {
                // No file descriptors, most likely: they come back as connections end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Some(place) = self.place(remote.ip()) else {
                continue;
            };
            let transport = if ends.is_some() {
                Transport::Tls
            } else {
                Transport::Tcp
            };
            let flow = Flow {
                transport,
                local,
                remote,
            };
            let (door, ends) = (Arc::clone(&self), ends.clone());
            tokio::spawn(async move {
                let _place = place;
                door.serve_accepted(stream, flow, ends).await;
            });
        }
    }

    async fn serve_accepted(&self, stream: TcpStream, flow: Flow, ends: Option<Ends>) {
        let (writer, unwritten) = mpsc::channel(UNWRITTEN);
        match ends {
            None => {
                if self.hand_over(Arrival::Open { flow, writer }).await {
                    self.carry(stream, flow, unwritten).await;
                }
            }
            Some(ends) => {
                if let Ok(Ok(stream)) = timeout(PATIENCE, ends.accept(stream)).await
                    && self.hand_over(Arrival::Open { flow, writer }).await
                {
                    self.carry(stream, flow, unwritten).await;
                }
            }
        }
    }

    /// Makes a connection and carries what waits for it.
    pub async fn connect(
        self: Arc<Self>,
        flow: Flow,
        ends: Option<Ends>,
        name: String,
        unwritten: mpsc::Receiver<Vec<u8>>,
    ) {
        match (flow.transport, ends, timeout(PATIENCE, open(flow)).await) {
            (Transport::Tls, Some(ends), Ok(Ok(stream))) => {
                if let Ok(Ok(stream)) = timeout(PATIENCE, ends.connect(&name, stream)).await {
                    self.carry(stream, flow, unwritten).await;
                    return;
                }
            }
            (Transport::Tcp, _, Ok(Ok(stream))) => {
                self.carry(stream, flow, unwritten).await;
                return;
            }
            _ => {}
        }
        drop(unwritten);
        self.hand_over(Arrival::Closed { flow }).await;
    }

    /// Reads and writes until either end has enough.
    async fn carry(
        &self,
        stream: impl AsyncRead + AsyncWrite,
        flow: Flow,
        mut unwritten: mpsc::Receiver<Vec<u8>>,
    ) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut held: Vec<u8> = Vec::new();
        let mut heard = false;
        'connection: loop {
            let patience = if held.is_empty() && heard { SILENT } else { BEGUN };
            tokio::select! {
                read = timeout(patience, reader.read_buf(&mut held)) => {
                    if !matches!(read, Ok(Ok(1..))) {
                        break;
                    }
                    loop {
                        match frame(&held) {
                            Ok(Framed::Partial) => break,
                            Ok(Framed::KeepAlive(length)) => {
                                held.drain(..length);
                                // RFC 5626 §3.5.1: a ping of two line ends is answered with one.
                                if length >= 4 && !write(&mut writer, b"\r\n").await {
                                    break 'connection;
                                }
                            }
                            Ok(Framed::Message(length)) => {
                                let bytes = held.drain(..length).collect();
                                heard = true;
                                if !self.hand_over(Arrival::Message { flow, bytes }).await {
                                    break 'connection;
                                }
                            }
                            Err(_) => break 'connection,
                        }
                    }
                }
                bytes = unwritten.recv() => {
                    let Some(bytes) = bytes else { break };
                    if !write(&mut writer, &bytes).await {
                        break;
                    }
                    heard = true;
                }
            }
        }
        drop(unwritten);
        self.hand_over(Arrival::Closed { flow }).await;
    }
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    let written = timeout(PATIENCE, async {
        writer.write_all(bytes).await?;
        writer.flush().await
    });
    matches!(written.await, Ok(Ok(())))
}

async fn open(flow: Flow) -> std::io::Result<TcpStream> {
    let socket = if flow.remote.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // From the listener's address, so that the peer knows us by it.
    if !flow.local.ip().is_unspecified() {
        socket.bind(SocketAddr::new(flow.local.ip(), 0))?;
    }
    let stream = socket.connect(flow.remote).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

//! The guest's serial port, shared: QEMU lets in one client, so the daemon is that client and hands out socket pairs.
//!
//! What the guest wrote last is kept in a ring, so that whoever comes later sees how it got there. QEMU itself appends
//! everything to `serial.log`, from which a new daemon fills its ring; the old part of that file is cut out of memory
//! as it goes (a hole at its head, which an appending writer does not notice).

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::FallocateFlags;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

/// Bytes of scrollback.
pub const SCROLLBACK: usize = 64 << 10;

/// The log may grow by so much before its head is cut off.
const SLACK: u64 = 256 << 10;

/// Pieces that wait for a reader that is slow; a slower one loses what does not fit.
const WAITING_PIECES: usize = 256;

/// Pieces typed by all who have the console open, and not yet taken by the guest.
const TYPED_PIECES: usize = 16;

/// The last bytes of a stream.
#[derive(Debug, Default)]
struct Ring {
    bytes: VecDeque<u8>,
}

impl Ring {
    fn push(&mut self, new: &[u8]) {
        let new = &new[new.len().saturating_sub(SCROLLBACK)..];
        let over = (self.bytes.len() + new.len()).saturating_sub(SCROLLBACK);
        self.bytes.drain(..over);
        self.bytes.extend(new);
    }

    fn content(&self) -> Vec<u8> {
        let (head, tail) = self.bytes.as_slices();
        [head, tail].concat()
    }
}

enum Order {
    Open(oneshot::Sender<std::io::Result<(OwnedFd, Vec<u8>)>>),
    Scrollback(oneshot::Sender<Vec<u8>>),
}

/// The console of one running machine; it ends with QEMU or with the last handle.
#[derive(Clone, Debug)]
pub struct Console {
    orders: mpsc::Sender<Order>,
}

impl Console {
    pub async fn connect(socket: &Path, log: &Path) -> std::io::Result<Self> {
        let serial = UnixStream::connect(socket).await?;
        let mut ring = Ring::default();
        ring.push(&tail(log));
        let (orders, taken) = mpsc::channel(4);
        tokio::spawn(serve(serial, ring, Log::open(log), taken));
        Ok(Self { orders })
    }

    /// A stream joined to the serial port, and what the guest wrote before anything that comes through it.
    pub async fn open(&self) -> std::io::Result<(OwnedFd, Vec<u8>)> {
        let (sender, receiver) = oneshot::channel();
        let gone = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        self.orders.send(Order::Open(sender)).await.map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }

    /// `None` when the machine has just gone.
    pub async fn scrollback(&self) -> Option<Vec<u8>> {
        let (sender, receiver) = oneshot::channel();
        self.orders.send(Order::Scrollback(sender)).await.ok()?;
        receiver.await.ok()
    }
}

/// The end of a log, for a machine that is off.
pub fn tail(log: &Path) -> Vec<u8> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(SCROLLBACK as u64)))?;
        let mut bytes = Vec::new();
        file.take(SCROLLBACK as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // No log, no scrollback: it has not been started since the appliance came up.
    read().unwrap_or_default()
}

/// The log that QEMU writes, as far as its size is our concern.
struct Log {
    file: Option<File>,
    grown: u64,
}

impl Log {
    fn open(path: &Path) -> Self {
        let mut log = Self {
            file: File::options().write(true).open(path).ok(),
            grown: 0,
        };
        log.cut();
        log
    }

    fn grew(&mut self, by: usize) {
        self.grown += by as u64;
        if self.grown > SLACK {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.grown = 0;
        let Some(file) = &self.file else { return };
        let Ok(length) = file.metadata().map(|metadata| metadata.len()) else {
            return;
        };
        let head = length.saturating_sub(SCROLLBACK as u64);
        if head == 0 {
            return;
        }
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if let Err(error) = rustix::fs::fallocate(file, hole, 0, head) {
            eprintln!("cannot cut the head of a serial log: {error}; it grows");
            self.file = None;
        }
    }
}

async fn serve(serial: UnixStream, mut ring: Ring, mut log: Log, mut orders: mpsc::Receiver<Order>) {
    let (from_guest, to_guest) = serial.into_split();
    let (type_in, typed) = mpsc::channel(TYPED_PIECES);
    let typist = tokio::spawn(type_all(typed, to_guest));
    let mut readers: Vec<mpsc::Sender<Arc<[u8]>>> = Vec::new();
    loop {
        tokio::select! {
            ready = from_guest.readable() => {
                if ready.is_err() {
                    break;
                }
                let mut buffer = [0; 4096];
                match from_guest.try_read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => {
                        let piece = &buffer[..count];
                        ring.push(piece);
                        log.grew(count);
                        if !readers.is_empty() {
                            let piece: Arc<[u8]> = piece.into();
                            readers.retain(|reader| hand_out(reader, &piece));
                        }
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
            }
            order = orders.recv() => match order {
                Some(Order::Open(answer)) => {
                    let opened = join(&mut readers, &type_in).map(|end| (end, ring.content()));
                    // Whoever asked may have gone; its end closes then, and the reader with it.
                    let _ = answer.send(opened);
                }
                Some(Order::Scrollback(answer)) => {
                    let _ = answer.send(ring.content());
                }
                None => break,
            },
        }
    }
    typist.abort();
}

/// False for a reader that has gone.
fn hand_out(reader: &mpsc::Sender<Arc<[u8]>>, piece: &Arc<[u8]>) -> bool {
    !matches!(
        reader.try_send(Arc::clone(piece)),
        Err(mpsc::error::TrySendError::Closed(_))
    )
}

fn join(
    readers: &mut Vec<mpsc::Sender<Arc<[u8]>>>,
    type_in: &mpsc::Sender<Vec<u8>>,
) -> std::io::Result<OwnedFd> {
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = theirs.into_std()?;
    // The other process has its own loop; what it gets should behave as a fresh socket does.
    theirs.set_nonblocking(false)?;
    let (read, write) = ours.into_split();
    let (sender, pieces) = mpsc::channel(WAITING_PIECES);
    readers.push(sender);
    let showing = tokio::spawn(show(pieces, write));
    tokio::spawn(listen(read, type_in.clone(), showing));
    Ok(theirs.into())
}

/// Guest → one reader.
async fn show(mut pieces: mpsc::Receiver<Arc<[u8]>>, mut write: OwnedWriteHalf) {
    while let Some(piece) = pieces.recv().await {
        if write.write_all(&piece).await.is_err() {
            return;
        }
    }
}

/// One reader's keys → guest.
async fn listen(read: OwnedReadHalf, type_in: mpsc::Sender<Vec<u8>>, showing: tokio::task::JoinHandle<()>) {
    loop {
        if read.readable().await.is_err() {
            break;
        }
        let mut buffer = [0; 1024];
        match read.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                if type_in.send(buffer[..count].to_vec()).await.is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    showing.abort();
}

/// All keys → guest, in the order of their coming.
async fn type_all(mut typed: mpsc::Receiver<Vec<u8>>, mut to_guest: OwnedWriteHalf) {
    while let Some(piece) = typed.recv().await {
        if to_guest.write_all(&piece).await.is_err() {
            return;
        }
    }
}

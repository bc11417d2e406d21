//! The serial line between a scenario and the appliance: bytes in, a screen out, and a record of everything.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Context, Result};
use crate::keys;
use crate::pace::Pace;
use crate::screen::Screen;
use crate::terminal::Terminal;

/// One serial line with an 80x24 terminal at our end of it.
pub struct Line {
    shared: Arc<Shared>,
    out: Sender<Vec<u8>>,
    stream: UnixStream,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// 0: as fast as the machine can.
    baud: AtomicU32,
}

struct State {
    terminal: Terminal,
    heard: Vec<u8>,
    /// Length of `heard` when something was last sent.
    mark: usize,
    closed: bool,
}

/// What can be seen of the line at one moment.
pub struct View<'a> {
    state: &'a State,
}

impl View<'_> {
    pub fn screen(&self) -> Screen {
        self.state.terminal.screen()
    }

    /// What came since something was last sent, as it came.
    pub fn since_sent(&self) -> &[u8] {
        &self.state.heard[self.state.mark..]
    }

    pub fn heard(&self) -> usize {
        self.state.heard.len()
    }
}

/// Why a wait ended without what it waited for.
pub struct Unmet {
    pub closed: bool,
    pub screen: Screen,
    pub recent: String,
}

impl Line {
    /// Takes over a connected line. All that comes is also written to `log`.
    pub fn new(stream: UnixStream, log: Option<&Path>) -> Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                terminal: Terminal::new(),
                heard: Vec::new(),
                mark: 0,
                closed: false,
            }),
            changed: Condvar::new(),
            baud: AtomicU32::new(0),
        });
        let (out, queue) = channel();
        let log = match log {
            Some(path) => Some(File::create(path).on("create", path)?),
            None => None,
        };
        let share = || stream.try_clone().doing("share the serial line's socket");
        let (writer, reader) = (share()?, share()?);
        let for_writer = Arc::clone(&shared);
        std::thread::spawn(move || write_all(writer, &queue, &for_writer));
        let for_reader = Arc::clone(&shared);
        let answers = out.clone();
        std::thread::spawn(move || read_all(reader, log, &answers, &for_reader));
        Ok(Self { shared, out, stream })
    }

    /// Another hold on the connection, to close it by.
    pub fn end(&self) -> Result<UnixStream> {
        self.stream.try_clone().doing("share the serial line's socket")
    }

    /// From now on the line carries what a real one of this speed does, in each direction; 0 lifts the limit.
    pub fn set_baud(&self, baud: u32) {
        self.shared.baud.store(baud, Ordering::Relaxed);
    }

    /// Types keys in the notation of [`keys`].
    pub fn send(&self, notation: &str) -> Result<()> {
        self.send_bytes(keys::bytes(notation)?);
        Ok(())
    }

    pub fn send_bytes(&self, bytes: Vec<u8>) {
        let mut state = self.lock();
        state.mark = state.heard.len();
        drop(state);
        // The writer ends only with the line; then the reader has marked it closed and the next wait says so.
        let _ = self.out.send(bytes);
    }

    pub fn screen(&self) -> Screen {
        self.lock().terminal.screen()
    }

    /// How many bytes have come over the line.
    pub fn heard(&self) -> usize {
        self.lock().heard.len()
    }

    /// The last bytes that came, escapes made visible.
    pub fn recent(&self, bytes: usize) -> String {
        visible(tail(&self.lock().heard, bytes))
    }

    /// Waits until `met` finds what it looks for; each byte that comes makes it look again.
    pub fn wait<T>(
        &self,
        bound: Duration,
        mut met: impl FnMut(&View<'_>) -> Option<T>,
    ) -> Result<T, Box<Unmet>> {
        let end = Instant::now() + bound;
        let mut state = self.lock();
        loop {
            if let Some(found) = met(&View { state: &state }) {
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || state.closed {
                return Err(Box::new(Unmet {
                    closed: state.closed,
                    screen: state.terminal.screen(),
                    recent: visible(tail(&state.heard, 600)),
                }));
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until nothing has come for `quiet`; gives up after `bound`.
    pub fn quiet(&self, quiet: Duration, bound: Duration) -> bool {
        let end = Instant::now() + bound;
        let mut state = self.lock();
        let mut heard = state.heard.len();
        let mut since = Instant::now();
        loop {
            if state.heard.len() != heard {
                heard = state.heard.len();
                since = Instant::now();
            }
            if since.elapsed() >= quiet || state.closed {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, quiet.saturating_sub(since.elapsed()))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Drop for Line {
    /// Ends both threads.
    fn drop(&mut self) {
        // Refused when the other end is gone already.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

impl Shared {
    /// A scenario that panics while it looks at the line must still be able to report it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes to move at once: at a given speed few, so that what is shown grows as on a real line.
    fn chunk(&self, most: usize) -> usize {
        if self.baud.load(Ordering::Relaxed) == 0 {
            most
        } else {
            most.min(16)
        }
    }

    /// Holds these bytes back for as long as the line takes to carry them.
    fn carry(&self, pace: &mut Option<(u32, Pace)>, bytes: usize) {
        let baud = self.baud.load(Ordering::Relaxed);
        if baud == 0 {
            *pace = None;
            return;
        }
        if pace.as_ref().is_none_or(|(of, _)| *of != baud) {
            *pace = Some((baud, Pace::baud(baud)));
        }
        if let Some((_, pace)) = pace {
            std::thread::sleep(pace.take(Instant::now(), bytes));
        }
    }
}

fn read_all(mut stream: UnixStream, mut log: Option<File>, answers: &Sender<Vec<u8>>, shared: &Shared) {
    let mut buffer = [0; 4096];
    let mut pace = None;
    loop {
        let most = shared.chunk(buffer.len());
        let count = match stream.read(&mut buffer[..most]) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            // QEMU closes the line when it ends; when it is killed the line may also be reset.
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        shared.carry(&mut pace, count);
        if let Some(file) = &mut log {
            // The record is for people; a full disk must not look like a fault of the appliance.
            let _ = file.write_all(&buffer[..count]);
        }
        let mut state = shared.lock();
        let answer = state.terminal.take(&buffer[..count]);
        state.heard.extend_from_slice(&buffer[..count]);
        drop(state);
        if !answer.is_empty() {
            let _ = answers.send(answer);
        }
        shared.changed.notify_all();
    }
    shared.lock().closed = true;
    shared.changed.notify_all();
}

fn write_all(mut stream: UnixStream, queue: &Receiver<Vec<u8>>, shared: &Shared) {
    let mut pace = None;
    while let Ok(bytes) = queue.recv() {
        for chunk in bytes.chunks(shared.chunk(4096)) {
            shared.carry(&mut pace, chunk.len());
            if stream.write_all(chunk).is_err() {
                return;
            }
        }
    }
}

fn tail(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[bytes.len().saturating_sub(most)..]
}

/// Readable text with control characters written as `\e`, `\r`, `\x07`; lines stay lines.
pub(crate) fn visible(bytes: &[u8]) -> String {
    let mut out = String::new();
    for char in String::from_utf8_lossy(bytes).chars() {
        match char {
            '\x1b' => out.push_str("\\e"),
            '\n' => out.push('\n'),
            control if control.is_control() => out.extend(control.escape_default()),
            char => out.push(char),
        }
    }
    out
}

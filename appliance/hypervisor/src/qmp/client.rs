//! The client: one task reads the socket, any number of tasks ask.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::command::{Capabilities, Command};
use super::{Error, Event, Incoming, Lines, understand};

/// How long QEMU may take for a command that it does at once. Under emulation on a busy host it does take seconds.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

type Answer = Result<Value, (String, String)>;

/// What requests and reader share.
#[derive(Debug, Default)]
struct Pending {
    next: u64,
    /// Set when the reader has ended: nobody will answer any more.
    ended: bool,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
}

/// Asks one QEMU. Cheap to clone; the connection ends with the last clone.
#[derive(Clone, Debug)]
pub struct Client {
    writer: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    pending: Arc<Mutex<Pending>>,
}

/// Connects and negotiates. Events come out of the receiver; its end is the end of the connection.
///
/// That this succeeds does not say that the machine is up: ask [`super::QueryStatus`].
pub async fn connect(
    socket: &Path,
    bound: Duration,
) -> Result<(Client, mpsc::UnboundedReceiver<Event>), Error> {
    let failed = |cause: String| Error::Connect {
        socket: socket.display().to_string(),
        cause,
    };
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let (reader, writer) = stream.into_split();
    let (events, incoming_events) = mpsc::unbounded_channel();
    let (greeted, greeting) = oneshot::channel();
    let client = Client {
        writer: Arc::new(tokio::sync::Mutex::new(writer)),
        pending: Arc::default(),
    };
    tokio::spawn(read(reader, Arc::clone(&client.pending), events, greeted));
    match timeout(bound, greeting).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Err(failed("it closed the connection without a greeting".to_owned())),
        Err(_) => return Err(failed(format!("no greeting within {} ms", bound.as_millis()))),
    }
    client.execute(&Capabilities {}, bound).await?;
    Ok((client, incoming_events))
}

impl Client {
    /// Sends a command and waits for its answer, at most `bound`.
    pub async fn execute<C: Command>(&self, command: &C, bound: Duration) -> Result<C::Answer, Error> {
        #[derive(Serialize)]
        struct Request<'a, C> {
            execute: &'static str,
            arguments: &'a C,
            id: u64,
        }
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            if pending.ended {
                return Err(Error::Ended { command: C::NAME });
            }
            pending.next += 1;
            let id = pending.next;
            pending.waiting.insert(id, sender);
            id
        };
        let abandoned = Abandon {
            pending: &self.pending,
            id,
        };
        let request = Request {
            execute: C::NAME,
            arguments: command,
            id,
        };
        let mut line = serde_json::to_vec(&request).map_err(|error| Error::Answer {
            command: C::NAME,
            cause: error.to_string(),
        })?;
        line.push(b'\n');
        let exchange = async {
            self.send(&line)
                .await
                .map_err(|_| Error::Ended { command: C::NAME })?;
            receiver.await.map_err(|_| Error::Ended { command: C::NAME })
        };
        let answer = timeout(bound, exchange).await.map_err(|_| Error::TimedOut {
            command: C::NAME,
            milliseconds: bound.as_millis(),
        })??;
        drop(abandoned);
        match answer {
            Ok(value) => serde_json::from_value(value).map_err(|error| Error::Answer {
                command: C::NAME,
                cause: error.to_string(),
            }),
            Err((class, description)) => Err(Error::Refused {
                command: C::NAME,
                class,
                description,
            }),
        }
    }
}

impl Client {
    async fn send(&self, line: &[u8]) -> std::io::Result<()> {
        let mut writer = self.writer.lock().await;
        if self.pending.lock().unwrap_or_else(PoisonError::into_inner).ended {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        // Half a line would spoil the next: a request given up while it was being written ends the connection.
        let mut half = HalfWritten {
            pending: &self.pending,
            whole: false,
        };
        let result = writer.write_all(line).await;
        half.whole = result.is_ok();
        result
    }
}

struct HalfWritten<'a> {
    pending: &'a Mutex<Pending>,
    whole: bool,
}

impl Drop for HalfWritten<'_> {
    fn drop(&mut self) {
        if !self.whole {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.ended = true;
            pending.waiting.clear();
        }
    }
}

/// Takes a request off the list when whoever asked has gone, so that its late reply is dropped.
struct Abandon<'a> {
    pending: &'a Mutex<Pending>,
    id: u64,
}

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.waiting.remove(&self.id);
    }
}

async fn read(
    socket: OwnedReadHalf,
    pending: Arc<Mutex<Pending>>,
    events: mpsc::UnboundedSender<Event>,
    greeted: oneshot::Sender<()>,
) {
    let mut greeted = Some(greeted);
    let mut lines = Lines::default();
    let answer = |id: u64, answer: Answer| {
        let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = pending.waiting.remove(&id) {
            // Whoever asked may have gone between; then nobody wants the answer.
            let _ = sender.send(answer);
        }
    };
    'connection: loop {
        // The buffer lives only while there is something to read: a thousand idle connections cost no memory for it.
        if socket.readable().await.is_err() {
            break;
        }
        let mut buffer = [0; 4096];
        match socket.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => lines.push(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        }
        loop {
            let line = match lines.take() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(super::TooLong) => break 'connection,
            };
            match understand(&line) {
                Incoming::Greeting => {
                    if let Some(greeted) = greeted.take() {
                        // The connecting side may have given up already.
                        let _ = greeted.send(());
                    }
                }
                Incoming::Return { id, value } => answer(id, Ok(value)),
                Incoming::Refusal {
                    id,
                    class,
                    description,
                } => answer(id, Err((class, description))),
                Incoming::Event(event) => {
                    // Nobody listens to the events of a connection that is made for one command.
                    let _ = events.send(event);
                }
                Incoming::Other => {}
            }
        }
    }
    let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
    pending.ended = true;
    pending.waiting.clear();
}

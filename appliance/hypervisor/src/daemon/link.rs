//! The line to one QEMU: connected as soon as it listens, again if it is lost, and what comes over it.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::machine::Event;
use crate::qmp::{self, Client, DEFAULT_TIMEOUT, QueryStatus, Shutdown};

/// What the line has to tell.
#[derive(Debug)]
pub enum LinkNews {
    Up(Client),
    Seen(Box<Event>),
    Down,
}

/// QEMU listens some tens of milliseconds after it is started: look often at first, then less.
fn pause(waited: Duration) -> Duration {
    match waited.as_millis() {
        0..500 => Duration::from_millis(2),
        500..5000 => Duration::from_millis(50),
        _ => Duration::from_secs(1),
    }
}

/// Ends only by being aborted, when the unit is off.
pub async fn hold(socket: PathBuf, mut tell: impl FnMut(LinkNews)) {
    let mut since = Instant::now();
    loop {
        if let Ok((client, mut events)) = qmp::connect(&socket, DEFAULT_TIMEOUT).await {
            // The socket accepts before disks are open; an answer to this says that they are.
            if let Ok(status) = client.execute(&QueryStatus {}, DEFAULT_TIMEOUT).await {
                tell(LinkNews::Up(client.clone()));
                tell(LinkNews::Seen(Box::new(Event::Guest(status))));
                while let Some(event) = events.recv().await {
                    if let Some(seen) = interpret(&event, &client).await {
                        tell(LinkNews::Seen(Box::new(seen)));
                    }
                }
                tell(LinkNews::Down);
                since = Instant::now();
            }
        }
        sleep(pause(since.elapsed())).await;
    }
}

/// Events say that something happened; what is true now is asked for.
async fn interpret(event: &qmp::Event, client: &Client) -> Option<Event> {
    if let Some(shutdown) = Shutdown::of(event) {
        return Some(Event::Shutdown(shutdown));
    }
    match event.name.as_str() {
        "STOP" | "RESUME" | "SUSPEND" | "WAKEUP" | "GUEST_PANICKED" | "BLOCK_IO_ERROR" => {
            let status = client.execute(&QueryStatus {}, DEFAULT_TIMEOUT).await.ok()?;
            Some(Event::Guest(status))
        }
        "RESET" if event.data.get("guest").and_then(serde_json::Value::as_bool) == Some(true) => {
            Some(Event::Reset)
        }
        _ => None,
    }
}

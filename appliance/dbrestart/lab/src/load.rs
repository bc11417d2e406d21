//! A load that does what a program in a county does: many clients, each writing a row now and then, connecting again
//! when it must. It counts what each of them notices, and in the end holds the rows against what it was told.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

use crate::Result;

/// How much: `clients` together do `rate` transactions a second, on a beat that does not wait for answers.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub clients: u32,
    pub rate: u32,
}

/// What clients noticed since the last time it was asked.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// From the beat on which a transaction was due until its answer, in microseconds.
    pub latencies: Vec<u64>,
    /// Transactions that ended in an error or a lost connection.
    pub failed: u64,
}

/// The whole load, held against the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    pub acknowledged: u64,
    pub failed: u64,
    /// Acknowledged rows that are not there.
    pub lost: u64,
    /// Rows that are there although the client was told of an error: tried again, they are there twice.
    pub duplicated: u64,
}

#[derive(Debug)]
pub struct Load {
    window: Arc<Mutex<Window>>,
    stop: watch::Sender<bool>,
    clients: Vec<JoinHandle<(HashSet<i32>, HashSet<i32>)>>,
}

impl Load {
    pub fn start(port: u16, shape: Shape) -> Self {
        let window = Arc::new(Mutex::new(Window::default()));
        let (stop, stopped) = watch::channel(false);
        let clients = (0..shape.clients)
            .map(|client| {
                let beat = Duration::from_secs(1) * shape.clients / shape.rate;
                let offset = beat * client / shape.clients;
                tokio::spawn(run(
                    port,
                    i32::try_from(client).unwrap_or(0),
                    beat,
                    offset,
                    window.clone(),
                    stopped.clone(),
                ))
            })
            .collect();
        Self {
            window,
            stop,
            clients,
        }
    }

    /// What was noticed since the last call.
    pub fn take(&self) -> Window {
        std::mem::take(&mut *self.window.lock().expect("no client panics while it counts"))
    }

    /// Waits until every client has had an answer again, for a while without a failure.
    pub async fn settle(&self) {
        let mut quiet = 0;
        while quiet < 5 {
            self.take();
            tokio::time::sleep(Duration::from_millis(200)).await;
            let window = self.take();
            let slow = window.latencies.iter().any(|micros| *micros > 50_000);
            quiet = if window.failed == 0 && !slow && !window.latencies.is_empty() {
                quiet + 1
            } else {
                0
            };
        }
    }

    /// Ends the load; `rows` are those in the table, `client,number`.
    pub async fn end(self, rows: impl FnOnce() -> Result<String>) -> Result<Balance> {
        self.stop.send_replace(true);
        let mut balance = Balance::default();
        let mut told = Vec::new();
        for client in self.clients {
            told.push(client.await?);
        }
        let mut there: Vec<HashSet<i32>> = vec![HashSet::new(); told.len()];
        for row in rows()?.lines() {
            let (client, number) = row.split_once('|').ok_or("not a row")?;
            there[client.parse::<usize>()?].insert(number.parse()?);
        }
        for ((acknowledged, failed), there) in told.iter().zip(&there) {
            balance.acknowledged += acknowledged.len() as u64;
            balance.failed += failed.len() as u64;
            balance.lost += acknowledged.difference(there).count() as u64;
            balance.duplicated += failed.intersection(there).count() as u64;
        }
        Ok(balance)
    }
}

async fn run(
    port: u16,
    client: i32,
    beat: Duration,
    offset: Duration,
    window: Arc<Mutex<Window>>,
    mut stop: watch::Receiver<bool>,
) -> (HashSet<i32>, HashSet<i32>) {
    let (mut acknowledged, mut failed) = (HashSet::new(), HashSet::new());
    let mut due = Instant::now() + offset;
    let mut number = 0;
    let mut session: Option<tokio_postgres::Client> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            _ = stop.changed() => return (acknowledged, failed),
        }
        number += 1;
        let done = async {
            if session.as_ref().is_none_or(tokio_postgres::Client::is_closed) {
                session = Some(connect(port).await?);
            }
            let session = session.as_ref().ok_or("not connected")?;
            session
                .execute("INSERT INTO work VALUES ($1, $2)", &[&client, &number])
                .await?;
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        };
        let done = done.await;
        let mut window = window.lock().expect("no client panics while it counts");
        if done.is_ok() {
            acknowledged.insert(number);
            window
                .latencies
                .push(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
        } else {
            failed.insert(number);
            window.failed += 1;
            session = None;
        }
        due += beat;
        // After a stall a program goes on with what is due now; it has no backlog of clicks.
        due = due.max(Instant::now());
    }
}

async fn connect(port: u16) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(port)
        .user("app")
        .password("app")
        .dbname("postgres")
        .connect(NoTls)
        .await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Somebody's long query, through the gate: true when it came to its end.
pub fn long_query(port: u16, seconds: u32) -> JoinHandle<bool> {
    tokio::spawn(async move {
        let Ok(client) = connect(port).await else {
            return false;
        };
        client
            .batch_execute(&format!("SELECT pg_sleep({seconds})"))
            .await
            .is_ok()
    })
}

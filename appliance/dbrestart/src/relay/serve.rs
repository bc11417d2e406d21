//! The relay itself: takes clients in, holds them or passes their bytes on, and obeys its control socket.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

use super::Config;
use super::control::{Answer, Client, LONGEST_LINE, Request, State};
use super::turns::Turns;
use crate::procedure::boottime;

/// As many as the other gates take.
const CLIENTS: usize = 2000;
const CONNECT_MOST: Duration = Duration::from_secs(5);
/// An answer with a longer gap than this between its parts counts as whole.
const QUIET: u64 = 20;
/// What is passed on at a time.
const PIECE: usize = 16 * 1024;

struct Known {
    address: SocketAddr,
    /// Since when the gate has held it.
    held: Option<u64>,
    end: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    turns: Turns,
    clients: BTreeMap<u64, Known>,
    next: u64,
    /// Until when clients are held, whoever forgets them; `None` where they are not.
    held_until: Option<Instant>,
}

#[derive(Clone)]
struct Shared {
    inner: Arc<Mutex<Inner>>,
    open: Arc<watch::Sender<bool>>,
    config: Arc<Config>,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self) {
        let until = Instant::now() + Duration::from_millis(self.config.held_most);
        self.inner().held_until = Some(until);
        self.open.send_replace(false);
    }

    fn release(&self) {
        self.inner().held_until = None;
        self.open.send_replace(true);
    }

    /// Until the gate is open, and how long that took counts as held.
    async fn opened(&self, client: u64) {
        let mut open = self.open.subscribe();
        if *open.borrow_and_update() {
            return;
        }
        self.held(client, Some(boottime()));
        // The sender is as old as the process.
        let _ = open.wait_for(|open| *open).await;
        self.held(client, None);
    }

    /// Whether the gate lets it in; when it does, the server knows it. Decided at once with what a hold sees.
    fn enters(&self, client: u64) -> bool {
        let mut inner = self.inner();
        let open = inner.held_until.is_none();
        if open {
            inner.turns.entered(client);
        }
        open
    }

    /// Whether the server may hear what it says; when it may, it has said it.
    fn speaks(&self, client: u64) -> bool {
        let mut inner = self.inner();
        let may = inner.held_until.is_none() || !inner.turns.begins(client);
        if may {
            inner.turns.client_spoke(client, boottime());
        }
        may
    }

    fn held(&self, client: u64, since: Option<u64>) {
        if let Some(known) = self.inner().clients.get_mut(&client) {
            known.held = since;
        }
    }
}

/// Relays until it cannot listen any more; `ready` is called once clients may come.
pub async fn serve(config: Config, ready: impl FnOnce()) -> io::Result<()> {
    let listener = TcpListener::bind(config.listen).await?;
    match std::fs::remove_file(&config.control) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let control = UnixListener::bind(&config.control)?;
    // Who may drive it is asked of the kernel at each call.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&config.control, mode)?;
    let shared = Shared {
        inner: Arc::default(),
        open: Arc::new(watch::Sender::new(true)),
        config: Arc::new(config),
    };
    ready();
    let room = Arc::new(Semaphore::new(CLIENTS));
    let clients = async {
        loop {
            // Those for whom there is no room wait in the kernel.
            let place = room.clone().acquire_owned().await.map_err(io::Error::other)?;
            match listener.accept().await {
                Ok((stream, address)) => {
                    let shared = shared.clone();
                    tokio::spawn(async move {
                        client(&shared, stream, address).await;
                        drop(place);
                    });
                }
                // Out of files, or a client that has gone again: neither ends the gate.
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let orders = async {
        loop {
            let (stream, _) = control.accept().await?;
            let shared = shared.clone();
            // How a caller leaves is its own affair.
            tokio::spawn(async move { obey(&shared, stream).await });
        }
    };
    tokio::select! {
        ended = clients => ended,
        ended = orders => ended,
        () = patience(&shared) => Ok(()),
    }
}

/// Lets clients go that were held too long.
async fn patience(shared: &Shared) {
    const EVERY: Duration = Duration::from_millis(100);
    loop {
        sleep(EVERY).await;
        let until = shared.inner().held_until;
        if until.is_some_and(|until| Instant::now() >= until) {
            eprintln!("clients were held for as long as they may be; the gate is open again");
            shared.release();
        }
    }
}

async fn client(shared: &Shared, stream: TcpStream, address: SocketAddr) {
    let end = Arc::new(Notify::new());
    let number = {
        let mut inner = shared.inner();
        inner.next += 1;
        let number = inner.next;
        let known = Known {
            address,
            held: None,
            end: end.clone(),
        };
        inner.clients.insert(number, known);
        inner.turns.came(number);
        number
    };
    let mut stream = stream;
    let mut said = Vec::new();
    loop {
        let pass = pass(shared, number, &mut stream, &mut said);
        tokio::select! {
            () = pass => break,
            () = end.notified() => {}
        }
        // Its server goes; where neither has heard the other, the next one will do.
        let mut inner = shared.inner();
        if !inner.turns.is_fresh(number) {
            break;
        }
        inner.turns.put_out(number);
    }
    let mut inner = shared.inner();
    inner.clients.remove(&number);
    inner.turns.left(number);
}

/// From the gate to the server, once the gate is open. `said` is what the client has said and the server not heard.
async fn pass(shared: &Shared, number: u64, client: &mut TcpStream, said: &mut Vec<u8>) {
    loop {
        shared.opened(number).await;
        let connect = TcpStream::connect(shared.config.server);
        match timeout(CONNECT_MOST, connect).await {
            Ok(Ok(server)) if shared.enters(number) => {
                return relay(shared, number, client, server, said).await;
            }
            // Held meanwhile: it has not heard anything yet, and comes again.
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return eprintln!("the server does not take a client: {error}"),
            Err(_) => return eprintln!("the server does not answer"),
        }
    }
}

async fn relay(shared: &Shared, number: u64, client: &mut TcpStream, server: TcpStream, said: &mut Vec<u8>) {
    // What is passed on is a request or an answer, and somebody waits for it.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.into_split();
    let there = there(shared, number, from_client, to_server, said);
    let back = back(shared, number, from_server, to_client);
    tokio::pin!(there, back);
    // A client that has said all it wanted may still wait for its answer; a server that closes ends both.
    tokio::select! {
        () = &mut back => {}
        () = &mut there => back.await,
    }
}

/// What the client says, until it has said all, which is passed on too.
async fn there(
    shared: &Shared,
    number: u64,
    mut client: ReadHalf<'_>,
    mut server: OwnedWriteHalf,
    said: &mut Vec<u8>,
) {
    loop {
        if said.is_empty() {
            said.reserve(PIECE);
            match client.read_buf(said).await {
                Ok(count) if count > 0 => {}
                _ => break,
            }
        }
        while !shared.speaks(number) {
            shared.opened(number).await;
        }
        if server.write_all(said).await.is_err() {
            return;
        }
        said.clear();
    }
    // The other side may be gone already.
    let _ = server.shutdown().await;
}

async fn back(shared: &Shared, number: u64, mut server: OwnedReadHalf, mut client: WriteHalf<'_>) {
    let mut bytes = vec![0; PIECE];
    loop {
        match server.read(&mut bytes).await {
            Ok(count) if count > 0 => {
                shared.inner().turns.server_spoke(number, boottime());
                if client.write_all(&bytes[..count]).await.is_err() {
                    return;
                }
            }
            _ => break,
        }
    }
    let _ = client.shutdown().await;
}

async fn obey(shared: &Shared, stream: UnixStream) -> io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let caller = stream.peer_cred()?.uid();
    if caller != shared.config.admin {
        eprintln!("account {caller} may not drive this gate");
        return Ok(());
    }
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    let mut limited = (&mut stream).take(LONGEST_LINE);
    timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await??;
    let answer = match serde_json::from_slice(&line)? {
        Request::Hold { within } => Answer::Drained(drain(shared, within).await),
        Request::Release => {
            shared.release();
            Answer::Done
        }
        Request::State => Answer::State(state(shared)),
        Request::Cut { clients } => Answer::Cut(cut(shared, &clients)),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    stream.get_mut().write_all(&line).await
}

async fn drain(shared: &Shared, within: u64) -> bool {
    const EVERY: Duration = Duration::from_millis(2);
    let deadline = Instant::now() + Duration::from_millis(within);
    shared.hold();
    loop {
        if shared.inner().turns.at_rest(QUIET, boottime()) {
            return true;
        }
        if Instant::now() >= deadline {
            shared.release();
            return false;
        }
        sleep(EVERY).await;
    }
}

fn state(shared: &Shared) -> State {
    let (inner, now) = (shared.inner(), boottime());
    let ago = |since: u64| now.saturating_sub(since);
    State {
        held: inner.held_until.is_some(),
        requests: inner.turns.asked(),
        clients: inner
            .clients
            .iter()
            .map(|(number, known)| Client {
                number: *number,
                address: known.address,
                asked: inner.turns.asked_since(*number).map(ago),
                held: known.held.map(ago),
            })
            .collect(),
    }
}

fn cut(shared: &Shared, clients: &[u64]) -> u32 {
    let inner = shared.inner();
    let inside = inner.turns.inside();
    let chosen = inside
        .into_iter()
        .filter(|number| clients.is_empty() || clients.contains(number));
    let mut count = 0;
    for number in chosen {
        if let Some(known) = inner.clients.get(&number) {
            known.end.notify_one();
            // One that neither has heard goes on with the next server.
            count += u32::from(!inner.turns.is_fresh(number));
        }
    }
    count
}

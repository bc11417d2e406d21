//! Measures what the portal costs, beside websockify where `VARDE_WEBSOCKIFY` names a tree with it, and prints one JSON
//! object. `serve` is the process that is measured: the portal's own relay and nothing else.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on stops")]

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme, crypto};
use tokio_tungstenite::tungstenite::{Message, client as connect};
use varde_access::certificate::Certificate;
use varde_access::folder::Folder;
use varde_access::password::Hashed;
use varde_machine::tree::enter;
use varde_portal::{relay, tls};

const MIB: u64 = 1 << 20;
/// What goes through in one run: enough for the clock of processes, which ticks a hundred times a second.
const OURS: u64 = 2048 * MIB;
const THEIRS: u64 = 256 * MIB;
const RUNS: usize = 3;
const SCREENS: usize = 600;
/// What a browser says before a screen begins, RFC 6143 §7.1 to §7.3.
const HELLO: &[u8] = b"RFB 003.008\n\x01\x01";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", port, screen, folder] => serve(port.parse().unwrap(), screen.as_ref(), folder.as_ref()),
        [] => measure(),
        _ => panic!("usage: portal_load"),
    }
}

/// With TLS where the folder has a certificate.
#[tokio::main(flavor = "current_thread")]
async fn serve(port: u16, screen: &Path, folder: &Path) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let tls = read("portal.crt").map(|chain| tls::acceptor(&chain, &read("portal.key").unwrap()).unwrap());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (screen, tls) = (screen.to_owned(), tls.clone());
        tokio::spawn(async move {
            let screen = tokio::net::UnixStream::connect(&screen).await.unwrap();
            match tls {
                // One that only looked whether we are there says nothing.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        carry(stream, screen).await;
                    }
                }
                None => carry(stream, screen).await,
            }
        });
    }
}

async fn carry<S>(stream: S, screen: tokio::net::UnixStream)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let browser = tokio_tungstenite::accept_async_with_config(stream, Some(relay::config())).await;
    let Ok(browser) = browser else { return };
    let (_keep, over) = tokio::sync::watch::channel(false);
    relay::carry(browser, screen, over, || {}).await;
}

/// A screen that never stops drawing, or one that never draws.
fn screen(path: &Path, draws: bool) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let mut quiet = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if draws {
                std::thread::spawn(move || while stream.write_all(&[7; 16 << 10]).is_ok() {});
            } else {
                quiet.push(stream);
            }
        }
    });
}

/// Ended when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn start(mut command: Command, port: u16) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self(child);
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "the server does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Seconds of processor that it and its children have taken.
    fn cpu(&self) -> f64 {
        let mut ticks = 0;
        for pid in family(self.0.id()) {
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
                continue;
            };
            let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
            // User and system time, proc(5); then that of children that were waited for.
            ticks += fields[11..15]
                .iter()
                .map(|field| field.parse::<u64>().unwrap())
                .sum::<u64>();
        }
        f64::from(u32::try_from(ticks).unwrap()) / 100.0
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// A process and those below it: websockify makes one for each connection.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for child in children.split_whitespace() {
        all.extend(family(child.parse().unwrap()));
    }
    all
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Seconds of processor for a Gbit, with so many bytes read from the screen.
fn per_gbit(server: &Server, port: u16, bytes: u64) -> f64 {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = tokio_tungstenite::tungstenite::http::Request::builder()
        .uri(format!("ws://127.0.0.1:{port}/"))
        .header("Host", format!("127.0.0.1:{port}"))
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap();
    let (mut socket, _) = match connect(request, stream) {
        Ok(connected) => connected,
        Err(error) => panic!("no WebSocket: {error}"),
    };
    socket.send(Message::binary(HELLO)).unwrap();
    let before = server.cpu();
    let mut read = 0;
    while read < bytes {
        if let Message::Binary(some) = socket.read().unwrap() {
            read += some.len() as u64;
        }
    }
    let gbit = f64::from(u32::try_from(read / 1024).unwrap()) * 1024.0 * 8.0 / 1e9;
    (server.cpu() - before) / gbit
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn ours(screen: &Path, folder: &Path, port: u16) -> Server {
    let mut serve = Command::new(std::env::current_exe().unwrap());
    serve.arg("serve").arg(port.to_string()).arg(screen).arg(folder);
    Server::start(serve, port)
}

fn measure() {
    let place = tempfile::tempdir().unwrap();
    let (drawing, quiet) = (place.path().join("drawing"), place.path().join("quiet"));
    screen(&drawing, true);
    screen(&quiet, false);
    let plain = place.path().join("plain");
    std::fs::create_dir(&plain).unwrap();

    let port = free_port();
    let server = ours(&drawing, &plain, port);
    let relay = median((0..RUNS).map(|_| per_gbit(&server, port, OURS)).collect());
    drop(server);

    let websockify = std::env::var_os("VARDE_WEBSOCKIFY").map(|tree| {
        let port = free_port();
        let mut command = enter(Path::new(&tree), "websockify");
        command.arg(format!("--unix-target={}", drawing.display()));
        command.arg(format!("127.0.0.1:{port}"));
        let server = Server::start(command, port);
        median((0..RUNS).map(|_| per_gbit(&server, port, THEIRS)).collect())
    });

    let started = Instant::now();
    let hashed = Hashed::of("riktig hest batteri");
    let mut checks = 0;
    while started.elapsed() < Duration::from_secs(3) {
        assert!(!hashed.matches("feil hest batteri"));
        checks += 1;
    }
    let passwords = f64::from(checks) / started.elapsed().as_secs_f64();

    let idle = idle_mib(&quiet, place.path());
    let figures = serde_json::json!({
        "seconds_per_gbit": relay,
        "seconds_per_gbit_websockify": websockify,
        "share": websockify.map(|theirs| relay / theirs * 100.0),
        "idle_mib": idle,
        "passwords_per_second": passwords,
    });
    println!("{figures}");
}

/// Memory of the relay with all screens open and at rest, over TLS.
fn idle_mib(quiet: &Path, place: &Path) -> f64 {
    let secured = place.join("secured");
    std::fs::create_dir(&secured).unwrap();
    Certificate::ensure(&Folder::new(&secured), "127.0.0.1", 0).unwrap();
    let port = free_port();
    let server = ours(quiet, &secured, port);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let connector = TlsConnector::from(Arc::new(anybody()));
        let mut open = Vec::new();
        for _ in 0..SCREENS {
            let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let name = ServerName::try_from("127.0.0.1").unwrap();
            let stream = connector.connect(name, stream).await.unwrap();
            let (mut socket, _) = tokio_tungstenite::client_async("wss://127.0.0.1/", stream)
                .await
                .unwrap();
            futures_util::SinkExt::send(&mut socket, Message::binary(HELLO))
                .await
                .unwrap();
            open.push(socket);
        }
        let kib = server.resident_kib();
        f64::from(u32::try_from(kib).unwrap()) / 1024.0
    })
}

/// A client that believes every certificate: it measures.
fn anybody() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Everything))
        .with_no_client_auth()
}

#[derive(Debug)]
struct Everything;

impl ServerCertVerifier for Everything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

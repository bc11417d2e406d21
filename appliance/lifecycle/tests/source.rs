//! The downloader against a web server on this machine, which keeps to the rules or does not.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use minisign::KeyPair;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use varde_lifecycle::ledger::Folder;
use varde_lifecycle::release::{LIST, Release, SIGNATURE};
use varde_lifecycle::source::client::Client;
use varde_lifecycle::source::fetch::{current, fetch};
use varde_lifecycle::source::{Order, RELEASE, STATE, State};
use varde_site::UpdateSource;

const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const PLENTY: u64 = 1 << 40;

/// What the server does with a file that ends so.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    /// Stops after so many bytes of each answer.
    Cut(usize),
    /// Says what is to come, and sends nothing.
    Stall,
    Redirect,
    /// Gives so many bytes more than there are.
    More(usize),
    /// Gives the whole, whatever was asked for.
    Whole,
}

struct Bench {
    folder: TempDir,
    pair: KeyPair,
    order: Order,
    does: Arc<Mutex<Option<(&'static str, Does)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// As a server has it, signed by itself; `days` that it holds from now on.
fn certificate(folder: &Path, name: &str, days: &str) -> (PathBuf, PathBuf) {
    let (cert, key) = (
        folder.join(format!("{name}.crt")),
        folder.join(format!("{name}.key")),
    );
    let run = |made: &mut Command| {
        let output = made.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let curve = "ec_paramgen_curve:P-256";
    let mut made = Command::new("openssl");
    made.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", curve, "-nodes"]);
    made.args(["-subj", "/CN=source", "-addext", "subjectAltName=IP:127.0.0.1"]);
    made.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    run(made.arg("-keyout").arg(&key).arg("-out").arg(&cert));
    let again = folder.join("again");
    let mut made = Command::new("openssl");
    made.args(["x509", "-days", days]).arg("-in").arg(&cert);
    run(made.arg("-signkey").arg(&key).arg("-out").arg(&again));
    fs::rename(again, &cert).unwrap();
    (cert, key)
}

impl Bench {
    async fn new() -> Self {
        Self::holding("3").await
    }

    async fn holding(days: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let (cert, key) = certificate(folder.path(), "server", days);
        fs::create_dir_all(folder.path().join("www")).unwrap();
        fs::create_dir_all(folder.path().join("own")).unwrap();
        let chain = vec![CertificateDer::from_pem_file(&cert).unwrap()];
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let order = Order {
            source: UpdateSource {
                host: "127.0.0.1".into(),
                port,
                folder: "/varde".into(),
                ca: fs::read_to_string(cert).unwrap(),
            },
            keys: vec![pair.pk.to_base64()],
            running: "0.1.0".parse().unwrap(),
            dns: Vec::new(),
        };
        let bench = Self {
            folder,
            pair,
            order,
            does: Arc::default(),
            asked: Arc::default(),
        };
        let (root, does, asked) = (bench.path("www"), bench.does.clone(), bench.asked.clone());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, root, does, asked) =
                    (acceptor.clone(), root.clone(), does.clone(), asked.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
                    asked.lock().unwrap().push(head.clone());
                    let does = *does.lock().unwrap();
                    let (answer, hold) = answer(&root, &head, does);
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.flush().await;
                    if hold {
                        std::future::pending::<()>().await;
                    }
                    let _ = stream.shutdown().await;
                });
            }
        });
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn release(&self, version: &str) {
        let folder = self.path("www").join(version);
        fs::create_dir_all(&folder).unwrap();
        let mut list = format!("version = \"{version}\"\n");
        for name in [
            format!("varde_{version}_{UUID}.root.raw"),
            format!("varde_{version}_{UUID}.verity.raw"),
            format!("varde_{version}.efi"),
        ] {
            let bytes = name.repeat(1000);
            fs::write(folder.join(&name), &bytes).unwrap();
            let hash = Sha256::digest(&bytes);
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            list += &format!(
                "[[file]]\nname = \"{name}\"\nsize = {}\nsha256 = \"{hash}\"\n",
                bytes.len()
            );
        }
        let signature = minisign::sign(None, &self.pair.sk, list.as_bytes(), None, None).unwrap();
        fs::write(folder.join(LIST), list).unwrap();
        fs::write(folder.join(SIGNATURE), signature.into_string()).unwrap();
        fs::write(self.path("www/current"), format!("{version}\n")).unwrap();
    }

    fn does(&self, with: &'static str, does: Does) {
        *self.does.lock().unwrap() = Some((with, does));
    }

    /// What is said in English, or which version is whole.
    async fn fetch(&self, free: u64) -> Result<String, String> {
        let client = Client::new(&self.order, Duration::from_millis(500)).unwrap();
        let done = fetch(&self.path("own"), &self.order, &client, 1, free)
            .await
            .unwrap();
        let told = done
            .map(|version| version.to_string())
            .map_err(|error| error.text().en);
        assert_eq!(self.state().refusal.en, told.clone().err().unwrap_or_default());
        told
    }

    fn state(&self) -> State {
        Folder::new(self.path("own")).read(STATE).unwrap()
    }

    /// As root would look.
    fn opened(&self) -> bool {
        Release::open(&self.path("own").join(RELEASE), &self.order.keys).is_ok()
    }
}

fn answer(root: &Path, head: &str, does: Option<(&str, Does)>) -> (Vec<u8>, bool) {
    let path = head.split(' ').nth(1).unwrap().strip_prefix("/varde/").unwrap();
    let does = does
        .filter(|(with, _)| path.ends_with(with))
        .map(|(_, does)| does);
    if does == Some(Does::Redirect) {
        return (
            b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n".into(),
            false,
        );
    }
    let Ok(mut bytes) = fs::read(root.join(path)) else {
        return (
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
            false,
        );
    };
    if let Some(Does::More(count)) = does {
        bytes.extend(vec![0; count]);
    }
    let range = head
        .split("range: bytes=")
        .nth(1)
        .and_then(|rest| rest.split('-').next()?.parse::<usize>().ok());
    let (mut said, from) = match range.filter(|_| does != Some(Does::Whole)) {
        Some(from) => (
            format!(
                "HTTP/1.1 206 Partial\r\nContent-Range: bytes {from}-{}/{}\r\n",
                bytes.len() - 1,
                bytes.len()
            ),
            from,
        ),
        None => ("HTTP/1.1 200 OK\r\n".to_owned(), 0),
    };
    said += &format!("Content-Length: {}\r\n\r\n", bytes.len() - from);
    let mut body = bytes[from..].to_vec();
    match does {
        Some(Does::Cut(count)) => body.truncate(count),
        Some(Does::Stall) => body.clear(),
        _ => {}
    }
    ([said.into_bytes(), body].concat(), does == Some(Does::Stall))
}

#[tokio::test]
async fn the_newest_is_fetched_and_can_be_opened_by_root() {
    let bench = Bench::new().await;
    bench.release("0.2.0");
    assert_eq!(bench.fetch(PLENTY).await, Ok("0.2.0".into()));
    assert!(bench.opened());
    let state = bench.state();
    assert_eq!((state.version.as_str(), state.when), ("0.2.0", 1));
    assert!(state.size > 0 && state.have == state.size);
    // Again: nothing large is asked for.
    bench.asked.lock().unwrap().clear();
    assert_eq!(bench.fetch(PLENTY).await, Ok("0.2.0".into()));
    assert!(
        !bench
            .asked
            .lock()
            .unwrap()
            .iter()
            .any(|head| head.contains(".raw"))
    );
    // The next one takes the place of this.
    bench.release("0.3.0");
    assert_eq!(bench.fetch(PLENTY).await, Ok("0.3.0".into()));
    assert!(bench.opened());
    assert_eq!(fs::read_dir(bench.path("own/release")).unwrap().count(), 5);
}

#[tokio::test]
async fn what_was_cut_off_goes_on_where_it_stopped() {
    let bench = Bench::new().await;
    bench.release("0.2.0");
    bench.does("root.raw", Does::Cut(100));
    assert!(bench.fetch(PLENTY).await.unwrap_err().contains("cut short"));
    assert!(!bench.opened());
    assert_eq!(bench.state().when, 0);
    *bench.does.lock().unwrap() = None;
    bench.asked.lock().unwrap().clear();
    assert_eq!(bench.fetch(PLENTY).await, Ok("0.2.0".into()));
    assert!(
        bench
            .asked
            .lock()
            .unwrap()
            .iter()
            .any(|head| head.contains("range: bytes=500-"))
    );
    assert!(bench.opened());
    assert_eq!(bench.state().have, bench.state().size);
}

#[tokio::test]
async fn a_server_without_ranges_gives_the_whole() {
    let bench = Bench::new().await;
    bench.release("0.2.0");
    bench.does("root.raw", Does::Cut(100));
    bench.fetch(PLENTY).await.unwrap_err();
    bench.does("root.raw", Does::Whole);
    assert_eq!(bench.fetch(PLENTY).await, Ok("0.2.0".into()));
    assert_eq!(bench.state().have, bench.state().size);
}

#[tokio::test]
async fn what_the_server_does_wrong_is_told_and_nothing_is_whole() {
    for (with, does, said) in [
        ("current", Does::Redirect, "points to another address"),
        ("current", Does::Stall, "cut short"),
        (LIST, Does::More(20 << 10), "larger than it can be"),
        ("root.raw", Does::More(1), "larger than it can be"),
        ("root.raw", Does::Stall, "cut short"),
        ("root.raw", Does::Redirect, "points to another address"),
    ] {
        let bench = Bench::new().await;
        bench.release("0.2.0");
        bench.does(with, does);
        let told = bench.fetch(PLENTY).await.unwrap_err();
        assert!(told.contains(said), "{with}: {told}");
        assert!(!bench.opened(), "{with}");
    }
}

#[tokio::test]
async fn a_release_that_is_not_as_it_was_made_is_thrown_away() {
    let bench = Bench::new().await;
    bench.release("0.2.0");
    let root = bench.path(&format!("www/0.2.0/varde_0.2.0_{UUID}.root.raw"));
    let mut bytes = fs::read(&root).unwrap();
    bytes[7] ^= 1;
    fs::write(&root, bytes).unwrap();
    assert!(bench.fetch(PLENTY).await.unwrap_err().contains("changed"));
    assert!(!bench.opened());
    fs::write(bench.path("www/0.2.0").join(LIST), "version = \"0.2.0\"\n").unwrap();
    assert!(bench.fetch(PLENTY).await.unwrap_err().contains("not signed"));
    fs::remove_file(bench.path("www/0.2.0").join(LIST)).unwrap();
    assert!(bench.fetch(PLENTY).await.unwrap_err().contains("404"));
    fs::write(bench.path("www/current"), "../etc\n").unwrap();
    assert!(bench.fetch(PLENTY).await.unwrap_err().contains("is no version"));
}

#[tokio::test]
async fn nothing_newer_and_no_room() {
    let mut bench = Bench::new().await;
    bench.release("0.2.0");
    assert!(
        bench
            .fetch(1 << 20)
            .await
            .unwrap_err()
            .contains("There is no room")
    );
    bench.order.running = "0.2.0".parse().unwrap();
    assert!(bench.fetch(PLENTY).await.unwrap_err().contains("nothing newer"));
}

#[tokio::test]
async fn who_is_not_trusted_gives_nothing() {
    let mut bench = Bench::new().await;
    bench.release("0.2.0");
    let (other, _) = certificate(bench.folder.path(), "other", "3");
    bench.order.source.ca = fs::read_to_string(other).unwrap();
    assert!(
        bench
            .fetch(PLENTY)
            .await
            .unwrap_err()
            .contains("not signed by \"ca\"")
    );
    let expired = Bench::holding("-1").await;
    expired.release("0.2.0");
    assert!(expired.fetch(PLENTY).await.unwrap_err().contains("clock first"));
    let mut closed = Bench::new().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    closed.order.source.port = gone.local_addr().unwrap().port();
    drop(gone);
    assert!(closed.fetch(PLENTY).await.unwrap_err().contains("not on port"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_of_current_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
        let _ = current(&bytes);
    }
}

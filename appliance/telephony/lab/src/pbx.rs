//! An exchange of libpri at the far end of a line of the bridge.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use varde_line::l1oip::Header;
use varde_line::udp::Bound;
use varde_line::{Access, Line, Received};
use varde_machine::keys::Key;

/// Far longer than anything here takes; a test that comes to its end waits for none of it.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Builds the peer where it is missing.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/peer/pbx.c");
        let key = Key::default().file(Path::new(source)).unwrap().finish();
        let folder = varde_machine::cache_dir().unwrap().join("peers");
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join(format!("pbx-{key}"));
        if program.exists() {
            return program;
        }
        let part = folder.join(format!("pbx-{key}.{}", std::process::id()));
        let built = std::process::Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&part)
            .args([source, "-lpri"])
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "cannot build {source}: install libpri-dev and a C compiler, or run cargo xtask test, which does"
        );
        std::fs::rename(&part, &program).unwrap();
        program
    })
}

/// The exchange, and what it has said that nobody has waited for yet.
pub struct Pbx {
    _child: Child,
    orders: mpsc::UnboundedSender<Vec<u8>>,
    play: mpsc::UnboundedSender<(u8, Vec<u8>)>,
    heard: mpsc::UnboundedReceiver<(u8, Vec<u8>)>,
    said: mpsc::UnboundedReceiver<String>,
    before: Vec<String>,
    carrier: JoinHandle<()>,
}

impl Drop for Pbx {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

impl Pbx {
    /// Starts one at an address, for a bridge at another.
    pub fn start(bound: Bound, bridge: SocketAddr, side: &str) -> Self {
        let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let frames = UnixDatagram::from_std(ours).unwrap();
        let mut child = Command::new(program())
            .args([side, "primary"])
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (say, said) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if say.send(line).is_err() {
                    return;
                }
            }
        });
        let (orders, mut to_obey) = mpsc::unbounded_channel::<Vec<u8>>();
        let (play, mut to_play) = mpsc::unbounded_channel::<(u8, Vec<u8>)>();
        let (hear, heard) = mpsc::unbounded_channel();
        let header = Header {
            access: Access::Primary,
            id: None,
        };
        let mut line: Box<dyn Line> = Box::new(bound.connect(bridge, header).unwrap());
        let carrier = tokio::spawn(async move {
            let mut space = [0; 2048];
            loop {
                tokio::select! {
                    received = line.receive() => match received.unwrap() {
                        // A peer that has gone loses what it is sent.
                        Received::Frame(frame) => drop(frames.try_send(&frame)),
                        Received::Audio { channel, octets, .. } => drop(hear.send((channel.number(), octets))),
                        Received::Up | Received::Down => {}
                    },
                    length = frames.recv(&mut space) => {
                        let Ok(length) = length else { return };
                        line.send_frame(&space[..length]).unwrap();
                    }
                    Some(order) = to_obey.recv() => drop(frames.try_send(&order)),
                    Some((channel, octets)) = to_play.recv() => {
                        let channel = line.access().b_channel(channel).unwrap();
                        line.send_audio(channel, &octets).unwrap();
                    }
                }
            }
        });
        Self {
            _child: child,
            orders,
            play,
            heard,
            said,
            before: Vec::new(),
            carrier,
        }
    }

    pub fn order(&self, order: &str) {
        let mut bytes = vec![1];
        bytes.extend(order.as_bytes());
        self.orders.send(bytes).unwrap();
    }

    /// Waits until it says something that begins so, and gives the words behind that.
    pub async fn says(&mut self, beginning: &str) -> Vec<String> {
        let waiting = async {
            loop {
                if let Some(place) = self.before.iter().position(|line| line.starts_with(beginning)) {
                    let line = self.before.remove(place);
                    let rest = line[beginning.len()..].split_whitespace();
                    return rest.map(String::from).collect();
                }
                match self.said.recv().await {
                    Some(line) => self.before.push(line),
                    None => panic!("it has ended instead of saying {beginning:?}"),
                }
            }
        };
        let words = timeout(PATIENCE, waiting).await;
        words.unwrap_or_else(|_| panic!("it does not say {beginning:?}, but {:?}", self.before))
    }

    /// Plays at the pace of a channel: a line has no clock.
    pub async fn plays_in_time(&self, channel: u8, octets: &[u8]) {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for block in octets.chunks(160) {
            pace.tick().await;
            self.play(channel, block);
        }
    }

    pub fn play(&self, channel: u8, octets: &[u8]) {
        self.play.send((channel, octets.to_vec())).unwrap();
    }

    /// Waits for so many octets on a channel.
    pub async fn hears(&mut self, channel: u8, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let waiting = async {
            while all.len() < count {
                let (on, octets) = self.heard.recv().await.unwrap();
                if on == channel {
                    all.extend(octets);
                }
            }
        };
        let done = timeout(PATIENCE, waiting).await;
        assert!(
            done.is_ok(),
            "only {} octets of {count} on channel {channel}",
            all.len()
        );
        all
    }
}

//! What a bridge is told: where it listens, once; who may register and which trunks there are, as often as it changes.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::Transport;

/// What stays for the life of the process.
#[derive(Clone, Debug)]
pub struct Setup {
    pub listeners: Vec<Listener>,
    /// For TLS listeners and trunks.
    pub tls: Option<Tls>,
    /// The realm of challenges; also the host of addresses that we make. A site's domain, for example.
    pub realm: String,
    /// What User-Agent and Server say.
    pub product: String,
    /// Hand every message of a leg to the flight recorder.
    pub tap: bool,
    pub timers: Timers,
}

/// An address to listen on. Port 0 takes a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    pub transport: Transport,
    pub address: SocketAddr,
    /// What peers are told instead of `address`: needed if that is unspecified (`0.0.0.0`).
    pub advertised: Option<IpAddr>,
}

/// Certificates, as PEM.
#[derive(Clone)]
pub struct Tls {
    /// Our chain, our own certificate first.
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    /// Whose certificates a TLS trunk may show.
    pub trusted: Vec<u8>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// RFC 3261's basic timers, and RFC 4028's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// The round trip that is assumed.
    pub t1: Duration,
    /// The longest interval between two repetitions.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
    /// How long a session lives without a refresh. 90 s is the least that the RFC allows.
    pub session: Duration,
    /// The shortest session that we agree to.
    pub session_min: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            session: Duration::from_mins(30),
            session_min: Duration::from_secs(90),
        }
    }
}

/// What a reload replaces, without touching a leg.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub accounts: Vec<Account>,
    pub trunks: Vec<Trunk>,
    pub limits: Limits,
    /// Numbers that no limit stops: 110, 112, 113.
    pub emergency: Vec<String>,
    pub digests: Digests,
}

/// How accounts may prove themselves (RFC 8760).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Digests {
    /// SHA-256 is asked for first, and MD5 taken too.
    #[default]
    Both,
    /// For phones that give up when the first algorithm offered is one that they do not know.
    Md5,
    Sha256,
}

/// A phone that may register and call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user part of its address, and the user name of its digest.
    pub name: String,
    pub secret: Secret,
    /// How many phones may be registered at once; one more replaces the oldest.
    pub max_contacts: usize,
    /// How many legs it may have at once, to and from it: a stolen password calls no more than that.
    pub max_legs: usize,
}

/// What proves a party. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    Password(String),
    /// The digests of `name:realm:password`, in hexadecimal. One may be missing: that algorithm is not accepted then.
    Ha1 {
        md5: Option<String>,
        sha256: Option<String>,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A way to other exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    pub name: String,
    /// An address or a name.
    pub host: String,
    pub port: u16,
    pub transport: Transport,
    /// Other addresses that its calls come from.
    pub sources: Vec<IpAddr>,
    /// The host of addresses that it is sent; `host` if there is none.
    pub domain: Option<String>,
    /// What proves us to it, if it asks.
    pub login: Option<Login>,
    /// Register with it, for this long each time.
    pub register: Option<Duration>,
    /// How often it is asked whether it is there (OPTIONS); None: it counts as up.
    pub probe: Option<Duration>,
    pub max_legs: usize,
}

/// A user name at a trunk, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub secret: Secret,
}

/// Bounds on what others may use of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Legs in all. Beyond it callers are told to come back later; emergency calls are not.
    pub max_legs: usize,
    /// A registration lasts between these.
    pub register_min: Duration,
    pub register_max: Duration,
    /// Failures to prove oneself that an address may have in a minute.
    pub failures: u32,
    /// Requests that an address may send in a second before it has proved anything.
    pub strangers: u32,
    /// How long nobody may answer an INVITE on a trunk until it counts as unreachable.
    pub first_answer: Duration,
    /// How long a call to us may stay without an answer.
    pub ring_for: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_legs: 4000,
            register_min: Duration::from_mins(1),
            register_max: Duration::from_hours(1),
            failures: 10,
            strangers: 50,
            first_answer: Duration::from_secs(4),
            ring_for: Duration::from_mins(5),
        }
    }
}

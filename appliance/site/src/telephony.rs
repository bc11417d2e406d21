//! `[telephony]`: the bridge between ISDN lines, SIP trunks and phones.
//!
//! Inside the bridge a number is what a person dials: national digits, short numbers of the site, `00` before a country
//! code. How a trunk writes numbers is the trunk's matter ([`Trunk::e164`]). Lines and trunks share one set of names,
//! so that a [`Target`] needs no kind where it is written.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

/// `[telephony]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telephony {
    /// The domain of the site's SIP addresses, and the realm of its accounts.
    pub domain: String,
    /// Where SIP is listened to; at least one.
    pub listen: Vec<Listen>,
    /// UDP ports for media, first and last, the first one even.
    pub rtp_ports: (u16, u16),
    /// Calls at once; emergency calls are not held to it.
    pub calls: u32,
    /// New calls a second, beyond which they are turned away; emergency calls are not held to it.
    pub call_rate: u32,
    /// Country code of the site's national numbers.
    pub country: String,
    /// What phones are asked to prove their secret with.
    pub digests: Digests,
    pub emergency: Emergency,
    pub lines: Vec<Line>,
    pub trunks: Vec<Trunk>,
    pub extensions: Vec<Extension>,
    pub barrings: Vec<Barring>,
    /// In the order of the file. Of those that match and are open, the one with the longest prefix is taken, the first
    /// of several.
    pub routes: Vec<Route>,
}

/// Such as `"udp:10.20.0.1:5060"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Listen {
    pub transport: Transport,
    pub address: Ipv4Addr,
    pub port: u16,
}

/// How phones prove who they are (RFC 8760).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Digests {
    /// SHA-256 is asked for first, and MD5 taken too.
    #[default]
    Both,
    /// For phones that give up when the first one offered is one that they do not know.
    Md5,
    Sha256,
}

impl Digests {
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    #[default]
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// `[[telephony.line]]`: an ISDN access, carried as l1oip over UDP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub name: String,
    pub title: String,
    pub access: LineAccess,
    /// Which end of the line the appliance is.
    pub side: LineSide,
    /// Whether several terminals share a basic access.
    pub bus: bool,
    pub local: SocketAddrV4,
    pub remote: SocketAddrV4,
    /// The l1oip id that both ends have; never 0.
    pub id: Option<u32>,
    /// B channels in use, ascending.
    pub channels: Vec<u8>,
    /// How many of them only emergency calls may take.
    pub emergency_channels: u8,
    /// Whether digits are taken one by one where the number is not complete. They are sent all at once.
    pub overlap: bool,
    /// The line's main number; given out for calls from it as `calling_number` says.
    pub number: Option<String>,
    /// Numbers that are reached on this line.
    pub ddi: Option<Ddi>,
    pub calling_number: CallingNumber,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineAccess {
    /// S0: 2 B channels.
    Basic,
    /// E1: 30 B channels.
    Primary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineSide {
    /// NT: the other end is a private exchange or a terminal.
    Network,
    /// TE: the other end is a public exchange.
    User,
}

/// A series of numbers with direct dialling in: all that begin with `prefix` and have `digits` more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ddi {
    pub prefix: String,
    pub digits: u8,
}

/// Which number a call from a line shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallingNumber {
    /// The one that the line says if it is the line's own (its number or of its series), else the line's number.
    #[default]
    Screen,
    /// The one that the line says.
    Pass,
    /// The line's number, whatever it says.
    Replace,
}

/// `[[telephony.trunk]]`: another SIP server that calls go to and come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trunk {
    pub name: String,
    pub title: String,
    /// IP address or name of the server.
    pub host: String,
    /// None: found by SRV records where `host` is a name, else the port that the transport has by default.
    pub port: Option<u16>,
    pub transport: Transport,
    /// Whether the appliance registers there; else both ends know each other's addresses.
    pub register: bool,
    /// The account that the appliance has there; its secret is set by command.
    pub user: Option<String>,
    /// The domain of addresses there.
    pub domain: String,
    /// Calls at once, emergency calls not counted.
    pub calls: u32,
    /// Whether the trunk is in the trust domain of RFC 3325: P-Asserted-Identity is sent there, also for a secret number,
    /// and believed from there. Else a secret number is never sent, and what comes is believed no more than From.
    pub trusted: bool,
    /// Whether numbers are written as `+` and country code there; else as they are dialled.
    pub e164: bool,
    /// Given out for calls to it that have no other number of ours.
    pub number: Option<String>,
    /// Seconds between OPTIONS that ask whether it is well; 0 for never.
    pub check_every: u64,
}

/// `[[telephony.extension]]`: a number of the site, and where it rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// What is dialled inside.
    pub number: String,
    pub title: String,
    pub place: ExtensionPlace,
    /// The number by which it is reached from outside, and which it shows there.
    pub public: Option<String>,
    /// Calls at once from and to it.
    pub calls: u32,
    /// Name of a [`Barring`].
    pub barring: Option<String>,
    /// Where it stands, told in an emergency call instead of [`Emergency::location`].
    pub location: Option<String>,
    pub forward: Forward,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExtensionPlace {
    /// A phone that registers with this user name; its secret is set by command.
    Account(String),
    /// A line, and the number that is sent there.
    Line { line: String, number: String },
}

/// Where calls go instead; each a number as it is dialled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    pub always: Option<String>,
    pub busy: Option<String>,
    /// Also where the phone is not registered.
    pub no_answer: Option<String>,
    /// Seconds of ringing before `no_answer`.
    pub after: u64,
}

/// `[[telephony.barring]]`: what may not be dialled. The longest prefix that matches, of either list, decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barring {
    pub name: String,
    pub barred: Vec<String>,
    pub allowed: Vec<String>,
}

/// `[[telephony.route]]`: where calls go that are for none of the site's own numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Digits that the number begins with; empty for every number.
    pub prefix: String,
    /// Whose calls take it.
    pub from: RouteFrom,
    /// Tried in this order.
    pub to: Vec<Target>,
    /// How many digits a complete number has; none where that cannot be known.
    pub length: Option<u8>,
    /// Digits taken away in front, then those put there.
    pub strip: u8,
    pub prepend: String,
    /// Times when it is open, in the syntax of blackouts; empty for always.
    pub when: Vec<String>,
    pub holidays: RouteHolidays,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteFrom {
    /// Extensions, and lines on which the appliance is the network.
    #[default]
    Inside,
    /// Trunks, and lines on which the appliance is the user.
    Outside,
}

/// What Norwegian public holidays are to a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteHolidays {
    /// Days as others.
    #[default]
    Open,
    /// Closed all day.
    Closed,
    /// Open all day, besides what `when` says.
    Extra,
}

/// Where a call is sent: a name begins with a letter, a number does not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    Line(String),
    Trunk(String),
    /// An extension, by its number.
    Extension(String),
}

impl Target {
    /// As it is written.
    pub fn name(&self) -> &str {
        match self {
            Self::Line(name) | Self::Trunk(name) | Self::Extension(name) => name,
        }
    }
}

/// `[telephony.emergency]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergency {
    /// At least one.
    pub numbers: Vec<String>,
    /// Lines and trunks in the order in which they are tried; at least one.
    pub to: Vec<Target>,
    /// Given out where the caller has no public number.
    pub number: String,
    /// Where the site is, as it is told.
    pub location: String,
    pub test: Option<EmergencyTest>,
}

/// `[telephony.emergency.test]`: a call over each emergency target, as an emergency call but to another number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencyTest {
    /// Calendar expressions, as in systemd.time(7).
    pub calendar: Vec<String>,
    pub number: String,
    /// Seconds until it must have been answered.
    pub within: u64,
}

//! What the exchange hears and says: events out, commands in, as plain data.
//!
//! The crate does no routing and does not read SDP. A call is two legs, each known by its [`LegId`]; whoever routes
//! connects them. Each leg ends in exactly one [`Event::Ended`], whatever is lost on the way, and no event names the leg
//! after that one; a command for a leg that has ended does nothing.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// One side of a call, for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub(crate) u64);

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leg {}", self.0)
    }
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    /// As a Via header writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// Whether it delivers, or says that it cannot: nothing is repeated on it.
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }
}

/// The way a message takes: the transport, our address, and the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

/// Who is at the other end of a leg, by name in the [`Directory`](crate::Directory).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A phone that has proved who it is.
    Account(String),
    /// A trunk, known by its address.
    Trunk(String),
}

/// A number (or other user part of an address) and the name shown beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub number: String,
    pub display: Option<String>,
}

impl Identity {
    pub fn number(number: impl Into<String>) -> Self {
        Self {
            number: number.into(),
            display: None,
        }
    }
}

/// Who sent a call on, and why (RFC 5806): the last one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diversion {
    pub number: String,
    /// `unconditional`, `user-busy`, `no-answer`, … as the header has it.
    pub reason: String,
}

/// A call that someone makes to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    pub leg: LegId,
    pub source: Party,
    /// The user part of the request's address: what was dialled.
    pub called: String,
    /// What the caller says of itself (From). An account may say anything: its name in `source` is proved, this is not.
    pub calling: Identity,
    /// What a trunk vouches for (P-Asserted-Identity, RFC 3325). Never set for an account.
    pub asserted: Option<Identity>,
    /// The caller wants its number withheld (RFC 3323).
    pub private: bool,
    pub diversions: Vec<Diversion>,
    /// None: the caller wants us to make the offer; its answer comes in [`Event::Confirmed`].
    pub sdp: Option<String>,
    /// The called number is one of the directory's emergency numbers.
    pub emergency: bool,
    /// How often the call may still be passed on (Max-Forwards): what ends a loop.
    pub hops: u8,
}

/// A call that we make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub to: Party,
    /// What is dialled at a trunk. For an account its contacts decide, and this is what the To header shows.
    pub called: String,
    pub calling: Identity,
    /// Sent as P-Asserted-Identity. With `private`, the only place where the number appears: not for a phone then.
    pub asserted: Option<Identity>,
    /// From is anonymous and Privacy is set.
    pub private: bool,
    pub diversions: Vec<Diversion>,
    pub sdp: String,
    /// Bypasses every limit, and is tried on a trunk that counts as down.
    pub emergency: bool,
    /// Headers as they are, such as `Geolocation` and `Priority` of an emergency call.
    pub extra: Vec<(String, String)>,
    /// Max-Forwards: that of the incoming leg, or 70.
    pub hops: u8,
    /// How long it may ring. Then the leg ends as [`Why::NoAnswer`].
    pub ring_for: Duration,
}

/// Why a leg ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The peer ended a call that was answered (BYE).
    HungUp,
    /// The caller gave up before an answer (CANCEL).
    Cancelled,
    /// We did as we were told: [`Command::HangUp`] or [`Command::Reject`].
    Released,
    /// The peer refused with this status. For a redirection, `moved_to` is where to.
    Refused { status: u16, moved_to: Option<String> },
    /// It rang for as long as it may.
    NoAnswer,
    /// Nothing came back, or nothing could be sent: another way may work. Said within seconds.
    Unreachable,
    /// The account has no contact.
    NotRegistered,
    /// There is no such account or trunk in the directory.
    Unknown,
    /// Too many legs, of the party or in all.
    Limit,
    /// The peer was there and is no more: no ACK, no PRACK, no refresh of the session (RFC 4028).
    Dead,
}

/// The end of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub leg: LegId,
    pub why: Why,
    /// The peer's cause by Q.850, if it gave one (RFC 3326).
    pub cause: Option<u8>,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Received,
    Sent,
}

/// A message as it was on the wire, for the flight recorder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tapped {
    pub leg: LegId,
    pub direction: Direction,
    /// Time since the start, as everything in this crate counts it.
    pub at: Duration,
    pub flow: Flow,
    /// The value of each Authorization is blanked: what is recorded cannot be tried against a password.
    pub bytes: Vec<u8>,
}

/// What strangers try. Said once when it begins, not for each message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// This address failed to prove itself too often, or sends too much: nothing is read from it for a while.
    SourceBlocked {
        source: std::net::IpAddr,
        lasts: Duration,
    },
    /// Somebody guesses this account's secret from many addresses: only addresses that have proved themselves are heard.
    AccountGuessed { account: String, lasts: Duration },
    /// The party already has as many legs as it may have.
    LegLimit { party: Party },
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Incoming(Box<Incoming>),
    /// The called party rings (180), or something else goes on (181 to 199). With `sdp` there is early media. Repeated
    /// ones are told too: a 180 after a 183 matters.
    Progress {
        leg: LegId,
        status: u16,
        sdp: Option<String>,
    },
    /// A leg that we called is answered. `sdp` is the answer to our offer; `connected` is who answered, if a trunk says
    /// so.
    Answered {
        leg: LegId,
        sdp: String,
        connected: Option<Identity>,
    },
    /// Our answer has arrived (ACK). `sdp` is there if ours was an offer.
    Confirmed {
        leg: LegId,
        sdp: Option<String>,
    },
    /// The peer wants other media (re-INVITE or UPDATE: hold, for one). To be answered with [`Command::AnswerOffer`] or
    /// [`Command::RefuseOffer`]. Without `sdp` it asks for an offer of ours, which the same command gives.
    Offer {
        leg: LegId,
        sdp: Option<String>,
    },
    /// The answer to [`Command::Offer`].
    OfferAnswered {
        leg: LegId,
        sdp: Option<String>,
    },
    /// The peer does not want what [`Command::Offer`] offered. The session stays as it was. 491: both offered at once,
    /// try again after some seconds.
    OfferRefused {
        leg: LegId,
        status: u16,
    },
    Ended(Ended),
    /// A phone has registered or refreshed; `contacts` is how many the account has now.
    Registered {
        account: String,
        flow: Flow,
        contacts: usize,
    },
    /// A contact is gone: taken back, expired, or replaced.
    Unregistered {
        account: String,
        contacts: usize,
    },
    /// Calls may be sent to this trunk.
    TrunkUp {
        trunk: String,
    },
    /// Calls are not sent to this trunk until it is up again. The text says why.
    TrunkDown {
        trunk: String,
        why: TrunkTrouble,
    },
    Alarm(Alarm),
    /// Only if [`Setup::tap`](crate::Setup::tap) is set.
    Tapped(Box<Tapped>),
}

/// Why a trunk is down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrunkTrouble {
    #[error("its name has no address")]
    NoAddress,
    #[error("it does not answer")]
    Silent,
    #[error("it refuses with status {0}")]
    Refuses(u16),
    #[error("it refuses our registration with status {0}")]
    RegistrationRefused(u16),
    #[error("there is no listener for its transport")]
    NoListener,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Tells the caller that it rings (180), or that something else goes on (181 to 199). With `sdp` it is early media.
    Progress {
        leg: LegId,
        status: u16,
        sdp: Option<String>,
    },
    /// Answers the caller: the answer to its offer, or an offer if it made none.
    Answer {
        leg: LegId,
        sdp: String,
    },
    /// Refuses a call that is not answered, with status 300 to 699 and, if there is one, a cause by Q.850.
    Reject {
        leg: LegId,
        status: u16,
        cause: Option<u8>,
    },
    /// Ends the leg in whatever state it is: CANCEL, BYE or a refusal.
    HangUp {
        leg: LegId,
        cause: Option<u8>,
    },
    /// Offers other media on an answered leg.
    Offer {
        leg: LegId,
        sdp: String,
    },
    AnswerOffer {
        leg: LegId,
        sdp: String,
    },
    RefuseOffer {
        leg: LegId,
        status: u16,
    },
}

//! `no.varde.Telephony1`: lines, trunks, phones, the calls now and those before.
//!
//! Moments are milliseconds since 1970, UTC, and 0 where there is none; durations are milliseconds. Numbers are as they
//! are dialled at the site, `00` before a country code; a caller who may not see personal data gets those from outside
//! the site masked ([`masked`]). So a signal says only what to read again, and each reads it for itself.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::Type;

pub const NAME: &str = "no.varde.Telephony1";
pub const PATH: &str = "/no/varde/Telephony1";

/// How a line, a channel or a trunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum Health {
    /// Calls can use it.
    Up,
    /// It is being set up, or asked for the first time.
    Starting,
    /// It does not answer; calls go elsewhere.
    Down,
    /// Something has to be done before it can come up: the reason says what.
    Blocked,
}

/// The bridge as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct TelephonyStatus {
    /// Whether the site has telephony.
    pub declared: bool,
    /// What an operator should see to, worst first: a line that is down, a test that failed, a configuration that could
    /// not be taken.
    pub troubles: Vec<Text>,
    /// The generation of the site whose telephony is in use.
    pub generation: u64,
    pub calls: u32,
    pub most_calls: u32,
    pub emergency_calls: u32,
    /// Calls turned away since the service started: too many at once or a second.
    pub shed: u64,
    /// The last test of the emergency route, and the next.
    pub tested: i64,
    pub test_passed: bool,
    pub next_test: i64,
}

/// One ISDN line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct LineStatus {
    pub name: String,
    pub title: String,
    /// `primary` or `basic`.
    pub access: String,
    /// `network` or `user`.
    pub side: String,
    pub bus: bool,
    pub state: Health,
    pub reason: Text,
    pub since: i64,
    /// Address and port of the other end.
    pub remote: String,
    pub channels: Vec<ChannelStatus>,
    /// How many channels only emergency calls may take.
    pub reserved: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum ChannelState {
    Free,
    /// A call has it.
    Busy,
    /// Being brought to rest at both ends.
    Restarting,
    /// Did not come to rest; no call gets it until a restart succeeds.
    Blocked,
}

/// One B channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct ChannelStatus {
    pub number: u8,
    pub state: ChannelState,
    pub since: i64,
    /// The call that has it, or 0.
    pub call: u64,
}

/// One SIP trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct TrunkStatus {
    pub name: String,
    pub title: String,
    /// `register` or `peer`.
    pub kind: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    pub address: String,
    pub state: Health,
    pub reason: Text,
    pub since: i64,
    pub calls: u32,
    pub most_calls: u32,
    /// Whether a secret is set.
    pub credential: bool,
}

/// One number of the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct ExtensionStatus {
    pub number: String,
    pub title: String,
    pub public: String,
    /// `account USER` or `line NAME`.
    pub place: String,
    /// Whether calls can reach it: its phone is registered, or its line is up.
    pub reachable: bool,
    /// Where its phone is; empty on a line.
    pub contact: String,
    pub calls: u32,
    /// Where all its calls go instead; empty where they do not.
    pub forwarded: String,
    /// Whether a secret is set; true for one on a line, which needs none.
    pub credential: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum CallState {
    /// On the way to whom it is for.
    Trying,
    Ringing,
    Talking,
    /// Being taken down.
    Clearing,
}

/// One end of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Party {
    pub number: String,
    /// `line NAME`, `trunk NAME`, `extension NUMBER`, `test`, or empty where it never came so far.
    pub place: String,
    /// B channel, or 0.
    pub channel: u8,
    /// The number is secret: never shown to the other end, except in an emergency.
    pub secret: bool,
}

/// A call that is up or on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct CallStatus {
    /// From 1, and never used again.
    pub id: u64,
    pub state: CallState,
    pub emergency: bool,
    pub test: bool,
    pub from: Party,
    pub to: Party,
    pub started: i64,
    pub answered: i64,
    /// What is wrong with its sound, such as silence in one direction; empty where nothing is.
    pub trouble: Text,
}

/// A call that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct CallRecord {
    pub id: u64,
    pub emergency: bool,
    pub test: bool,
    pub from: Party,
    pub to: Party,
    /// The number that was dialled, before forwarding and rewriting.
    pub dialled: String,
    pub started: i64,
    /// When it first rang, and was answered.
    pub rang: i64,
    pub answered: i64,
    pub ended: i64,
    /// Who ended it: `caller`, `called`, or `exchange` for the appliance itself.
    pub ended_by: String,
    /// Cause of Q.850 that each side saw, and the status of SIP where it speaks that; 0 for none.
    pub from_cause: u8,
    pub from_status: u16,
    pub to_cause: u8,
    pub to_status: u16,
    /// What they mean, in words.
    pub outcome: Text,
    /// Extensions that sent it on, and places that were tried before the one in `to`.
    pub forwarded: Vec<String>,
    pub tried: Vec<String>,
    /// Media packets from each end, how many were lost on the way here, and the most jitter; a line has no
    /// packets to lose.
    pub from_packets: u64,
    pub from_lost: u64,
    pub from_jitter: u32,
    pub to_packets: u64,
    pub to_lost: u64,
    pub to_jitter: u32,
    /// What was wrong with its sound.
    pub trouble: Text,
    /// Whether the flight recorder has its signalling still.
    pub recorded: bool,
}

/// A number as one who may not see it whole gets it: the last four digits are hidden, and all of a short one.
pub fn masked(number: &str) -> String {
    let digits = number.chars().count();
    let kept = if digits > 5 { digits - 4 } else { 0 };
    let hidden = digits - kept;
    number
        .chars()
        .take(kept)
        .chain(std::iter::repeat_n('*', hidden))
        .collect()
}

/// Changes answer once they are under way or refused; the state tells how they end.
#[zbus::proxy(
    interface = "no.varde.Telephony1",
    default_service = "no.varde.Telephony1",
    default_path = "/no/varde/Telephony1"
)]
pub trait Telephony {
    fn status(&self) -> zbus::Result<TelephonyStatus>;
    fn lines(&self) -> zbus::Result<Vec<LineStatus>>;
    fn trunks(&self) -> zbus::Result<Vec<TrunkStatus>>;
    fn extensions(&self) -> zbus::Result<Vec<ExtensionStatus>>;
    /// Oldest first.
    fn calls(&self) -> zbus::Result<Vec<CallStatus>>;
    /// Newest first: at most `count` with an id below `before`, or the newest for 0.
    fn records(&self, before: u64, count: u32) -> zbus::Result<Vec<CallRecord>>;
    /// Calls `number` as the site does, by the routes or over the target named (a line, a trunk or an extension), plays
    /// a tone, listens for sound and clears. The id of the call; its record tells how it went.
    fn test_call(&self, number: &str, target: &str, why: &str) -> zbus::Result<u64>;
    /// Runs the test of the emergency route now: one call over each target. Ids of the calls.
    fn test_emergency(&self, why: &str) -> zbus::Result<Vec<u64>>;
    fn clear_call(&self, call: u64, why: &str) -> zbus::Result<()>;
    /// Brings a channel of a line to rest at both ends, or all its channels for 0; a call on it ends.
    fn restart_channel(&self, line: &str, channel: u8, why: &str) -> zbus::Result<()>;
    /// The secret of a trunk's account (by its name) or of an extension's (by its number).
    fn set_credential(&self, of: &str, secret: &str, why: &str) -> zbus::Result<()>;
    /// The signalling of a call, LAPD and SIP, as a pcapng file. Numbers in it are whole.
    fn recording(&self, call: u64, why: &str) -> zbus::Result<Vec<u8>>;

    /// Something of this changed: `status`, `lines`, `trunks`, `extensions`, `calls` or `records`. At most one of each a
    /// second, with what came meanwhile in the last.
    #[zbus(signal)]
    fn changed(&self, what: String) -> zbus::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_number_keeps_where_it_is_from_and_not_whose_it_is() {
        assert_eq!(masked("35003012"), "3500****");
        assert_eq!(masked("004612345678"), "00461234****");
        assert_eq!(masked("101"), "***");
        assert_eq!(masked(""), "");
    }
}

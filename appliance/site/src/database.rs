//! `[[database]]`: a database whose server is restarted on schedule, behind a gate.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    pub name: String,
    pub title: String,
    pub engine: Engine,
    /// Where its server runs.
    pub server: DatabaseServer,
    /// Where clients come: an address of the appliance, and a port.
    pub gate: (Ipv4Addr, u16),
    /// Where the gate reaches the server.
    pub address: (Ipv4Addr, u16),
    /// The database in which the appliance logs in to see what is in use.
    pub database: String,
    pub pool: Pool,
    pub restart: Restart,
}

/// What Varde knows of a server besides its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Its protocol, its transactions, its configuration.
    #[default]
    Postgresql,
    /// Nothing but that it speaks over TCP.
    Tcp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseServer {
    /// A `[[vm]]` of this site.
    Vm(String),
    /// Another host, by SSH: `user@host`.
    Host(String),
}

/// How clients share the gate's connections to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// Each transaction takes one; nothing of a session may be relied on.
    #[default]
    Transaction,
    /// Each client has one for itself; a restart waits until it leaves.
    Session,
}

/// `[database.restart]`; times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// What is restarted.
    pub what: RestartWhat,
    /// The server's systemd unit, where it runs.
    pub unit: String,
    /// Calendar expressions, as in systemd.time(7).
    pub calendar: Vec<String>,
    /// Times when nothing is restarted.
    pub blackout: Vec<String>,
    pub skip_holidays: bool,
    /// The longest stall that clients may see.
    pub stall_budget: u64,
    /// How long a run waits for its moment before it is put off.
    pub give_up: u64,
    /// The longest that clients are held when something fails.
    pub held_most: u64,
    /// Transactions older than this are in use.
    pub oldest_transaction: u64,
    /// A run that was missed is made up for within this; 0 for never.
    pub missed: u64,
    pub only_with_reason: bool,
    /// Kinds of use that may be cut, after so long a wait.
    pub cut: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestartWhat {
    /// The server's process.
    #[default]
    Process,
    /// The whole machine.
    Machine,
}

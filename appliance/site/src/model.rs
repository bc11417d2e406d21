//! The model of `site.toml`, version 1: what is left when every check has passed.
//!
//! Sizes are bytes, times seconds. Names are unique in their table and match `[a-z][a-z0-9-]{0,30}`, so that they
//! can stand in a unit name, an interface name and a path.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::{Database, DesktopPool, Person, Portal, Recipe, Ssh, Telephony, Tunnel, Update};

/// A whole site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    pub site: SiteInfo,
    pub accounts: Vec<Account>,
    pub bonds: Vec<Bond>,
    pub zones: Vec<Zone>,
    /// Those of `[[vm]]`, then the machines of desktop pools.
    pub vms: Vec<Vm>,
    pub databases: Vec<Database>,
    pub telephony: Option<Telephony>,
    pub recipes: Vec<Recipe>,
    pub portal: Option<Portal>,
    pub persons: Vec<Person>,
    pub desktop_pools: Vec<DesktopPool>,
    pub tunnel: Option<Tunnel>,
    pub update: Option<Update>,
    /// `None`: nobody logs in by SSH.
    pub ssh: Option<Ssh>,
}

/// `[site]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteInfo {
    /// Also the host name.
    pub name: String,
    pub title: String,
    /// The counties that this site serves, as they are shown.
    pub counties: Vec<String>,
    pub language: Language,
    /// IANA name, such as `Europe/Oslo`.
    pub timezone: String,
    /// What an hour of downtime costs one county, in kroner.
    pub downtime_cost: u64,
    /// The console locks after so many seconds without a key.
    pub idle_lock: u64,
    /// When work that can wait is done: snapshots are merged.
    pub quiet_hours: QuietHours,
    /// Time servers, best first. None: those that a DHCP server outside names.
    pub ntp: Vec<IpAddr>,
    /// Name servers, best first, for what is declared by name: the source of updates.
    pub dns: Vec<IpAddr>,
}

/// `quiet_hours = "01:00-05:00"`, in the site's time zone; minutes since midnight. The end does not belong to it, and may
/// be on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    pub from: u16,
    pub to: u16,
}

impl QuietHours {
    /// Whether this minute of the day is quiet.
    pub fn hold(self, minute: u16) -> bool {
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

impl Default for QuietHours {
    fn default() -> Self {
        Self { from: 60, to: 300 }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    Nb,
    En,
}

/// `[[account]]`: a person who may log in on the console.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    /// Who it is, as shown.
    pub title: String,
    pub role: Role,
    /// crypt(5) hash: yescrypt (`$y$`) or SHA-512 (`$6$`).
    pub password_hash: String,
    /// Public keys as OpenSSH writes them: who has one of them may log in by SSH.
    pub ssh_keys: Vec<String>,
}

/// The hash stays out of logs.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What an account may do; each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Viewer,
    Operator,
    Admin,
}

/// `[[bond]]`: network interfaces of the blade that stand in for each other, as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bond {
    /// Name of the interface that they are together.
    pub name: String,
    pub cards: Vec<String>,
    pub mode: BondMode,
}

/// As the kernel's bonding documentation has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BondMode {
    /// One carries everything until its cable is gone; nothing is asked of the switch.
    #[default]
    #[serde(rename = "active-backup")]
    ActiveBackup,
    /// LACP: all of them carry; the switch has to know.
    #[serde(rename = "802.3ad")]
    Lacp,
}

/// `[[zone]]`: a bridge that virtual machines stand on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// The bridge is `br-NAME`, so at most 12 characters.
    pub name: String,
    pub title: String,
    /// The appliance's own address in the zone.
    pub address: ZoneAddress,
    /// A network interface of the blade, or a bond, that joins the bridge.
    pub uplink: Option<String>,
    /// Which VLAN of the uplink (IEEE 802.1Q), where several zones share one.
    pub vlan: Option<u16>,
    /// The router by which the appliance reaches what no zone of its own is; one zone at most has one.
    pub gateway: Option<Ipv4Addr>,
}

/// `address = "10.20.0.1/24"` (the appliance serves DHCP there), `"dhcp"` or `"none"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZoneAddress {
    Static { address: Ipv4Addr, prefix: u8 },
    Dhcp,
    None,
}

/// `[[vm]]`: a virtual machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vm {
    pub name: String,
    pub title: String,
    /// Machines of one group belong together on the screen and in a rehearsal.
    pub group: String,
    pub cpus: u32,
    /// Bytes of RAM.
    pub memory: u64,
    pub zone: String,
    /// Given to the guest by DHCP; needed for a TCP check.
    pub address: Option<Ipv4Addr>,
    pub firmware: Firmware,
    pub autostart: bool,
    /// Names of machines whose checks must have passed before this one starts.
    pub after: Vec<String>,
    /// In the order of the guest's disks; the first one boots.
    pub disks: Vec<Disk>,
    pub checks: Vec<Check>,
    pub limits: Limits,
    /// How long an orderly shutdown may take, in seconds, before the ladder goes on to harder means.
    pub shutdown_timeout: u64,
    /// It belongs to a desktop pool, and has a screen.
    #[serde(default)]
    pub desktop: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    #[default]
    Bios,
    Uefi,
}

/// `[[vm.disk]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    pub name: String,
    /// Base image in the image store or on the media disk; without one the disk starts empty.
    pub image: Option<String>,
    /// Bytes, as the guest sees the disk; at least the image's own size.
    pub size: u64,
}

/// `[[vm.check]]`: what must hold before the machine counts as up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub kind: CheckKind,
    /// Seconds from the start of the machine; later than this the check has failed.
    pub within: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// The guest agent answers.
    Agent,
    /// Something accepts on this port of the machine's address.
    Tcp(u16),
}

/// `[vm.limits]`, as systemd.resource-control(5) has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// `CPUWeight=`, 1 to 10000.
    pub cpu_weight: Option<u64>,
    /// `CPUQuota=`, in percent of one processor.
    pub cpu_quota: Option<u64>,
    /// `IOWeight=`, 1 to 10000.
    pub io_weight: Option<u64>,
    /// Bytes a second, reads and writes together, each disk.
    pub io_bandwidth: Option<u64>,
    /// Requests a second, reads and writes together, each disk.
    pub io_operations: Option<u64>,
}

//! What should be, and making the kernel so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use varde_bus::Text;
use varde_bus::tunnel::{Grant, LEASE, PeerStatus, TunnelStatus};
use varde_site::{Network, Site, Tunnel, TunnelKey, TunnelSite};

use crate::Error;
use crate::kernel::Kernel;
use crate::keys::Keys;
use crate::rules::{self, INTERFACE, Way, Zone};
use crate::wireguard::{Peer, Seen};

/// A device that is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    grant: Grant,
    address: Ipv4Addr,
}

#[derive(Debug)]
pub struct Keeper {
    kernel: Box<dyn Kernel>,
    keys: Keys,
    tunnel: Option<Tunnel>,
    zones: Vec<Zone>,
    /// By key. `None` until the service of access has said: what the kernel has until then stays.
    held: Option<BTreeMap<TunnelKey, Held>>,
    /// Sites that have been heard with their next key.
    moved: BTreeSet<String>,
    trouble: Text,
}

impl Keeper {
    pub fn new(kernel: Box<dyn Kernel>, keys: Keys) -> Self {
        Self {
            kernel,
            keys,
            tunnel: None,
            zones: Vec::new(),
            held: None,
            moved: BTreeSet::new(),
            trouble: Text::default(),
        }
    }

    /// What the site declares from now on.
    pub fn follow(&mut self, site: Option<&Site>) {
        self.tunnel = site.and_then(|site| site.tunnel.clone());
        self.zones = site.map(rules::zones).unwrap_or_default();
        self.settle();
    }

    /// Makes the kernel as it should be; where that fails it is said, and tried again with the next [`Keeper::tick`].
    fn settle(&mut self) {
        let done = match self.tunnel.clone() {
            Some(tunnel) => self.set_up(&tunnel),
            None => self.take_down(),
        };
        let trouble = match done {
            Ok(()) => Text::default(),
            Err(error) => Text::new(
                format!("Tunnelen kunne ikke settes opp: {error}"),
                format!("The tunnel could not be set up: {error}"),
            ),
        };
        // Once, not with every try.
        if trouble != self.trouble && !trouble.is_empty() {
            eprintln!("{trouble}");
        }
        self.trouble = trouble;
    }

    /// Rules first: nothing may be passed on for a moment that should not be.
    fn set_up(&mut self, tunnel: &Tunnel) -> Result<(), Error> {
        let ways = self.ways();
        self.kernel.rules(&rules::whole(tunnel, &self.zones, &ways))?;
        let mut orders = String::new();
        if !self.kernel.is_there() {
            add(&mut orders, format_args!("link add {INTERFACE} type wireguard\n"));
        }
        add(
            &mut orders,
            format_args!(
                "address flush dev {INTERFACE} scope global\naddress add {}/{} dev {INTERFACE}\nlink set {INTERFACE} up\n\
                 route flush dev {INTERFACE} proto static\n",
                tunnel.address, tunnel.prefix
            ),
        );
        for network in tunnel.sites.iter().flat_map(|site| &site.networks) {
            add(
                &mut orders,
                format_args!("route replace {network} dev {INTERFACE} proto static\n"),
            );
        }
        self.kernel.links(&orders)?;
        self.kernel.device(self.keys.own()?.bytes(), tunnel.port)?;
        self.settle_peers(tunnel)?;
        self.kernel.forward(INTERFACE, true)?;
        let reached = self.reached(tunnel);
        for zone in &self.zones {
            let on = reached.contains(zone.name.as_str());
            self.kernel.forward(&zone.bridge, on)?;
        }
        Ok(())
    }

    /// Zones that anything of the tunnel may reach.
    fn reached(&self, tunnel: &Tunnel) -> BTreeSet<String> {
        let held = self.held.iter().flat_map(BTreeMap::values);
        let people = held.flat_map(|held| held.grant.reach.iter().cloned());
        let sites = tunnel.sites.iter().flat_map(|site| site.reach.iter().cloned());
        people.chain(sites).collect()
    }

    fn take_down(&mut self) -> Result<(), Error> {
        for zone in &self.zones {
            self.kernel.forward(&zone.bridge, false)?;
        }
        if self.kernel.is_there() {
            self.kernel.links(&format!("link delete {INTERFACE}\n"))?;
            self.kernel.rules(&rules::none())?;
        }
        Ok(())
    }

    /// The ways that should be open; before anything was said, those that are.
    fn ways(&self) -> Vec<Way> {
        let Some(held) = &self.held else {
            return self.kernel.ways();
        };
        held.values().flat_map(|held| self.ways_of(held)).collect()
    }

    fn ways_of(&self, held: &Held) -> Vec<Way> {
        self.zones
            .iter()
            .filter(|zone| held.grant.reach.contains(&zone.name))
            .map(|zone| Way {
                address: held.address,
                bridge: zone.bridge.clone(),
                seconds: LEASE,
            })
            .collect()
    }

    /// The key by which a site is spoken to now, and the one that only knocks.
    fn keys_of(&self, site: &TunnelSite) -> (TunnelKey, Option<TunnelKey>) {
        match site.next_key {
            Some(next) if self.moved.contains(&site.name) => (next, Some(site.key)),
            next => (site.key, next),
        }
    }

    fn settle_peers(&mut self, tunnel: &Tunnel) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for site in &tunnel.sites {
            let (now, other) = self.keys_of(site);
            wanted.push(Peer {
                key: now,
                endpoint: site.endpoint,
                networks: site.networks.clone(),
            });
            // It is answered, so that the change of keys is heard; it has no networks until then.
            wanted.extend(other.map(|key| Peer {
                key,
                endpoint: None,
                networks: Vec::new(),
            }));
        }
        let there = self.kernel.peers()?;
        let known: BTreeSet<TunnelKey> = there.iter().map(|seen| TunnelKey(seen.key)).collect();
        let mut gone = known.clone();
        match &self.held {
            Some(held) => wanted.extend(held.iter().map(|(key, held)| Peer {
                key: *key,
                endpoint: None,
                networks: vec![Network {
                    address: held.address,
                    prefix: 32,
                }],
            })),
            // Whose they are is said in a moment.
            None => gone.clear(),
        }
        for peer in &wanted {
            gone.remove(&peer.key);
        }
        let gone: Vec<TunnelKey> = gone.into_iter().collect();
        self.kernel.set_peers(&wanted, &gone)
    }

    /// These devices are let in, and no others.
    pub fn hold(&mut self, grants: Vec<Grant>) -> Result<(), Error> {
        let network = self.tunnel.as_ref().map(Tunnel::network);
        let good = |grant: Grant| {
            let address: Ipv4Addr = grant.address.parse().ok()?;
            let key = TunnelKey::parse(&grant.key)?;
            network
                .is_some_and(|network| network.contains(address))
                .then_some((key, Held { grant, address }))
        };
        let held: BTreeMap<TunnelKey, Held> = grants.into_iter().filter_map(good).collect();
        let before = self.held.replace(held).unwrap_or_default();
        let Some(tunnel) = self.tunnel.clone() else {
            return Ok(());
        };
        let open = self.ways();
        let shut: Vec<(Ipv4Addr, String)> = self
            .kernel
            .ways()
            .into_iter()
            .map(|way| (way.address, way.bridge))
            .filter(|(address, bridge)| {
                !open
                    .iter()
                    .any(|way| way.address == *address && way.bridge == *bridge)
            })
            .collect();
        // Who goes is out first, by the key: not a packet more.
        self.settle_peers(&tunnel)?;
        if !(open.is_empty() && shut.is_empty()) {
            self.kernel.rules(&rules::change(&open, &shut))?;
        }
        let changed = !before.values().eq(self.held.iter().flat_map(BTreeMap::values));
        if changed {
            let reached = self.reached(&tunnel);
            for zone in &self.zones {
                self.kernel.forward(&zone.bridge, reached.contains(&zone.name))?;
            }
        }
        Ok(())
    }

    /// What time brings: a site that is heard with its next key, a kernel that was not ready. True: something changed.
    pub fn tick(&mut self) -> bool {
        let Some(tunnel) = self.tunnel.clone() else {
            return false;
        };
        if !self.trouble.is_empty() {
            self.settle();
            return self.trouble.is_empty();
        }
        let Ok(seen) = self.kernel.peers() else {
            return false;
        };
        let mut changed = false;
        for site in &tunnel.sites {
            let (now, other) = self.keys_of(site);
            if let Some(other) = other
                && handshake(&seen, other) > handshake(&seen, now)
            {
                changed = true;
                if !self.moved.remove(&site.name) {
                    self.moved.insert(site.name.clone());
                }
            }
        }
        if changed {
            self.settle();
        }
        changed
    }

    pub fn prepare_key(&self) -> Result<TunnelKey, Error> {
        Ok(self.keys.prepare()?.public())
    }

    /// False: none was prepared.
    pub fn change_key(&mut self) -> Result<bool, Error> {
        let changed = self.keys.change()?;
        if changed {
            self.settle();
        }
        Ok(changed)
    }

    pub fn status(&self) -> TunnelStatus {
        let Some(tunnel) = &self.tunnel else {
            return TunnelStatus::default();
        };
        let shown = |key: Option<crate::keys::Secret>| key.map(|key| key.public().to_string());
        TunnelStatus {
            declared: true,
            endpoint: tunnel.endpoint.clone(),
            key: shown(self.keys.own().ok()).unwrap_or_default(),
            next_key: shown(self.keys.next().ok().flatten()).unwrap_or_default(),
            trouble: self.trouble.clone(),
        }
    }

    /// Sites first, then devices.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let Some(tunnel) = &self.tunnel else {
            return Vec::new();
        };
        let seen = self.kernel.peers().unwrap_or_default();
        let of = |key: TunnelKey| {
            seen.iter()
                .find(|seen| seen.key == key.0)
                .cloned()
                .unwrap_or_default()
        };
        let sites = tunnel.sites.iter().map(|site| {
            let (key, _) = self.keys_of(site);
            let seen = of(key);
            PeerStatus {
                name: site.name.clone(),
                title: site.title.clone(),
                site: true,
                key: key.to_string(),
                networks: site.networks.iter().map(ToString::to_string).collect(),
                reach: site.reach.clone(),
                handshake: seen.handshake,
                received: seen.received,
                sent: seen.sent,
            }
        });
        let devices = self.held.iter().flatten().map(|(key, held)| {
            let seen = of(*key);
            PeerStatus {
                name: held.grant.name.clone(),
                title: held.grant.title.clone(),
                site: false,
                key: key.to_string(),
                networks: vec![held.address.to_string()],
                reach: held.grant.reach.clone(),
                handshake: seen.handshake,
                received: seen.received,
                sent: seen.sent,
            }
        });
        sites.chain(devices).collect()
    }
}

fn handshake(seen: &[Seen], key: TunnelKey) -> i64 {
    seen.iter()
        .find(|seen| seen.key == key.0)
        .map_or(0, |seen| seen.handshake)
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a text does not fail");
}

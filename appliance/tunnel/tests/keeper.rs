//! What is asked of the kernel, in which order, when the site, the people and the services come and go.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use varde_bus::tunnel::Grant;
use varde_site::{Site, TunnelKey};
use varde_tunnel::kernel::Kernel;
use varde_tunnel::keys::Keys;
use varde_tunnel::rules::Way;
use varde_tunnel::wireguard::{Peer, Seen};
use varde_tunnel::{Error, Keeper};

/// As much of a kernel as a test looks at.
#[derive(Debug, Default)]
struct State {
    /// What was asked, in words.
    told: Vec<String>,
    there: bool,
    ways: Vec<Way>,
    peers: BTreeMap<[u8; 32], (Peer, i64)>,
    key: [u8; 32],
    broken: bool,
}

#[derive(Clone, Debug, Default)]
struct Fake(Arc<Mutex<State>>);

impl Fake {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.state().told)
    }

    fn networks(&self, key: &str) -> Option<Vec<String>> {
        let key = TunnelKey::parse(key).unwrap();
        let state = self.state();
        let (peer, _) = state.peers.get(&key.0)?;
        Some(peer.networks.iter().map(ToString::to_string).collect())
    }

    fn heard(&self, key: &str, when: i64) {
        let key = TunnelKey::parse(key).unwrap();
        self.state().peers.get_mut(&key.0).unwrap().1 = when;
    }
}

impl Kernel for Fake {
    fn is_there(&self) -> bool {
        self.state().there
    }

    fn links(&mut self, orders: &str) -> Result<(), Error> {
        let mut state = self.state();
        state.there = !orders.contains("link delete");
        state.told.push("links".to_owned());
        Ok(())
    }

    fn rules(&mut self, text: &str) -> Result<(), Error> {
        let mut state = self.state();
        if state.broken {
            return Err(Error::Program {
                program: "nft",
                said: "broken".to_owned(),
            });
        }
        let word = if text.starts_with("table") { "rules" } else { text };
        state.told.push(word.trim_end().to_owned());
        Ok(())
    }

    fn ways(&self) -> Vec<Way> {
        self.state().ways.clone()
    }

    fn device(&mut self, key: [u8; 32], _: u16) -> Result<(), Error> {
        self.state().key = key;
        Ok(())
    }

    fn peers(&self) -> Result<Vec<Seen>, Error> {
        let state = self.state();
        let seen = state.peers.iter().map(|(key, (_, handshake))| Seen {
            key: *key,
            handshake: *handshake,
            ..Seen::default()
        });
        Ok(seen.collect())
    }

    fn set_peers(&mut self, there: &[Peer], gone: &[TunnelKey]) -> Result<(), Error> {
        let mut state = self.state();
        for key in gone {
            state.peers.remove(&key.0);
            state.told.push(format!("out {key}"));
        }
        for peer in there {
            let handshake = state.peers.get(&peer.key.0).map_or(0, |(_, when)| *when);
            state.peers.insert(peer.key.0, (peer.clone(), handshake));
        }
        Ok(())
    }

    fn forward(&mut self, interface: &str, on: bool) -> Result<(), Error> {
        self.state().told.push(format!("{interface} {on}"));
        Ok(())
    }
}

const SITE: &str = include_str!("site.toml");
const HOSPITAL: &str = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
const NEXT: &str = "hSDwCYkwp1R0i33ctD73Wg2/OgzOBr066Spjqq4PmwM=";
const DEVICE: &str = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

fn site() -> Site {
    varde_site::parse(SITE).unwrap()
}

fn grant(reach: &[&str]) -> Grant {
    Grant {
        key: DEVICE.into(),
        address: "10.99.0.2".into(),
        name: "anne".into(),
        title: "PC".into(),
        reach: reach.iter().map(|zone| (*zone).to_owned()).collect(),
    }
}

fn keeper() -> (Keeper, Fake, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let kernel = Fake::default();
    let mut keeper = Keeper::new(Box::new(kernel.clone()), Keys::open(folder.path()));
    keeper.follow(Some(&site()));
    (keeper, kernel, folder)
}

#[test]
fn nothing_is_passed_on_before_the_rules_stand_and_only_by_zones_that_are_reached() {
    let (_keeper, kernel, _folder) = keeper();
    assert_eq!(
        kernel.told(),
        [
            "rules",
            "links",
            "wg-varde true",
            "br-klinikk true",
            "br-lager false"
        ]
    );
    assert_eq!(kernel.networks(HOSPITAL).unwrap(), ["10.50.0.0/16"]);
}

#[test]
fn a_device_is_in_while_it_is_held_and_out_by_its_key_before_anything_else() {
    let (mut keeper, kernel, _folder) = keeper();
    kernel.told();
    keeper.hold(vec![grant(&["klinikk"])]).unwrap();
    assert_eq!(kernel.networks(DEVICE).unwrap(), ["10.99.0.2/32"]);
    let told = kernel.told();
    assert!(
        told[0].ends_with("add element inet varde_tunnel people { 10.99.0.2 . \"br-klinikk\" timeout 300s }"),
        "{told:?}"
    );
    kernel.state().ways = vec![Way {
        address: "10.99.0.2".parse().unwrap(),
        bridge: "br-klinikk".into(),
        seconds: 200,
    }];
    keeper.hold(Vec::new()).unwrap();
    let told = kernel.told();
    assert_eq!(told[0], format!("out {DEVICE}"));
    assert_eq!(
        told[1],
        "destroy element inet varde_tunnel people { 10.99.0.2 . \"br-klinikk\" }"
    );
    assert_eq!(kernel.networks(DEVICE), None);
}

#[test]
fn a_new_service_leaves_people_in_until_it_has_heard_who_they_are() {
    let (mut keeper, kernel, folder) = keeper();
    keeper.hold(vec![grant(&["klinikk"])]).unwrap();
    kernel.state().ways = vec![Way {
        address: "10.99.0.2".parse().unwrap(),
        bridge: "br-klinikk".into(),
        seconds: 200,
    }];
    let mut next = Keeper::new(Box::new(kernel.clone()), Keys::open(folder.path()));
    next.follow(Some(&site()));
    assert!(kernel.networks(DEVICE).is_some(), "its session goes on");
    next.hold(Vec::new()).unwrap();
    assert_eq!(kernel.networks(DEVICE), None);
}

#[test]
fn what_is_no_key_or_of_another_network_is_not_let_in() {
    let (mut keeper, kernel, _folder) = keeper();
    let elsewhere = Grant {
        address: "10.20.0.7".into(),
        ..grant(&["klinikk"])
    };
    let no_key = Grant {
        key: "kort".into(),
        ..grant(&["klinikk"])
    };
    keeper.hold(vec![elsewhere, no_key]).unwrap();
    assert_eq!(kernel.networks(DEVICE), None);
}

#[test]
fn a_site_that_comes_with_its_next_key_keeps_its_networks() {
    let (mut keeper, kernel, _folder) = keeper();
    kernel.heard(HOSPITAL, 1000);
    assert!(!keeper.tick());
    assert_eq!(kernel.networks(NEXT).unwrap(), Vec::<String>::new());
    kernel.heard(NEXT, 2000);
    assert!(keeper.tick());
    assert_eq!(kernel.networks(NEXT).unwrap(), ["10.50.0.0/16"]);
    assert_eq!(kernel.networks(HOSPITAL).unwrap(), Vec::<String>::new());
    // And back, if the other side has to.
    kernel.heard(HOSPITAL, 3000);
    assert!(keeper.tick());
    assert_eq!(kernel.networks(HOSPITAL).unwrap(), ["10.50.0.0/16"]);
}

#[test]
fn our_own_key_is_announced_before_it_is_changed() {
    let (mut keeper, kernel, _folder) = keeper();
    let before = kernel.state().key;
    assert!(!keeper.change_key().unwrap(), "nobody was told");
    let next = keeper.prepare_key().unwrap();
    assert_eq!(keeper.status().next_key, next.to_string());
    assert_eq!(kernel.state().key, before);
    assert!(keeper.change_key().unwrap());
    assert_ne!(kernel.state().key, before);
    assert_eq!(keeper.status().key, next.to_string());
}

#[test]
fn a_tunnel_that_is_no_longer_declared_is_taken_down_passing_on_first() {
    let (mut keeper, kernel, _folder) = keeper();
    kernel.told();
    let mut without = site();
    without.tunnel = None;
    keeper.follow(Some(&without));
    assert_eq!(
        kernel.told(),
        ["br-klinikk false", "br-lager false", "links", "rules"]
    );
    assert!(!keeper.status().declared);
}

#[test]
fn a_kernel_that_refuses_is_said_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = Fake::default();
    kernel.state().broken = true;
    let mut keeper = Keeper::new(Box::new(kernel.clone()), Keys::open(folder.path()));
    keeper.follow(Some(&site()));
    assert!(keeper.status().trouble.en.contains("nft: broken"));
    assert_eq!(kernel.told(), Vec::<String>::new(), "nothing without rules");
    kernel.state().broken = false;
    assert!(keeper.tick());
    assert!(keeper.status().trouble.is_empty());
}

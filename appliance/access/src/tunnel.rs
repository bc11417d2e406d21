//! Devices that come by the tunnel: each has a key and an address for good, and is let in while its person is logged in.

use std::net::Ipv4Addr;

use varde_bus::door::{HomeDevice, Proof};
use varde_bus::tunnel::{Grant, TunnelStatus};
use varde_site::TunnelKey;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::credentials::{Credentials, TunnelDevice};
use crate::doorkeeper::{Doorkeeper, not_kept};
use crate::{Refusal, secret};

/// Devices of one person.
const MOST: usize = 5;
/// Characters of what a person calls a device.
const TITLE: usize = 40;

impl Doorkeeper {
    pub(crate) fn devices(&self, person: &str) -> Result<Vec<HomeDevice>, Refusal> {
        let shown = |device: TunnelDevice| HomeDevice {
            id: device.id,
            title: device.title,
            address: device.address.to_string(),
            added: device.added,
        };
        let devices = self.credentials(person)?.tunnels;
        Ok(devices.into_iter().map(shown).collect())
    }

    /// Whose devices are let in now.
    pub fn grants(&self) -> Vec<Grant> {
        let persons = self.directory().persons.iter();
        let mut grants: Vec<Grant> = persons
            .filter(|person| !person.reach.is_empty() && self.is_in(&person.name))
            .flat_map(|person| {
                // One that cannot be read is not let in.
                let credentials = self.credentials(&person.name).unwrap_or_default();
                credentials.tunnels.into_iter().map(|device| Grant {
                    key: device.key.to_string(),
                    address: device.address.to_string(),
                    name: person.name.clone(),
                    title: device.title,
                    reach: person.reach.clone(),
                })
            })
            .collect();
        grants.sort();
        grants
    }

    /// The person, and the file for the device's WireGuard. Its private key is in it and nowhere else.
    pub fn add_device(
        &mut self,
        cookie: &str,
        title: &str,
        proof: &Proof,
        status: &TunnelStatus,
        now: i64,
    ) -> Result<(String, String), Refusal> {
        let session = self.proved(cookie, &format!("device {title}"), proof, now)?;
        let directory = self.directory();
        let tunnel = directory.tunnel.clone().ok_or(Refusal::NotYours)?;
        let person = directory
            .person(&session.person)
            .filter(|person| !person.reach.is_empty())
            .ok_or(Refusal::NotYours)?;
        let networks: Vec<String> = directory
            .zones
            .iter()
            .filter(|(name, _)| person.reach.contains(name))
            .map(|(_, network)| network.to_string())
            .collect();
        let taken = self.taken()?;
        let mut credentials = self.credentials(&session.person)?;
        let address = tunnel.hosts().find(|address| !taken.contains(address));
        let (true, Some(address)) = (credentials.tunnels.len() < MOST, address) else {
            return Err(Refusal::TooManyDevices);
        };
        let private = StaticSecret::from(secret::random::<32>());
        let key = TunnelKey(PublicKey::from(&private).to_bytes());
        let title: String = title
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(TITLE)
            .collect();
        credentials.tunnels.push(TunnelDevice {
            id: secret::name(),
            title: if title.is_empty() {
                address.to_string()
            } else {
                title
            },
            key,
            address,
            added: now,
        });
        credentials
            .write(self.folder(), &session.person)
            .map_err(not_kept)?;
        let file = format!(
            "[Interface]\nPrivateKey = {}\nAddress = {address}/32\n\n[Peer]\nPublicKey = {}\nEndpoint = {}\n\
             AllowedIPs = {}\nPersistentKeepalive = 25\n",
            TunnelKey(private.to_bytes()),
            status.key,
            tunnel.endpoint,
            networks.join(", "),
        );
        Ok((session.person, file))
    }

    /// Addresses that devices have, whoever's they are.
    fn taken(&self) -> Result<Vec<Ipv4Addr>, Refusal> {
        let mut taken = Vec::new();
        for person in &self.directory().persons {
            let credentials = Credentials::read(self.folder(), &person.name).map_err(not_kept)?;
            taken.extend(credentials.tunnels.iter().map(|device| device.address));
        }
        Ok(taken)
    }

    /// The person whose device it was.
    pub fn remove_device(
        &mut self,
        cookie: &str,
        device: &str,
        proof: &Proof,
        now: i64,
    ) -> Result<String, Refusal> {
        let session = self.proved(cookie, &format!("remove {device}"), proof, now)?;
        let mut credentials = self.credentials(&session.person)?;
        let before = credentials.tunnels.len();
        credentials.tunnels.retain(|one| one.id != device);
        if credentials.tunnels.len() == before {
            return Err(Refusal::NotYours);
        }
        credentials
            .write(self.folder(), &session.person)
            .map_err(not_kept)?;
        Ok(session.person)
    }
}

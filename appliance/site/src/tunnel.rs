//! `[tunnel]`: other sites that are joined, and the way in for people's own devices.

use std::net::{Ipv4Addr, SocketAddrV4};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::Network;

/// `[tunnel]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// The appliance's own address in the tunnel. People's devices get addresses of the same network.
    pub address: Ipv4Addr,
    pub prefix: u8,
    /// UDP port that is listened on.
    pub port: u16,
    /// Where devices and sites outside find it: name or address, and port.
    pub endpoint: String,
    pub sites: Vec<TunnelSite>,
}

impl Tunnel {
    pub fn network(&self) -> Network {
        Network {
            address: self.address,
            prefix: self.prefix,
        }
    }

    /// Addresses that people's devices may have.
    pub fn hosts(&self) -> impl Iterator<Item = Ipv4Addr> + use<> {
        let network = self.network();
        let own = self.address;
        (network.first().to_bits() + 1..network.last().to_bits())
            .map(Ipv4Addr::from_bits)
            .filter(move |address| *address != own)
    }
}

/// `[[tunnel.site]]`: a network elsewhere, always joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelSite {
    pub name: String,
    pub title: String,
    /// WireGuard's public key of the other side, and the one that it will have next.
    pub key: TunnelKey,
    pub next_key: Option<TunnelKey>,
    /// Where the other side is; without one it comes to us.
    pub endpoint: Option<SocketAddrV4>,
    /// The networks that are there.
    pub networks: Vec<Network>,
    /// Names of the zones here that it reaches, and that reach it.
    pub reach: Vec<String>,
}

/// A public key of WireGuard: Curve25519.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TunnelKey(pub [u8; 32]);

impl TunnelKey {
    /// As wg(8) writes it: base 64, 44 characters.
    pub fn parse(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for TunnelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl std::fmt::Debug for TunnelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for TunnelKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no key of WireGuard")
    }
}

impl From<TunnelKey> for String {
    fn from(key: TunnelKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_written_as_wg_writes_it() {
        let text = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
        let key = TunnelKey::parse(text).unwrap();
        assert_eq!((key.0[0], key.0[31]), (0x60, 0x69));
        assert_eq!(key.to_string(), text);
        for wrong in [
            "",
            "YAnz",
            "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBml=",
            "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBm-=",
            "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmkk",
        ] {
            assert_eq!(TunnelKey::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes: [u8; 32]) {
            prop_assert_eq!(TunnelKey::parse(&TunnelKey(bytes).to_string()), Some(TunnelKey(bytes)));
        }

        #[test]
        fn no_text_breaks_it(text: String) {
            let _ = TunnelKey::parse(&text);
        }
    }
}

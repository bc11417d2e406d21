//! WireGuard in the kernel, by generic netlink (`wireguard(7)`, include/uapi/linux/wireguard.h).

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::os::fd::AsFd as _;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlMessage};
use netlink_packet_wireguard::{
    WireguardAddressFamily, WireguardAllowedIp, WireguardAllowedIpAttr, WireguardAttribute, WireguardCmd,
    WireguardMessage, WireguardPeer, WireguardPeerAttribute, WireguardPeerFlags,
};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_GENERIC;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use varde_site::{Network, TunnelKey};

use crate::Error;
use crate::rules::INTERFACE;

/// The kernel answers at once.
const ANSWER: Duration = Duration::from_secs(5);
/// Packets that keep the way through a router open, and tell the other side that we are there: seconds, as wg(8) advises.
const KEEPALIVE: u16 = 25;

/// What a peer should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub key: TunnelKey,
    pub endpoint: Option<SocketAddrV4>,
    pub networks: Vec<Network>,
}

/// What a peer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub key: [u8; 32],
    /// Milliseconds since 1970, UTC; 0 if it was never heard.
    pub handshake: i64,
    pub received: u64,
    pub sent: u64,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Netlink(error.to_string())
}

/// A conversation with the kernel.
struct Netlink(Socket);

impl Netlink {
    fn open() -> Result<Self, Error> {
        let mut socket = Socket::new(NETLINK_GENERIC).map_err(failed)?;
        socket.bind_auto().map_err(failed)?;
        socket
            .connect(&netlink_sys::SocketAddr::new(0, 0))
            .map_err(failed)?;
        set_socket_timeout(socket.as_fd(), Timeout::Recv, Some(ANSWER)).map_err(failed)?;
        Ok(Self(socket))
    }

    /// Everything that comes until the kernel says that this was all.
    fn ask<T>(&self, mut message: NetlinkMessage<T>) -> Result<Vec<T>, Error>
    where
        T: NetlinkSerializable + NetlinkDeserializable,
    {
        message.header.sequence_number = 1;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.0.send(&bytes, 0).map_err(failed)?;
        let mut all = Vec::new();
        loop {
            let (bytes, _) = self.0.recv_from_full().map_err(failed)?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<T>::deserialize(rest).map_err(failed)?;
                let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => all.push(inner),
                    NetlinkPayload::Done(_) => return Ok(all),
                    // An acknowledgement is an error without a code.
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(all),
                    NetlinkPayload::Error(error) => return Err(failed(error.to_io())),
                    _ => {}
                }
                if length == 0 {
                    break;
                }
                // Messages are aligned to four bytes.
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }

    /// The number that the kernel has for WireGuard.
    fn family(&self) -> Result<u16, Error> {
        let name = WireguardMessage::family_name().to_owned();
        let mut message = NetlinkMessage::from(GenlMessage::from_payload(GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(name)],
        }));
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK;
        let said: Vec<GenlMessage<GenlCtrl>> = self.ask(message)?;
        said.into_iter()
            .flat_map(|one| one.payload.nlas)
            .find_map(|attribute| match attribute {
                GenlCtrlAttrs::FamilyId(number) => Some(number),
                _ => None,
            })
            .ok_or_else(|| failed("it is not there"))
    }

    fn wireguard(
        &self,
        cmd: WireguardCmd,
        flags: u16,
        mut attributes: Vec<WireguardAttribute>,
    ) -> Result<Vec<WireguardAttribute>, Error> {
        attributes.insert(0, WireguardAttribute::IfName(INTERFACE.to_owned()));
        let mut payload = GenlMessage::from_payload(WireguardMessage { cmd, attributes });
        payload.set_resolved_family_id(self.family()?);
        let mut message = NetlinkMessage::from(payload);
        message.header.flags = NLM_F_REQUEST | flags;
        let said: Vec<GenlMessage<WireguardMessage>> = self.ask(message)?;
        Ok(said.into_iter().flat_map(|one| one.payload.attributes).collect())
    }
}

/// Our own key and port.
pub fn set_device(key: [u8; 32], port: u16) -> Result<(), Error> {
    let attributes = vec![
        WireguardAttribute::PrivateKey(key),
        WireguardAttribute::ListenPort(port),
    ];
    Netlink::open()?
        .wireguard(WireguardCmd::SetDevice, NLM_F_ACK, attributes)
        .map(drop)
}

/// These peers are there, as they should be, and those are not.
pub fn set_peers(there: &[Peer], gone: &[TunnelKey]) -> Result<(), Error> {
    let removed = gone.iter().map(|key| {
        WireguardPeer(vec![
            WireguardPeerAttribute::PublicKey(key.0),
            WireguardPeerAttribute::Flags(WireguardPeerFlags::RemoveMe),
        ])
    });
    let peers: Vec<WireguardPeer> = removed.chain(there.iter().map(peer)).collect();
    // A message has room for some hundreds.
    for some in peers.chunks(100) {
        Netlink::open()?.wireguard(
            WireguardCmd::SetDevice,
            NLM_F_ACK,
            vec![WireguardAttribute::Peers(some.to_vec())],
        )?;
    }
    Ok(())
}

/// What is known of a peer already, such as its session and where it is, stays.
fn peer(peer: &Peer) -> WireguardPeer {
    let mut attributes = vec![
        WireguardPeerAttribute::PublicKey(peer.key.0),
        WireguardPeerAttribute::Flags(WireguardPeerFlags::ReplaceAllowedIps),
    ];
    if let Some(endpoint) = peer.endpoint {
        attributes.push(WireguardPeerAttribute::Endpoint(SocketAddr::V4(endpoint)));
        attributes.push(WireguardPeerAttribute::PersistentKeepalive(KEEPALIVE));
    }
    let networks = peer.networks.iter().map(|network| {
        WireguardAllowedIp(vec![
            WireguardAllowedIpAttr::Family(WireguardAddressFamily::Ipv4),
            WireguardAllowedIpAttr::IpAddr(IpAddr::V4(network.first())),
            WireguardAllowedIpAttr::Cidr(network.prefix),
        ])
    });
    attributes.push(WireguardPeerAttribute::AllowedIps(networks.collect()));
    WireguardPeer(attributes)
}

/// The peers that there are.
pub fn peers() -> Result<Vec<Seen>, Error> {
    let said = Netlink::open()?.wireguard(WireguardCmd::GetDevice, NLM_F_DUMP, Vec::new())?;
    let mut all: Vec<Seen> = Vec::new();
    let peers = said.into_iter().filter_map(|attribute| match attribute {
        WireguardAttribute::Peers(peers) => Some(peers),
        _ => None,
    });
    for peer in peers.flatten() {
        let mut seen = Seen::default();
        for attribute in peer.0 {
            match attribute {
                WireguardPeerAttribute::PublicKey(key) => seen.key = key,
                WireguardPeerAttribute::LastHandshake(time) => {
                    seen.handshake = time.seconds.saturating_mul(1000);
                }
                WireguardPeerAttribute::RxBytes(bytes) => seen.received = bytes,
                WireguardPeerAttribute::TxBytes(bytes) => seen.sent = bytes,
                _ => {}
            }
        }
        // One with many networks comes in parts, of which the first has the rest.
        if all.last().is_none_or(|last| last.key != seen.key) {
            all.push(seen);
        }
    }
    Ok(all)
}

//! The other end of a tunnel: WireGuard by another hand (boringtun), on a socket in the network outside.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use boringtun::noise::{Tunn, TunnResult};
use boringtun::x25519::{PublicKey, StaticSecret};
use varde_qemu_tests::outside::APPLIANCE;
use varde_qemu_tests::{Outside, Result, patient};

const PORT: u16 = 51_820;
/// Between two echo requests.
const AGAIN: Duration = Duration::from_millis(200);
/// The largest datagram.
const ROOM: usize = 2048;

pub struct Wire {
    tunnel: Tunn,
    socket: UdpSocket,
    address: Ipv4Addr,
    sequence: u16,
}

impl Wire {
    pub fn public(private: [u8; 32]) -> [u8; 32] {
        PublicKey::from(&StaticSecret::from(private)).to_bytes()
    }

    /// `peer` is the appliance's key; `address` ours in the tunnel.
    pub fn new(outside: &Outside, private: [u8; 32], peer: [u8; 32], address: Ipv4Addr) -> Result<Self> {
        let socket = outside.within(|| {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect((APPLIANCE, PORT))?;
            socket.set_read_timeout(Some(Duration::from_millis(20)))?;
            std::io::Result::Ok(socket)
        })?;
        Ok(Self {
            tunnel: Tunn::new(
                StaticSecret::from(private),
                PublicKey::from(peer),
                None,
                None,
                1,
                None,
            ),
            socket: socket.expect("a socket in the network outside"),
            address,
            sequence: 0,
        })
    }

    /// Whether an echo comes back from there, within the bound.
    pub fn ping(&mut self, to: Ipv4Addr, bound: Duration) -> bool {
        let end = Instant::now() + patient(bound);
        let mut asked: Option<Instant> = None;
        let first = self.sequence;
        while Instant::now() < end {
            if asked.is_none_or(|asked| asked.elapsed() >= AGAIN) {
                asked = Some(Instant::now());
                self.sequence = self.sequence.wrapping_add(1);
                let packet = echo_request(self.address, to, self.sequence);
                let mut room = [0; ROOM];
                if let TunnResult::WriteToNetwork(datagram) = self.tunnel.encapsulate(&packet, &mut room) {
                    self.send(datagram);
                }
                let mut room = [0; ROOM];
                if let TunnResult::WriteToNetwork(datagram) = self.tunnel.update_timers(&mut room) {
                    self.send(datagram);
                }
            }
            if self.take().is_some_and(|packet| is_echo(&packet, to, first)) {
                return true;
            }
        }
        false
    }

    fn send(&self, datagram: &[u8]) {
        // What is lost is sent again.
        let _ = self.socket.send(datagram);
    }

    /// A packet that came through the tunnel.
    fn take(&mut self) -> Option<Vec<u8>> {
        let mut datagram = [0; ROOM];
        let length = self.socket.recv(&mut datagram).ok()?;
        let mut room = [0; ROOM];
        let from = APPLIANCE.parse::<IpAddr>().ok();
        let mut result = self.tunnel.decapsulate(from, &datagram[..length], &mut room);
        loop {
            match result {
                TunnResult::WriteToNetwork(datagram) => {
                    let datagram = datagram.to_vec();
                    self.send(&datagram);
                    // What waited for the handshake goes now.
                    result = self.tunnel.decapsulate(None, &[], &mut room);
                }
                TunnResult::WriteToTunnelV4(packet, _) => return Some(packet.to_vec()),
                _ => return None,
            }
        }
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|two| u32::from(u16::from_be_bytes([two[0], two.get(1).copied().unwrap_or(0)])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = u16::try_from(sum).unwrap_or(0);
    (!sum).to_be_bytes()
}

const IDENTIFIER: [u8; 2] = [0x56, 0x44];

/// RFC 791 and RFC 792.
fn echo_request(from: Ipv4Addr, to: Ipv4Addr, sequence: u16) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, IDENTIFIER[0], IDENTIFIER[1]];
    message.extend(sequence.to_be_bytes());
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum);
    let length = u16::try_from(20 + message.len()).unwrap_or(0);
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 1, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum);
    packet.extend(message);
    packet
}

/// A reply to one of ours after `first`.
fn is_echo(packet: &[u8], from: Ipv4Addr, first: u16) -> bool {
    let Some((head, message)) = packet.split_at_checked(20) else {
        return false;
    };
    let sequence = message.get(6..8).map(|two| u16::from_be_bytes([two[0], two[1]]));
    head[9] == 1
        && head[12..16] == from.octets()
        && message.first() == Some(&0)
        && message.get(4..6) == Some(&IDENTIFIER)
        && sequence.is_some_and(|sequence| sequence > first)
}

//! What is asked of the kernel, and how: netlink for WireGuard, ip(8) for the interface, nft(8) for the rules.

use std::io::Write as _;
use std::process::{Command, Stdio};

use varde_site::TunnelKey;

use crate::Error;
use crate::rules::{self, INTERFACE, Way};
use crate::wireguard::{self, Peer, Seen};

/// The kernel, or a test's.
pub trait Kernel: Send + std::fmt::Debug {
    /// Whether the interface is there.
    fn is_there(&self) -> bool;
    /// Orders of `ip -batch`.
    fn links(&mut self, orders: &str) -> Result<(), Error>;
    fn rules(&mut self, text: &str) -> Result<(), Error>;
    /// The ways that are open.
    fn ways(&self) -> Vec<Way>;
    fn device(&mut self, key: [u8; 32], port: u16) -> Result<(), Error>;
    fn peers(&self) -> Result<Vec<Seen>, Error>;
    fn set_peers(&mut self, there: &[Peer], gone: &[TunnelKey]) -> Result<(), Error>;
    /// Whether packets that come in by this interface may be passed on, where rules let them.
    fn forward(&mut self, interface: &str, on: bool) -> Result<(), Error>;
}

/// The one below us.
#[derive(Debug, Default)]
pub struct Linux;

fn run(program: &'static str, arguments: &[&str], input: &str) -> Result<String, Error> {
    let failed = |said: String| Error::Program { program, said };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
    }
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(
        String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "),
    ))
}

impl Kernel for Linux {
    fn is_there(&self) -> bool {
        std::path::Path::new("/sys/class/net").join(INTERFACE).exists()
    }

    fn links(&mut self, orders: &str) -> Result<(), Error> {
        run("ip", &["-batch", "-"], orders).map(drop)
    }

    fn rules(&mut self, text: &str) -> Result<(), Error> {
        run("nft", &["-f", "-"], text).map(drop)
    }

    fn ways(&self) -> Vec<Way> {
        // Where there is no table yet, there are none.
        run("nft", &rules::LIST, "").map_or_else(|_| Vec::new(), |said| rules::listed(&said))
    }

    fn device(&mut self, key: [u8; 32], port: u16) -> Result<(), Error> {
        wireguard::set_device(key, port)
    }

    fn peers(&self) -> Result<Vec<Seen>, Error> {
        wireguard::peers()
    }

    fn set_peers(&mut self, there: &[Peer], gone: &[TunnelKey]) -> Result<(), Error> {
        wireguard::set_peers(there, gone)
    }

    fn forward(&mut self, interface: &str, on: bool) -> Result<(), Error> {
        let path = std::path::PathBuf::from(format!("/proc/sys/net/ipv4/conf/{interface}/forwarding"));
        // An interface that is not there passes nothing on; it is asked again when the site is.
        match std::fs::write(&path, if on { "1" } else { "0" }) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::File {
                path,
                what: "written",
                source,
            }),
            _ => Ok(()),
        }
    }
}

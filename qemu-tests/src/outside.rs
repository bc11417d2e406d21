//! The network outside of an appliance: a network namespace that holds the other end of its cable, and nothing else.
//!
//! What a scenario starts in there (a telephone, an exchange, a browser) reaches the appliance by its own addresses, with
//! any protocol, and nothing beyond it. The namespace lives as long as a process that holds it, which dies with us.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use varde_machine::Toolbox;

use crate::error::{Context, Error, Result};
use crate::process::{dying_with_us, end};

/// QEMU's end of the cable.
pub const CABLE: &str = "cable";
/// Our own address: where QEMU's NAT has its router, so that a snapshot that was made behind that fits in here too.
pub const ADDRESS: &str = "10.0.2.2";
/// The address that the NAT gave the appliance.
pub const APPLIANCE: &str = "10.0.2.15";

pub struct Outside {
    holder: Child,
    toolbox: Toolbox,
}

impl Outside {
    /// Needs root. `zones` are networks behind the appliance, as in `10.20.0.0/24`.
    pub fn new(toolbox: &Toolbox, zones: &[&str]) -> Result<Self> {
        let mut hold = Command::new("unshare");
        hold.args(["--net", "--", "/bin/sh", "-c", "echo; exec sleep infinity"]);
        let mut holder = dying_with_us(&hold)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .doing("make a network namespace")?;
        let mut line = [0];
        let made = holder.stdout.as_mut().map(|said| said.read_exact(&mut line));
        let outside = Self {
            holder,
            toolbox: toolbox.clone(),
        };
        made.unwrap_or(Ok(())).doing("make a network namespace")?;
        outside.ip("link set lo up")?;
        outside.ip(&format!("tuntap add {CABLE} mode tap"))?;
        outside.ip(&format!("address add {ADDRESS}/24 dev {CABLE}"))?;
        outside.ip(&format!("link set {CABLE} up"))?;
        for zone in zones {
            outside.ip(&format!("route add {zone} via {APPLIANCE} dev {CABLE} onlink"))?;
        }
        Ok(outside)
    }

    /// The same command, to be run out there.
    pub fn enter(&self, command: &Command) -> Command {
        let mut entering = Command::new("nsenter");
        entering.arg(format!("--net={}", self.namespace().display()));
        entering
            .arg("--")
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => entering.env(name, value),
                None => entering.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            entering.current_dir(dir);
        }
        entering
    }

    /// Does something out there, on a thread of its own: sockets that it makes stay there.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let path = self.namespace();
        let namespace = File::open(&path).on("open", &path)?;
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .map_err(std::io::Error::from)?;
                Ok(work())
            });
            there
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
        .doing("enter the network outside")
    }

    fn namespace(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.holder.id()))
    }

    fn ip(&self, arguments: &str) -> Result<()> {
        let mut ip = self.toolbox.command("ip");
        ip.args(arguments.split(' '));
        let output = self.enter(&ip).output().doing("set up the network outside")?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Setup {
            what: format!(
                "ip {arguments}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ),
            remedy: "run the tests as root".to_owned(),
        })
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        end(&mut self.holder);
    }
}

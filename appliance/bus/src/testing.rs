//! A bus of a test's own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use zbus::Connection;

/// A `dbus-daemon` that lets everybody own and call everything unless a test says otherwise, gone with this value. Who calls is as true on it as on
/// the system bus, so what a service refuses it refuses here.
#[derive(Debug)]
pub struct PrivateBus {
    daemon: Child,
    address: String,
    _directory: TempDir,
}

impl PrivateBus {
    /// # Panics
    /// Where there is no `dbus-daemon`, or it does not start.
    pub fn start() -> Self {
        Self::start_with(
            "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/>\
             <allow receive_sender=\"*\"/></policy>",
        )
    }

    /// The same with a policy of the test's own, as in dbus-daemon(1).
    ///
    /// # Panics
    /// As [`PrivateBus::start`].
    pub fn start_with(policy: &str) -> Self {
        let directory = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()
            .expect("a temporary directory");
        let configuration = directory.path().join("bus.conf");
        let text = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
             <busconfig><listen>unix:path={}/bus</listen><auth>EXTERNAL</auth>{policy}</busconfig>",
            directory.path().display()
        );
        std::fs::write(&configuration, text).expect("a file in the temporary directory");
        let mut daemon = Command::new("dbus-daemon")
            .arg("--nofork")
            .arg("--nopidfile")
            .arg("--print-address")
            .arg("--config-file")
            .arg(&configuration)
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon starts; it is in the package dbus");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().expect("its output is a pipe"))
            .read_line(&mut address)
            .expect("dbus-daemon says its address");
        Self {
            daemon,
            address: address.trim().to_owned(),
            _directory: directory,
        }
    }

    /// For `DBUS_SYSTEM_BUS_ADDRESS`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// # Panics
    /// Where the bus cannot be reached.
    pub async fn connect(&self) -> Connection {
        zbus::connection::Builder::address(self.address.as_str())
            .build()
            .await
            .expect("a connection to the bus of the test")
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

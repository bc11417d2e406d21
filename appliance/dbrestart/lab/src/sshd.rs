//! A real sshd in the tree of a cluster, as on a database server elsewhere.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use varde_dbrestart::server::{Server, Start, Via};

use crate::Result;
use crate::cluster::{Cluster, free_port};

#[derive(Debug)]
pub struct Sshd {
    port: u16,
    key: String,
    pub known_hosts: String,
    data: String,
    daemon: Child,
}

impl Sshd {
    /// Lets in who has the key, and is known by a key of its own.
    pub fn start(cluster: &Cluster) -> Result<Self> {
        let tree = cluster.handle()[0].clone();
        let port = free_port()?;
        let (key, own) = (cluster.path("ssh_key"), cluster.path("ssh_host_key"));
        for file in [&key, &own] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", file])
                .status()?;
            if !made.success() {
                return Err("ssh-keygen failed".into());
            }
        }
        let public = std::fs::read_to_string(format!("{own}.pub"))?;
        let known_hosts = cluster.path("known_hosts");
        std::fs::write(&known_hosts, format!("[127.0.0.1]:{port} {public}"))?;
        std::fs::create_dir_all(format!("{tree}/run/sshd"))?;
        let log = std::fs::File::create(cluster.path("sshd.log"))?;
        // Whoever comes looks for the server in /proc; a namespace of its own has it in the tree, and takes it away again.
        let script = "mount -t proc proc \"$0/proc\" && exec chroot \"$0\" /usr/sbin/sshd \"$@\"";
        let mut daemon = Command::new("unshare");
        daemon
            .args([
                "--mount",
                "sh",
                "-c",
                script,
                &tree,
                "-D",
                "-e",
                "-f",
                "/dev/null",
            ])
            .args([
                "-h",
                &own,
                "-p",
                &port.to_string(),
                "-o",
                "ListenAddress=127.0.0.1",
            ])
            .args(["-o", &format!("AuthorizedKeysFile={key}.pub")])
            .args(["-o", "StrictModes=no", "-o", "PasswordAuthentication=no"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let daemon = daemon.spawn()?;
        let sshd = Self {
            port,
            key,
            known_hosts,
            data: cluster.path("data"),
            daemon,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err(format!("sshd does not answer; see {}", cluster.path("sshd.log")).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(sshd)
    }

    /// The cluster's server, reached through it.
    pub fn server(&self) -> Server {
        let become_it = format!("exec /usr/lib/postgresql/17/bin/postgres -D '{}'", self.data);
        Server {
            via: Via::Ssh {
                target: format!("root@127.0.0.1:{}", self.port),
                key: self.key.clone(),
                known_hosts: self.known_hosts.clone(),
            },
            start: Start::Command(
                ["su", "postgres", "-s", "/bin/sh", "-c", &become_it]
                    .map(str::to_owned)
                    .to_vec(),
            ),
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

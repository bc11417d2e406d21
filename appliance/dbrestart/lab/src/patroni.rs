//! Patroni over a cluster of the lab, with etcd, and its scheduled restart.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::cluster::{Cluster, free_port};

#[derive(Debug)]
pub struct Patroni {
    config: String,
    rest: u16,
    etcd: Child,
    daemon: Child,
}

impl Patroni {
    /// Stops the cluster's server and lets Patroni run it.
    pub fn take_over(cluster: &Cluster) -> Result<Self> {
        cluster.sql("CREATE ROLE replicator REPLICATION LOGIN")?;
        cluster.control(&["stop", "-m", "fast"])?;
        let tree = PathBuf::from(&cluster.handle()[0]);
        let (client, peer, rest) = (free_port()?, free_port()?, free_port()?);
        let etcd = spawn(
            &tree,
            &[
                "etcd",
                "--name",
                "lab",
                "--data-dir",
                &cluster.path("etcd"),
                "--listen-client-urls",
                &format!("http://127.0.0.1:{client}"),
                "--advertise-client-urls",
                &format!("http://127.0.0.1:{client}"),
                "--listen-peer-urls",
                &format!("http://127.0.0.1:{peer}"),
                "--initial-advertise-peer-urls",
                &format!("http://127.0.0.1:{peer}"),
                "--initial-cluster",
                &format!("lab=http://127.0.0.1:{peer}"),
            ],
            &cluster.path("etcd.log"),
        )?;
        let config = cluster.path("patroni.yml");
        std::fs::write(
            cluster.folder.join("patroni.yml"),
            format!(
                "scope: lab\nname: lab\nrestapi: {{listen: '127.0.0.1:{rest}', connect_address: '127.0.0.1:{rest}'}}\n\
                 etcd3: {{hosts: '127.0.0.1:{client}'}}\n\
                 bootstrap: {{dcs: {{ttl: 30, loop_wait: 1, retry_timeout: 5, postgresql: {{parameters: {{max_connections: 100}}}}}}}}\n\
                 postgresql:\n  listen: '127.0.0.1:{port}'\n  connect_address: '127.0.0.1:{port}'\n  data_dir: {data}\n  \
                 bin_dir: /usr/lib/postgresql/17/bin\n  pgpass: {folder}/pgpass\n  \
                 parameters: {{unix_socket_directories: '{folder}', dynamic_shared_memory_type: mmap, shared_buffers: 256MB}}\n  \
                 pg_hba: ['local all all trust', 'host all all all trust', 'host replication all all trust']\n  \
                 authentication: {{superuser: {{username: postgres}}, replication: {{username: replicator}}}}\n",
                port = cluster.port,
                data = cluster.path("data"),
                folder = cluster.path(""),
            ),
        )?;
        let patroni = spawn(&tree, &["patroni", &config], &cluster.path("patroni.log"))?;
        let this = Self {
            config,
            rest,
            etcd,
            daemon: patroni,
        };
        cluster.wait()?;
        let deadline = Instant::now() + Duration::from_mins(1);
        while cluster.sql("SELECT pg_is_in_recovery()")? != "f" {
            if Instant::now() > deadline {
                return Err(format!("Patroni does not lead; see {}", cluster.path("patroni.log")).into());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(this)
    }

    /// Schedules a restart for three seconds from now, and waits until it has happened.
    pub async fn restart(&self, cluster: &Cluster) -> Result<()> {
        let before = cluster.pid();
        let body = format!(
            "{{\"schedule\": \"{}\"}}",
            jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3)
        );
        let request = format!(
            "POST /restart HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        let answer = post(self.rest, &request).await?;
        if !answer.starts_with("HTTP/1.0 202") && !answer.starts_with("HTTP/1.1 202") {
            return Err(format!("Patroni refused: {answer}").into());
        }
        let deadline = Instant::now() + Duration::from_mins(1);
        while cluster.pid() == before || cluster.postgres().probe(Duration::from_secs(1)).await.is_err() {
            if Instant::now() > deadline {
                return Err(format!("Patroni did not restart; see {}", self.config).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

async fn post(port: u16, request: &str) -> Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn spawn(tree: &std::path::Path, words: &[&str], log: &str) -> Result<Child> {
    let log = std::fs::File::create(log)?;
    // Patroni looks for its server in /proc; a namespace of its own has it in the tree, and takes it away again.
    let script = "mount -t proc proc \"$0/proc\" && exec chroot --userspec=postgres:postgres \"$0\" \"$@\"";
    Ok(Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(tree)
        .args(words)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?)
}

impl Drop for Patroni {
    fn drop(&mut self) {
        // Patroni first, so that it does not start the server again.
        for child in [&mut self.daemon, &mut self.etcd] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

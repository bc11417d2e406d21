//! libvirt as a peer: `virsh start` of a machine like ours.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// libvirtd asks every QEMU it finds what it can do before it is ready.
const BOUND: Duration = Duration::from_mins(2);

pub struct Libvirt {
    /// Its end takes every process of the namespace with it.
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Libvirt {
    /// From the Debian tree that `VARDE_LIBVIRT` names; `None` without one. Needs root.
    pub async fn find() -> Option<Self> {
        let tree: OsString = std::env::var_os("VARDE_LIBVIRT")?;
        let mut child = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
            .args(["/bin/sh", "-eu", "-c", include_str!("peer.sh"), "libvirt"])
            .arg(tree)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("unshare of util-linux");
        let orders = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut libvirt = Self {
            _child: child,
            orders,
            answers,
        };
        libvirt.answer("ready").await;
        Some(libvirt)
    }

    /// How long `virsh start` took: it ends when the machine runs.
    pub async fn start(&mut self) -> Duration {
        let begun = Instant::now();
        self.order("start").await;
        let took = begun.elapsed();
        self.order("destroy").await;
        took
    }

    async fn order(&mut self, word: &str) {
        self.orders
            .write_all(format!("{word}\n").as_bytes())
            .await
            .expect("libvirt's shell listens");
        self.answer("done").await;
    }

    async fn answer(&mut self, expected: &str) {
        let line = timeout(BOUND, self.answers.next_line())
            .await
            .expect("libvirt answers in time")
            .expect("readable");
        assert_eq!(
            line.as_deref(),
            Some(expected),
            "libvirt says what is wrong above"
        );
    }
}

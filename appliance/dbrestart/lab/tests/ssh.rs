//! A server on another host, reached by a real ssh and a real sshd.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use varde_dbrestart::run::Outcome;
use varde_dbrestart_lab::cluster::Cluster;
use varde_dbrestart_lab::load::{Load, Shape};
use varde_dbrestart_lab::sshd::Sshd;
use varde_dbrestart_lab::{method, tree};

const LIGHT: Shape = Shape { clients: 4, rate: 40 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_reached_by_ssh_restarts_and_fails_nobody_and_one_with_another_key_is_not_trusted() {
    let mut cluster = Cluster::new(&tree::tree().unwrap()).unwrap();
    cluster.open_gate("transaction", false).unwrap();
    let sshd = Sshd::start(&cluster).unwrap();
    // On the other host, whose /proc names the folders as its shells do.
    cluster.control(&["stop", "-m", "fast"]).unwrap();
    sshd.server().start(Duration::from_secs(10)).await.unwrap();
    cluster.wait().unwrap();
    let load = Load::start(cluster.gate_port, LIGHT);
    load.settle().await;
    let before = cluster.pid();
    let mut rig = cluster.rig();
    rig.server = sshd.server();
    let entry = method::ours_with(&cluster, &mut rig).await.unwrap();
    assert_eq!(
        entry.outcome,
        Outcome::Restarted { fell_back: false },
        "{entry:?}"
    );
    assert_ne!(cluster.pid(), before);
    // A configuration that does not start is put back over the same way.
    cluster.sql("ALTER SYSTEM SET shared_buffers = '2TB'").unwrap();
    let mut rig = cluster.rig();
    rig.server = sshd.server();
    let entry = method::ours_with(&cluster, &mut rig).await.unwrap();
    assert_eq!(entry.outcome, Outcome::Restarted { fell_back: true }, "{entry:?}");
    load.settle().await;
    let balance = load
        .end(|| cluster.sql("SELECT client, number FROM work"))
        .await
        .unwrap();
    assert_eq!(
        (balance.failed, balance.lost, balance.duplicated),
        (0, 0, 0),
        "{balance:?}"
    );

    // Somebody else answers at the address.
    let known = std::fs::read_to_string(&sshd.known_hosts).unwrap();
    let (host, _) = known.split_once(' ').unwrap();
    let other = std::fs::read_to_string(cluster.folder.join("ssh_key.pub")).unwrap();
    std::fs::write(&sshd.known_hosts, format!("{host} {other}")).unwrap();
    let before = cluster.pid();
    let entry = method::ours_with(&cluster, &mut rig).await.unwrap();
    let Outcome::Refused { why } = &entry.outcome else {
        panic!("{entry:?}");
    };
    assert!(why.en.contains("Host key verification failed"), "{why}");
    assert_eq!(cluster.pid(), before);
}

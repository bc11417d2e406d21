//! A Debian 13 tree with the servers, made once and kept by what is in it.

use std::path::PathBuf;

use varde_machine::Tree;

use crate::Result;

const PACKAGES: [&str; 9] = [
    "postgresql-17",
    "pgbouncer",
    "patroni",
    "etcd-server",
    "python3-etcd",
    "python3-psycopg",
    "procps",
    "openssh-server",
    "valkey-server",
];

/// The tree, made where it is missing; this takes some minutes, root, and mmdebstrap.
pub fn tree() -> Result<PathBuf> {
    Tree::new("peers", &PACKAGES)?.ensure(|command| {
        eprintln!("Making a tree of database servers (some minutes) …");
        let status = command
            .status()
            .map_err(|error| format!("mmdebstrap: {error}. Install it: apt-get install mmdebstrap"))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("mmdebstrap ended with {status}").into())
        }
    })
}

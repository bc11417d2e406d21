//! Scheduled database restarts on real servers: PostgreSQL 17, PgBouncer and Patroni as Debian 13 has them.
//!
//! [`tree`] makes a Debian tree with the servers; [`cluster`] runs a PostgreSQL with its gate from it, on loopback and in
//! a folder of its own; [`load`] is the load that counts what clients notice; [`method`] are the ways to restart that are
//! compared; [`guest`] and [`wire`] are an agent and a network that can be lost, [`sshd`] is the way to another host. Nothing of this is in the product.

pub mod bench;
pub mod cluster;
pub mod fault;
pub mod guest;
pub mod load;
pub mod method;
pub mod patroni;
pub mod sshd;
pub mod tree;
pub mod wire;

/// Nothing here has callers that could do something about a fault but show it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

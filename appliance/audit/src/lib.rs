//! The hash-chained record of who did what: written before a change is done and after, and able to show that nobody
//! has touched it since.
//!
//! `varde-auditd` is the only writer. A service asks it over the bus ([`service`]) to append an entry; [`chain`] gives
//! it a number and a time, ties it to the record before it ([`line`]), and answers when it is on disk. [`verify`] reads
//! everything back and names what was cut, altered or moved. [`disk`] is the few operations on files that all this
//! stands on, so that the tests can cut the power at each of them.
//!
//! On disk the chain is files of lines, `00000000000000000001.jsonl` and so on, each named by its first record, and
//! `head`, which says what the last acknowledged record was, so that a cut end is missed.

pub mod chain;
pub mod disk;
mod end;
mod error;
pub mod head;
pub mod line;
pub mod service;
pub mod verify;

pub use chain::Chain;
pub use error::Error;

//! Snapshots of virtual machines, as `no.varde.Hypervisor1` tells of them.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::Type;

/// An instant that machines can be taken back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Snapshot {
    pub id: String,
    /// The machines that have it.
    pub machines: Vec<String>,
    /// Machines that it was taken of and that have it no longer, or never came to have it.
    pub missing: Vec<String>,
    /// Milliseconds since 1970, UTC.
    pub taken: i64,
    pub by: String,
    pub why: String,
    /// When it should be gone: milliseconds since 1970, UTC.
    pub expires: i64,
    /// Bytes that may be written since before it counts as a problem.
    pub budget: u64,
    /// Bytes that were written since: what a rollback would lose.
    pub used: u64,
    /// The guests' file systems were frozen for it; else it is as after a power cut.
    pub quiesced: bool,
    pub state: SnapshotState,
    pub progress: Progress,
    /// What is wrong with it; empty where nothing is.
    pub problem: Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum SnapshotState {
    /// It can be rolled back to.
    Kept,
    /// It can, and will be merged in the quiet hours.
    Quiet,
    /// It is being merged: no way back.
    Merging,
    /// Its merge was cancelled: no way back, and what was written since still lies beside.
    Halted,
}

/// How far a merge is; all zero while none is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Progress {
    /// Bytes.
    pub done: u64,
    pub total: u64,
    /// Bytes a second.
    pub rate: u64,
    /// Seconds; 0 while it is not known.
    pub left: u64,
}

/// What may be done with a snapshot that cannot be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum Deed {
    RollBack,
    Merge,
}

/// What it costs, said before it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Price {
    /// Whether it can be done at all now.
    pub possible: bool,
    /// How long it takes, boots included.
    pub seconds: u64,
    /// Bytes that were written since and would be lost.
    pub lost: u64,
    /// Since when: milliseconds since 1970, UTC; 0 where nothing is lost.
    pub lost_since: i64,
    /// Until when it could be undone: milliseconds since 1970, UTC; 0: not at all.
    pub undo_until: i64,
    /// The same in words, and what else there is to know.
    pub text: Text,
}

/// The disk that machines' disks lie on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Storage {
    /// Bytes.
    pub total: u64,
    pub free: u64,
    /// When it is full if it goes on as in the last two days: milliseconds since 1970, UTC; 0 where that cannot be said.
    pub full_at: i64,
}

//! `[[recipe]]`: an upgrade, as it is rehearsed on clones and promoted to the machines themselves.

use serde::{Deserialize, Serialize};

/// What is done to the machines of a group, and how to see that they are well after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    pub name: String,
    pub title: String,
    /// The machines that are cloned together: those of this group.
    pub group: String,
    /// How long the machines are watched after a promotion before it counts; seconds.
    pub watch: u64,
    /// In this order.
    pub steps: Vec<GuestCommand>,
    /// Beside the machines' own boot checks.
    pub checks: Vec<GuestCommand>,
}

/// A shell command in a guest, given by the guest agent and run as its account. It has done well when it ends with 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestCommand {
    pub vm: String,
    pub run: String,
    /// Seconds; longer than this it has failed.
    pub within: u64,
}

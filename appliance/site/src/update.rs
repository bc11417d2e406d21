//! `[update]`: whose releases of the appliance are taken.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Public keys of minisign, as it writes them. A release signed by any of them is taken: a new key stands beside the
    /// old one until nobody signs with that any more.
    pub keys: Vec<String>,
    /// Seconds that what was healthy before an update has to be so again after it.
    pub settle: u64,
}

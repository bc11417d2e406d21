//! What of the site was in use last: for a start at which the active generation cannot be read, as after a return to an
//! older version of the appliance, or on a disk with a fault. Better the telephony of yesterday than none: it carries
//! emergency calls.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use varde_site::Telephony;

const NAME: &str = "in-use.json";

/// What [`Bridge::follow`](crate::bridge::Bridge::follow) takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub telephony: Option<Telephony>,
    /// IANA name.
    pub zone: String,
    pub generation: u64,
}

impl Kept {
    /// Nothing if there is none, or none that this version understands.
    pub fn read(folder: &Path) -> Option<Self> {
        let bytes = fs::read(folder.join(NAME)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        let part = folder.join(format!("{NAME}.part"));
        let mut file = File::create(&part)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&part, folder.join(NAME))
    }
}

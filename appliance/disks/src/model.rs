//! What `chain.json` says: the layers of each disk, the snapshots, and what was begun and has not ended.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Layers that a disk of a machine may have, the image below them not counted. Each one costs every read of what it
/// does not hold.
pub const DEEPEST: usize = 3;

/// All disks of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chains {
    /// Number of the next overlay; never given twice.
    pub next: u64,
    /// By name of the disk.
    pub disks: BTreeMap<String, Chain>,
    /// The oldest first.
    pub snapshots: Vec<Snapshot>,
    pub work: Option<Work>,
}

/// The layers of one disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The image that it began as; it is never written.
    pub base: Option<Base>,
    /// Names of files in the machine's directory, the lowest first. The last one is written, the others are not.
    pub layers: Vec<String>,
}

/// An image, as it was when its hash was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    pub path: PathBuf,
    /// Empty until the first snapshot: the first start does not wait for it.
    pub sha256: String,
    /// Bytes of the file, and when it was changed (seconds since 1970): while these are the same, the hash is not
    /// taken anew.
    pub size: u64,
    pub modified: i64,
}

/// An instant that the disks can be taken back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The same in all machines that it was taken of together.
    pub id: String,
    /// Milliseconds since 1970, UTC.
    pub taken: i64,
    /// Whose it is, and what for.
    pub by: String,
    pub why: String,
    /// When it should be gone: milliseconds since 1970, UTC.
    pub expires: i64,
    /// Bytes that its overlays may grow to.
    pub budget: u64,
    /// Every machine that it was taken of.
    pub machines: Vec<String>,
    /// The guests had written down what they held: their file systems were frozen.
    pub quiesced: bool,
    pub keep: Keep,
    /// What has been written since: by disk the overlay that was put on it.
    pub overlays: BTreeMap<String, String>,
    /// Whose disks stand on what lies below the overlays: while there is anybody, that is neither written nor dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lent: Vec<String>,
}

/// Whether the way back is still there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// It can be rolled back to.
    #[default]
    Kept,
    /// It can, but is to be merged in the quiet hours.
    Quiet,
    /// The merge has begun, and goes on whenever it is interrupted: no way back.
    Merging,
    /// The merge has begun and was called off: no way back, and the overlay is still there.
    Halted,
}

/// What was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "what")]
pub enum Work {
    /// Files that belong to nothing yet are being made. Undone by removing them.
    Make { files: Vec<String> },
    /// Overlays are whole, and a QEMU that runs may have moved on to them. While they are empty they change nothing:
    /// whoever finds this and no QEMU goes forward.
    Pivot { snapshot: Box<Snapshot> },
    /// Files that belong to nothing any more are being removed.
    Drop { files: Vec<String> },
}

impl Chains {
    /// The file that the disk is written to.
    pub fn head(&self, disk: &str) -> Option<&str> {
        self.disks.get(disk)?.layers.last().map(String::as_str)
    }

    pub fn snapshot(&self, id: &str) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.id == id)
    }

    /// By disk the layer that is as it was when the snapshot was taken that was lent to somebody.
    pub fn lent_to(&self, whom: &str) -> BTreeMap<String, String> {
        let snapshot = self
            .snapshots
            .iter()
            .find(|one| one.lent.iter().any(|to| to == whom));
        let overlays = snapshot.iter().flat_map(|snapshot| &snapshot.overlays);
        overlays
            .filter_map(|(disk, overlay)| {
                let layers = &self.disks.get(disk)?.layers;
                let place = layers.iter().position(|layer| layer == overlay)?;
                Some((disk.clone(), layers.get(place.checked_sub(1)?)?.clone()))
            })
            .collect()
    }

    /// Whether every name in it stays in the machine's directory. The directory belongs to a QEMU, which may be in the
    /// hands of its guest.
    pub fn is_sound(&self) -> bool {
        let pending = match &self.work {
            None => Vec::new(),
            Some(Work::Make { files } | Work::Drop { files }) => files.iter().collect(),
            Some(Work::Pivot { snapshot }) => snapshot.overlays.values().collect(),
        };
        let named = self
            .snapshots
            .iter()
            .flat_map(|snapshot| snapshot.overlays.values());
        self.disks.values().all(|chain| !chain.layers.is_empty())
            && self
                .disks
                .values()
                .flat_map(|chain| &chain.layers)
                .chain(named)
                .chain(pending)
                .all(|file| is_plain(file))
    }
}

/// `[a-z0-9.-]+.qcow2`, not hidden.
fn is_plain(file: &str) -> bool {
    file.len() < 200
        && !file.starts_with('.')
        && file.strip_suffix(".qcow2").is_some_and(|stem| !stem.is_empty())
        && file
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
}

/// The first layer of a disk.
pub(crate) fn first(disk: &str) -> String {
    format!("{disk}.qcow2")
}

pub(crate) fn overlay(disk: &str, number: u64) -> String {
    format!("{disk}.{number}.qcow2")
}

/// Number of an overlay; `None` for the first layer of a disk.
pub fn number_of(file: &str) -> Option<u64> {
    file.strip_suffix(".qcow2")?.rsplit_once('.')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_out_of_the_directory_is_not_believed() {
        for name in [
            "../other/system.qcow2",
            "/etc/shadow",
            ".hidden.qcow2",
            "system.raw",
            "",
        ] {
            let chain = Chain {
                base: None,
                layers: vec![name.to_owned()],
            };
            let chains = Chains {
                disks: BTreeMap::from([("system".to_owned(), chain)]),
                ..Chains::default()
            };
            assert!(!chains.is_sound(), "{name:?}");
        }
    }

    #[test]
    fn overlays_are_told_from_first_layers_by_their_number() {
        assert_eq!(number_of(&first("system")), None);
        assert_eq!(number_of(&overlay("system", 12)), Some(12));
        assert_eq!(number_of(&first("disk-2")), None);
    }
}

//! What a QEMU that runs does for a snapshot: it moves on to the overlays in one transaction, and writes an overlay into
//! the layer below while its guest goes on.
//!
//! Nodes are named after disk and layer, so that what QEMU has can be seen at any time. A command without an answer may
//! have been done: what is true is asked for, never remembered.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use varde_disks::{Chains, Snapshot};
use varde_site::Vm;

use crate::argv;
use crate::paths::Paths;
use crate::qmp::{
    self, BlockCommit, BlockdevAdd, BlockdevDel, Client, DEFAULT_TIMEOUT, Job, JobCancel, JobComplete,
    JobDismiss, JobFinalize, QueryJobs, QueryNodes, Transaction,
};

/// Opening a file takes longer than a question.
const DEVICE: Duration = Duration::from_mins(1);

/// A machine that runs, and the line to it.
#[derive(Clone, Debug)]
pub struct Live {
    pub vm: Vm,
    pub client: Client,
}

impl Live {
    /// The disks of the snapshot that this QEMU has: one that was declared after its start is not among them.
    fn overlays<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = (&'a str, &'a str, String)> {
        snapshot.overlays.iter().filter_map(|(disk, file)| {
            let node = argv::node(&self.vm, disk, file)?;
            Some((disk.as_str(), file.as_str(), node))
        })
    }

    /// Opens the overlays, without anything below them: the guest does not notice.
    pub async fn open(&self, snapshot: &Snapshot, paths: &Paths) -> Result<(), qmp::Error> {
        for (_, file, node) in self.overlays(snapshot) {
            let mut options = argv::layer(&node, &paths.disks(&self.vm.name).join(file));
            options["backing"] = Value::Null;
            self.client.execute(&BlockdevAdd(options), DEVICE).await?;
        }
        Ok(())
    }

    /// Moves the guest's writes over to the overlays: all of them at one instant, or none.
    pub async fn pivot(
        &self,
        chains: &Chains,
        snapshot: &Snapshot,
        bound: Duration,
    ) -> Result<(), qmp::Error> {
        let actions = self
            .overlays(snapshot)
            .filter_map(|(disk, _, overlay)| {
                let node = argv::node(&self.vm, disk, chains.head(disk)?)?;
                Some(json!({"type": "blockdev-snapshot", "data": {"node": node, "overlay": overlay}}))
            })
            .collect();
        self.client.execute(&Transaction { actions }, bound).await?;
        Ok(())
    }

    async fn nodes(&self) -> Result<BTreeSet<String>, qmp::Error> {
        let nodes = self
            .client
            .execute(&QueryNodes { flat: true }, DEFAULT_TIMEOUT)
            .await?;
        Ok(nodes.into_iter().map(|node| node.name).collect())
    }

    /// Whether the guest writes to the overlays. Those that it does not write to are closed; QEMU refuses to close the
    /// others, and there is no surer sign than that.
    pub async fn has_moved(&self, snapshot: &Snapshot) -> Result<bool, qmp::Error> {
        let nodes = self.nodes().await?;
        let mut moved = false;
        for (.., node_name) in self.overlays(snapshot) {
            if !nodes.contains(&node_name) {
                continue;
            }
            match self.client.execute(&BlockdevDel { node_name }, DEVICE).await {
                Ok(_) => {}
                Err(qmp::Error::Refused { .. }) => moved = true,
                Err(error) => return Err(error),
            }
        }
        Ok(moved)
    }

    async fn forget(&self, node: &str) {
        let node_name = node.to_owned();
        // A node that stays open is in nobody's way; its file is gone with its last user.
        if let Err(error) = self.client.execute(&BlockdevDel { node_name }, DEVICE).await {
            eprintln!("{}: {error}", self.vm.name);
        }
    }

    fn job(node: &str) -> String {
        format!("merge-{node}")
    }

    /// How far QEMU is with the merge of this disk.
    pub async fn merge_state(&self, chains: &Chains, disk: &str) -> Result<Merge, qmp::Error> {
        let Some(node) = chains
            .head(disk)
            .and_then(|file| argv::node(&self.vm, disk, file))
        else {
            return Ok(Merge::NotHere);
        };
        let jobs = self.client.execute(&QueryJobs {}, DEFAULT_TIMEOUT).await?;
        if let Some(job) = jobs.into_iter().find(|job| job.id == Self::job(&node)) {
            return Ok(Merge::Job(job));
        }
        Ok(if self.nodes().await?.contains(&node) {
            Merge::None
        } else {
            Merge::NotHere
        })
    }

    pub async fn begin_merge(&self, chains: &Chains, disk: &str) -> Result<(), qmp::Error> {
        let layers = chains.disks.get(disk).map(|chain| chain.layers.as_slice());
        let Some([.., below, top]) = layers else {
            return Ok(());
        };
        let (Some(top_node), Some(base_node)) =
            (argv::node(&self.vm, disk, top), argv::node(&self.vm, disk, below))
        else {
            return Ok(());
        };
        let commit = BlockCommit {
            job_id: Self::job(&top_node),
            device: argv::root(&self.vm, disk, &top_node),
            top_node,
            base_node,
            // It waits with the last byte written and the guest's writes held, until it is written down where the disk is now.
            auto_finalize: false,
            auto_dismiss: false,
        };
        self.client.execute(&commit, DEVICE).await?;
        Ok(())
    }

    pub async fn complete(&self, id: &str) -> Result<(), qmp::Error> {
        let id = id.to_owned();
        self.client.execute(&JobComplete { id }, DEVICE).await?;
        Ok(())
    }

    pub async fn finalize(&self, id: &str) -> Result<(), qmp::Error> {
        let id = id.to_owned();
        self.client.execute(&JobFinalize { id }, DEVICE).await?;
        Ok(())
    }

    pub async fn cancel(&self, id: &str) -> Result<(), qmp::Error> {
        let id = id.to_owned();
        self.client.execute(&JobCancel { id }, DEVICE).await?;
        Ok(())
    }

    /// Takes a job that has ended off QEMU's list, and its overlay with it where that was merged.
    pub async fn dismiss(&self, job: &Job) -> Result<(), qmp::Error> {
        let id = job.id.clone();
        self.client.execute(&JobDismiss { id }, DEVICE).await?;
        if let (None, Some(node)) = (&job.error, job.id.strip_prefix("merge-")) {
            self.forget(node).await;
        }
        Ok(())
    }
}

#[derive(Debug)]
pub enum Merge {
    /// QEMU has the overlay, and does nothing about it.
    None,
    Job(Job),
    /// This QEMU does not have it.
    NotHere,
}

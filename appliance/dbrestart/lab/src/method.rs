//! The ways to restart that are compared.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use varde_dbrestart::forecast::forecast;
use varde_dbrestart::journal::Head;
use varde_dbrestart::ledger::{self, Cause, Entry};
use varde_dbrestart::procedure::{Books, Ended, Performs, Strings, conduct, recover};
use varde_dbrestart::run::{Outcome, Plan};

use crate::Result;
use crate::cluster::Cluster;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `pg_ctl restart -m fast`, clients connected to the server.
    Direct,
    /// The same behind PgBouncer as it comes.
    Bouncer,
    /// PAUSE, `pg_ctl restart -m fast`, RESUME.
    PauseByHand,
    /// `patronictl restart --scheduled` behind PgBouncer as it comes.
    Patroni,
    Varde,
}

impl Method {
    pub const ALL: [Self; 5] = [
        Self::Direct,
        Self::Bouncer,
        Self::PauseByHand,
        Self::Patroni,
        Self::Varde,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct restart",
            Self::Bouncer => "PgBouncer, no PAUSE",
            Self::PauseByHand => "PAUSE by hand",
            Self::Patroni => "Patroni, scheduled",
            Self::Varde => "Varde",
        }
    }

    /// Restarts once.
    pub async fn restart(self, cluster: &Cluster) -> Result<()> {
        match self {
            Self::Direct | Self::Bouncer => cluster.control(&["restart", "-m", "fast"]),
            Self::PauseByHand => {
                cluster.gate().pause(Duration::from_mins(1)).await?;
                let done = cluster.control(&["restart", "-m", "fast"]);
                cluster.gate().resume(None, Duration::from_mins(1)).await?;
                done
            }
            Self::Patroni => Err("Patroni runs a cluster of its own".into()),
            Self::Varde => {
                let entry = ours(cluster).await?;
                match entry.outcome {
                    Outcome::Restarted { .. } => Ok(()),
                    other => Err(format!("{other:?}, {:?}", entry.trouble).into()),
                }
            }
        }
    }
}

/// What the lab's database is promised.
pub fn plan(books: &Books) -> Result<Plan> {
    let restarts: Vec<u64> = ledger::read(&books.ledger())?
        .iter()
        .filter_map(|entry| entry.restart)
        .collect();
    Ok(Plan {
        // Whether budgets are kept is measured, not enforced, where machines are busy with other things.
        stall_budget: 30_000,
        give_up: 120_000,
        pause_most: 250,
        held_most: 60_000,
        stop_most: 20_000,
        start_most: 20_000,
        may_cut: BTreeMap::new(),
        only_with_reason: false,
        forecast: forecast(&restarts, 300),
        falls_back: true,
        has_machine: false,
    })
}

pub fn books(cluster: &Cluster) -> Books {
    Books {
        folder: cluster.folder.clone(),
        downtime_cost: 50_000,
        counties: 3,
    }
}

/// One run of the product's procedure, as its service would conduct it.
pub async fn ours(cluster: &Cluster) -> Result<Entry> {
    ours_with(cluster, &mut cluster.rig()).await
}

pub async fn ours_with(cluster: &Cluster, rig: &mut impl Performs) -> Result<Entry> {
    let books = books(cluster);
    let plan = plan(&books)?;
    Ok(conducted(&books, rig, plan).await.entry)
}

/// One run that has to keep to this plan.
pub async fn conducted(books: &Books, rig: &mut impl Performs, plan: Plan) -> Ended {
    let head = Head {
        cause: Cause::calendar(0),
        plan,
        started: 0,
        expected_delayed: None,
    };
    conduct(rig, books, head, strings()).await
}

/// What the service does when it comes back.
pub async fn recovered(cluster: &Cluster) -> Result<Option<Entry>> {
    let ended = recover(&mut cluster.rig(), &books(cluster), strings()).await?;
    Ok(ended.map(|ended| ended.entry))
}

/// Nobody watches, nobody calls off.
pub fn strings() -> Strings {
    let (_, cancel) = watch::channel(false);
    let (progress, _) = watch::channel(None);
    Strings { cancel, progress }
}

//! Waiting until calls have ended. Too late means unknown, not failed.

use std::time::Duration;

use varde_bus::telephony::{CallRecord, ChangedStream};
use varde_bus::{Client, Failure, FailureKind};

/// Listens to what is written about calls.
pub struct Waiter<'a> {
    client: &'a Client,
    changes: ChangedStream,
}

impl<'a> Waiter<'a> {
    pub async fn new(client: &'a Client) -> Result<Self, Failure> {
        let changes = client.telephony.receive_changed().await?;
        Ok(Self { client, changes })
    }

    /// The records of these calls once all have ended.
    pub async fn ended(mut self, calls: &[u64], seconds: u64) -> Result<Vec<CallRecord>, Failure> {
        match tokio::time::timeout(Duration::from_secs(seconds), self.follow(calls)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::new(
                FailureKind::Unknown,
                format!(
                    "Prøven er ikke ferdig etter {seconds} s; «varde phone records» viser den når den er det"
                ),
                format!(
                    "The test has not ended after {seconds} s; \"varde phone records\" shows it when it has"
                ),
            )),
        }
    }

    async fn follow(&mut self, calls: &[u64]) -> Result<Vec<CallRecord>, Failure> {
        let Some(last) = calls.iter().max() else {
            return Ok(Vec::new());
        };
        loop {
            // Room for the calls of others between them.
            let count = u32::try_from(calls.len())
                .unwrap_or(u32::MAX)
                .saturating_mul(4)
                .max(100);
            let mut records = self
                .client
                .telephony
                .records(last.saturating_add(1), count)
                .await?;
            records.retain(|record| calls.contains(&record.id));
            records.sort_by_key(|record| record.id);
            if records.len() == calls.len() {
                return Ok(records);
            }
            loop {
                let Some(change) = varde_bus::next(&mut self.changes).await else {
                    return Err(Failure::new(
                        FailureKind::Unknown,
                        "Forbindelsen til tjenestene ble brutt; «varde phone records» viser hvordan det gikk",
                        "The connection to the services broke; \"varde phone records\" shows how it went",
                    ));
                };
                if change.args()?.what == "records" {
                    break;
                }
            }
        }
    }
}

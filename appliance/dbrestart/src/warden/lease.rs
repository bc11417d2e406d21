//! Servers of one machine are restarted one at a time: a lease for each machine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// The leases of all machines, by what [`crate::settings::Settings::lease`] calls them.
#[derive(Clone, Debug, Default)]
pub struct Leases(Arc<Mutex<BTreeMap<String, Arc<Lease>>>>);

#[derive(Debug, Default)]
struct Lease {
    lock: Arc<tokio::sync::Mutex<()>>,
    holder: Mutex<String>,
}

impl Leases {
    fn of(&self, machine: &str) -> Arc<Lease> {
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        leases.entry(machine.to_owned()).or_default().clone()
    }

    /// The database that has it, or had it last.
    pub fn holder(&self, machine: &str) -> String {
        let lease = self.of(machine);
        let holder = lease.holder.lock().unwrap_or_else(PoisonError::into_inner);
        holder.clone()
    }

    /// Waits for it, for as long as nobody gives up; it ends with the guard.
    pub async fn take(&self, machine: &str, database: &str) -> OwnedMutexGuard<()> {
        let lease = self.of(machine);
        let guard = lease.lock.clone().lock_owned().await;
        database.clone_into(&mut lease.holder.lock().unwrap_or_else(PoisonError::into_inner));
        guard
    }
}

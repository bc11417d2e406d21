//! The daemon's heart: one task that owns every machine, takes orders and news, and publishes what changed.
//!
//! It needs no bus and no systemd: units come through [`Units`], orders through [`Handle`], and what is published goes
//! into a channel. [`crate::service`] puts the bus around it.

mod core;
mod link;
mod news;
mod orders;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use varde_bus::hypervisor::VmStatus;
use varde_bus::{Failure, FailureKind};
use varde_site::{Site, Text, Vm};

use crate::console::Console;
use crate::paths::Paths;
use crate::qmp::Client;
use crate::unit::{UnitNews, Units};

/// What the world should hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    Changed(VmStatus),
    Removed(String),
    /// Something went wrong without anybody asking: for the record.
    Incident {
        verb: &'static str,
        vm: String,
        detail: String,
    },
}

/// How a machine may be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By the shutdown ladder.
    Orderly,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    Pause,
    Resume,
}

pub type Answer<T> = oneshot::Sender<Result<T, Failure>>;

pub enum Order {
    Site(Box<Site>),
    /// Answered when every QEMU that runs has been heard.
    Settled(Answer<()>),
    List(Answer<Vec<VmStatus>>),
    /// As [`Order::List`], after every QEMU has been asked.
    Verify(Answer<Vec<VmStatus>>),
    Get(String, Answer<VmStatus>),
    Start(String, Answer<()>),
    End(String, End, Text, Answer<()>),
    Halt(String, Halt, Answer<()>),
    Console(String, Answer<Console>),
    Scrollback(String, Answer<Option<Console>>),
    Line(String, Answer<Line>),
}

/// What runs, and the line to it.
#[derive(Clone, Debug)]
pub struct Line {
    /// As it was declared when it was started, or would be started now.
    pub vm: Vm,
    /// It is on, or on its way.
    pub on: bool,
    pub qmp: Option<Client>,
    /// Milliseconds that it took to come up last; 0 where that is not known.
    pub boot: i64,
}

/// Gives orders to the daemon's heart. It ends with the last handle.
#[derive(Clone, Debug)]
pub struct Handle {
    orders: mpsc::Sender<Order>,
    paths: Paths,
}

/// Starts the heart. Machines appear with the first [`Handle::site`].
pub fn spawn(
    paths: Paths,
    units: Arc<dyn Units>,
    unit_news: mpsc::UnboundedReceiver<UnitNews>,
) -> (Handle, mpsc::UnboundedReceiver<Publication>) {
    let (orders, taken) = mpsc::channel(64);
    let (publish, published) = mpsc::unbounded_channel();
    let core = core::Core::new(paths.clone(), units, publish);
    tokio::spawn(core.run(taken, unit_news));
    (Handle { orders, paths }, published)
}

impl Handle {
    async fn ask<T>(&self, order: impl FnOnce(Answer<T>) -> Order) -> Result<T, Failure> {
        let gone = || {
            Failure::new(
                FailureKind::Failed,
                "Tjenesten avsluttes; prøv igjen",
                "The service is ending; try again",
            )
        };
        let (sender, receiver) = oneshot::channel();
        self.orders.send(order(sender)).await.map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }

    /// Makes this the active generation.
    pub async fn site(&self, site: Site) {
        // A heart that has ended needs no generation.
        let _ = self.orders.send(Order::Site(Box::new(site))).await;
    }

    /// Waits until every machine that runs has told its state: a daemon that has just begun knows them only then. At
    /// most as long as `bound`.
    pub async fn settled(&self, bound: Duration) {
        // One that does not answer must not keep the others from being seen.
        let _ = tokio::time::timeout(bound, self.ask(Order::Settled)).await;
    }

    pub async fn list(&self) -> Result<Vec<VmStatus>, Failure> {
        self.ask(Order::List).await
    }

    /// As [`Handle::list`], but each QEMU is asked anew; one that does not answer in time keeps its last known state.
    pub async fn verify(&self) -> Result<Vec<VmStatus>, Failure> {
        self.ask(Order::Verify).await
    }

    pub async fn get(&self, vm: &str) -> Result<VmStatus, Failure> {
        self.ask(|answer| Order::Get(vm.to_owned(), answer)).await
    }

    pub async fn start(&self, vm: &str) -> Result<(), Failure> {
        self.ask(|answer| Order::Start(vm.to_owned(), answer)).await
    }

    /// For whoever works on its disks.
    pub async fn line(&self, vm: &str) -> Result<Line, Failure> {
        self.ask(|answer| Order::Line(vm.to_owned(), answer)).await
    }

    /// `by`: who ends it and why, as it will be shown.
    pub async fn end(&self, vm: &str, end: End, by: Text) -> Result<(), Failure> {
        self.ask(|answer| Order::End(vm.to_owned(), end, by, answer))
            .await
    }

    pub async fn pause(&self, vm: &str) -> Result<(), Failure> {
        self.ask(|answer| Order::Halt(vm.to_owned(), Halt::Pause, answer))
            .await
    }

    pub async fn resume(&self, vm: &str) -> Result<(), Failure> {
        self.ask(|answer| Order::Halt(vm.to_owned(), Halt::Resume, answer))
            .await
    }

    pub async fn open_console(&self, vm: &str) -> Result<(OwnedFd, Vec<u8>), Failure> {
        let console = self.ask(|answer| Order::Console(vm.to_owned(), answer)).await?;
        console.open().await.map_err(|error| {
            Failure::new(
                FailureKind::Failed,
                format!("Fikk ikke åpnet konsollen til {vm}: {error}. Er maskinen på?"),
                format!("Could not open the console of {vm}: {error}. Is the machine on?"),
            )
        })
    }

    pub async fn scrollback(&self, vm: &str) -> Result<Vec<u8>, Failure> {
        let console = self
            .ask(|answer| Order::Scrollback(vm.to_owned(), answer))
            .await?;
        if let Some(console) = console
            && let Some(bytes) = console.scrollback().await
        {
            return Ok(bytes);
        }
        Ok(crate::console::tail(&self.paths.serial_log(vm)))
    }
}

/// Milliseconds since 1970, UTC.
pub fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

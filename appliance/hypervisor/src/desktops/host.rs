//! Gives desktops to persons, and looks after them.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use varde_bus::desktop::{DesktopStatus, Opened, PoolStatus};
use varde_bus::hypervisor::{VmState, VmStatus};
use varde_bus::{Failure, FailureKind};
use varde_disks::Order;
use varde_site::{DesktopPool, Desktops, Site, Text};

use super::holders::{Holders, holder, pick};
use crate::daemon::{End, now};
use crate::qmp::{DEFAULT_TIMEOUT, QueryVnc};
use crate::snapshots::Keeper;
use crate::{gate, notes, site};

/// Between two looks at who looks.
const LOOK: Duration = Duration::from_secs(10);
/// A QEMU that runs takes a connection at once.
const CONNECT: Duration = Duration::from_secs(5);

/// What the world should hear of desktops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Changed,
    /// Something happened that nobody waits for: for the record.
    Event {
        verb: &'static str,
        desktop: String,
        detail: String,
    },
}

/// What is known of one desktop that is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Watched {
    viewers: u32,
    /// Milliseconds since 1970, UTC; 0 while somebody looks.
    idle_since: i64,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Host {
    keeper: Keeper,
    news: mpsc::UnboundedSender<News>,
    watched: Arc<Mutex<BTreeMap<String, Watched>>>,
    /// One at a time gives desktops away or takes them back.
    giving: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

fn refused(nb: impl Into<String>, en: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Refused, nb, en)
}

impl Host {
    pub fn new(keeper: Keeper) -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, told) = mpsc::unbounded_channel();
        let host = Self {
            keeper,
            news,
            watched: Arc::default(),
            giving: Arc::default(),
        };
        (host, told)
    }

    fn tell(&self, news: News) {
        // Nobody listens in a service that is ending.
        let _ = self.news.send(news);
    }

    fn watched(&self) -> MutexGuard<'_, BTreeMap<String, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn site(&self) -> Result<Site, Failure> {
        site::active(&self.keeper.paths)?
            .ok_or_else(|| refused("Ingen generasjon er i bruk ennå", "No generation is active yet"))
    }

    fn holders(&self) -> Holders {
        notes::read(&self.keeper.paths.desktops()).unwrap_or_default()
    }

    fn write_holders(&self, holders: &Holders) -> Result<(), Failure> {
        Ok(notes::write(&self.keeper.paths.desktops(), holders)?)
    }

    async fn states(&self) -> Result<BTreeMap<String, VmStatus>, Failure> {
        let all = self.keeper.handle.list().await?;
        Ok(all.into_iter().map(|vm| (vm.name.clone(), vm)).collect())
    }

    pub async fn pools(&self) -> Result<Vec<PoolStatus>, Failure> {
        let site = self.site()?;
        let (states, holders) = (self.states().await?, self.holders());
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let pools = site.desktop_pools.iter().map(|pool| {
            let machines = pool.machines(&site.persons);
            let on = |name: &str| states.get(name).is_some_and(is_on);
            let running = machines.iter().filter(|vm| on(&vm.name)).count();
            let used = machines
                .iter()
                .filter(|vm| self.is_used(pool, &vm.name, &holders))
                .count();
            let trouble = match gate::image(&pool.image, &self.keeper.paths) {
                Ok(_) => Text::default(),
                Err(error) => error.text(),
            };
            PoolStatus {
                name: pool.name.clone(),
                title: pool.title.clone(),
                image: pool.image.clone(),
                kind: match pool.desktops {
                    Desktops::Own => "own",
                    Desktops::Fresh => "fresh",
                    Desktops::Floating(_) => "floating",
                }
                .to_owned(),
                desktops: count(machines.len()),
                running: count(running),
                used: count(used),
                memory: pool.memory,
                trouble,
            }
        });
        Ok(pools.collect())
    }

    /// Somebody has it, or looks at it.
    fn is_used(&self, pool: &DesktopPool, machine: &str, holders: &Holders) -> bool {
        match pool.desktops {
            Desktops::Floating(_) => holders.contains_key(machine),
            Desktops::Own | Desktops::Fresh => self
                .watched()
                .get(machine)
                .is_some_and(|watched| watched.viewers > 0),
        }
    }

    pub async fn list(&self) -> Result<Vec<DesktopStatus>, Failure> {
        let site = self.site()?;
        let (states, holders) = (self.states().await?, self.holders());
        let mut all = Vec::new();
        for pool in &site.desktop_pools {
            for vm in pool.machines(&site.persons) {
                let watched = self.watched().get(&vm.name).copied().unwrap_or_default();
                all.push(DesktopStatus {
                    state: states.get(&vm.name).map_or(VmState::Declared, |vm| vm.state),
                    person: holder(pool, &vm.name, &holders).unwrap_or_default(),
                    viewers: watched.viewers,
                    idle_since: watched.idle_since,
                    outdated: self.is_outdated(pool, &vm.name),
                    pool: pool.name.clone(),
                    name: vm.name,
                });
            }
        }
        Ok(all)
    }

    /// Its disk stands on another image than a new one would.
    fn is_outdated(&self, pool: &DesktopPool, machine: &str) -> bool {
        let chains = self.keeper.chains(machine).unwrap_or_default();
        let base = chains.disks.values().find_map(|chain| chain.base.as_ref());
        match (base, gate::image(&pool.image, &self.keeper.paths)) {
            (Some(base), Ok(image)) => base.path != image,
            _ => false,
        }
    }

    /// The machine that this person gets of this pool, started.
    pub async fn open(&self, person: &str, pool: &str) -> Result<Opened, Failure> {
        let site = self.site()?;
        let pool = of_name(&site, pool)?;
        if !pool.admits(person) {
            return Err(refused(
                format!("{} er ikke åpen for {person}", pool.name),
                format!("{} is not open to {person}", pool.name),
            ));
        }
        let _giving = self.giving.lock().await;
        let mut holders = self.holders();
        let Some(desktop) = pick(pool, person, &holders) else {
            return Err(refused(
                format!("Alle pultene i {} er opptatt. Prøv igjen om litt", pool.title),
                format!("All desktops of {} are taken. Try again in a while", pool.title),
            ));
        };
        let line = self.keeper.handle.line(&desktop).await?;
        if !line.on {
            // What another person has left on it must not be seen.
            if matches!(pool.desktops, Desktops::Floating(_)) && !holders.contains_key(&desktop) {
                self.remove_disks(&desktop).await?;
            }
            self.keeper.may_start(&desktop)?;
            self.keeper.handle.start(&desktop).await?;
        }
        if matches!(pool.desktops, Desktops::Floating(_)) && !holders.contains_key(&desktop) {
            holders.insert(desktop.clone(), person.to_owned());
            self.write_holders(&holders)?;
            self.tell(News::Changed);
        }
        let ready = line.on && line.qmp.is_some();
        if ready {
            // Nobody may be parked while on the way to it.
            self.watched().entry(desktop.clone()).or_default().idle_since = now();
        }
        Ok(Opened { desktop, ready })
    }

    /// A connection to the screen of a person's desktop.
    pub async fn attach(&self, person: &str, desktop: &str) -> Result<OwnedFd, Failure> {
        let site = self.site()?;
        let pool = of_machine(&site, desktop)?;
        if !pool.admits(person) || holder(pool, desktop, &self.holders()).as_deref() != Some(person) {
            return Err(refused(
                format!("{desktop} tilhører ikke {person}"),
                format!("{desktop} does not belong to {person}"),
            ));
        }
        let path = self.keeper.paths.screen(desktop);
        let connected = timeout(CONNECT, UnixStream::connect(&path)).await;
        let socket = match connected {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return Err(no_screen(desktop, &error.to_string())),
            Err(_) => return Err(no_screen(desktop, "no answer")),
        };
        let socket = socket
            .into_std()
            .map_err(|error| no_screen(desktop, &error.to_string()))?;
        self.tell(News::Changed);
        Ok(socket.into())
    }

    /// A person has logged out: what is not kept goes, and floating desktops are free.
    pub async fn release(&self, person: &str) -> Result<(), Failure> {
        let site = self.site()?;
        let _giving = self.giving.lock().await;
        let mut holders = self.holders();
        for pool in site.desktop_pools.iter().filter(|pool| pool.forgets()) {
            for vm in pool.machines(&site.persons) {
                if holder(pool, &vm.name, &holders).as_deref() == Some(person) {
                    self.forget(&vm.name, &Text::new("logget ut", "logged out"))
                        .await?;
                    if holders.remove(&vm.name).is_some() {
                        self.write_holders(&holders)?;
                    }
                }
            }
        }
        self.tell(News::Changed);
        Ok(())
    }

    /// An operator takes it from whoever has it.
    pub async fn end(&self, desktop: &str, by: Text) -> Result<(), Failure> {
        let site = self.site()?;
        let pool = of_machine(&site, desktop)?;
        let _giving = self.giving.lock().await;
        if pool.forgets() {
            self.forget(desktop, &by).await?;
        } else if self.keeper.handle.line(desktop).await?.on {
            self.keeper.handle.end(desktop, End::Orderly, by).await?;
        }
        self.free(desktop)
    }

    /// An operator has it made anew.
    pub async fn renew(&self, desktop: &str, by: Text) -> Result<(), Failure> {
        let site = self.site()?;
        let pool = of_machine(&site, desktop)?;
        // Before anything is lost.
        gate::image(&pool.image, &self.keeper.paths)?;
        let _giving = self.giving.lock().await;
        self.forget(desktop, &by).await?;
        self.free(desktop)
    }

    fn free(&self, desktop: &str) -> Result<(), Failure> {
        let mut holders = self.holders();
        if holders.remove(desktop).is_some() {
            self.write_holders(&holders)?;
        }
        self.tell(News::Changed);
        Ok(())
    }

    /// Power off, disks gone: the next start makes them from the golden image.
    async fn forget(&self, desktop: &str, by: &Text) -> Result<(), Failure> {
        let handle = &self.keeper.handle;
        if handle.line(desktop).await?.on {
            let ended = handle.end(desktop, End::Power, by.clone()).await;
            // It may have gone off by itself meanwhile.
            if ended.is_err() && handle.line(desktop).await?.on {
                return ended;
            }
            self.keeper.until_off(desktop).await?;
        }
        self.remove_disks(desktop).await
    }

    async fn remove_disks(&self, desktop: &str) -> Result<(), Failure> {
        if self.keeper.chains(desktop)?.disks.is_empty() {
            return Ok(());
        }
        self.keeper.order(desktop, &Order::Discard).await
    }

    /// Sees who looks, and parks what nobody has looked at for long; until it is dropped.
    pub async fn keep_watch(&self) {
        loop {
            sleep(LOOK).await;
            if let Err(failure) = self.look().await {
                eprintln!("desktops cannot be watched: {failure}");
            }
        }
    }

    async fn look(&self) -> Result<(), Failure> {
        let site = self.site()?;
        if site.desktop_pools.is_empty() {
            return Ok(());
        }
        let mut seen = BTreeMap::new();
        let mut idle = Vec::new();
        for pool in &site.desktop_pools {
            for vm in pool.machines(&site.persons) {
                let line = self.keeper.handle.line(&vm.name).await?;
                let (true, Some(qmp)) = (line.on, line.qmp) else {
                    continue;
                };
                // One that does not answer is not known to be idle.
                let Ok(screen) = qmp.execute(&QueryVnc {}, DEFAULT_TIMEOUT).await else {
                    continue;
                };
                let viewers = u32::try_from(screen.clients.len()).unwrap_or(u32::MAX);
                let before = self.watched().get(&vm.name).copied().unwrap_or_default();
                let idle_since = match (viewers, before.idle_since) {
                    (0, 0) => now(),
                    (0, since) => since,
                    _ => 0,
                };
                let park = i64::try_from(pool.park).unwrap_or(i64::MAX).saturating_mul(1000);
                if idle_since > 0 && now() - idle_since >= park {
                    idle.push((pool, vm.name.clone()));
                }
                seen.insert(vm.name, Watched { viewers, idle_since });
            }
        }
        let changed = {
            let mut watched = self.watched();
            let changed = *watched != seen;
            *watched = seen;
            changed
        };
        if changed {
            self.tell(News::Changed);
        }
        for (pool, desktop) in idle {
            self.park(pool, &desktop).await;
        }
        Ok(())
    }

    /// What is kept is shut down in order; what is not goes when its person does.
    async fn park(&self, pool: &DesktopPool, desktop: &str) {
        let by = Text::new(
            format!("ingen har sett på den på {} min", pool.park / 60),
            format!("nobody has looked at it for {} min", pool.park / 60),
        );
        let detail = by.en.clone();
        match self.keeper.handle.end(desktop, End::Orderly, by).await {
            Ok(()) => self.tell(News::Event {
                verb: "desktop.park",
                desktop: desktop.to_owned(),
                detail,
            }),
            Err(failure) => eprintln!("{desktop} cannot be parked: {failure}"),
        }
    }
}

fn is_on(vm: &VmStatus) -> bool {
    matches!(
        vm.state,
        VmState::Starting | VmState::Running | VmState::Paused | VmState::Stopping
    )
}

fn no_screen(desktop: &str, why: &str) -> Failure {
    Failure::new(
        FailureKind::Failed,
        format!("Skjermen til {desktop} svarer ikke: {why}"),
        format!("The screen of {desktop} does not answer: {why}"),
    )
}

fn of_name<'a>(site: &'a Site, pool: &str) -> Result<&'a DesktopPool, Failure> {
    site.desktop_pools
        .iter()
        .find(|one| one.name == pool)
        .ok_or_else(|| {
            Failure::new(
                FailureKind::NotFound,
                format!("site.toml har ingen [[desktop_pool]] med navnet {pool}"),
                format!("site.toml has no [[desktop_pool]] of the name {pool}"),
            )
        })
}

fn of_machine<'a>(site: &'a Site, desktop: &str) -> Result<&'a DesktopPool, Failure> {
    site.desktop_pools
        .iter()
        .find(|pool| pool.machines(&site.persons).iter().any(|vm| vm.name == desktop))
        .ok_or_else(|| {
            Failure::new(
                FailureKind::NotFound,
                format!("Det finnes ingen pult {desktop}"),
                format!("There is no desktop {desktop}"),
            )
        })
}

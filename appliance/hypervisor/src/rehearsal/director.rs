//! Begins and ends rehearsals, and tells what there is of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use varde_bus::rehearsal::{RecipeInfo, Rehearsal, RehearsalState};
use varde_bus::{Failure, FailureKind};
use varde_disks::Order;
use varde_site::{REHEARSALS, Recipe, Site, Text, Vm};

use super::record::{Promotion, Record, records};
use crate::daemon::{End, now};
use crate::snapshots::{Keeper, blocks};
use crate::{admission, site};

/// What was told to end ends within this: one question to a guest is not taken back.
const ENDS: Duration = Duration::from_mins(2);

/// What the world should hear of rehearsals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Changed,
    /// Something came to an end that nobody waited for: for the record.
    Ended {
        rehearsal: String,
        verb: &'static str,
        detail: Text,
    },
}

/// Why a rehearsal does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(Text),
    Cancelled,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.text)
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Director {
    pub(super) keeper: Keeper,
    news: mpsc::UnboundedSender<News>,
    /// By name of the rehearsal what ends its work; it closes when that has ended.
    working: Arc<Mutex<BTreeMap<String, watch::Sender<bool>>>>,
    /// One at a time begins.
    beginning: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Director {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Director").finish_non_exhaustive()
    }
}

pub(super) fn refused(nb: impl Into<String>, en: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Refused, nb, en)
}

impl Director {
    pub fn new(keeper: Keeper) -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, told) = mpsc::unbounded_channel();
        let director = Self {
            keeper,
            news,
            working: Arc::default(),
            beginning: Arc::default(),
        };
        (director, told)
    }

    pub(super) fn tell(&self, news: News) {
        // Nobody listens in a service that is ending.
        let _ = self.news.send(news);
    }

    /// On disk first, then told.
    pub(super) fn save(&self, record: &Record) -> Result<(), Failure> {
        record.write(&self.keeper.paths)?;
        self.tell(News::Changed);
        Ok(())
    }

    pub(super) fn site(&self) -> Result<Site, Failure> {
        site::active(&self.keeper.paths)?
            .ok_or_else(|| refused("Ingen generasjon er i bruk ennå", "No generation is active yet"))
    }

    /// Has the daemon know the clones that there are now, and no others.
    pub(super) async fn declare(&self) -> Result<(), Failure> {
        if let Some(site) = site::with_clones(&self.keeper.paths)? {
            self.keeper.handle.site(site).await;
        }
        Ok(())
    }

    /// Has a job done for a rehearsal, which may be told to end.
    pub(super) fn work<F>(&self, record: Record, job: impl FnOnce(Self, Record, watch::Receiver<bool>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (end, ended) = watch::channel(false);
        self.lock().insert(record.rehearsal.clone(), end);
        tokio::spawn(job(self.clone(), record, ended));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, watch::Sender<bool>>> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the work of a rehearsal to end, and waits until it has.
    async fn end_work(&self, rehearsal: &str) -> Result<(), Failure> {
        let Some(end) = self.lock().remove(rehearsal) else {
            return Ok(());
        };
        end.send_replace(true);
        if timeout(ENDS, end.closed()).await.is_ok() {
            return Ok(());
        }
        self.lock().insert(rehearsal.to_owned(), end);
        Err(Failure::new(
            FailureKind::Unknown,
            format!("{rehearsal} er bedt om å slutte, men er ikke ferdig med det; prøv igjen om litt"),
            format!("{rehearsal} was told to end and has not yet; try again in a moment"),
        ))
    }

    /// Takes up what an earlier service was killed in.
    pub fn resume(&self) {
        for mut record in records(&self.keeper.paths) {
            match record.state {
                RehearsalState::Discarding => {
                    self.work(record, |director, record, _| async move {
                        if let Err(failure) = director.finish_discarding(&record).await {
                            eprintln!("{}: {failure}", record.rehearsal);
                        }
                    });
                }
                RehearsalState::Promoting | RehearsalState::Watching => self.resume_promotion(record),
                state if state.is_busy() => {
                    record.state = RehearsalState::Failed;
                    record.ended = now();
                    record.text = Text::new(
                        "Tjenesten ble startet på nytt midt i øvingen. Rydd den bort og øv igjen",
                        "The service was restarted in the middle of the rehearsal. Discard it and rehearse again",
                    );
                    if let Err(failure) = self.save(&record) {
                        eprintln!("{}: {failure}", record.rehearsal);
                    }
                }
                _ => {}
            }
        }
    }

    pub fn recipes(&self) -> Result<Vec<RecipeInfo>, Failure> {
        let site = self.site()?;
        let count = |commands: &[_]| u32::try_from(commands.len()).unwrap_or(u32::MAX);
        let info = |recipe: &Recipe| RecipeInfo {
            name: recipe.name.clone(),
            title: recipe.title.clone(),
            group: recipe.group.clone(),
            machines: site.of_group(&recipe.group).map(|vm| vm.name.clone()).collect(),
            memory: site.of_group(&recipe.group).map(|vm| vm.memory).sum(),
            steps: count(&recipe.steps),
            checks: count(&recipe.checks),
            watch: recipe.watch,
        };
        Ok(site.recipes.iter().map(info).collect())
    }

    pub async fn list(&self) -> Vec<Rehearsal> {
        let snapshots = self.keeper.list().await.unwrap_or_default();
        records(&self.keeper.paths)
            .into_iter()
            .map(|record| {
                let used = record.clones().iter().map(|clone| self.used(clone)).sum();
                let site = self.site().ok();
                let promotion = record.promotion.clone().unwrap_or_default();
                let kept = snapshots.iter().find(|one| one.id == promotion.snapshot);
                Rehearsal {
                    used,
                    all: all(&record, site.as_ref()),
                    name: record.rehearsal,
                    recipe: record.recipe.name,
                    title: record.recipe.title,
                    machines: record.machines,
                    by: record.by,
                    why: record.why,
                    begun: record.begun,
                    ended: record.ended,
                    state: record.state,
                    text: record.text,
                    outcomes: record.outcomes,
                    promoted_by: promotion.by,
                    watched_until: promotion.watched_until,
                    snapshot: kept.map(|one| one.id.clone()).unwrap_or_default(),
                    undo_until: kept.map_or(0, |one| one.expires),
                }
            })
            .collect()
    }

    /// Bytes that a clone's disks take.
    fn used(&self, clone: &str) -> u64 {
        let directory = self.keeper.paths.disks(clone);
        let chains = self.keeper.chains(clone).unwrap_or_default();
        let layers = chains.disks.values().flat_map(|chain| &chain.layers);
        layers.map(|layer| blocks(&directory.join(layer))).sum()
    }

    pub(super) fn find(&self, rehearsal: &str) -> Result<Record, Failure> {
        Record::read(&self.keeper.paths, rehearsal).ok_or_else(|| {
            Failure::new(
                FailureKind::NotFound,
                format!("Det finnes ingen øving {rehearsal}"),
                format!("There is no rehearsal {rehearsal}"),
            )
        })
    }

    /// Begins to rehearse a recipe, and gives the rehearsal's name.
    pub async fn rehearse(&self, recipe: &str, by: &str, why: &str) -> Result<String, Failure> {
        let _beginning = self.beginning.lock().await;
        let site = self.site()?;
        let recipe = declared(&site, recipe)?.clone();
        let taken = records(&self.keeper.paths);
        let Some(rehearsal) = REHEARSALS
            .into_iter()
            .find(|name| !taken.iter().any(|record| record.rehearsal == *name))
        else {
            return Err(refused(
                "To øvinger er alt i gang. Rydd bort den ene først",
                "Two rehearsals are there already. Discard one of them first",
            ));
        };
        let vms: Vec<&Vm> = site.of_group(&recipe.group).collect();
        self.has_room(rehearsal, &vms)?;
        let record = Record {
            rehearsal: rehearsal.to_owned(),
            machines: vms.iter().map(|vm| vm.name.clone()).collect(),
            recipe,
            by: by.to_owned(),
            why: why.trim().to_owned(),
            begun: now(),
            ended: 0,
            state: RehearsalState::Cloning,
            text: Text::default(),
            outcomes: Vec::new(),
            promotion: None,
        };
        self.save(&record)?;
        self.work(record, Self::run);
        Ok(rehearsal.to_owned())
    }

    /// Whether the clones' memory fits, before anything is done for them. Each start is looked at again.
    fn has_room(&self, rehearsal: &str, vms: &[&Vm]) -> Result<(), Failure> {
        let paths = &self.keeper.paths;
        let overheads = admission::OVERHEAD * (vms.len() as u64).saturating_sub(1);
        let memory = vms.iter().map(|vm| vm.memory).sum::<u64>() + overheads;
        admission::admit(
            rehearsal,
            memory,
            &admission::held(paths),
            admission::total(paths)?,
        )
        .map_err(|text| Failure {
            kind: FailureKind::Refused,
            text,
        })
    }

    /// Ends a rehearsal wherever it is, and removes all that there is of it but the snapshot of a promotion.
    pub async fn discard(&self, rehearsal: &str) -> Result<(), Failure> {
        let mut record = self.find(rehearsal)?;
        if matches!(record.state, RehearsalState::Promoting | RehearsalState::Watching) {
            return Err(refused(
                format!("{rehearsal} settes i drift nå. Ta den tilbake i stedet, eller vent"),
                format!("{rehearsal} is being promoted. Take it back instead, or wait"),
            ));
        }
        self.end_work(rehearsal).await?;
        record.state = RehearsalState::Discarding;
        self.save(&record)?;
        self.finish_discarding(&record).await
    }

    async fn finish_discarding(&self, record: &Record) -> Result<(), Failure> {
        self.remove_clones(record).await?;
        record.remove(&self.keeper.paths)?;
        self.declare().await?;
        self.tell(News::Changed);
        Ok(())
    }

    /// Powers the clones off, removes their disks, gives back what these stood on, and has it merged.
    pub(super) async fn remove_clones(&self, record: &Record) -> Result<(), Failure> {
        let handle = &self.keeper.handle;
        // A daemon that has just begun may not know them yet.
        self.declare().await?;
        for clone in record.clones() {
            // One whose machine is no longer declared is unknown, and has no power.
            if handle.line(&clone).await.is_ok_and(|line| line.on) {
                let why = Text::new("øvingen er over", "the rehearsal is over");
                let ended = handle.end(&clone, End::Power, why).await;
                // It may have gone off by itself meanwhile.
                if ended.is_err() && handle.line(&clone).await.is_ok_and(|line| line.on) {
                    return ended;
                }
                self.keeper.until_off(&clone).await?;
            }
            if !self.keeper.chains(&clone)?.disks.is_empty() {
                self.keeper.order(&clone, &Order::Discard).await?;
            }
        }
        let mut lent = Vec::new();
        for vm in &record.machines {
            for snapshot in self.keeper.chains(vm)?.snapshots {
                if snapshot.lent.contains(&record.rehearsal) {
                    let (id, to) = (snapshot.id.clone(), record.rehearsal.clone());
                    self.keeper.order(vm, &Order::Return { id, to }).await?;
                }
                // Also one that was taken and not lent any more when the service was killed.
                if snapshot.why == record.mark() && !lent.contains(&snapshot.id) {
                    lent.push(snapshot.id);
                }
            }
        }
        for id in lent {
            // Another one may be newer, or the machine's disks be worked on: then it waits for the quiet hours.
            if let Err(failure) = self.keeper.merge(&id, false).await {
                eprintln!("{id}: {failure}; it is merged in the quiet hours");
                if let Err(failure) = self.keeper.merge(&id, true).await {
                    eprintln!("{id}: {failure}; it stays until somebody merges it");
                }
            }
        }
        Ok(())
    }

    /// Begins to do to the machines what was done to their clones.
    pub async fn promote(&self, rehearsal: &str, by: &str, why: &str) -> Result<(), Failure> {
        let _beginning = self.beginning.lock().await;
        let mut record = self.find(rehearsal)?;
        self.may_promote(&record).await?;
        record.state = RehearsalState::Promoting;
        record.text = Text::default();
        record.promotion = Some(Promotion {
            by: by.to_owned(),
            why: why.trim().to_owned(),
            ..Promotion::default()
        });
        self.save(&record)?;
        self.work(record, Self::promotion);
        Ok(())
    }

    /// Takes a promotion back: one that is under way, or one that counts already.
    pub async fn take_back(&self, rehearsal: &str, by: Text) -> Result<(), Failure> {
        let mut record = self.find(rehearsal)?;
        match record.state {
            RehearsalState::Promoting | RehearsalState::Watching => self.end_work(rehearsal).await,
            RehearsalState::Promoted => {
                self.taken_back(&mut record, by).await;
                match record.state {
                    RehearsalState::TakenBack => Ok(()),
                    _ => Err(Failure {
                        kind: FailureKind::Failed,
                        text: record.text,
                    }),
                }
            }
            _ => Err(refused(
                format!("{rehearsal} er ikke satt i drift"),
                format!("{rehearsal} has not been promoted"),
            )),
        }
    }
}

/// The recipe of that name.
pub(super) fn declared<'a>(site: &'a Site, recipe: &str) -> Result<&'a Recipe, Failure> {
    site.recipes.iter().find(|one| one.name == recipe).ok_or_else(|| {
        Failure::new(
            FailureKind::NotFound,
            format!("site.toml har ingen [[recipe]] med navnet {recipe}"),
            format!("site.toml has no [[recipe]] of the name {recipe}"),
        )
    })
}

/// Steps and checks of one go through.
fn all(record: &Record, site: Option<&Site>) -> u32 {
    let of_machine = |name: &String| {
        let vm = site?.vms.iter().find(|vm| vm.name == *name)?;
        Some(vm.checks.len())
    };
    let boot: usize = record.machines.iter().filter_map(of_machine).sum();
    u32::try_from(record.recipe.steps.len() + record.recipe.checks.len() + boot).unwrap_or(u32::MAX)
}

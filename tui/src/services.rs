//! The appliance's services, over the bus: questions and actions out; answers and signals in, as events.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use varde_bus::{
    Action, Client, Failure, FailureKind, access, audit, dbrestart, host, hypervisor, site, telephony,
};
use zbus::export::futures_core::Stream;
use zbus::fdo::DBusProxy;

use crate::event::{Answer, Ask, Event, Service};
use crate::page::access::Told;
use crate::page::databases::RUNS;
use crate::page::telephony::RECORDS as CALL_RECORDS;
use crate::reload::RECORDS;
use crate::words::both;

/// A service may have to be started by the question, on a machine that is busy.
const ANSWER: Duration = Duration::from_secs(20);
const ACTION: Duration = Duration::from_mins(1);
/// Nobody waits longer for a log-out.
const LEAVING: Duration = Duration::from_secs(2);
const RECONNECT: Duration = Duration::from_secs(2);

/// Where files to be applied come from.
const MEDIA: &str = "/run/varde/media";
const FILE_LIMIT: u64 = 1 << 20;

/// Keeps a connection and hands events over. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Services {
    events: mpsc::Sender<Event>,
    client: watch::Receiver<Option<Client>>,
}

impl Services {
    /// Connects, and connects again whenever the connection is lost.
    pub fn start(events: mpsc::Sender<Event>) -> Self {
        let (sender, client) = watch::channel(None);
        let task_events = events.clone();
        tokio::spawn(async move {
            // Only the end of the console ends this, by taking the channel away.
            while connected(&task_events, &sender).await.is_some() {
                sender.send_replace(None);
                tokio::time::sleep(RECONNECT).await;
            }
        });
        Self { events, client }
    }

    pub fn ask(&self, ask: Ask) {
        let this = self.clone();
        tokio::spawn(async move {
            let answer = this.answer(ask.clone()).await;
            // Nobody listens once the console ends.
            let _ = this.events.send(Event::Answered { ask, answer }).await;
        });
    }

    pub fn perform(&self, action: Action) {
        let this = self.clone();
        tokio::spawn(async move {
            let result = match this.client() {
                Ok(client) => timeout(ACTION, client.perform(&action))
                    .await
                    .unwrap_or_else(|_| Err(late()))
                    .map(|done| done.text),
                Err(failure) => Err(failure),
            };
            let _ = this.events.send(Event::Performed { action, result }).await;
        });
    }

    /// The guest's serial port, and what it wrote last.
    pub async fn open_console(&self, vm: &str) -> Result<(std::os::fd::OwnedFd, Vec<u8>), Failure> {
        let client = self.client()?;
        let (port, before) = timeout(ANSWER, client.hypervisor.open_console(vm))
            .await
            .map_err(|_| late())??;
        Ok((port.into(), before))
    }

    /// Has it noted that the operator leaves, if that can be done at once.
    pub async fn leave(&self) {
        if let Ok(client) = self.client() {
            // It is missed the next time: more is then told than is new.
            let _ = timeout(LEAVING, client.audit.leave()).await;
        }
    }

    fn client(&self) -> Result<Client, Failure> {
        self.client.borrow().clone().ok_or_else(|| {
            Failure::new(
                FailureKind::Failed,
                "Ingen kontakt med systembussen; prøv igjen når oversikten viser kontakt",
                "No contact with the system bus; try again when the overview shows contact",
            )
        })
    }

    async fn answer(&self, ask: Ask) -> Result<Answer, Failure> {
        match ask {
            Ask::MediaFiles => blocking(|| Ok(Answer::Names(media_files()))).await,
            Ask::MediaFile(name) => blocking(move || media_file(&name).map(Answer::Text)).await,
            ask => {
                let client = self.client()?;
                timeout(ANSWER, answer(&client, ask))
                    .await
                    .unwrap_or_else(|_| Err(late()))
            }
        }
    }
}

fn late() -> Failure {
    Failure {
        kind: FailureKind::Unknown,
        text: both(|words| words.no_answer().to_owned()),
    }
}

async fn answer(client: &Client, ask: Ask) -> Result<Answer, Failure> {
    Ok(match ask {
        Ask::Vms => Answer::Vms(client.hypervisor.list().await?),
        Ask::Snapshots => {
            let snapshots = client.hypervisor.snapshots().await?;
            Answer::Snapshots(snapshots, client.hypervisor.storage().await?)
        }
        Ask::Price { snapshot, deed } => Answer::Price(client.hypervisor.price(&snapshot, deed).await?),
        Ask::Rehearsals => {
            let recipes = client.rehearsals.recipes().await?;
            Answer::Rehearsals(recipes, client.rehearsals.list().await?)
        }
        Ask::Update | Ask::UpdateMenu => Answer::Update(Box::new(client.update.status().await?)),
        Ask::Access => Answer::Access(Box::new(Told {
            portal: client.access.portal().await?,
            persons: client.access.persons().await?,
            sessions: client.access.sessions().await?,
            pools: client.desktops.pools().await?,
            desktops: client.desktops.list().await?,
            tunnel: client.tunnel.status().await?,
            peers: client.tunnel.peers().await?,
        })),
        Ask::PromotionPrice { rehearsal, .. } => {
            Answer::PromotionPrice(client.rehearsals.price(&rehearsal).await?)
        }
        Ask::Usage(vm) => Answer::Usage(client.hypervisor.usage(&vm).await?),
        Ask::Host => Answer::Host(client.host.status().await?),
        Ask::Site => Answer::Site(client.site.summary().await?),
        Ask::History => Answer::History(client.site.history().await?),
        Ask::Show(number) => Answer::Text(client.site.show(number).await?),
        Ask::Diff { from, to } => Answer::Difference {
            diff: client.site.diff(from, to).await?,
            // Only the way back to an earlier one leads on.
            risks: if to == 0 {
                Vec::new()
            } else {
                client.site.risks(to).await?
            },
        },
        Ask::Check(toml) => Answer::Findings(client.site.check(&toml).await?),
        Ask::DiffText(toml) => Answer::Difference {
            diff: client.site.diff_text(&toml).await?,
            risks: client.site.risks_of_text(&toml).await?,
        },
        Ask::Trial => Answer::Trial(client.site.trial().await?),
        Ask::Log(query) => Answer::Log(client.host.log(&query).await?),
        Ask::Records => Answer::Records(client.audit.tail(RECORDS).await?),
        Ask::Databases => Answer::Databases(client.dbrestart.list().await?),
        Ask::PlannedRuns(name) => Answer::PlannedRuns(client.dbrestart.planned(&name, RUNS).await?),
        Ask::Runs(name) => Answer::Runs(client.dbrestart.runs(&name, RUNS).await?),
        Ask::Since => Answer::Absence(client.audit.since().await?),
        Ask::Telephony => Answer::Telephony(client.telephony.status().await?),
        Ask::Lines => Answer::Lines(client.telephony.lines().await?),
        Ask::Trunks => Answer::Trunks(client.telephony.trunks().await?),
        Ask::Extensions => Answer::Extensions(client.telephony.extensions().await?),
        Ask::Calls => Answer::Calls(client.telephony.calls().await?),
        Ask::CallRecords => Answer::CallRecords(client.telephony.records(0, CALL_RECORDS).await?),
        Ask::Verify => Answer::Verdict(client.audit.verify().await?),
        Ask::MediaFiles => Answer::Names(media_files()),
        Ask::MediaFile(name) => Answer::Text(media_file(&name)?),
    })
}

async fn blocking(
    read: impl FnOnce() -> Result<Answer, Failure> + Send + 'static,
) -> Result<Answer, Failure> {
    match timeout(ANSWER, tokio::task::spawn_blocking(read)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(late()),
    }
}

/// No media disk is no file; the page says what to do then.
fn media_files() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(MEDIA)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    names.sort();
    names
}

fn media_file(name: &str) -> Result<String, Failure> {
    let path = Path::new(MEDIA).join(name);
    let read = || {
        let size = std::fs::metadata(&path)?.len();
        if size > FILE_LIMIT {
            return Err(std::io::Error::other(format!(
                "{size} bytes is too large for a site.toml"
            )));
        }
        std::fs::read_to_string(&path)
    };
    read().map_err(|error| {
        Failure::new(
            FailureKind::Failed,
            format!("Kunne ikke lese {}: {error}", path.display()),
            format!("Could not read {}: {error}", path.display()),
        )
    })
}

/// One connection, from its beginning to its end. `None`: nobody listens any more.
async fn connected(events: &mpsc::Sender<Event>, client: &watch::Sender<Option<Client>>) -> Option<()> {
    let lost = match timeout(ANSWER, subscribe(events)).await {
        Ok(Ok((connection, mut streams))) => {
            client.send_replace(Some(connection));
            events.send(Event::Connected).await.ok()?;
            // The first stream that ends says that the connection has.
            streams.join_next().await;
            streams.abort_all();
            Failure {
                kind: FailureKind::Failed,
                text: both(|words| words.bus_gone().to_owned()),
            }
        }
        Ok(Err(failure)) => failure,
        Err(_) => late(),
    };
    client.send_replace(None);
    events.send(Event::Lost(lost)).await.ok()
}

/// Connects and listens; nothing that happens after the first question can be missed.
async fn subscribe(events: &mpsc::Sender<Event>) -> Result<(Client, JoinSet<()>), Failure> {
    let client = Client::connect().await?;
    let bus = DBusProxy::new(&client.connection).await?;
    let mut streams = JoinSet::new();
    for (name, service) in [
        (hypervisor::NAME, Service::Hypervisor),
        (site::NAME, Service::Site),
        (audit::NAME, Service::Audit),
        (host::NAME, Service::Host),
        (dbrestart::NAME, Service::DbRestart),
        (telephony::NAME, Service::Telephony),
        (access::NAME, Service::Access),
    ] {
        let changes = bus
            .receive_name_owner_changed_with_args(&[(0, name)])
            .await
            .map_err(Failure::from)?;
        streams.spawn(forward(changes, events.clone(), move |change| {
            let up = change.args().ok()?.new_owner().is_some();
            Some(Event::Service { service, up })
        }));
    }
    streams.spawn(forward(
        client.hypervisor.receive_changed().await?,
        events.clone(),
        |signal| Some(Event::VmChanged(signal.args().ok()?.vm)),
    ));
    streams.spawn(forward(
        client.hypervisor.receive_removed().await?,
        events.clone(),
        |signal| Some(Event::VmRemoved(signal.args().ok()?.name)),
    ));
    streams.spawn(forward(
        client.hypervisor.receive_snapshots_changed().await?,
        events.clone(),
        |_| Some(Event::SnapshotsChanged),
    ));
    streams.spawn(forward(
        client.rehearsals.receive_changed().await?,
        events.clone(),
        |_| Some(Event::RehearsalsChanged),
    ));
    streams.spawn(forward(
        client.access.receive_changed().await?,
        events.clone(),
        |signal| Some(Event::AccessChanged(signal.args().ok()?.what.to_owned())),
    ));
    streams.spawn(forward(
        client.update.receive_changed().await?,
        events.clone(),
        |_| Some(Event::UpdateChanged),
    ));
    streams.spawn(forward(
        client.tunnel.receive_changed().await?,
        events.clone(),
        |_| Some(Event::AccessChanged("portal".to_owned())),
    ));
    streams.spawn(forward(
        client.desktops.receive_changed().await?,
        events.clone(),
        |_| Some(Event::AccessChanged("desktops".to_owned())),
    ));
    streams.spawn(forward(
        client.dbrestart.receive_changed().await?,
        events.clone(),
        |signal| Some(Event::DatabaseChanged(signal.args().ok()?.database)),
    ));
    streams.spawn(forward(
        client.dbrestart.receive_removed().await?,
        events.clone(),
        |signal| Some(Event::DatabaseRemoved(signal.args().ok()?.name)),
    ));
    streams.spawn(forward(
        client.telephony.receive_changed().await?,
        events.clone(),
        |signal| Some(Event::TelephonyChanged(signal.args().ok()?.what)),
    ));
    streams.spawn(forward(
        client.site.receive_activated().await?,
        events.clone(),
        |signal| Some(Event::Activated(signal.args().ok()?.generation)),
    ));
    streams.spawn(forward(
        client.audit.receive_appended().await?,
        events.clone(),
        |signal| Some(Event::Recorded(signal.args().ok()?.record)),
    ));
    Ok((client, streams))
}

/// Turns what a stream brings into events, until it ends.
async fn forward<S: Stream + Unpin>(
    mut stream: S,
    events: mpsc::Sender<Event>,
    event: impl Fn(S::Item) -> Option<Event>,
) {
    while let Some(item) = std::future::poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        // A signal that cannot be read says nothing; the next question does.
        if let Some(event) = event(item)
            && events.send(event).await.is_err()
        {
            return;
        }
    }
}

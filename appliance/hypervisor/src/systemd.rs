//! systemd as the keeper of the machines' units, over the bus.

mod views;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use varde_bus::{Failure, FailureKind};
use varde_site::Text;
use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

use self::views::{Views, merge};
use crate::identity;
use crate::unit::{Answer, UnitNews, UnitView, Units};

const SERVICE: &str = "org.freedesktop.systemd1";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const UNIT_SERVICE: &str = "org.freedesktop.systemd1.Service";
const UNIT_PATH: &str = "/org/freedesktop/systemd1/unit";

/// How often a unit that changes while it is read is read again.
const LOOKS: usize = 5;

/// How systemd begins the object path of a machine's unit.
const OUR_UNITS: &str = "/org/freedesktop/systemd1/unit/varde_2dvm_40";

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
pub trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn kill_unit(&self, name: &str, whom: &str, signal: i32) -> zbus::Result<()>;
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn set_unit_properties(
        &self,
        name: &str,
        runtime: bool,
        properties: &[(&str, Variant<'_>)],
    ) -> zbus::Result<()>;
    #[allow(clippy::type_complexity, reason = "the shape is systemd's")]
    fn list_units_by_patterns(
        &self,
        states: &[&str],
        patterns: &[&str],
    ) -> zbus::Result<
        Vec<(
            String,
            String,
            String,
            String,
            String,
            String,
            OwnedObjectPath,
            u32,
            String,
            OwnedObjectPath,
        )>,
    >;
}

/// The service manager of this host.
#[derive(Clone, Debug)]
pub struct Systemd {
    connection: Connection,
    manager: ManagerProxy<'static>,
    views: Arc<Mutex<Views>>,
}

impl Systemd {
    /// Subscribes first, so that nothing happens unseen between a look and the news.
    pub async fn new(connection: &Connection) -> Result<(Self, mpsc::UnboundedReceiver<UnitNews>), Failure> {
        let manager = ManagerProxy::builder(connection)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await?;
        manager.subscribe().await?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(SERVICE)
            .interface("org.freedesktop.DBus.Properties")
            .member("PropertiesChanged")
            .path_namespace(UNIT_PATH)
            .build()?;
        let stream = MessageStream::for_match_rule(rule, connection, NonZeroUsize::new(1024)).await?;
        let jobs = MessageStream::for_match_rule(job_removed()?, connection, NonZeroUsize::new(1024)).await?;
        let (sender, news) = mpsc::unbounded_channel();
        let systemd = Self {
            connection: connection.clone(),
            manager,
            views: Arc::default(),
        };
        tokio::spawn(watch_jobs(jobs, Arc::clone(&systemd.views), sender.clone()));
        tokio::spawn(watch(stream, Arc::clone(&systemd.views), sender));
        Ok((systemd, news))
    }

    /// Reads a unit anew. Its two interfaces are two questions, and the unit can change between them; what a signal
    /// said meanwhile is newer than the answers, so they are asked again.
    async fn look(&self, vm: &str, path: &OwnedObjectPath) -> Result<UnitView, Failure> {
        let properties = zbus::fdo::PropertiesProxy::builder(&self.connection)
            .destination(SERVICE)
            .path(path)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await?;
        for _ in 0..LOOKS {
            let before = lock(&self.views).view(vm).number;
            let mut view = UnitView::default();
            for interface in [UNIT, UNIT_SERVICE] {
                let name = interface.try_into()?;
                let all = properties.get_all(name).await.map_err(zbus::Error::from)?;
                merge(&mut view, &all);
            }
            let mut views = lock(&self.views);
            if views.view(vm).number == before {
                return Ok(views.put(vm, view));
            }
        }
        // It changes faster than it can be asked; the signals tell all of it.
        Ok(lock(&self.views).view(vm))
    }
}

fn lock(views: &Mutex<Views>) -> MutexGuard<'_, Views> {
    views.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Units for Systemd {
    fn all(&self) -> Answer<'_, Vec<UnitNews>> {
        Box::pin(async {
            let units = self
                .manager
                .list_units_by_patterns(&[], &["varde-vm@*.service"])
                .await?;
            let mut all = Vec::new();
            for unit in units {
                if let Some(vm) = identity::vm_of_unit(&unit.0) {
                    let view = self.look(vm, &unit.6).await?;
                    all.push(UnitNews {
                        vm: vm.to_owned(),
                        view,
                        not_started: None,
                    });
                }
            }
            Ok(all)
        })
    }

    fn view<'a>(&'a self, vm: &'a str) -> Answer<'a, UnitView> {
        Box::pin(async move {
            let path = self.manager.load_unit(&identity::unit(vm)).await?;
            self.look(vm, &path).await
        })
    }

    fn start<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.manager.start_unit(&identity::unit(vm), "replace").await?;
            Ok(())
        })
    }

    fn stop<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.manager.stop_unit(&identity::unit(vm), "replace").await?;
            Ok(())
        })
    }

    fn kill<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let kill = rustix::process::Signal::KILL.as_raw();
            self.manager.kill_unit(&identity::unit(vm), "all", kill).await?;
            Ok(())
        })
    }

    fn work<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            // Listened to before the start, so that no end falls between.
            let mut ends =
                MessageStream::for_match_rule(job_removed()?, &self.connection, NonZeroUsize::new(1024))
                    .await?;
            let unit = identity::disk_unit(vm);
            let job = self.manager.start_unit(&unit, "replace").await?;
            while let Some(message) = next(&mut ends).await {
                let body = message?.body();
                let Ok((_, path, _, result)) = body.deserialize::<(u32, ObjectPath<'_>, &str, &str)>() else {
                    continue;
                };
                if path.as_str() != job.as_str() {
                    continue;
                }
                if result == "done" {
                    return Ok(());
                }
                return Err(Failure::new(
                    FailureKind::Failed,
                    format!("Enheten {unit} mislyktes ({result}); loggen dens sier hvorfor"),
                    format!("The unit {unit} failed ({result}); its log says why"),
                ));
            }
            Err(Failure::new(
                FailureKind::Unknown,
                "Forbindelsen til systemd tok slutt",
                "The connection to systemd ended",
            ))
        })
    }

    fn drop_work<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.manager
                .stop_unit(&identity::disk_unit(vm), "replace")
                .await?;
            Ok(())
        })
    }
}

fn job_removed() -> zbus::Result<MatchRule<'static>> {
    MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(SERVICE)
        .interface("org.freedesktop.systemd1.Manager")
        .member("JobRemoved")
        .build()
}

async fn watch(mut stream: MessageStream, views: Arc<Mutex<Views>>, news: mpsc::UnboundedSender<UnitNews>) {
    while let Some(message) = next(&mut stream).await {
        let Ok(message) = message else { continue };
        let header = message.header();
        let Some(vm) = header.path().and_then(|path| vm_of_path(path.as_str())) else {
            continue;
        };
        let body = message.body();
        let Ok((interface, changed, _)) =
            body.deserialize::<(String, HashMap<String, OwnedVariant>, Vec<String>)>()
        else {
            continue;
        };
        if interface != UNIT && interface != UNIT_SERVICE {
            continue;
        }
        let view = lock(&views).change(&vm, &changed);
        let news = news.send(UnitNews {
            vm,
            view,
            not_started: None,
        });
        if news.is_err() {
            return;
        }
    }
}

/// A job can end without the unit ever changing, as when what it requires does not start.
async fn watch_jobs(
    mut stream: MessageStream,
    views: Arc<Mutex<Views>>,
    news: mpsc::UnboundedSender<UnitNews>,
) {
    while let Some(message) = next(&mut stream).await {
        let Ok(message) = message else { continue };
        let body = message.body();
        let Ok((_, _, unit, result)) = body.deserialize::<(u32, ObjectPath<'_>, &str, &str)>() else {
            continue;
        };
        let Some(vm) = identity::vm_of_unit(unit) else {
            continue;
        };
        if result == "done" {
            continue;
        }
        let view = lock(&views).view(vm);
        let news = news.send(UnitNews {
            vm: vm.to_owned(),
            view,
            not_started: Some(Text::new(
                format!("systemd startet ikke enheten: {result}"),
                format!("systemd did not start the unit: {result}"),
            )),
        });
        if news.is_err() {
            return;
        }
    }
}

async fn next(stream: &mut MessageStream) -> Option<zbus::Result<zbus::Message>> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// The machine whose unit lies at this path: systemd writes what is no letter or digit as `_xx`.
fn vm_of_path(path: &str) -> Option<String> {
    let mut escaped = path.strip_prefix(OUR_UNITS)?.bytes();
    let mut name = Vec::new();
    while let Some(byte) = escaped.next() {
        if byte == b'_' {
            let hex = [escaped.next()?, escaped.next()?];
            name.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
        } else {
            name.push(byte);
        }
    }
    let name = String::from_utf8(name).ok()?;
    name.strip_suffix(".service").map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_of_units_give_their_machines() {
        let path = |rest: &str| format!("{UNIT_PATH}/{rest}");
        assert_eq!(
            vm_of_path(&path("varde_2dvm_40journal_2ddb_2eservice")).as_deref(),
            Some("journal-db")
        );
        assert_eq!(vm_of_path(&path("varde_2dhypervisord_2eservice")), None);
        assert_eq!(vm_of_path(&path("varde_2dvm_40x_2")), None);
    }

    const PATH: &str = "/org/freedesktop/systemd1/unit/varde_2dvm_40liten_2eservice";

    type Properties = HashMap<&'static str, Variant<'static>>;

    fn active() -> [Properties; 2] {
        [
            HashMap::from([("ActiveState", "active".into())]),
            HashMap::from([("MainPID", 7u32.into()), ("Result", "success".into())]),
        ]
    }

    fn killed() -> [Properties; 2] {
        [
            HashMap::from([("ActiveState", "deactivating".into())]),
            HashMap::from([("MainPID", 0u32.into()), ("Result", "signal".into())]),
        ]
    }

    /// A service manager whose unit is killed when it has been read by half: it answers the second half of the first
    /// look when `told` says that the news have come through.
    async fn manager_of_a_killed_unit(bus: Connection, told: tokio::sync::oneshot::Receiver<()>) {
        let mut told = Some(told);
        let mut unit = active();
        let mut calls = MessageStream::from(&bus);
        bus.request_name(SERVICE).await.expect("the name of systemd");
        while let Some(Ok(call)) = next(&mut calls).await {
            let header = call.header();
            if call.message_type() != Type::MethodCall {
                continue;
            }
            let member = header.member().map(ToString::to_string).unwrap_or_default();
            match member.as_str() {
                "LoadUnit" => {
                    let path = ObjectPath::try_from(PATH).expect("a path");
                    bus.reply(&header, &path).await
                }
                "GetAll" => {
                    let interface: String = call.body().deserialize().expect("an interface");
                    let half = usize::from(interface == UNIT_SERVICE);
                    let answer = std::mem::take(&mut unit[half]);
                    if half == 1
                        && let Some(told) = told.take()
                    {
                        for (interface, changed) in [UNIT, UNIT_SERVICE].into_iter().zip(killed()) {
                            let body = (interface, changed, Vec::<&str>::new());
                            bus.emit_signal(
                                None::<&str>,
                                PATH,
                                "org.freedesktop.DBus.Properties",
                                "PropertiesChanged",
                                &body,
                            )
                            .await
                            .expect("a signal");
                        }
                        told.await.expect("the test goes on");
                        unit = killed();
                    }
                    bus.reply(&header, &answer).await
                }
                _ => bus.reply(&header, &()).await,
            }
            .expect("an answer");
        }
    }

    #[tokio::test]
    async fn news_that_come_while_a_unit_is_read_are_not_lost_by_it() {
        let bus = varde_bus::testing::PrivateBus::start();
        let (tell, told) = tokio::sync::oneshot::channel();
        let manager = bus.connect().await;
        tokio::spawn(manager_of_a_killed_unit(manager, told));
        let client = bus.connect().await;
        while client
            .call_method(
                Some("org.freedesktop.DBus"),
                "/",
                None::<&str>,
                "GetNameOwner",
                &SERVICE,
            )
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
        let (systemd, mut news) = Systemd::new(&client).await.expect("it subscribes");
        let looking = tokio::spawn({
            let systemd = systemd.clone();
            async move { systemd.view("liten").await }
        });
        let first = news.recv().await.expect("news of the state").view;
        let second = news.recv().await.expect("news of the result").view;
        assert_eq!(first.activity, crate::unit::Activity::Deactivating);
        assert_eq!(second.result, "signal");
        assert!(first.number < second.number);
        tell.send(()).expect("it waits");

        let view = looking.await.expect("it ends").expect("it is read");
        assert_eq!(view.activity, crate::unit::Activity::Deactivating);
        assert_eq!(view.result, "signal");
        assert!(view.number > second.number);
    }

    proptest! {
        #[test]
        fn any_path_is_taken(rest in "[a-z_0-9é]{0,20}") {
            vm_of_path(&format!("{OUR_UNITS}{rest}"));
        }
    }
}

//! systemd as the keeper of the machines' units, over the bus.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use varde_bus::{Failure, FailureKind};
use varde_site::Text;
use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::{
    Connection, MatchRule, MessageStream, ObjectPath, OwnedObjectPath, OwnedVariant, Structure, Variant,
};

use crate::identity;
use crate::unit::{Activity, Answer, Exit, UnitNews, UnitView, Units};

const SERVICE: &str = "org.freedesktop.systemd1";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const UNIT_SERVICE: &str = "org.freedesktop.systemd1.Service";
const UNIT_PATH: &str = "/org/freedesktop/systemd1/unit";

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
    views: Arc<Mutex<HashMap<String, UnitView>>>,
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

    async fn look(&self, vm: &str, path: &OwnedObjectPath) -> Result<UnitView, Failure> {
        let properties = zbus::fdo::PropertiesProxy::builder(&self.connection)
            .destination(SERVICE)
            .path(path)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await?;
        let mut view = UnitView::default();
        for interface in [UNIT, UNIT_SERVICE] {
            let name = interface.try_into()?;
            let all = properties.get_all(name).await.map_err(zbus::Error::from)?;
            merge(&mut view, &all);
        }
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        views.insert(vm.to_owned(), view.clone());
        Ok(view)
    }
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

async fn watch(
    mut stream: MessageStream,
    views: Arc<Mutex<HashMap<String, UnitView>>>,
    news: mpsc::UnboundedSender<UnitNews>,
) {
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
        let view = {
            let mut views = views.lock().unwrap_or_else(PoisonError::into_inner);
            let view = views.entry(vm.clone()).or_default();
            merge(view, &changed);
            view.clone()
        };
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
    views: Arc<Mutex<HashMap<String, UnitView>>>,
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
        let view = {
            let views = views.lock().unwrap_or_else(PoisonError::into_inner);
            views.get(vm).cloned().unwrap_or_default()
        };
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

/// Puts what systemd tells into what is known.
fn merge(view: &mut UnitView, properties: &HashMap<String, OwnedVariant>) {
    fn get<T: TryFrom<Variant<'static>>>(
        properties: &HashMap<String, OwnedVariant>,
        name: &str,
    ) -> Option<T> {
        T::try_from(properties.get(name)?.try_clone().ok()?.into()).ok()
    }
    if let Some(name) = get::<String>(properties, "ActiveState") {
        view.activity = Activity::from_name(&name);
        // Off with a job that waits its turn: it is about to start.
        let job = get::<Structure<'static>>(properties, "Job")
            .and_then(|job| <(u32, OwnedObjectPath)>::try_from(job).ok());
        if view.activity.is_off() && job.is_some_and(|(number, _)| number != 0) {
            view.activity = Activity::Activating;
        }
    }
    if let Some(bytes) = get::<Vec<u8>>(properties, "InvocationID")
        && !bytes.is_empty()
    {
        view.invocation = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    }
    if let Some(pid) = get(properties, "MainPID") {
        view.pid = pid;
    }
    if let Some(result) = get(properties, "Result") {
        view.result = result;
    }
    if let Some(status) = get::<i32>(properties, "ExecMainStatus")
        && let Some(code) = get::<i32>(properties, "ExecMainCode")
    {
        // CLD_EXITED, CLD_KILLED, CLD_DUMPED of sigaction(2); 0 while it runs.
        view.exit = match code {
            1 => Some(Exit::Code(status)),
            2 | 3 => Some(Exit::Signal(status)),
            _ => None,
        };
    }
    for (name, time) in [
        ("ActiveEnterTimestamp", &mut view.up_since),
        ("InactiveEnterTimestamp", &mut view.down_since),
    ] {
        if let Some(microseconds) = get::<u64>(properties, name) {
            *time = i64::try_from(microseconds / 1000).unwrap_or(0);
        }
    }
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

    proptest! {
        #[test]
        fn any_path_is_taken(rest in "[a-z_0-9é]{0,20}") {
            vm_of_path(&format!("{OUR_UNITS}{rest}"));
        }
    }
}

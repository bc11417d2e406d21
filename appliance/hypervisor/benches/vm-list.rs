//! A thousand machines on a thousand fake QMP sockets: the list from cache, the list verified, a crash seen.
//!
//! The daemon's heart runs alone on one thread, as on the appliance; the fake QEMUs have another. The lists are
//! measured where the bus would take them over, put into their form on the bus. One JSON object comes out.

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Place, daemon, report, site, vm};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use varde_bus::hypervisor::{VmState, VmStatus};
use varde_hypervisor::daemon::{Publication, now};
use varde_hypervisor::paths::Paths;
use varde_hypervisor::unit::{Activity, Answer, Exit, UnitNews, UnitView, Units};

const MACHINES: usize = 1000;
const ROUNDS: usize = 21;

/// Units that are all up; one after another is taken down.
#[derive(Clone, Default)]
struct Up {
    views: Arc<Mutex<BTreeMap<String, UnitView>>>,
}

impl Units for Up {
    fn all(&self) -> Answer<'_, Vec<UnitNews>> {
        let views = self.views.lock().expect("views").clone();
        let news = |(vm, view)| UnitNews {
            vm,
            view,
            not_started: None,
        };
        Box::pin(async move { Ok(views.into_iter().map(news).collect()) })
    }

    fn view<'a>(&'a self, vm: &'a str) -> Answer<'a, UnitView> {
        let view = self
            .views
            .lock()
            .expect("views")
            .get(vm)
            .cloned()
            .unwrap_or_default();
        Box::pin(async move { Ok(view) })
    }

    fn start<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn stop<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn kill<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn work<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn drop_work<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// Answers `query-status` until it is told to die.
async fn fake_qemu(listener: UnixListener, die: oneshot::Receiver<()>) {
    let serve = async {
        let (stream, _) = listener.accept().await.expect("a client");
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::with_capacity(256, reader).lines();
        writer
            .write_all(b"{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n")
            .await
            .expect("written");
        while let Ok(Some(line)) = lines.next_line().await {
            let request: serde_json::Value = serde_json::from_str(&line).expect("a request");
            let value = match request["execute"].as_str() {
                Some("query-status") => serde_json::json!({"running": true, "status": "running"}),
                _ => serde_json::json!({}),
            };
            let answer = serde_json::json!({"return": value, "id": request["id"]});
            if writer
                .write_all(format!("{answer}\r\n").as_bytes())
                .await
                .is_err()
            {
                break;
            }
        }
    };
    tokio::select! {
        () = serve => {}
        // Told to, or the bench is over: either way it goes.
        _ = die => {}
    }
}

fn fake_qemus(paths: &Paths, names: &[String]) -> BTreeMap<String, oneshot::Sender<()>> {
    let mut kills = BTreeMap::new();
    let mut listeners = Vec::new();
    for name in names {
        std::fs::create_dir_all(paths.run(name)).expect("a directory");
        let listener = std::os::unix::net::UnixListener::bind(paths.qmp(name)).expect("a socket");
        listener.set_nonblocking(true).expect("set");
        let (kill, die) = oneshot::channel();
        kills.insert(name.clone(), kill);
        listeners.push((listener, die));
    }
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a loop");
        runtime.block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for (listener, die) in listeners {
                all.spawn(fake_qemu(
                    UnixListener::from_std(listener).expect("a listener"),
                    die,
                ));
            }
            all.join_all().await;
        });
    });
    kills
}

/// As it would go out on the bus.
fn on_the_bus(list: &[VmStatus]) -> usize {
    let context = zbus::wire::serialized::Context::new(zbus::wire::LE, 0);
    zbus::wire::to_bytes(context, list).expect("encoded").len()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)
        .expect("as many sockets as it takes");

    let place = Place::without_qemu();
    let names: Vec<String> = (0..MACHINES).map(|number| format!("vm{number:04}")).collect();
    let site = site(names.iter().map(|name| vm(name)).collect());
    let units = Up::default();
    for name in &names {
        let view = UnitView {
            activity: Activity::Active,
            invocation: "run1".to_owned(),
            pid: 1,
            result: "success".to_owned(),
            exit: None,
            up_since: now(),
            down_since: 0,
            ..UnitView::default()
        };
        units.views.lock().expect("views").insert(name.clone(), view);
    }
    let mut kills = fake_qemus(&place.paths, &names);
    let (_silent, news) = mpsc::unbounded_channel();
    let begun = Instant::now();
    let (handle, mut published) = daemon(&place.paths, site, units.clone(), news).await;
    handle.settled(Duration::from_mins(2)).await;
    let found = begun.elapsed();

    let (mut cached, mut verified, mut crashes) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let list = handle.list().await.expect("a list");
        bytes = on_the_bus(&list);
        cached.push(begun.elapsed());
        assert_eq!(
            list.iter()
                .filter(|status| status.state == VmState::Running)
                .count(),
            MACHINES
        );

        let begun = Instant::now();
        on_the_bus(&handle.verify().await.expect("a list"));
        verified.push(begun.elapsed());
    }
    while published.try_recv().is_ok() {}
    for name in names.iter().step_by(MACHINES / ROUNDS).take(ROUNDS) {
        {
            let mut views = units.views.lock().expect("views");
            let view = views.get_mut(name).expect("a unit");
            view.activity = Activity::Failed;
            "signal".clone_into(&mut view.result);
            view.exit = Some(Exit::Signal(9));
            view.pid = 0;
        }
        let kill = kills.remove(name).expect("one kill each");
        let begun = Instant::now();
        kill.send(()).expect("alive until now");
        loop {
            match published.recv().await.expect("the heart beats") {
                Publication::Changed(status) if status.name == *name && status.state == VmState::Crashed => {
                    break;
                }
                _ => {}
            }
        }
        crashes.push(begun.elapsed());
    }
    let figures = serde_json::json!({
        "machines": MACHINES,
        "rounds": ROUNDS,
        "found_again_ms": found.as_secs_f64() * 1000.0,
        "cached_ms": median(cached),
        "verified_ms": median(verified),
        "crash_seen_ms": median(crashes),
        "bytes_on_the_bus": bytes,
    });
    report(&figures);
}

//! The heart with a service manager in memory and QEMUs that are sockets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use varde_bus::hypervisor::{VmState, VmStatus};
use varde_bus::{Failure, FailureKind};
use varde_site::{Check, CheckKind, Site, Text, Vm};

use super::{End, Handle, Publication, spawn};
use crate::notes::{Ended, Note, Started};
use crate::paths::Paths;
use crate::test::{self, Place, vm};
use crate::unit::{Activity, Answer, Exit, UnitNews, UnitView, Units};

/// A service manager in memory: what is started is active at once, and a socket answers as QEMU.
#[derive(Clone)]
struct Memory {
    paths: Paths,
    views: Arc<Mutex<BTreeMap<String, UnitView>>>,
    news: mpsc::UnboundedSender<UnitNews>,
    qemus: Arc<Mutex<BTreeMap<String, tokio::task::JoinHandle<()>>>>,
    started: Arc<Mutex<Vec<String>>>,
}

impl Memory {
    fn change(&self, vm: &str, change: impl FnOnce(&mut UnitView)) {
        let view = {
            let mut views = self.views.lock().expect("views");
            let view = views.entry(vm.to_owned()).or_default();
            change(view);
            view.clone()
        };
        let news = UnitNews {
            vm: vm.to_owned(),
            view,
            not_started: None,
        };
        // A daemon that is not there hears nothing, as on the appliance.
        let _ = self.news.send(news);
    }

    fn up(&self, vm: &str) {
        let run = {
            let mut started = self.started.lock().expect("started");
            started.push(vm.to_owned());
            format!("run{}", started.len())
        };
        std::fs::create_dir_all(self.paths.run(vm)).expect("a directory");
        let socket = self.paths.qmp(vm);
        // Gone already at the first start.
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).expect("socket");
        let qemu = tokio::spawn(qemu(listener, vm == RESTLESS));
        self.qemus.lock().expect("qemus").insert(vm.to_owned(), qemu);
        self.change(vm, |view| {
            *view = UnitView {
                activity: Activity::Active,
                invocation: run,
                pid: 4711,
                result: "success".into(),
                exit: None,
                up_since: super::now(),
                down_since: 0,
                ..UnitView::default()
            }
        });
    }

    /// QEMU has gone, whoever did it.
    fn down(&self, vm: &str, result: &str, exit: Option<Exit>) {
        if let Some(qemu) = self.qemus.lock().expect("qemus").remove(vm) {
            qemu.abort();
        }
        self.change(vm, |view| {
            view.activity = if result == "success" {
                Activity::Inactive
            } else {
                Activity::Failed
            };
            view.pid = 0;
            view.result = result.to_owned();
            view.exit = exit;
        });
    }
}

impl Units for Memory {
    fn all(&self) -> Answer<'_, Vec<UnitNews>> {
        let views = self.views.lock().expect("views").clone();
        Box::pin(async move {
            Ok(views
                .into_iter()
                .map(|(vm, view)| UnitNews {
                    vm,
                    view,
                    not_started: None,
                })
                .collect())
        })
    }

    fn view<'a>(&'a self, vm: &'a str) -> Answer<'a, UnitView> {
        Box::pin(async move {
            Ok(self
                .views
                .lock()
                .expect("views")
                .get(vm)
                .cloned()
                .unwrap_or_default())
        })
    }

    fn start<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.up(vm);
            Ok(())
        })
    }

    fn stop<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.down(vm, "success", Some(Exit::Code(0)));
            Ok(())
        })
    }

    fn kill<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.down(vm, "signal", Some(Exit::Signal(9)));
            Ok(())
        })
    }

    fn work<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn drop_work<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// A machine whose guest restarts whenever it may go on.
const RESTLESS: &str = "restless";

/// Answers the few commands that a quiet life takes.
async fn qemu(listener: UnixListener, restless: bool) {
    let mut running = true;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        writer.write_all(b"{\"QMP\": {}}\n").await.expect("written");
        while let Ok(Some(line)) = lines.next_line().await {
            let request: Value = serde_json::from_str(&line).expect("a request");
            let mut event = "";
            let value = match request["execute"].as_str() {
                Some("query-status") => {
                    let status = if running { "running" } else { "paused" };
                    json!({"running": running, "status": status})
                }
                Some("stop") => {
                    running = false;
                    event = "{\"event\": \"STOP\"}\n";
                    json!({})
                }
                Some("cont") => {
                    running = true;
                    event = "{\"event\": \"RESUME\"}\n";
                    if restless {
                        event =
                            "{\"event\": \"RESUME\"}\n{\"event\": \"RESET\", \"data\": {\"guest\": true}}\n";
                    }
                    json!({})
                }
                _ => json!({}),
            };
            let answer = json!({"return": value, "id": request["id"]});
            if writer
                .write_all(format!("{event}{answer}\n").as_bytes())
                .await
                .is_err()
            {
                break;
            }
        }
    }
}

struct World {
    place: Place,
    units: Memory,
    handle: Handle,
    published: mpsc::UnboundedReceiver<Publication>,
}

impl World {
    async fn new(vms: &[Vm]) -> Self {
        let place = Place::new();
        let (news, unit_news) = mpsc::unbounded_channel();
        let units = Memory {
            paths: place.paths.clone(),
            views: Arc::default(),
            news,
            qemus: Arc::default(),
            started: Arc::default(),
        };
        let (handle, published) = spawn(place.paths.clone(), Arc::new(units.clone()), unit_news);
        handle.site(test::site(vms)).await;
        Self {
            place,
            units,
            handle,
            published,
        }
    }

    /// The daemon dies, and another comes; units and QEMUs know nothing of it.
    async fn with_another_daemon(mut self, site: Site) -> Self {
        let (news, unit_news) = mpsc::unbounded_channel();
        self.units.news = news;
        let (handle, published) = spawn(self.place.paths.clone(), Arc::new(self.units.clone()), unit_news);
        // The old one's handle goes here, and it with its lines to QEMU: each QEMU takes one client.
        self.handle = handle;
        self.published = published;
        self.handle.site(site).await;
        self.handle.settled(Duration::from_mins(1)).await;
        self
    }

    async fn get(&self, vm: &str) -> VmStatus {
        self.handle.get(vm).await.expect("known")
    }

    /// Waits until the machine is published in this state.
    async fn until(&mut self, vm: &str, state: VmState) -> VmStatus {
        loop {
            match self.published.recv().await.expect("the heart beats") {
                Publication::Changed(status) if status.name == vm && status.state == state => return status,
                _ => {}
            }
        }
    }
}

fn after(name: &str, others: &[&str]) -> Vm {
    let mut vm = vm(name);
    vm.after = others.iter().map(ToString::to_string).collect();
    vm
}

#[tokio::test]
async fn a_machine_goes_through_its_life() {
    let mut world = World::new(&[vm("db")]).await;
    assert_eq!(world.get("db").await.state, VmState::Declared);
    world.handle.start("db").await.expect("started");
    let status = world.until("db", VmState::Running).await;
    assert_eq!(status.pid, 4711);
    world.handle.pause("db").await.expect("paused");
    world.until("db", VmState::Paused).await;
    world.handle.resume("db").await.expect("resumed");
    world.until("db", VmState::Running).await;
    world
        .handle
        .end("db", End::Orderly, Text::same("by kari"))
        .await
        .expect("ended");
    let status = world.until("db", VmState::Stopped).await;
    assert_eq!(status.reason.en, "by kari");
}

#[tokio::test]
async fn a_qemu_that_is_killed_is_a_crash_with_its_reason_and_an_incident() {
    let mut world = World::new(&[vm("db")]).await;
    world.handle.start("db").await.expect("started");
    world.until("db", VmState::Running).await;
    world.units.down("db", "signal", Some(Exit::Signal(9)));
    let status = world.until("db", VmState::Crashed).await;
    assert!(status.reason.en.contains("SIGKILL"), "{}", status.reason);
    // Told before or after the change, but told.
    let mut world = world.with_another_daemon(test::site(&[vm("db")])).await;
    assert_eq!(world.get("db").await.state, VmState::Crashed);
    world
        .handle
        .start("db")
        .await
        .expect("a crashed machine can be started");
    world.until("db", VmState::Running).await;
}

#[tokio::test]
async fn a_guest_that_restarts_by_itself_having_been_up_is_an_incident() {
    let mut world = World::new(&[vm(RESTLESS)]).await;
    world.handle.start(RESTLESS).await.expect("started");
    world.until(RESTLESS, VmState::Running).await;
    world.handle.pause(RESTLESS).await.expect("paused");
    world.until(RESTLESS, VmState::Paused).await;
    world.handle.resume(RESTLESS).await.expect("resumed");
    loop {
        if let Publication::Incident { verb, vm, .. } = world.published.recv().await.expect("the heart beats")
        {
            assert_eq!((verb, vm.as_str()), ("vm.restarted", RESTLESS));
            return;
        }
    }
}

#[tokio::test]
async fn a_look_that_the_news_overtook_does_not_undo_them() {
    let mut world = World::new(&[vm("db"), vm("web")]).await;
    world.handle.start("db").await.expect("started");
    world.until("db", VmState::Running).await;
    let stale = world.units.views.lock().expect("views")["db"].clone();
    world.units.change("db", |view| {
        view.number = 2;
        view.activity = Activity::Failed;
        view.result = "signal".to_owned();
        view.exit = Some(Exit::Signal(9));
    });
    world
        .units
        .change("db", |view| *view = UnitView { number: 1, ..stale });
    // News come in order: when the other machine is up, both have been heard.
    world.handle.start("web").await.expect("started");
    world.until("web", VmState::Running).await;
    let status = world.get("db").await;
    assert_eq!(status.state, VmState::Crashed);
    assert!(status.reason.en.contains("SIGKILL"), "{}", status.reason);
}

#[tokio::test]
async fn power_that_was_cut_on_purpose_is_no_crash_even_to_the_next_daemon() {
    let mut world = World::new(&[vm("db")]).await;
    world.handle.start("db").await.expect("started");
    world.until("db", VmState::Running).await;
    world
        .handle
        .end("db", End::Power, Text::same("hung, kari"))
        .await
        .expect("ended");
    world.until("db", VmState::Stopped).await;
    let world = world.with_another_daemon(test::site(&[vm("db")])).await;
    let status = world.get("db").await;
    assert_eq!(
        (status.state, status.reason.en.as_str()),
        (VmState::Stopped, "hung, kari")
    );
}

#[tokio::test]
async fn an_order_that_a_daemon_did_not_live_to_give_does_not_hang_over_the_machine() {
    let mut world = World::new(&[vm("db")]).await;
    world.handle.start("db").await.expect("started");
    world.until("db", VmState::Running).await;
    let mut note = Note::read(&world.place.paths, "db").expect("noted");
    note.ended_by = Some(Text::same("by kari"));
    note.write(&world.place.paths, "db").expect("written");
    let mut world = world.with_another_daemon(test::site(&[vm("db")])).await;
    assert_eq!(world.get("db").await.state, VmState::Running);
    world.units.down("db", "signal", Some(Exit::Signal(9)));
    world.until("db", VmState::Crashed).await;
}

#[tokio::test]
async fn another_daemon_finds_every_state_again() {
    let all = [vm("runs"), vm("paused"), vm("stopped"), vm("never")];
    let mut world = World::new(&all).await;
    for name in ["runs", "paused", "stopped"] {
        world.handle.start(name).await.expect("started");
        world.until(name, VmState::Running).await;
    }
    world.handle.pause("paused").await.expect("paused");
    world
        .handle
        .end("stopped", End::Orderly, Text::same("x"))
        .await
        .expect("ended");
    world.until("stopped", VmState::Stopped).await;
    let since = world.get("runs").await.since;

    let world = world.with_another_daemon(test::site(&all)).await;
    let runs = world.get("runs").await;
    assert_eq!(runs.state, VmState::Running);
    assert_eq!(world.get("paused").await.state, VmState::Paused);
    assert_eq!(runs.since, since);
    assert_eq!(world.get("stopped").await.state, VmState::Stopped);
    assert_eq!(world.get("never").await.state, VmState::Declared);
    assert_eq!(
        world.units.started.lock().expect("started").len(),
        3,
        "no machine was touched"
    );
}

#[tokio::test]
async fn a_machine_started_and_stopped_while_no_daemon_was_there_is_known_to_the_next() {
    let world = World::new(&[vm("db"), vm("web")]).await;
    let mut units = world.units.clone();
    units.news = mpsc::unbounded_channel().0;
    units.up("db");
    let web = Ended {
        invocation: "run9".into(),
        when: 1234,
        result: "signal".into(),
        exit_code: "killed".into(),
        exit_status: "SEGV".into(),
        said: String::new(),
        blocked: None,
    };
    web.write(&world.place.paths, "web").expect("written");
    let mut world = world
        .with_another_daemon(test::site(&[vm("db"), vm("web")]))
        .await;
    world.until("db", VmState::Running).await;
    let web = world.get("web").await;
    assert_eq!((web.state, web.since), (VmState::Crashed, 1234));
    assert!(web.reason.en.contains("SIGSEGV"), "{}", web.reason);
}

#[tokio::test]
async fn a_start_that_would_overcommit_is_refused_with_the_arithmetic_and_touches_nothing() {
    let mut large = vm("large");
    large.memory = 3 << 30;
    let mut world = World::new(&[large, vm("small"), after("x", &[])]).await;
    world.handle.start("large").await.expect("fits");
    world.until("large", VmState::Running).await;
    let mut second = vm("second");
    second.memory = 1 << 30;
    world.handle.site(test::site(&[second])).await;
    let failure = world.handle.start("second").await.expect_err("too much");
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.text.en.contains("MiB are missing"), "{failure}");
    let status = world.get("second").await;
    assert_eq!((status.state, status.reason), (VmState::Blocked, failure.text));
    assert_eq!(*world.units.started.lock().expect("started"), ["large"]);
}

#[tokio::test]
async fn a_machine_whose_bridge_or_image_is_missing_is_blocked_and_says_which() {
    let mut far = vm("far");
    far.zone = "outer".into();
    let mut bare = vm("bare");
    bare.disks = vec![test::disk("system", Some("postgresql"))];
    let world = World::new(&[far, bare]).await;
    for (name, word) in [("far", "br-outer"), ("bare", "postgresql.qcow2")] {
        let failure = world.handle.start(name).await.expect_err("not all there");
        assert!(
            failure.text.en.contains(word) && failure.text.nb.contains(word),
            "{failure}"
        );
        assert_eq!(world.get(name).await.state, VmState::Blocked);
    }
}

#[tokio::test]
async fn a_machine_waits_for_those_before_it_and_then_starts_by_itself() {
    let listener = tokio::net::TcpSocket::new_v4().expect("socket");
    listener
        .bind("127.0.0.1:0".parse().expect("address"))
        .expect("bound");
    let port = listener.local_addr().expect("address").port();
    let mut core = vm("core");
    core.address = Some(std::net::Ipv4Addr::LOCALHOST);
    core.checks = vec![Check {
        kind: CheckKind::Tcp(port),
        within: 600,
    }];
    let mut world = World::new(&[core, after("web", &["core"])]).await;

    let failure = world.handle.start("web").await.expect_err("core is off");
    assert!(failure.text.en.contains("Start core first"), "{failure}");
    world.handle.start("core").await.expect("started");
    world.until("core", VmState::Starting).await;
    world.handle.start("web").await.expect("promised");
    let waiting = world.until("web", VmState::Starting).await;
    assert!(waiting.reason.en.contains("core"), "{}", waiting.reason);
    assert_eq!(*world.units.started.lock().expect("started"), ["core"]);
    let _open = listener.listen(1).expect("listening");
    world.until("web", VmState::Running).await;
}

#[tokio::test]
async fn what_waits_is_blocked_when_what_it_waits_for_ends() {
    let mut core = vm("core");
    core.checks = vec![Check {
        kind: CheckKind::Agent,
        within: 600,
    }];
    let mut world = World::new(&[core, after("web", &["core"])]).await;
    world.handle.start("core").await.expect("started");
    world.handle.start("web").await.expect("promised");
    world.units.down("core", "signal", Some(Exit::Signal(6)));
    let web = world.until("web", VmState::Blocked).await;
    assert!(web.reason.en.contains("core"), "{}", web.reason);
}

#[tokio::test]
async fn a_generation_adds_changes_and_removes_machines_and_lets_running_ones_be() {
    let mut world = World::new(&[vm("db"), vm("old"), vm("off")]).await;
    for name in ["db", "old"] {
        world.handle.start(name).await.expect("started");
        world.until(name, VmState::Running).await;
        let started = Started {
            invocation: world.units.views.lock().expect("views")[name].invocation.clone(),
            when: 1,
            site: "nord".into(),
            vm: vm(name),
        };
        started.write(&world.place.paths).expect("written");
    }
    let mut world = world
        .with_another_daemon(test::site(&[vm("db"), vm("old"), vm("off")]))
        .await;
    world.until("db", VmState::Running).await;
    let mut db = vm("db");
    db.cpus = 2;
    world.handle.site(test::site(&[db, vm("new")])).await;
    assert_eq!(world.get("new").await.state, VmState::Declared);
    assert!(world.get("db").await.reason.en.contains("next start"));
    assert_eq!(world.get("db").await.cpus, 1);
    assert!(world.get("old").await.reason.en.contains("No longer"));
    let gone: Failure = world.handle.get("off").await.expect_err("gone");
    assert_eq!(gone.kind, FailureKind::NotFound);
    world
        .handle
        .end("old", End::Orderly, Text::same("x"))
        .await
        .expect("ended");
    while world.published.recv().await.expect("news") != Publication::Removed("old".into()) {}
}

#[tokio::test]
async fn a_machine_that_was_taken_out_while_it_ran_is_shown_by_the_next_daemon_too() {
    let mut world = World::new(&[vm("old")]).await;
    world.handle.start("old").await.expect("started");
    world.until("old", VmState::Running).await;
    let started = Started {
        invocation: world.units.views.lock().expect("views")["old"].invocation.clone(),
        when: 1,
        site: "nord".into(),
        vm: vm("old"),
    };
    started.write(&world.place.paths).expect("written");
    let world = world.with_another_daemon(test::site(&[vm("db")])).await;
    let old = world.get("old").await;
    assert_eq!(old.state, VmState::Running);
    assert!(old.reason.en.contains("No longer"), "{}", old.reason);
}

#[tokio::test]
async fn a_list_that_is_verified_holds_what_each_qemu_says_now() {
    let mut world = World::new(&[vm("db"), vm("web")]).await;
    for name in ["db", "web"] {
        world.handle.start(name).await.expect("started");
        world.until(name, VmState::Running).await;
    }
    let list = world.handle.verify().await.expect("a list");
    assert!(
        list.iter().all(|status| status.state == VmState::Running),
        "{list:?}"
    );
}

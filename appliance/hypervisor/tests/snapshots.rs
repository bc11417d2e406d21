//! Snapshots with a real QEMU: taken, rolled back to, merged, and QEMU or the daemon killed on the way. `cargo xtask test`
//! names a QEMU; without it there is nothing to test here.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Place, Processes, daemon, kill, site, vm};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::timeout;
use varde_bus::hypervisor::VmState;
use varde_bus::snapshot::{Deed, SnapshotState};
use varde_bus::{Failure, FailureKind};
use varde_hypervisor::daemon::Handle;
use varde_hypervisor::qmp::{self, Command, DEFAULT_TIMEOUT, QueryJobs, QueryStatus, Stop};
use varde_hypervisor::snapshots::{Keeper, News, keep_watch};
use varde_hypervisor::unit::{Answer, UnitNews, UnitView, Units};
use varde_site::{Disk, Site, Text, Vm};

/// Nothing here takes so long.
const BOUND: Duration = Duration::from_mins(1);

/// Between two looks at something that takes a while.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

fn place() -> Option<Place> {
    let place = Place::with_qemu();
    if place.is_none() {
        eprintln!("not tested: neither VARDE_QEMU nor VARDE_TOOLBOX names a QEMU");
    }
    place
}

fn with_disks(name: &str) -> Vm {
    let disk = |name: &str| Disk {
        name: name.to_owned(),
        image: None,
        size: 8 << 20,
    };
    let mut vm = vm(name);
    vm.disks = vec![disk("system"), disk("data")];
    vm
}

#[derive(Debug, Serialize)]
struct QueryBlock {}
impl Command for QueryBlock {
    const NAME: &'static str = "query-block";
    type Answer = Value;
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Monitor {
    command_line: String,
}
impl Command for Monitor {
    const NAME: &'static str = "human-monitor-command";
    type Answer = String;
}

/// A daemon, and what it looks after.
struct World {
    place: Place,
    units: Processes,
    handle: Handle,
    keeper: Keeper,
    _news: mpsc::UnboundedReceiver<News>,
}

impl World {
    async fn new(place: Place, vms: Vec<Vm>) -> Self {
        let site = site(vms);
        let (units, news) = Processes::new(place.paths.clone(), &site);
        Self::over(place, units, news, site).await
    }

    async fn over(
        place: Place,
        units: Processes,
        news: mpsc::UnboundedReceiver<UnitNews>,
        site: Site,
    ) -> Self {
        let (handle, _) = daemon(&place.paths, site, units.clone(), news).await;
        let (keeper, news) = Keeper::new(handle.clone(), Arc::new(units.clone()), place.paths.clone());
        Self {
            place,
            units,
            handle,
            keeper,
            _news: news,
        }
    }

    async fn up(&self, vm: &str) {
        self.handle.start(vm).await.expect("started");
        self.running(vm).await;
    }

    async fn take(&self, vms: &[&str]) -> String {
        let vms: Vec<String> = vms.iter().map(|vm| (*vm).to_owned()).collect();
        let taken = self.keeper.take(&vms, (0, 0), "kari", "upgrade").await;
        taken.expect("taken")
    }

    /// Writes to what the guest sees as its disks now, and brings it to disk.
    async fn write(&self, vm: &str, pattern: u8, at: &str) {
        let socket = self.place.paths.rescue(vm);
        let (client, _events) = qmp::connect(&socket, DEFAULT_TIMEOUT).await.expect("QEMU");
        let blocks = client
            .execute(&QueryBlock {}, DEFAULT_TIMEOUT)
            .await
            .expect("disks");
        let devices = blocks
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|block| block["qdev"].as_str());
        for device in devices.filter(|device| device.contains("virtio-backend")) {
            for command in [format!("write -P {pattern} {at} 768k"), "flush".to_owned()] {
                let command_line = format!("qemu-io -d {device} \"{command}\"");
                let order = Monitor { command_line };
                let said = client.execute(&order, DEFAULT_TIMEOUT).await.expect("an answer");
                assert!(!said.contains("rror") && !said.contains("ailed"), "{said}");
            }
        }
    }

    fn files(&self, vm: &str) -> Vec<String> {
        let mut files: Vec<String> = std::fs::read_dir(self.place.paths.disks(vm))
            .expect("a directory")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|name| name.contains(".qcow2"))
            .collect();
        files.sort();
        files
    }

    fn qemu_img(&self, words: &[&str]) {
        let output = std::process::Command::new(&self.place.paths.qemu_img)
            .args(words)
            .output()
            .expect("ran");
        assert!(
            output.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Hash of what each disk holds, the machine being off.
    fn contents(&self, vm: &str) -> BTreeMap<String, String> {
        let directory = self.place.paths.disks(vm);
        let chains = varde_disks::read(&directory).expect("readable");
        assert_eq!(chains.work, None);
        let mut contents = BTreeMap::new();
        for (disk, chain) in &chains.disks {
            let path = |file: &str| directory.join(file).display().to_string();
            for layer in &chain.layers {
                // A QEMU that was killed leaves clusters that nobody uses, and nothing worse.
                self.qemu_img(&["check", "-q", "-r", "leaks", "-f", "qcow2", &path(layer)]);
            }
            let raw = path("raw");
            let head = path(chain.layers.last().expect("a head"));
            self.qemu_img(&["convert", "-f", "qcow2", "-O", "raw", &head, &raw]);
            let bytes = std::fs::read(&raw).expect("read");
            std::fs::remove_file(&raw).expect("removed");
            contents.insert(disk.clone(), format!("{:x?}", Sha256::digest(&bytes)));
        }
        contents
    }

    async fn off(&self, vm: &str) {
        kill(self.units.pid(vm));
        self.is_off(vm).await;
    }

    async fn is_off(&self, vm: &str) {
        let end = async {
            while self.handle.line(vm).await.expect("a line").on {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        timeout(BOUND, end).await.expect("off in time");
    }

    /// Waits until nobody works on the disks of `one` any more.
    async fn idle(&self) {
        let end = async {
            while self.keeper.may_start("one").is_err() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        timeout(BOUND, end).await.expect("done in time");
    }

    async fn merged(&self, id: &str) {
        self.idle().await;
        let left = self.keeper.list().await.expect("a list");
        assert!(left.iter().all(|one| one.id != id), "{left:?}");
    }

    /// What QEMU has under way for `one`.
    async fn jobs(&self) -> usize {
        let socket = self.place.paths.rescue("one");
        let (client, _events) = qmp::connect(&socket, DEFAULT_TIMEOUT).await.expect("QEMU");
        let jobs = client.execute(&QueryJobs {}, DEFAULT_TIMEOUT).await;
        jobs.expect("an answer").len()
    }

    async fn running(&self, vm: &str) {
        let end = async {
            while self.handle.get(vm).await.expect("a state").state != VmState::Running {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        timeout(BOUND, end).await.expect("runs in time");
    }
}

fn by() -> Text {
    Text::same("kari rolled it back")
}

#[tokio::test]
async fn a_machine_that_runs_is_taken_back_to_a_snapshot_and_runs_again() {
    let Some(place) = place() else { return };
    let world = World::new(place, vec![with_disks("one")]).await;
    world.up("one").await;
    world.write("one", 1, "0").await;
    let id = world.take(&["one"]).await;
    world.write("one", 2, "512k").await;

    let listed = world.keeper.list().await.expect("a list");
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].by.as_str(), listed[0].why.as_str()),
        ("kari", "upgrade")
    );
    assert!(!listed[0].quiesced, "there is no agent in it");
    let price = world.keeper.price(&id, Deed::RollBack).await.expect("a price");
    assert!(price.possible && price.lost >= 2 * (768 << 10), "{price:?}");
    assert_eq!(price.lost_since, listed[0].taken);

    world.keeper.roll_back(&id, by()).await.expect("rolled back");
    world.running("one").await;
    assert_eq!(world.files("one"), ["data.qcow2", "system.qcow2"]);
    world.off("one").await;
    let after = world.contents("one");

    // The same without the snapshot and without what came after it.
    let place = Place::with_qemu().expect("a place");
    let other = World::new(place, vec![with_disks("one")]).await;
    other.up("one").await;
    other.write("one", 1, "0").await;
    other.off("one").await;
    assert_eq!(after, other.contents("one"));
}

#[tokio::test]
async fn a_merge_while_the_machine_runs_or_is_off_loses_nothing_and_leaves_one_file_a_disk() {
    let Some(place) = place() else { return };
    let world = World::new(place, vec![with_disks("one")]).await;
    world.up("one").await;
    world.write("one", 1, "0").await;
    let first = world.take(&["one"]).await;
    world.write("one", 2, "512k").await;
    let second = world.take(&["one"]).await;
    world.write("one", 3, "1M").await;
    let third = world.keeper.take(&["one".into()], (0, 0), "kari", "").await;
    let refusal = third.expect_err("too deep");
    assert!(refusal.text.en.contains("2 snapshots already"), "{refusal}");
    let refusal = world
        .keeper
        .merge(&first, false)
        .await
        .expect_err("not the newest");
    assert!(refusal.text.en.contains("first"), "{refusal}");

    world.keeper.merge(&second, false).await.expect("begun");
    world.merged(&second).await;
    world.write("one", 4, "2M").await;
    world.off("one").await;
    let before = world.contents("one");
    world.keeper.merge(&first, false).await.expect("begun");
    world.merged(&first).await;
    assert_eq!(world.files("one"), ["data.qcow2", "system.qcow2"]);
    assert_eq!(world.contents("one"), before);
}

#[tokio::test]
async fn a_machine_whose_disks_are_held_to_a_rate_is_merged_while_it_runs() {
    let Some(place) = place() else { return };
    let mut vm = with_disks("one");
    vm.limits.io_bandwidth = Some(1 << 30);
    let world = World::new(place, vec![vm]).await;
    world.up("one").await;
    world.write("one", 1, "0").await;
    let id = world.take(&["one"]).await;
    world.write("one", 2, "512k").await;
    world.keeper.merge(&id, false).await.expect("begun");
    world.merged(&id).await;
    assert_eq!(world.files("one"), ["data.qcow2", "system.qcow2"]);
    world.off("one").await;
}

#[tokio::test]
async fn a_group_is_taken_together_and_goes_back_together_whether_on_or_off() {
    let Some(place) = place() else { return };
    let vms = ["db", "web", "off"].map(with_disks).to_vec();
    let world = World::new(place, vms).await;
    for vm in ["db", "web", "off"] {
        world.up(vm).await;
        world.write(vm, 1, "0").await;
    }
    world.off("off").await;
    let before = world.contents("off");
    let names = ["web", "off", "db"].map(str::to_owned);
    let id = world
        .keeper
        .take(&names, (60, 1), "kari", "")
        .await
        .expect("taken");
    for vm in ["db", "web"] {
        world.write(vm, 2, "512k").await;
    }
    let listed = world.keeper.list().await.expect("a list");
    assert_eq!(listed[0].machines, ["db", "off", "web"]);
    assert!(listed[0].problem.en.contains("budget"), "{:?}", listed[0]);
    world.keeper.roll_back(&id, by()).await.expect("rolled back");
    for vm in ["db", "web"] {
        let line = world.handle.line(vm).await.expect("a line");
        assert!(line.on, "{vm} ran, and runs again");
    }
    assert!(!world.handle.line("off").await.expect("a line").on);
    assert_eq!(world.contents("off"), before);
    assert_eq!(world.keeper.list().await.expect("a list"), []);
    for vm in ["db", "web"] {
        world.running(vm).await;
        world.off(vm).await;
        assert_eq!(world.contents(vm), before, "they had written the same before");
    }
}

#[tokio::test]
async fn a_merge_that_is_called_off_cleans_up_and_can_be_begun_again() {
    let Some(place) = place() else { return };
    let world = World::new(place, vec![with_disks("one")]).await;
    world.up("one").await;
    let id = world.take(&["one"]).await;
    world.write("one", 2, "512k").await;
    world.keeper.merge(&id, true).await.expect("later");
    assert_eq!(world.state().await, Some(SnapshotState::Quiet));
    world.keeper.cancel(&id).await.expect("not after all");
    assert_eq!(world.state().await, Some(SnapshotState::Kept));

    world.keeper.merge(&id, false).await.expect("begun");
    // Whether it comes too late is a matter of luck; what is left is sound either way.
    let cancelled = world.keeper.cancel(&id).await.is_ok();
    if let (true, Some(state)) = (cancelled, world.state().await) {
        assert_eq!(state, SnapshotState::Halted);
        let price = world.keeper.price(&id, Deed::RollBack).await.expect("a price");
        assert!(!price.possible);
        assert!(world.keeper.roll_back(&id, by()).await.is_err());
        world.keeper.merge(&id, false).await.expect("begun again");
    }
    world.merged(&id).await;
    assert_eq!(world.files("one"), ["data.qcow2", "system.qcow2"]);
    world.off("one").await;
}

impl World {
    async fn state(&self) -> Option<SnapshotState> {
        let all = self.keeper.list().await.expect("a list");
        all.first().map(|one| one.state)
    }
}

fn merging(world: &World, vm: &str) -> bool {
    let chains = varde_disks::read(&world.place.paths.disks(vm)).expect("readable");
    chains
        .snapshots
        .iter()
        .any(|one| one.keep == varde_disks::Keep::Merging)
}

#[tokio::test]
async fn a_group_is_merged_as_a_whole_or_not_begun_and_called_off_as_a_whole() {
    let Some(place) = place() else { return };
    let world = World::new(place, ["db", "web"].map(with_disks).to_vec()).await;
    for vm in ["db", "web"] {
        world.up(vm).await;
    }
    let both = world.take(&["db", "web"]).await;
    let newer = world.take(&["web"]).await;
    let price = world.keeper.price(&both, Deed::Merge).await.expect("a price");
    assert!(!price.possible, "the newer one is in the way");
    let price = world.keeper.price(&both, Deed::RollBack).await.expect("a price");
    assert!(price.possible && price.text.en.contains(&newer), "{price:?}");
    let refusal = world
        .keeper
        .merge(&both, false)
        .await
        .expect_err("not the newest");
    assert!(refusal.text.en.contains(&newer), "{refusal}");
    let listed = world.keeper.list().await.expect("a list");
    assert!(
        listed.iter().all(|one| one.state == SnapshotState::Kept),
        "{listed:?}"
    );
    world.keeper.roll_back(&newer, by()).await.expect("rolled back");
    world.running("web").await;

    world.keeper.merge(&both, false).await.expect("begun");
    let refusal = world.keeper.merge(&both, true).await.expect_err("under way");
    assert!(refusal.text.en.contains("being worked on"), "{refusal}");
    world.keeper.cancel(&both).await.expect("called off");
    assert!(!merging(&world, "db") && !merging(&world, "web"));
    for vm in ["db", "web"] {
        world.off(vm).await;
    }
}

#[tokio::test]
async fn a_merge_that_nobody_is_at_just_then_is_called_off_all_the_same() {
    let Some(place) = place() else { return };
    let world = World::new(place, vec![with_disks("one")]).await;
    world.up("one").await;
    let id = world.take(&["one"]).await;
    world.off("one").await;
    let order = varde_disks::Order::BeginMerge { id: id.clone() };
    let mut tell = |_| {};
    let paths = &world.place.paths;
    varde_disks::Executor::new(&paths.disks("one"), &paths.qemu_img, BOUND, &mut tell)
        .and_then(|mut executor| executor.obey(&order))
        .expect("begun by an earlier daemon");
    world.keeper.cancel(&id).await.expect("called off");
    assert_eq!(world.state().await, Some(SnapshotState::Halted));
}

#[tokio::test]
async fn a_merge_of_a_disk_that_the_machine_no_longer_has_waits_until_it_is_off_or_is_called_off() {
    let Some(place) = place() else { return };
    let world = World::new(place, vec![with_disks("one")]).await;
    world.up("one").await;
    let id = world.take(&["one"]).await;
    world.off("one").await;
    // The next generation has but one of its disks.
    let mut vm = with_disks("one");
    vm.disks.truncate(1);
    let site = site(vec![vm]);
    let (units, news) = Processes::new(world.place.paths.clone(), &site);
    let world = World::over(world.place, units, news, site).await;
    world.up("one").await;
    world.keeper.merge(&id, false).await.expect("begun");
    world.idle().await;
    assert_eq!(world.state().await, Some(SnapshotState::Merging));
    world.keeper.cancel(&id).await.expect("called off");
    assert_eq!(world.state().await, Some(SnapshotState::Halted));
    world.off("one").await;
    world.keeper.merge(&id, false).await.expect("begun again");
    world.merged(&id).await;
}

#[tokio::test]
async fn a_guest_goes_on_when_it_cannot_be_written_down_that_its_disk_is_merged() {
    let Some(place) = place() else { return };
    let world = World::new(place, vec![with_disks("one")]).await;
    world.up("one").await;
    let id = world.take(&["one"]).await;
    world.write("one", 2, "512k").await;
    let between = Between {
        units: world.units.clone(),
        count: Arc::default(),
        // The first is that the merge begins, the second that one disk is merged.
        at: Some((1, false)),
        victim: Victim::Errand,
        killed: mpsc::unbounded_channel().0,
    };
    let paths = world.place.paths.clone();
    let (keeper, mut news) = Keeper::new(world.handle.clone(), Arc::new(between), paths);
    keeper.merge(&id, false).await.expect("begun");
    let told = async {
        loop {
            if let Some(News::Incident { detail, .. }) = news.recv().await {
                return detail;
            }
        }
    };
    assert_eq!(timeout(BOUND, told).await.expect("told").en, "full");
    assert_eq!(world.jobs().await, 0, "the guest's writes would wait for it");
    assert_eq!(world.state().await, Some(SnapshotState::Halted));
    world.write("one", 3, "1M").await;
    timeout(BOUND, async {
        while keeper.may_start("one").is_err() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    })
    .await
    .expect("left");
    world.keeper.merge(&id, false).await.expect("begun again");
    world.merged(&id).await;
    assert_eq!(world.files("one"), ["data.qcow2", "system.qcow2"]);
    world.off("one").await;
}

#[tokio::test]
async fn a_rollback_that_is_refused_cuts_no_power() {
    let Some(place) = place() else { return };
    let world = World::new(place, vec![with_disks("one")]).await;
    world.up("one").await;
    let id = world.take(&["one"]).await;
    let file = world.place.paths.disks("one").join(varde_disks::CHAINS);
    let mut chains = varde_disks::read(&world.place.paths.disks("one")).expect("readable");
    chains.work = Some(varde_disks::Work::Drop { files: Vec::new() });
    std::fs::write(file, serde_json::to_vec(&chains).expect("JSON")).expect("written");
    let before = world.units.pid("one");
    let refusal = world.keeper.roll_back(&id, by()).await.expect_err("unfinished");
    assert!(refusal.text.en.contains("under way"), "{refusal}");
    assert_eq!(world.units.pid("one"), before);
    world.off("one").await;
}

#[tokio::test]
async fn a_machine_that_a_killed_daemon_had_halted_for_the_instant_of_a_snapshot_goes_on() {
    let Some(place) = place() else { return };
    let world = World::new(place, vec![with_disks("one")]).await;
    world.up("one").await;
    let socket = world.place.paths.rescue("one");
    let (client, _events) = qmp::connect(&socket, DEFAULT_TIMEOUT).await.expect("QEMU");
    let halted = world.place.paths.halted("one");
    std::fs::write(&halted, "null").expect("written");
    client.execute(&Stop {}, DEFAULT_TIMEOUT).await.expect("halted");
    let watch = tokio::spawn(keep_watch(world.keeper.clone()));
    let goes_on = async {
        while halted.exists() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    timeout(BOUND, goes_on).await.expect("let go");
    let status = client.execute(&QueryStatus {}, DEFAULT_TIMEOUT).await;
    assert!(status.expect("an answer").running);
    watch.abort();
    world.off("one").await;
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Qemu,
    Daemon,
    /// Nobody: the errand is not done, as on a disk that is full.
    Errand,
}

/// Between the daemon and its errands: at the errand of this number, before or after it, somebody is killed.
#[derive(Clone)]
struct Between {
    units: Processes,
    count: Arc<AtomicUsize>,
    /// Errand, and whether it has been done.
    at: Option<(usize, bool)>,
    victim: Victim,
    /// Told when the daemon has been killed.
    killed: mpsc::UnboundedSender<()>,
}

impl Between {
    fn point(&self, number: usize, done: bool) {
        if self.at != Some((number, done)) {
            return;
        }
        match self.victim {
            Victim::Qemu => kill(self.units.pid("one")),
            Victim::Daemon => {
                self.killed.send(()).expect("somebody waits for it");
                // It ends where it stands, and whatever it held with it.
                panic!("the daemon is killed");
            }
            Victim::Errand => {}
        }
    }
}

impl Units for Between {
    fn all(&self) -> Answer<'_, Vec<UnitNews>> {
        self.units.all()
    }

    fn view<'a>(&'a self, vm: &'a str) -> Answer<'a, UnitView> {
        self.units.view(vm)
    }

    fn start<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        self.units.start(vm)
    }

    fn stop<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        self.units.stop(vm)
    }

    fn kill<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        self.units.kill(vm)
    }

    fn work<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let number = self.count.fetch_add(1, Ordering::SeqCst);
            self.point(number, false);
            if self.victim == Victim::Errand && self.at == Some((number, false)) {
                return Err(Failure::new(FailureKind::Failed, "full", "full"));
            }
            let result = self.units.work(vm).await;
            self.point(number, true);
            result
        })
    }

    fn drop_work<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        self.units.drop_work(vm)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deal {
    Take,
    Merge,
}

/// What was found in the end.
struct Found {
    errands: usize,
    contents: BTreeMap<String, String>,
    snapshots: usize,
}

/// Does one thing, with somebody killed on the way, and lets the next daemon find what is left.
async fn killed(deal: Deal, at: Option<(usize, bool)>, victim: Victim) -> Found {
    let place = Place::with_qemu().expect("a place");
    let mut world = World::new(place, vec![with_disks("one")]).await;
    world.up("one").await;
    world.write("one", 1, "0").await;
    if deal == Deal::Merge {
        world.take(&["one"]).await;
        world.write("one", 2, "512k").await;
    }
    let (told, mut obituary) = mpsc::unbounded_channel();
    let between = Between {
        units: world.units.clone(),
        count: Arc::default(),
        at,
        victim,
        killed: told,
    };
    let count = Arc::clone(&between.count);
    let paths = world.place.paths.clone();
    let (keeper, _news) = Keeper::new(world.handle.clone(), Arc::new(between), paths);
    let deed = tokio::spawn(async move {
        match deal {
            // It may fail: that is the point.
            Deal::Take => drop(keeper.take(&["one".into()], (0, 0), "kari", "").await),
            Deal::Merge => {
                let id = keeper.list().await.expect("a list")[0].id.clone();
                if keeper.merge(&id, false).await.is_err() {
                    return;
                }
                while keeper.may_start("one").is_err() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
    });
    let ended = async {
        tokio::select! {
            Some(()) = obituary.recv() => {}
            _ = deed => {}
        }
    };
    timeout(BOUND, ended).await.expect("an end");
    if at.is_some() {
        // The next daemon, over what is there.
        let World {
            place,
            units,
            handle,
            keeper,
            ..
        } = world;
        drop((handle, keeper));
        let news = units.listen();
        world = World::over(place, units, news, site(vec![with_disks("one")])).await;
        recovered(&world, victim).await;
    }
    // What is written afterwards is there as well: the guest goes on in the right files.
    world.write("one", 9, "4M").await;
    world.off("one").await;
    let chains = varde_disks::read(&world.place.paths.disks("one")).expect("readable");
    let layers: usize = chains.disks.values().map(|chain| chain.layers.len()).sum();
    assert_eq!(
        world.files("one").len(),
        layers,
        "no file lies about that nothing needs"
    );
    Found {
        errands: count.load(Ordering::SeqCst),
        contents: world.contents("one"),
        snapshots: chains.snapshots.len(),
    }
}

/// Waits until everything that was interrupted is finished or undone, and the machine runs.
async fn recovered(world: &World, victim: Victim) {
    if victim == Victim::Qemu {
        world.is_off("one").await;
        world.up("one").await;
    } else {
        let heard = async {
            while world.handle.line("one").await.expect("a line").qmp.is_none() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        timeout(BOUND, heard).await.expect("heard");
    }
    let watch = tokio::spawn(keep_watch(world.keeper.clone()));
    let over = async {
        loop {
            let chains = varde_disks::read(&world.place.paths.disks("one")).expect("readable");
            let merging = chains
                .snapshots
                .iter()
                .any(|one| one.keep == varde_disks::Keep::Merging);
            let idle = world.keeper.may_start("one").is_ok();
            // Until QEMU has let go of a job at its end, the guest's writes wait.
            if chains.work.is_none() && !merging && idle && world.jobs().await == 0 {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    timeout(BOUND, over).await.expect("finished or undone");
    watch.abort();
}

#[tokio::test]
async fn qemu_or_the_daemon_killed_at_any_errand_of_a_snapshot_or_a_merge_loses_nothing() {
    if place().is_none() {
        return;
    }
    let mut points = 0;
    for deal in [Deal::Take, Deal::Merge] {
        let whole = killed(deal, None, Victim::Qemu).await;
        for number in 0..whole.errands {
            for (done, victim) in [
                (false, Victim::Qemu),
                (true, Victim::Qemu),
                (false, Victim::Daemon),
                (true, Victim::Daemon),
            ] {
                let what = format!("{deal:?}, {victim:?} killed at errand {number}, done: {done}");
                let found = killed(deal, Some((number, done)), victim).await;
                assert_eq!(found.contents, whole.contents, "{what}");
                assert!(found.snapshots <= 1, "{what}");
                points += 1;
            }
        }
    }
    println!("{points} points, none lost, none corrupt");
    assert!(
        points >= 20,
        "only {points} points: the operations are not all there"
    );
}

//! Rehearsals with a real QEMU and a guest agent of the test's own in the place of a guest's: on clones, promoted, taken
//! back, and taken up by the next service. `cargo xtask test` names a QEMU; without it there is nothing to test here.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use common::{Place, Processes, daemon, kill};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use varde_bus::hypervisor::VmState;
use varde_bus::rehearsal::{Rehearsal, RehearsalState};
use varde_hypervisor::daemon::Handle;
use varde_hypervisor::rehearsal::{Director, News, Record};
use varde_hypervisor::snapshots::Keeper;
use varde_site::{Origin, Source, Store, Text};

const BOUND: Duration = Duration::from_mins(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

fn place() -> Option<Place> {
    let place = Place::with_qemu();
    if place.is_none() {
        eprintln!("not tested: neither VARDE_QEMU nor VARDE_TOOLBOX names a QEMU");
    }
    place
}

/// Two machines of a group, and a recipe for the first.
fn site(step: &str, check: &str) -> String {
    let vm = |name: &str, after: &str| {
        format!(
            "\n[[vm]]\nname = \"{name}\"\ntitle = \"{name}\"\ngroup = \"journal\"\ncpus = 1\nmemory = \"64 MiB\"\n\
             zone = \"inner\"\nafter = [{after}]\n[[vm.disk]]\nname = \"system\"\nsize = \"8 MiB\"\n\
             [[vm.check]]\nkind = \"agent\"\nwithin = \"1 min\"\n"
        )
    };
    format!(
        "{}{}{}\n[[recipe]]\nname = \"up\"\ntitle = \"Up\"\ngroup = \"journal\"\nwatch = \"10 s\"\n\
         [[recipe.step]]\nvm = \"db\"\nrun = '''{step}'''\nwithin = \"30 s\"\n\
         [[recipe.check]]\nvm = \"web\"\nrun = '''{check}'''\nwithin = \"3 s\"\n",
        include_str!("site.toml"),
        vm("db", ""),
        vm("web", "\"db\""),
    )
}

struct World {
    place: Place,
    units: Processes,
    handle: Handle,
    keeper: Keeper,
    director: Director,
    /// Held: a director to whom nobody listens is one in a service that ends.
    news: mpsc::UnboundedReceiver<News>,
}

impl World {
    async fn new(place: Place, site: &str) -> Self {
        let store = Store::open(place.paths.site());
        let origin = Origin {
            who: "kari".into(),
            why: String::new(),
            source: Source::Demo,
            problem: None,
        };
        store.writer().unwrap().commit(site, &origin, 1).unwrap();
        let site = varde_site::parse(site).unwrap();
        let (units, news) = Processes::new(place.paths.clone(), &site);
        let (handle, _) = daemon(&place.paths, site, units.clone(), news).await;
        let (keeper, _) = Keeper::new(handle.clone(), Arc::new(units.clone()), place.paths.clone());
        let (director, news) = Director::new(keeper.clone());
        let names = ["db", "web", "r1-db", "r1-web"];
        let sockets = names.map(|name| (name.to_owned(), place.paths.agent(name)));
        tokio::spawn(agents(sockets.into(), place.paths.root().to_owned()));
        Self {
            place,
            units,
            handle,
            keeper,
            director,
            news,
        }
    }

    async fn up(&self) {
        for vm in ["db", "web"] {
            self.handle.start(vm).await.unwrap();
        }
        self.until_running("web").await;
    }

    async fn until_running(&self, vm: &str) {
        let up = async {
            while self.handle.get(vm).await.unwrap().state != VmState::Running {
                sleep(LOOK_AGAIN).await;
            }
        };
        timeout(BOUND, up).await.expect("up in time");
    }

    async fn until(&self, state: RehearsalState) -> Rehearsal {
        let mut last = None;
        let reached = async {
            loop {
                let all = self.director.list().await;
                if let Some(one) = all.into_iter().find(|one| one.name == "r1") {
                    if one.state == state {
                        return one;
                    }
                    last = Some(one);
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        let reached = timeout(BOUND, reached).await;
        reached.unwrap_or_else(|_| panic!("not {state:?} but {last:?}"))
    }

    /// Whether the commands ran there.
    fn marked(&self, vm: &str) -> bool {
        self.place.paths.root().join(vm).exists()
    }

    fn chains(&self, vm: &str) -> varde_disks::Chains {
        varde_disks::read(&self.place.paths.disks(vm)).unwrap()
    }

    fn lent(&self) -> Vec<PathBuf> {
        let layers = self.chains("db").lent_to("r1").into_values();
        layers
            .map(|layer| self.place.paths.disks("db").join(layer))
            .collect()
    }

    /// Nothing of the rehearsal is left but, perhaps, a merge that goes on.
    async fn is_cleared(&self) {
        for clone in ["r1-db", "r1-web"] {
            let files = std::fs::read_dir(self.place.paths.disks(clone))
                .into_iter()
                .flatten();
            let images = files.filter(|file| {
                let name = file.as_ref().unwrap().file_name();
                name.to_string_lossy().ends_with(".qcow2")
            });
            assert_eq!(images.count(), 0, "{clone} has disks left");
        }
        let merged = async {
            while !self.chains("db").snapshots.is_empty() {
                sleep(LOOK_AGAIN).await;
            }
        };
        timeout(BOUND, merged).await.expect("merged in time");
        assert!(self.lent().is_empty());
    }

    /// As if the service had been killed, and another one began.
    fn another_director(&mut self) {
        let (director, news) = Director::new(self.keeper.clone());
        self.director = director;
        self.news = news;
        self.director.resume();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for vm in ["db", "web", "r1-db", "r1-web"] {
            if let Some(pid) = self.units.running(vm) {
                kill(pid);
            }
        }
    }
}

fn hash(file: &Path) -> String {
    format!("{:x?}", Sha256::digest(std::fs::read(file).unwrap()))
}

/// Takes the place of each QEMU's socket for the agent, whenever there is one, and answers as an agent in the guest would:
/// commands run here, in the folder `root`, with the machine's name in `VM`.
async fn agents(sockets: Vec<(String, PathBuf)>, root: PathBuf) {
    let mut ours: BTreeMap<String, u64> = BTreeMap::new();
    // One for all: whichever socket a question comes by, what runs is known.
    let ran = Ran::default();
    loop {
        for (vm, socket) in &sockets {
            let Ok(there) = std::fs::symlink_metadata(socket) else {
                continue;
            };
            if ours.get(vm) == Some(&there.ino()) {
                continue;
            }
            std::fs::remove_file(socket).unwrap();
            let listener = UnixListener::bind(socket).unwrap();
            ours.insert(vm.clone(), std::fs::symlink_metadata(socket).unwrap().ino());
            tokio::spawn(agent(listener, vm.clone(), root.clone(), Arc::clone(&ran)));
        }
        sleep(LOOK_AGAIN).await;
    }
}

type Ran = Arc<Mutex<BTreeMap<u32, Option<std::process::Output>>>>;

async fn agent(listener: UnixListener, vm: String, root: PathBuf, ran: Ran) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(talk(stream, vm.clone(), root.clone(), Arc::clone(&ran)));
    }
}

async fn talk(stream: UnixStream, vm: String, root: PathBuf, ran: Ran) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await.unwrap_or(0) > 0 {
        let text: Vec<u8> = line.drain(..).filter(|byte| *byte != 0xff).collect();
        let Ok(request) = serde_json::from_slice::<Value>(&text) else {
            continue;
        };
        let arguments = &request["arguments"];
        let mut delimited = false;
        let answer = match request["execute"].as_str().unwrap() {
            "guest-sync-delimited" => {
                delimited = true;
                arguments["id"].clone()
            }
            "guest-fsfreeze-freeze" | "guest-fsfreeze-thaw" => json!(1),
            "guest-exec" => begin(arguments["arg"][1].as_str().unwrap(), &vm, &root, &ran),
            "guest-exec-status" => status(&arguments["pid"], &ran),
            _ => json!({}),
        };
        let mut bytes = if delimited { vec![0xff] } else { Vec::new() };
        bytes.extend(format!("{}\n", json!({ "return": answer })).bytes());
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

fn begin(script: &str, vm: &str, root: &Path, ran: &Ran) -> Value {
    let child = tokio::process::Command::new("/bin/sh")
        .args(["-c", script])
        .env("VM", vm)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = child.id().unwrap();
    ran.lock().unwrap().insert(pid, None);
    let ran = Arc::clone(ran);
    tokio::spawn(async move {
        let output = child.wait_with_output().await.unwrap();
        ran.lock().unwrap().insert(pid, Some(output));
    });
    json!({ "pid": pid })
}

fn status(pid: &Value, ran: &Ran) -> Value {
    let pid = u32::try_from(pid.as_u64().unwrap()).unwrap();
    match ran.lock().unwrap().get(&pid).cloned().flatten() {
        None => json!({"exited": false}),
        Some(output) => json!({
            "exited": true,
            "exitcode": output.status.code(),
            "out-data": BASE64.encode(&output.stdout),
            "err-data": BASE64.encode(&output.stderr),
        }),
    }
}

#[tokio::test]
async fn an_upgrade_that_goes_well_on_clones_is_promoted_and_leaves_a_way_back() {
    let Some(place) = place() else { return };
    let world = World::new(place, &site("echo done > $VM", "test -e r1-db -o -e db")).await;
    world.up().await;
    let name = world.director.rehearse("up", "kari", "try it").await.unwrap();
    assert_eq!(name, "r1");
    let passed = world.until(RehearsalState::Passed).await;
    assert!(
        world.marked("r1-db") && !world.marked("db"),
        "production was touched"
    );
    // A step, a check, and a boot check of each machine.
    assert_eq!((passed.outcomes.len(), passed.all), (4, 4));
    let well = |outcome: &varde_bus::rehearsal::Outcome| outcome.passed && !outcome.production;
    assert!(passed.outcomes.iter().all(well));

    // What the clones stand on is neither merged nor rolled back to while they are there.
    let lent = world.lent();
    assert_eq!(lent.len(), 1);
    let before = hash(&lent[0]);
    let id = world.chains("db").snapshots[0].id.clone();
    let refusal = world.keeper.merge(&id, false).await.unwrap_err();
    assert!(
        refusal.text.en.contains("Discard the rehearsal first"),
        "{refusal}"
    );
    let refusal = world.keeper.roll_back(&id, Text::same("x")).await.unwrap_err();
    assert!(
        refusal.text.en.contains("Discard the rehearsal first"),
        "{refusal}"
    );
    assert_eq!(hash(&lent[0]), before);
    world.until_running("db").await;

    world
        .director
        .promote("r1", "kari", "it went well")
        .await
        .unwrap();
    let promoted = world.until(RehearsalState::Promoted).await;
    assert!(world.marked("db"));
    assert_eq!(promoted.promoted_by, "kari");
    assert!(!promoted.snapshot.is_empty() && promoted.undo_until > promoted.ended);
    let kept = world.keeper.list().await.unwrap();
    let kept: Vec<&str> = kept.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(
        kept,
        [promoted.snapshot.as_str()],
        "the rehearsal's own is merged"
    );

    // By hand, afterwards.
    let by = Text::same("not good after all");
    world.director.take_back("r1", by).await.unwrap();
    world.until(RehearsalState::TakenBack).await;
    world.until_running("web").await;
    world.director.discard("r1").await.unwrap();
    world.is_cleared().await;
    assert!(world.director.list().await.is_empty());
}

#[tokio::test]
async fn an_upgrade_that_fails_on_a_clone_says_why_and_production_never_hears_of_it() {
    let Some(place) = place() else { return };
    let world = World::new(place, &site("echo done > $VM", "echo no such table >&2; exit 3")).await;
    world.up().await;
    world.director.rehearse("up", "kari", "").await.unwrap();
    let failed = world.until(RehearsalState::Failed).await;
    let text = &failed.text;
    assert!(text.en.contains("ended with 3: no such table"), "{text}");
    assert!(
        text.nb.contains("Sjekken") && text.nb.contains("på web"),
        "{}",
        text.nb
    );
    assert!(!world.marked("db"));
    let refusal = world.director.promote("r1", "kari", "anyway").await.unwrap_err();
    assert!(refusal.text.en.contains("cannot be promoted"), "{refusal}");
    // The clones are there to be looked at until they are discarded.
    let clone = world.handle.get("r1-db").await.unwrap();
    assert_eq!(clone.state, VmState::Running);
    world.director.discard("r1").await.unwrap();
    // At once again: it waits for the merge of what the first one stood on.
    world.director.rehearse("up", "kari", "").await.unwrap();
    let again = world.until(RehearsalState::Failed).await;
    assert_eq!(again.text, failed.text);
    world.director.discard("r1").await.unwrap();
    world.is_cleared().await;
    let gone = world.handle.get("r1-db").await;
    assert!(gone.is_err(), "the clone is still declared");
}

#[tokio::test]
async fn a_promotion_that_fails_takes_the_machines_back_to_before_it() {
    let Some(place) = place() else { return };
    // Well on the clone, and not on the machine.
    let step =
        "case $VM in r1-*) true ;; *) touch stepping; while [ ! -e go ]; do sleep 0.05; done; exit 9 ;; esac";
    let world = World::new(place, &site(step, "true")).await;
    world.up().await;
    world.director.rehearse("up", "kari", "").await.unwrap();
    world.until(RehearsalState::Passed).await;
    world.director.promote("r1", "kari", "go").await.unwrap();
    let root = world.place.paths.root().to_owned();
    let stepping = async {
        while !root.join("stepping").exists() {
            sleep(LOOK_AGAIN).await;
        }
    };
    timeout(BOUND, stepping).await.expect("the step begins");
    // What was written before the promotion lies below, and nobody writes to it now.
    let layers = world.chains("db").disks["system"].layers.clone();
    let [.., below, _] = &layers[..] else {
        panic!("no snapshot was taken: {layers:?}")
    };
    let first = world.units.running("db");
    std::fs::write(root.join("go"), "").unwrap();

    let back = world.until(RehearsalState::TakenBack).await;
    assert!(back.text.en.contains("ended with 9"), "{}", back.text);
    let failed = back.outcomes.last().unwrap();
    assert!(failed.production && !failed.passed);
    world.until_running("db").await;
    assert_ne!(
        world.units.running("db"),
        first,
        "it runs on what was written since"
    );
    let layers = world.chains("db").disks["system"].layers.clone();
    assert_eq!(layers.last(), Some(below), "the disk is not the one of before");
}

#[tokio::test]
async fn the_next_service_takes_up_what_this_one_was_killed_in() {
    let Some(place) = place() else { return };
    let mut world = World::new(place, &site("true", "true")).await;
    world.up().await;
    world.director.rehearse("up", "kari", "").await.unwrap();
    world.until(RehearsalState::Passed).await;
    let put = |world: &World, change: &dyn Fn(&mut Record)| {
        let mut record = Record::read(&world.place.paths, "r1").unwrap();
        change(&mut record);
        record.write(&world.place.paths).unwrap();
    };

    put(&world, &|record| record.state = RehearsalState::Steps);
    world.another_director();
    let failed = world.until(RehearsalState::Failed).await;
    let text = &failed.text;
    assert!(text.en.contains("The service was restarted"), "{text}");

    // Killed while it promoted: back to the snapshot, whatever had been done.
    let machines = ["db".to_owned(), "web".to_owned()];
    let snapshot = world
        .keeper
        .take(&machines, (0, 0), "kari", "before")
        .await
        .unwrap();
    put(&world, &|record| {
        record.state = RehearsalState::Promoting;
        let promotion = json!({"by": "kari", "why": "", "snapshot": snapshot, "watched_until": 0});
        record.promotion = serde_json::from_value(promotion).unwrap();
    });
    world.another_director();
    world.until(RehearsalState::TakenBack).await;
    let left = world.keeper.list().await.unwrap();
    assert!(left.iter().all(|one| one.id != snapshot));

    // Killed while it cleared up: goes on with that.
    put(&world, &|record| record.state = RehearsalState::Discarding);
    world.another_director();
    let gone = async {
        while !world.director.list().await.is_empty() {
            sleep(LOOK_AGAIN).await;
        }
    };
    timeout(BOUND, gone).await.expect("cleared up");
    world.is_cleared().await;
}

#[tokio::test]
async fn one_that_is_discarded_in_the_middle_leaves_nothing() {
    let Some(place) = place() else { return };
    let world = World::new(place, &site("while :; do sleep 0.1; done", "true")).await;
    world.up().await;
    world.director.rehearse("up", "kari", "").await.unwrap();
    world.until(RehearsalState::Steps).await;
    world.director.discard("r1").await.unwrap();
    world.is_cleared().await;
}

#[tokio::test]
async fn a_step_that_hangs_is_a_result_and_not_a_rehearsal_that_hangs() {
    let Some(place) = place() else { return };
    let hangs = site("sleep 600", "true").replace("within = \"30 s\"", "within = \"1 s\"");
    let world = World::new(place, &hangs).await;
    world.up().await;
    world.director.rehearse("up", "kari", "").await.unwrap();
    let failed = world.until(RehearsalState::Failed).await;
    let text = &failed.text;
    assert!(text.en.contains("not done within 1 s"), "{text}");
}

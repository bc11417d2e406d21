//! Every method of every service, called by a real account of each role over a bus with the appliance's own policy.
//!
//! The services are the real ones, in this process; the accounts and groups are those of `units/sysusers.d`, in a
//! namespace of the test's own; the callers are processes that run as them. A method that is not in [`TABLE`], and a
//! service of `units/dbus` whose object is not here, is a fault.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;
use tokio::process::Command;
use varde_audit::service::Service as Audit;
use varde_bus::hypervisor::HypervisorProxy;
use varde_bus::record::Recorder;
use varde_bus::testing::PrivateBus;
use varde_bus::{
    access, audit, dbrestart, desktop, door, host, hypervisor, rehearsal, site, telephony, tunnel, update,
};
use varde_dbrestart::service::{DbRestart, Posts};
use varde_host::facts::Sources;
use varde_host::journal::Journal;
use varde_hypervisor::systemd::Systemd;
use varde_site::{Origin, Source, Store};
use zbus::fdo::IntrospectableProxy;
use zbus::{Connection, interface};

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Viewer,
    Operator,
    Admin,
    /// No account of a person: the services that change something, and root.
    Writer,
}

use Who::{Admin, Operator, Viewer, Writer};

/// Written out by hand, not taken from `varde_bus::role`, to be held against it.
const TABLE: &[(&str, &[(&str, Who)])] = &[
    (
        access::NAME,
        &[
            ("EndSession", Operator),
            ("Enrol", Operator),
            ("Forget", Operator),
            ("Persons", Viewer),
            ("Portal", Viewer),
            ("Sessions", Viewer),
            ("SetCertificate", Admin),
        ],
    ),
    (
        audit::NAME,
        &[
            ("Append", Writer),
            ("Export", Viewer),
            ("Leave", Viewer),
            ("Since", Viewer),
            ("Tail", Viewer),
            ("Verify", Viewer),
        ],
    ),
    (
        dbrestart::NAME,
        &[
            ("Cancel", Operator),
            ("Get", Viewer),
            ("Hold", Operator),
            ("List", Viewer),
            ("Load", Viewer),
            ("Planned", Viewer),
            ("Preparation", Viewer),
            ("Restart", Operator),
            ("Runs", Viewer),
            ("SetCredential", Admin),
            ("SkipNext", Operator),
        ],
    ),
    (
        desktop::NAME,
        &[
            ("Attach", Writer),
            ("End", Operator),
            ("List", Viewer),
            ("Open", Writer),
            ("Pools", Viewer),
            ("Release", Writer),
            ("Renew", Operator),
        ],
    ),
    (
        door::NAME,
        &[
            ("Active", Writer),
            ("AddDevice", Writer),
            ("Challenge", Writer),
            ("ChoosePassword", Writer),
            ("Closed", Writer),
            ("Confirm", Writer),
            ("End", Writer),
            ("Enrol", Writer),
            ("Holds", Writer),
            ("Home", Writer),
            ("LogOut", Writer),
            ("Login", Writer),
            ("Redeem", Writer),
            ("RemoveDevice", Writer),
            ("Report", Writer),
            ("SecondFactor", Writer),
            ("Settings", Writer),
            ("Ticket", Writer),
        ],
    ),
    (
        host::NAME,
        &[
            ("Log", Viewer),
            ("PowerOff", Admin),
            ("Reboot", Admin),
            ("Status", Viewer),
        ],
    ),
    (
        hypervisor::NAME,
        &[
            ("CancelMerge", Operator),
            ("ForceOff", Operator),
            ("Get", Viewer),
            ("List", Viewer),
            ("MergeSnapshot", Operator),
            ("OpenConsole", Operator),
            ("Pause", Operator),
            ("Price", Viewer),
            ("Resume", Operator),
            ("RollBackSnapshot", Operator),
            ("Scrollback", Viewer),
            ("ShutDown", Operator),
            ("Snapshots", Viewer),
            ("Start", Operator),
            ("Storage", Viewer),
            ("TakeSnapshot", Operator),
            ("Usage", Viewer),
        ],
    ),
    (
        rehearsal::NAME,
        &[
            ("Discard", Operator),
            ("List", Viewer),
            ("Price", Viewer),
            ("Promote", Admin),
            ("Recipes", Viewer),
            ("Rehearse", Operator),
            ("TakeBack", Admin),
        ],
    ),
    (
        site::NAME,
        &[
            ("Apply", Admin),
            ("ApplyOnTrial", Admin),
            ("Check", Viewer),
            ("Confirm", Admin),
            ("Diff", Viewer),
            ("DiffText", Viewer),
            ("History", Viewer),
            ("Risks", Viewer),
            ("RisksOfText", Viewer),
            ("RollBack", Admin),
            ("RollBackOnTrial", Admin),
            ("Show", Viewer),
            ("Summary", Viewer),
            ("TakeBack", Admin),
            ("Trial", Viewer),
        ],
    ),
    (
        telephony::NAME,
        &[
            ("Calls", Viewer),
            ("ClearCall", Operator),
            ("Extensions", Viewer),
            ("Lines", Viewer),
            ("Recording", Operator),
            ("Records", Viewer),
            ("RestartChannel", Operator),
            ("SetCredential", Admin),
            ("Status", Viewer),
            ("TestCall", Operator),
            ("TestEmergency", Operator),
            ("Trunks", Viewer),
        ],
    ),
    (
        tunnel::NAME,
        &[
            ("ChangeKey", Admin),
            ("Hold", Writer),
            ("Peers", Viewer),
            ("PrepareKey", Admin),
            ("Status", Viewer),
        ],
    ),
    (
        update::NAME,
        &[
            ("Fetch", Admin),
            ("Install", Admin),
            ("MarkRead", Operator),
            ("Status", Viewer),
            ("TakeBack", Admin),
        ],
    ),
];

/// An account that calls.
struct Caller {
    name: &'static str,
    uid: u32,
    /// By name; the first is its primary group.
    groups: &'static [&'static str],
    may: fn(Who) -> bool,
}

const CALLERS: [Caller; 6] = [
    Caller {
        name: "stranger",
        uid: 60_001,
        groups: &["stranger"],
        may: |_| false,
    },
    // Let through by the bus, with no role for the services.
    Caller {
        name: "roleless",
        uid: 60_002,
        groups: &["varde"],
        may: |_| false,
    },
    Caller {
        name: "viewer",
        uid: 60_003,
        groups: &["varde", "varde-viewer"],
        may: |who| who == Viewer,
    },
    Caller {
        name: "operator",
        uid: 60_004,
        groups: &["varde", "varde-operator"],
        may: |who| who <= Operator,
    },
    Caller {
        name: "admin",
        uid: 60_005,
        groups: &["varde", "varde-admin"],
        may: |who| who <= Admin,
    },
    Caller {
        name: "root",
        uid: 0,
        groups: &["root"],
        may: |_| true,
    },
];

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../units")
}

/// Accounts and groups of the appliance beside those of this machine, seen by this thread and what it starts.
fn own_accounts(folder: &Path) -> BTreeMap<String, u32> {
    let mut passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let mut ids = BTreeMap::from([("root".to_owned(), 0), ("stranger".to_owned(), 60_001)]);
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(units().join("sysusers.d")).unwrap() {
        for line in std::fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["u", name, id, ..] => {
                    writeln!(passwd, "{name}:x:{id}:{id}::/:/bin/false").unwrap();
                    ids.insert(name.to_owned(), id.parse().unwrap());
                }
                ["g", name, id, ..] => {
                    ids.insert(name.to_owned(), id.parse().unwrap());
                }
                ["m", name, group] => members.entry(group.to_owned()).or_default().push(name.to_owned()),
                _ => {}
            }
        }
    }
    for caller in CALLERS.iter().filter(|caller| caller.uid != 0) {
        let (name, uid) = (caller.name, caller.uid);
        writeln!(passwd, "{name}:x:{uid}:{}::/:/bin/false", ids[caller.groups[0]]).unwrap();
        for group in caller.groups {
            members
                .entry((*group).to_owned())
                .or_default()
                .push(name.to_owned());
        }
    }
    let mut group = std::fs::read_to_string("/etc/group").unwrap();
    for (name, id) in ids.iter().filter(|(name, _)| *name != "root") {
        let members = members.get(name).map(|names| names.join(",")).unwrap_or_default();
        writeln!(group, "{name}:x:{id}:{members}").unwrap();
    }
    unshare(CloneFlags::CLONE_NEWNS).expect("this test makes a namespace, so it needs root");
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    for (name, text) in [("passwd", passwd), ("group", group)] {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        let over = Path::new("/etc").join(name);
        mount(Some(&file), &over, none, MsFlags::MS_BIND, none).unwrap();
    }
    ids
}

/// What the system bus of Debian allows, and our own policy on top; root may play every service.
fn policy() -> String {
    format!(
        "<policy context=\"default\"><allow user=\"*\"/><deny own=\"*\"/><deny send_type=\"method_call\"/>\
         <allow send_type=\"signal\"/><allow send_requested_reply=\"true\" send_type=\"method_return\"/>\
         <allow send_requested_reply=\"true\" send_type=\"error\"/><allow receive_type=\"method_call\"/>\
         <allow receive_type=\"method_return\"/><allow receive_type=\"error\"/><allow receive_type=\"signal\"/>\
         <allow send_destination=\"org.freedesktop.DBus\"/></policy>\
         <policy user=\"root\"><allow own=\"*\"/></policy>\
         <includedir>{}</includedir>\
         <policy context=\"mandatory\"><allow send_destination=\"org.freedesktop.systemd1\"/></policy>",
        units().join("dbus/system.d").canonicalize().unwrap().display()
    )
}

/// As much of systemd as the hypervisor's service needs to begin.
struct Manager;

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    #[allow(clippy::unused_self, reason = "the interface as it is on the bus")]
    fn subscribe(&self) {}
}

/// The services, each on a connection of its own.
async fn serve(bus: &PrivateBus, folder: &Path) -> Vec<Connection> {
    let systemd = bus.connect().await;
    systemd
        .object_server()
        .at("/org/freedesktop/systemd1", Manager)
        .await
        .unwrap();
    systemd.request_name("org.freedesktop.systemd1").await.unwrap();

    let path = |name: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    let record = bus.connect().await;
    Audit::open(&path("audit")).unwrap().serve(&record).await.unwrap();
    record.request_name(audit::NAME).await.unwrap();

    let store = Store::open(path("site"));
    let origin = Origin {
        who: "first-boot".into(),
        why: String::new(),
        source: Source::Demo,
        problem: None,
    };
    let demo = include_str!("../../../image/demo/site.toml");
    store.writer().unwrap().commit(demo, &origin, 1).unwrap();
    let sites = bus.connect().await;
    let service = varde_sited::service::Service::new(&sites, store).await.unwrap();
    service.serve(&sites).await.unwrap();
    sites.request_name(site::NAME).await.unwrap();

    let hosts = bus.connect().await;
    let journal = Journal {
        program: "/bin/false".into(),
        patience: std::time::Duration::from_secs(5),
    };
    varde_host::service::Service::serve(&hosts, Sources::new(path("host")), journal)
        .await
        .unwrap();
    hosts.request_name(host::NAME).await.unwrap();

    let machines = bus.connect().await;
    let paths = varde_hypervisor::paths::Paths::below(path("vm"), "/bin/false", "/bin/false");
    let (units, news) = Systemd::new(&machines).await.unwrap();
    let units: Arc<dyn varde_hypervisor::unit::Units> = Arc::new(units);
    let (handle, _) = varde_hypervisor::daemon::spawn(paths.clone(), Arc::clone(&units), news);
    let (keeper, _) = varde_hypervisor::snapshots::Keeper::new(handle.clone(), units, paths.clone());
    let (director, _) = varde_hypervisor::rehearsal::Director::new(keeper.clone());
    let desks = keeper.clone();
    let service = varde_hypervisor::service::Hypervisor::new(&machines, handle, keeper, paths)
        .await
        .unwrap();
    machines
        .object_server()
        .at(hypervisor::PATH, service)
        .await
        .unwrap();
    let rehearsals = varde_hypervisor::rehearsal::Rehearsals::new(&machines, director)
        .await
        .unwrap();
    machines
        .object_server()
        .at(rehearsal::PATH, rehearsals)
        .await
        .unwrap();
    let (desks, _) = varde_hypervisor::desktops::Host::new(desks);
    let desks = varde_hypervisor::desktops::Desktops::new(&machines, desks)
        .await
        .unwrap();
    machines.object_server().at(desktop::PATH, desks).await.unwrap();
    machines.request_name(desktop::NAME).await.unwrap();
    machines.request_name(hypervisor::NAME).await.unwrap();
    machines.request_name(rehearsal::NAME).await.unwrap();
    // The other services find it.
    HypervisorProxy::new(&machines).await.unwrap();

    let databases = bus.connect().await;
    let service = DbRestart::new(
        Posts::default(),
        varde_dbrestart::settings::Paths::below(path("db")),
        Recorder::new(&databases).await.unwrap(),
    );
    databases
        .object_server()
        .at(dbrestart::PATH, service)
        .await
        .unwrap();
    databases.request_name(dbrestart::NAME).await.unwrap();

    let phones = bus.connect().await;
    let (orders, receiver) = tokio::sync::mpsc::channel(8);
    let bridge = varde_telephony::bridge::Bridge::new(&path("telephony")).unwrap();
    tokio::spawn(bridge.run(receiver));
    let service = varde_telephony::service::Telephony::new(
        varde_telephony::service::Handle::new(orders),
        Recorder::new(&phones).await.unwrap(),
    );
    phones.object_server().at(telephony::PATH, service).await.unwrap();
    phones.request_name(telephony::NAME).await.unwrap();

    let doors = bus.connect().await;
    let keeper = varde_access::Doorkeeper::open(varde_access::folder::Folder::new(path("access"))).unwrap();
    let house = Arc::new(varde_access::house::House::new(&doors, keeper).await.unwrap());
    let service = varde_access::service::Access::new(Arc::clone(&house));
    doors.object_server().at(access::PATH, service).await.unwrap();
    let service = varde_access::door::Door::new(house);
    doors.object_server().at(door::PATH, service).await.unwrap();
    let tunnels = bus.connect().await;
    let keeper = varde_tunnel::Keeper::new(
        Box::new(varde_tunnel::kernel::Linux),
        varde_tunnel::keys::Keys::open(path("tunnel")),
    );
    let service = varde_tunnel::service::Tunnel::new(
        Arc::new(std::sync::Mutex::new(keeper)),
        Recorder::new(&tunnels).await.unwrap(),
    );
    tunnels.object_server().at(tunnel::PATH, service).await.unwrap();
    tunnels.request_name(tunnel::NAME).await.unwrap();
    doors.request_name(access::NAME).await.unwrap();
    doors.request_name(door::NAME).await.unwrap();
    let updates = bus.connect().await;
    let service = varde_lifecycle::service::Update::new(
        varde_lifecycle::service::Sources {
            ledger: varde_lifecycle::ledger::Folder::new(path("update")),
            fetched: varde_lifecycle::ledger::Folder::new(path("download")),
            own: varde_lifecycle::ledger::Folder::new(path("lifecycle")),
            version: "0.1.0".to_owned(),
            labels: path("labels"),
            sticks: path("sticks"),
            site: path("site"),
        },
        Recorder::new(&updates).await.unwrap(),
    );
    updates.object_server().at(update::PATH, service).await.unwrap();
    updates.request_name(update::NAME).await.unwrap();
    vec![
        systemd, record, sites, hosts, machines, databases, phones, doors, tunnels, updates,
    ]
}

/// Name and signature of every method that the object offers on the interface of its own name.
async fn methods(connection: &Connection, name: &'static str) -> BTreeMap<String, String> {
    let path = format!("/{}", name.replace('.', "/"));
    let object = IntrospectableProxy::builder(connection)
        .destination(name)
        .path(path)
        .build()
        .await
        .unwrap();
    let xml = object.introspect().await.unwrap();
    let of_interface = xml.split(&format!("<interface name=\"{name}\">")).nth(1).unwrap();
    let of_interface = of_interface.split("</interface>").next().unwrap();
    let attribute = |text: &str, name: &str| {
        let rest = text.split(&format!("{name}=\"")).nth(1)?;
        Some(rest.split('"').next()?.to_owned())
    };
    of_interface
        .split("<method ")
        .skip(1)
        .map(|method| {
            let method = method.split("</method>").next().unwrap();
            let arguments = method.split("<arg ").skip(1).filter(|arg| {
                let arg = arg.split('>').next().unwrap();
                attribute(arg, "direction").as_deref() == Some("in")
            });
            let signature: String = arguments.filter_map(|arg| attribute(arg, "type")).collect();
            (attribute(method, "name").unwrap(), signature)
        })
        .collect()
}

/// Arguments of the right types that name nothing there is.
fn arguments(signature: &str) -> Vec<&'static str> {
    let mut words = Vec::new();
    for kind in signature.chars().filter(|kind| !"()".contains(*kind)) {
        words.push(match kind {
            's' => "ingenting",
            'b' => "true",
            // A list of one; what is in it follows.
            'a' => "1",
            'y' | 'u' | 't' | 'i' | 'x' => "9",
            other => panic!("no argument of the type {other} is known here"),
        });
    }
    words
}

/// Whether the call came through to what it asks for, and what was said.
async fn call(
    bus: &PrivateBus,
    (caller, ids): (&Caller, &BTreeMap<String, u32>),
    name: &str,
    (method, signature): (&str, &str),
) -> (bool, String) {
    let groups: Vec<String> = caller
        .groups
        .iter()
        .map(|group| ids[*group].to_string())
        .collect();
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={}", caller.uid))
        .arg(format!("--regid={}", groups[0]))
        .arg(format!("--groups={}", groups.join(",")))
        .arg("busctl")
        .arg(format!("--address={}", bus.address()))
        .args(["call", name])
        .arg(format!("/{}", name.replace('.', "/")))
        .args([name, method])
        .env("LC_ALL", "C");
    if !signature.is_empty() {
        let mut arguments = arguments(signature);
        if (name, method) == (hypervisor::NAME, "Price") {
            // Of two words; another one is refused before anybody asks who calls.
            arguments[1] = "merge";
        }
        command.arg(signature).args(arguments);
    }
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let denied = ["may not do this", "may not enter", "Access denied"]
        .iter()
        .any(|words| said.contains(words));
    assert!(
        denied || output.status.success() || said.starts_with("Call failed: "),
        "the call was not made: {said}"
    );
    assert!(!said.contains("Unknown method"), "{said}");
    (!denied, said)
}

#[tokio::test]
async fn every_method_is_open_to_the_roles_of_the_table_and_to_nobody_else() {
    let folder = TempDir::new().unwrap();
    let ids = own_accounts(folder.path());
    let bus = PrivateBus::start_with(&policy());
    let services = serve(&bus, folder.path()).await;
    let client = bus.connect().await;

    let mut activated: Vec<String> = std::fs::read_dir(units().join("dbus/system-services"))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .into_string()
                .unwrap()
                .replace(".service", "")
        })
        .collect();
    activated.sort();
    let known: Vec<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    assert_eq!(activated, known, "a service of units/dbus has no rows here");

    let (mut wrong, mut calls) = (Vec::new(), 0);
    for (name, rows) in TABLE {
        let methods = methods(&client, name).await;
        let offered: Vec<&str> = methods.keys().map(String::as_str).collect();
        let listed: Vec<&str> = rows.iter().map(|(method, _)| *method).collect();
        assert_eq!(
            offered, listed,
            "methods of {name} without a row, or rows without a method"
        );
        for (method, who) in *rows {
            for caller in &CALLERS {
                let signature = methods[*method].as_str();
                let (came_through, said) = call(&bus, (caller, &ids), name, (method, signature)).await;
                calls += 1;
                // Who has no account here is stopped by the bus, before any service.
                if caller.name == "stranger" {
                    assert!(said.contains("Access denied"), "{name}.{method}: {said}");
                }
                if came_through != (caller.may)(*who) {
                    wrong.push(format!("{} calls {name}.{method}: {said}", caller.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {calls} calls: {wrong:#?}", wrong.len());
    println!("{calls} calls, 0 wrong");
    drop(services);
}

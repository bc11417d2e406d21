//! An appliance in a directory, with processes where systemd would have units. The tests with a real QEMU and the
//! benches stand on it.

#![allow(dead_code, reason = "each test and bench takes what it needs")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use varde_bus::Failure;
use varde_bus::hypervisor::{VmState, VmStatus};
use varde_hypervisor::daemon::{self, Handle, Publication, now};
use varde_hypervisor::notes::Started;
use varde_hypervisor::paths::Paths;
use varde_hypervisor::unit::{Activity, Answer, Exit, UnitNews, UnitView, Units};
use varde_site::{Firmware, Limits, Site, Vm};

pub const VM_EXEC: &str = env!("CARGO_BIN_EXE_varde-vm-exec");

pub fn vm(name: &str) -> Vm {
    Vm {
        name: name.to_owned(),
        title: String::new(),
        group: String::new(),
        cpus: 1,
        memory: 64 << 20,
        zone: "inner".to_owned(),
        address: None,
        firmware: Firmware::Bios,
        autostart: false,
        after: Vec::new(),
        disks: Vec::new(),
        checks: Vec::new(),
        limits: Limits::default(),
        shutdown_timeout: 2,
        desktop: false,
    }
}

pub fn site(vms: Vec<Vm>) -> Site {
    let mut site =
        varde_site::parse(include_str!("../site.toml")).expect("the site of these tests is in order");
    site.vms = vms;
    site
}

/// QEMU's programs: those that `VARDE_QEMU` and `VARDE_QEMU_IMG` name, or those of the toolbox `VARDE_TOOLBOX`, whose
/// own loader runs them. `None` without either.
fn programs(root: &Path) -> Option<[PathBuf; 2]> {
    if let (Some(qemu), Some(img)) = (std::env::var_os("VARDE_QEMU"), std::env::var_os("VARDE_QEMU_IMG")) {
        return Some([qemu.into(), img.into()]);
    }
    let toolbox = PathBuf::from(std::env::var_os("VARDE_TOOLBOX")?);
    let wrap = |program: &str, options: &str| {
        let path = root.join(program);
        let tree = toolbox.display();
        let script = format!(
            "#!/bin/sh\nexec {tree}/lib64/ld-linux-x86-64.so.2 --library-path {tree}/usr/lib/x86_64-linux-gnu \
             {tree}/usr/bin/{program} {options} \"$@\"\n"
        );
        std::fs::write(&path, script).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        path
    };
    let data =
        ["qemu", "seabios", "ipxe/qemu"].map(|name| format!("-L {}/usr/share/{name}", toolbox.display()));
    Some([wrap("qemu-system-x86_64", &data.join(" ")), wrap("qemu-img", "")])
}

/// A directory that is an appliance's root.
pub struct Place {
    pub paths: Paths,
    _directory: tempfile::TempDir,
}

impl Place {
    /// `None` where no QEMU is named: such a test has nothing to test.
    pub fn with_qemu() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let [qemu, img] = programs(directory.path())?;
        Some(Self::lay_out(directory, &qemu, &img))
    }

    pub fn without_qemu() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self::lay_out(directory, Path::new("/bin/false"), Path::new("/bin/false"))
    }

    fn lay_out(directory: tempfile::TempDir, qemu: &Path, img: &Path) -> Self {
        let root = directory.path();
        for path in [
            "run/varde/vm",
            "run/varde/machines",
            "run/varde/hypervisor",
            "run/varde/media",
            "var/lib/varde/vm",
            "var/lib/varde/images",
            "var/lib/varde/rehearsal",
            "var/lib/varde/site",
            "sys/class/net/br-inner",
            "sys/class/net/r1-inner",
            "sys/class/net/r2-inner",
            "proc",
        ] {
            std::fs::create_dir_all(root.join(path)).expect("a directory");
        }
        std::fs::write(root.join("proc/meminfo"), "MemTotal: 1073741824 kB\n").expect("written");
        Self {
            paths: Paths::below(root, qemu, img),
            _directory: directory,
        }
    }
}

/// Keeps QEMUs as a service manager would, by the steps of the unit that need no root.
#[derive(Clone)]
pub struct Processes {
    pub paths: Paths,
    site: Arc<Site>,
    views: Arc<Mutex<BTreeMap<String, UnitView>>>,
    news: Arc<Mutex<mpsc::UnboundedSender<UnitNews>>>,
    workers: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Processes {
    pub fn new(paths: Paths, site: &Site) -> (Self, mpsc::UnboundedReceiver<UnitNews>) {
        let (news, receiver) = mpsc::unbounded_channel();
        let processes = Self {
            paths,
            site: Arc::new(site.clone()),
            views: Arc::default(),
            news: Arc::new(Mutex::new(news)),
            workers: Arc::default(),
        };
        (processes, receiver)
    }

    /// Another daemon listens from now on.
    pub fn listen(&self) -> mpsc::UnboundedReceiver<UnitNews> {
        let (news, receiver) = mpsc::unbounded_channel();
        *self.news.lock().expect("news") = news;
        receiver
    }

    /// The machine of that name, or the clone.
    fn declared(&self, name: &str) -> Vm {
        let machine = self.site.vms.iter().find(|vm| vm.name == name).cloned();
        machine.or_else(|| self.site.cloned(name)).expect("declared")
    }

    pub fn step(&self, step: &str, vm: &str, invocation: &str) -> Command {
        let mut command = Command::new(VM_EXEC);
        command
            .args([step, vm])
            .env("VARDE_ROOT", self.paths.root())
            .env("VARDE_QEMU", &self.paths.qemu)
            .env("VARDE_QEMU_IMG", &self.paths.qemu_img)
            .env("INVOCATION_ID", invocation)
            .stdin(Stdio::null());
        command
    }

    pub fn pid(&self, vm: &str) -> u32 {
        self.views.lock().expect("views")[vm].pid
    }

    /// Its process, if it has one.
    pub fn running(&self, vm: &str) -> Option<u32> {
        let views = self.views.lock().expect("views");
        views.get(vm).map(|view| view.pid).filter(|pid| *pid > 0)
    }

    fn change(&self, vm: &str, change: impl FnOnce(&mut UnitView)) {
        let mut views = self.views.lock().expect("views");
        let view = views.entry(vm.to_owned()).or_default();
        change(view);
        let news = UnitNews {
            vm: vm.to_owned(),
            view: view.clone(),
            not_started: None,
        };
        // Nobody listens while no daemon runs.
        let _ = self.news.lock().expect("news").send(news);
    }

    /// What the root step leaves for the machine's user.
    pub fn prepare(&self, vm: &str, invocation: &str) {
        for directory in [
            self.paths.run(vm),
            self.paths.disks(vm),
            self.paths.control_group(vm),
        ] {
            std::fs::create_dir_all(directory).expect("a directory");
        }
        let started = Started {
            invocation: invocation.to_owned(),
            when: now(),
            site: "nord".to_owned(),
            vm: self.declared(vm),
        };
        started.write(&self.paths).expect("written");
    }

    fn spawn(&self, vm: &str) {
        let invocation = format!("run-{}", now());
        self.prepare(vm, &invocation);
        let child = self.step("run", vm, &invocation).spawn().expect("a process");
        self.change(vm, |view| {
            *view = UnitView {
                activity: Activity::Active,
                invocation: invocation.clone(),
                pid: child.id().unwrap_or(0),
                result: "success".to_owned(),
                exit: None,
                up_since: now(),
                down_since: 0,
                ..UnitView::default()
            }
        });
        tokio::spawn(self.clone().keep(vm.to_owned(), invocation, child));
    }

    async fn keep(self, vm: String, invocation: String, mut child: Child) {
        let status = child.wait().await.expect("waited for");
        let (result, exit) = exit_of(status);
        let (code, number) = match exit {
            Exit::Code(code) => ("exited", code.to_string()),
            Exit::Signal(signal) => ("killed", signal.to_string()),
        };
        let ended = self
            .step("ended", &vm, &invocation)
            .env("SERVICE_RESULT", result)
            .env("EXIT_CODE", code)
            .env("EXIT_STATUS", number)
            .status();
        assert!(ended.await.expect("a process").success());
        self.change(&vm, |view| {
            view.activity = if result == "success" {
                Activity::Inactive
            } else {
                Activity::Failed
            };
            view.pid = 0;
            result.clone_into(&mut view.result);
            view.exit = Some(exit);
            view.down_since = now();
        });
    }
}

fn exit_of(status: ExitStatus) -> (&'static str, Exit) {
    match (status.code(), status.signal()) {
        (Some(0), _) => ("success", Exit::Code(0)),
        (Some(code), _) => ("exit-code", Exit::Code(code)),
        (None, signal) => ("signal", Exit::Signal(signal.unwrap_or(0))),
    }
}

impl Units for Processes {
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

    fn start<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.spawn(vm);
            Ok(())
        })
    }

    fn stop<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        let invocation = self.views.lock().expect("views")[vm].invocation.clone();
        let mut stop = self.step("stop", vm, &invocation);
        self.change(vm, |view| view.activity = Activity::Deactivating);
        Box::pin(async move {
            tokio::spawn(async move { stop.status().await });
            Ok(())
        })
    }

    fn kill<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            kill(self.pid(vm));
            Ok(())
        })
    }

    fn work<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        let mut step = self.step("disks", vm, "");
        Box::pin(async move {
            let mut child = step.kill_on_drop(true).spawn().expect("a process");
            self.workers
                .lock()
                .expect("workers")
                .insert(vm.to_owned(), child.id().unwrap_or(0));
            child.wait().await.expect("waited for");
            self.workers.lock().expect("workers").remove(vm);
            Ok(())
        })
    }

    fn drop_work<'a>(&'a self, vm: &'a str) -> Answer<'a, ()> {
        let worker = self.workers.lock().expect("workers").get(vm).copied();
        Box::pin(async move {
            worker.into_iter().for_each(kill);
            Ok(())
        })
    }
}

pub fn kill(pid: u32) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

/// A daemon's heart with these units.
pub async fn daemon(
    paths: &Paths,
    site: Site,
    units: impl Units,
    news: mpsc::UnboundedReceiver<UnitNews>,
) -> (Handle, mpsc::UnboundedReceiver<Publication>) {
    let (handle, published) = daemon::spawn(paths.clone(), Arc::new(units), news);
    handle.site(site).await;
    (handle, published)
}

/// Waits until the machine is published in this state.
pub async fn until(
    published: &mut mpsc::UnboundedReceiver<Publication>,
    vm: &str,
    state: VmState,
) -> Result<VmStatus, Failure> {
    loop {
        match published.recv().await.expect("the heart beats") {
            Publication::Changed(status) if status.name == vm && status.state == state => return Ok(status),
            _ => {}
        }
    }
}

/// Where a bench leaves its figures: the file that `VARDE_BENCH_OUTPUT` names, else standard output.
pub fn report(figures: &serde_json::Value) {
    match std::env::var_os("VARDE_BENCH_OUTPUT") {
        Some(path) => std::fs::write(path, figures.to_string()).expect("written"),
        None => println!("{figures}"),
    }
}

//! From the request to `query-status: running`: through the daemon's heart and the unit's steps, beside bare QEMU with
//! the same command line and `virsh start` of a machine like it, turn by turn.
//!
//! Needs `VARDE_QEMU` or `VARDE_TOOLBOX`; libvirt is there if `VARDE_LIBVIRT` names a Debian tree with it. systemd's own part is not in it, because a build machine may not run it: the
//! unit's processes are started as systemd would. One JSON object comes out.

#[path = "../tests/common/mod.rs"]
mod common;
mod libvirt;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Place, Processes, daemon, kill, report, site, until, vm};
use varde_bus::hypervisor::VmState;
use varde_hypervisor::argv;
use varde_hypervisor::probe::Accelerator;
use varde_hypervisor::qmp::{self, QueryStatus};
use varde_site::Disk;

const ROUNDS: usize = 11;
const BOUND: Duration = Duration::from_secs(30);

/// Looks for the answer as often as the daemon does.
async fn running(socket: &Path) {
    loop {
        if let Ok((client, _events)) = qmp::connect(socket, BOUND).await
            && let Ok(status) = client.execute(&QueryStatus {}, BOUND).await
            && status.running
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Some(place) = Place::with_qemu() else {
        eprintln!("vm-start: set VARDE_TOOLBOX, or VARDE_QEMU and VARDE_QEMU_IMG");
        std::process::exit(2);
    };
    let mut machine = vm("one");
    machine.memory = 256 << 20;
    machine.disks = vec![Disk {
        name: "system".into(),
        image: None,
        size: 1 << 30,
    }];
    let site = site(vec![machine.clone()]);
    let (units, news) = Processes::new(place.paths.clone(), &site);
    let (handle, mut published) = daemon(&place.paths, site, units.clone(), news).await;

    let mut libvirt = libvirt::Libvirt::find().await;
    let (mut ours, mut bare, mut virsh) = (Vec::new(), Vec::new(), Vec::new());
    // The first start makes the disk; it is not counted.
    for round in 0..=ROUNDS {
        let begun = Instant::now();
        handle.start("one").await.expect("started");
        until(&mut published, "one", VmState::Running)
            .await
            .expect("runs");
        let took = begun.elapsed();
        kill(units.pid("one"));
        until(&mut published, "one", VmState::Crashed)
            .await
            .expect("is off");
        if round > 0 {
            ours.push(took);
        }

        let socket = place.paths.qmp("one");
        std::fs::remove_file(&socket).expect("a socket was there");
        let words = argv::argv(
            &machine,
            "nord",
            Accelerator::Tcg,
            None,
            &varde_disks::Chains::default(),
            &place.paths,
        );
        let begun = Instant::now();
        let mut qemu = tokio::process::Command::new(&place.paths.qemu)
            .args(words)
            .stdin(Stdio::null())
            .spawn()
            .expect("QEMU");
        running(&socket).await;
        let took = begun.elapsed();
        qemu.kill().await.expect("killed");
        if round > 0 {
            bare.push(took);
        }

        if let Some(libvirt) = &mut libvirt {
            let took = libvirt.start().await;
            if round > 0 {
                virsh.push(took);
            }
        }
    }
    let (ours, bare) = (median(ours), median(bare));
    let figures = serde_json::json!({
        "rounds": ROUNDS,
        "varde_ms": ours,
        "bare_qemu_ms": bare,
        "overhead_ms": ours - bare,
        "virsh_ms": (!virsh.is_empty()).then(|| median(virsh)),
    });
    report(&figures);
}

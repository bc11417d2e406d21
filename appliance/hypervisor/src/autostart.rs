//! Starts the machines that are to be on after a boot, each as soon as those before it are up. It needs the service
//! manager, and no daemon of ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use varde_site::{Site, Vm};

use crate::checks::{self, Told};
use crate::paths::Paths;
use crate::unit::{Activity, Units};

/// How often a unit that is on its way up is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Whether a machine came up, once that is known.
type Fate = watch::Receiver<Option<bool>>;

/// Ends when every machine is up, or has not come up in time. A machine whose forerunners are down is started all the
/// same: its own gate refuses, and says why where everybody looks.
pub async fn run(site: &Site, paths: &Paths, units: Arc<dyn Units>) {
    let chosen: Vec<&Vm> = site.vms.iter().filter(|vm| vm.autostart).collect();
    let mut senders = BTreeMap::new();
    let mut fates: BTreeMap<&str, Fate> = BTreeMap::new();
    for vm in &chosen {
        let (sender, fate) = watch::channel(None);
        senders.insert(vm.name.as_str(), sender);
        fates.insert(&vm.name, fate);
    }
    let mut starts = JoinSet::new();
    for vm in &chosen {
        let Some(sender) = senders.remove(vm.name.as_str()) else {
            continue;
        };
        let forerunners: Vec<Fate> = vm
            .after
            .iter()
            .filter_map(|name| fates.get(name.as_str()).cloned())
            .collect();
        let (vm, paths, units) = ((*vm).clone(), paths.clone(), Arc::clone(&units));
        starts.spawn(async move {
            for mut fate in forerunners {
                // An end of the channel is an end of waiting too.
                let _ = fate.wait_for(Option::is_some).await;
            }
            let up = start(&vm, &paths, units.as_ref()).await;
            sender.send_replace(Some(up));
        });
    }
    while starts.join_next().await.is_some() {}
}

async fn start(vm: &Vm, paths: &Paths, units: &dyn Units) -> bool {
    let name = &vm.name;
    if let Err(failure) = units.start(name).await {
        eprintln!("{name}: not started: {failure}");
        return false;
    }
    loop {
        match units.view(name).await.map(|view| view.activity) {
            Ok(Activity::Active) => break,
            Ok(Activity::Activating) => sleep(LOOK).await,
            Ok(_) => {
                eprintln!("{name}: did not start");
                return false;
            }
            Err(failure) => {
                eprintln!("{name}: {failure}");
                return false;
            }
        }
    }
    for check in &vm.checks {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let passed = {
            let trying = checks::run(check, vm, paths, Duration::ZERO, |what| {
                // Nobody listens once it is overdue.
                let _ = tell.send(what);
            });
            let overdue = async { while told.recv().await.is_some_and(|what| what != Told::Overdue) {} };
            tokio::select! {
                () = trying => true,
                () = overdue => false,
            }
        };
        if !passed {
            eprintln!(
                "{name}: {} did not pass within {} s",
                crate::machine::name_of(check),
                check.within
            );
            return false;
        }
    }
    eprintln!("{name}: up");
    true
}

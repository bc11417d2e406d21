//! What the unit of a virtual machine runs: one step a call. Started by units, not by people.

use std::process::ExitCode;
use std::sync::Arc;

use varde_hypervisor::paths::Paths;
use varde_hypervisor::snapshots::errand;
use varde_hypervisor::systemd::Systemd;
use varde_hypervisor::{Error, autostart, prepare, probe, site};

const USAGE: &str = "varde-vm-exec prepare|run|stop|ended|place|disks NAME, or varde-vm-exec probe|autostart";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match step(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ Error::Usage(_)) => {
            eprintln!("varde-vm-exec: {error}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("varde-vm-exec {}: {error}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn step(words: &[&str]) -> Result<(), Error> {
    let paths = Paths::from_environment();
    match words {
        ["prepare", vm] => wait_for(prepare::prepare(vm, &paths))?,
        ["run", vm] => prepare::run(vm, &paths),
        ["stop", vm] => {
            wait_for(prepare::stop(vm, &paths))?;
            Ok(())
        }
        ["ended", vm] => prepare::ended(vm, &paths),
        ["place", vm] => prepare::place(vm, &paths),
        ["disks", vm] => errand::carry_out(vm, &paths),
        ["probe"] => {
            // The unit sends this to where `run` looks.
            println!("{}", probe::probe(&paths));
            Ok(())
        }
        ["autostart"] => wait_for(start_all(&paths))?,
        _ => Err(Error::Usage(USAGE.to_owned())),
    }
}

async fn start_all(paths: &Paths) -> Result<(), Error> {
    let Some(site) = site::active(paths)? else {
        return Ok(());
    };
    let connection = zbus::Connection::system().await?;
    let (systemd, _news) = Systemd::new(&connection)
        .await
        .map_err(|failure| Error::Blocked(failure.text))?;
    autostart::run(&site, paths, Arc::new(systemd)).await;
    Ok(())
}

fn wait_for<T>(work: impl Future<Output = T>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::file("start", "an event loop".as_ref()))?;
    Ok(runtime.block_on(work))
}

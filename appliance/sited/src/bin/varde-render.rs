//! `varde-render`: makes accounts, networks and the machine's name what the active generation says.

use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::unistd::Group;
use varde_site::{Active, Source, Store, StoreError, Text};
use varde_sited::place::{Placed, place};
use varde_sited::render::{self, Notice, bridge_of};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("varde-render: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let store = Store::open(Store::PATH);
    let (active, problem) = readable(&store)?;
    let notice = Notice {
        demo: active.record.source == Source::Demo,
        problem: problem.as_ref().or(active.record.problem.as_ref()),
    };
    let tree = render::render(&active.site, notice);
    let readers = Group::from_name("shadow")?.map(|group| group.gid.as_raw());
    let placed = place(Path::new("/"), &tree, readers)?;
    let (setting, name) = render::hostname(&active.site);
    if std::fs::read_to_string(setting)?.trim_end() != name {
        std::fs::write(setting, name)?;
    }
    remove_bridges(&placed);
    println!(
        "generation {}: {} files written, {} removed",
        active.record.number,
        placed.written.len(),
        placed.removed.len()
    );
    Ok(())
}

/// The active generation; where its file was altered or damaged, the newest one that is whole, so that somebody can
/// log in and mend it.
fn readable(store: &Store) -> Result<(Active, Option<Text>), Box<dyn Error>> {
    let fault = match store.active() {
        Ok(Some(active)) => return Ok((active, None)),
        Ok(None) => return Err(varde_sited::Error::NoGeneration.into()),
        Err(fault) => fault,
    };
    for record in store.history()?.into_iter().flatten() {
        if let Ok(older) = store.generation(record.number) {
            let problem = fell_back(&fault, record.number);
            eprintln!("varde-render: {problem}");
            return Ok((older, Some(problem)));
        }
    }
    Err(fault.into())
}

fn fell_back(fault: &StoreError, number: u64) -> Text {
    let why = fault.text();
    Text::new(
        format!("Kontoer og nett er fra generasjon {number}. {}", why.nb),
        format!(
            "Accounts and networks are those of generation {number}. {}",
            why.en
        ),
    )
}

/// systemd-networkd makes the bridges that its files declare, but leaves those that they no longer do.
fn remove_bridges(placed: &Placed) {
    let names = placed
        .removed
        .iter()
        .filter_map(|path| path.file_name()?.to_str());
    for bridge in names.filter_map(bridge_of) {
        if !Path::new("/sys/class/net").join(&bridge).exists() {
            continue;
        }
        let done = Command::new("ip")
            .args(["link", "delete", "dev", &bridge])
            .status();
        if !done.as_ref().is_ok_and(std::process::ExitStatus::success) {
            // It holds nothing up, and is gone at the next boot at the latest.
            eprintln!("varde-render: could not remove the bridge {bridge}: {done:?}");
        }
    }
}

//! Restarts databases on schedule, and answers for them on the bus. `varde-dbrestartd recover` only puts right what a
//! controller left that died: whatever ends the service, systemd runs it after that end.

use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use varde_bus::dbrestart::{NAME, PATH};
use varde_bus::hypervisor::HypervisorProxy;
use varde_bus::record::Recorder;
use varde_bus::site::SiteProxy;
use varde_bus::{Failure, next};
use varde_dbrestart::procedure::{Strings, recover};
use varde_dbrestart::service::{DbRestart, Posts, publish, tell_removed};
use varde_dbrestart::settings::{Paths, Settings};
use varde_dbrestart::warden::{Common, Leases};
use varde_site::Store;
use zbus::Connection;

/// A third of what the unit allows before it takes the service for dead.
const HEARTBEAT: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let paths = Paths::below("/");
    let done = if std::env::args().nth(1).as_deref() == Some("recover") {
        put_right(&paths).await
    } else {
        serve(paths).await
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("varde-dbrestartd: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The databases of the active generation; `None` where it cannot be read, and then nothing changes.
fn declared(paths: &Paths) -> Option<Vec<Settings>> {
    match Store::open(paths.site()).active() {
        Ok(Some(active)) => Some(Settings::of(&active.site)),
        Ok(None) => Some(Vec::new()),
        Err(error) => {
            eprintln!("the active generation cannot be read: {error}; the databases stay as they are");
            None
        }
    }
}

async fn put_right(paths: &Paths) -> Result<(), Failure> {
    let left: Vec<Settings> = declared(paths)
        .unwrap_or_default()
        .into_iter()
        .filter(|settings| settings.books(paths).journal().exists())
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    let connection = Connection::system().await?;
    let hypervisor = HypervisorProxy::new(&connection).await?;
    for settings in left {
        let name = &settings.database.name;
        let mut rig = match settings.rig(paths, &hypervisor) {
            Ok(rig) => rig,
            Err(error) => {
                eprintln!("{name}: {}; the gate is opened all the same", error.text().en);
                settings.let_go(paths, Duration::from_secs(10)).await?;
                continue;
            }
        };
        let (_cancel, cancel) = watch::channel(false);
        let (progress, _) = watch::channel(None);
        match recover(&mut rig, &settings.books(paths), Strings { cancel, progress }).await {
            Ok(ended) => eprintln!("{name}: put right: {:?}", ended.map(|ended| ended.entry.outcome)),
            Err(error) => eprintln!("{name}: {}", error.text().en),
        }
    }
    Ok(())
}

async fn serve(paths: Paths) -> Result<(), Failure> {
    let connection = Connection::system().await?;
    let (news, statuses) = mpsc::channel(64);
    let recorder = Recorder::new(&connection).await?;
    let common = Common {
        paths: paths.clone(),
        hypervisor: HypervisorProxy::new(&connection).await?,
        recorder: recorder.clone(),
        leases: Leases::default(),
        news,
    };
    let posts = Posts::default();
    // Listened to before the first reading, so that no generation falls between.
    let mut activations = SiteProxy::new(&connection).await?.receive_activated().await?;
    posts.follow(declared(&paths).unwrap_or_default(), &common).await;
    let interface = DbRestart::new(posts.clone(), paths.clone(), recorder);
    connection.object_server().at(PATH, interface).await?;
    connection.request_name(NAME).await?;
    tell_systemd(&[sd_notify::NotifyState::Ready]);

    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::from(zbus::Error::from(error)))?;
    let following = async {
        while next(&mut activations).await.is_some() {
            if let Some(declared) = declared(&paths) {
                let gone = posts.follow(declared, &common).await;
                tell_removed(&connection, gone).await?;
            }
        }
        Ok::<(), Failure>(())
    };
    let alive = async {
        loop {
            tell_systemd(&[sd_notify::NotifyState::Watchdog]);
            tokio::time::sleep(HEARTBEAT).await;
        }
    };
    let publishing = publish(&connection, &posts, statuses);
    tokio::pin!(publishing);
    let ended = tokio::select! {
        result = &mut publishing => result,
        result = following => result,
        () = alive => Ok(()),
        _ = terminate.recv() => Ok(()),
        () = connection.closed() => Ok(()),
    };
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
    // What they say to the last is still told.
    tokio::select! {
        () = posts.stop() => {}
        _ = &mut publishing => {}
    }
    ended
}

fn tell_systemd(state: &[sd_notify::NotifyState]) {
    // Without systemd there is nobody to tell.
    if let Err(error) = sd_notify::notify(state) {
        eprintln!("cannot tell systemd: {error}");
    }
}

//! Connects ISDN lines, SIP trunks and phones, and answers for them on the bus.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use varde_bus::record::Recorder;
use varde_bus::site::SiteProxy;
use varde_bus::telephony::{NAME, PATH};
use varde_bus::{Failure, FailureKind, next};
use varde_site::Store;
use varde_telephony::bridge::Bridge;
use varde_telephony::kept::Kept;
use varde_telephony::service::{Handle, Telephony, publish};
use zbus::Connection;

const SITE: &str = "/var/lib/varde/site";
const FOLDER: &str = "/var/lib/varde/telephony";
/// A third of what the unit allows before it takes the service for dead.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How soon a generation that could not be read is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// How long calls may take to be released when the service ends.
const RELEASES: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("varde-telephonyd: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Has the bridge use what the active generation declares. False: it cannot be read, and nothing changes.
async fn follow(bridge: &Handle) -> Result<bool, Failure> {
    let active = match Store::open(SITE).active() {
        Ok(active) => active,
        Err(error) => {
            eprintln!("the active generation cannot be read: {error}; telephony stays as it is");
            let why = error.to_string();
            let kept = Kept::read(Path::new(FOLDER));
            bridge
                .with(move |bridge| bridge.cannot_follow(&why, kept))
                .await?;
            return Ok(false);
        }
    };
    let active = match active {
        Some(active) => Kept {
            telephony: active.site.telephony.clone(),
            zone: active.site.site.timezone.clone(),
            generation: active.record.number,
        },
        None => Kept {
            telephony: None,
            zone: "UTC".into(),
            generation: 0,
        },
    };
    // The reader of site.toml has taken it before.
    let zone = TimeZone::get(&active.zone).unwrap_or(TimeZone::UTC);
    let (telephony, generation) = (active.telephony.clone(), active.generation);
    bridge
        .with(move |bridge| bridge.follow(telephony, &zone, generation))
        .await?;
    // Calls do not wait for the disk.
    tokio::task::spawn_blocking(move || {
        if let Err(error) = active.write(Path::new(FOLDER)) {
            eprintln!("what is in use cannot be kept for the next start: {error}");
        }
    });
    Ok(true)
}

async fn serve() -> Result<(), Failure> {
    let bridge = Bridge::new(Path::new(FOLDER)).map_err(|error| {
        let text = error.text();
        Failure::new(FailureKind::Failed, text.nb, text.en)
    })?;
    let (orders, receiver) = mpsc::channel(64);
    let running = tokio::spawn(bridge.run(receiver));
    let handle = Handle::new(orders);

    let connection = Connection::system().await?;
    let recorder = Recorder::new(&connection).await?;
    // Listened to before the first reading, so that no generation falls between.
    let mut activations = SiteProxy::new(&connection).await?.receive_activated().await?;
    let mut read = follow(&handle).await?;
    let interface = Telephony::new(handle.clone(), recorder);
    connection.object_server().at(PATH, interface).await?;
    connection.request_name(NAME).await?;
    tell_systemd(&[sd_notify::NotifyState::Ready]);

    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::from(zbus::Error::from(error)))?;
    let following = async {
        loop {
            tokio::select! {
                activated = next(&mut activations) => if activated.is_none() {
                    return Ok::<(), Failure>(());
                },
                () = tokio::time::sleep(RETRY), if !read => {}
            }
            read = follow(&handle).await?;
        }
    };
    // Only a bridge that still answers keeps the service alive.
    let alive = async {
        loop {
            handle.with(|_| ()).await?;
            tell_systemd(&[sd_notify::NotifyState::Watchdog]);
            tokio::time::sleep(HEARTBEAT).await;
        }
    };
    let ended = tokio::select! {
        result = following => result,
        result = alive => result,
        result = publish(&connection, &handle) => result,
        _ = terminate.recv() => Ok(()),
        () = connection.closed() => Ok(()),
    };
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
    handle.with(Bridge::close).await?;
    let released = async {
        while handle.with(|bridge| bridge.calls().len()).await? > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok::<(), Failure>(())
    };
    // Who has not answered by then finds out by its own timers.
    let _ = tokio::time::timeout(RELEASES, released).await;
    running.abort();
    ended
}

fn tell_systemd(state: &[sd_notify::NotifyState]) {
    // Without systemd there is nobody to tell.
    if let Err(error) = sd_notify::notify(state) {
        eprintln!("cannot tell systemd: {error}");
    }
}

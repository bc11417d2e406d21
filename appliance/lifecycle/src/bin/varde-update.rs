//! What only root may do for updates: `install`, `back` and `settle`, each in a unit of its own.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use varde_bus::record::Recorder;
use varde_bus::{Client, Text};
use varde_lifecycle::error::Outcome;
use varde_lifecycle::install::{self, Place};
use varde_lifecycle::ledger::{LEDGER, Ledger, RESULT};
use varde_lifecycle::settle::{Settled, settle};
use varde_lifecycle::source::{FOLDER, RELEASE};
use varde_lifecycle::{Error, Result, health, stick};
use varde_site::{Store, Update};

const USAGE: &str = "usage: varde-update stick | stick-even-so | source | source-even-so | back | settle";
/// Where the site does not say it.
const SETTLE: u64 = 600;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let order = std::env::args().nth(1).unwrap_or_default();
    let done = match order.as_str() {
        "stick" => told(take(false, false).await),
        "stick-even-so" => told(take(false, true).await),
        "source" => told(take(true, false).await),
        "source-even-so" => told(take(true, true).await),
        "back" => told(back()),
        "settle" => settled().await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("varde-update {order}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Leaves how it went for the service.
fn told(done: Result<()>) -> Result<()> {
    let refusal = done.as_ref().err().map_or_else(Text::default, Error::text);
    let place = Place::here()?;
    place.folder.write(RESULT, &Outcome { refusal }).and(done)
}

/// From the stick, or what the downloader has left: neither is trusted.
async fn take(fetched: bool, even_so: bool) -> Result<()> {
    let place = Place::here()?;
    place.folder.write(RESULT, &Outcome::default())?;
    let keys = update()?.map(|update| update.keys).unwrap_or_default();
    let left = Path::new(FOLDER).join(RELEASE);
    let folder = if fetched { left.as_path() } else { stick::mount()? };
    let client = Client::connect().await?;
    let health = health::look(&client, now()).await;
    let version = install::install(&place, folder, &keys, even_so, health)?;
    eprintln!("version {version} is written; the next restart tries it");
    Ok(())
}

fn back() -> Result<()> {
    let place = Place::here()?;
    place.folder.write(RESULT, &Outcome::default())?;
    let version = install::take_back(&place, now())?;
    eprintln!("the next restart starts version {version}");
    Ok(())
}

async fn settled() -> Result<()> {
    let place = Place::here()?;
    // Only a version that is being judged may be restarted for it: any other that cannot be read or asked goes on.
    match place.folder.read::<Ledger>(LEDGER).map(|ledger| ledger.pending) {
        Ok(None) => Ok(()),
        Ok(Some(pending)) if pending.to == place.running => judged(&place).await,
        Ok(Some(_)) => {
            if let Err(error) = judged(&place).await {
                eprintln!("what became of the update is not known: {error}");
            }
            Ok(())
        }
        Err(error) => {
            eprintln!("whether an update is pending is not known: {error}");
            Ok(())
        }
    }
}

async fn judged(place: &Place) -> Result<()> {
    // Seldom needed, so not mounted at each boot.
    let mounted = Command::new("systemctl").args(["start", "boot.mount"]).status();
    mounted.map_err(|cause| Error::Io {
        tried: "start",
        path: "systemctl".into(),
        cause,
    })?;
    let client = Client::connect().await?;
    // A site that cannot be read is looked at by others.
    let within = update().ok().flatten().map_or(SETTLE, |update| update.settle);
    let settled = settle(place, Duration::from_secs(within), now(), async || {
        health::look(&client, now()).await
    })
    .await?;
    let ledger: Ledger = place.folder.read(LEDGER)?;
    let verb = match settled {
        Settled::Nothing => return Ok(()),
        Settled::Kept => "update.kept",
        Settled::CameBack => "update.came-back",
        Settled::GivenUp => "update.given-up",
        Settled::Stays => "update.stays",
    };
    let (version, cause) = match (&ledger.pending, ledger.outcomes.first()) {
        (Some(pending), _) => (pending.to.to_string(), pending.cause.en.clone()),
        (None, Some(outcome)) => (outcome.to.clone(), outcome.cause.en.clone()),
        (None, None) => (String::new(), String::new()),
    };
    eprintln!("{verb} {version} {cause}");
    // The ledger has it; the record is for people.
    let recorded = async {
        Recorder::new(&client.connection)
            .await?
            .event("varde-update", verb, &version, &cause)
            .await
    };
    if let Err(failure) = recorded.await {
        eprintln!("this could not be recorded: {failure}");
    }
    if settled == Settled::GivenUp {
        let text = Text::new(cause.clone(), cause);
        return Err(Error::Refused(text));
    }
    Ok(())
}

fn update() -> Result<Option<Update>> {
    let active = Store::open(Store::PATH).active();
    let active = active.map_err(|error| Error::Refused(error.text()))?;
    Ok(active.and_then(|active| active.site.update))
}

/// Milliseconds since 1970, UTC.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

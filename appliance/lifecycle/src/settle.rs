//! After a restart: is what is pending kept, or given up?

use std::time::{Duration, Instant};

use varde_bus::Text;

use crate::Result;
use crate::excerpt;
use crate::health::Health;
use crate::install::Place;
use crate::ledger::{LEDGER, Ledger};

/// How often it is looked whether all is well.
const LOOK: Duration = Duration::from_secs(2);

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing was to be settled.
    Nothing,
    Kept,
    /// This is the new version and it is not good: the machine has to be restarted.
    GivenUp,
    /// This is the new version, it is not good, and there is no way back.
    Stays,
    /// This is the version before, which has come back.
    CameBack,
}

/// `look` says how everything is now; `when`: milliseconds since 1970, UTC.
pub async fn settle(
    place: &Place,
    within: Duration,
    when: i64,
    mut look: impl AsyncFnMut() -> Health,
) -> Result<Settled> {
    let mut ledger: Ledger = place.folder.read(LEDGER)?;
    let Some(pending) = ledger.pending.as_mut() else {
        return Ok(Settled::Nothing);
    };
    if pending.to != place.running {
        return came_back(place, ledger, when);
    }
    let end = Instant::now() + within;
    let missing = loop {
        let missing = pending.health.missing(&look().await);
        if missing.is_empty() || Instant::now() >= end {
            break missing;
        }
        tokio::time::sleep(LOOK).await;
    };
    if missing.is_empty() {
        ledger.end(when, true, Text::default(), Vec::new());
        place.folder.write(LEDGER, &ledger)?;
        return Ok(Settled::Kept);
    }
    if place.esp.of(place.running)?.is_some_and(|entry| entry.taken) {
        // It was given up before and has been started all the same: there is no other that starts.
        let cause = Text::new(
            "Ikke alt er friskt igjen, men ingen annen utgave starter: denne går videre",
            "Not all is well again, but no other version starts: this one goes on",
        );
        ledger.end(when, false, cause, excerpt::of_this_boot());
        place.folder.write(LEDGER, &ledger)?;
        return Ok(Settled::Stays);
    }
    let all = |language: fn(&Text) -> &str| missing.iter().map(language).collect::<Vec<_>>().join("; ");
    pending.cause = Text::new(all(|text| &text.nb), all(|text| &text.en));
    pending.excerpt = excerpt::of_this_boot();
    place.folder.write(LEDGER, &ledger)?;
    // Without an entry that can be changed the boot loader still counts.
    place.esp.set(place.running, 0)?;
    Ok(Settled::GivenUp)
}

/// The version before runs: the new one was given up, never started, or is still to be tried.
fn came_back(place: &Place, mut ledger: Ledger, when: i64) -> Result<Settled> {
    let Some(pending) = ledger.pending.as_mut() else {
        return Ok(Settled::Nothing);
    };
    if pending.boot == place.boot {
        return Ok(Settled::Nothing);
    }
    let entry = place.esp.of(pending.to)?;
    let (cause, excerpt) = match entry {
        None => (
            Text::new(
                "Strømmen ble borte mens utgaven ble skrevet; den er ikke på disken",
                "The power went while the version was being written; it is not on the disk",
            ),
            Vec::new(),
        ),
        Some(entry) if entry.left != Some(0) => {
            // Written to the end, but cut off before that was noted.
            pending.boot.clone_from(&place.boot);
            pending.written = true;
            place.folder.write(LEDGER, &ledger)?;
            return Ok(Settled::Nothing);
        }
        Some(_) if !pending.cause.is_empty() => (pending.cause.clone(), pending.excerpt.clone()),
        Some(_) => (
            Text::new(
                "Utgaven kom ikke opp på tre forsøk",
                "The version did not come up in three tries",
            ),
            excerpt::of_the_boot_before(&pending.boot),
        ),
    };
    let started = place.esp.of(pending.to)?.is_some();
    let version = pending.to;
    ledger.end(when, false, cause, excerpt);
    if !started {
        // It has done nothing wrong.
        ledger.quarantined.retain(|other| *other != version);
    }
    place.folder.write(LEDGER, &ledger)?;
    Ok(Settled::CameBack)
}

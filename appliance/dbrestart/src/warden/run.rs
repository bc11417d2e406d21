//! One run of the service: from the lease to the ledger.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;
use varde_bus::Text;

use super::Common;
use crate::Error;
use crate::journal::Head;
use crate::ledger::{Cause, Entry};
use crate::procedure::{Books, Ended, Progress, Strings, boottime, conduct};
use crate::run::{Outcome, Step};
use crate::settings::Settings;

pub async fn run(
    settings: Settings,
    common: Common,
    cause: Cause,
    expected_delayed: Option<f64>,
    mut strings: Strings,
) -> Ended {
    let books = settings.books(&common.paths);
    let started = Timestamp::now().as_millisecond();
    // Without a history that can be read there is no forecast, and a guess does for a run that will not begin.
    let forecast = settings.forecast(&books);
    let unbegun = |cause: &Cause, outcome| {
        let forecast = forecast.as_ref().copied().unwrap_or_default();
        let entry = Entry::unbegun(cause.clone(), started, forecast, outcome);
        Ended::unbegun(&books, entry)
    };
    let begun = boottime();
    let machine = settings.lease();
    let Some(_lease) = lease(&settings, &common, &machine, &mut strings).await else {
        if *strings.cancel.borrow() {
            return unbegun(&cause, Outcome::Cancelled);
        }
        let holder = common.leases.holder(&machine);
        let why = Text::new(
            format!("Omstarten av {holder} på samme maskin ble ikke ferdig i tide"),
            format!("The restart of {holder} on the same machine did not end in time"),
        );
        let uses = Vec::new();
        return unbegun(&cause, Outcome::PutOff { why, uses });
    };
    match prepare(&settings, &common, &books, &cause, started, begun) {
        Ok((mut head, mut rig)) => {
            head.expected_delayed = expected_delayed;
            conduct(&mut rig, &books, head, strings).await
        }
        Err(error) => {
            let why = error.text().clone();
            unbegun(&cause, Outcome::Refused { why })
        }
    }
}

/// The lease of the machine; `None` where the run was called off first, or its give-up time has come.
async fn lease(
    settings: &Settings,
    common: &Common,
    machine: &str,
    strings: &mut Strings,
) -> Option<tokio::sync::OwnedMutexGuard<()>> {
    const SOON: Duration = Duration::from_millis(20);
    let say = |waits_for| {
        let step = Step::Preflight;
        let uses = Vec::new();
        strings.progress.send_replace(Some(Progress {
            step,
            uses,
            waits_for,
        }));
    };
    say(Text::default());
    let take = common.leases.take(machine, &settings.database.name);
    tokio::pin!(take);
    if let Ok(lease) = timeout(SOON, &mut take).await {
        return Some(lease);
    }
    let holder = common.leases.holder(machine);
    say(Text::new(
        format!("Venter på omstarten av {holder} på samme maskin"),
        format!("Waits for the restart of {holder} on the same machine"),
    ));
    let give_up = Duration::from_millis(settings.database.restart.give_up);
    tokio::select! {
        lease = take => Some(lease),
        () = tokio::time::sleep(give_up) => None,
        _ = strings.cancel.wait_for(|cancelled| *cancelled) => None,
    }
}

/// What the run has to keep to, and its rig.
fn prepare(
    settings: &Settings,
    common: &Common,
    books: &Books,
    cause: &Cause,
    started: i64,
    begun: u64,
) -> Result<(Head, crate::EngineRig), Error> {
    let mut plan = settings.plan(settings.forecast(books)?);
    // What it waited for another one is part of its time.
    plan.give_up = plan.give_up.saturating_sub(boottime().saturating_sub(begun));
    // A run ends where the calendar closes, whatever is left of its time.
    if cause.who.is_empty() {
        let now = Timestamp::now();
        let give_up = now + SignedDuration::from_millis(i64::try_from(plan.give_up).unwrap_or(0));
        if let Some(closes) = settings.schedule()?.closes(now, give_up) {
            let open = closes.duration_since(now).as_millis();
            plan.give_up = plan.give_up.min(u64::try_from(open).unwrap_or(0));
        }
    }
    let head = Head {
        cause: cause.clone(),
        plan,
        started,
        expected_delayed: None,
    };
    Ok((head, settings.rig(&common.paths, &common.hypervisor)?))
}

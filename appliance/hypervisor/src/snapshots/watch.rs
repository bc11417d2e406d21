//! What goes on by itself: work that was interrupted is taken up, snapshots that wait for the quiet hours are merged, and
//! it is noted how full the data disk is.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;
use varde_bus::snapshot::Storage;
use varde_disks::{Forecast, Keep, Sample};
use varde_site::{Site, Text};

use super::keeper::Keeper;
use crate::daemon::now;
use crate::{notes, site};

const EVERY: Duration = Duration::from_secs(15);

/// While something is unfinished: a guest may be waiting for it.
const SOON: Duration = Duration::from_millis(500);

impl Keeper {
    /// How full the data disk is, and when it will be.
    pub fn storage(&self) -> Storage {
        let forecast: Forecast = notes::read(&self.paths.forecast()).unwrap_or_default();
        let (total, free) = self.space();
        Storage {
            total,
            free,
            full_at: forecast.full_at().unwrap_or(0),
        }
    }

    fn space(&self) -> (u64, u64) {
        rustix::fs::statvfs(self.paths.data()).map_or((0, 0), |space| {
            (
                space.f_blocks.saturating_mul(space.f_frsize),
                space.f_bavail.saturating_mul(space.f_frsize),
            )
        })
    }

    fn note_space(&self) {
        let mut forecast: Forecast = notes::read(&self.paths.forecast()).unwrap_or_default();
        let sample = Sample {
            when: now(),
            free: self.space().1,
        };
        if forecast.see(sample)
            && let Err(error) = notes::write(&self.paths.forecast(), &forecast)
        {
            eprintln!("{error}; the forecast of the data disk begins anew");
        }
    }

    /// True if something is left to be finished. `refused`: what was told of merges that could not begin.
    async fn look(&self, quiet: bool, refused: &mut BTreeMap<String, Text>) -> bool {
        if !quiet {
            refused.clear();
        }
        let Ok(machines) = self.handle.list().await else {
            return true;
        };
        let mut unfinished = false;
        for status in machines {
            let vm = status.name;
            match self.go_on(&vm).await {
                Ok(finished) => unfinished |= !finished,
                Err(failure) => eprintln!("{vm}: {failure}; tried again in {} s", EVERY.as_secs()),
            }
            if quiet
                && let Ok(chains) = self.chains(&vm)
                && let Some(waits) = chains.snapshots.iter().rfind(|one| one.keep == Keep::Quiet)
                && let Err(failure) = self.merge(&waits.id, false).await
                // Once a night is enough.
                && refused.insert(waits.id.clone(), failure.text.clone()) != Some(failure.text.clone())
            {
                let Text { nb, en } = failure.text;
                self.incident(
                    &vm,
                    Text::new(format!("{}: {nb}", waits.id), format!("{}: {en}", waits.id)),
                );
            }
        }
        self.note_space();
        unfinished
    }
}

/// Ends only by being dropped.
pub async fn keep_watch(keeper: Keeper) {
    let mut told = None;
    let mut refused = BTreeMap::new();
    loop {
        let site = site::active(&keeper.paths).ok().flatten();
        let quiet = site.is_some_and(|site| is_quiet(&site, now()));
        let unfinished = keeper.look(quiet, &mut refused).await;
        // Expiry and budgets are reached without anybody doing anything.
        let problems: Option<Vec<Text>> = keeper
            .list()
            .await
            .ok()
            .map(|all| all.into_iter().map(|snapshot| snapshot.problem).collect());
        if problems != told {
            told = problems;
            keeper.changed();
        }
        sleep(if unfinished { SOON } else { EVERY }).await;
    }
}

fn is_quiet(site: &Site, now: i64) -> bool {
    minute_of_day(&site.site.timezone, now).is_some_and(|minute| site.site.quiet_hours.hold(minute))
}

fn minute_of_day(timezone: &str, now: i64) -> Option<u16> {
    let moment = jiff::Timestamp::from_millisecond(now)
        .ok()?
        .in_tz(timezone)
        .ok()?;
    Some(u16::try_from(moment.hour()).ok()? * 60 + u16::try_from(moment.minute()).ok()?)
}

#[cfg(test)]
mod tests {
    use varde_site::QuietHours;

    use super::*;

    #[test]
    fn quiet_hours_are_the_sites_own_and_may_go_over_midnight() {
        let quiet = QuietHours {
            from: 23 * 60,
            to: 5 * 60,
        };
        // 2026-11-25T22:30Z is half past eleven in Norway.
        let late = 1_795_645_800_000;
        let minute = |timezone| minute_of_day(timezone, late).unwrap();
        assert_eq!(minute("Europe/Oslo"), 23 * 60 + 30);
        assert!(quiet.hold(minute("Europe/Oslo")));
        assert!(!quiet.hold(minute("UTC")));
        assert!(quiet.hold(0));
        assert!(!quiet.hold(5 * 60));
    }
}

//! What the passing of time does: one list, from which the runner's next wake-up is taken too. With nothing on the
//! list nothing wakes.

use crate::event::Effect;
use crate::lock;
use crate::page::{PageId, log, rehearsals, telephony};
use crate::reload;
use crate::state::{Bus, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Lock,
    Waited,
    Host,
    Usage,
    Log,
    Vms,
    Site,
    Records,
    History,
    Trial,
    Databases,
    Snapshots,
    Rehearsals,
    Access,
    Telephony,
}

/// Milliseconds between looks at what no signal tells.
const HOST: i64 = 15_000;
const USAGE: i64 = 5_000;
const LOG: i64 = 5_000;
/// A trial is counted down in steps that a slow line can take.
const TRIAL: i64 = 5_000;
/// Before a service that failed to answer is asked again.
const RETRY: i64 = 5_000;

fn due(state: &State) -> Vec<(i64, Due)> {
    let mut list = Vec::new();
    let idle = state.data.site.value.as_ref().map_or(0, |site| site.idle_lock);
    match &state.lock {
        None if idle > 0 => {
            let idle = i64::try_from(idle).unwrap_or(i64::MAX).saturating_mul(1000);
            list.push((state.last_key.saturating_add(idle), Due::Lock));
        }
        Some(lock) if lock.until > 0 => list.push((lock.until, Due::Waited)),
        _ => {}
    }
    if state.data.bus != Bus::Up {
        return list;
    }
    let data = &state.data;
    for (troubled, asked, at, what) in [
        (data.vms.trouble.is_some(), data.vms.asked, data.vms.at, Due::Vms),
        (
            data.host.trouble.is_some(),
            data.host.asked,
            data.host.at,
            Due::Host,
        ),
        (
            data.site.trouble.is_some(),
            data.site.asked,
            data.site.at,
            Due::Site,
        ),
        (
            data.records.trouble.is_some(),
            data.records.asked,
            data.records.at,
            Due::Records,
        ),
        (
            data.history.trouble.is_some(),
            data.history.asked,
            data.history.at,
            Due::History,
        ),
        (
            data.trial.trouble.is_some(),
            data.trial.asked,
            data.trial.at,
            Due::Trial,
        ),
        (
            // Nothing else shows them.
            data.rehearsals.trouble.is_some() && state.page == PageId::Rehearsals,
            data.rehearsals.asked,
            data.rehearsals.at,
            Due::Rehearsals,
        ),
        (
            data.access.trouble.is_some() && (state.page == PageId::Access || state.has_portal()),
            data.access.asked,
            data.access.at,
            Due::Access,
        ),
        (
            data.snapshots.trouble.is_some(),
            data.snapshots.asked,
            data.snapshots.at,
            Due::Snapshots,
        ),
        (
            // Nothing else shows them.
            data.databases.trouble.is_some() && state.page == PageId::Databases,
            data.databases.asked,
            data.databases.at,
            Due::Databases,
        ),
        (
            data.telephony.trouble.is_some() && (state.page == PageId::Telephony || state.has_telephony()),
            data.telephony.asked,
            data.telephony.at,
            Due::Telephony,
        ),
    ] {
        if troubled && !asked {
            list.push((at + RETRY, what));
        }
    }
    let watched = state.lock.is_none() && state.attached.is_none() && state.dialogs.is_empty();
    if !watched {
        return list;
    }
    if state.trial().is_some() && !data.trial.asked && data.trial.trouble.is_none() {
        list.push((data.trial.at + TRIAL, Due::Trial));
    }
    match state.page {
        PageId::Overview if !data.host.asked && data.host.trouble.is_none() => {
            list.push((data.host.at + HOST, Due::Host));
        }
        PageId::Machines if state.machines.detail => {
            let at = data.usage.as_ref().map_or(state.last_key, |usage| usage.at);
            if crate::page::machines::picked(state).is_some_and(|(_, vm)| vm.pid > 0) {
                list.push((at.max(state.machines.asked_usage) + USAGE, Due::Usage));
            }
        }
        // What the clones write is told by no signal.
        PageId::Rehearsals
            if rehearsals::is_busy(state) && !data.rehearsals.asked && data.rehearsals.trouble.is_none() =>
        {
            list.push((data.rehearsals.at + USAGE, Due::Rehearsals));
        }
        PageId::Log if !state.log.asked && (state.log.follows() || state.log.trouble.is_some()) => {
            list.push((state.log.at + LOG, Due::Log));
        }
        _ => {}
    }
    list
}

/// When the next [`crate::event::Event::Tick`] is wanted: milliseconds since 1970.
pub fn next(state: &State) -> Option<i64> {
    due(state).into_iter().map(|(at, _)| at).min()
}

/// Does what is due.
pub fn tick(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    let mut effects = Vec::new();
    for (at, what) in due(state) {
        if at > now {
            continue;
        }
        match what {
            Due::Lock => effects.extend(lock::lock(state)),
            Due::Waited => lock::waited(state),
            Due::Host => effects.extend(reload::host(state)),
            Due::Usage => effects.extend(reload::usage(state)),
            Due::Log => effects.extend(log::newer(state)),
            Due::Vms => effects.extend(reload::vms(state)),
            Due::Site => effects.extend(reload::site(state)),
            Due::Records => effects.extend(reload::records(state)),
            Due::Trial => effects.extend(reload::trial(state)),
            Due::History => effects.extend(reload::history(state)),
            Due::Rehearsals => effects.extend(reload::rehearsals(state)),
            Due::Access => effects.extend(reload::access(state)),
            Due::Snapshots => effects.extend(reload::snapshots(state)),
            Due::Databases => effects.extend(reload::databases(state)),
            Due::Telephony => effects.extend(telephony::refresh(state)),
        }
    }
    effects
}

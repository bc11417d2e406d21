//! Questions that keep the screen fresh: at most one of a kind under way.

use crate::event::{Ask, Effect};
use crate::page::machines;
use crate::state::State;

/// Records that are kept in sight.
pub const RECORDS: u32 = 200;

pub fn vms(state: &mut State) -> Option<Effect> {
    once(&mut state.data.vms.asked, Ask::Vms)
}

pub fn host(state: &mut State) -> Option<Effect> {
    once(&mut state.data.host.asked, Ask::Host)
}

pub fn site(state: &mut State) -> Option<Effect> {
    once(&mut state.data.site.asked, Ask::Site)
}

pub fn history(state: &mut State) -> Option<Effect> {
    once(&mut state.data.history.asked, Ask::History)
}

pub fn trial(state: &mut State) -> Option<Effect> {
    once(&mut state.data.trial.asked, Ask::Trial)
}

pub fn records(state: &mut State) -> Option<Effect> {
    once(&mut state.data.records.asked, Ask::Records)
}

pub fn databases(state: &mut State) -> Option<Effect> {
    once(&mut state.data.databases.asked, Ask::Databases)
}

pub fn snapshots(state: &mut State) -> Option<Effect> {
    once(&mut state.data.snapshots.asked, Ask::Snapshots)
}

pub fn rehearsals(state: &mut State) -> Option<Effect> {
    once(&mut state.data.rehearsals.asked, Ask::Rehearsals)
}

pub fn access(state: &mut State) -> Option<Effect> {
    once(&mut state.data.access.asked, Ask::Access)
}

pub fn update(state: &mut State) -> Option<Effect> {
    once(&mut state.data.update.asked, Ask::Update)
}

pub fn telephony(state: &mut State) -> Option<Effect> {
    once(&mut state.data.telephony.asked, Ask::Telephony)
}

/// Use of the machine whose page is open.
pub fn usage(state: &mut State) -> Option<Effect> {
    if !state.machines.detail {
        return None;
    }
    let vm = machines::picked(state)
        .filter(|(_, vm)| vm.pid > 0)
        .map(|(_, vm)| vm.name.clone())?;
    state.machines.asked_usage = state.now;
    Some(Effect::Ask(Ask::Usage(vm)))
}

/// Everything that pages show, when the bus is there again.
pub fn all(state: &mut State) -> Vec<Effect> {
    [
        vms(state),
        host(state),
        site(state),
        records(state),
        history(state),
        trial(state),
        databases(state),
        snapshots(state),
        telephony(state),
        rehearsals(state),
        access(state),
        update(state),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn once(asked: &mut bool, ask: Ask) -> Option<Effect> {
    (!std::mem::replace(asked, true)).then_some(Effect::Ask(ask))
}

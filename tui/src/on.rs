//! What each event does to the state, and what it asks the runner to do. Nothing happens here but that.

use varde_bus::{Action, Failure, FailureKind, Language};

use crate::command::Cmd;
use crate::dialog::{self, Confirm, Dialog, Intent, Kind, Viewer, Why};
use crate::event::{Answer, Ask, Effect, Event, Service};
use crate::keys;
use crate::page::{self, PageId, access, databases, log, record, rehearsals, site, snapshots, telephony};
use crate::state::{Bus, Notice, State, Usage};
use crate::terminal::Characters;
use crate::words::{Words, both};
use crate::{lock, power, reload, since, support, update, wake};

/// `at`: milliseconds since 1970, UTC.
pub fn on(state: &mut State, at: i64, event: Event) -> Vec<Effect> {
    state.now = at;
    if matches!(
        event,
        Event::Key(_) | Event::Paste(_) | Event::Cmd(_) | Event::TypedInGuest
    ) {
        state.last_key = at;
    }
    match keys::resolve(state, event) {
        Some(event) => resolved(state, event),
        None => Vec::new(),
    }
}

fn resolved(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        // Resolved into commands before.
        Event::Key(_) | Event::Paste(_) | Event::TypedInGuest => Vec::new(),
        Event::Cmd(cmd) => command(state, &cmd),
        Event::Size { columns, rows } => {
            // A terminal larger than this is a wrong answer.
            state.display.columns = columns.clamp(1, 1000);
            state.display.rows = rows.clamp(1, 500);
            Vec::new()
        }
        Event::Characters(characters) => {
            state.display.characters = characters;
            Vec::new()
        }
        Event::Tick => wake::tick(state),
        Event::ClockMoved(by) => {
            state.last_key = state.last_key.saturating_add(by);
            if let Some(lock) = state.lock.as_mut().filter(|lock| lock.until > 0) {
                lock.until = lock.until.saturating_add(by);
            }
            Vec::new()
        }
        Event::Connected => {
            state.data.bus = Bus::Up;
            forget_questions(state);
            let mut effects = reload::all(state);
            if state.page == PageId::Log {
                effects.extend(log::newer(state));
            }
            effects
        }
        Event::Lost(failure) => {
            state.data.bus = Bus::Down(failure);
            forget_questions(state);
            Vec::new()
        }
        Event::Service { service, up } => of_service(state, service, up),
        Event::VmChanged(vm) => {
            let Some(vms) = &mut state.data.vms.value else {
                return Vec::new();
            };
            match vms.iter_mut().find(|known| known.name == vm.name) {
                Some(known) => *known = vm,
                None => vms.push(vm),
            }
            Vec::new()
        }
        Event::VmRemoved(name) => {
            if let Some(vms) = &mut state.data.vms.value {
                vms.retain(|vm| vm.name != name);
            }
            if state.machines.selected.as_deref() == Some(&name) {
                state.machines.selected = None;
                state.machines.detail = false;
            }
            Vec::new()
        }
        Event::SnapshotsChanged => reload::snapshots(state).into_iter().collect(),
        Event::RehearsalsChanged => reload::rehearsals(state).into_iter().collect(),
        Event::UpdateChanged => reload::update(state).into_iter().collect(),
        Event::AccessChanged(what) => access::changed(state, &what),
        Event::DatabaseChanged(database) => databases::changed(state, database),
        Event::DatabaseRemoved(name) => {
            if let Some(databases) = &mut state.data.databases.value {
                databases.retain(|database| database.name != name);
            }
            Vec::new()
        }
        Event::TelephonyChanged(what) => telephony::changed(state, &what),
        Event::Activated(_) => [
            reload::site(state),
            reload::history(state),
            reload::trial(state),
            reload::vms(state),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Event::Recorded(new) => {
            record::recorded(state, new);
            Vec::new()
        }
        Event::Answered { ask, answer } => answered(state, ask, answer),
        Event::Performed { action, result } => {
            performed(state, &action, result);
            Vec::new()
        }
        Event::Attached(vm) => {
            state.notice = None;
            state.attached = Some(vm);
            Vec::new()
        }
        Event::Detached { vm, failure } => {
            state.attached = None;
            if let Some(failure) = failure {
                let text = failure.text;
                state.tell(
                    false,
                    varde_bus::Text::new(
                        Words(Language::Nb).detached(&vm, &text.nb),
                        Words(Language::En).detached(&vm, &text.en),
                    ),
                );
            }
            Vec::new()
        }
        Event::Unlocked(answer) => {
            lock::answered(state, answer);
            Vec::new()
        }
    }
}

/// Questions that were under way when the bus went get no answer.
fn forget_questions(state: &mut State) {
    let data = &mut state.data;
    data.vms.asked = false;
    data.host.asked = false;
    data.site.asked = false;
    data.history.asked = false;
    data.trial.asked = false;
    data.records.asked = false;
    data.databases.asked = false;
    data.snapshots.asked = false;
    data.rehearsals.asked = false;
    data.access.asked = false;
    data.update.asked = false;
    data.telephony.asked = false;
    state.log.asked = false;
}

fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    match cmd {
        Cmd::Repaint => return vec![Effect::Repaint],
        cmd if state.lock.is_some() => return lock::command(state, cmd),
        cmd if !state.dialogs.is_empty() => return dialog::command(state, cmd),
        _ => {}
    }
    state.notice = None;
    match cmd {
        Cmd::Page(page) => page::open(state, *page),
        Cmd::NextPage => page::open(state, PageId::step(state, 1)),
        Cmd::PreviousPage => page::open(state, PageId::step(state, -1)),
        Cmd::Help => {
            help(state);
            Vec::new()
        }
        Cmd::Language => {
            state.language = Some(match state.language() {
                Language::Nb => Language::En,
                Language::En => Language::Nb,
            });
            Vec::new()
        }
        Cmd::Colours => {
            state.display.colours = !state.display.colours;
            Vec::new()
        }
        Cmd::Characters => {
            state.display.characters = match state.display.characters {
                Characters::Utf8 => Characters::Ascii,
                Characters::Ascii => Characters::Utf8,
            };
            Vec::new()
        }
        Cmd::Lines => {
            state.display.lines = !state.display.lines;
            vec![Effect::Repaint]
        }
        Cmd::Lock => lock::lock(state),
        Cmd::Power => power::open(state),
        Cmd::Updates => update::open(),
        Cmd::HealthCode => {
            support::open(state);
            Vec::new()
        }
        Cmd::LogOut => {
            state.dialogs.push(Dialog::Confirm(Confirm::new(
                both(|words| words.log_out_title().to_owned()),
                vec![both(|words| words.log_out_body().to_owned())],
                both(|words| words.log_out_no().to_owned()),
                both(|words| words.log_out_yes().to_owned()),
                Intent::LogOut,
                Why::Not,
            )));
            Vec::new()
        }
        cmd => page::command(state, cmd),
    }
}

/// The help of the page: the key table itself, in words.
fn help(state: &mut State) {
    let tables = keys::page_tables(state);
    let nb = keys::help(&tables, Words(Language::Nb));
    let en = keys::help(&tables, Words(Language::En));
    let lines = nb
        .into_iter()
        .zip(en)
        .map(|(nb, en)| varde_bus::Text::new(nb, en))
        .collect();
    let page = state.page;
    let title = both(|words| words.help_title(page.title(words)));
    state
        .dialogs
        .push(Dialog::Viewer(Viewer::new(title, lines, Kind::Lines)));
}

fn of_service(state: &mut State, service: Service, up: bool) -> Vec<Effect> {
    if up {
        return match service {
            Service::Hypervisor => [
                reload::vms(state),
                reload::snapshots(state),
                reload::rehearsals(state),
            ]
            .into_iter()
            .flatten()
            .collect(),
            Service::Host => reload::host(state).into_iter().collect(),
            Service::Audit => reload::records(state).into_iter().collect(),
            Service::DbRestart => reload::databases(state).into_iter().collect(),
            Service::Telephony => telephony::refresh(state),
            Service::Access => reload::access(state).into_iter().collect(),
            Service::Site => [reload::site(state), reload::history(state), reload::trial(state)]
                .into_iter()
                .flatten()
                .collect(),
        };
    }
    let gone = Failure {
        kind: varde_bus::FailureKind::Unknown,
        text: both(|words| words.service_gone().to_owned()),
    };
    let now = state.now;
    let data = &mut state.data;
    match service {
        Service::Hypervisor => data.vms.take(now, Err(gone)),
        Service::Host => data.host.take(now, Err(gone)),
        Service::Audit => data.records.take(now, Err(gone)),
        Service::DbRestart => data.databases.take(now, Err(gone)),
        Service::Telephony => data.telephony.take(now, Err(gone)),
        Service::Access => data.access.take(now, Err(gone)),
        Service::Site => {
            data.site.take(now, Err(gone.clone()));
            data.history.take(now, Err(gone.clone()));
            data.trial.take(now, Err(gone));
        }
    }
    Vec::new()
}

fn answered(state: &mut State, ask: Ask, answer: Result<Answer, Failure>) -> Vec<Effect> {
    let now = state.now;
    let data = &mut state.data;
    match (ask, answer) {
        (Ask::Vms, Ok(Answer::Vms(vms))) => data.vms.take(now, Ok(vms)),
        (Ask::Vms, Err(failure)) => data.vms.take(now, Err(failure)),
        (Ask::Snapshots, Ok(Answer::Snapshots(snapshots, storage))) => {
            data.snapshots.take(now, Ok(snapshots));
            data.storage = storage;
        }
        (Ask::Snapshots, Err(failure)) => data.snapshots.take(now, Err(failure)),
        (Ask::Rehearsals, Ok(Answer::Rehearsals(recipes, rehearsals))) => {
            data.rehearsals
                .take(now, Ok(rehearsals::Told { recipes, rehearsals }));
        }
        (Ask::Rehearsals, Err(failure)) => data.rehearsals.take(now, Err(failure)),
        (Ask::Access, Ok(Answer::Access(told))) => access::answered(state, *told),
        (Ask::Access, Err(failure)) => data.access.take(now, Err(failure)),
        (Ask::Update, Ok(Answer::Update(status))) => data.update.take(now, Ok(*status)),
        (Ask::Update, Err(failure)) => data.update.take(now, Err(failure)),
        (Ask::UpdateMenu, Ok(Answer::Update(status))) => update::answered(state, *status),
        (Ask::PromotionPrice { rehearsal, back }, Ok(Answer::PromotionPrice(price))) => {
            rehearsals::priced(state, &rehearsal, back, price);
        }
        (Ask::Price { snapshot, deed }, Ok(Answer::Price(price))) => {
            snapshots::priced(state, &snapshot, deed, &price);
        }
        (Ask::Host, Ok(Answer::Host(host))) => {
            let uptime = i64::try_from(host.uptime).unwrap_or(0).saturating_mul(1000);
            let boot = now.saturating_sub(uptime);
            // The seconds jitter; the minute on the screen shall not.
            if (boot - data.boot).abs() > 120_000 {
                data.boot = boot;
            }
            data.host.take(now, Ok(host));
            // Only now is it known whether the appliance came up meanwhile.
            return since::ask(state);
        }
        (Ask::Host, Err(failure)) => {
            data.host.take(now, Err(failure));
            return since::ask(state);
        }
        (Ask::Since, Ok(Answer::Absence(absence))) => since::answered(state, &absence),
        // The record's own trouble stands on the overview.
        (Ask::Since, _) => {}
        (Ask::Site, Ok(Answer::Site(site))) => data.site.take(now, Ok(site)),
        (Ask::Site, Err(failure)) => data.site.take(now, Err(failure)),
        (Ask::History, Ok(Answer::History(history))) => data.history.take(now, Ok(history)),
        (Ask::History, Err(failure)) => data.history.take(now, Err(failure)),
        (Ask::Trial, Ok(Answer::Trial(trial))) => data.trial.take(now, Ok(trial)),
        (Ask::Trial, Err(failure)) => data.trial.take(now, Err(failure)),
        (Ask::Records, Ok(Answer::Records(records))) => data.records.take(now, Ok(records)),
        (Ask::Records, Err(failure)) => data.records.take(now, Err(failure)),
        (Ask::Databases, Ok(Answer::Databases(databases))) => {
            data.databases.take(now, Ok(databases));
            if state.page == PageId::Databases {
                return databases::open(state);
            }
        }
        (Ask::Databases, Err(failure)) => data.databases.take(now, Err(failure)),
        (Ask::PlannedRuns(_), Ok(Answer::PlannedRuns(planned))) => state.database.planned = planned,
        (Ask::Runs(_), Ok(Answer::Runs(runs))) => state.database.runs = runs,
        (Ask::Telephony, Ok(Answer::Telephony(status))) => data.telephony.take(now, Ok(status)),
        (Ask::Telephony, Err(failure)) => data.telephony.take(now, Err(failure)),
        (_, Ok(Answer::Lines(lines))) => state.telephony.lines = lines,
        (_, Ok(Answer::Trunks(trunks))) => state.telephony.trunks = trunks,
        (_, Ok(Answer::Extensions(extensions))) => state.telephony.extensions = extensions,
        (_, Ok(Answer::Calls(calls))) => state.telephony.calls = calls,
        (_, Ok(Answer::CallRecords(records))) => telephony::records(state, records),
        (Ask::Usage(vm), Ok(Answer::Usage(usage))) => {
            let before = data.usage.as_ref().filter(|before| before.vm == vm);
            let percent = before.and_then(|before| {
                let passed = u64::try_from(now - before.at).ok().filter(|passed| *passed > 0)?;
                let busy = usage.cpu.checked_sub(before.usage.cpu)?;
                Some(busy / (passed * 10))
            });
            data.usage = Some(Usage {
                vm,
                at: now,
                usage,
                percent,
            });
        }
        // The machine's page says in its state why there is nothing to measure.
        (Ask::Usage(_), _) => data.usage = None,
        (Ask::Log(query), Ok(Answer::Log(lines))) => return log::answered(state, &query, Ok(lines)),
        (Ask::Log(query), Err(failure)) => return log::answered(state, &query, Err(failure)),
        (Ask::Verify, Ok(Answer::Verdict(verdict))) => record::verified(state, &verdict),
        (ask, Ok(answer)) if state.page == PageId::Site => return site::answered(state, ask, answer),
        (_, Err(failure)) => state.tell(false, failure.text),
        // An answer to a page that has been left.
        (_, Ok(_)) => {}
    }
    Vec::new()
}

fn performed(state: &mut State, action: &Action, result: Result<varde_bus::Text, Failure>) {
    match result {
        Ok(said) => {
            // A new site closes the way that led to it: viewer, findings, editor.
            if matches!(action, Action::ApplySite { .. } | Action::RollBackSite { .. }) {
                state.dialogs.clear();
            }
            match action {
                // It is a secret, and must be read to the end.
                Action::Enrol { person, .. } => access::enrolled(state, person, said),
                _ => state.tell(true, said),
            }
        }
        Err(failure) => {
            state.notice = Some(Notice {
                good: false,
                unknown: failure.kind == FailureKind::Unknown,
                text: failure.text,
            });
        }
    }
}

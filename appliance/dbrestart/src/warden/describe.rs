//! How a database is, as its warden sees it.

use jiff::Timestamp;
use varde_bus::Text;
use varde_bus::dbrestart::{DatabaseState, DatabaseStatus};
use varde_site::{DatabaseServer, Engine, RestartWhat};

use super::Warden;
use crate::{relay, report};

impl Warden {
    pub(super) fn describe(&self) -> DatabaseStatus {
        let database = &self.settings.database;
        let restart = &database.restart;
        let books = self.settings.books(&self.common.paths);
        let expected = self.settings.forecast(&books).ok();
        let stall = expected.map_or(0, |forecast| forecast.restart);
        let progress = self
            .running
            .as_ref()
            .and_then(|running| running.progress.borrow().clone());
        let trouble = self.trouble.clone().or_else(|| self.not_entered());
        let (state, reason) = match (&self.running, &self.down, &trouble, &self.orders.hold) {
            (Some(_), ..) => {
                let waits_for = progress.as_ref().map(|progress| progress.waits_for.clone());
                (DatabaseState::Running, waits_for.unwrap_or_default())
            }
            (_, Some(why), ..) => (DatabaseState::Down, why.clone()),
            (_, _, Some(why), _) => (DatabaseState::Blocked, why.clone()),
            (_, _, _, Some((who, why))) => (DatabaseState::Hold, Text::same(format!("{who}: {why}"))),
            _ => (DatabaseState::Ready, Text::default()),
        };
        let next = self.schedule.next(Timestamp::now());
        let before = self.status.as_ref().filter(|before| before.state == state);
        let (quietest, quietest_delays) = self.meter.quietest(stall, &self.schedule);
        DatabaseStatus {
            name: database.name.clone(),
            title: database.title.clone(),
            engine: match database.engine {
                Engine::Postgresql => "postgresql",
                Engine::Tcp => "tcp",
            }
            .to_owned(),
            limit: match database.engine {
                Engine::Postgresql => Text::default(),
                Engine::Tcp => relay::limit(),
            },
            state,
            reason,
            since: before.map_or_else(|| Timestamp::now().as_millisecond(), |before| before.since),
            gate: format!("{}:{}", database.gate.0, database.gate.1),
            address: format!("{}:{}", database.address.0, database.address.1),
            server: match &database.server {
                DatabaseServer::Vm(name) | DatabaseServer::Host(name) => name.clone(),
            },
            what: match restart.what {
                RestartWhat::Process => "process",
                RestartWhat::Machine => "machine",
            }
            .to_owned(),
            step: progress
                .as_ref()
                .map_or("", |progress| report::step(progress.step))
                .to_owned(),
            uses: progress.map_or_else(Vec::new, |progress| report::in_use(&progress.uses)),
            next: next.as_ref().map_or(0, |next| next.at.as_millisecond()),
            obstacle: next.as_ref().map_or_else(Text::default, |next| {
                self.orders.obstacle(next.at, next.obstacle.as_ref())
            }),
            stall_budget: restart.stall_budget,
            expected: stall,
            expected_from: expected.map_or(0, |forecast| u32::try_from(forecast.runs).unwrap_or(u32::MAX)),
            quietest,
            quietest_delays,
            next_delays: next.map_or(-1.0, |next| self.meter.expected(next.at, stall, &self.schedule)),
        }
    }

    fn not_entered(&self) -> Option<Text> {
        let count = self.unkept.len();
        (count > 0).then(|| {
            Text::new(
                format!(
                    "Disken til Varde tar ikke imot: {count} omstarter er ikke ført inn ennå. Frigjør plass"
                ),
                format!(
                    "The disk of Varde takes nothing: {count} restarts are not entered yet. Free some space"
                ),
            )
        })
    }
}

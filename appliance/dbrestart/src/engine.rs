//! A rig for a database of either kind: PostgreSQL behind PgBouncer, or a server behind a relay.

use crate::ledger::Notice;
use crate::procedure::Performs;
use crate::relay::rig::RelayRig;
use crate::rig::Rig;
use crate::run::{Command, Event};

#[derive(Debug)]
pub enum EngineRig {
    Postgres(Box<Rig>),
    Relay(Box<RelayRig>),
}

impl Performs for EngineRig {
    async fn perform(&mut self, command: &Command) -> Event {
        match self {
            Self::Postgres(rig) => rig.perform(command).await,
            Self::Relay(rig) => rig.perform(command).await,
        }
    }

    fn notice(&self) -> Notice {
        match self {
            Self::Postgres(rig) => rig.notice(),
            Self::Relay(rig) => rig.notice(),
        }
    }
}

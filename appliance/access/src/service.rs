//! `no.varde.Access1` on the bus: for operators. Who may, and the record of it.

use std::sync::Arc;

use varde_bus::access::{EnrolmentCode, PersonStatus, PortalStatus, SessionStatus};
use varde_bus::caller::Caller;
use varde_bus::{Failure, FailureKind, Verb};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::Refusal;
use crate::house::{House, now};

/// The interface as it stands on the bus.
#[derive(Debug)]
pub struct Access {
    house: Arc<House>,
}

impl Access {
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }
}

async fn permitted(connection: &Connection, header: &Header<'_>, verb: Verb) -> Result<Caller, Failure> {
    let caller = Caller::of(connection, header).await?;
    caller.require(verb)?;
    Ok(caller)
}

fn reasoned(why: &str) -> Result<(), Failure> {
    if why.trim().is_empty() {
        return Err(Failure::new(
            FailureKind::Invalid,
            "Det krever en begrunnelse",
            "It needs a reason",
        ));
    }
    Ok(())
}

/// What a refusal means to an operator.
fn for_operator(person: &str) -> impl Fn(Refusal) -> Failure {
    move |refusal| match refusal {
        Refusal::NotYours => Failure::new(
            FailureKind::NotFound,
            format!("site.toml har ingen [[person]] med navnet {person}"),
            format!("site.toml has no [[person]] of the name {person}"),
        ),
        other => other.into(),
    }
}

/// An address without its last part: where somebody is, not who.
fn cut(from: &str) -> String {
    match from.rfind(['.', ':']) {
        Some(place) => format!("{}x", &from[..=place]),
        None => String::new(),
    }
}

#[interface(name = "no.varde.Access1")]
impl Access {
    async fn portal(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<PortalStatus, Failure> {
        permitted(connection, &header, Verb::ReadAccess).await?;
        Ok(self.house.portal())
    }

    async fn persons(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<PersonStatus>, Failure> {
        permitted(connection, &header, Verb::ReadAccess).await?;
        Ok(self.house.keeper().persons())
    }

    async fn sessions(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<SessionStatus>, Failure> {
        let caller = permitted(connection, &header, Verb::ReadAccess).await?;
        let mut sessions = self.house.keeper().sessions();
        if caller.require(Verb::ReadOrigin).is_err() {
            for session in &mut sessions {
                session.from = cut(&session.from);
            }
        }
        Ok(sessions)
    }

    async fn enrol(
        &self,
        person: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<EnrolmentCode, Failure> {
        let caller = permitted(connection, &header, Verb::Enrol).await?;
        let recorder = self.house.recorder();
        let begun = recorder.begin(&caller, Verb::Enrol, person, why).await?;
        let invited = self.house.keeper().invite(person, now());
        let (code, until) = begun.end(invited.map_err(for_operator(person))).await?;
        self.house.changed("persons").await;
        Ok(EnrolmentCode { code, until })
    }

    async fn forget(
        &self,
        person: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let caller = permitted(connection, &header, Verb::Forget).await?;
        reasoned(why)?;
        let recorder = self.house.recorder();
        let begun = recorder.begin(&caller, Verb::Forget, person, why).await?;
        let ended = self.house.keeper().forget(person, now());
        let ended = begun.end(ended.map_err(for_operator(person))).await?;
        self.house.over(ended, "the person was forgotten").await;
        self.house.changed("persons").await;
        Ok(())
    }

    async fn end_session(
        &self,
        session: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let caller = permitted(connection, &header, Verb::EndSession).await?;
        let recorder = self.house.recorder();
        let begun = recorder.begin(&caller, Verb::EndSession, session, why).await?;
        let ended = self.house.keeper().end_one(session, now());
        let ended = ended.map_err(|refusal| match refusal {
            Refusal::NotYours => crate::door::no_session(),
            other => other.into(),
        });
        let ended = begun.end(ended).await?;
        self.house
            .over(vec![ended], &format!("ended by {}", caller.name))
            .await;
        Ok(())
    }

    async fn set_certificate(
        &self,
        chain: &str,
        key: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        let verb = Verb::SetCertificate;
        let caller = permitted(connection, &header, verb).await?;
        let recorder = self.house.recorder();
        let begun = recorder.begin(&caller, verb, "portal", why).await?;
        begun.end(self.house.give_certificate(chain, key).await).await
    }

    #[zbus(signal)]
    pub async fn changed(emitter: &SignalEmitter<'_>, what: &str) -> zbus::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_cut_for_who_may_not_see_it() {
        assert_eq!(cut("192.0.2.17"), "192.0.2.x");
        assert_eq!(cut("2001:db8::17"), "2001:db8::x");
        assert_eq!(cut("rubbish"), "");
    }
}

//! `no.varde.Door1` on the bus: what the portal asks, and nobody else may.

use std::sync::Arc;

use varde_bus::caller::Caller;
use varde_bus::door::{
    Carried, DeviceFile, Entered, Held, Home, PORTAL, Proof, Screen, SecondFactor, Settings, Ticket, Visit,
};
use varde_bus::{Failure, FailureKind, Text};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::Refusal;
use crate::doorkeeper::Ended;
use crate::house::{House, now};
use crate::password::Hashed;
use crate::session::Session;

/// The interface as it stands on the bus.
#[derive(Debug)]
pub struct Door {
    house: Arc<House>,
}

impl Door {
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// Only the portal.
    async fn portal(&self, connection: &Connection, header: &Header<'_>) -> Result<(), Failure> {
        Caller::of(connection, header).await?.require_account(PORTAL)
    }

    /// Somebody who was turned away is remembered.
    fn judged<T>(&self, person: &str, visit: &Visit, result: Result<T, Refusal>) -> Result<T, Failure> {
        if let Err(refusal) = &result
            && refusal.is_denial()
        {
            self.house.denied(person, &visit.from);
        }
        Ok(result?)
    }

    /// Nobody is in before the record says so.
    async fn entered(&self, session: Session, entered: Entered, verb: &str) -> Result<Entered, Failure> {
        let detail = format!("session {} from {}, {}", session.id, session.from, session.agent);
        let recorded = self.house.record(verb, &session.person, &detail).await;
        if let Err(failure) = recorded {
            // It has no cookie to be used with, and is not left lying about.
            let _ = self.house.keeper().end_one(&session.id, now());
            return Err(failure);
        }
        self.house.hold().await;
        self.house.changed("sessions").await;
        self.house.changed("persons").await;
        Ok(entered)
    }

    async fn over(&self, ended: Ended, why: &str) {
        self.house.over(vec![ended], why).await;
    }
}

#[interface(name = "no.varde.Door1")]
impl Door {
    async fn settings(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Settings, Failure> {
        self.portal(connection, &header).await?;
        Ok(self.house.settings())
    }

    async fn report(
        &self,
        trouble: Text,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        self.portal(connection, &header).await?;
        self.house.report(&trouble);
        self.house.changed("portal").await;
        Ok(())
    }

    async fn login(
        &self,
        person: &str,
        password: String,
        visit: Visit,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Failure> {
        self.portal(connection, &header).await?;
        let check = self.house.keeper().check(person, &visit, now());
        let check = self.judged(person, &visit, check)?;
        let (check, right) = self
            .house
            .slowly(move || {
                let right = check.is_right(&password);
                (check, right)
            })
            .await?;
        let login = self.house.keeper().checked(check, right, now());
        self.judged(person, &visit, login)
    }

    async fn second_factor(
        &self,
        login: &str,
        code: &str,
        key: Vec<u8>,
        visit: Visit,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Entered, Failure> {
        self.portal(connection, &header).await?;
        let result = self
            .house
            .keeper()
            .second_factor(login, code, &key, &visit, now());
        let (entered, session) = self.judged("", &visit, result)?;
        self.entered(session, entered, "access.login").await
    }

    async fn enrol(
        &self,
        person: &str,
        code: &str,
        visit: Visit,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Failure> {
        self.portal(connection, &header).await?;
        let result = self.house.keeper().enrol(person, code, &visit, now());
        self.judged(person, &visit, result)
    }

    async fn choose_password(
        &self,
        enrolment: &str,
        password: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<SecondFactor, Failure> {
        self.portal(connection, &header).await?;
        self.house.keeper().may_choose(enrolment, &password, now())?;
        let hashed = self.house.slowly(move || Hashed::of(&password)).await?;
        Ok(self.house.keeper().choose(enrolment, hashed, now())?)
    }

    async fn confirm(
        &self,
        enrolment: &str,
        code: &str,
        key: Vec<u8>,
        visit: Visit,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Entered, Failure> {
        self.portal(connection, &header).await?;
        let result = self.house.keeper().confirm(enrolment, code, &key, &visit, now());
        let (entered, session) = self.judged("", &visit, result)?;
        self.entered(session, entered, "access.enrolled").await
    }

    async fn challenge(
        &self,
        cookie: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Failure> {
        self.portal(connection, &header).await?;
        Ok(self.house.keeper().challenge(cookie, now())?)
    }

    async fn home(
        &self,
        cookie: &str,
        proof: Proof,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Home, Failure> {
        self.portal(connection, &header).await?;
        Ok(self.house.keeper().home(cookie, &proof, now())?)
    }

    async fn ticket(
        &self,
        cookie: &str,
        pool: &str,
        proof: Proof,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Ticket, Failure> {
        self.portal(connection, &header).await?;
        let session = self.house.keeper().wants(cookie, pool, &proof, now())?;
        let opened = self
            .house
            .desktops()
            .open(&session.person, pool)
            .await
            .map_err(Failure::from)?;
        let ticket = if opened.ready {
            self.house.keeper().ticket(&session, &opened.desktop, now())
        } else {
            String::new()
        };
        Ok(Ticket { ticket })
    }

    async fn redeem(
        &self,
        cookie: &str,
        ticket: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Screen, Failure> {
        self.portal(connection, &header).await?;
        let (person, held) = self.house.keeper().redeem(cookie, ticket, now())?;
        let detail = format!("session {}", held.session);
        let subject = format!("{} {person}", held.desktop);
        self.house.record("desktop.begin", &subject, &detail).await?;
        let screen = self
            .house
            .desktops()
            .attach(&person, &held.desktop)
            .await
            .map_err(Failure::from)?;
        // It may have ended meanwhile.
        if self.house.keeper().person_of(&held.session).is_none() {
            return Err(Refusal::NoSession.into());
        }
        Ok(Screen { screen, held })
    }

    async fn holds(
        &self,
        screens: Vec<Held>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<String>, Failure> {
        self.portal(connection, &header).await?;
        let over = self.house.keeper().holds(screens);
        self.house.changed("sessions").await;
        Ok(over)
    }

    async fn active(
        &self,
        session: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        self.portal(connection, &header).await?;
        self.house.keeper().active(session, now());
        Ok(())
    }

    async fn closed(
        &self,
        screen: Held,
        carried: Carried,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        self.portal(connection, &header).await?;
        let person = self
            .house
            .keeper()
            .person_of(&screen.session)
            .unwrap_or_default()
            .to_owned();
        let subject = format!("{} {person}", screen.desktop);
        let detail = format!(
            "session {}: {} bytes out, {} in, {} of clipboard held back",
            screen.session, carried.out, carried.into, carried.clipboard
        );
        self.house
            .record("desktop.end", subject.trim_end(), &detail)
            .await
    }

    async fn add_device(
        &self,
        cookie: &str,
        title: &str,
        proof: Proof,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<DeviceFile, Failure> {
        self.portal(connection, &header).await?;
        let status = self.house.tunnel().status().await.map_err(Failure::from)?;
        let added = self
            .house
            .keeper()
            .add_device(cookie, title, &proof, &status, now());
        let (person, file) = added?;
        self.house
            .record("access.device", &person, &format!("added {}", title.trim()))
            .await?;
        self.house.hold().await;
        Ok(DeviceFile { file })
    }

    async fn remove_device(
        &self,
        cookie: &str,
        device: &str,
        proof: Proof,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        self.portal(connection, &header).await?;
        let removed = self.house.keeper().remove_device(cookie, device, &proof, now());
        let person = removed?;
        self.house.hold().await;
        self.house
            .record("access.device", &person, &format!("removed {device}"))
            .await
    }

    async fn log_out(
        &self,
        cookie: &str,
        proof: Proof,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        self.portal(connection, &header).await?;
        let ended = self.house.keeper().log_out(cookie, &proof, now())?;
        self.over(ended, "logged out").await;
        Ok(())
    }

    async fn end(
        &self,
        cookie: &str,
        session: &str,
        proof: Proof,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Failure> {
        self.portal(connection, &header).await?;
        let ended = self.house.keeper().end_other(cookie, session, &proof, now())?;
        self.over(ended, "ended from another device").await;
        Ok(())
    }

    #[zbus(signal)]
    pub async fn settled(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub async fn ended(emitter: &SignalEmitter<'_>, session: &str) -> zbus::Result<()>;
}

/// A session that nobody has.
pub fn no_session() -> Failure {
    Failure::new(
        FailureKind::NotFound,
        "Det finnes ingen slik økt",
        "There is no such session",
    )
}

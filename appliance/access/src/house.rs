//! The doorkeeper among the other services: what it decides is told to the portal, to operators, to the desktops and to
//! the record.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tokio::time::timeout;
use varde_bus::access::PortalStatus;
use varde_bus::desktop::DesktopsProxy;
use varde_bus::record::Recorder;
use varde_bus::tunnel::TunnelProxy;
use varde_bus::{Failure, FailureKind, Text, access, door};
use zbus::Connection;
use zbus::object_server::SignalEmitter;

use crate::certificate::{About, Certificate};
use crate::door::Door;
use crate::doorkeeper::Ended;
use crate::service::Access;
use crate::{Directory, Doorkeeper, Refusal};

/// Who it is in the record.
pub const NAME: &str = "varde-accessd";

/// Passwords that are checked at once, and that may wait for it: the rest is told to come back.
const HASHING: usize = 2;
const WAITING: usize = 50;

/// The record has to take a log-in before it counts; it does not wait longer for it than this.
const RECORDING: Duration = Duration::from_secs(10);

/// A month before a certificate that was given ends, somebody should see to it.
const EXPIRY: i64 = 30 * 24 * 3_600_000;

/// Milliseconds since 1970, UTC.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Who was turned away, by name and address, and how often since it was last recorded: an attack must not fill the
/// record.
type Denials = BTreeMap<(String, String), u64>;

#[derive(Debug)]
pub struct House {
    keeper: Mutex<Doorkeeper>,
    certificate: Mutex<Option<Certificate>>,
    /// What the portal says of itself.
    trouble: Mutex<Text>,
    denials: Mutex<Denials>,
    hashing: Semaphore,
    waiting: Semaphore,
    recorder: Recorder,
    desktops: DesktopsProxy<'static>,
    tunnel: TunnelProxy<'static>,
    connection: Connection,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl House {
    pub async fn new(connection: &Connection, keeper: Doorkeeper) -> Result<Self, Failure> {
        Ok(Self {
            keeper: Mutex::new(keeper),
            certificate: Mutex::default(),
            trouble: Mutex::default(),
            denials: Mutex::default(),
            hashing: Semaphore::new(HASHING),
            waiting: Semaphore::new(HASHING + WAITING),
            recorder: Recorder::new(connection).await?,
            desktops: DesktopsProxy::new(connection).await?,
            tunnel: TunnelProxy::new(connection).await?,
            connection: connection.clone(),
        })
    }

    pub fn keeper(&self) -> MutexGuard<'_, Doorkeeper> {
        lock(&self.keeper)
    }

    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub fn desktops(&self) -> &DesktopsProxy<'static> {
        &self.desktops
    }

    pub fn tunnel(&self) -> &TunnelProxy<'static> {
        &self.tunnel
    }

    /// Tells the tunnel whose devices are let in, now and for a while.
    pub async fn hold(&self) {
        let grants = {
            let keeper = self.keeper();
            if keeper.directory().tunnel.is_none() {
                return;
            }
            keeper.grants()
        };
        // What is open stays open by the kernel's clock for as long as it was told last.
        if let Err(error) = self.tunnel.hold(&grants).await {
            eprintln!("the tunnel cannot be told who is in: {error}");
        }
    }

    /// Devices that are heard are people at work.
    pub async fn hear(&self) {
        /// Milliseconds: WireGuard shakes hands every two minutes.
        const LATELY: i64 = 180_000;
        if self.keeper().directory().tunnel.is_none() {
            return;
        }
        let Ok(peers) = self.tunnel.peers().await else {
            return;
        };
        let mut keeper = self.keeper();
        for peer in peers
            .iter()
            .filter(|peer| !peer.site && now() - peer.handshake < LATELY)
        {
            keeper.is_at_work(&peer.name, now());
        }
    }

    /// What is slow by intention, on a thread of its own, and not for everybody at once.
    pub async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let busy = || {
            Failure::new(
                FailureKind::Refused,
                "Det er mange som logger inn akkurat nå. Prøv igjen om et øyeblikk",
                "Many people are logging in just now. Try again in a moment",
            )
        };
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let _turn = self.hashing.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(work).await.map_err(|_| busy())
    }

    /// Something that counts only once it is in the record.
    pub async fn record(&self, verb: &str, subject: &str, detail: &str) -> Result<(), Failure> {
        let recorded = self.recorder.event(NAME, verb, subject, detail);
        match timeout(RECORDING, recorded).await {
            Ok(Ok(())) => Ok(()),
            failed => {
                eprintln!("{subject}: {verb} is not in the record: {failed:?}");
                Err(Refusal::NotKept.into())
            }
        }
    }

    /// Somebody was turned away. The first one of a name and address is recorded within a minute, the rest are counted.
    pub fn denied(&self, person: &str, from: &str) {
        const MOST: usize = 1000;
        let mut denials = lock(&self.denials);
        // What was typed may be anything, a password by mistake among it: only names that there are.
        let known = self
            .keeper()
            .directory()
            .persons
            .iter()
            .any(|one| one.name == person);
        let person = if known { person } else { "?" };
        let mut key = (person.to_owned(), from.to_owned());
        if denials.len() >= MOST && !denials.contains_key(&key) {
            "?".clone_into(&mut key.1);
        }
        *denials.entry(key).or_default() += 1;
    }

    /// Puts those that were turned away since the last time into the record.
    pub async fn record_denials(&self) {
        let denials = std::mem::take(&mut *lock(&self.denials));
        for ((person, from), count) in denials {
            let detail = format!("from {from}, {count} times within a minute");
            let told = self.recorder.event(NAME, "access.denied", &person, &detail);
            if let Err(failure) = told.await {
                eprintln!("{person}: {detail}: not in the record: {failure}");
            }
        }
    }

    /// Sessions are over: their screens close, and desktops that are not kept go.
    pub async fn over(&self, ended: Vec<Ended>, why: &str) {
        if ended.is_empty() {
            return;
        }
        // The way in first.
        self.hold().await;
        for one in &ended {
            self.tell_ended(&one.session).await;
        }
        self.changed("sessions").await;
        for one in ended {
            if one.last
                && let Err(error) = self.desktops.release(&one.person).await
            {
                eprintln!("{}: desktops are not released: {error}", one.person);
            }
            let detail = format!("session {}: {why}", one.session);
            let told = self.recorder.event(NAME, "access.end", &one.person, &detail);
            if let Err(failure) = told.await {
                eprintln!("{}: {detail}: not in the record: {failure}", one.person);
            }
        }
    }

    pub async fn tell_ended(&self, session: &str) {
        if let Ok(emitter) = SignalEmitter::new(&self.connection, door::PATH)
            && let Err(error) = Door::ended(&emitter, session).await
        {
            eprintln!("the portal cannot be told that {session} is over: {error}");
        }
    }

    pub async fn changed(&self, what: &str) {
        if let Ok(emitter) = SignalEmitter::new(&self.connection, access::PATH) {
            // Whoever looks asks again sooner or later.
            let _ = Access::changed(&emitter, what).await;
        }
    }

    async fn settled(&self) {
        if let Ok(emitter) = SignalEmitter::new(&self.connection, door::PATH)
            && let Err(error) = Door::settled(&emitter).await
        {
            eprintln!("the portal cannot be told of its new settings: {error}");
        }
        self.changed("portal").await;
    }

    /// What the site declares from now on.
    pub async fn follow(&self, directory: Directory) {
        let ended = self.keeper().follow(directory);
        self.over(ended, "the site does not declare it any more").await;
        self.hold().await;
        self.refresh_certificate();
        self.settled().await;
        self.changed("persons").await;
    }

    /// One that is good for a while yet; whether it is another one than before.
    pub fn refresh_certificate(&self) -> bool {
        let (folder, name) = {
            let keeper = self.keeper();
            let portal = keeper.directory().portal.clone();
            (keeper.folder().clone(), portal.map(|portal| portal.name))
        };
        let Some(name) = name else { return false };
        match Certificate::ensure(&folder, &name, now()) {
            Ok(certificate) => {
                let before = lock(&self.certificate).replace(certificate.clone());
                before.is_none_or(|before| before != certificate)
            }
            Err(error) => {
                eprintln!("{error}");
                false
            }
        }
    }

    pub async fn certificate_renewed(&self) {
        if self.refresh_certificate() {
            self.settled().await;
        }
    }

    pub async fn give_certificate(&self, chain: &str, key: &str) -> Result<(), Failure> {
        let folder = self.keeper().folder().clone();
        let given = Certificate::give(&folder, chain, key).map_err(|error| {
            Failure::new(
                FailureKind::Invalid,
                format!("Sertifikatet kan ikke brukes: {error}"),
                format!("The certificate cannot be used: {error}"),
            )
        })?;
        *lock(&self.certificate) = Some(given);
        self.settled().await;
        Ok(())
    }

    pub fn settings(&self) -> door::Settings {
        let keeper = self.keeper();
        let directory = keeper.directory();
        let Some(portal) = &directory.portal else {
            return door::Settings::default();
        };
        let certificate = lock(&self.certificate).clone();
        let (chain, key) = certificate.map_or_else(Default::default, |one| (one.chain, one.key));
        door::Settings {
            listen: portal.listen.to_string(),
            authority: portal.authority(),
            title: directory.title.clone(),
            language: match directory.language {
                varde_site::Language::Nb => "nb",
                varde_site::Language::En => "en",
            }
            .to_owned(),
            chain,
            key,
        }
    }

    pub fn report(&self, trouble: &Text) {
        lock(&self.trouble).clone_from(trouble);
    }

    pub fn portal(&self) -> PortalStatus {
        let Some(portal) = self.keeper().directory().portal.clone() else {
            return PortalStatus::default();
        };
        let certificate = lock(&self.certificate).clone();
        let about = certificate.as_ref().map(Certificate::about);
        let mut troubles: Vec<Text> = vec![lock(&self.trouble).clone()];
        let about = match about {
            Some(Ok(about)) => about,
            Some(Err(error)) => {
                troubles.push(Text::same(error.to_string()));
                About::default()
            }
            None => {
                troubles.push(Text::new(
                    "Portalen har ikke noe sertifikat. Loggen til varde-accessd sier hvorfor",
                    "The portal has no certificate. The log of varde-accessd says why",
                ));
                About::default()
            }
        };
        let left = about.until - now();
        if about.until > 0 && left < 0 {
            troubles.push(Text::new(
                "Sertifikatet er utløpt. Gi portalen et nytt med «varde access certificate»",
                "The certificate has expired. Give the portal a new one with \"varde access certificate\"",
            ));
        } else if about.until > 0 && left < EXPIRY {
            let days = left / (24 * 3_600_000);
            troubles.push(Text::new(
                format!("Sertifikatet går ut om {days} dager. Gi portalen et nytt i tide"),
                format!("The certificate ends in {days} days. Give the portal a new one in time"),
            ));
        }
        troubles.retain(|trouble| !trouble.is_empty());
        PortalStatus {
            declared: true,
            address: format!("https://{}/", portal.authority()),
            fingerprint: about.fingerprint,
            certificate_until: about.until,
            self_made: certificate.is_some_and(|one| one.own),
            troubles,
        }
    }
}

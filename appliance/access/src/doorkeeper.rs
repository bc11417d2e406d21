//! Who is let in. Time, addresses and what people typed come in; decisions come out, and what they rest on is on disk
//! before they do.

use std::collections::BTreeMap;

use varde_bus::access::{PersonStatus, SessionStatus};
use varde_bus::door::{Entered, Held, Home, HomePool, HomeSession, Proof, SecondFactor, Visit};
use varde_site::{DesktopPool, Network, Person, Portal, Tunnel};

use crate::credentials::{Credentials, ENROLMENT_GROUPS, Enrolment, Factor};
use crate::folder::Folder;
use crate::password::{self, Hashed};
use crate::session::{self, KEY, Session};
use crate::throttle::{Key, Throttle};
use crate::{Error, Refusal, secret, totp};

/// Between the steps of a log-in, and between those of an enrolment: milliseconds.
const STEPS: i64 = 10 * 60_000;
/// Second factors that may be tried in one log-in.
const TRIES: u32 = 5;
/// Log-ins that may be between two steps at once.
const MOST_LOGINS: usize = 5_000;
/// Sessions of one person; the one that was seen least lately ends.
const MOST_SESSIONS: usize = 10;
/// How long an operator's code can be used.
const ENROLMENT: i64 = 24 * 3_600_000;
/// A ticket is for a browser that is already waiting.
const TICKET: i64 = 30_000;
/// A session's last sign of life is brought to disk this often.
const SEEN: i64 = 5 * 60_000;
/// Longest name of a browser that is kept.
const AGENT: usize = 200;

/// What the site declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    pub portal: Option<Portal>,
    pub persons: Vec<Person>,
    pub pools: Vec<DesktopPool>,
    pub tunnel: Option<Tunnel>,
    /// Zones that have a network of their own.
    pub zones: Vec<(String, Network)>,
    /// Of the site, for the authenticator.
    pub title: String,
    pub language: varde_site::Language,
}

impl Directory {
    pub fn person(&self, name: &str) -> Option<&Person> {
        self.persons.iter().find(|person| person.name == name)
    }

    fn idle(&self) -> u64 {
        self.portal.as_ref().map_or(0, |portal| portal.idle)
    }
}

/// Somebody between two steps.
#[derive(Debug)]
struct Login {
    person: String,
    device: String,
    until: i64,
    tries: u32,
    /// The tries that it took, which a log-in that is complete gives back.
    taken: Vec<Key>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Login,
    /// The new password, once it is chosen, and the new secret.
    Enrolment(Option<(Hashed, [u8; totp::SECRET])>),
}

/// A password that is to be checked, on whatever thread has time for it.
#[derive(Debug)]
pub struct Check {
    person: String,
    device: String,
    taken: Vec<Key>,
    known: bool,
    hashed: Hashed,
}

impl Check {
    /// Takes some tens of milliseconds.
    pub fn is_right(&self, password: &str) -> bool {
        // Both, so that it takes as long for nobody.
        self.hashed.matches(password) && self.known
    }
}

/// A ticket for a desktop.
#[derive(Debug)]
struct Admission {
    session: String,
    desktop: String,
    until: i64,
}

/// A session that is over, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub session: String,
    pub person: String,
    /// Whether the person has another one.
    pub last: bool,
}

#[derive(Debug)]
pub struct Doorkeeper {
    folder: Folder,
    directory: Directory,
    sessions: Vec<Session>,
    /// By the hash of what names them.
    logins: BTreeMap<String, Login>,
    tickets: BTreeMap<String, Admission>,
    throttle: Throttle,
    screens: Vec<Held>,
    /// Which sessions are on disk as they are, and when they were brought there.
    kept: i64,
}

impl Doorkeeper {
    pub fn open(folder: Folder) -> Result<Self, Error> {
        Ok(Self {
            sessions: session::read(&folder)?,
            folder,
            directory: Directory::default(),
            logins: BTreeMap::new(),
            tickets: BTreeMap::new(),
            throttle: Throttle::default(),
            screens: Vec::new(),
            kept: 0,
        })
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What the site declares from now on. Persons who are no longer declared are out.
    pub fn follow(&mut self, directory: Directory) -> Vec<Ended> {
        self.directory = directory;
        let directory = self.directory.clone();
        self.logins
            .retain(|_, login| directory.person(&login.person).is_some());
        self.end(|session| directory.portal.is_none() || directory.person(&session.person).is_none())
    }

    // The log-in.

    /// The first step, until the password is to be checked.
    pub fn check(&mut self, person: &str, visit: &Visit, now: i64) -> Result<Check, Refusal> {
        let credentials = self.credentials(person)?;
        let mut taken = vec![Key::network(&visit.from)];
        taken.push(if credentials.knows(&visit.device) {
            Key::Device(secret::hash(&visit.device))
        } else {
            Key::Stranger(person.to_owned())
        });
        self.throttle.take(&taken, now).map_err(Refusal::TooMany)?;
        let known = self.directory.person(person).is_some() && credentials.is_enrolled();
        let hashed = credentials.password.filter(|_| known);
        Ok(Check {
            person: person.to_owned(),
            device: visit.device.clone(),
            taken,
            known,
            hashed: hashed.unwrap_or_else(Hashed::nobody),
        })
    }

    /// The first step's end: what names the log-in in the second.
    pub fn checked(&mut self, check: Check, right: bool, now: i64) -> Result<String, Refusal> {
        if !right {
            return Err(Refusal::Wrong);
        }
        self.begin(check.person, check.device, check.taken, Kind::Login, now)
    }

    fn begin(
        &mut self,
        person: String,
        device: String,
        taken: Vec<Key>,
        kind: Kind,
        now: i64,
    ) -> Result<String, Refusal> {
        self.logins.retain(|_, login| now < login.until);
        if self.logins.len() >= MOST_LOGINS {
            return Err(Refusal::TooMany(60));
        }
        let name = secret::token();
        let login = Login {
            person,
            device,
            until: now + STEPS,
            tries: 0,
            taken,
            kind,
        };
        self.logins.insert(secret::hash(&name), login);
        Ok(name)
    }

    /// Takes a log-in up again for one more try.
    fn resume(&mut self, token: &str, now: i64) -> Result<Login, Refusal> {
        let mut login = self.logins.remove(&secret::hash(token)).ok_or(Refusal::Stale)?;
        login.tries += 1;
        if now >= login.until || login.tries > TRIES {
            return Err(Refusal::Stale);
        }
        Ok(login)
    }

    fn put_back(&mut self, token: &str, login: Login) {
        self.logins.insert(secret::hash(token), login);
    }

    /// The second step.
    pub fn second_factor(
        &mut self,
        token: &str,
        code: &str,
        key: &[u8],
        visit: &Visit,
        now: i64,
    ) -> Result<(Entered, Session), Refusal> {
        let login = self.resume(token, now)?;
        if !matches!(login.kind, Kind::Login) {
            self.put_back(token, login);
            return Err(Refusal::Stale);
        }
        let mut credentials = self.credentials(&login.person)?;
        let try_key = if credentials.knows(&login.device) {
            Key::Device(secret::hash(&login.device))
        } else {
            Key::Code(login.person.clone())
        };
        let tries = [try_key];
        if let Err(wait) = self.throttle.take(&tries, now) {
            self.put_back(token, login);
            return Err(Refusal::TooMany(wait));
        }
        if !credentials.use_up(code, seconds(now)) {
            self.put_back(token, login);
            return Err(Refusal::WrongCode);
        }
        self.throttle.give_back(&tries);
        self.enter(login, credentials, key, visit, now)
    }

    /// What was used up is on disk before anybody is in.
    fn enter(
        &mut self,
        login: Login,
        mut credentials: Credentials,
        key: &[u8],
        visit: &Visit,
        now: i64,
    ) -> Result<(Entered, Session), Refusal> {
        if key.len() != KEY {
            return Err(Refusal::NoProof);
        }
        let device = if credentials.knows(&login.device) {
            login.device.clone()
        } else {
            secret::token()
        };
        credentials.remember(&device);
        credentials.last_login = now;
        credentials.write(&self.folder, &login.person).map_err(not_kept)?;
        self.throttle.give_back(&login.taken);

        let cookie = secret::token();
        let longest = self.directory.portal.as_ref().map_or(0, |portal| portal.longest);
        let session = Session {
            id: secret::name(),
            cookie: secret::hash(&cookie),
            person: login.person,
            key: key.to_vec(),
            from: visit.from.clone(),
            agent: visit
                .agent
                .chars()
                .filter(|c| !c.is_control())
                .take(AGENT)
                .collect(),
            began: now,
            seen: now,
            until: now + i64::try_from(longest).unwrap_or(0) * 1000,
            challenges: Vec::new(),
        };
        let mut sessions = self.sessions.clone();
        sessions.push(session.clone());
        self.keep(sessions, now)?;
        let entered = Entered {
            cookie,
            device,
            recovery: Vec::new(),
        };
        Ok((entered, session))
    }

    /// On disk first.
    fn keep(&mut self, sessions: Vec<Session>, now: i64) -> Result<(), Refusal> {
        session::write(&self.folder, &sessions).map_err(not_kept)?;
        self.sessions = sessions;
        self.kept = now;
        Ok(())
    }

    // Enrolment.

    /// An operator lets a person choose password and second factor, anew where there were some. The old ones count until
    /// then.
    pub fn invite(&mut self, person: &str, now: i64) -> Result<(String, i64), Refusal> {
        if self.directory.person(person).is_none() {
            return Err(Refusal::NotYours);
        }
        let mut credentials = self.credentials(person)?;
        let code = secret::spoken(ENROLMENT_GROUPS);
        let until = now + ENROLMENT;
        credentials.enrolment = Some(Enrolment {
            hash: secret::hash(&code),
            until,
        });
        credentials.write(&self.folder, person).map_err(not_kept)?;
        Ok((code, until))
    }

    pub fn enrol(&mut self, person: &str, code: &str, visit: &Visit, now: i64) -> Result<String, Refusal> {
        let taken = vec![Key::network(&visit.from), Key::Stranger(person.to_owned())];
        self.throttle.take(&taken, now).map_err(Refusal::TooMany)?;
        let credentials = self.credentials(person)?;
        let heard = secret::heard(code, ENROLMENT_GROUPS).map(|code| secret::hash(&code));
        let right = self.directory.person(person).is_some()
            && credentials
                .enrolment
                .is_some_and(|enrolment| now < enrolment.until && heard.as_ref() == Some(&enrolment.hash));
        if !right {
            return Err(Refusal::WrongEnrolment);
        }
        self.begin(
            person.to_owned(),
            visit.device.clone(),
            taken,
            Kind::Enrolment(None),
            now,
        )
    }

    /// Whether the password may be chosen. Then [`Hashed::of`] it and go on with [`Doorkeeper::choose`].
    pub fn may_choose(&mut self, token: &str, password: &str, now: i64) -> Result<(), Refusal> {
        let login = self.logins.get(&secret::hash(token)).ok_or(Refusal::Stale)?;
        if now >= login.until || !matches!(login.kind, Kind::Enrolment(_)) {
            return Err(Refusal::Stale);
        }
        password::acceptable(password, &login.person).map_err(Refusal::Password)
    }

    pub fn choose(&mut self, token: &str, hashed: Hashed, now: i64) -> Result<SecondFactor, Refusal> {
        let title = self.directory.title.clone();
        let login = self.logins.get_mut(&secret::hash(token)).ok_or(Refusal::Stale)?;
        let Kind::Enrolment(chosen) = &mut login.kind else {
            return Err(Refusal::Stale);
        };
        login.until = now + STEPS;
        let bytes = secret::random::<{ totp::SECRET }>();
        *chosen = Some((hashed, bytes));
        let secret = data_encoding::BASE32_NOPAD.encode(&bytes);
        Ok(SecondFactor {
            uri: totp::uri(&title, &login.person, &secret),
            secret,
        })
    }

    /// A code of the new authenticator: then password and secret count, and the operator's code no longer.
    pub fn confirm(
        &mut self,
        token: &str,
        code: &str,
        key: &[u8],
        visit: &Visit,
        now: i64,
    ) -> Result<(Entered, Session), Refusal> {
        let login = self.resume(token, now)?;
        let Kind::Enrolment(Some((hashed, bytes))) = &login.kind else {
            self.put_back(token, login);
            return Err(Refusal::Stale);
        };
        let (hashed, bytes) = (hashed.clone(), *bytes);
        let Some(step) = totp::step_of(&bytes, code, seconds(now), 0) else {
            self.put_back(token, login);
            return Err(Refusal::WrongCode);
        };
        let mut credentials = self.credentials(&login.person)?;
        credentials.password = Some(hashed);
        credentials.factor = Some(Factor {
            secret: bytes,
            last: step,
        });
        credentials.enrolment = None;
        // Whoever had the old password is a stranger now.
        credentials.devices.clear();
        let recovery = credentials.new_recovery();
        let (mut entered, session) = self.enter(login, credentials, key, visit, now)?;
        entered.recovery = recovery;
        Ok((entered, session))
    }

    /// Password and second factor count no longer, and all sessions end.
    pub fn forget(&mut self, person: &str, now: i64) -> Result<Vec<Ended>, Refusal> {
        if self.directory.person(person).is_none() {
            return Err(Refusal::NotYours);
        }
        let before = self.credentials(person)?;
        let credentials = Credentials {
            last_login: before.last_login,
            // They come in no more while nobody is logged in.
            tunnels: before.tunnels,
            ..Credentials::default()
        };
        credentials.write(&self.folder, person).map_err(not_kept)?;
        self.logins.retain(|_, login| login.person != person);
        let ended = self.end(|session| session.person == person);
        self.keep(self.sessions.clone(), now)?;
        Ok(ended)
    }

    pub(crate) fn credentials(&self, person: &str) -> Result<Credentials, Refusal> {
        // What is no name must not become a path.
        if self.directory.person(person).is_none() {
            return Ok(Credentials::default());
        }
        Credentials::read(&self.folder, person).map_err(not_kept)
    }

    // Sessions.

    fn session(&mut self, cookie: &str, now: i64) -> Result<&mut Session, Refusal> {
        let hash = secret::hash(cookie);
        let idle = self.directory.idle();
        self.sessions
            .iter_mut()
            .find(|session| session.cookie == hash && !session.is_over(now, idle))
            .ok_or(Refusal::NoSession)
    }

    pub fn challenge(&mut self, cookie: &str, now: i64) -> Result<String, Refusal> {
        Ok(self.session(cookie, now)?.challenge(now))
    }

    /// The session, seen now, if the device has its key.
    pub(crate) fn proved(
        &mut self,
        cookie: &str,
        what: &str,
        proof: &Proof,
        now: i64,
    ) -> Result<Session, Refusal> {
        let session = self.session(cookie, now)?;
        session.prove(what, proof, now)?;
        session.seen = now;
        let session = session.clone();
        self.keep_seen(now);
        Ok(session)
    }

    /// A session that was seen lives on; the disk hears of it now and then. Where that fails a restart ends it early.
    fn keep_seen(&mut self, now: i64) {
        if now - self.kept >= SEEN {
            self.kept = now;
            if let Err(error) = session::write(&self.folder, &self.sessions) {
                eprintln!("{error}; sessions may end early");
            }
        }
    }

    pub fn active(&mut self, session: &str, now: i64) {
        if let Some(session) = self.sessions.iter_mut().find(|one| one.id == session) {
            session.seen = now;
            self.keep_seen(now);
        }
    }

    pub fn home(&mut self, cookie: &str, proof: &Proof, now: i64) -> Result<Home, Refusal> {
        let session = self.proved(cookie, "home", proof, now)?;
        let person = self.directory.person(&session.person).ok_or(Refusal::NoSession)?;
        let pools = self.directory.pools.iter();
        let recovery = self.credentials(&session.person)?.recovery.len();
        Ok(Home {
            person: person.name.clone(),
            title: person.title.clone(),
            session: session.id.clone(),
            until: session.until,
            recovery: u32::try_from(recovery).unwrap_or(0),
            pools: pools
                .filter(|pool| pool.admits(&session.person))
                .map(|pool| HomePool {
                    name: pool.name.clone(),
                    title: pool.title.clone(),
                    forgets: pool.forgets(),
                })
                .collect(),
            devices: self.devices(&session.person)?,
            tunnel: self.directory.tunnel.is_some() && !person.reach.is_empty(),
            sessions: self
                .sessions
                .iter()
                .filter(|one| one.person == session.person)
                .map(|one| HomeSession {
                    id: one.id.clone(),
                    from: one.from.clone(),
                    agent: one.agent.clone(),
                    began: one.began,
                    seen: one.seen,
                })
                .collect(),
        })
    }

    pub fn log_out(&mut self, cookie: &str, proof: &Proof, now: i64) -> Result<Ended, Refusal> {
        let session = self.proved(cookie, "logout", proof, now)?;
        self.end_one(&session.id, now)
    }

    /// Another session of the same person.
    pub fn end_other(
        &mut self,
        cookie: &str,
        other: &str,
        proof: &Proof,
        now: i64,
    ) -> Result<Ended, Refusal> {
        let session = self.proved(cookie, &format!("end {other}"), proof, now)?;
        let theirs = self
            .sessions
            .iter()
            .any(|one| one.id == other && one.person == session.person);
        if !theirs {
            return Err(Refusal::NotYours);
        }
        self.end_one(other, now)
    }

    pub fn end_one(&mut self, session: &str, now: i64) -> Result<Ended, Refusal> {
        let ended = self.end(|one| one.id == session).pop().ok_or(Refusal::NotYours)?;
        // It is over also where the disk does not take it; then it may come back with a restart, and that is said.
        self.keep(self.sessions.clone(), now)?;
        Ok(ended)
    }

    /// Those whose time is out, and the ones of persons who have too many.
    pub fn tick(&mut self, now: i64) -> Vec<Ended> {
        self.tickets.retain(|_, ticket| now < ticket.until);
        let idle = self.directory.idle();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut newest: Vec<&Session> = self.sessions.iter().collect();
        newest.sort_by_key(|session| std::cmp::Reverse(session.seen));
        let over: Vec<String> = newest
            .into_iter()
            .filter(|session| {
                let count = counts.entry(session.person.clone()).or_default();
                *count += 1;
                session.is_over(now, idle) || *count > MOST_SESSIONS
            })
            .map(|session| session.id.clone())
            .collect();
        let ended = self.end(|session| over.contains(&session.id));
        if !ended.is_empty()
            && let Err(error) = session::write(&self.folder, &self.sessions)
        {
            eprintln!("{error}; what is over is over all the same");
        }
        ended
    }

    fn end(&mut self, which: impl Fn(&Session) -> bool) -> Vec<Ended> {
        let (over, left): (Vec<Session>, Vec<Session>) =
            std::mem::take(&mut self.sessions).into_iter().partition(which);
        self.sessions = left;
        self.tickets
            .retain(|_, ticket| !over.iter().any(|session| session.id == ticket.session));
        self.screens
            .retain(|held| !over.iter().any(|session| session.id == held.session));
        let last = |person: &str| !self.sessions.iter().any(|session| session.person == person);
        over.iter()
            .map(|session| Ended {
                session: session.id.clone(),
                person: session.person.clone(),
                last: last(&session.person),
            })
            .collect()
    }

    // Desktops.

    /// Who asks for a desktop of this pool, if it is open to that person.
    pub fn wants(&mut self, cookie: &str, pool: &str, proof: &Proof, now: i64) -> Result<Session, Refusal> {
        let session = self.proved(cookie, &format!("ticket {pool}"), proof, now)?;
        let open = |one: &&DesktopPool| one.name == pool && one.admits(&session.person);
        match self.directory.pools.iter().find(open) {
            Some(_) => Ok(session),
            None => Err(Refusal::NotYours),
        }
    }

    /// Opens this desktop once.
    pub fn ticket(&mut self, session: &Session, desktop: &str, now: i64) -> String {
        let ticket = secret::token();
        let admission = Admission {
            session: session.id.clone(),
            desktop: desktop.to_owned(),
            until: now + TICKET,
        };
        self.tickets.insert(secret::hash(&ticket), admission);
        ticket
    }

    /// The person and the desktop that a ticket is for. It is used up.
    pub fn redeem(&mut self, cookie: &str, ticket: &str, now: i64) -> Result<(String, Held), Refusal> {
        let session = self.session(cookie, now)?.clone();
        let admission = self
            .tickets
            .remove(&secret::hash(ticket))
            .ok_or(Refusal::NoTicket)?;
        if admission.session != session.id || now >= admission.until {
            return Err(Refusal::NoTicket);
        }
        let held = Held {
            session: session.id,
            desktop: admission.desktop,
        };
        Ok((session.person, held))
    }

    /// What the portal shows now; those of its sessions that are over.
    pub fn holds(&mut self, screens: Vec<Held>) -> Vec<String> {
        let (known, over): (Vec<Held>, Vec<Held>) = screens
            .into_iter()
            .partition(|held| self.sessions.iter().any(|session| session.id == held.session));
        self.screens = known;
        over.into_iter().map(|held| held.session).collect()
    }

    /// Whether somebody is logged in.
    pub fn is_in(&self, person: &str) -> bool {
        self.sessions.iter().any(|session| session.person == person)
    }

    /// The person's devices have been heard: nobody is away.
    pub fn is_at_work(&mut self, person: &str, now: i64) {
        for session in self.sessions.iter_mut().filter(|one| one.person == person) {
            session.seen = session.seen.max(now);
        }
        self.keep_seen(now);
    }

    /// Whose session it is.
    pub fn person_of(&self, session: &str) -> Option<&str> {
        let session = self.sessions.iter().find(|one| one.id == session)?;
        Some(&session.person)
    }

    // What operators see.

    pub fn persons(&self) -> Vec<PersonStatus> {
        self.directory
            .persons
            .iter()
            .map(|person| {
                let credentials = Credentials::read(&self.folder, &person.name).unwrap_or_default();
                let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
                let own = self.sessions.iter().filter(|one| one.person == person.name);
                let pools = self.directory.pools.iter();
                PersonStatus {
                    name: person.name.clone(),
                    title: person.title.clone(),
                    enrolled: credentials.is_enrolled(),
                    code_until: credentials.enrolment.map_or(0, |enrolment| enrolment.until),
                    recovery: count(credentials.recovery.len()),
                    last_login: credentials.last_login,
                    sessions: count(own.count()),
                    pools: pools
                        .filter(|pool| pool.admits(&person.name))
                        .map(|pool| pool.name.clone())
                        .collect(),
                }
            })
            .collect()
    }

    /// The newest first.
    pub fn sessions(&self) -> Vec<SessionStatus> {
        let mut sessions: Vec<SessionStatus> = self
            .sessions
            .iter()
            .map(|session| SessionStatus {
                id: session.id.clone(),
                person: session.person.clone(),
                from: session.from.clone(),
                agent: session.agent.clone(),
                began: session.began,
                seen: session.seen,
                until: session.until,
                desktops: self
                    .screens
                    .iter()
                    .filter(|held| held.session == session.id)
                    .map(|held| held.desktop.clone())
                    .collect(),
            })
            .collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.began));
        sessions
    }
}

fn seconds(now: i64) -> u64 {
    u64::try_from(now / 1000).unwrap_or(0)
}

/// What cannot be kept is not believed.
#[allow(clippy::needless_pass_by_value, reason = "it is given to map_err")]
pub(crate) fn not_kept(error: Error) -> Refusal {
    eprintln!("{error}");
    Refusal::NotKept
}

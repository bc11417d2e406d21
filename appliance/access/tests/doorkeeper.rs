//! People at the door: who comes in, who does not, and what a restart does not forget.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use data_encoding::BASE32_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use tempfile::TempDir;
use varde_access::folder::Folder;
use varde_access::password::Hashed;
use varde_access::{Directory, Doorkeeper, Refusal, totp};
use varde_bus::door::{Entered, Proof, Visit, signed_text};
use varde_site::{DesktopPool, Desktops, Person, Portal};

const NOW: i64 = 1_795_700_000_000;
const PASSWORD: &str = "tre små kaffekopper";

/// A browser with its key and its cookies.
struct Browser {
    key: EcdsaKeyPair,
    from: &'static str,
    device: String,
    cookie: String,
}

impl Browser {
    fn new(from: &'static str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self {
            key,
            from,
            device: String::new(),
            cookie: String::new(),
        }
    }

    fn visit(&self) -> Visit {
        Visit {
            from: self.from.to_owned(),
            device: self.device.clone(),
            agent: "Firefox".to_owned(),
        }
    }

    fn public(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }

    fn keep(&mut self, entered: &Entered) {
        self.cookie.clone_from(&entered.cookie);
        self.device.clone_from(&entered.device);
    }

    fn proof(&self, keeper: &mut Doorkeeper, what: &str, now: i64) -> Result<Proof, Refusal> {
        let challenge = keeper.challenge(&self.cookie, now)?;
        let text = signed_text(what, &challenge);
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        Ok(Proof {
            challenge,
            signature: signature.as_ref().to_vec(),
        })
    }
}

struct Place {
    folder: TempDir,
    keeper: Doorkeeper,
    /// Of the authenticator, when somebody has enrolled.
    secret: Vec<u8>,
}

fn directory() -> Directory {
    let person = |name: &str| Person {
        name: name.to_owned(),
        title: name.to_owned(),
        reach: Vec::new(),
    };
    Directory {
        portal: Some(Portal {
            name: "pult.example.no".into(),
            listen: "0.0.0.0:443".parse().unwrap(),
            idle: 1800,
            longest: 36_000,
        }),
        persons: vec![person("anne"), person("per")],
        pools: vec![DesktopPool {
            name: "kontor".into(),
            title: "Kontor".into(),
            image: "desktop".into(),
            zone: "klinikk".into(),
            cpus: 1,
            memory: 1 << 30,
            disk: 8 << 30,
            desktops: Desktops::Own,
            persons: vec!["anne".into()],
            park: 1800,
        }],
        tunnel: None,
        zones: Vec::new(),
        title: "Prøve".into(),
        language: varde_site::Language::Nb,
    }
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut keeper = Doorkeeper::open(Folder::new(folder.path())).unwrap();
        keeper.follow(directory());
        Self {
            folder,
            keeper,
            secret: Vec::new(),
        }
    }

    /// As after `kill -9` or a power cut: only what is on disk is left.
    fn restart(&mut self) {
        self.keeper = Doorkeeper::open(Folder::new(self.folder.path())).unwrap();
        self.keeper.follow(directory());
    }

    fn enrol(&mut self, person: &str, browser: &mut Browser) -> Vec<String> {
        let (code, _) = self.keeper.invite(person, NOW).unwrap();
        let token = self
            .keeper
            .enrol(person, &code.to_lowercase(), &browser.visit(), NOW)
            .unwrap();
        self.keeper.may_choose(&token, PASSWORD, NOW).unwrap();
        let factor = self.keeper.choose(&token, Hashed::of(PASSWORD), NOW).unwrap();
        self.secret = BASE32_NOPAD.decode(factor.secret.as_bytes()).unwrap();
        let code = self.code(NOW - 30_000);
        let (entered, _) = self
            .keeper
            .confirm(&token, &code, &browser.public(), &browser.visit(), NOW)
            .unwrap();
        browser.keep(&entered);
        entered.recovery
    }

    fn code(&self, now: i64) -> String {
        let step = u64::try_from(now / 1000).unwrap() / totp::STEP;
        format!("{:06}", totp::code(&self.secret, step))
    }

    fn password(
        &mut self,
        person: &str,
        password: &str,
        browser: &Browser,
        now: i64,
    ) -> Result<String, Refusal> {
        let check = self.keeper.check(person, &browser.visit(), now)?;
        let right = check.is_right(password);
        self.keeper.checked(check, right, now)
    }

    fn log_in(&mut self, code: &str, browser: &mut Browser, now: i64) -> Result<(), Refusal> {
        let token = self.password("anne", PASSWORD, browser, now)?;
        let (entered, _) =
            self.keeper
                .second_factor(&token, code, &browser.public(), &browser.visit(), now)?;
        browser.keep(&entered);
        Ok(())
    }
}

#[test]
fn a_person_enrols_with_an_operators_code_and_logs_in_with_two_factors() {
    let mut place = Place::new();
    let mut browser = Browser::new("192.0.2.1");
    let recovery = place.enrol("anne", &mut browser);
    assert_eq!(recovery.len(), 8);
    let proof = browser.proof(&mut place.keeper, "home", NOW).unwrap();
    let home = place.keeper.home(&browser.cookie, &proof, NOW).unwrap();
    assert_eq!((home.person.as_str(), home.pools.len()), ("anne", 1));

    let mut other = Browser::new("198.51.100.1");
    assert_eq!(
        place.password("anne", "feil passord her", &other, NOW),
        Err(Refusal::Wrong)
    );
    assert_eq!(place.log_in("000000", &mut other, NOW), Err(Refusal::WrongCode));
    let code = place.code(NOW);
    place.log_in(&code, &mut other, NOW).unwrap();
    place.log_in(&recovery[0], &mut other, NOW).unwrap();
    assert_eq!(
        place.log_in(&recovery[0], &mut other, NOW),
        Err(Refusal::WrongCode)
    );
}

#[test]
fn every_code_that_was_taken_is_refused_at_once_from_elsewhere_and_after_a_crash() {
    let mut place = Place::new();
    let mut browser = Browser::new("192.0.2.1");
    place.enrol("anne", &mut browser);
    let mut elsewhere = Browser::new("203.0.113.9");
    let mut accepted = 0;
    for minute in 1..20 {
        let now = NOW + minute * 60_000;
        let code = place.code(now);
        assert_eq!(place.log_in(&code, &mut browser, now), Ok(()), "minute {minute}");
        accepted += u32::from(place.log_in(&code, &mut browser, now).is_ok());
        accepted += u32::from(place.log_in(&code, &mut elsewhere, now).is_ok());
        place.restart();
        accepted += u32::from(place.log_in(&code, &mut browser, now).is_ok());
        // The clock may have been set back meanwhile.
        accepted += u32::from(place.log_in(&code, &mut browser, now - 30_000).is_ok());
    }
    assert_eq!(accepted, 0);
}

#[test]
fn a_login_whose_code_cannot_be_kept_does_not_count() {
    let mut place = Place::new();
    let mut browser = Browser::new("192.0.2.1");
    place.enrol("anne", &mut browser);
    let now = NOW + 60_000;
    let code = place.code(now);
    // What is to be written there cannot be.
    let part = place.folder.path().join("person/anne.part");
    std::fs::create_dir(&part).unwrap();
    assert_eq!(place.log_in(&code, &mut browser, now), Err(Refusal::NotKept));
    std::fs::remove_dir(&part).unwrap();
    assert_eq!(place.log_in(&code, &mut browser, now), Ok(()), "nothing is lost");
}

#[test]
fn strangers_who_try_a_name_do_not_lock_its_person_out_of_a_known_device() {
    let mut place = Place::new();
    let mut browser = Browser::new("192.0.2.1");
    place.enrol("anne", &mut browser);
    let now = NOW + 60_000;
    let mut refused = 0;
    for number in 0..10_000u32 {
        let from: &'static str = Box::leak(std::net::Ipv4Addr::from_bits(number).to_string().into());
        let check = place.keeper.check(
            "anne",
            &Browser {
                from,
                ..Browser::new("")
            }
            .visit(),
            now,
        );
        refused += u32::from(matches!(check, Err(Refusal::TooMany(_))));
    }
    assert_eq!(refused, 9_990);
    let code = place.code(now);
    assert_eq!(place.log_in(&code, &mut browser, now), Ok(()));
}

#[test]
fn nobody_can_tell_who_is_declared_or_enrolled() {
    let mut place = Place::new();
    place.enrol("anne", &mut Browser::new("192.0.2.1"));
    let browser = Browser::new("192.0.2.2");
    for person in ["anne", "per", "nobody", "../../etc/passwd"] {
        assert_eq!(
            place.password(person, "feil passord her", &browser, NOW),
            Err(Refusal::Wrong)
        );
        assert_eq!(
            place
                .keeper
                .enrol(person, "00000 00000 00000 00000", &browser.visit(), NOW),
            Err(Refusal::WrongEnrolment)
        );
    }
    // Not even with the password, which nobody has.
    assert_eq!(place.password("per", "", &browser, NOW), Err(Refusal::Wrong));
}

#[test]
fn a_stolen_cookie_is_good_for_nothing_on_another_device() {
    let mut place = Place::new();
    let mut browser = Browser::new("192.0.2.1");
    place.enrol("anne", &mut browser);
    let mut thief = Browser::new("203.0.113.9");
    thief.cookie.clone_from(&browser.cookie);
    let proof = thief.proof(&mut place.keeper, "home", NOW).unwrap();
    assert_eq!(
        place.keeper.home(&thief.cookie, &proof, NOW),
        Err(Refusal::NoProof)
    );
    let proof = thief.proof(&mut place.keeper, "ticket kontor", NOW).unwrap();
    assert_eq!(
        place.keeper.wants(&thief.cookie, "kontor", &proof, NOW).err(),
        Some(Refusal::NoProof)
    );
    let proof = thief.proof(&mut place.keeper, "logout", NOW).unwrap();
    assert_eq!(
        place.keeper.log_out(&thief.cookie, &proof, NOW),
        Err(Refusal::NoProof)
    );
}

#[test]
fn a_ticket_opens_one_desktop_of_one_session_once_and_soon() {
    let mut place = Place::new();
    let (mut mine, mut theirs) = (Browser::new("192.0.2.1"), Browser::new("192.0.2.2"));
    place.enrol("per", &mut theirs);
    place.enrol("anne", &mut mine);
    let proof = theirs.proof(&mut place.keeper, "ticket kontor", NOW).unwrap();
    assert_eq!(
        place.keeper.wants(&theirs.cookie, "kontor", &proof, NOW).err(),
        Some(Refusal::NotYours),
        "the pool is not open to per"
    );
    let proof = mine.proof(&mut place.keeper, "ticket kontor", NOW).unwrap();
    let session = place.keeper.wants(&mine.cookie, "kontor", &proof, NOW).unwrap();
    let ticket = place.keeper.ticket(&session, "kontor-anne", NOW);
    assert_eq!(
        place.keeper.redeem(&theirs.cookie, &ticket, NOW),
        Err(Refusal::NoTicket),
        "another session"
    );
    assert_eq!(
        place.keeper.redeem(&mine.cookie, &ticket, NOW),
        Err(Refusal::NoTicket),
        "and it is used up by that"
    );
    let ticket = place.keeper.ticket(&session, "kontor-anne", NOW);
    assert_eq!(
        place.keeper.redeem(&mine.cookie, &ticket, NOW + 30_000),
        Err(Refusal::NoTicket),
        "too late"
    );
    let ticket = place.keeper.ticket(&session, "kontor-anne", NOW);
    let (person, held) = place.keeper.redeem(&mine.cookie, &ticket, NOW + 29_999).unwrap();
    assert_eq!((person.as_str(), held.desktop.as_str()), ("anne", "kontor-anne"));
}

#[test]
fn sessions_outlive_a_restart_and_end_by_time_by_a_person_and_by_the_site() {
    let mut place = Place::new();
    let mut browser = Browser::new("192.0.2.1");
    place.enrol("anne", &mut browser);
    place.restart();
    let proof = browser.proof(&mut place.keeper, "home", NOW).unwrap();
    let home = place.keeper.home(&browser.cookie, &proof, NOW).unwrap();
    assert!(place.keeper.tick(NOW + 1_799_999).is_empty());
    place.keeper.active(&home.session, NOW + 1_799_999);
    assert!(place.keeper.tick(NOW + 1_800_000).is_empty(), "somebody was seen");
    let ended = place.keeper.tick(NOW + 3_600_000);
    assert_eq!((ended.len(), ended[0].last), (1, true));
    assert_eq!(
        place.keeper.challenge(&browser.cookie, NOW),
        Err(Refusal::NoSession)
    );

    let code = place.code(NOW + 60_000);
    place.log_in(&code, &mut browser, NOW + 60_000).unwrap();
    let mut without = directory();
    without.persons.remove(0);
    assert_eq!(place.keeper.follow(without).len(), 1);
    place.keeper.follow(directory());
    assert_eq!(
        place.keeper.challenge(&browser.cookie, NOW),
        Err(Refusal::NoSession)
    );
}

#[test]
fn what_an_operator_forgets_opens_nothing_any_more() {
    let mut place = Place::new();
    let mut browser = Browser::new("192.0.2.1");
    place.enrol("anne", &mut browser);
    assert_eq!(place.keeper.forget("anne", NOW).unwrap().len(), 1);
    let now = NOW + 60_000;
    let code = place.code(now);
    assert_eq!(place.log_in(&code, &mut browser, now), Err(Refusal::Wrong));
    assert_eq!(
        place.keeper.challenge(&browser.cookie, NOW),
        Err(Refusal::NoSession)
    );
}

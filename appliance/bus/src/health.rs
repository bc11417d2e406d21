//! How an appliance is, in as few bits as a code that is read out by phone can carry.
//!
//! [`Health::of`] takes what the services say, [`Health::code`] makes seven groups of five symbols of it
//! ([`crate::code`]), [`Health::decoded`] reads them where the other end of the phone is, and [`Health::lines`] says in
//! words what they mean. Numbers that do not fit are the largest that does.

use serde::{Deserialize, Serialize};
use varde_site::Text;

use crate::code::{self, Bits};
use crate::dbrestart::{DatabaseState, DatabaseStatus};
use crate::host::{HostStatus, Severity};
use crate::hypervisor::{VmState, VmStatus};
use crate::site::{SiteSummary, TrialStatus};

/// Of the layout below. The first thing in a code, so that an older program says that it cannot read a newer one.
const FORMAT: u64 = 1;
const GROUPS: usize = 7;
/// Minutes wrap after so many bits: a code can be dated within a year.
const MINUTE_BITS: u32 = 19;

/// What a code says.
#[allow(clippy::struct_excessive_bools, reason = "a bit of the code each")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// When it was made: minutes since 1970, UTC, modulo 2¹⁹.
    pub minute: u64,
    /// Of the image: major, minor, patch; zeros where the host's service does not answer.
    pub version: [u64; 3],
    pub generation: u64,
    /// Hours since the appliance came up.
    pub up: u64,
    /// Tenths of the load for each processor.
    pub load: u64,
    /// Thirty-firsts that are free of memory and of the data disk.
    pub memory: u64,
    pub data: u64,
    /// Problems of the host: critical, warnings, notices.
    pub problems: [u64; 3],
    /// Services that did not answer: host, site, hypervisor, databases, record.
    pub silent: [bool; 5],
    /// Machines that run, are off, crashed, are blocked, and all others.
    pub machines: [u64; 5],
    /// Databases that are ready, run a restart, are on hold, blocked, down.
    pub databases: [u64; 5],
    pub emulated: bool,
    /// The first site could not be used.
    pub fallen_back: bool,
    pub on_trial: bool,
    pub taken_back: bool,
}

/// What was asked for it; `None` where the service did not answer.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub host: Option<HostStatus>,
    pub site: Option<SiteSummary>,
    pub trial: Option<TrialStatus>,
    pub machines: Option<Vec<VmStatus>>,
    pub databases: Option<Vec<DatabaseStatus>>,
    pub record: bool,
}

const MACHINE_BITS: [u32; 5] = [6, 6, 4, 4, 4];
const DATABASE_BITS: [u32; 5] = [4, 2, 3, 3, 3];
const VERSION_BITS: [u32; 3] = [4, 6, 6];

impl Health {
    /// `now`: milliseconds since 1970, UTC.
    pub fn of(answers: &Answers, now: i64) -> Self {
        let minute = u64::try_from(now / 60_000).unwrap_or(0) % (1 << MINUTE_BITS);
        let mut health = Self {
            minute,
            silent: [
                answers.host.is_none(),
                answers.site.is_none(),
                answers.machines.is_none(),
                answers.databases.is_none(),
                !answers.record,
            ],
            on_trial: answers.trial.as_ref().is_some_and(|trial| trial.generation != 0),
            ..Self::default()
        };
        if let Some(host) = &answers.host {
            health.version = version(&host.version);
            health.up = host.uptime / 3600;
            health.load = tenths(host.load, host.cpus);
            health.memory = share(host.memory_available, host.memory_total);
            health.data = share(host.data_available, host.data_total);
            health.emulated = host.accelerator != "kvm";
            let count = |severity| {
                host.problems
                    .iter()
                    .filter(|problem| problem.severity == severity)
                    .count() as u64
            };
            health.problems = [Severity::Critical, Severity::Warning, Severity::Notice].map(count);
        }
        if let Some(site) = &answers.site {
            health.generation = site.generation;
            health.fallen_back = !site.problem.is_empty();
            health.taken_back = !site.taken_back.is_empty();
        }
        for vm in answers.machines.iter().flatten() {
            let place = match vm.state {
                VmState::Running => 0,
                VmState::Declared | VmState::Stopped => 1,
                VmState::Crashed => 2,
                VmState::Blocked => 3,
                VmState::Starting | VmState::Paused | VmState::Stopping => 4,
            };
            health.machines[place] += 1;
        }
        for database in answers.databases.iter().flatten() {
            let place = match database.state {
                DatabaseState::Ready => 0,
                DatabaseState::Running => 1,
                DatabaseState::Hold => 2,
                DatabaseState::Blocked => 3,
                DatabaseState::Down => 4,
            };
            health.databases[place] += 1;
        }
        health
    }

    /// Every field with its width, in the order of the code: one list for both ways, so that they cannot fall out of
    /// step.
    fn fields(&mut self) -> Vec<(Field<'_>, u32)> {
        let mut fields = vec![(Field::Number(&mut self.minute), MINUTE_BITS)];
        let numbers = self.version.iter_mut().zip(VERSION_BITS);
        fields.extend(numbers.map(|(number, width)| (Field::Number(number), width)));
        for (number, width) in [
            (&mut self.generation, 14),
            (&mut self.up, 12),
            (&mut self.load, 6),
            (&mut self.memory, 5),
            (&mut self.data, 5),
        ] {
            fields.push((Field::Number(number), width));
        }
        let problems = self.problems.iter_mut().map(|number| (Field::Number(number), 3));
        fields.extend(problems);
        fields.extend(self.silent.iter_mut().map(|flag| (Field::Flag(flag), 1)));
        let machines = self.machines.iter_mut().zip(MACHINE_BITS);
        fields.extend(machines.map(|(number, width)| (Field::Number(number), width)));
        let databases = self.databases.iter_mut().zip(DATABASE_BITS);
        fields.extend(databases.map(|(number, width)| (Field::Number(number), width)));
        for flag in [
            &mut self.emulated,
            &mut self.fallen_back,
            &mut self.on_trial,
            &mut self.taken_back,
        ] {
            fields.push((Field::Flag(flag), 1));
        }
        fields
    }

    pub fn code(&self) -> String {
        let mut bits = Bits::default();
        bits.push(FORMAT, 4);
        for (field, width) in self.clone().fields() {
            match field {
                Field::Number(number) => bits.push(*number, width),
                Field::Flag(flag) => bits.push(u64::from(*flag), width),
            }
        }
        let mut groups = bits.groups();
        groups.resize(GROUPS, 0);
        code::encode(&groups)
    }

    /// What a code says, or what is wrong with it.
    pub fn decoded(text: &str) -> Result<Self, Text> {
        let groups = code::decode(text, GROUPS)?;
        let mut bits = Bits::of(&groups);
        let format = bits.take(4);
        if format != FORMAT {
            return Err(Text::new(
                format!("Koden er av form {format}; denne versjonen leser form {FORMAT}"),
                format!("The code is of form {format}; this version reads form {FORMAT}"),
            ));
        }
        let mut health = Self::default();
        for (field, width) in health.fields() {
            match field {
                Field::Number(number) => *number = bits.take(width),
                Field::Flag(flag) => *flag = bits.take(width) == 1,
            }
        }
        Ok(health)
    }

    /// When it was made, the last time before `now` that fits: milliseconds since 1970, UTC.
    pub fn made(&self, now: i64) -> i64 {
        let year = 1 << MINUTE_BITS;
        // The clocks of the two ends may differ by some minutes.
        let latest = now / 60_000 + 60;
        let minute = i64::try_from(self.minute).unwrap_or(0);
        let back = (latest - minute).rem_euclid(year);
        (latest - back) * 60_000
    }

    /// In words, what is wrong first.
    pub fn lines(&self) -> Vec<Text> {
        let mut lines = Vec::new();
        let mut add = |wanted: bool, nb: String, en: String| {
            if wanted {
                lines.push(Text::new(nb, en));
            }
        };
        let names = [
            ("verten", "the host"),
            ("anlegget", "the site"),
            ("hypervisoren", "the hypervisor"),
            ("databasene", "the databases"),
            ("hendelsesloggen", "the record"),
        ];
        for (silent, (nb, en)) in self.silent.iter().zip(names) {
            add(
                *silent,
                format!("! tjenesten for {nb} svarer ikke"),
                format!("! the service of {en} does not answer"),
            );
        }
        let [running, off, crashed, blocked, between] = self.machines;
        let [ready, restarting, hold, stuck, down] = self.databases;
        add(
            crashed + blocked > 0,
            format!("! maskiner: {crashed} krasjet, {blocked} blokkert"),
            format!("! machines: {crashed} crashed, {blocked} blocked"),
        );
        add(
            down + stuck > 0,
            format!("! databaser: {down} nede, {stuck} blokkert"),
            format!("! databases: {down} down, {stuck} blocked"),
        );
        let [critical, warnings, notices] = self.problems;
        add(
            critical + warnings > 0,
            format!("! problemer med verten: {critical} kritiske, {warnings} advarsler"),
            format!("! problems of the host: {critical} critical, {warnings} warnings"),
        );
        add(
            self.fallen_back,
            "! det første anlegget kunne ikke brukes".to_owned(),
            "! the first site could not be used".to_owned(),
        );
        add(
            self.taken_back,
            "! en generasjon ble tatt tilbake fra prøve".to_owned(),
            "! a generation was taken back from its trial".to_owned(),
        );
        add(
            self.on_trial,
            "! en generasjon er på prøve".to_owned(),
            "! a generation is on trial".to_owned(),
        );
        let [major, minor, patch] = self.version;
        let (generation, up) = (self.generation, self.up);
        add(
            true,
            format!("Varde {major}.{minor}.{patch}, generasjon {generation}, oppe i {up} timer"),
            format!("Varde {major}.{minor}.{patch}, generation {generation}, up for {up} hours"),
        );
        let (nb, en) = if self.emulated {
            (", emulert", ", emulated")
        } else {
            ("", "")
        };
        let (load, memory, data) = (
            format!("{}.{}", self.load / 10, self.load % 10),
            self.memory * 100 / 31,
            self.data * 100 / 31,
        );
        add(
            true,
            format!("last {load} per prosessor{nb}, ledig minne {memory} %, ledig datadisk {data} %"),
            format!("load {load} a processor{en}, memory free {memory}%, data disk free {data}%"),
        );
        add(
            true,
            format!("maskiner: {running} kjører, {off} av, {between} på vei"),
            format!("machines: {running} running, {off} off, {between} in between"),
        );
        add(
            self.databases.iter().sum::<u64>() > 0,
            format!("databaser: {ready} klare, {restarting} startes på nytt, {hold} i bero"),
            format!("databases: {ready} ready, {restarting} restarting, {hold} on hold"),
        );
        add(
            notices > 0,
            format!("merknader om verten: {notices}"),
            format!("notices of the host: {notices}"),
        );
        lines
    }
}

enum Field<'a> {
    Number(&'a mut u64),
    Flag(&'a mut bool),
}

fn version(text: &str) -> [u64; 3] {
    let mut numbers = text
        .split(['.', '-', '+', '~'])
        .map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

fn tenths(load: f64, cpus: u32) -> u64 {
    let tenths = (load * 10.0 / f64::from(cpus.max(1))).round().clamp(0.0, 63.0);
    // In range, and without a fraction.
    (0..=63u32)
        .rev()
        .find(|whole| f64::from(*whole) <= tenths)
        .map_or(0, u64::from)
}

/// Thirty-firsts, rounded down, so that only what is all free says so.
fn share(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part.min(whole)) * 31 / u128::from(whole.max(1))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::Problem;

    const NOON: i64 = 1_795_348_800_000;

    fn host() -> HostStatus {
        HostStatus {
            hostname: "fylke".into(),
            machine_id: String::new(),
            version: "0.12.3-rc1".into(),
            kernel: "6.12".into(),
            uptime: 7 * 24 * 3600,
            load: 3.0,
            cpus: 2,
            memory_total: 8 << 30,
            memory_available: 2 << 30,
            data_total: 100,
            data_available: 100,
            accelerator: "tcg".into(),
            problems: vec![Problem {
                severity: Severity::Warning,
                text: Text::default(),
                remedy: Text::default(),
            }],
        }
    }

    #[test]
    fn what_is_read_out_is_what_was_seen() {
        let answers = Answers {
            host: Some(host()),
            machines: Some(Vec::new()),
            databases: Some(Vec::new()),
            record: true,
            ..Answers::default()
        };
        let health = Health::of(&answers, NOON);
        let code = health.code();
        assert_eq!(code.len(), 7 * 5 + 6, "{code}");
        let heard = Health::decoded(&code).unwrap();
        assert_eq!(heard, health);
        assert_eq!(heard.made(NOON + 3_600_000), NOON, "to the minute");
        let said: Vec<String> = heard.lines().into_iter().map(|line| line.en).collect();
        assert_eq!(
            said,
            [
                "! the service of the site does not answer",
                "! problems of the host: 0 critical, 1 warnings",
                "Varde 0.12.3, generation 0, up for 168 hours",
                "load 1.5 a processor, emulated, memory free 22%, data disk free 100%",
                "machines: 0 running, 0 off, 0 in between",
            ]
        );
    }

    #[test]
    fn a_code_of_another_form_is_not_guessed_at() {
        let newer = code::encode(&[0x2_0000, 0, 0, 0, 0, 0, 0]);
        assert!(Health::decoded(&newer).unwrap_err().en.contains("form 2"));
    }

    #[test]
    fn the_code_has_room_for_every_field() {
        let width: u32 = Health::default().fields().iter().map(|(_, width)| width).sum();
        assert!(4 + width <= 20 * u32::try_from(GROUPS).unwrap(), "{width}");
    }

    proptest! {
        #[test]
        fn any_health_survives_the_phone(numbers in proptest::collection::vec(any::<u64>(), 40), flags in proptest::collection::vec(any::<bool>(), 40)) {
            let mut health = Health::default();
            for (place, (field, width)) in health.fields().into_iter().enumerate() {
                match field {
                    Field::Number(number) => *number = numbers[place] % (1 << width),
                    Field::Flag(flag) => *flag = flags[place],
                }
            }
            prop_assert_eq!(Health::decoded(&health.code()), Ok(health));
        }
    }
}

//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use varde_bus::Language;
use varde_bus::site::TRIALS;

/// Looks after a Varde appliance. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
#[derive(Parser)]
#[command(name = "varde", version, max_term_width = 80)]
pub struct Arguments {
    /// Print JSON, errors too, in the shape of the bus types
    #[arg(long, global = true)]
    pub json: bool,
    /// Language of messages (nb or en); else the session's, else the site's
    #[arg(long, global = true, value_parser = language)]
    pub lang: Option<Language>,
    #[command(subcommand)]
    pub noun: Noun,
}

fn language(word: &str) -> Result<Language, String> {
    match word {
        "nb" => Ok(Language::Nb),
        "en" => Ok(Language::En),
        _ => Err("nb or en".to_owned()),
    }
}

#[derive(Subcommand)]
pub enum Noun {
    /// What is wrong, what runs, how the appliance is
    Status,
    /// Virtual machines
    #[command(subcommand)]
    Vm(VmVerb),
    /// Snapshots of machines: take one, go back to it, or merge it
    #[command(subcommand)]
    Snapshot(SnapshotVerb),
    /// Upgrades: try them on clones of machines, then promote them
    #[command(subcommand)]
    Rehearse(RehearseVerb),
    /// Databases, and their scheduled restarts
    #[command(subcommand)]
    Db(DbVerb),
    /// Telephony: lines, trunks, phones and calls
    #[command(subcommand)]
    Phone(PhoneVerb),
    /// Who comes in from devices of their own: the portal, persons and sessions
    #[command(subcommand)]
    Access(AccessVerb),
    /// The tunnel: other sites, and people's devices
    #[command(subcommand)]
    Tunnel(TunnelVerb),
    /// New versions of the appliance, and the way back
    #[command(subcommand)]
    Update(UpdateVerb),
    /// Virtual desktops, and who has them
    #[command(subcommand)]
    Desktop(DesktopVerb),
    /// The site: what site.toml says, and its generations
    #[command(subcommand)]
    Site(SiteVerb),
    /// The journal
    Log(Log),
    /// The record of who did what
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Help from somebody elsewhere, without a network
    #[command(subcommand)]
    Support(SupportVerb),
    /// Restart the appliance
    Reboot(Why),
    /// Switch the appliance off
    Poweroff(Why),
    /// Completions for a shell, on standard output
    Completions { shell: Shell },
    /// Manual pages into a folder; without one, that of varde itself on standard output
    Man { folder: Option<PathBuf> },
}

#[derive(Args)]
pub struct Why {
    /// The reason, for the record
    #[arg(long)]
    pub why: String,
}

#[derive(Args)]
pub struct Change {
    /// Name of the machine
    pub vm: String,
    /// The reason, for the record
    #[arg(long, default_value = "")]
    pub why: String,
    /// Wait until it is done, at most so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "300")]
    pub wait: Option<u64>,
}

#[derive(Subcommand)]
pub enum VmVerb {
    /// All machines
    List,
    /// One machine in detail
    Show { vm: String },
    /// Start a machine
    Start(Change),
    /// Shut a machine down in good order
    Stop(Change),
    /// Cut a machine's power: what the guest has not written is lost
    Kill {
        vm: String,
        /// The reason, for the record
        #[arg(long)]
        why: String,
    },
    /// Halt a machine's processors; its memory is kept
    Pause(Change),
    /// Let a paused machine go on
    Resume(Change),
    /// Enter a machine's serial console; Ctrl-] leaves it
    Console { vm: String },
    /// What a machine wrote last on its serial console
    Scrollback { vm: String },
}

#[derive(Subcommand)]
pub enum SnapshotVerb {
    /// All snapshots, and how full the data disk is
    List,
    /// One snapshot in detail, and what it costs to go back to it or to merge it
    Show { snapshot: String },
    /// Take one of these machines, all at one instant
    Take {
        /// Names of the machines
        #[arg(required_unless_present = "group", conflicts_with = "group")]
        vms: Vec<String>,
        /// All machines of this group
        #[arg(long)]
        group: Option<String>,
        /// How long it may be kept, such as 12h or 3d; a week unless given
        #[arg(long, value_parser = days)]
        keep: Option<u64>,
        /// How large it may grow, such as 20GiB; 10 GiB unless given
        #[arg(long, value_parser = size)]
        budget: Option<u64>,
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Take its machines back to it: what they have written since is lost
    Rollback {
        snapshot: String,
        /// The reason, for the record
        #[arg(long)]
        why: String,
        /// Do it; without this only the price is told
        #[arg(long)]
        yes: bool,
    },
    /// Merge it: what was written since is kept, and the way back is gone
    Commit {
        snapshot: String,
        /// In the site's quiet hours; until then there is a way back
        #[arg(long = "quiet-hours")]
        quiet: bool,
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
        /// Do it; without this only the price is told
        #[arg(long)]
        yes: bool,
        /// Wait until it is done, at most so many seconds
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "300")]
        wait: Option<u64>,
    },
    /// End a merge that is under way, or one that waits for the quiet hours
    Cancel {
        snapshot: String,
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
    },
}

#[derive(Subcommand)]
pub enum RehearseVerb {
    /// The upgrades that site.toml declares
    Recipes,
    /// Rehearse an upgrade on clones of its machines
    Start {
        recipe: String,
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
        /// Wait until it has passed or failed, at most so many seconds
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "3600")]
        wait: Option<u64>,
    },
    /// All rehearsals
    List,
    /// One rehearsal: each step and check, and how it went
    Show { rehearsal: String },
    /// End a rehearsal wherever it is, and remove its clones
    Discard {
        rehearsal: String,
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Do to the machines what was done to their clones; a failed check takes them back
    Promote {
        rehearsal: String,
        /// The reason, for the record
        #[arg(long)]
        why: String,
        /// Do it; without this only the price is told
        #[arg(long)]
        yes: bool,
        /// Wait until it counts or was taken back, at most so many seconds
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "3600")]
        wait: Option<u64>,
    },
    /// Take the machines back to before the promotion: what they have written since is lost
    TakeBack {
        rehearsal: String,
        /// The reason, for the record
        #[arg(long)]
        why: String,
        /// Do it; without this only the price is told
        #[arg(long)]
        yes: bool,
    },
}

/// A whole number and its unit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(*factor)
        .filter(|value| *value > 0)
}

/// Seconds.
fn days(text: &str) -> Result<u64, String> {
    quantity(text, &[("min", 60), ("h", 3600), ("d", 86_400)])
        .ok_or_else(|| "such as 90min, 12h or 3d".to_owned())
}

/// Bytes.
fn size(text: &str) -> Result<u64, String> {
    quantity(text, &[("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)])
        .ok_or_else(|| "such as 500MiB or 20GiB".to_owned())
}

#[derive(Args)]
pub struct DbChange {
    /// Name of the database
    pub database: String,
    /// The reason, for the record
    #[arg(long, default_value = "")]
    pub why: String,
}

#[derive(Subcommand)]
pub enum DbVerb {
    /// All databases
    List,
    /// One database in detail, with its next ten runs
    Show { database: String },
    /// Past runs, the newest first
    Runs {
        database: String,
        /// How many
        #[arg(long, default_value_t = 10)]
        count: u32,
    },
    /// What the next ten runs of the calendar are
    Next { database: String },
    /// The load of a week as it is known, hour by hour, and the quietest time in it
    Load { database: String },
    /// Restart a database as soon as nothing is in the way, or at a time
    Restart {
        #[command(flatten)]
        change: DbChange,
        /// At once; this is what it does unless a time is given
        #[arg(long, conflicts_with = "at")]
        now: bool,
        /// At this moment, such as 2026-11-23T03:30 in the appliance's time zone
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Leave the next planned run out
    Skip(DbChange),
    /// Restart nothing until this is lifted
    Hold(DbChange),
    /// Go on as planned
    Unhold(DbChange),
    /// Call a run off that waits for its moment, or one that was asked for
    Cancel(DbChange),
    /// Print the SQL that has to be run once in a database
    Prepare { database: String },
    /// Give the password of the account varde in a database; it is read from standard input
    Credential(DbChange),
}

#[derive(Subcommand)]
pub enum PhoneVerb {
    /// What is wrong, how many calls, the last test of the emergency route
    Status,
    /// ISDN lines; with a name that line's channels
    Lines { line: Option<String> },
    /// SIP trunks
    Trunks,
    /// The site's numbers, and whether they can be reached
    Extensions,
    /// Calls that are up or on their way
    Calls,
    /// Calls that have ended, the newest first
    Records {
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
        /// Only those before this call
        #[arg(long, value_name = "CALL", default_value_t = 0)]
        before: u64,
    },
    /// One call that has ended, in detail
    Record { call: u64 },
    /// Make a test call: dial, play a tone, listen, clear
    Test {
        /// The number to be called, as it is dialled on a phone of the site
        number: String,
        /// Over this line or trunk; without it as the routes say
        #[arg(long, value_name = "NAME", default_value = "")]
        over: String,
        #[command(flatten)]
        how: TestHow,
    },
    /// Test the emergency route now: one call over each of its targets, to the number declared for tests
    TestEmergency {
        #[command(flatten)]
        how: TestHow,
    },
    /// End a call
    Clear {
        call: u64,
        /// The reason, for the record
        #[arg(long)]
        why: String,
    },
    /// Bring channels of a line to rest at both ends; calls on them end
    Restart {
        line: String,
        /// Only this channel; without it all of the line
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=31))]
        channel: Option<u8>,
        /// The reason, for the record
        #[arg(long)]
        why: String,
    },
    /// Give the secret of a trunk's account (by its name) or of an extension's (by its number); it is read from standard input
    Credential {
        of: String,
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Write the signalling of a call to a pcapng file, for Wireshark
    Recording {
        call: u64,
        file: PathBuf,
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
    },
}

#[derive(Subcommand)]
pub enum AccessVerb {
    /// Where people log in, and the fingerprint of its certificate
    Portal,
    /// All persons, and whether they have enrolled
    Persons,
    /// Who is in, from where, and on which desktop
    Sessions,
    /// A code with which a person chooses password and second factor, anew where there were some
    Enrol {
        person: String,
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Forget a person's password and second factor, and end the person's sessions
    Forget {
        person: String,
        /// The reason, for the record
        #[arg(long)]
        why: String,
    },
    /// End a session at once
    End {
        session: String,
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Give the portal a certificate, with those that lead to an authority after it, and its key; both PEM
    Certificate {
        chain: PathBuf,
        key: PathBuf,
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
    },
}

#[derive(Subcommand)]
pub enum TunnelVerb {
    /// Our own key, and where others find us
    Status,
    /// Sites and devices, and when each was heard last
    Peers,
    /// Make the key that we will have next, if there is none, and print it: other sites are to be told first
    PrepareKey {
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Have the next key from now on
    ChangeKey {
        /// The reason, for the record
        #[arg(long)]
        why: String,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum UpdateFrom {
    Stick,
    Source,
}

#[derive(Subcommand)]
pub enum UpdateVerb {
    /// Which version runs, which waits for a restart, and how the last ones went
    Status,
    /// Fetch the newest version from the source in site.toml; nothing is written beside the one that runs yet
    Fetch {
        /// The reason, for the record
        #[arg(long)]
        why: String,
    },
    /// Write a version beside the one that runs; the next restart tries it
    Install {
        /// The stick labelled VARDE, or what was fetched from the source
        #[arg(long, value_enum, default_value = "stick")]
        from: UpdateFrom,
        /// An older version too, and one in quarantine
        #[arg(long)]
        even_so: bool,
        /// The reason, for the record
        #[arg(long)]
        why: String,
    },
    /// Make the other version on the disk the one that the next restart starts
    Back {
        /// The reason, for the record
        #[arg(long)]
        why: String,
    },
    /// Say that the outcome of the last update has been read
    MarkRead,
}

#[derive(Subcommand)]
pub enum DesktopVerb {
    /// The pools that site.toml declares, and how they stand
    Pools,
    /// All desktops
    List,
    /// Take a desktop from whoever has it, and shut it down
    End {
        desktop: String,
        /// The reason, for the record
        #[arg(long)]
        why: String,
    },
    /// Make a desktop anew from the golden image: what was written to it is lost
    Renew {
        desktop: String,
        /// The reason, for the record
        #[arg(long)]
        why: String,
    },
}

#[derive(Args)]
pub struct TestHow {
    /// The reason, for the record
    #[arg(long, default_value = "")]
    pub why: String,
    /// Wait until it is done, at most so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "90")]
    pub wait: Option<u64>,
}

#[derive(Subcommand)]
pub enum SiteVerb {
    /// Say what is wrong with a file
    Check { file: PathBuf },
    /// Make a file the active generation; on trial where it could lock operators out
    Apply {
        file: PathBuf,
        /// The reason, for the record
        #[arg(long)]
        why: String,
        #[command(flatten)]
        trial: Trial,
    },
    /// What is on trial, how long for, and how it looks
    Trial,
    /// Let the generation on trial count for good
    Confirm {
        /// The reason, for the record
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Take the generation on trial back at once
    TakeBack {
        /// The reason, for the record
        #[arg(long)]
        why: String,
    },
    /// Print a generation; without a number the active one
    Show {
        #[arg(default_value_t = 0)]
        generation: u64,
    },
    /// All generations, the newest first
    History,
    /// What differs between two generations; the second is the active one unless given
    Diff {
        from: u64,
        #[arg(default_value_t = 0)]
        to: u64,
    },
    /// Make the file of an earlier generation the active one again; on trial where it could lock operators out
    Rollback {
        generation: u64,
        /// The reason, for the record
        #[arg(long)]
        why: String,
        #[command(flatten)]
        trial: Trial,
    },
}

#[derive(Args, Clone, Copy)]
pub struct Trial {
    /// On trial: taken back after this time (such as 5min) unless it is confirmed
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub confirm_within: Option<u32>,
    /// For good at once, whatever it changes
    #[arg(long, conflicts_with = "confirm_within")]
    pub for_good: bool,
}

/// Seconds.
fn time(text: &str) -> Result<u32, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "s" => 1,
        "min" => 60,
        "h" => 3600,
        _ => return Err("a whole number and s, min or h".to_owned()),
    };
    let seconds = number
        .parse::<u32>()
        .ok()
        .and_then(|number| number.checked_mul(factor));
    seconds
        .filter(|seconds| TRIALS.contains(seconds))
        .ok_or_else(|| format!("from {} s to {} s", TRIALS.start(), TRIALS.end()))
}

#[derive(Args)]
pub struct Log {
    /// Only this unit, such as varde-vm@journal-db.service
    #[arg(long, default_value = "")]
    pub unit: String,
    /// Only lines that hold this, large or small letters alike
    #[arg(long, default_value = "")]
    pub grep: String,
    /// Least severity: 0 emergency to 7 debug
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(0..=7))]
    pub priority: u8,
    /// How many lines
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub lines: u32,
    /// Only since the appliance came up
    #[arg(long)]
    pub boot: bool,
}

#[derive(Subcommand)]
pub enum SupportVerb {
    /// A code that says how the appliance is, short enough to be read out by phone
    Code,
    /// What such a code means; blanks, dashes and case do not matter
    Decode {
        #[arg(required = true)]
        code: Vec<String>,
    },
    /// One text with all that helps to find a fault; says first what is taken out of it
    #[command(group = clap::ArgGroup::new("to").required(true))]
    Bundle {
        /// A file that is not there yet, such as on a stick
        #[arg(group = "to")]
        file: Option<PathBuf>,
        /// Out on this line, between two marks
        #[arg(long, group = "to")]
        serial: bool,
        /// Do not ask: what is taken out has been read before
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
pub enum AuditVerb {
    /// The newest records
    List {
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
    },
    /// Check the whole chain
    Verify,
    /// Copy the whole chain into one file, as it is on disk, whole or not
    Export {
        /// A file that is not there yet, such as on a stick
        file: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_description_of_the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_machine_is_not_switched_off_hard_without_a_reason() {
        assert!(Arguments::try_parse_from(["varde", "vm", "kill", "db"]).is_err());
        assert!(Arguments::try_parse_from(["varde", "vm", "kill", "db", "--why", "hangs"]).is_ok());
    }

    #[test]
    fn a_trial_takes_seconds_minutes_or_an_hour() {
        assert_eq!(time("90"), Ok(90));
        assert_eq!((time("5min"), time("1 h")), (Ok(300), Ok(3600)));
        for wrong in ["", "min", "5m", "0", "2h", "99999999999999"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        let both = [
            "varde",
            "site",
            "apply",
            "f",
            "--why",
            "x",
            "--for-good",
            "--confirm-within",
            "5min",
        ];
        assert!(Arguments::try_parse_from(both).is_err());
    }

    #[test]
    fn times_and_sizes_are_whole_numbers_with_a_unit() {
        assert_eq!(days("3d"), Ok(3 * 86_400));
        assert_eq!(size("20 GiB"), Ok(20 << 30));
        for wrong in [
            "",
            "3",
            "d",
            "0d",
            "-1d",
            "3w",
            "99999999999999999999d",
            "99999999999999999d",
        ] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn waiting_has_a_bound_even_when_none_is_given() {
        let wait = |words: &[&str]| match Arguments::try_parse_from(words).map(|arguments| arguments.noun) {
            Ok(Noun::Vm(VmVerb::Start(change))) => change.wait,
            _ => panic!("{words:?} is a start"),
        };
        assert_eq!(wait(&["varde", "vm", "start", "db"]), None);
        assert_eq!(wait(&["varde", "vm", "start", "db", "--wait"]), Some(300));
        assert_eq!(wait(&["varde", "vm", "start", "db", "--wait", "20"]), Some(20));
    }
}

//! A small county's night: canned answers of the services, the same for tests, benchmarks and the fake bus.

use varde_bus::audit::Record;
use varde_bus::dbrestart::{DatabaseState, DatabaseStatus, InUse, PlannedRun, RunRecord};
use varde_bus::host::{HostStatus, LogLine, LogQuery, Problem, Severity};
use varde_bus::hypervisor::{CheckState, CheckStatus, DiskStatus, VmState, VmStatus, VmUsage};
use varde_bus::rehearsal::{Outcome, OutcomeKind, RecipeInfo, Rehearsal, RehearsalState};
use varde_bus::site::{Generation, Probe, ProbeState, SiteSummary, TrialStatus};
use varde_bus::snapshot::{Deed, Price, Progress, Snapshot, SnapshotState, Storage};
use varde_bus::update::{UpdateOutcome, UpdateStatus};
use varde_bus::{Finding, Text};

/// 2026-11-22 01:14:05 UTC: a quarter past two at night in Oslo.
pub const NOW: i64 = 1_795_310_045_000;
const MINUTE: i64 = 60_000;
const GIB: u64 = 1 << 30;

pub fn vm(name: &str, title: &str, state: VmState) -> VmStatus {
    let up = !matches!(
        state,
        VmState::Declared | VmState::Stopped | VmState::Crashed | VmState::Blocked
    );
    VmStatus {
        name: name.into(),
        title: title.into(),
        group: "journal".into(),
        zone: "drift".into(),
        address: "10.20.0.10".into(),
        state,
        reason: Text::default(),
        since: NOW - 35 * MINUTE,
        cpus: 2,
        memory: GIB,
        autostart: true,
        pid: if up { 812 } else { 0 },
        checks: vec![
            CheckStatus {
                name: "agent".into(),
                state: CheckState::Passed,
                detail: Text::default(),
            },
            CheckStatus {
                name: "tcp 5432".into(),
                state: if up {
                    CheckState::Passed
                } else {
                    CheckState::Waiting
                },
                detail: Text::default(),
            },
        ],
        disks: vec![DiskStatus {
            name: "system".into(),
            image: "postgresql".into(),
            size: 8 * GIB,
            used: GIB * 3 / 2,
        }],
    }
}

pub fn vms() -> Vec<VmStatus> {
    let mut crashed = vm("journal", "Journal, database", VmState::Crashed);
    crashed.reason = Text::new(
        "QEMU ble avsluttet av signal 9 (SIGKILL)",
        "QEMU was ended by signal 9 (SIGKILL)",
    );
    crashed.since = NOW - 2 * MINUTE;
    let mut small = vm("web", "Innbyggerportal, øvre etasje", VmState::Running);
    small.group = "portal".into();
    small.checks.truncate(1);
    let mut starting = vm("arkiv", "Arkiv", VmState::Starting);
    starting.group = "arkiv".into();
    starting.address = String::new();
    starting.checks[1].state = CheckState::Waiting;
    starting.checks[1].detail = Text::new("porten tar ikke imot ennå", "the port does not accept yet");
    let mut off = vm("ovelse", "Øvingsmaskin", VmState::Declared);
    off.group = "øving".into();
    off.since = 0;
    off.disks[0].used = 0;
    vec![crashed, small, starting, off]
}

pub fn host() -> HostStatus {
    HostStatus {
        hostname: "varde-demo".into(),
        machine_id: "0123456789abcdef0123456789abcdef".into(),
        version: "0.1.0".into(),
        kernel: "6.12.57".into(),
        uptime: 5 * 3600,
        load: 0.42,
        cpus: 2,
        memory_total: 8 * GIB,
        memory_available: GIB * 31 / 10,
        data_total: 40 * GIB,
        data_available: 12 * GIB,
        accelerator: "tcg".into(),
        problems: vec![Problem {
            severity: Severity::Warning,
            text: Text::new(
                "Prosessoren gir ingen virtualisering, så maskinene går tregt",
                "The processor gives no virtualisation, so the machines are slow",
            ),
            remedy: Text::new(
                "Slå på VT-x eller AMD-V i oppsettet til bladet.",
                "Switch on VT-x or AMD-V in the blade's setup.",
            ),
        }],
    }
}

pub fn site() -> SiteSummary {
    SiteSummary {
        generation: 2,
        name: "varde-demo".into(),
        title: "Varde demo".into(),
        counties: vec!["Østfold".into(), "Akershus".into(), "Buskerud".into()],
        language: "nb".into(),
        // The rule of Europe/Oslo, for machines without a time zone database.
        timezone: "CET-1CEST,M3.5.0,M10.5.0/3".into(),
        downtime_cost: 50_000,
        idle_lock: 600,
        source: "demo".into(),
        problem: Text::default(),
        taken_back: Text::default(),
    }
}

pub fn history() -> Vec<Generation> {
    let generation = |number: u64, who: &str, why: &str, ago: i64| Generation {
        number,
        hash: format!("{number}{}", "c0ffee".repeat(10)),
        parent: number - 1,
        when: NOW - ago,
        who: who.into(),
        why: why.into(),
        active: number == 2,
    };
    vec![
        generation(2, "kari", "Arkivet får mer minne", 40 * MINUTE),
        generation(1, "first-boot", "", 3 * 24 * 60 * MINUTE),
    ]
}

pub fn trial() -> TrialStatus {
    let probe = |what: &str, state, nb: &str, en: &str| Probe {
        what: Text::same(what),
        state,
        found: Text::new(nb, en),
    };
    TrialStatus {
        generation: 2,
        before: 1,
        who: "kari".into(),
        why: "Ny adresse".into(),
        within: 300,
        left: 272,
        risks: vec![Text::new("soner og nett", "zones and networks")],
        probes: vec![
            probe(
                "kari",
                ProbeState::Good,
                "når tjenestene, og er administrator fortsatt",
                "reaches the services, and is an administrator still",
            ),
            probe(
                "klinikk",
                ProbeState::Good,
                "br-klinikk: configured, routable",
                "br-klinikk: configured, routable",
            ),
            probe(
                "drift",
                ProbeState::Bad,
                "broen br-drift finnes ikke",
                "there is no bridge br-drift",
            ),
        ],
    }
}

pub fn records() -> Vec<Record> {
    let record =
        |sequence: u64, ago: i64, who: &str, verb: &str, subject: &str, outcome: &str, of: u64| Record {
            sequence,
            when: NOW - ago,
            who: who.into(),
            verb: verb.into(),
            subject: subject.into(),
            why: String::new(),
            outcome: outcome.into(),
            detail: String::new(),
            of,
        };
    let mut crash = record(
        6,
        2 * MINUTE,
        "varde-hypervisor",
        "vm.crashed",
        "journal",
        "event",
        0,
    );
    crash.detail = "signal 9 (SIGKILL)".into();
    let mut failed = record(4, 36 * MINUTE, "ola", "vm.start", "ovelse", "failed", 3);
    failed.detail = "Not enough memory: 1.0 GiB wanted, 0.4 GiB free".into();
    let mut apply = record(1, 40 * MINUTE, "kari", "site.apply", "2", "begun", 0);
    apply.why = "Arkivet får mer minne".into();
    vec![
        crash,
        record(5, 35 * MINUTE, "kari", "vm.start", "arkiv", "begun", 0),
        failed,
        record(3, 36 * MINUTE, "ola", "vm.start", "ovelse", "begun", 0),
        record(2, 40 * MINUTE, "kari", "site.apply", "2", "done", 1),
        apply,
    ]
}

/// One of the machine `web`.
pub fn snapshots() -> Vec<Snapshot> {
    vec![Snapshot {
        id: "web-3".into(),
        machines: vec!["web".into()],
        missing: Vec::new(),
        taken: NOW - 25 * MINUTE,
        by: "kari".into(),
        why: "Oppgradering til 4.2".into(),
        expires: NOW + 7 * 24 * 60 * MINUTE,
        budget: 10 << 30,
        used: 34 << 20,
        quiesced: true,
        state: SnapshotState::Kept,
        progress: Progress::default(),
        problem: Text::default(),
    }]
}

pub const STORAGE: Storage = Storage {
    total: 40 << 30,
    free: 12 << 30,
    full_at: 0,
};

pub fn promotion_price() -> Text {
    Text::new(
        "Svikter en sjekk innen 120 s, rulles journal tilbake av seg selv.",
        "If a check fails within 120 s, journal is rolled back by itself.",
    )
}

pub fn recipes() -> Vec<RecipeInfo> {
    vec![RecipeInfo {
        name: "mer-minne".into(),
        title: "Mer minne til PostgreSQL".into(),
        group: "journal".into(),
        machines: vec!["journal".into()],
        memory: 512 << 20,
        steps: 1,
        checks: 1,
        watch: 120,
    }]
}

pub fn rehearsal(state: RehearsalState) -> Rehearsal {
    let outcome = |kind, what: &str, passed| Outcome {
        production: false,
        kind,
        vm: "journal".into(),
        what: what.into(),
        passed,
        said: Text::default(),
        took: 1_200,
    };
    let failed = state == RehearsalState::Failed;
    Rehearsal {
        name: "r1".into(),
        recipe: "mer-minne".into(),
        title: "Mer minne til PostgreSQL".into(),
        machines: vec!["journal".into()],
        by: "kari".into(),
        why: String::new(),
        begun: NOW - 10 * MINUTE,
        ended: 0,
        state,
        text: if failed {
            Text::new(
                "Sjekken «SHOW work_mem» på journal gikk ikke bra: sluttet med 1",
                "The check \"SHOW work_mem\" on journal did not go well: ended with 1",
            )
        } else {
            Text::default()
        },
        outcomes: vec![
            outcome(OutcomeKind::Step, "ALTER SYSTEM SET work_mem = 8192", true),
            outcome(OutcomeKind::Check, "SHOW work_mem", !failed),
        ],
        all: 4,
        used: 34 << 20,
        promoted_by: String::new(),
        watched_until: 0,
        snapshot: String::new(),
        undo_until: 0,
    }
}

pub fn price(deed: Deed) -> Price {
    let (lost, lost_since, text) = match deed {
        Deed::RollBack => (
            34 << 20,
            NOW - 25 * MINUTE,
            Text::new(
                "Alt som web har skrevet siden øyeblikksbildet, går tapt for godt.",
                "Everything that web wrote since the snapshot is lost for good.",
            ),
        ),
        Deed::Merge => (
            0,
            0,
            Text::new("Veien tilbake er borte.", "The way back is gone."),
        ),
    };
    Price {
        possible: true,
        seconds: 9,
        lost,
        lost_since,
        undo_until: 0,
        text,
    }
}

pub const USAGE: VmUsage = VmUsage {
    cpu: 61_000_000,
    memory: 512 << 20,
    read: 80 << 20,
    written: 12 << 20,
};

pub const SITE_TOML: &str = "version = 1\n\n[site]\nname = \"varde-demo\"\ntitle = \"Varde demo\"\n\n[[account]]\nname = \"kari\"\nrole = \"operator\"\npassword = \"keep\"\n";

pub const DIFF: &str = "--- generation 1\n+++ generation 2\n@@ -20,3 +20,3 @@\n name = \"arkiv\"\n-memory = \"512M\"\n+memory = \"1G\"\n";

/// What a check says of a text that is not a site.
pub fn findings(toml: &str) -> Vec<Finding> {
    if toml.contains("version = 1") {
        return Vec::new();
    }
    vec![Finding {
        line: 1,
        column: 1,
        text: Text::new("«version» mangler", "“version” is missing"),
        remedy: Text::new("Skriv version = 1 øverst.", "Write version = 1 at the top."),
    }]
}

/// Two hundred lines of journal, newest first, as the service gives them.
pub fn log(query: &LogQuery) -> Vec<LogLine> {
    let from = query.before.parse::<u64>().unwrap_or(201);
    (1..from)
        .rev()
        .map(|number| LogLine {
            cursor: number.to_string(),
            when: NOW - (200 - i64::try_from(number).unwrap()) * 1000,
            unit: if number.is_multiple_of(3) {
                "varde-vm@journal.service".into()
            } else {
                "varde-hypervisord.service".into()
            },
            priority: if number.is_multiple_of(50) { 3 } else { 6 },
            message: format!("line {number} of the journal, æøå"),
        })
        .filter(|line| {
            line.priority <= query.priority
                && (query.unit.is_empty() || line.unit == query.unit)
                && line.message.contains(&query.text)
        })
        .take(query.count as usize)
        .collect()
}

pub fn database(name: &str, state: DatabaseState) -> DatabaseStatus {
    DatabaseStatus {
        name: name.into(),
        title: "Pasientjournal".into(),
        engine: "postgresql".into(),
        limit: Text::default(),
        state,
        reason: Text::default(),
        since: NOW - 35 * MINUTE,
        gate: "10.20.0.1:5432".into(),
        address: "10.20.0.11:5432".into(),
        server: "journal-db".into(),
        what: "process".into(),
        step: String::new(),
        uses: Vec::new(),
        next: NOW + 75 * MINUTE,
        obstacle: Text::default(),
        stall_budget: 250,
        expected: 142,
        expected_from: 12,
        quietest: "Sun 03:45".into(),
        quietest_delays: 0.4,
        next_delays: 1.2,
    }
}

pub fn payroll() -> InUse {
    InUse {
        class: "transaction".into(),
        title: Text::new("transaksjon", "transaction"),
        whose: "lonn@10.20.0.31 (lønnskjøring)".into(),
        since: NOW - 12 * MINUTE,
        doing: "active: UPDATE utbetaling SET status = …".into(),
    }
}

pub fn planned_runs() -> Vec<PlannedRun> {
    (0..4)
        .map(|week| PlannedRun {
            at: NOW + 75 * MINUTE + week * 7 * 24 * 60 * MINUTE,
            obstacle: Text::default(),
            delays: 1.2,
        })
        .collect()
}

/// The newest was put off, the one before went well.
pub fn runs() -> Vec<RunRecord> {
    let went = RunRecord {
        planned: NOW - 14 * 24 * 60 * MINUTE,
        started: NOW - 14 * 24 * 60 * MINUTE,
        ended: NOW - 14 * 24 * 60 * MINUTE + 900,
        who: String::new(),
        why: String::new(),
        outcome: "restarted".into(),
        reason: Text::default(),
        uses: Vec::new(),
        expected: 142,
        longest: 151,
        held: 151,
        restart: 139,
        failed_pauses: 0,
        delayed: 9,
        expected_delayed: 7.5,
        failed: 0,
        sessions_cut: 0,
        histogram: vec![0, 0, 2, 3, 3, 1, 0, 0, 0, 0],
        histogram_ends: vec![10, 25, 50, 100, 150, 200, 250, 500, 1000],
        cut: Vec::new(),
        reasons: Vec::new(),
        trouble: Vec::new(),
        avoided: 579,
    };
    let put_off = RunRecord {
        planned: NOW - 7 * 24 * 60 * MINUTE,
        started: NOW - 7 * 24 * 60 * MINUTE,
        ended: NOW - 7 * 24 * 60 * MINUTE + 120 * MINUTE,
        outcome: "put_off".into(),
        reason: Text::new("Databasen var i bruk", "The database was in use"),
        uses: vec![payroll()],
        ..went.clone()
    };
    vec![put_off, went]
}

/// A version that did not come up well, and nobody has read of it.
pub fn came_back() -> UpdateStatus {
    UpdateStatus {
        version: "0.1.0".into(),
        declared: true,
        stick: true,
        other: "0.2.0".into(),
        quarantined: vec!["0.2.0".into()],
        outcomes: vec![UpdateOutcome {
            from: "0.1.0".into(),
            to: "0.2.0".into(),
            when: NOW,
            kept: false,
            cause: Text::new("maskinen journal er ikke oppe", "the machine journal is not up"),
            excerpt: vec!["varde-vm@journal: no such disk".into()],
        }],
        unread: true,
        ..UpdateStatus::default()
    }
}

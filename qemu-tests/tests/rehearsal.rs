//! Upgrades of the PostgreSQL guest, rehearsed on a clone by keys, promoted, and taken back.

use std::time::Duration;

use serde_json::Value;
use varde_qemu_tests::Step::{Send, WaitFor, WaitForMatch, WaitGone, WaitSelected, Within};
use varde_qemu_tests::{Appliance, Result, Shape, scenario};

/// A guest that boots beside another one inside an emulated machine.
const GUEST: Duration = Duration::from_mins(4);

/// A port that is open is not yet a database that has recovered.
const READY: &str = "until su postgres -c pg_isready; do sleep 1; done;";

/// Who may promote.
const ADMIN: (&str, &str) = ("leder", "varde-test");

/// The scenarios' site with upgrades: one that is good, one whose check fails, and one that is well only where the
/// machine is alone, as its clone is.
fn site() -> String {
    let site = Shape::default().site.unwrap_or_default();
    let recipe = |name: &str, title: &str, step: &str, check: &str| {
        format!(
            "\n[[recipe]]\nname = \"{name}\"\ntitle = \"{title}\"\ngroup = \"journal\"\nwatch = \"30 s\"\n\
             [[recipe.step]]\nvm = \"journal-db\"\nwithin = \"5 min\"\nrun = '''{step}'''\n\
             [[recipe.check]]\nvm = \"journal-db\"\nwithin = \"30 s\"\nrun = '''{check}'''\n"
        )
    };
    let psql = |sql: &str| format!("su postgres -c \"psql -tAc '{sql}'\"");
    let upgrade = format!(
        "{READY} {} && systemctl restart postgresql@17-main",
        psql("ALTER SYSTEM SET work_mem = 8192")
    );
    [
        site,
        recipe(
            "a-god",
            "Mer minne",
            &upgrade,
            &format!("{} | grep -qx 8MB", psql("SHOW work_mem")),
        ),
        recipe(
            "b-svikter",
            "En som svikter",
            &upgrade,
            "echo tabellen mangler >&2; exit 3",
        ),
        recipe(
            "c-alene",
            "En som vil vaere alene",
            &format!("{READY} su postgres -c \"psql -d journal -c 'INSERT INTO t VALUES (-1)'\""),
            "! timeout 5 bash -c 'exec 3<>/dev/tcp/10.20.0.11/80'",
        ),
    ]
    .concat()
}

fn rehearsal(appliance: &Appliance) -> Result<Value> {
    Ok(appliance.varde("rehearse list")?[0].clone())
}

/// Logs in on the database's serial console, by the console of the appliance.
fn enter(appliance: &Appliance) -> Result<()> {
    appliance.dialogue(&[
        Send("2"),
        WaitForMatch("journal-db +kjører"),
        // The list is in the order of names: altfor-stor, journal-db, liten.
        Send("<lt><down>c"),
        WaitFor("Gå inn på konsollen til journal-db?"),
        Send("<down><enter>"),
        WaitFor("Ctrl-] går tilbake"),
        Send("<enter>"),
        Within(120),
        WaitForMatch("login: *$"),
        Send("demo<enter>"),
        WaitFor("assword:"),
        Send("varde-demo<enter>"),
        WaitForMatch(r"[$#] *$"),
        // Long lines do not fit the screen: what is typed is kept short by words of its own.
        Send("export PGPASSWORD=varde-demo PGHOST=127.0.0.1 PGUSER=journal; clear<enter>"),
    ])
}

#[test]
fn an_upgrade_that_fails_on_a_clone_is_read_and_discarded_by_keys_and_production_never_notices() {
    scenario(|scenario| {
        let appliance = scenario.restored(Shape {
            site: Some(site()),
            running: &["journal-db"],
            ..Shape::default()
        })?;
        let pid = appliance.vm("journal-db")?["pid"].clone();
        appliance.log_in(ADMIN)?;
        appliance.dialogue(&[
            WaitFor("Oversikt"),
            Send("8"),
            WaitFor("b-svikter"),
            Send("<down>"),
            WaitSelected("b-svikter"),
            Send("s"),
            WaitFor("Øve på En som svikter?"),
            Send("prøve<enter><down><enter>"),
            WaitGone("Øve på En som svikter?"),
            WaitFor("r1 b-svikter"),
            Send(">"),
            Within(GUEST.as_secs()),
            WaitForMatch("r1 b-svikter +gikk ikke"),
            WaitFor("tabellen mangler"),
        ])?;
        let failed = rehearsal(&appliance)?;
        assert_eq!(failed["state"], "failed", "{failed:#}");
        // The clone came up under the address of production, and production never noticed.
        let vm = appliance.vm("journal-db")?;
        assert_eq!(vm["pid"], pid, "production was touched: {vm:#}");
        assert_eq!(appliance.vm("r1-journal-db")?["address"], "10.20.0.12");
        appliance.dialogue(&[
            Send("p"),
            WaitFor("det må ha gått bra først"),
            Send("x"),
            WaitFor("Rydde bort øvingen r1?"),
            Send("<down><enter>"),
            Within(120),
            WaitFor("Ingen øving er i gang"),
        ])
    });
}

#[test]
fn an_upgrade_that_went_well_is_promoted_by_keys_and_the_machine_is_never_down() {
    scenario(|scenario| {
        let appliance = scenario.restored(Shape {
            site: Some(site()),
            running: &["journal-db"],
            ..Shape::default()
        })?;
        let pid = appliance.vm("journal-db")?["pid"].clone();
        appliance.log_in(ADMIN)?;
        appliance.dialogue(&[
            WaitFor("Oversikt"),
            Send("8"),
            WaitSelected("a-god"),
            Send("s"),
            WaitFor("Øve på Mer minne?"),
            Send("prøve<enter><down><enter>"),
            WaitFor("r1 a-god"),
            Send(">"),
            Within(GUEST.as_secs()),
            WaitForMatch("r1 a-god +gikk bra"),
            Send("p"),
            WaitFor("Sette r1 i drift?"),
            WaitFor("tas et øyeblikksbilde"),
            Send("gikk bra<enter><down><enter>"),
            WaitGone("Sette r1 i drift?"),
            Within(GUEST.as_secs()),
            WaitFor("maskinene ses etter til"),
        ])?;
        appliance.until("varde --json rehearse list | grep -q '\"promoted\"'", GUEST)?;
        let promoted = rehearsal(&appliance)?;
        let done = promoted["outcomes"].as_array().map_or(0, Vec::len);
        // A step, a check and a boot check, on the clone and on the machine.
        assert_eq!(done, 6, "{promoted:#}");
        assert_eq!(appliance.vm("journal-db")?["pid"], pid, "it was never down");
        let record = appliance.varde("audit list")?.to_string();
        for part in [
            "rehearsal.begin",
            "rehearsal.passed",
            "rehearsal.promote",
            "rehearsal.promoted",
        ] {
            assert!(record.contains(part), "the record does not name {part}: {record}");
        }
        appliance.sh("varde audit verify")?;
        Ok(())
    });
}

#[test]
fn a_clone_is_alone_and_a_promotion_that_fails_takes_the_database_back_with_all_that_was_in_it() {
    scenario(|scenario| {
        let appliance = scenario.restored(Shape {
            site: Some(site()),
            running: &["journal-db", "liten"],
            ..Shape::default()
        })?;
        appliance.log_in(ADMIN)?;
        enter(&appliance)?;
        appliance.dialogue(&[
            Within(120),
            Send("psql -c 'create table t as select generate_series(1,100) n'<enter>"),
            WaitForMatch("^SELECT 100"),
            // A client that writes all through it.
            Send("(n=999; while sleep .3; do n=$((n+1)); echo \"insert into t values($n);\"; done) | psql >log 2>&1 &<enter>"),
            Send("<ctrl-]>"),
            WaitForMatch("journal-db +kjører"),
            Send("8"),
            WaitFor("c-alene"),
            Send("<lt><down><down>"),
            WaitSelected("c-alene"),
            Send("s"),
            WaitFor("Øve på En som vil vaere alene?"),
            Send("prøve<enter><down><enter>"),
            WaitFor("r1 c-alene"),
            Send(">"),
            Within(GUEST.as_secs()),
            // The clone does not reach what its machine reaches.
            WaitForMatch("r1 c-alene +gikk bra"),
            Send("p"),
            WaitFor("Sette r1 i drift?"),
            Send("prøve<enter><down><enter>"),
            WaitGone("Sette r1 i drift?"),
            Within(GUEST.as_secs()),
            WaitForMatch("r1 c-alene +tatt tilbake"),
        ])?;
        let back = rehearsal(&appliance)?;
        let outcomes = back["outcomes"].as_array().cloned().unwrap_or_default();
        let failed = outcomes.last().cloned().unwrap_or_default();
        assert_eq!(
            (&failed["production"], &failed["passed"], &failed["kind"]),
            (&Value::from(true), &Value::from(false), &Value::from("check")),
            "{back:#}"
        );
        appliance.vm_in("journal-db", "running", GUEST)?;
        enter(&appliance)?;
        appliance.dialogue(&[
            Within(120),
            // What was committed before is there, and what the upgrade did is not.
            Send("psql -Atc 'select count(*) from t where n between 1 and 100'<enter>"),
            WaitForMatch("^100 *$"),
            Send("echo upgrade $(psql -Atc 'select count(*) from t where n < 0')<enter>"),
            WaitForMatch("^upgrade 0 *$"),
            // What the client wrote before the promotion is there too.
            Send("psql -Atc 'select count(*) > 10 from t where n > 999'<enter>"),
            WaitForMatch("^t *$"),
            Send("<ctrl-]>"),
            WaitForMatch("journal-db +kjører"),
        ])?;
        Ok(())
    });
}

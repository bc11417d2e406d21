//! Scheduled database restarts: PostgreSQL in its guest, a client in another guest that comes through the gate.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;
use varde_qemu_tests::Step::{Send, WaitFor, WaitForMatch, Within};
use varde_qemu_tests::{Appliance, Error, OPERATOR, Result, Scenario, Shape, patient, scenario};

const RUN: Duration = Duration::from_mins(10);

/// The scenarios' site with a database, and a machine for its client. Bounds are those of an emulated machine.
fn site(restart: &str) -> String {
    let site = Shape::default().site.unwrap_or_default();
    format!(
        "{site}
[[vm]]
name = \"klient\"
title = \"Klient\"
group = \"kontor\"
cpus = 1
memory = \"384 MiB\"
zone = \"kontor\"
address = \"10.20.0.13\"

[[vm.disk]]
name = \"system\"
image = \"postgresql.qcow2\"
size = \"4 GiB\"

[[vm.check]]
kind = \"tcp\"
port = 5432
within = \"10 min\"

[[database]]
name = \"journal\"
title = \"Pasientjournal\"
vm = \"journal-db\"
address = \"10.20.0.12:5432\"
gate = \"10.20.0.1:5432\"
database = \"journal\"

[database.restart]
stall_budget = \"5 min\"
held_most = \"10 min\"
oldest_transaction = \"5 s\"
{restart}
"
    )
}

const SELDOM: &str = "calendar = [\"Sun *-*-* 03:30\"]\ngive_up = \"10 min\"";

/// An appliance where database and client run, and Varde has its password for the database.
fn ready(scenario: &Scenario) -> Result<Rc<Appliance>> {
    let appliance = scenario.restored(Shape {
        site: Some(site(SELDOM)),
        running: &["journal-db", "klient"],
        ..Shape::default()
    })?;
    // The password is kept whether or not an emulated guest answers in time; that it works is seen by the next look.
    appliance.sh("echo varde-demo | varde db credential journal --why prøve || true")?;
    appliance.until("varde --json db show journal | grep -q '\"ready\"'", RUN)?;
    Ok(appliance)
}

/// Puts another `[database.restart]` in place of [`SELDOM`].
fn restart_as(appliance: &Appliance, restart: &str) -> Result<()> {
    appliance.write("/run/other.toml", &site(restart))?;
    appliance.sh("varde site apply /run/other.toml --why prøve")?;
    Ok(())
}

/// Logs in on the serial console of the client's machine, by the console of the appliance.
fn enter_client(appliance: &Appliance) -> Result<()> {
    appliance.log_in(OPERATOR)?;
    appliance.dialogue(&[
        Send("2"),
        WaitFor("klient"),
        // The list is in the order of names: altfor-stor, journal-db, klient, liten.
        Send("<lt><down><down>c"),
        WaitFor("Gå inn på konsollen til klient?"),
        Send("<down><enter>"),
        WaitFor("Ctrl-] går tilbake"),
        Send("<enter>"),
        WaitForMatch("login: *$"),
        Send("demo<enter>"),
        WaitFor("assword:"),
        Send("varde-demo<enter>"),
        WaitForMatch(r"[$#] *$"),
        // Long lines do not fit the screen: what is typed is kept short by words of its own.
        Send("export PGPASSWORD=varde-demo PGHOST=10.20.0.1 PGSSLMODE=require PGUSER=journal; clear<enter>"),
        Within(120),
        Send("psql -c 'create table t(n int)'<enter>"),
        WaitForMatch("^CREATE TABLE"),
    ])
}

/// The newest run of the ledger that has ended, and `count` of them at least. One that was missed because the one before it
/// was still under way is none: on a slow machine a restart takes longer than the calendar of a scenario gives it.
fn ended_run(appliance: &Appliance, count: usize) -> Result<Value> {
    let end = Instant::now() + patient(RUN);
    loop {
        let runs = appliance.varde("db runs journal")?;
        let ran = |run: &&Value| run["outcome"] != "missed";
        let runs: Vec<&Value> = runs.as_array().into_iter().flatten().filter(ran).collect();
        if runs.len() >= count {
            return Ok(runs[0].clone());
        }
        if Instant::now() >= end {
            return Err(Error::Bound {
                what: format!("{count} runs in the ledger"),
                bound: patient(RUN),
                last: appliance.varde("db show journal")?.to_string(),
            });
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

const LOAD: &str = "(n=0; until [ -e stop ]; do n=$((n+1)); echo \"insert into t values($n);\"; sleep .3; done) | psql >log 2>&1 &";

/// Ends the load and compares what the client was told with what the database has.
fn settle(appliance: &Appliance) -> Result<()> {
    appliance.dialogue(&[
        Within(120),
        Send("touch stop; wait; clear<enter>"),
        WaitForMatch(r"^\S*[$#] *$"),
        Send("echo told $(grep -c '^INSERT 0 1' log) had $(psql -Atc 'select count(*) from t')<enter>"),
        WaitForMatch(r"^told \d+ had \d+ *$"),
        WaitForMatch(r"^\S*[$#] *$"),
        Send("echo bad $(grep -c -v '^INSERT 0 1' log)<enter>"),
        WaitForMatch("^bad 0"),
    ])?;
    let screen = appliance.screen()?;
    let lines = screen.lines();
    let line = lines.iter().find(|line| line.starts_with("told "));
    let words: Vec<_> = line
        .map(|line| line.split_whitespace().collect())
        .unwrap_or_default();
    assert!(
        words.len() >= 4 && words[1] == words[3],
        "rows told and rows there: {words:?}"
    );
    assert_ne!(words[1], "0", "the client did nothing");
    Ok(())
}

#[test]
fn a_scheduled_restart_goes_by_and_its_client_notices_nothing() {
    scenario(|scenario| {
        let appliance = ready(scenario)?;
        enter_client(&appliance)?;
        appliance.dialogue(&[
            Send("psql -Atc 'select pg_postmaster_start_time()' >before<enter>"),
            Send(LOAD),
            Send("<enter>"),
        ])?;
        // Every other minute, until the first has been; then no more.
        restart_as(
            &appliance,
            "calendar = [\"*-*-* *:0/2:00\"]\ngive_up = \"10 min\"",
        )?;
        let run = ended_run(&appliance, 1)?;
        appliance.sh("varde db hold journal --why prøve")?;
        scenario.report(&format!(
            "held {} ms, longest stall {} ms",
            run["held"], run["longest"]
        ));
        assert_eq!(run["outcome"], "restarted", "{run:#}");
        assert_eq!(
            (&run["who"], &run["failed"]),
            (&Value::from(""), &Value::from(0)),
            "{run:#}"
        );
        settle(&appliance)?;
        appliance.dialogue(&[
            Send(
                "psql -Atc 'select pg_postmaster_start_time()' | cmp -s - before || echo a new server<enter>",
            ),
            WaitForMatch("^a new server"),
            Send("<ctrl-]>"),
            WaitForMatch("klient +kjører"),
            Send("6"),
            WaitFor("Databaser"),
            WaitFor("startet på nytt"),
        ])
    });
}

#[test]
fn a_run_is_put_off_for_a_session_that_is_busy_and_the_console_says_whose() {
    scenario(|scenario| {
        let appliance = ready(scenario)?;
        enter_client(&appliance)?;
        appliance.dialogue(&[Send("psql -c 'select pg_sleep(900)' >/dev/null 2>&1 &<enter>")])?;
        restart_as(&appliance, "calendar = [\"Sun *-*-* 03:30\"]\ngive_up = \"30 s\"")?;
        appliance.sh("varde db restart journal --why prøve")?;
        let run = ended_run(&appliance, 1)?;
        assert_eq!(run["outcome"], "put_off", "{run:#}");
        assert_eq!(run["uses"][0]["class"], "transaction", "{run:#}");
        assert!(
            run["uses"][0]["doing"].to_string().contains("pg_sleep"),
            "{run:#}"
        );
        appliance.dialogue(&[
            Send("<ctrl-]>"),
            WaitForMatch("klient +kjører"),
            Send("6"),
            WaitFor("utsatt"),
            WaitFor("journal"),
        ])
    });
}

#[test]
fn a_whole_guest_restarts_behind_its_gate() {
    scenario(|scenario| {
        let appliance = ready(scenario)?;
        enter_client(&appliance)?;
        appliance.dialogue(&[Send(LOAD), Send("<enter>")])?;
        restart_as(&appliance, &format!("{SELDOM}\nwhat = \"machine\""))?;
        let before = appliance.vm("journal-db")?["pid"].clone();
        appliance.sh("varde db restart journal --why prøve")?;
        let run = ended_run(&appliance, 1)?;
        scenario.report(&format!(
            "held {} ms, longest stall {} ms",
            run["held"], run["longest"]
        ));
        assert_eq!(
            (&run["outcome"], &run["failed"]),
            (&Value::from("restarted"), &Value::from(0)),
            "{run:#}"
        );
        assert_ne!(
            appliance.vm("journal-db")?["pid"],
            before,
            "it is the same machine still"
        );
        settle(&appliance)
    });
}

//! `[[database]]` is read whole, and its faults are told where they stand.
#![allow(clippy::unwrap_used, reason = "a test")]

use varde_site::{DatabaseServer, Engine, Pool, RestartWhat, parse};

const SITE: &str = r#"version = 1
[site]
name = "fylke"
title = "Fylke"
counties = ["Telemark"]
timezone = "Europe/Oslo"
downtime_cost = 50000
[[account]]
name = "kari"
title = "Kari"
role = "admin"
password_hash = "$6$abcdefgh$Vvz2uKPVNN3rCFTjTdv8WqgzZSDtfX4wMJLyH/GqxRMGY5Fc3BCXTPxBlM2q0FbNNhOWnlHhRZjXgGDQXUBfT/"
[[zone]]
name = "klinikk"
title = "Klinikk"
address = "10.20.0.1/24"
[[vm]]
name = "journal-db"
title = "Journaldatabase"
cpus = 1
memory = "512 MiB"
zone = "klinikk"
address = "10.20.0.11"
[[vm.disk]]
name = "system"
size = "8 GiB"
[[database]]
name = "journal"
title = "Pasientjournal"
vm = "journal-db"
address = "10.20.0.11:5432"
gate = "10.20.0.1:5432"
[database.restart]
calendar = ["Sun *-*-* 03:30"]
stall_budget = "250 ms"
holidays = "skip"
cut = { session = "10 min" }
"#;

fn faults(from: &str, to: &str) -> Vec<(u32, String)> {
    assert!(SITE.contains(from), "{from}");
    let findings = parse(&SITE.replacen(from, to, 1)).unwrap_err();
    findings
        .into_iter()
        .map(|finding| (finding.line, finding.text.en))
        .collect()
}

#[test]
fn what_is_left_out_has_careful_defaults() {
    let site = parse(SITE).unwrap();
    let database = &site.databases[0];
    assert_eq!(database.pool, Pool::Transaction);
    assert_eq!(database.server, DatabaseServer::Vm("journal-db".into()));
    assert_eq!(database.gate.1, 5432);
    let restart = &database.restart;
    assert_eq!(
        (restart.what, restart.stall_budget, restart.missed),
        (RestartWhat::Process, 250, 0)
    );
    assert!(restart.skip_holidays && !restart.only_with_reason);
    assert_eq!(
        restart.cut.iter().collect::<Vec<_>>(),
        [(&"session".to_owned(), &600_000)]
    );
}

#[test]
fn another_engine_has_a_unit_and_nothing_that_only_postgresql_has() {
    let tcp = SITE
        .replace("vm = \"journal-db\"\n", "vm = \"journal-db\"\nengine = \"tcp\"\n")
        .replace("cut = { session", "unit = \"mariadb.service\"\ncut = { request");
    let site = parse(&tcp).unwrap();
    assert_eq!(site.databases[0].engine, Engine::Tcp);
    assert_eq!(site.databases[0].restart.cut["request"], 600_000);

    let wrong = tcp
        .replace("unit = \"mariadb.service\"\n", "")
        .replace("engine = \"tcp\"\n", "engine = \"tcp\"\npool = \"session\"\n")
        .replace("cut = { request", "cut = { session");
    let texts: Vec<String> = parse(&wrong)
        .unwrap_err()
        .into_iter()
        .map(|finding| finding.text.en)
        .collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(
        texts
            .iter()
            .any(|text| text.contains("\"pool\" is for PostgreSQL only"))
    );
    assert!(texts.iter().any(|text| text.contains("unit")));
    assert!(
        texts
            .iter()
            .any(|text| text.contains("no use of the kind \"session\""))
    );
    assert_eq!(faults("cut = { session", "cut = { request").len(), 1);
}

#[test]
fn each_fault_is_told_on_its_line() {
    let one = |from, to| {
        let faults = faults(from, to);
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].clone()
    };
    let (line, text) = one("Sun *-*-* 03:30", "Son 03:30");
    assert_eq!(line, 34);
    assert!(text.contains("Son"), "{text}");
    assert!(
        one("vm = \"journal-db\"\n", "vm = \"journal-bd\"\n")
            .1
            .contains("no machine \"journal-bd\"")
    );
    assert!(
        one("gate = \"10.20.0.1:", "gate = \"10.20.0.9:")
            .1
            .contains("10.20.0.9")
    );
    assert!(
        one("vm = \"journal-db\"\n", "")
            .1
            .contains("either \"vm\" or \"host\"")
    );
    assert!(one("250 ms", "250").1.contains("lacks a unit"));
    assert!(one("cut = { session", "cut = { prepared").1.contains("prepared"));
    let elsewhere = SITE.replacen("vm = \"journal-db\"\n", "host = \"varde@db.example:2222\"\n", 1);
    assert!(parse(&elsewhere).is_ok());
    assert!(
        one("vm = \"journal-db\"\n", "host = \"varde@db:ssh\"\n")
            .1
            .contains("not a user on a host")
    );
    assert!(
        one("vm = \"journal-db\"\n", "host = \"-oProxyCommand=x@y\"\n")
            .1
            .contains("not a user on a host")
    );
}

//! `varde` as it is typed: what it prints, in which shape, and how it ends.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

mod support;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use support::{Appliance, read_until, stderr, stdout, wait, write};
use varde_bus::audit::{Record, Verdict};
use varde_bus::health::Health;
use varde_bus::host::{HostStatus, LogLine};
use varde_bus::hypervisor::{VmState, VmStatus};
use varde_bus::site::{Generation, SiteSummary, TrialStatus};
use varde_bus::snapshot::{Price, Snapshot, Storage};

/// Every verb that asks a service something, but for `vm console`, which needs a terminal.
const VERBS: [&[&str]; 32] = [
    &["status"],
    &["vm", "list"],
    &["vm", "show", "db"],
    &["vm", "start", "db"],
    &["vm", "stop", "db"],
    &["vm", "kill", "db", "--why", "henger"],
    &["vm", "pause", "db"],
    &["vm", "resume", "db"],
    &["vm", "scrollback", "db"],
    &["snapshot", "list"],
    &["snapshot", "show", "db-1"],
    &["snapshot", "take", "db", "--keep", "3d", "--budget", "20GiB"],
    &["snapshot", "rollback", "db-1", "--why", "feil", "--yes"],
    &["snapshot", "commit", "db-1", "--yes"],
    &["snapshot", "cancel", "db-1"],
    &["site", "check", "/dev/null"],
    &["site", "apply", "/dev/null", "--why", "ny sone"],
    &["site", "rollback", "7", "--why", "feil"],
    &["site", "trial"],
    &["site", "confirm"],
    &["site", "take-back", "--why", "feil"],
    &["site", "show"],
    &["site", "history"],
    &["site", "diff", "1"],
    &["site", "rollback", "1", "--why", "feil"],
    &["log"],
    &["audit", "list"],
    &["audit", "verify"],
    &["support", "code"],
    &["support", "bundle", "--serial", "--yes"],
    &["reboot", "--why", "ny kjerne"],
    &["poweroff", "--why", "flytting"],
];

fn shape<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value:#}"))
}

#[tokio::test]
async fn every_verb_answers_in_json_and_in_words() {
    let appliance = Appliance::start().await;
    for verb in VERBS {
        let output = appliance.varde(&[verb, &["--json"]].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{verb:?}: {}", stderr(&output));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        match verb {
            ["status"] => {
                shape::<HostStatus>(&answer["host"]);
                shape::<SiteSummary>(&answer["site"]);
                shape::<Vec<VmStatus>>(&answer["vms"]);
            }
            ["vm", "list"] => assert_eq!(shape::<Vec<VmStatus>>(&answer)[1].state, VmState::Blocked),
            ["vm", "show", _] => assert_eq!(shape::<VmStatus>(&answer["vm"]).name, "db"),
            ["snapshot", "list"] => {
                assert_eq!(shape::<Vec<Snapshot>>(&answer["snapshots"])[0].id, "db-1");
                shape::<Storage>(&answer["storage"]);
            }
            ["snapshot", "show", _] => {
                assert!(shape::<Price>(&answer["roll_back"]).possible);
                shape::<Price>(&answer["commit"]);
            }
            ["site", "history"] => assert_eq!(shape::<Vec<Generation>>(&answer).len(), 2),
            ["log"] => assert_eq!(shape::<Vec<LogLine>>(&answer).len(), 2),
            ["audit", "list"] => assert!(shape::<Vec<Record>>(&answer).len() > 10),
            ["audit", "verify"] => assert_eq!(shape::<Verdict>(&answer).faults, []),
            ["site", "show"] => assert_eq!(answer, json!({ "toml": "# generation 0\nversion = 1\n" })),
            ["site", "diff", _] => assert_eq!(answer, json!({ "diff": "--- 1\n+++ 0\n" })),
            ["site", "apply" | "rollback", ..] => {
                assert_eq!(answer["generation"], 3, "{answer}");
                assert!(answer["done"]["en"].is_string(), "{answer}");
            }
            ["site", "trial"] => assert_eq!(shape::<TrialStatus>(&answer).within, 300),
            ["support", "code"] => assert_eq!(shape::<Health>(&answer["health"]).machines[3], 1),
            ["support", "bundle", ..] => assert!(answer["bundle"].is_string(), "{answer}"),
            ["vm", "scrollback", _] => {
                assert_eq!(answer, json!({ "scrollback": "\u{1b}[31mdb login:\r\n" }));
            }
            _ => assert!(
                answer["done"]["nb"].is_string() && answer["done"]["en"].is_string(),
                "{answer}"
            ),
        }
        let output = appliance.varde(verb).await;
        assert_eq!(output.status.code(), Some(0), "{verb:?}: {}", stderr(&output));
        let words = stdout(&output);
        assert!(!words.is_empty(), "{verb:?}");
        assert!(
            !words.contains('\u{1b}'),
            "{verb:?} steers the terminal: {words:?}"
        );
        assert!(
            // A bundle has the lines that the journal has.
            verb.starts_with(&["support", "bundle"]) || words.lines().all(|line| line.chars().count() <= 80),
            "{verb:?}: {words}"
        );
    }
}

#[tokio::test]
async fn who_has_no_role_is_refused_every_verb() {
    let appliance = Appliance::start().await;
    // Support is had also where no service answers.
    for verb in VERBS.into_iter().filter(|verb| verb[0] != "support") {
        let output = appliance.varde_as_nobody(&[verb, &["--json"]].concat()).await;
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {}", stdout(&output));
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["kind"], "denied", "{verb:?}: {error}");
        assert!(error["error"]["text"]["nb"].is_string(), "{verb:?}: {error}");
    }
    let output = appliance.varde(&["audit", "list", "--json"]).await;
    let records: Vec<Record> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(records, [], "nothing of it was begun");
}

#[tokio::test]
async fn changes_are_recorded_with_who_and_why() {
    let appliance = Appliance::start().await;
    appliance
        .varde(&["vm", "kill", "db", "--why", "henger i oppstart"])
        .await;
    let output = appliance.varde(&["audit", "list", "--lang", "nb"]).await;
    let words = stdout(&output);
    let lines: Vec<&str> = words.lines().collect();
    assert!(lines[0].starts_with("NR"), "{words}");
    assert!(
        lines[1].contains("root") && lines[1].contains("vm.force-off done"),
        "{words}"
    );
    assert!(
        lines[2].contains("vm.force-off begun") && lines[2].contains("db: henger"),
        "{words}"
    );
}

#[tokio::test]
async fn a_rollback_says_its_price_and_does_nothing_without_yes() {
    let appliance = Appliance::start().await;
    let words = ["snapshot", "rollback", "db-1", "--why", "feil", "--lang", "en"];
    let output = appliance.varde(&words).await;
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert!(said.contains("Lost: 3 MiB written since 2026-"), "{said}");
    assert!(said.contains("It cannot be undone."), "{said}");
    assert!(stderr(&output).contains("Add --yes"), "{}", stderr(&output));
    let record = stdout(&appliance.varde(&["audit", "list"]).await);
    assert!(!record.contains("snapshot"), "nothing was begun: {record}");
    let output = appliance.varde(&[&words[..], &["--yes"]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let record = stdout(&appliance.varde(&["audit", "list"]).await);
    assert!(record.contains("snapshot.rollback done"), "{record}");
}

#[tokio::test]
async fn tables_are_in_the_language_of_the_site_or_the_one_asked_for() {
    let appliance = Appliance::start().await;
    let english = stdout(&appliance.varde(&["vm", "list"]).await);
    assert_eq!(
        english,
        "NAME  STATE    SINCE                MEMORY  ADDRESS     WHY\n\
         db    stopped  2026-11-22 12:00:00  1 GiB   10.20.0.10\n\
         rot   blocked  2026-11-22 12:00:00  1 GiB   10.20.0.10  The image is missing\n"
    );
    let norwegian = stdout(&appliance.varde(&["vm", "list", "--lang", "nb"]).await);
    assert_eq!(
        norwegian,
        "NAVN  TILSTAND  SIDEN                MINNE  ADRESSE     HVORFOR\n\
         db    av        2026-11-22 12:00:00  1 GiB  10.20.0.10\n\
         rot   blokkert  2026-11-22 12:00:00  1 GiB  10.20.0.10  Bildet finnes ikke\n"
    );
    let mut command = appliance.command(&["vm", "list"]);
    command.env("LC_ALL", "nb_NO.UTF-8");
    assert_eq!(stdout(&wait(command).await), norwegian);
}

#[tokio::test]
async fn findings_name_file_line_column_and_remedy_and_change_nothing() {
    let appliance = Appliance::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("site.toml");
    std::fs::write(&file, "version = 1\nminne = 3\n").unwrap();
    let file = file.to_str().unwrap();
    for verb in [
        &["site", "check", file][..],
        &["site", "apply", file, "--why", "x"],
    ] {
        let output = appliance.varde(&[verb, &["--lang", "nb"]].concat()).await;
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            stderr(&output),
            format!("{file}:2:1: «minne» er ukjent\n    Mente du «memory»?\n")
        );
        let output = appliance.varde(&[verb, &["--json"]].concat()).await;
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["findings"][0]["line"], 2);
    }
    let output = appliance.varde(&["audit", "verify", "--json"]).await;
    let verdict: Verdict = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict.records, 0, "nothing was begun");

    let output = appliance
        .varde(&["site", "check", "/nonexistent", "--lang", "en"])
        .await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("Could not read /nonexistent"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test]
async fn waiting_ends_when_the_machine_is_up_blocked_or_the_time_is_out() {
    let appliance = Appliance::start().await;
    let output = appliance
        .varde(&["vm", "start", "db", "--wait", "--lang", "nb"])
        .await;
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "db: kjører\n")
    );
    let output = appliance
        .varde(&["vm", "start", "rot", "--wait", "--lang", "nb"])
        .await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("blokkert. Bildet finnes ikke"),
        "{}",
        stderr(&output)
    );
    let output = appliance
        .varde(&["vm", "stop", "db", "--wait", "1", "--json"])
        .await;
    assert_eq!(output.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "unknown");
}

#[tokio::test]
async fn wrong_usage_ends_with_2_and_reaches_no_service() {
    let appliance = Appliance::start().await;
    let wrong: [&[&str]; 12] = [
        &[],
        &["fly"],
        &["vm"],
        &["vm", "start"],
        &["vm", "kill", "db"],
        &["vm", "start", "db", "--wait", "long"],
        &["site", "apply", "/dev/null"],
        &["site", "rollback", "1"],
        &["reboot"],
        &["log", "--priority", "8"],
        &["log", "--lines", "0"],
        &["status", "--lang", "sv"],
    ];
    for arguments in wrong {
        let output = appliance.varde(arguments).await;
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    let output = appliance.varde(&["--json", "reboot"]).await;
    assert_eq!(output.status.code(), Some(2));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "usage");
    let output = appliance.varde(&["audit", "verify", "--json"]).await;
    let verdict: Verdict = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict.records, 0);
}

#[tokio::test]
async fn without_services_it_says_so() {
    let appliance = Appliance::start().await;
    appliance.site.release_name(varde_bus::site::NAME).await.unwrap();
    let output = appliance.varde(&["status", "--lang", "nb"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("Tjenesten kjører ikke"),
        "{}",
        stderr(&output)
    );
    assert!(
        stdout(&output).contains("Datadisken er 90 % full"),
        "what answers is shown: {}",
        stdout(&output)
    );

    let mut command = appliance.command(&["status", "--json"]);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
    let output = wait(command).await;
    assert_eq!(output.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "failed");
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let appliance = Appliance::start().await;
    for arguments in [
        &["vm", "list"][..],
        &["completions", "bash"],
        &["man"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = appliance.command(arguments);
        command.stdout(Stdio::from(writer));
        let output = wait(command).await;
        assert_eq!(
            (output.status.code(), stderr(&output).as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[tokio::test]
async fn completions_and_manual_pages_know_the_verbs() {
    let appliance = Appliance::start().await;
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&appliance.varde(&["completions", shell]).await);
        assert!(script.contains("rollback"), "{shell}");
    }
    let page = stdout(&appliance.varde(&["man"]).await);
    assert!(
        page.contains(".TH varde 1") && page.contains("poweroff"),
        "{page}"
    );
    let folder = tempfile::tempdir().unwrap();
    let output = appliance.varde(&["man", folder.path().to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for name in ["varde.1", "varde-vm-start.1", "varde-site-apply.1"] {
        assert!(folder.path().join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn the_console_joins_the_terminal_to_the_guest_until_the_escape_key() {
    let appliance = Appliance::start().await;
    let (mut terminal, line) = open_terminal();
    let before = rustix::termios::tcgetattr(&line).unwrap();
    let mut child = appliance
        .command(&["vm", "console", "db"])
        .stdin(line.try_clone().unwrap())
        .stdout(line.try_clone().unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let guest = appliance.guest.clone();
    let (status, _terminal) = tokio::task::spawn_blocking(move || {
        read_until(&mut terminal, "db login: ");
        let mut guest = guest.lock().unwrap().take().unwrap();
        write(&mut terminal, "kåre\r");
        assert_eq!(read_until(&mut guest, "\r"), "kåre\r");
        write(&mut guest, "Passord: ");
        read_until(&mut terminal, "Passord: ");
        write(&mut terminal, "\u{3}\u{1d}bak");
        assert_eq!(read_until(&mut guest, "\u{3}"), "\u{3}");
        (child.wait().unwrap(), terminal)
    })
    .await
    .unwrap();
    assert_eq!(status.code(), Some(0));
    let after = rustix::termios::tcgetattr(&line).unwrap();
    assert_eq!(after.local_modes, before.local_modes, "the terminal is as it was");

    let output = appliance.varde(&["vm", "console", "db", "--json"]).await;
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "refused", "without a terminal");
}

/// Both ends of a terminal of its own.
fn open_terminal() -> (File, OwnedFd) {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(terminal.as_fd()).unwrap();
    unlockpt(terminal.as_fd()).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let line = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (File::from(terminal), line)
}

#[tokio::test]
async fn what_could_lock_operators_out_is_tried_out_unless_it_is_said_to_be_for_good() {
    let appliance = Appliance::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[[zone]]\n").unwrap();
    let path = file.path().to_str().unwrap();
    let run = async |more: &[&str]| {
        let output = appliance
            .varde(&[&["site", "apply", path, "--why", "x"], more].concat())
            .await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    assert_eq!(run(&["--for-good"]).await, "Generation 3 is active\n");
    assert!(
        run(&["--confirm-within", "10min"])
            .await
            .contains("taken back in 600 s")
    );
    assert!(run(&[]).await.contains("taken back in 300 s"));
    let shown = stdout(&appliance.varde(&["site", "trial"]).await);
    assert_eq!(
        shown,
        "On trial: generation 3 (root: zones and networks)\nTaken back to 2 in 299 s\n\
         ! zone helse: there is no bridge br-helse\nConfirm with: varde site confirm\n"
    );
    let status = stdout(&appliance.varde(&["status"]).await);
    assert!(status.contains("On trial: generation 3"), "{status}");
    assert!(stdout(&appliance.varde(&["site", "confirm"]).await).contains("for good"));
    let shown = stdout(&appliance.varde(&["site", "trial"]).await);
    assert_eq!(shown, "No generation is on trial\n");
}

#[tokio::test]
async fn a_code_is_read_out_by_phone_and_understood_without_an_appliance() {
    let appliance = Appliance::start().await;
    let said = stdout(&appliance.varde(&["support", "code", "--lang", "en"]).await);
    let code = said.lines().next().unwrap();
    assert_eq!(code.len(), 41, "{said}");
    // No bus there.
    let elsewhere = |words: &[&str]| {
        let mut command = appliance.command(&[&["support", "decode", "--lang", "en"], words].concat());
        command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
        wait(command)
    };
    let heard = elsewhere(&code.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(heard.status.code(), Some(0), "{}", stderr(&heard));
    let heard = stdout(&heard);
    assert!(heard.contains("! machines: 0 crashed, 1 blocked"), "{heard}");
    assert!(heard.starts_with("Made "), "{heard}");

    let first = code.chars().next().unwrap();
    let misheard = code.replacen(first, if first == '2' { "3" } else { "2" }, 1);
    let wrong = elsewhere(&[&misheard]).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        stderr(&wrong).contains("Misheard in group 1."),
        "{}",
        stderr(&wrong)
    );
}

#[tokio::test]
async fn a_bundle_leaves_only_when_what_is_taken_out_of_it_was_shown() {
    let appliance = Appliance::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.txt");
    let path = file.to_str().unwrap();
    let refused = appliance
        .varde(&["support", "bundle", path, "--lang", "en"])
        .await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("hashes of passwords"),
        "{}",
        stderr(&refused)
    );
    assert!(!file.exists());

    appliance
        .varde(&[
            "vm",
            "kill",
            "db",
            "--why",
            "ola@fylke.no ringte fra +47 22 33 44 55",
        ])
        .await;
    let written = appliance
        .varde(&["support", "bundle", path, "--yes", "--lang", "en"])
        .await;
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let bundle = std::fs::read_to_string(&file).unwrap();
    for part in [
        "==== host",
        "==== site.toml",
        "==== record",
        "==== log",
        "[mail] ringte fra [phone]",
    ] {
        assert!(bundle.contains(part), "{part} is not in {bundle}");
    }
    for secret in ["ola@", "22 33 44"] {
        assert!(!bundle.contains(secret), "{secret}");
    }
    // Nothing is written over.
    let again = appliance.varde(&["support", "bundle", path, "--yes"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), bundle);
}

#[tokio::test]
async fn the_exported_record_is_the_chain_itself() {
    let appliance = Appliance::start().await;
    for why in ["første", "andre"] {
        appliance.varde(&["vm", "kill", "db", "--why", why]).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record.jsonl");
    let path = file.to_str().unwrap();
    let output = appliance.varde(&["audit", "export", path, "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let links: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (links.len(), &answer["records"], &answer["faults"]),
        (4, &json!(4), &json!([]))
    );
    for pair in links.windows(2) {
        assert_eq!(pair[1]["previous"], pair[0]["hash"]);
    }
    assert_eq!(answer["hash"], links[3]["hash"]);
    let again = appliance.varde(&["audit", "export", path]).await;
    assert_eq!(again.status.code(), Some(1), "nothing is written over");
    let refused = appliance
        .varde_as_nobody(&["audit", "export", "/tmp/varde-no-such-folder/record", "--json"])
        .await;
    assert_eq!(refused.status.code(), Some(1));
}

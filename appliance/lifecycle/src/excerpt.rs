//! What the log said, in some lines.

use std::process::Command;

use serde::Deserialize;

const LINES: &str = "8";
/// Characters of a line.
const LONGEST: usize = 160;

#[derive(Deserialize)]
struct Boot {
    boot_id: String,
}

/// The last warnings of this boot.
pub fn of_this_boot() -> Vec<String> {
    lines("0")
}

/// The last warnings of the boot before this one, unless that is the boot named: then none of the tries came so far as
/// to have a log.
pub fn of_the_boot_before(not: &str) -> Vec<String> {
    let listed = said(&["--list-boots", "--output=json", "--no-pager"]).unwrap_or_default();
    let boots: Vec<Boot> = serde_json::from_str(&listed).unwrap_or_default();
    let before = boots.len().checked_sub(2).and_then(|place| boots.get(place));
    match before {
        Some(boot) if boot.boot_id != not.replace('-', "") => lines("-1"),
        _ => Vec::new(),
    }
}

fn lines(boot: &str) -> Vec<String> {
    let said = said(&[
        "--boot",
        boot,
        "--priority=warning",
        "--lines",
        LINES,
        "--output=cat",
        "--no-pager",
    ]);
    let lines = said.unwrap_or_default();
    lines
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).take(LONGEST).collect())
        .collect()
}

/// A log that cannot be read explains nothing, and stands in nobody's way.
fn said(arguments: &[&str]) -> Option<String> {
    let output = Command::new("timeout")
        .arg("30")
        .arg("journalctl")
        .args(arguments)
        .output();
    let output = output.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

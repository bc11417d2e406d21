//! The handbook's tables of causes are those of the code.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;

use varde_dss1::Cause;
use varde_exchange::causes::{TO_Q850, TO_SIP, allows_another};

#[test]
fn the_handbook_has_every_row_of_both_tables_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operator/causes.md");
    let page = std::fs::read_to_string(page).unwrap();
    let name = |value| Cause::new(value).unwrap().name();
    let to_sip = TO_SIP.map(|(value, status)| {
        let again = allows_another(Cause::new(value).unwrap());
        let again = if again { "yes" } else { "" };
        format!("| {value} | {} | {status} | {again} |", name(value))
    });
    let to_q850 = TO_Q850.map(|(status, value)| format!("| {status} | {value} | {} |", name(value)));
    let expected: Vec<String> = to_sip.into_iter().chain(to_q850).collect();
    let rows = page.lines().filter(|line| {
        let first = line.trim_start_matches("| ").chars().next();
        line.starts_with("| ") && first.is_some_and(|first| first.is_ascii_digit())
    });
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows, expected, "it should have:\n{}", expected.join("\n"));
}

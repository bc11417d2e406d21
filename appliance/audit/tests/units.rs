//! The record outlives, while the appliance goes down, every service that still has outcomes to record.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

use varde_audit::service::WRITERS;

/// Values of a key in a unit file.
fn values<'t>(unit: &'t str, key: &str) -> Vec<&'t str> {
    unit.lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .flat_map(str::split_whitespace)
        .collect()
}

#[test]
fn every_service_that_may_write_the_record_ends_before_it() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../units");
    let policy = fs::read_to_string(units.join("dbus/system.d/no.varde.Audit1.conf")).unwrap();
    let writers: Vec<_> = policy
        .split("<policy user=\"varde-")
        .skip(1)
        .filter(|policy| policy.contains("<allow send_destination=\"no.varde.Audit1\"/>"))
        .map(|policy| format!("varde-{}", policy.split('"').next().unwrap()))
        .filter(|user| user != "varde-audit")
        .collect();
    assert_eq!(writers, WRITERS, "the bus policy and the service say the same");
    for writer in writers {
        let daemon = format!("{writer}d.service");
        let unit = fs::read_to_string(units.join("system").join(&daemon)).unwrap();
        assert_eq!(values(&unit, "User"), [writer.as_str()], "{daemon}");
        assert!(
            values(&unit, "After").contains(&"varde-auditd.service"),
            "{daemon} is not ordered after varde-auditd.service"
        );
    }
}

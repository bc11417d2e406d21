//! Who has no account on the site hears and says nothing on the bus: not a guest that has broken out of its QEMU either,
//! which is a user of the system.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

#[test]
fn every_service_is_closed_to_whom_no_policy_names() {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../units/dbus/system.d");
    let mut seen = 0;
    for entry in fs::read_dir(policies).unwrap() {
        let path = entry.unwrap().path();
        let service = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let default = text
            .split_once("<policy context=\"default\">")
            .and_then(|(_, rest)| rest.split_once("</policy>"))
            .map_or("", |(policy, _)| policy);
        for closed in [
            format!("<deny send_destination=\"{service}\"/>"),
            format!("<deny receive_sender=\"{service}\" receive_type=\"signal\"/>"),
        ] {
            assert!(default.contains(&closed), "{service} lacks {closed}");
        }
        seen += 1;
    }
    assert!(seen >= 5);
}

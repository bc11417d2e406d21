//! What can be known of an appliance when a scenario has failed: its screen, its journal, its guests' consoles, and what
//! QEMU told of the machine itself.

use std::path::Path;

use crate::process::Process;

/// What is asked in the debug shell, and where the answer goes.
const ASKED: [(&str, &str); 3] = [
    (
        "state.txt",
        "systemctl --no-pager --failed; systemctl --no-pager list-units 'varde-*'; df -h; free -m",
    ),
    (
        "journal.txt",
        "journalctl --no-pager -b -o short-precise | tail -n 2500",
    ),
    ("guests.txt", "tail -c 8000 /run/varde/vm/*/serial.log"),
];

/// Writes it all to `logs`, each file named after the appliance.
pub fn keep(process: &Process, logs: &Path, label: &str) {
    let keep = |name: &str, text: &str| {
        let path = logs.join(format!("{label}-{name}"));
        if let Err(error) = std::fs::write(&path, text) {
            eprintln!("cannot keep {}: {error}", path.display());
        }
    };
    keep("screen.txt", &process.line.screen().framed());
    keep("resets.txt", &process.faults.text());
    match process.qmp.borrow_mut().told() {
        Ok(events) => {
            if events.iter().any(|event| event["event"] == "WATCHDOG") {
                eprintln!("{label}: the watchdog of the machine ran out: it stood still for half a minute");
            }
            let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
            keep("machine.txt", &lines);
        }
        Err(error) => keep("machine.txt", &format!("could not be had: {error}")),
    }
    for (name, command) in ASKED {
        match process.shell.run(command) {
            Ok(output) => keep(name, &output.text),
            Err(error) => keep(name, &format!("could not be had: {error}")),
        }
    }
}

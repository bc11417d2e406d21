//! Virtual machines: real guests, started, entered, lost and found again.

use std::time::{Duration, Instant};

use varde_qemu_tests::Step::{Send, WaitFor, WaitForMatch, WaitGone, WaitSelected, Within};
use varde_qemu_tests::{OPERATOR, Shape, scenario};

/// A guest that boots inside an emulated machine.
const GUEST: Duration = Duration::from_mins(5);
/// What needs no guest to boot.
const SOON: Duration = Duration::from_mins(1);

fn with_a_running_guest() -> Shape {
    Shape {
        running: &["liten"],
        ..Shape::default()
    }
}

#[test]
fn an_operator_starts_enters_and_shuts_down_a_guest_by_keys_alone() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        appliance.log_in(OPERATOR)?;
        appliance.dialogue(&[WaitFor("Oversikt"), Send("2"), WaitFor("liten"), Send(">")])?;
        // The list is in the order of names, and «liten» is the last.
        appliance.dialogue(&[
            WaitSelected("liten"),
            Send("s"),
            WaitFor("Starte liten?"),
            Send("<down>"),
            WaitSelected("Ja, start liten"),
            Send("<enter>"),
            WaitGone("Starte liten?"),
            WaitForMatch("liten +starter"),
            Within(GUEST.as_secs()),
            WaitForMatch("liten +kjører"),
            Send("c"),
            WaitFor("Gå inn på konsollen til liten?"),
            Send("<down><enter>"),
            WaitFor("Ctrl-] går tilbake"),
            Send("<enter>"),
            WaitForMatch("login: *$"),
            Send("demo<enter>"),
            WaitFor("assword:"),
            Send("varde-demo<enter>"),
            WaitForMatch(r"[$#] *$"),
            Send("echo svar $((6*7))<enter>"),
            WaitForMatch("^svar 42$"),
            Send("<ctrl-]>"),
            WaitForMatch("liten +kjører"),
            Send("d"),
            WaitFor("Slå av liten?"),
            Send("prøve<enter><down><enter>"),
            WaitForMatch("liten +slås av"),
            WaitForMatch("liten +av "),
        ])?;
        // The record has who, what and why.
        let record = appliance.varde("audit list")?.to_string();
        for part in ["vm.start", "vm.console", "vm.shutdown", "drift", "prøve"] {
            assert!(record.contains(part), "the record does not name {part}: {record}");
        }
        Ok(())
    });
}

#[test]
fn a_guest_whose_qemu_is_killed_is_shown_as_crashed_with_the_reason() {
    scenario(|scenario| {
        let appliance = scenario.restored(with_a_running_guest())?;
        appliance.log_in(OPERATOR)?;
        appliance.dialogue(&[WaitFor("Oversikt"), Send("2"), WaitForMatch("liten +kjører")])?;
        let pid = appliance.vm("liten")?["pid"].clone();
        let killed = Instant::now();
        appliance.sh(&format!("kill -KILL {pid}"))?;
        appliance.dialogue(&[WaitForMatch("liten +krasjet")])?;
        scenario.report(&format!(
            "QEMU killed → on the operator's screen: {:?}",
            killed.elapsed()
        ));
        let vm = appliance.vm("liten")?;
        let reason = vm["reason"].to_string();
        assert!(reason.contains("SIGKILL"), "the reason of the crash: {reason}");
        appliance.dialogue(&[
            Send("1"),
            WaitFor("Galt nå"),
            WaitForMatch("liten.*krasjet|krasjet.*liten"),
        ])
    });
}

#[test]
fn a_killed_daemon_loses_nothing_whatever_it_was_doing() {
    scenario(|scenario| {
        let appliance = scenario.restored(with_a_running_guest())?;
        let pid = appliance.vm("liten")?["pid"].clone();
        let kill = "systemctl kill --signal=SIGKILL --kill-whom=main varde-hypervisord.service";

        // At rest: the guest is not touched, and its state is found again.
        appliance.sh(kill)?;
        let vm = appliance.vm_in("liten", "running", SOON)?;
        assert_eq!(vm["pid"], pid, "the guest's QEMU was replaced");

        // While it pauses and resumes.
        for (verb, state) in [("pause", "paused"), ("resume", "running")] {
            appliance.sh(&format!(
                "varde vm {verb} liten >/dev/null 2>&1 & {kill}; wait; true"
            ))?;
            appliance.until(
                &format!(
                    "varde vm {verb} liten --wait 60 || varde --json vm show liten | grep '\"{state}\"'"
                ),
                SOON,
            )?;
            let vm = appliance.vm_in("liten", state, SOON)?;
            assert_eq!(vm["pid"], pid, "the guest's QEMU was replaced by a {verb}");
        }

        // While it shuts down: the order was given, so the guest ends in good order with the daemon dead.
        appliance.sh(&format!("varde vm stop liten; {kill}"))?;
        appliance.vm_in("liten", "stopped", GUEST)?;

        // While it starts: the machine comes up all the same.
        appliance.sh(&format!("varde vm start liten; {kill}"))?;
        appliance.vm_in("liten", "running", GUEST)?;

        // While it forces off.
        appliance.sh(&format!("varde vm kill liten --why prøve; {kill}"))?;
        appliance.vm_in("liten", "stopped", SOON)?;
        appliance.sh("varde audit verify")?;
        Ok(())
    });
}

#[test]
fn a_machine_starts_with_the_daemon_down_and_is_found_when_it_comes_back() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        appliance.sh("systemctl mask --runtime --now varde-hypervisord.service")?;
        appliance.sh("systemctl start varde-vm@liten.service")?;
        appliance.until("systemctl is-active varde-vm@liten.service", SOON)?;
        let main = appliance.sh("systemctl show --value -p MainPID varde-vm@liten.service")?;
        appliance.sh("systemctl unmask --runtime varde-hypervisord.service && systemctl start varde-hypervisord.service")?;
        let vm = appliance.vm_in("liten", "running", GUEST)?;
        assert_eq!(vm["pid"].to_string(), main.trim());
        Ok(())
    });
}

#[test]
fn a_start_that_would_overcommit_memory_is_refused_with_the_arithmetic() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        let refused = appliance.run("varde --json vm start altfor-stor")?;
        assert_eq!(refused.code, 1, "{}", refused.text);
        // 64 GiB, and 96 MiB for QEMU.
        for part in ["\"refused\"", "65632 MiB", "65536 MiB", "missing"] {
            assert!(refused.text.contains(part), "{part} is not in {}", refused.text);
        }
        assert_eq!(
            appliance
                .sh("systemctl is-active varde-vm@altfor-stor.service; true")?
                .trim(),
            "inactive"
        );
        appliance.log_in(OPERATOR)?;
        appliance.dialogue(&[
            WaitFor("Oversikt"),
            Send("2"),
            WaitFor("altfor-stor"),
            Send("<lt>"),
            WaitSelected("altfor-stor"),
            Send("s<down><enter>"),
            WaitFor("Ikke nok minne"),
            WaitFor("65632 MiB"),
        ])
    });
}

#[test]
fn a_guest_is_taken_back_to_a_snapshot_by_keys_alone() {
    scenario(|scenario| {
        let appliance = scenario.restored(with_a_running_guest())?;
        appliance.log_in(OPERATOR)?;
        appliance.dialogue(&[
            WaitFor("Oversikt"),
            Send("2"),
            WaitForMatch("liten +kjører"),
            Send("><enter>"),
            WaitForMatch("Tilstand +kjører"),
            Send("t"),
            WaitFor("Ta et øyeblikksbilde av liten?"),
            Send("før oppgradering<enter><down><enter>"),
            Within(GUEST.as_secs()),
            WaitFor("liten-1: tatt"),
        ])?;
        let snapshots = appliance.varde("snapshot list")?;
        let snapshot = &snapshots["snapshots"][0];
        assert_eq!(snapshot["by"], OPERATOR.0, "{snapshot}");
        assert_eq!(snapshot["why"], "før oppgradering", "{snapshot}");
        let overlay = "/var/lib/varde/vm/liten/system.0.qcow2";
        appliance.sh(&format!("test -e {overlay}"))?;
        let pid = appliance.vm("liten")?["pid"].clone();

        // Its price is said before, and a reason is asked for.
        appliance.dialogue(&[
            Send("r"),
            WaitFor("Rulle liten tilbake til liten-1?"),
            WaitFor("Går tapt:"),
            Send("gikk galt<enter><down><enter>"),
            WaitGone("Rulle liten tilbake"),
            Within(GUEST.as_secs()),
            WaitGone("liten-1: tatt"),
        ])?;
        appliance.until(&format!("test ! -e {overlay}"), GUEST)?;
        let vm = appliance.vm_in("liten", "running", GUEST)?;
        assert_ne!(vm["pid"], pid, "it was started anew");
        let record = appliance.varde("audit list")?.to_string();
        for part in ["snapshot.take", "snapshot.rollback", "gikk galt"] {
            assert!(record.contains(part), "the record does not name {part}: {record}");
        }
        Ok(())
    });
}

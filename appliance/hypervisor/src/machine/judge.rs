//! What state a machine is in, from all that is known of it.

use varde_bus::hypervisor::{CheckState, VmState};
use varde_site::Text;

use super::{Guest, Machine};
use crate::qmp::{RunState, Status};
use crate::unit::{Activity, Exit};

impl Machine {
    pub(super) fn judge(&self) -> (VmState, Text) {
        let (state, reason) = if !self.waits.is_empty() {
            let names = self.waits.join(", ");
            (
                VmState::Starting,
                Text::new(format!("Venter på {names}"), format!("Waits for {names}")),
            )
        } else if self.start_asked {
            (VmState::Starting, Text::default())
        } else {
            match self.unit.activity {
                Activity::Activating => (VmState::Starting, Text::default()),
                Activity::Active => self.judge_active(),
                Activity::Deactivating => self.judge_deactivating(),
                Activity::Inactive | Activity::Failed => self.judge_off(),
            }
        };
        (state, self.with_change(state, reason))
    }

    /// What was applied since the start, beside the reason that there is.
    fn with_change(&self, state: VmState, reason: Text) -> Text {
        if self.unit.activity.is_off() || !reason.is_empty() || state == VmState::Stopping {
            return reason;
        }
        if !self.declared {
            return Text::new(
                "Ikke lenger i den aktive generasjonen; forsvinner når den er slått av",
                "No longer in the active generation; goes away when it is off",
            );
        }
        if self.started.as_ref().is_some_and(|started| started.vm != self.vm) {
            return Text::new(
                "Endret i site.toml; gjelder fra neste start",
                "Changed in site.toml; takes effect at the next start",
            );
        }
        reason
    }

    fn judge_active(&self) -> (VmState, Text) {
        if let Some(by) = self.ended_by() {
            return (VmState::Stopping, by.clone());
        }
        match &self.guest {
            Guest::Silent if self.note.is_up() => (VmState::Running, Text::default()),
            Guest::Lost => (
                if self.note.is_up() {
                    VmState::Running
                } else {
                    VmState::Starting
                },
                Text::new("QEMU svarer ikke akkurat nå", "QEMU does not answer just now"),
            ),
            Guest::Silent => (VmState::Starting, Text::default()),
            Guest::Ending(_) => (VmState::Stopping, Text::default()),
            Guest::Answered(status) => self.judge_guest(*status),
        }
    }

    fn judge_guest(&self, status: Status) -> (VmState, Text) {
        match status.status {
            RunState::Prelaunch => (VmState::Starting, Text::default()),
            RunState::Shutdown => (VmState::Stopping, Text::default()),
            RunState::IoError => (
                VmState::Paused,
                Text::new(
                    "Disken til verten er full eller svikter; gjesten venter. Frigjør plass og fortsett",
                    "The host's disk is full or failing; the guest waits. Free some space and resume",
                ),
            ),
            RunState::InternalError => (
                VmState::Crashed,
                Text::new(
                    "Den virtuelle prosessoren stanset av en feil. Kutt strømmen og start på nytt",
                    "The virtual processor stopped with an error. Force off and start again",
                ),
            ),
            RunState::GuestPanicked => (
                VmState::Crashed,
                Text::new(
                    "Kjernen i gjesten har stanset (panic). Kutt strømmen og start på nytt",
                    "The guest's kernel has panicked. Force off and start again",
                ),
            ),
            RunState::Paused | RunState::Other if !status.running => (VmState::Paused, Text::default()),
            RunState::Running | RunState::Paused | RunState::Other => self.judge_checks(),
        }
    }

    fn judge_checks(&self) -> (VmState, Text) {
        if let Some(failed) = self.checks.iter().find(|check| check.state == CheckState::Failed) {
            return (
                VmState::Blocked,
                Text::new(
                    format!("Kom ikke opp i tide: {}: {}", failed.name, failed.detail.nb),
                    format!("Did not come up in time: {}: {}", failed.name, failed.detail.en),
                ),
            );
        }
        if let Some(waiting) = self
            .checks
            .iter()
            .find(|check| check.state == CheckState::Waiting)
        {
            return (
                VmState::Starting,
                Text::new(
                    format!("Venter på oppstartssjekken {}", waiting.name),
                    format!("Waits for the boot check {}", waiting.name),
                ),
            );
        }
        (VmState::Running, Text::default())
    }

    /// QEMU has gone or goes; the unit's last steps run.
    fn judge_deactivating(&self) -> (VmState, Text) {
        if let Some(by) = self.ended_by() {
            return (VmState::Stopping, by.clone());
        }
        if self.went_wrong() {
            return (VmState::Crashed, self.how_it_ended());
        }
        (VmState::Stopping, Text::default())
    }

    fn judge_off(&self) -> (VmState, Text) {
        if let Some(refused) = &self.refused {
            return (VmState::Blocked, refused.clone());
        }
        if let Some(ended) = &self.ended
            && let Some(blocked) = &ended.blocked
        {
            return (VmState::Blocked, blocked.clone());
        }
        if let Some(by) = self.ended_by() {
            return (VmState::Stopped, by.clone());
        }
        if self.went_wrong() {
            return (VmState::Crashed, self.how_it_ended());
        }
        if self.unit.invocation.is_empty() && self.ended.is_none() {
            return (VmState::Declared, Text::default());
        }
        let by_itself = matches!(&self.guest, Guest::Ending(shutdown) if shutdown.guest);
        let reason = if self.result() == "timeout" {
            Text::new(
                "Slo seg ikke av i tide; strømmen ble kuttet",
                "Did not shut down in time; the power was cut",
            )
        } else if by_itself {
            Text::new("Gjesten slo seg av selv", "The guest shut itself down")
        } else {
            Text::default()
        };
        (VmState::Stopped, reason)
    }

    /// Somebody asked for the end of the present run.
    fn ended_by(&self) -> Option<&Text> {
        let by = self.note.ended_by.as_ref()?;
        (self.note.invocation == self.unit.invocation).then_some(by)
    }

    fn result(&self) -> &str {
        match &self.ended {
            Some(ended) if self.unit.result.is_empty() || self.unit.result == "success" => &ended.result,
            _ => &self.unit.result,
        }
    }

    /// A stop that took too long ends in a power cut, but it was asked for.
    fn went_wrong(&self) -> bool {
        !matches!(self.result(), "" | "success" | "timeout")
    }

    fn how_it_ended(&self) -> Text {
        let said = self.ended.as_ref().map_or("", |ended| ended.said.as_str());
        let mut text = match (self.result(), self.exit()) {
            ("oom-kill", _) => Text::new(
                "QEMU ble stanset av kjernen fordi minnet var oppbrukt",
                "QEMU was killed by the kernel because memory ran out",
            ),
            (_, Some(Exit::Signal(signal))) => Text::new(
                format!("QEMU ble drept av signalet {}", signal_name(signal)),
                format!("QEMU was killed by the signal {}", signal_name(signal)),
            ),
            // systemd.exec(5): the process never came to be.
            (_, Some(Exit::Code(code @ 200..=243))) => Text::new(
                format!("Enheten kunne ikke settes opp (kode {code}); loggen til enheten sier hvorfor"),
                format!("The unit could not be set up (code {code}); the unit's log says why"),
            ),
            (_, Some(Exit::Code(code))) => Text::new(
                format!("QEMU sluttet med feilkode {code}"),
                format!("QEMU ended with exit code {code}"),
            ),
            (result, None) => Text::new(
                format!("Enheten kom ikke i gang ({result}); loggen til enheten sier hvorfor"),
                format!("The unit did not get going ({result}); the unit's log says why"),
            ),
        };
        if !said.is_empty() {
            for words in [&mut text.nb, &mut text.en] {
                words.push_str(": ");
                words.push_str(said);
            }
        }
        text
    }

    fn exit(&self) -> Option<Exit> {
        if self.unit.exit.is_some() && !self.unit.result.is_empty() && self.unit.result != "success" {
            return self.unit.exit;
        }
        let ended = self.ended.as_ref()?;
        match ended.exit_code.as_str() {
            "exited" => ended.exit_status.parse().ok().map(Exit::Code),
            "killed" | "dumped" => signal_number(&ended.exit_status).map(Exit::Signal),
            _ => None,
        }
    }
}

/// Signals that end a process, by their numbers on Linux.
const SIGNALS: [(i32, &str); 12] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (4, "ILL"),
    (5, "TRAP"),
    (6, "ABRT"),
    (7, "BUS"),
    (8, "FPE"),
    (9, "KILL"),
    (11, "SEGV"),
    (15, "TERM"),
    (31, "SYS"),
];

fn signal_name(number: i32) -> String {
    SIGNALS
        .iter()
        .find(|(known, _)| *known == number)
        .map_or_else(|| number.to_string(), |(_, name)| format!("SIG{name}"))
}

fn signal_number(name: &str) -> Option<i32> {
    SIGNALS
        .iter()
        .find(|(_, known)| *known == name)
        .map(|(number, _)| *number)
        .or_else(|| name.parse().ok())
}

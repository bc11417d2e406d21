//! Commands in guests, by their agents, and boot checks tried once.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use varde_bus::rehearsal::{Outcome, OutcomeKind};
use varde_site::{Check, GuestCommand, Text, Vm};

use crate::agent::{Agent, AgentError, Ran};
use crate::checks;
use crate::machine::name_of;
use crate::paths::Paths;

/// An agent that is there answers within this.
const ANSWER: Duration = Duration::from_secs(5);

/// Between two looks at a command; others have the agent's line meanwhile.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Of what a guest says the end is kept: that is where the error stands.
const KEPT: usize = 600;

/// Runs a command in the guest of `vm`, a machine or a clone, and says how it went.
pub async fn run(vm: &str, command: &GuestCommand, kind: OutcomeKind, paths: &Paths) -> Outcome {
    let begun = Instant::now();
    let result = bounded(vm, command, begun, paths).await;
    let (passed, said) = match result {
        Ok(Ran { code: Some(0), said }) => (true, Text::same(end_of(&said))),
        Ok(Ran { code, said }) => (false, failed(code, &end_of(&said))),
        Err(text) => (false, text),
    };
    Outcome {
        production: varde_site::clone_of(vm).is_none(),
        kind,
        vm: command.vm.clone(),
        what: command.run.clone(),
        passed,
        said,
        took: milliseconds(begun),
    }
}

async fn bounded(vm: &str, command: &GuestCommand, begun: Instant, paths: &Paths) -> Result<Ran, Text> {
    let end = begun + Duration::from_secs(command.within);
    let socket = paths.agent(vm);
    // Begun once: an answer that did not come may have been a command that runs.
    let number = loop {
        match Agent::open(&socket, ANSWER).await {
            Ok(mut agent) => {
                break agent
                    .begin(&command.run, ANSWER)
                    .await
                    .map_err(|error| no(&error))?;
            }
            Err(error) if Instant::now() >= end => return Err(no(&error)),
            Err(_) => sleep(FIRST_LOOK * 5).await,
        }
    };
    let mut pause = FIRST_LOOK;
    loop {
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_LOOK);
        let status = async { Agent::open(&socket, ANSWER).await?.ended(number, ANSWER).await };
        match status.await {
            Ok(Some(ran)) => return Ok(ran),
            Err(AgentError::Answer(said)) => {
                return Err(Text::new(
                    format!("agenten kjenner ikke kommandoen lenger; er gjesten startet på nytt? {said}"),
                    format!("the agent does not know the command any more; has the guest restarted? {said}"),
                ));
            }
            _ if Instant::now() >= end => {
                return Err(Text::new(
                    format!(
                        "ikke ferdig innen {} s; den kan fortsatt gå i gjesten",
                        command.within
                    ),
                    format!(
                        "not done within {} s; it may still run in the guest",
                        command.within
                    ),
                ));
            }
            // It runs, or the agent is silent for the moment.
            _ => {}
        }
    }
}

fn no(error: &AgentError) -> Text {
    Text::new(
        format!("gjesteagenten: {error}. Se om qemu-guest-agent går i maskinen og har lov til guest-exec"),
        format!(
            "the guest agent: {error}. See whether qemu-guest-agent runs in the machine and allows guest-exec"
        ),
    )
}

fn failed(code: Option<i64>, said: &str) -> Text {
    match code {
        Some(code) => Text::new(
            format!("sluttet med {code}: {said}"),
            format!("ended with {code}: {said}"),
        ),
        None => Text::new(
            format!("avbrutt av et signal: {said}"),
            format!("ended by a signal: {said}"),
        ),
    }
}

/// The last of it, without anything that could act on a terminal.
fn end_of(said: &str) -> String {
    let clean: Vec<char> = said
        .trim()
        .chars()
        .map(|char| if char.is_whitespace() { ' ' } else { char })
        .filter(|char| !char.is_control())
        .collect();
    clean[clean.len().saturating_sub(KEPT)..].iter().collect()
}

/// One try of a boot check.
pub async fn check(vm: &Vm, check: &Check, paths: &Paths) -> Outcome {
    let begun = Instant::now();
    let result = checks::attempt(check, vm, paths).await;
    Outcome {
        production: varde_site::clone_of(&vm.name).is_none(),
        kind: OutcomeKind::Boot,
        vm: varde_site::original(&vm.name).to_owned(),
        what: name_of(check),
        passed: result.is_ok(),
        said: result.err().unwrap_or_default(),
        took: milliseconds(begun),
    }
}

fn milliseconds(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_guest_says_the_end_is_kept_and_nothing_that_acts_on_a_terminal() {
        let said = format!("{}\u{1b}[2Jslutt\r\n på\tlinjen\n", "x".repeat(2000));
        let kept = end_of(&said);
        assert_eq!(kept.chars().count(), KEPT);
        assert!(kept.ends_with("[2Jslutt   på linjen"), "{kept}");
    }
}

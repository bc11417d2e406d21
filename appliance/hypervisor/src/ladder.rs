//! The shutdown ladder: from asking politely to pulling the plug, each rung with a bound.
//!
//! Guest agent → ACPI power button → QEMU's `quit` → (systemd) SIGTERM → SIGKILL. It needs neither daemon nor bus: the
//! unit runs it as its `ExecStop=`.

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::agent::Agent;
use crate::paths::Paths;
use crate::qmp::{self, Client, Continue, DEFAULT_TIMEOUT, PowerDown, QueryStatus, Quit, Shutdown};

/// An agent that is there answers within this.
const AGENT_ANSWER: Duration = Duration::from_secs(3);

/// A guest that took the agent's word gets a third of the time before the button is pressed as well.
const AGENT_SHARE: u32 = 3;

/// The button is pressed again so often: a guest that was still booting did not notice the first time.
const PRESS_AGAIN: Duration = Duration::from_secs(10);

/// QEMU closes its disks within this, once it is told to end.
const CLOSING: Duration = Duration::from_secs(10);

/// What is seen from the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The agent took the order, or there is none.
    Agent(bool),
    /// The guest is down and QEMU is closing.
    ShuttingDown,
    /// Nothing, until the time that [`Ladder::wake`] named.
    Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    AskAgent,
    PressButton,
    Quit,
    /// What is left to do is systemd's.
    GiveUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    Agent,
    Button,
    Closing,
    Down,
}

/// The ladder without its hands: times are counted from its start.
#[derive(Debug)]
pub struct Ladder {
    patience: Duration,
    rung: Rung,
    wake: Duration,
}

impl Ladder {
    /// `patience` is how long the guest may take.
    pub fn new(patience: Duration) -> (Self, Act) {
        let ladder = Self {
            patience,
            rung: Rung::Agent,
            wake: AGENT_ANSWER.min(patience),
        };
        (ladder, Act::AskAgent)
    }

    /// The longest that all of it can take.
    pub fn bound(patience: Duration) -> Duration {
        patience + CLOSING
    }

    /// When to say [`Seen::Time`] if nothing else is seen.
    pub fn wake(&self) -> Duration {
        self.wake
    }

    pub fn see(&mut self, seen: Seen, elapsed: Duration) -> Option<Act> {
        match (self.rung, seen) {
            (Rung::Closing, Seen::Time) if elapsed >= self.wake => {
                self.rung = Rung::Down;
                Some(Act::GiveUp)
            }
            (Rung::Down | Rung::Closing, _) | (Rung::Button, Seen::Agent(_)) => None,
            (_, Seen::ShuttingDown) => {
                self.rung = Rung::Closing;
                self.wake = elapsed + CLOSING;
                None
            }
            (Rung::Agent, Seen::Agent(true)) => {
                self.wake = (elapsed + self.patience / AGENT_SHARE).min(self.patience);
                None
            }
            (Rung::Agent, Seen::Agent(false)) => Some(self.press(elapsed)),
            (Rung::Agent | Rung::Button, Seen::Time) if elapsed < self.wake => None,
            (Rung::Agent | Rung::Button, Seen::Time) => {
                if elapsed >= self.patience {
                    self.rung = Rung::Closing;
                    self.wake = elapsed + CLOSING;
                    return Some(Act::Quit);
                }
                Some(self.press(elapsed))
            }
        }
    }

    fn press(&mut self, elapsed: Duration) -> Act {
        self.rung = Rung::Button;
        self.wake = (elapsed + PRESS_AGAIN).min(self.patience);
        Act::PressButton
    }
}

/// Goes down the ladder with a running machine, until QEMU has gone or only force is left. `tell` gets each step, for
/// the log.
pub async fn descend(vm: &str, patience: Duration, paths: &Paths, tell: impl Fn(&str)) {
    let (client, mut events) = match qmp::connect(&paths.rescue(vm), DEFAULT_TIMEOUT).await {
        Ok(line) => line,
        Err(error) => return tell(&format!("{error}; the rest is for systemd")),
    };
    let start = Instant::now();
    // A guest that stands still cannot shut down.
    if let Ok(status) = client.execute(&QueryStatus {}, DEFAULT_TIMEOUT).await
        && !status.running
    {
        log(
            &tell,
            "resumed",
            client.execute(&Continue {}, DEFAULT_TIMEOUT).await,
        );
    }
    let (agent_says, mut agent) = mpsc::channel(1);
    let (mut ladder, first) = Ladder::new(patience);
    let mut act = Some(first);
    loop {
        match act {
            Some(Act::AskAgent) => {
                let (socket, answer) = (paths.agent(vm), agent_says.clone());
                tokio::spawn(async move {
                    // The ladder may be down already.
                    let _ = answer.send(ask_agent(&socket).await).await;
                });
            }
            Some(Act::PressButton) => {
                log(
                    &tell,
                    "pressed the power button",
                    client.execute(&PowerDown {}, DEFAULT_TIMEOUT).await,
                );
            }
            Some(Act::Quit) => quit(&client, &tell).await,
            Some(Act::GiveUp) => return tell("QEMU does not end; the rest is for systemd"),
            None => {}
        }
        let seen = tokio::select! {
            event = events.recv() => match event {
                None => return tell("QEMU has ended"),
                Some(event) if Shutdown::of(&event).is_some() => Seen::ShuttingDown,
                Some(_) => {
                    act = None;
                    continue;
                }
            },
            Some(taken) = agent.recv() => {
                tell(if taken { "the guest agent shuts the guest down" } else { "no guest agent answers" });
                Seen::Agent(taken)
            }
            () = sleep_until(start + ladder.wake()) => Seen::Time,
        };
        act = ladder.see(seen, start.elapsed());
    }
}

async fn ask_agent(socket: &Path) -> bool {
    let ask = async {
        let mut agent = Agent::open(socket, AGENT_ANSWER).await?;
        agent.power_off(AGENT_ANSWER).await
    };
    matches!(timeout(AGENT_ANSWER, ask).await, Ok(Ok(())))
}

async fn quit(client: &Client, tell: &impl Fn(&str)) {
    log(
        tell,
        "the guest did not shut down in time; told QEMU to quit",
        client.execute(&Quit {}, DEFAULT_TIMEOUT).await,
    );
}

fn log<T>(tell: &impl Fn(&str), what: &str, result: Result<T, qmp::Error>) {
    match result {
        Ok(_) => tell(what),
        Err(error) => tell(&format!("not {what}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// What a guest that never listens gets to hear, and when.
    fn all_acts(patience: Duration, agent: Option<bool>) -> Vec<(Duration, Act)> {
        let (mut ladder, first) = Ladder::new(patience);
        let mut acts = vec![(Duration::ZERO, first)];
        if let Some(taken) = agent
            && let Some(act) = ladder.see(Seen::Agent(taken), Duration::ZERO)
        {
            acts.push((Duration::ZERO, act));
        }
        while acts.last().is_none_or(|(_, act)| *act != Act::GiveUp) {
            let now = ladder.wake();
            if let Some(act) = ladder.see(Seen::Time, now) {
                acts.push((now, act));
            }
        }
        acts
    }

    #[test]
    fn without_an_agent_the_button_is_pressed_again_and_again_and_then_the_plug_is_pulled() {
        let acts = all_acts(seconds(25), Some(false));
        assert_eq!(
            acts,
            [
                (seconds(0), Act::AskAgent),
                (seconds(0), Act::PressButton),
                (seconds(10), Act::PressButton),
                (seconds(20), Act::PressButton),
                (seconds(25), Act::Quit),
                (seconds(35), Act::GiveUp),
            ]
        );
    }

    #[test]
    fn a_guest_that_took_the_agents_word_is_left_alone_for_a_third_of_its_time() {
        let acts = all_acts(seconds(60), Some(true));
        assert_eq!(acts[1], (seconds(20), Act::PressButton));
    }

    #[test]
    fn a_guest_that_is_shutting_down_is_not_disturbed() {
        let (mut ladder, _) = Ladder::new(seconds(60));
        assert_eq!(ladder.see(Seen::Agent(true), seconds(1)), None);
        assert_eq!(ladder.see(Seen::ShuttingDown, seconds(2)), None);
        assert_eq!(ladder.see(Seen::Agent(false), seconds(3)), None);
        assert_eq!(ladder.wake(), seconds(12));
        assert_eq!(ladder.see(Seen::Time, seconds(12)), Some(Act::GiveUp));
    }

    proptest! {
        #[test]
        fn whatever_the_agent_does_the_ladder_ends_within_its_bound(
            patience in 0u64..3600,
            agent in proptest::option::of(any::<bool>()),
        ) {
            let acts = all_acts(seconds(patience), agent);
            let (end, last) = acts[acts.len() - 1];
            prop_assert_eq!(last, Act::GiveUp);
            prop_assert!(end <= Ladder::bound(seconds(patience)));
            prop_assert_eq!(acts.iter().filter(|(_, act)| *act == Act::Quit).count(), 1);
        }
    }
}

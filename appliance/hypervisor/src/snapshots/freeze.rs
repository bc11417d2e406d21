//! Guests that hold still while their snapshot is taken: file systems frozen through the guest agent, never longer than
//! [`LONGEST`].

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::agent::Agent;

/// No guest stands still for longer.
pub const LONGEST: Duration = Duration::from_secs(2);

/// A guest that was left frozen is thawed within this, or never (Proxmox VE's bound as well).
const THAW: Duration = Duration::from_mins(3);

/// An agent that is there answers within this.
const ANSWER: Duration = Duration::from_secs(1);

/// Guests that are frozen, or were asked to be. Dropped or not, they are thawed.
pub struct Frozen {
    /// Every guest answered that it is frozen.
    pub whole: bool,
    /// When they are thawed, whatever happens.
    pub until: Instant,
    release: tokio::sync::watch::Sender<bool>,
    thawing: Vec<JoinHandle<bool>>,
}

/// Freezes them, at once. A guest without an agent is left as it is, and so are then the others: half a group that holds
/// still is of no use.
pub async fn freeze(agents: Vec<PathBuf>) -> Frozen {
    let begun = Instant::now();
    let until = begun + LONGEST;
    let (release, released) = tokio::sync::watch::channel(false);
    let mut frozen = Frozen {
        whole: false,
        until,
        release,
        thawing: Vec::new(),
    };
    // All agents must be there before the first of them freezes.
    let mut opening = JoinSet::new();
    for socket in agents {
        opening.spawn(async move { (Agent::open(&socket, ANSWER).await, socket) });
    }
    let opened = opening.join_all().await;
    if opened.iter().any(|(agent, _)| agent.is_err()) {
        return frozen;
    }
    // From the first order on, whoever may be frozen is thawed.
    frozen.until = Instant::now() + LONGEST;
    let until = frozen.until;
    let mut freezing = JoinSet::new();
    for (agent, socket) in opened {
        let Ok(mut agent) = agent else { continue };
        let mut released = released.clone();
        let (answered, answer) = tokio::sync::oneshot::channel();
        frozen.thawing.push(tokio::spawn(async move {
            let done = timeout_at(until, agent.freeze(LONGEST)).await;
            // Whoever took the snapshot may have gone; the guest is thawed all the same.
            let _ = answered.send(matches!(done, Ok(Ok(()))));
            tokio::select! {
                // An error is the end of whoever was to release it.
                _ = released.wait_for(|free| *free) => {}
                () = sleep_until(until) => {}
            }
            thaw(Some(agent), &socket).await
        }));
        freezing.spawn(async move { answer.await.unwrap_or(false) });
    }
    frozen.whole = freezing.join_all().await.into_iter().all(|done| done);
    frozen
}

impl Frozen {
    /// Lets them go on. True if all of them do; those that do not say so are asked again for some minutes.
    pub async fn release(self) -> bool {
        // Nobody listens any more when the time had run out.
        let _ = self.release.send(true);
        let mut thawed = true;
        for task in self.thawing {
            thawed &= matches!(tokio::time::timeout(LONGEST, task).await, Ok(Ok(true)));
        }
        thawed
    }
}

/// Thaws a guest, again and again if need be.
pub async fn thaw(agent: Option<Agent>, socket: &std::path::Path) -> bool {
    let end = Instant::now() + THAW;
    let mut agent = agent;
    loop {
        let session = match agent.take() {
            Some(agent) => Ok(agent),
            None => Agent::open(socket, ANSWER).await,
        };
        if let Ok(mut session) = session
            && session.thaw(ANSWER).await.is_ok()
        {
            return true;
        }
        if Instant::now() >= end {
            eprintln!(
                "{}: the guest may still be frozen; it was asked to thaw for minutes",
                socket.display()
            );
            return false;
        }
        tokio::time::sleep(ANSWER / 4).await;
    }
}

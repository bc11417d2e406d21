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
            // No file system frozen is none that holds still. Whoever took the snapshot may have gone; the guest is thawed
            // all the same.
            let _ = answered.send(matches!(done, Ok(Ok(1..))));
            tokio::select! {
                // An error is the end of whoever was to release it.
                _ = released.wait_for(|free| *free) => {}
                () = sleep_until(until) => {}
            }
            if matches!(done, Ok(Ok(_))) {
                return thaw(Some(agent), &socket).await;
            }
            // What is answered here may be the late answer to the freeze: it says nothing about the thaw. So the order
            // is given here, where it comes soonest, and again in a session of its own, whose answer is believed.
            let _ = agent.thaw(ANSWER).await;
            drop(agent);
            thaw(None, &socket).await
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::UnixListener;

    use super::*;

    /// An agent: `say` gives what it says to each command, in the session of this number.
    async fn agent(listener: UnixListener, say: impl Fn(usize, &str) -> Vec<Value>) {
        for session in 0.. {
            let (stream, _) = listener.accept().await.expect("a client");
            let (reader, mut writer) = stream.into_split();
            let mut reader = BufReader::new(reader);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .await
                .is_ok_and(|read| read > 0)
            {
                let json: Vec<u8> = line.drain(..).filter(|byte| *byte != 0xff).collect();
                let request: Value = serde_json::from_slice(&json).expect("a request");
                let command = request["execute"].as_str().expect("a command");
                let mut answers = say(session, command);
                if command == "guest-sync-delimited" {
                    writer.write_all(&[0xff]).await.expect("written");
                    answers = vec![json!({"return": request["arguments"]["id"]})];
                }
                for answer in answers {
                    let answer = format!("{answer}\n");
                    if writer.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn a_guest_in_which_no_file_system_froze_does_not_hold_still() {
        for (count, still) in [(0, false), (2, true)] {
            let directory = tempfile::tempdir().expect("a directory");
            let socket = directory.path().join("agent.sock");
            let listener = UnixListener::bind(&socket).expect("a socket");
            tokio::spawn(agent(listener, move |_, _| vec![json!({"return": count})]));
            let frozen = freeze(vec![socket]).await;
            assert_eq!(frozen.whole, still, "{count}");
            assert!(frozen.release().await);
        }
    }

    #[tokio::test]
    async fn the_late_answer_to_a_freeze_is_not_taken_for_the_answer_to_the_thaw() {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("agent.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (thawed, mut news) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(agent(listener, move |session, command| {
            match (session, command) {
                (0, "guest-fsfreeze-thaw") => {
                    vec![
                        json!({"return": 1}),
                        json!({"error": {"class": "GenericError", "desc": "not yet"}}),
                    ]
                }
                (_, "guest-fsfreeze-thaw") => {
                    thawed.send(()).expect("somebody listens");
                    vec![json!({"return": 1})]
                }
                _ => Vec::new(),
            }
        }));
        let frozen = freeze(vec![socket]).await;
        assert!(!frozen.whole);
        assert!(frozen.release().await);
        assert!(news.try_recv().is_ok(), "it is thawed where that is believed");
    }
}

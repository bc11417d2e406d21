//! Conducts a run: asks the state machine, writes the journal, has the command performed, and closes the ledger.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use varde_bus::Text;

use crate::Error;
use crate::journal::{Head, Journal, Unfinished};
use crate::ledger::{Entry, Notice, append, cost};
use crate::run::{Command, Event, Outcome, Run, Step};
use crate::usage::Use;

/// Performs the commands of a run, within their bounds.
pub trait Performs {
    fn perform(&mut self, command: &Command) -> impl Future<Output = Event>;
    /// What clients noticed so far.
    fn notice(&self) -> Notice;
}

/// Where a database's journal and ledger are, and what its downtime costs.
#[derive(Clone, Debug)]
pub struct Books {
    pub folder: PathBuf,
    /// Kroner an hour for each county.
    pub downtime_cost: u64,
    pub counties: usize,
}

/// What a run is doing, for those who watch it.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    pub step: Step,
    pub uses: Vec<Use>,
    /// Whom it lets go first; empty where nobody.
    pub waits_for: Text,
}

impl Books {
    pub fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    pub fn ledger(&self) -> PathBuf {
        self.folder.join("ledger")
    }
}

/// How a run is watched, and called off.
#[derive(Debug)]
pub struct Strings {
    pub cancel: watch::Receiver<bool>,
    pub progress: watch::Sender<Option<Progress>>,
}

/// A run that has ended, whatever the disk says to it.
#[derive(Debug)]
pub struct Ended {
    pub entry: Entry,
    /// Why the ledger does not have it.
    pub unkept: Option<Error>,
}

impl Ended {
    /// Enters a run that did not begin.
    pub fn unbegun(books: &Books, entry: Entry) -> Self {
        let unkept = append(&books.ledger(), &entry).err();
        Self { entry, unkept }
    }
}

/// Conducts a run from its beginning.
pub async fn conduct(rig: &mut impl Performs, books: &Books, head: Head, strings: Strings) -> Ended {
    // Without a journal nobody could put right what this run leaves, so it is not begun.
    let journal = match Journal::begin(&books.journal(), &head) {
        Ok(journal) => journal,
        Err(error) => {
            let why = error.text().clone();
            let entry = Entry::unbegun(
                head.cause,
                head.started,
                head.plan.forecast,
                Outcome::Refused { why },
            );
            return Ended::unbegun(books, entry);
        }
    };
    let (run, command) = Run::begin(head.plan.clone(), boottime());
    go_on(rig, books, head, journal, run, command, strings).await
}

/// Puts right what a controller left that died, and says what it was; `None` where nothing was left.
pub async fn recover(
    rig: &mut impl Performs,
    books: &Books,
    strings: Strings,
) -> Result<Option<Ended>, Error> {
    let Some(Unfinished {
        head,
        step,
        held_since,
    }) = Journal::unfinished(&books.journal())?
    else {
        return Ok(None);
    };
    let journal = Journal::take_up(&books.journal())?;
    let now = boottime();
    let Some((run, command)) = Run::take_up(head.plan.clone(), step, held_since.unwrap_or(now), now) else {
        let outcome = Outcome::Failed {
            why: Text::new(
                "Avbrutt før noe var gjort",
                "Interrupted before anything was done",
            ),
        };
        return Ok(Some(close(
            books,
            head,
            journal,
            outcome,
            None,
            Notice::default(),
        )));
    };
    Ok(Some(
        go_on(rig, books, head, journal, run, command, strings).await,
    ))
}

async fn go_on(
    rig: &mut impl Performs,
    books: &Books,
    head: Head,
    mut journal: Journal,
    mut run: Run,
    mut command: Command,
    strings: Strings,
) -> Ended {
    loop {
        strings.progress.send_replace(Some(Progress {
            step: run.step(),
            uses: run.uses().to_vec(),
            waits_for: Text::default(),
        }));
        if let Command::Finish(outcome) = command {
            return close(books, head, journal, outcome, Some(run), rig.notice());
        }
        let written = journal.step(run.step(), run.held_since());
        let event = match (written, &command) {
            // Clients are not held by a run that would not be found again.
            (Err(error), Command::Pause { .. }) => Event::Failed(error.text().clone()),
            _ => bounded(rig, &command).await,
        };
        if *strings.cancel.borrow() {
            run.cancel();
        }
        command = run.on(event, boottime());
    }
}

/// The rig keeps the bounds; this is for the day when it does not.
async fn bounded(rig: &mut impl Performs, command: &Command) -> Event {
    let within = match command {
        Command::Pause { within }
        | Command::Release { within }
        | Command::Stop { within }
        | Command::Kill { within }
        | Command::Start { within }
        | Command::FallBack { within }
        | Command::RestartMachine { within }
        | Command::RollBack { within }
        | Command::Probe { within }
        | Command::Resume { within }
        | Command::RestartGate { within }
        | Command::Verify { within } => within + 1000,
        Command::Preflight | Command::Look | Command::Cut(_) => 60_000,
        Command::Checkpoint => 660_000,
        Command::Wait { millis } => millis + 1000,
        Command::Finish(_) => 0,
    };
    match timeout(Duration::from_millis(within), rig.perform(command)).await {
        Ok(event) => event,
        Err(_) => Event::Late(Text::new(
            format!("Intet svar innen {within} ms"),
            format!("No answer within {within} ms"),
        )),
    }
}

fn close(
    books: &Books,
    head: Head,
    journal: Journal,
    outcome: Outcome,
    run: Option<Run>,
    mut notice: Notice,
) -> Ended {
    let account = run.map(|run| run.account).unwrap_or_default();
    notice.longest = notice
        .longest
        .max(account.longest_failed_pause)
        .max(account.held.unwrap_or(0));
    // Without a gate clients would have been without a database for as long as the restart took.
    let saved = match outcome {
        Outcome::Restarted { .. } if notice.failed == 0 => account.restart.unwrap_or(0),
        _ => 0,
    };
    let entry = Entry {
        held: account.held,
        restart: account.restart,
        failed_pauses: account.failed_pauses,
        longest_failed_pause: account.longest_failed_pause,
        notice,
        cut: account.cut,
        reasons: account.reasons,
        trouble: account.trouble,
        expected_delayed: head.expected_delayed,
        avoided: cost(saved, books.downtime_cost, books.counties),
        ..Entry::unbegun(head.cause, head.started, head.plan.forecast, outcome)
    };
    let unkept = append(&books.ledger(), &entry).err();
    // One that stays is found again, and says of a run that has ended that it was interrupted.
    let left = journal.end().err();
    Ended {
        entry,
        unkept: unkept.or(left),
    }
}

/// Milliseconds since the boot, asleep or awake: a clock that nobody sets.
pub fn boottime() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}

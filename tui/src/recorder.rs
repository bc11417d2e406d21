//! The last events, as JSON lines: what happened before a fault can be played again.
//!
//! A recording is two files at most, each beginning with the whole state, so that each can be replayed by itself.
//! It holds no passwords: a password, and text that is written into the editor, is recorded as stars, and password
//! hashes are taken out of files.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::command::Cmd;
use crate::dialog::Dialog;
use crate::event::{Answer, Ask, Event};
use crate::secret;
use crate::state::State;

/// One line of a recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// All that was known when the file began.
    State(Box<State>),
    /// What came, and when.
    Event { at: i64, event: Box<Event> },
}

/// Half of what a recording may take.
const LIMIT: u64 = 256 * 1024;

/// Writes to `console.jsonl` in a directory of the session, and keeps the file before as `console.old.jsonl`.
#[derive(Debug)]
pub struct Recorder {
    directory: PathBuf,
    file: Option<File>,
    written: u64,
    /// It could not be written once; a full disk is not asked at every key.
    stopped: bool,
}

impl Recorder {
    /// Without a directory, or where it cannot be written, nothing is recorded: the console matters more.
    pub fn new(directory: Option<PathBuf>) -> Option<Self> {
        Some(Self {
            directory: directory?,
            file: None,
            written: 0,
            stopped: false,
        })
    }

    pub fn file(&self) -> PathBuf {
        self.directory.join("console.jsonl")
    }

    /// Keeps an event that is about to change `state`.
    pub fn record(&mut self, state: &State, at: i64, event: &Event) {
        if self.stopped {
            return;
        }
        if self.file.is_none() || self.written > LIMIT {
            self.begin(state);
        }
        let event = Box::new(without_secrets(state, event));
        self.write(&Line::Event { at, event });
    }

    fn begin(&mut self, state: &State) {
        let path = self.file();
        // The file before may not be there; then there is nothing to keep.
        let _ = std::fs::rename(&path, self.directory.join("console.old.jsonl"));
        self.file = private(&path);
        self.written = 0;
        let mut state = state.clone();
        state.dialogs.iter_mut().for_each(Dialog::mask);
        self.write(&Line::State(Box::new(state)));
    }

    fn write(&mut self, line: &Line) {
        let (Some(file), Ok(json)) = (&mut self.file, serde_json::to_string(line)) else {
            self.stopped = true;
            return;
        };
        let mut json = secret::without_hashes(&json);
        json.push('\n');
        self.written += json.len() as u64;
        if file.write_all(json.as_bytes()).is_err() {
            self.stopped = true;
        }
    }
}

fn private(path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .ok()
}

/// What is typed where secrets are typed becomes stars of the same number.
fn without_secrets(state: &State, event: &Event) -> Event {
    let secret = state.lock.is_some() || matches!(state.dialogs.last(), Some(Dialog::Editor(_)));
    match event {
        Event::Cmd(Cmd::Insert(character)) if secret => {
            Event::Cmd(Cmd::Insert(secret::mask_char(*character)))
        }
        Event::Cmd(Cmd::Paste(text)) if secret => Event::Cmd(Cmd::Paste(secret::mask(text))),
        // What was written there goes on to the service and comes back with the answer.
        Event::Answered { ask, answer } => {
            let (mut ask, mut answer) = (ask.clone(), answer.clone());
            match (&mut ask, &mut answer) {
                (Ask::Check(toml) | Ask::DiffText(toml), _) | (Ask::MediaFile(_), Ok(Answer::Text(toml))) => {
                    *toml = secret::mask(toml);
                }
                _ => {}
            }
            Event::Answered { ask, answer }
        }
        Event::Performed { action, result } => {
            let mut action = action.clone();
            secret::mask_action(&mut action);
            Event::Performed {
                result: match &action {
                    // The code is for the person alone.
                    varde_bus::Action::Enrol { .. } => result.clone().map(|text| secret::mask_text(&text)),
                    _ => result.clone(),
                },
                action,
            }
        }
        event => event.clone(),
    }
}

/// Plays a recording: the state at its end, and each event on the way.
pub fn replay(recording: &str) -> Result<State, serde_json::Error> {
    use serde::de::Error;
    let mut state: Option<State> = None;
    for line in recording.lines() {
        match serde_json::from_str(line)? {
            Line::State(start) => state = Some(*start),
            Line::Event { at, event } => {
                let state = state
                    .as_mut()
                    .ok_or_else(|| serde_json::Error::custom("the recording does not begin with a state"))?;
                // What the runner did then has come back as events of its own.
                let _ = crate::on::on(state, at, *event);
            }
        }
    }
    state.ok_or_else(|| serde_json::Error::custom("the recording is empty"))
}

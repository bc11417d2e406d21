//! A generation on trial: it counts until its time is out, unless somebody confirms it.
//!
//! The note `trial` is on disk before the link `active` names the generation, and goes when somebody confirms or when
//! the generation before counts again. So whenever the power fails, a generation that nobody has confirmed has its note
//! beside it. What became of a trial that was taken back stands in `taken-back` until the next generation is made.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::steps::Steps;
use super::write::{Changes, Writer};
use super::{Origin, Store};
use crate::{StoreError, Text};

pub(super) const TRIAL: &str = "trial";
pub(super) const TAKEN_BACK: &str = "taken-back";

/// When a trial is over. Measured by the clock that nobody can set, which begins anew with each boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Seconds that were asked for.
    pub within: u32,
    /// The kernel's ID of the boot.
    pub boot: String,
    /// Milliseconds since that boot.
    pub until: u64,
}

/// `trial`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    pub generation: u64,
    /// The generation that counts again afterwards.
    pub before: u64,
    pub terms: Terms,
}

/// `taken-back`: a trial that nobody confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenBack {
    pub generation: u64,
    pub before: u64,
    /// Milliseconds since 1970, UTC.
    pub when: i64,
    /// It is in the record of changes.
    pub recorded: bool,
    pub reason: Text,
}

impl Store {
    /// The trial that is under way, or that was when the power failed.
    pub fn trial(&self) -> Result<Option<Trial>, StoreError> {
        self.note(TRIAL)
    }

    /// What was taken back last, if nothing has been made active since.
    pub fn taken_back(&self) -> Result<Option<TakenBack>, StoreError> {
        let active = self.active_number()?;
        let taken_back: Option<TakenBack> = self.note(TAKEN_BACK)?;
        Ok(taken_back.filter(|taken_back| active == Some(taken_back.before)))
    }

    fn note<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let path = self.root.join(name);
        match super::read(&path) {
            Err(StoreError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(text) => toml::from_str(&text)
                .map(Some)
                .map_err(|error| StoreError::Damaged {
                    path,
                    detail: error.message().to_owned(),
                }),
        }
    }
}

impl Writer {
    /// Makes `text` the active generation on trial, and gives its number. There must be a generation to go back to.
    pub fn try_out(
        &mut self,
        text: &str,
        origin: &Origin,
        when: i64,
        terms: &Terms,
    ) -> Result<u64, StoreError> {
        self.changes.try_out(text, origin, when, terms)
    }

    /// The note goes: what the link names counts for good.
    pub fn close_trial(&mut self) -> Result<(), StoreError> {
        self.changes.close_trial()
    }

    /// Makes the generation before the trial the active one again. The trial is over only with [`Writer::end_trial`],
    /// so that whoever comes after a power cut does the rest of it again.
    pub fn go_back(&mut self, trial: &Trial) -> Result<(), StoreError> {
        self.changes.activate(trial.before)
    }

    /// Ends a trial that was taken back.
    pub fn end_trial(&mut self, taken_back: &TakenBack) -> Result<(), StoreError> {
        self.changes.end_trial(taken_back)
    }

    /// Notes that what was taken back is in the record of changes.
    pub fn note_recorded(&mut self, taken_back: &TakenBack) -> Result<(), StoreError> {
        let recorded = TakenBack {
            recorded: true,
            ..taken_back.clone()
        };
        self.changes.write_note(TAKEN_BACK, &recorded)
    }
}

impl<S: Steps> Changes<S> {
    pub(super) fn try_out(
        &mut self,
        text: &str,
        origin: &Origin,
        when: i64,
        terms: &Terms,
    ) -> Result<u64, StoreError> {
        let before = self.store.active_number()?.ok_or(StoreError::NothingBefore)?;
        // What cannot be read cannot be gone back to.
        self.store.generation(before)?;
        let number = self.make(text, origin, when)?;
        let trial = Trial {
            generation: number,
            before,
            terms: terms.clone(),
        };
        self.write_note(TRIAL, &trial)?;
        if let Err(error) = self.activate(number) {
            // The link may have got its new target all the same; then the note has to stay.
            if self.store.active_number()? != Some(number) {
                self.close_trial()?;
            }
            return Err(error);
        }
        Ok(number)
    }

    pub(super) fn close_trial(&mut self) -> Result<(), StoreError> {
        let path = self.store.root.join(TRIAL);
        self.remove(&path)?;
        self.sync_dir(Path::new(""))
    }

    pub(super) fn end_trial(&mut self, taken_back: &TakenBack) -> Result<(), StoreError> {
        self.write_note(TAKEN_BACK, taken_back)?;
        self.close_trial()
    }

    fn write_note<T: Serialize>(&mut self, name: &str, note: &T) -> Result<(), StoreError> {
        let text = toml::to_string(note).map_err(|error| StoreError::Damaged {
            path: self.store.root.join(name),
            detail: error.to_string(),
        })?;
        self.write("", Path::new(name), &text)
    }
}

//! What is written down of a rehearsal.

use std::fs::{self, File};
use std::io::Write;

use serde::{Deserialize, Serialize};
use varde_bus::rehearsal::{Outcome, RehearsalState};
use varde_site::{REHEARSALS, Recipe, Text, clone_name};

use crate::Error;
use crate::paths::Paths;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `r1` or `r2`.
    pub rehearsal: String,
    /// As it was declared when it was rehearsed: nothing else is promoted.
    pub recipe: Recipe,
    pub machines: Vec<String>,
    pub by: String,
    pub why: String,
    /// Milliseconds since 1970, UTC.
    pub begun: i64,
    pub ended: i64,
    pub state: RehearsalState,
    pub text: Text,
    pub outcomes: Vec<Outcome>,
    pub promotion: Option<Promotion>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    pub by: String,
    pub why: String,
    /// Empty until it is taken.
    pub snapshot: String,
    /// Milliseconds since 1970, UTC; 0 until the steps are done.
    pub watched_until: i64,
}

impl Record {
    pub fn clones(&self) -> Vec<String> {
        let clone = |vm: &String| clone_name(&self.rehearsal, vm);
        self.machines.iter().map(clone).collect()
    }

    /// Written into its snapshots, so that they are found whatever was written down here last.
    pub fn mark(&self) -> String {
        format!("{} {} {}", self.rehearsal, self.recipe.name, self.begun)
    }

    pub fn read(paths: &Paths, rehearsal: &str) -> Option<Self> {
        serde_json::from_slice(&fs::read(paths.rehearsal(rehearsal)).ok()?).ok()
    }

    /// On disk when it returns: the old one or this.
    pub fn write(&self, paths: &Paths) -> Result<(), Error> {
        let path = paths.rehearsal(&self.rehearsal);
        let new = path.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            path.parent()
                .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().map_err(Error::file("write", &path))
    }

    pub fn remove(&self, paths: &Paths) -> Result<(), Error> {
        crate::notes::remove(&paths.rehearsal(&self.rehearsal))
    }
}

/// Those that there are.
pub fn records(paths: &Paths) -> Vec<Record> {
    REHEARSALS
        .into_iter()
        .filter_map(|rehearsal| Record::read(paths, rehearsal))
        .collect()
}

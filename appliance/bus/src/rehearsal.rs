//! `no.varde.Rehearsal1`: upgrades, tried on clones of machines and then promoted to the machines themselves.

use serde::{Deserialize, Serialize};
use varde_site::Text;
use zbus::Type;

pub const NAME: &str = "no.varde.Rehearsal1";
pub const PATH: &str = "/no/varde/Rehearsal1";

/// An upgrade that the site declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct RecipeInfo {
    pub name: String,
    pub title: String,
    pub group: String,
    /// The machines that are cloned together.
    pub machines: Vec<String>,
    /// Bytes of memory that their clones need.
    pub memory: u64,
    pub steps: u32,
    pub checks: u32,
    /// Seconds for which machines are watched after a promotion.
    pub watch: u64,
}

/// How far it is. The first four go on by themselves to one of the next two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum RehearsalState {
    /// The machines' disks are lent to clones, at one instant.
    Cloning,
    /// The clones come up.
    Booting,
    Steps,
    Checks,
    /// It may be promoted.
    Passed,
    Failed,
    /// The clones go.
    Discarding,
    /// The steps are done to the machines themselves.
    Promoting,
    /// They are done, and the machines are watched.
    Watching,
    /// The machines were well for as long as they were watched.
    Promoted,
    /// They were taken back to what they were before the promotion.
    #[serde(rename = "taken-back")]
    TakenBack,
}

impl RehearsalState {
    /// Something goes on by itself.
    pub fn is_busy(self) -> bool {
        !matches!(
            self,
            Self::Passed | Self::Failed | Self::Promoted | Self::TakenBack
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
#[zbus(signature = "s")]
pub enum OutcomeKind {
    Step,
    Check,
    /// One of the machine's own boot checks.
    Boot,
}

/// How a step or a check went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Outcome {
    /// On the machine itself; else on its clone.
    pub production: bool,
    pub kind: OutcomeKind,
    pub vm: String,
    /// The command, or the check as in `tcp 5432`.
    pub what: String,
    pub passed: bool,
    /// What the guest said, or why nothing is known. Empty for viewers: it may be anything.
    pub said: Text,
    /// Milliseconds.
    pub took: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Rehearsal {
    /// `r1` or `r2`; the clones are called so with the machine's name after it.
    pub name: String,
    pub recipe: String,
    pub title: String,
    pub machines: Vec<String>,
    pub by: String,
    pub why: String,
    /// Milliseconds since 1970, UTC; the end is 0 until it has come.
    pub begun: i64,
    pub ended: i64,
    pub state: RehearsalState,
    /// What it is about just now, or why it ended as it did.
    pub text: Text,
    pub outcomes: Vec<Outcome>,
    /// Steps and checks that there are, of which `outcomes` are done: those of the clones, or of the promotion.
    pub all: u32,
    /// Bytes that the clones have written.
    pub used: u64,
    /// Who promoted it; empty where nobody has.
    pub promoted_by: String,
    /// Until when the machines are watched; 0 where they are not.
    pub watched_until: i64,
    /// The snapshot of the machines from before the promotion, and until when it is kept; empty and 0 without one.
    pub snapshot: String,
    pub undo_until: i64,
}

/// Changes answer once they are under way or refused; the state tells how they end.
#[zbus::proxy(
    interface = "no.varde.Rehearsal1",
    default_service = "no.varde.Rehearsal1",
    default_path = "/no/varde/Rehearsal1"
)]
pub trait Rehearsals {
    fn recipes(&self) -> zbus::Result<Vec<RecipeInfo>>;
    fn list(&self) -> zbus::Result<Vec<Rehearsal>>;
    /// Begins to rehearse a recipe, and gives the rehearsal's name.
    fn rehearse(&self, recipe: &str, why: &str) -> zbus::Result<String>;
    /// Ends it, wherever it is, and removes its clones. Answers when they are gone.
    fn discard(&self, rehearsal: &str, why: &str) -> zbus::Result<()>;
    /// What a promotion costs to take back, before it is done.
    fn price(&self, rehearsal: &str) -> zbus::Result<Text>;
    /// Does to the machines what was done to their clones; `why` must say something.
    fn promote(&self, rehearsal: &str, why: &str) -> zbus::Result<()>;
    /// Takes the machines back to before the promotion; `why` must say something.
    fn take_back(&self, rehearsal: &str, why: &str) -> zbus::Result<()>;

    /// Something is different about the rehearsals.
    #[zbus(signal)]
    fn changed(&self) -> zbus::Result<()>;
}

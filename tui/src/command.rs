//! What the operator wants, whichever key says it.

use serde::{Deserialize, Serialize};

use crate::page::PageId;

/// A command, as data: it is what the key table gives, what the recorder keeps and what a replay feeds in again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cmd {
    // Everywhere.
    Page(PageId),
    NextPage,
    PreviousPage,
    Help,
    Language,
    Colours,
    Characters,
    Lines,
    Lock,
    Power,
    HealthCode,
    Updates,
    LogOut,
    Repaint,
    // Lists, texts and dialogs.
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    /// Enter: open what is picked, or answer.
    Open,
    Back,
    // Fields and the editor.
    Insert(char),
    Paste(String),
    Backspace,
    Delete,
    CutLine,
    Done,
    // Virtual machines.
    Start,
    ShutDown,
    ForceOff,
    Pause,
    Console,
    UnitLog,
    TakeSnapshot,
    RollBackSnapshot,
    MergeSnapshot,
    MergeQuietly,
    CancelMerge,
    // Rehearsals.
    Rehearse,
    Discard,
    Promote,
    TakeBackPromotion,
    // Access and desktops.
    Enrol,
    Renew,
    // Databases.
    RestartDatabase,
    SkipDatabase,
    HoldDatabase,
    CancelDatabase,
    // Telephony.
    NextView,
    TestCall,
    TestEmergency,
    /// End a call, a session or a desktop, or bring a line's channels to rest.
    Clear,
    // Site.
    Diff,
    RollBack,
    FromMedia,
    Edit,
    ConfirmTrial,
    TakeBack,
    // Log.
    FilterText,
    FilterUnit,
    FilterPriority,
    ThisBoot,
    ClearFilter,
    // Who did what.
    Verify,
}

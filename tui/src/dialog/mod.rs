//! What lies over a page: a question, a choice, a text to read or to write.
//!
//! No action is done by letters, blanks, tabs and line ends alone: that is all that pasted text can be on a terminal
//! that does not mark pastes. An answer that does something is always reached with an arrow key.

mod confirm;
mod editor;
mod pick;
mod prompt;
mod viewer;

use serde::{Deserialize, Serialize};

pub use confirm::{Confirm, Intent, Why};
pub use editor::Editor;
pub use pick::{Pick, Picked};
pub use prompt::{Prompt, Wanted};
pub use viewer::{Kind, Next, Viewer};

use crate::canvas::Canvas;
use crate::command::Cmd;
use crate::event::Effect;
use crate::state::State;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialog {
    Confirm(Confirm),
    Prompt(Prompt),
    Pick(Pick),
    Viewer(Viewer),
    Editor(Editor),
}

impl Dialog {
    /// Whether it could lead to an action at once; such a one does not stay open behind a lock.
    pub fn decides(&self) -> bool {
        matches!(self, Self::Confirm(_) | Self::Pick(_))
    }
}

impl Dialog {
    /// Makes stars of what may hold a secret: text on its way to become the site.
    pub fn mask(&mut self) {
        match self {
            Self::Editor(editor) => editor.mask(),
            Self::Viewer(viewer) => viewer.mask(),
            Self::Confirm(confirm) => {
                if let Intent::Act(action) = &mut confirm.intent {
                    crate::secret::mask_action(action);
                }
            }
            Self::Prompt(_) | Self::Pick(_) => {}
        }
    }
}

/// The dialog on top gets the command.
pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    let Some(mut dialog) = state.dialogs.pop() else {
        return Vec::new();
    };
    let page = usize::from(state.page_rows());
    let outcome = match &mut dialog {
        Dialog::Confirm(confirm) => confirm.command(cmd),
        Dialog::Prompt(prompt) => prompt.command(cmd),
        Dialog::Pick(pick) => pick.command(cmd),
        Dialog::Viewer(viewer) => viewer.command(cmd, page),
        Dialog::Editor(editor) => editor.command(cmd, page),
    };
    match outcome {
        Outcome::Stay => {
            state.dialogs.push(dialog);
            Vec::new()
        }
        Outcome::Over(Dialog::Confirm(confirm)) => {
            state.dialogs.push(dialog);
            state.dialogs.push(Dialog::Confirm(confirm));
            Vec::new()
        }
        Outcome::Over(other) => {
            state.dialogs.push(other);
            Vec::new()
        }
        Outcome::Close => Vec::new(),
        Outcome::Intent(intent) => intent.carry_out(state),
        Outcome::Picked(picked) => picked.take(state),
        Outcome::Wanted(wanted, text) => wanted.take(state, &text),
        Outcome::Undo => crate::since::undo(state),
        Outcome::Written(toml) => {
            state.dialogs.push(dialog);
            crate::page::site::check(toml)
        }
    }
}

/// What a dialog makes of a command.
enum Outcome {
    Stay,
    Close,
    /// Another dialog: over this one if it asks something, else in its place.
    Over(Dialog),
    Intent(Intent),
    Picked(Picked),
    Wanted(Wanted, String),
    Written(String),
    /// The way back from the last change of the site.
    Undo,
}

/// Draws the dialog over the body of the page.
pub fn draw(state: &State, dialog: &Dialog, mut body: Canvas) {
    match dialog {
        Dialog::Viewer(viewer) => {
            body.clear();
            viewer.draw(state, &mut body);
        }
        Dialog::Editor(editor) => {
            body.clear();
            editor.draw(state, &mut body);
        }
        Dialog::Confirm(confirm) => confirm.draw(state, &mut panel(&mut body, confirm.rows())),
        Dialog::Prompt(prompt) => prompt.draw(state, &mut panel(&mut body, 6)),
        Dialog::Pick(pick) => {
            let rows = u16::try_from(pick.items.len())
                .unwrap_or(u16::MAX)
                .saturating_add(4);
            pick.draw(state, &mut panel(&mut body, rows));
        }
    }
}

/// An emptied part in the middle of the body, its rows apart from the page's text.
fn panel<'a, 'b>(body: &'a mut Canvas<'_, 'b>, rows: u16) -> Canvas<'a, 'b> {
    let rows = rows.min(body.height());
    let y = (body.height() - rows) / 3;
    let margin = if body.width() >= 60 { 4 } else { 0 };
    let width = body.width().saturating_sub(2 * margin);
    let whole = body.width();
    body.part(0, y, whole, rows).clear();
    body.part(margin, y, width, rows)
}

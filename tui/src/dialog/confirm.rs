//! A risky action, in words: what it does, what it affects, and the answer.

use serde::{Deserialize, Serialize};
use varde_bus::{Action, Text};

use super::Outcome;
use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::event::Effect;
use crate::field::Field;
use crate::state::State;
use crate::words::Words;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirm {
    pub title: Text,
    /// What it does and what it affects, a paragraph each.
    pub body: Vec<Text>,
    /// What happens on yes; on no nothing does.
    pub yes: Text,
    pub no: Text,
    pub intent: Intent,
    pub why: Why,
    reason: Field,
    focus: Focus,
    /// Yes was answered without the reason that is needed.
    missing: bool,
}

/// What a yes does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    Act(Action),
    /// Join the terminal to the console of this guest.
    Attach(String),
    LogOut,
    /// Throw away what was written.
    LeaveEditor,
}

/// Whether a reason is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Not,
    /// It may stay empty.
    May,
    Must,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Focus {
    Reason,
    No,
    Yes,
}

impl Confirm {
    pub fn new(title: Text, body: Vec<Text>, no: Text, yes: Text, intent: Intent, why: Why) -> Self {
        Self {
            title,
            body,
            yes,
            no,
            intent,
            why,
            reason: Field::default(),
            focus: if why == Why::Not { Focus::No } else { Focus::Reason },
            missing: false,
        }
    }

    pub fn takes_text(&self) -> bool {
        self.focus == Focus::Reason
    }

    /// How the reason is asked for.
    pub fn label(&self, words: Words) -> &'static str {
        match (self.why, self.missing) {
            (Why::Must, true) => words.confirm_why_missing(),
            (Why::Must, false) => words.confirm_why_must(),
            _ => words.confirm_why_may(),
        }
    }

    pub(super) fn command(&mut self, cmd: &Cmd) -> Outcome {
        let asks = self.why != Why::Not;
        match (cmd, self.focus) {
            (Cmd::Back, _) | (Cmd::Open, Focus::No) => return Outcome::Close,
            (Cmd::Down, Focus::No) => self.focus = Focus::Yes,
            (Cmd::Open | Cmd::Down, Focus::Reason) | (Cmd::Up, Focus::Yes) => self.focus = Focus::No,
            (Cmd::Up, Focus::No) if asks => self.focus = Focus::Reason,
            (Cmd::Open, Focus::Yes) => {
                if self.why == Why::Must && self.reason.answer().is_empty() {
                    self.missing = true;
                    self.focus = Focus::Reason;
                    return Outcome::Stay;
                }
                return Outcome::Intent(self.intent.clone().because(self.reason.answer()));
            }
            (cmd, Focus::Reason) => {
                self.reason.command(cmd);
                self.missing = false;
            }
            _ => {}
        }
        Outcome::Stay
    }

    /// As many rows as it may need; the body is cut where there are fewer.
    pub(super) fn rows(&self) -> u16 {
        let text: usize = self
            .body
            .iter()
            .map(|text| 1 + text.nb.len().max(text.en.len()) / 60)
            .sum();
        let rows = 6 + text + if self.why == Why::Not { 0 } else { 3 };
        u16::try_from(rows).unwrap_or(u16::MAX)
    }

    pub(super) fn draw(&self, state: &State, canvas: &mut Canvas) {
        let words = state.words();
        canvas.bar(0, &format!(" {}", state.say(&self.title)));
        let asks = self.why != Why::Not;
        // The answers stay in sight however long the body is.
        let below: u16 = if asks { 5 } else { 3 };
        let room = canvas.height().saturating_sub(below + 1);
        let mut row = 1;
        {
            let width = canvas.width();
            let mut part = canvas.part(0, 2, width, room.saturating_sub(1));
            let mut at = 0;
            for text in &self.body {
                at = part.wrapped(1, at, Role::Plain, state.say(text));
            }
            row += at.min(part.height()) + 1;
        }
        if asks {
            let label = self.label(words);
            row += 1;
            let role = if self.missing { Role::Bad } else { Role::Plain };
            canvas.text(1, row, role, label);
            row += 1;
            draw_field(canvas, row, &self.reason, self.focus == Focus::Reason);
            row += 1;
        }
        row += 1;
        for (answer, focus) in [(&self.no, Focus::No), (&self.yes, Focus::Yes)] {
            let picked = self.focus == focus;
            canvas.text(1, row, Role::Plain, if picked { ">" } else { " " });
            let role = if picked { Role::Picked } else { Role::Plain };
            canvas.text(3, row, role, state.say(answer));
            row += 1;
        }
    }
}

/// A field on a row of its own, with the cursor at its end; a long text shows its end.
pub(super) fn draw_field(canvas: &mut Canvas, row: u16, field: &Field, focus: bool) {
    let room = usize::from(canvas.width().saturating_sub(4));
    let count = field.text.chars().count();
    let text: String = field.text.chars().skip(count.saturating_sub(room)).collect();
    canvas.text(1, row, Role::Plain, ":");
    let end = canvas.text(3, row, Role::Plain, &text);
    if focus {
        canvas.cursor(end.min(canvas.width().saturating_sub(1)), row);
    }
}

impl Intent {
    fn because(self, reason: &str) -> Self {
        let Self::Act(mut action) = self else { return self };
        let (Action::StartVm { why, .. }
        | Action::FetchUpdate { why }
        | Action::InstallUpdate { why, .. }
        | Action::TakeBackUpdate { why }
        | Action::MarkUpdateRead { why }
        | Action::ShutDownVm { why, .. }
        | Action::ForceOffVm { why, .. }
        | Action::PauseVm { why, .. }
        | Action::ResumeVm { why, .. }
        | Action::TakeSnapshot { why, .. }
        | Action::RollBackSnapshot { why, .. }
        | Action::MergeSnapshot { why, .. }
        | Action::CancelMerge { why, .. }
        | Action::ApplySite { why, .. }
        | Action::RollBackSite { why, .. }
        | Action::ConfirmSite { why, .. }
        | Action::TakeBackSite { why }
        | Action::RestartDatabase { why, .. }
        | Action::SkipDatabase { why, .. }
        | Action::HoldDatabase { why, .. }
        | Action::CancelDatabase { why, .. }
        | Action::TestCall { why, .. }
        | Action::TestEmergency { why }
        | Action::ClearCall { why, .. }
        | Action::RestartChannel { why, .. }
        | Action::Rehearse { why, .. }
        | Action::DiscardRehearsal { why, .. }
        | Action::Promote { why, .. }
        | Action::TakeBackPromotion { why, .. }
        | Action::EndDesktop { why, .. }
        | Action::RenewDesktop { why, .. }
        | Action::Enrol { why, .. }
        | Action::Forget { why, .. }
        | Action::EndSession { why, .. }
        | Action::Reboot { why }
        | Action::PowerOff { why }) = &mut action;
        reason.clone_into(why);
        Self::Act(action)
    }

    pub(super) fn carry_out(self, state: &mut State) -> Vec<Effect> {
        match self {
            Self::Act(action) => {
                state.tell(true, crate::words::both(|words| words.sent().to_owned()));
                vec![Effect::Perform(action)]
            }
            Self::Attach(vm) => vec![Effect::Attach(vm)],
            Self::LogOut => vec![Effect::LogOut],
            Self::LeaveEditor => {
                state.dialogs.pop();
                Vec::new()
            }
        }
    }
}

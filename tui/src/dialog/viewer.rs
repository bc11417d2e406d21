//! A text to read, over the whole body: a file, a diff, findings, a log line, the help.

use serde::{Deserialize, Serialize};
use varde_bus::site::TRIAL;
use varde_bus::{Action, Language, Text};

use super::{Confirm, Dialog, Intent, Outcome, Why};
use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::state::State;
use crate::words::{Words, both};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Viewer {
    title: Text,
    lines: Vec<Text>,
    kind: Kind,
    /// Where Enter leads.
    next: Option<Next>,
    top: usize,
    left: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Lines as they are; long ones are panned.
    Lines,
    /// The same, with added and removed lines marked.
    Diff,
    /// Prose; long lines are wrapped.
    Prose,
    /// Prose that is recorded as stars.
    Secret,
}

impl Kind {
    fn wraps(self) -> bool {
        matches!(self, Self::Prose | Self::Secret)
    }
}

/// What was looked at before it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    Apply {
        toml: String,
        risks: Vec<Text>,
    },
    RollBack {
        generation: u64,
        risks: Vec<Text>,
    },
    /// Back to the generation before the active one, by way of what that changes.
    Undo,
}

impl Viewer {
    pub fn new(title: Text, lines: Vec<Text>, kind: Kind) -> Self {
        Self {
            title,
            lines,
            kind,
            next: None,
            top: 0,
            left: 0,
        }
    }

    /// For a text that is the same in both languages.
    pub fn of(title: Text, text: &str, kind: Kind) -> Self {
        // A diff of nothing is said in words by its caller.
        Self::new(title, text.lines().map(Text::same).collect(), kind)
    }

    pub fn then(mut self, next: Next) -> Self {
        self.next = Some(next);
        self
    }

    pub fn mask(&mut self) {
        if let Some(Next::Apply { toml, .. }) = &mut self.next {
            *toml = crate::secret::mask(toml);
        }
        if self.kind == Kind::Secret {
            for line in &mut self.lines {
                *line = crate::secret::mask_text(line);
            }
        }
    }

    pub fn leads_on(&self) -> bool {
        self.next.is_some()
    }

    pub(super) fn command(&mut self, cmd: &Cmd, page: usize) -> Outcome {
        let last = self.lines.len().saturating_sub(1);
        let step = page.saturating_sub(3).max(1);
        match cmd {
            Cmd::Back => return Outcome::Close,
            Cmd::Open => {
                return match &self.next {
                    None => Outcome::Stay,
                    Some(Next::Undo) => Outcome::Undo,
                    Some(next) => match next.confirm() {
                        Some(confirm) => Outcome::Over(Dialog::Confirm(confirm)),
                        None => Outcome::Stay,
                    },
                };
            }
            Cmd::Up => self.top = self.top.saturating_sub(1),
            Cmd::Down => self.top = (self.top + 1).min(self.lowest(last, step)),
            Cmd::PageUp => self.top = self.top.saturating_sub(step),
            Cmd::PageDown => self.top = (self.top + step).min(self.lowest(last, step)),
            Cmd::First => self.top = 0,
            Cmd::Last => self.top = self.lowest(last, step),
            Cmd::Left => self.left = self.left.saturating_sub(20),
            Cmd::Right if !self.kind.wraps() => {
                let longest = self.lines.iter().map(|line| line.nb.chars().count()).max();
                self.left = (self.left + 20).min(longest.unwrap_or(0));
            }
            _ => {}
        }
        Outcome::Stay
    }

    /// The lowest top line: a last page stays full, and wrapped prose may need all of it.
    fn lowest(&self, last: usize, page: usize) -> usize {
        match self.kind {
            Kind::Prose | Kind::Secret => last,
            Kind::Lines | Kind::Diff => (last + 1).saturating_sub(page),
        }
    }

    pub(super) fn draw(&self, state: &State, canvas: &mut Canvas) {
        canvas.text(1, 0, Role::Heading, state.say(&self.title));
        let bottom = canvas.height();
        let mut row = 2;
        for line in self.lines.iter().skip(self.top) {
            if row >= bottom {
                break;
            }
            let line = state.say(line);
            if self.kind.wraps() {
                row = if line.is_empty() {
                    row + 1
                } else {
                    canvas.wrapped(1, row, Role::Plain, line)
                };
                continue;
            }
            let role = match (self.kind, line.as_bytes().first()) {
                (Kind::Diff, Some(b'+')) => Role::Good,
                (Kind::Diff, Some(b'-')) => Role::Bad,
                (Kind::Diff, Some(b'@')) => Role::Quiet,
                _ => Role::Plain,
            };
            let shown: String = line.replace('\t', "    ").chars().skip(self.left).collect();
            let width = canvas.width().saturating_sub(1);
            canvas.cell(1, row, width, role, &shown);
            row += 1;
        }
    }
}

impl Next {
    fn confirm(&self) -> Option<Confirm> {
        Some(match self {
            Self::Undo => return None,
            Self::Apply { toml, risks } => Confirm::new(
                both(|words| words.apply_title().to_owned()),
                with_trial(both(|words| words.apply_body().to_owned()), risks),
                both(|words| words.apply_no().to_owned()),
                both(|words| words.apply_yes().to_owned()),
                Intent::Act(Action::ApplySite {
                    toml: toml.clone(),
                    why: String::new(),
                    within: within(risks),
                }),
                Why::May,
            ),
            Self::RollBack { generation, risks } => Confirm::new(
                both(|words| words.roll_back_title(generation)),
                with_trial(both(|words| words.roll_back_body(generation)), risks),
                both(|words| words.roll_back_no().to_owned()),
                both(|words| words.roll_back_yes(generation)),
                Intent::Act(Action::RollBackSite {
                    generation: *generation,
                    why: String::new(),
                    within: within(risks),
                }),
                Why::May,
            ),
        })
    }
}

/// Seconds: what could lock operators out is tried out first.
fn within(risks: &[Text]) -> u32 {
    if risks.is_empty() { 0 } else { TRIAL }
}

/// What is said before a change, with how it is tried out where it is.
fn with_trial(body: Text, risks: &[Text]) -> Vec<Text> {
    let mut paragraphs = vec![body];
    if !risks.is_empty() {
        let named = |name: fn(&Text) -> &str| risks.iter().map(name).collect::<Vec<_>>().join(", ");
        let (nb, en) = (named(|risk| &risk.nb), named(|risk| &risk.en));
        let minutes = TRIAL / 60;
        paragraphs.push(Text::new(
            Words(Language::Nb).apply_on_trial(nb, minutes),
            Words(Language::En).apply_on_trial(en, minutes),
        ));
    }
    paragraphs
}

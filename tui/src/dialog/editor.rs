//! A small editor for `site.toml`: for a paste over a serial line, or a change of a few lines.

use serde::{Deserialize, Serialize};

use super::{Confirm, Dialog, Intent, Outcome, Why};
use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::state::State;
use crate::words::both;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Editor {
    /// Never empty.
    lines: Vec<String>,
    row: usize,
    /// In characters; may lie past the end of a shorter line that was come upon.
    column: usize,
    changed: bool,
}

/// More than any site needs.
const LIMIT: usize = 1 << 20;

impl Editor {
    pub fn new(text: &str) -> Self {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.is_empty() {
            lines.push(String::new());
        }
        Self {
            lines,
            row: 0,
            column: 0,
            changed: false,
        }
    }

    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }

    pub fn mask(&mut self) {
        for line in &mut self.lines {
            *line = crate::secret::mask(line);
        }
    }

    fn line(&mut self) -> &mut String {
        &mut self.lines[self.row]
    }

    fn length(&self) -> usize {
        self.lines[self.row].chars().count()
    }

    /// The byte at which the cursor stands.
    fn place(&self) -> usize {
        let line = &self.lines[self.row];
        line.char_indices()
            .nth(self.column)
            .map_or(line.len(), |(place, _)| place)
    }

    fn insert(&mut self, character: char) {
        self.column = self.column.min(self.length());
        let place = self.place();
        if character == '\n' {
            let rest = self.line().split_off(place);
            self.row += 1;
            self.lines.insert(self.row, rest);
            self.column = 0;
        } else {
            self.line().insert(place, character);
            self.column += 1;
        }
        self.changed = true;
    }

    fn full(&self) -> bool {
        self.lines.iter().map(|line| line.len() + 1).sum::<usize>() > LIMIT
    }

    pub(super) fn command(&mut self, cmd: &Cmd, page: usize) -> Outcome {
        let last = self.lines.len() - 1;
        match cmd {
            Cmd::Insert(character) if !self.full() => self.insert(*character),
            Cmd::Paste(text) if !self.full() => text.chars().for_each(|character| self.insert(character)),
            Cmd::Backspace => self.backspace(),
            Cmd::Delete => self.delete(),
            Cmd::CutLine => {
                if last == 0 {
                    self.line().clear();
                } else {
                    self.lines.remove(self.row);
                    self.row = self.row.min(self.lines.len() - 1);
                }
                self.column = 0;
                self.changed = true;
            }
            Cmd::Up => self.row = self.row.saturating_sub(1),
            Cmd::Down => self.row = (self.row + 1).min(last),
            Cmd::PageUp => self.row = self.row.saturating_sub(page),
            Cmd::PageDown => self.row = (self.row + page).min(last),
            Cmd::Left => self.column = self.column.min(self.length()).saturating_sub(1),
            Cmd::Right => self.column = (self.column + 1).min(self.length()),
            Cmd::First => self.column = 0,
            Cmd::Last => self.column = self.length(),
            Cmd::Done => return Outcome::Written(self.text()),
            Cmd::Back if self.changed => {
                return Outcome::Over(Dialog::Confirm(Confirm::new(
                    both(|words| words.leave_editor_title().to_owned()),
                    vec![both(|words| words.leave_editor_body().to_owned())],
                    both(|words| words.leave_editor_no().to_owned()),
                    both(|words| words.leave_editor_yes().to_owned()),
                    Intent::LeaveEditor,
                    Why::Not,
                )));
            }
            Cmd::Back => return Outcome::Close,
            _ => {}
        }
        Outcome::Stay
    }

    fn backspace(&mut self) {
        self.column = self.column.min(self.length());
        if self.column > 0 {
            self.column -= 1;
            let place = self.place();
            self.line().remove(place);
            self.changed = true;
        } else if self.row > 0 {
            let rest = self.lines.remove(self.row);
            self.row -= 1;
            self.column = self.length();
            self.line().push_str(&rest);
            self.changed = true;
        }
    }

    fn delete(&mut self) {
        self.column = self.column.min(self.length());
        if self.column < self.length() {
            let place = self.place();
            self.line().remove(place);
            self.changed = true;
        } else if self.row + 1 < self.lines.len() {
            let rest = self.lines.remove(self.row + 1);
            self.line().push_str(&rest);
            self.changed = true;
        }
    }

    pub(super) fn draw(&self, state: &State, canvas: &mut Canvas) {
        let words = state.words();
        let title = words.editor_title(self.row + 1, self.lines.len());
        canvas.text(1, 0, Role::Heading, &title);
        let (width, height) = (canvas.width(), canvas.height());
        let mut part = canvas.part(0, 2, width, height.saturating_sub(2));
        let room = usize::from(part.height());
        let column = self.column.min(self.length());
        // The cursor keeps a row and some columns of text around it.
        let top = (self.row + 1).saturating_sub(room.saturating_sub(1).max(1));
        let columns = usize::from(part.width()).max(1);
        let left = if column + 1 < columns {
            0
        } else {
            column + 1 - columns + 8
        };
        for (y, line) in (0u16..).zip(self.lines.iter().skip(top).take(room)) {
            // One column a character, so that the cursor stands where the text is changed.
            let shown: String = line
                .chars()
                .skip(left)
                .map(|c| if c == '\t' { ' ' } else { c })
                .collect();
            part.text(0, y, Role::Plain, &shown);
        }
        let before: String = self.lines[self.row]
            .chars()
            .skip(left)
            .take(column - left.min(column))
            .collect();
        let x = part.columns(&before);
        part.cursor(x, u16::try_from(self.row - top.min(self.row)).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(editor: &mut Editor, text: &str) {
        for character in text.chars() {
            editor.command(&Cmd::Insert(character), 10);
        }
    }

    #[test]
    fn what_is_typed_is_what_comes_out() {
        let mut editor = Editor::new("");
        write(&mut editor, "a = 1\nblå = 2");
        assert_eq!(editor.text(), "a = 1\nblå = 2\n");
    }

    #[test]
    fn lines_are_joined_and_cut() {
        let mut editor = Editor::new("en\nto\ntre\n");
        editor.command(&Cmd::Down, 10);
        editor.command(&Cmd::Backspace, 10);
        assert_eq!(editor.text(), "ento\ntre\n");
        editor.command(&Cmd::CutLine, 10);
        assert_eq!(editor.text(), "tre\n");
        editor.command(&Cmd::Last, 10);
        editor.command(&Cmd::Delete, 10);
        assert_eq!(editor.text(), "tre\n");
    }

    fn commands() -> impl Strategy<Value = Cmd> {
        prop_oneof![
            any::<char>().prop_map(Cmd::Insert),
            Just(Cmd::Insert('\n')),
            ".{0,5}".prop_map(Cmd::Paste),
            Just(Cmd::Backspace),
            Just(Cmd::Delete),
            Just(Cmd::CutLine),
            Just(Cmd::Up),
            Just(Cmd::Down),
            Just(Cmd::Left),
            Just(Cmd::Right),
            Just(Cmd::First),
            Just(Cmd::Last),
            Just(Cmd::PageUp),
            Just(Cmd::PageDown),
        ]
    }

    proptest! {
        #[test]
        fn typing_then_taking_back_changes_nothing(
            start in "([a-zæ]{0,4}\n){0,4}",
            moves in proptest::collection::vec(commands(), 0..30),
            text in "[a-zå\n]{0,8}",
        ) {
            let mut editor = Editor::new(&start);
            for cmd in &moves {
                editor.command(cmd, 3);
            }
            let before = editor.text();
            write(&mut editor, &text);
            for _ in text.chars() {
                editor.command(&Cmd::Backspace, 3);
            }
            prop_assert_eq!(editor.text(), before);
        }
    }
}

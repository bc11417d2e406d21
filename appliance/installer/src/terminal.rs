//! The operator's line: text out, lines in. No escapes, no size: any terminal will do, and a program can answer too.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use rustix::termios::{InputModes, LocalModes, OptionalActions, OutputModes, tcgetattr, tcsetattr};
use varde_site::{Language, Text};

use crate::{Error, Result};

/// Longer than any answer.
const LONGEST: u64 = 1024;
/// Columns of the narrowest terminal; the last one makes some of them begin a line of their own.
const WIDTH: usize = 79;
/// Columns that an answer has beside its question.
const ANSWER: usize = 16;

pub struct Terminal {
    place: PathBuf,
    input: Box<dyn BufRead + Send>,
    output: Box<dyn Write + Send>,
    /// The line itself, where it is one.
    device: Option<File>,
    pub language: Language,
}

impl Terminal {
    pub fn open(place: &Path) -> Result<Self> {
        let open = || File::options().read(true).write(true).open(place);
        let input = open().map_err(Error::io("open", place))?;
        let output = open().map_err(Error::io("open", place))?;
        let device = open().map_err(Error::io("open", place))?;
        let terminal = Self {
            place: place.to_owned(),
            input: Box::new(BufReader::new(input)),
            output: Box::new(output),
            device: Some(device),
            language: Language::default(),
        };
        terminal.set(true)?;
        Ok(terminal)
    }

    /// One that is no line: `input` is what somebody types.
    pub fn of(input: impl BufRead + Send + 'static, output: impl Write + Send + 'static) -> Self {
        Self {
            place: PathBuf::new(),
            input: Box::new(input),
            output: Box::new(output),
            device: None,
            language: Language::default(),
        }
    }

    /// The line as people expect it; its speed is left as it is.
    fn set(&self, shown: bool) -> Result<()> {
        let Some(device) = &self.device else {
            return Ok(());
        };
        let wrong = |error: rustix::io::Errno| Error::io("set up", &self.place)(error.into());
        let mut modes = tcgetattr(device).map_err(wrong)?;
        modes.input_modes |= InputModes::ICRNL | InputModes::IUTF8;
        modes.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
        modes.local_modes |= LocalModes::ICANON | LocalModes::ECHOE;
        modes.local_modes.set(LocalModes::ECHO, shown);
        modes.local_modes.set(LocalModes::ECHONL, !shown);
        tcsetattr(device, OptionalActions::Drain, &modes).map_err(wrong)
    }

    pub fn say(&mut self, text: &Text) -> Result<()> {
        let text = wrapped(text.get(self.language), WIDTH);
        self.write(&format!("{text}\n"))
    }

    pub fn write(&mut self, text: &str) -> Result<()> {
        self.output
            .write_all(text.as_bytes())
            .and_then(|()| self.output.flush())
            .map_err(Error::io("write to", &self.place))
    }

    /// Asks, and gives what was typed, or what stands in brackets where nothing was.
    pub fn ask(&mut self, question: &Text, usual: &str) -> Result<String> {
        let question = question.get(self.language);
        let prompt = if usual.is_empty() {
            format!("{question}: ")
        } else {
            format!("{question} [{usual}]: ")
        };
        self.write(&wrapped(&prompt, WIDTH - ANSWER))?;
        let answer = self.line()?;
        Ok(if answer.is_empty() {
            usual.to_owned()
        } else {
            answer
        })
    }

    /// Asks for what must not be seen.
    pub fn secret(&mut self, question: &Text) -> Result<String> {
        let prompt = format!("{}: ", question.get(self.language));
        // Before the question: what is typed at once must not be seen either.
        self.set(false)?;
        let asked = self.write(&wrapped(&prompt, WIDTH - ANSWER));
        let answer = asked.and_then(|()| self.line());
        self.set(true)?;
        answer
    }

    fn line(&mut self) -> Result<String> {
        let wrong = |error| Error::io("read from", &self.place)(error);
        let mut bytes = Vec::new();
        let mut source = io::Read::take(&mut self.input, LONGEST);
        let count = source.read_until(b'\n', &mut bytes).map_err(wrong)?;
        if count == 0 {
            return Err(wrong(io::ErrorKind::UnexpectedEof.into()));
        }
        let text = String::from_utf8_lossy(&bytes);
        // Keys of the cursor and the like are no part of an answer.
        Ok(text
            .chars()
            .filter(|letter| !letter.is_control())
            .collect::<String>()
            .trim()
            .to_owned())
    }
}

/// Lines of so many characters at most, cut between words; what is carried over stands as far in as its line began.
fn wrapped(text: &str, width: usize) -> String {
    let line = |line: &str| {
        let inset: String = line.chars().take_while(|letter| *letter == ' ').collect();
        let mut lines = vec![String::new()];
        let mut length = 0;
        for word in line.split_inclusive(' ') {
            let letters = word.trim_end().chars().count();
            if length + letters > width && length > inset.len() {
                lines.push(inset.clone());
                length = inset.len();
            }
            lines.last_mut().unwrap_or(&mut String::new()).push_str(word);
            length += word.chars().count();
        }
        lines.join("\n")
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_cut_between_words_and_carried_over_below_their_beginning() {
        assert_eq!(wrapped("", 10), "");
        assert_eq!(wrapped("kort: ", 10), "kort: ");
        assert_eq!(wrapped("en to tre fire", 10), "en to tre \nfire");
        assert_eq!(wrapped("  en to tre fire", 10), "  en to \n  tre fire");
        assert_eq!(wrapped("a\n\nb", 10), "a\n\nb");
        assert_eq!(wrapped("etlangtordutenende", 10), "etlangtordutenende");
    }

    proptest! {
        #[test]
        fn no_line_is_longer_than_its_words_force_it_to_be(text in "( {1,4}[a-zæøå]{1,9}){0,20}", width in 14_usize..40) {
            let lines = wrapped(&text, width);
            prop_assert!(lines.lines().all(|line| line.trim_end().chars().count() <= width), "{lines}");
            let words = |text: &str| text.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&lines), words(&text));
        }
    }
}

//! A step that takes long: its output goes to a file, its progress to the terminal, its last words into the error.

use std::fs::{self, File};
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::place;

/// How many of the last lines of a failed step are shown.
const TAIL: usize = 25;

/// Runs `command`; `remedy` says what to do if it fails.
pub fn run(title: &str, command: &mut Command, remedy: &'static str) -> Result<()> {
    let name: String = title
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let log = place::output().join("log").join(format!("{name}.log"));
    place::make(log.parent().unwrap_or(Path::new(".")))?;
    let file = File::create(&log).map_err(Error::io("cannot write", &log))?;
    let other = file.try_clone().map_err(Error::io("cannot write", &log))?;
    command.stdin(Stdio::null()).stdout(file).stderr(other);

    let started = Instant::now();
    let mut progress = Progress::new(title, &log);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|source| Error::Start {
        program,
        source,
        remedy,
    })?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(Error::io("cannot wait for", title))? {
            break status;
        }
        thread::sleep(Duration::from_millis(100));
        progress.show(started.elapsed());
    };
    progress.end(started.elapsed(), status.success());
    if status.success() {
        return Ok(());
    }
    Err(Error::Step {
        step: title.to_owned(),
        status,
        tail: tail(&log, TAIL),
        log,
        remedy,
    })
}

/// The last `lines` lines of a file, without terminal sequences.
fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut last: Vec<_> = text
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(lines)
        .map(plain)
        .collect();
    last.reverse();
    last.join("\n")
}

/// A line without colours, and of a line that was painted over the last state.
fn plain(line: &str) -> String {
    let line = line.trim_end().rsplit('\r').next().unwrap_or_default();
    let mut plain = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else if !c.is_control() {
            plain.push(c);
        }
    }
    plain
}

struct Progress<'a> {
    title: &'a str,
    log: &'a Path,
    live: bool,
    shown: Duration,
}

impl<'a> Progress<'a> {
    fn new(title: &'a str, log: &'a Path) -> Self {
        let live = std::io::stderr().is_terminal();
        if !live {
            eprintln!("{title} …");
        }
        Self {
            title,
            log,
            live,
            shown: Duration::ZERO,
        }
    }

    /// On a terminal one line that moves; else a line now and then, so that nobody takes a long step for a dead one.
    fn show(&mut self, elapsed: Duration) {
        let every = if self.live {
            Duration::from_millis(500)
        } else {
            Duration::from_secs(30)
        };
        if elapsed < self.shown + every {
            return;
        }
        self.shown = elapsed;
        let last: String = tail(self.log, 1)
            .chars()
            .take(90 - self.title.chars().count().min(60))
            .collect();
        if self.live {
            let mut stderr = std::io::stderr();
            // A terminal that cannot be written to loses its progress, nothing else.
            let _ = write!(stderr, "\r\x1b[K{} … {} s  {last}", self.title, elapsed.as_secs());
            let _ = stderr.flush();
        } else {
            eprintln!("{} … {} s  {last}", self.title, elapsed.as_secs());
        }
    }

    fn end(&self, elapsed: Duration, success: bool) {
        let start = if self.live { "\r\x1b[K" } else { "" };
        let word = if success { "done" } else { "failed" };
        eprintln!("{start}{}: {word}, {} s", self.title, elapsed.as_secs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_painted_line_is_read_as_it_ended() {
        assert_eq!(plain("10 %\r50 %\r\x1b[1;32m100 %\x1b[0m\r"), "100 %");
    }
}

//! Golden screens: what a page looks like, kept as files that people read in a review.
//!
//! What differs from run to run (the clock, hashes) is masked by signs of the same width, so that the layout still
//! counts. A mask that begins at the frame masks a whole row. `VARDE_GOLDEN=update` writes the files anew; the version control's diff is then the review.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex_lite::Regex;

use crate::dialogue::patient;
use crate::error::{Context, Error, Result};
use crate::line::Line;
use crate::screen::Screen;

/// Patterns of what differs from run to run on every page.
const EVERYWHERE: [&str; 4] = [
    // dates and times, as both languages write them
    r"\d{4}-\d\d-\d\d",
    r"\d{1,2}\.\d{1,2}\.\d{4}",
    r"\d\d:\d\d(:\d\d)?",
    // SHA-256, whole or shortened
    r"\b[0-9a-f]{8,64}\b",
];

/// How long a screen must stand still before it is written as golden.
const STILL: Duration = Duration::from_secs(3);
const BOUND: Duration = Duration::from_secs(40);

/// The golden screens of a folder.
pub struct Golden {
    dir: PathBuf,
    masks: Vec<Regex>,
    update: bool,
}

impl Golden {
    /// Golden screens in `qemu-tests/golden/`, with more masks than those that every page needs.
    pub fn new(masks: &[&str]) -> Result<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
        let update = std::env::var("VARDE_GOLDEN").is_ok_and(|value| value == "update");
        Self::in_dir(dir, masks, update)
    }

    fn in_dir(dir: PathBuf, masks: &[&str], update: bool) -> Result<Self> {
        let compile = |pattern: &&str| {
            Regex::new(pattern).map_err(|error| Error::Pattern {
                pattern: (*pattern).to_owned(),
                why: error.to_string(),
            })
        };
        let masks = EVERYWHERE
            .iter()
            .chain(masks)
            .map(compile)
            .collect::<Result<_>>()?;
        Ok(Self { dir, masks, update })
    }

    /// Waits until the screen looks like the golden one of this name; the error shows both.
    pub fn check(&self, line: &Line, name: &str) -> Result<()> {
        let file = self.dir.join(format!("{name}.txt"));
        if self.update {
            line.quiet(STILL, patient(BOUND));
            std::fs::create_dir_all(&self.dir).on("create", &self.dir)?;
            return std::fs::write(&file, self.normal(&line.screen())).on("write", &file);
        }
        let golden = std::fs::read_to_string(&file).on("read the golden screen", &file)?;
        line.wait(patient(BOUND), |view| (self.normal(&view.screen()) == golden).then_some(()))
            .map_err(|unmet| {
                Error::Golden(format!(
                    "{name} does not look like {} (- golden, + now):\n{}\nIf it is meant, run again with VARDE_GOLDEN=update.",
                    file.display(),
                    differences(&golden, &self.normal(&unmet.screen))
                ))
            })
    }

    /// The screen with its frame, masked, and below it what is shown in reverse.
    fn normal(&self, screen: &Screen) -> String {
        let mut text = screen.framed();
        for mask in &self.masks {
            text = mask
                .replace_all(&text, |found: &regex_lite::Captures<'_>| {
                    if found[0].starts_with('|') {
                        return "| ~".to_owned();
                    }
                    found[0]
                        .chars()
                        .map(|char| if char.is_alphanumeric() { '#' } else { char })
                        .collect::<String>()
                })
                .into_owned();
        }
        text.push('\n');
        for run in screen.reversed() {
            let mut run = format!("reverse: {run}");
            for mask in &self.masks {
                run = mask.replace_all(&run, "#").into_owned();
            }
            text.push_str(&run);
            text.push('\n');
        }
        text
    }
}

/// Lines that differ, in the order of the screen: lines do not move on a screen, so place decides.
fn differences(golden: &str, now: &str) -> String {
    let (golden, now): (Vec<_>, Vec<_>) = (golden.lines().collect(), now.lines().collect());
    let mut out = String::new();
    for place in 0..golden.len().max(now.len()) {
        let (before, after) = (golden.get(place), now.get(place));
        if before == after {
            // A String never refuses a write.
            let _ = writeln!(out, "  {}", before.unwrap_or(&""));
            continue;
        }
        for (sign, line) in [('-', before), ('+', after)] {
            if let Some(line) = line {
                let _ = writeln!(out, "{sign} {line}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn showing(text: &str) -> (UnixStream, Line) {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(text.as_bytes()).unwrap();
        (far, Line::new(near, None).unwrap())
    }

    fn shown(golden: &Golden, text: &str) -> String {
        let (_far, line) = showing(text);
        let bound = Duration::from_secs(5);
        line.wait(bound, |view| (view.heard() == text.len()).then_some(()))
            .ok()
            .unwrap();
        golden.normal(&line.screen())
    }

    #[test]
    fn the_clock_and_hashes_do_not_make_a_difference_but_their_place_does() {
        let dir = tempfile::tempdir().unwrap();
        let golden = Golden::in_dir(dir.path().to_owned(), &[], false).unwrap();
        let noon = shown(&golden, "kl. 12:00:00 i dag 22.11.2026 9f86d081884c7d65");
        assert_eq!(
            noon,
            shown(&golden, "kl. 23:59:58 i dag 02.01.2027 a3f0c1deadbeef00")
        );
        assert_ne!(
            noon,
            shown(&golden, "kl.  12:00:00 i dag 22.11.2026 9f86d081884c7d65")
        );
        assert_ne!(
            noon,
            shown(&golden, "kl. 12:00:00 i går 22.11.2026 9f86d081884c7d65")
        );
    }

    #[test]
    fn a_selection_is_part_of_the_screen() {
        let dir = tempfile::tempdir().unwrap();
        let golden = Golden::in_dir(dir.path().to_owned(), &[], false).unwrap();
        let first = shown(&golden, "\x1b[7mmaskiner\x1b[m logg");
        assert_ne!(first, shown(&golden, "maskiner \x1b[7mlogg\x1b[m"));
        assert!(first.ends_with("reverse: maskiner\n"), "{first}");
    }

    #[test]
    fn a_difference_shows_the_line_as_it_was_and_as_it_is() {
        let out = differences("+--+\n|ab|\n+--+", "+--+\n|ac|\n+--+");
        assert_eq!(out, "  +--+\n- |ab|\n+ |ac|\n  +--+\n");
    }
}

//! What a scenario says to the appliance and what it waits for, as data.
//!
//! A wait has a bound, which says when to give up and report; nothing ever sleeps for it. Bounds are meant for a
//! machine without hardware virtualisation and grow with `VARDE_TEST_PATIENCE`.

use std::time::Duration;

use regex_lite::Regex;

use crate::error::{Error, Mismatch, Result};
use crate::line::{Line, View};

/// One step of a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Until this text stands on the screen.
    WaitFor(&'a str),
    /// Until a line of the screen matches this regular expression.
    WaitForMatch(&'a str),
    /// Until this came over the line since something was last sent, escapes and all.
    WaitForRaw(&'a str),
    /// Until this text no longer stands on the screen.
    WaitGone(&'a str),
    /// Until this text is shown in reverse, as a selection is.
    WaitSelected(&'a str),
    /// Types these keys.
    Send(&'a str),
    /// The bound of the steps that follow, in seconds.
    Within(u64),
}

/// What a step has when nothing else is said: a login on a restored machine took 13 s.
const BOUND: Duration = Duration::from_mins(1);

/// A bound as it is on this machine.
pub fn patient(bound: Duration) -> Duration {
    let factor = std::env::var("VARDE_TEST_PATIENCE")
        .ok()
        .and_then(|factor| factor.parse::<f64>().ok())
        .filter(|factor| factor.is_finite() && *factor > 0.0)
        .unwrap_or(1.0);
    bound.mul_f64(factor)
}

impl Line {
    /// Goes through the steps, each within its bound.
    pub fn dialogue(&self, steps: &[Step<'_>]) -> Result<()> {
        let mut bound = BOUND;
        for (at, step) in steps.iter().enumerate() {
            match *step {
                Step::Within(seconds) => bound = Duration::from_secs(seconds),
                Step::Send(keys) => self.send(keys)?,
                waits => {
                    let met = condition(waits)?;
                    let bound = patient(bound);
                    self.wait(bound, |view| met(view).then_some(()))
                        .map_err(|unmet| {
                            Error::Dialogue(Box::new(Mismatch {
                                place: (at + 1, steps.len()),
                                step: format!("{step:?}"),
                                bound,
                                closed: unmet.closed,
                                screen: unmet.screen.framed(),
                                recent: unmet.recent,
                            }))
                        })?;
                }
            }
        }
        Ok(())
    }
}

type Condition<'a> = Box<dyn Fn(&View<'_>) -> bool + 'a>;

fn condition(step: Step<'_>) -> Result<Condition<'_>> {
    Ok(match step {
        // A blank at the end of a line cannot be told from none.
        Step::WaitFor(text) => Box::new(move |view| view.screen().contains(text.trim_end())),
        Step::WaitGone(text) => Box::new(move |view| !view.screen().contains(text.trim_end())),
        Step::WaitSelected(text) => {
            Box::new(move |view| view.screen().reversed().iter().any(|run| run.contains(text)))
        }
        Step::WaitForRaw(text) => Box::new(move |view| {
            view.since_sent()
                .windows(text.len().max(1))
                .any(|window| window == text.as_bytes())
        }),
        Step::WaitForMatch(pattern) => {
            let regex = Regex::new(pattern).map_err(|error| Error::Pattern {
                pattern: pattern.to_owned(),
                why: error.to_string(),
            })?;
            Box::new(move |view| view.screen().lines().iter().any(|line| regex.is_match(line)))
        }
        Step::Send(_) | Step::Within(_) => Box::new(|_| true),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::Step::{Send, WaitFor, WaitForMatch, WaitForRaw, WaitGone, WaitSelected, Within};
    use super::*;

    /// A login as agetty and a console would do it, with letters of two bytes and a repaint.
    fn appliance(mut stream: UnixStream) {
        let mut said = [0; 64];
        stream
            .write_all("Varde ttyS0\r\n\r\nvarde login: ".as_bytes())
            .unwrap();
        let count = stream.read(&mut said).unwrap();
        assert_eq!(&said[..count], b"operator\r");
        stream.write_all(b"operator\r\nPassord: ").unwrap();
        let count = stream.read(&mut said).unwrap();
        assert_eq!(&said[..count], "blåbær\r".as_bytes());
        stream
            .write_all("\x1b[2J\x1b[HØverst\x1b[2;1H\x1b[7mMaskiner\x1b[m\x1b[24;1H12:30".as_bytes())
            .unwrap();
        let count = stream.read(&mut said).unwrap();
        assert_eq!(&said[..count], b"\x1b[B");
        stream
            .write_all(b"\x1b[2;1HMaskiner\x1b[3;1H\x1b[7mLogg\x1b[m\x07")
            .unwrap();
    }

    fn with_appliance(far: impl FnOnce(UnixStream) + std::marker::Send + 'static) -> Line {
        let (near, other) = UnixStream::pair().unwrap();
        std::thread::spawn(move || far(other));
        Line::new(near, None).unwrap()
    }

    #[test]
    fn a_login_is_a_dialogue() {
        let line = with_appliance(appliance);
        line.dialogue(&[
            Within(5),
            WaitFor("login: "),
            Send("operator<enter>"),
            WaitFor("Passord: "),
            Send("blåbær<enter>"),
            WaitFor("Øverst"),
            WaitGone("login:"),
            WaitForMatch(r"^\d\d:\d\d$"),
            WaitSelected("Maskiner"),
            Send("<down>"),
            WaitSelected("Logg"),
            WaitForRaw("\x07"),
        ])
        .unwrap();
        assert_eq!(line.screen().reversed(), ["Logg"]);
    }

    #[test]
    fn a_step_that_fails_says_which_and_shows_the_screen() {
        let line = with_appliance(|mut stream| {
            stream.write_all(b"Login incorrect\r\n").unwrap();
            // Holds the line open until the other end is gone.
            let _ = stream.read(&mut [0; 8]);
        });
        line.dialogue(&[WaitFor("incorrect")]).unwrap();
        let failure = line
            .dialogue(&[Send("x"), Within(0), WaitFor("Velkommen")])
            .unwrap_err()
            .to_string();
        for part in [
            "step 3 of 3, WaitFor(\"Velkommen\")",
            "|Login incorrect ",
            "Login incorrect\\r",
        ] {
            assert!(failure.contains(part), "{failure}");
        }
    }

    #[test]
    fn a_closed_line_ends_a_wait_at_once_and_is_named() {
        let line = with_appliance(drop);
        let failure = line.dialogue(&[WaitFor("login: ")]).unwrap_err().to_string();
        assert!(failure.contains("the line was closed"), "{failure}");
    }

    #[test]
    fn what_stood_there_before_a_key_is_not_taken_for_its_answer_on_the_raw_line() {
        let line = with_appliance(|mut stream| {
            stream.write_all(b"ok").unwrap();
            let _ = stream.read(&mut [0; 8]);
        });
        line.dialogue(&[WaitForRaw("ok")]).unwrap();
        assert!(line.dialogue(&[Send("x"), Within(0), WaitForRaw("ok")]).is_err());
    }

    #[test]
    fn at_9600_baud_both_directions_still_carry_everything() {
        let line = with_appliance(|mut stream| {
            let mut said = vec![0; 300];
            stream.read_exact(&mut said).unwrap();
            stream.write_all(&said).unwrap();
            stream.write_all(b"END").unwrap();
            let _ = stream.read(&mut [0; 8]);
        });
        line.set_baud(9600);
        line.send(&"a".repeat(300)).unwrap();
        line.dialogue(&[WaitForRaw("END")]).unwrap();
        assert_eq!(line.heard(), 303);
    }
}

//! The debug shell on the appliance's second serial line: evidence and faults, never what an operator does.
//!
//! The line carries the output of one command at a time, framed by record separators, so that no output can be taken
//! for the end of it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::dialogue::patient;
use crate::error::{Error, Result};
use crate::line::Line;

/// A root shell in the appliance.
pub struct Shell {
    line: Line,
    next: Cell<u64>,
}

/// How a command in the appliance ended, and what it said on both outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub code: i32,
    pub text: String,
}

/// What a command has when nothing else is said.
const BOUND: Duration = Duration::from_secs(90);
/// How long a shell that may not be there yet has to answer before it is called again: what is sent before it opens the
/// line is lost. Each call has twice as long as the one before it.
const FIRST_CALL: Duration = Duration::from_secs(1);

/// No prompt, no echo, no line editing (a line of more than 4,095 bytes would be cut), output as it is. All on one line:
/// a shell that becomes another one may take with it what it has read ahead.
fn set_up(call: u32) -> String {
    format!(
        "exec sh -c 'stty -echo -icanon -opost min 1; printf \"\\036HERE {call}\\036\"; PS1= PS2= exec sh'\n"
    )
}

impl Shell {
    pub fn new(line: Line) -> Self {
        Self {
            line,
            next: Cell::new(0),
        }
    }

    /// Waits until a shell answers, and makes it one that programs can talk to.
    pub fn set_up(&self, bound: Duration) -> Result<()> {
        let bound = patient(bound);
        let end = Instant::now() + bound;
        let mut call = 0;
        loop {
            self.line.send_bytes(set_up(call).into_bytes());
            let here = format!("\x1eHERE {call}\x1e");
            let heard = self.line.wait(FIRST_CALL * (1 << call.min(3)), |view| {
                find(view.since_sent(), here.as_bytes())
            });
            match heard {
                Ok(_) => return Ok(()),
                Err(unmet) if unmet.closed || Instant::now() >= end => {
                    return Err(Error::Shell {
                        command: "set-up".to_owned(),
                        bound,
                        said: unmet.recent,
                    });
                }
                Err(_) => call += 1,
            }
        }
    }

    /// Runs a command and gives how it ended.
    pub fn run(&self, command: &str) -> Result<Output> {
        self.run_within(command, BOUND)
    }

    pub fn run_within(&self, command: &str, bound: Duration) -> Result<Output> {
        let id = self.start(command);
        let bound = patient(bound);
        let end = format!("\x1eEND {id} ").into_bytes();
        let begin = format!("\x1eBEGIN {id}\x1e").into_bytes();
        self.line
            .wait(bound, |view| {
                let said = view.since_sent();
                let begin = find(said, &begin)? + begin.len();
                let stop = begin + find(&said[begin..], &end)?;
                let code = &said[stop + end.len()..];
                let code = &code[..find(code, b"\x1e")?];
                Some(Output {
                    code: std::str::from_utf8(code).ok()?.parse().ok()?,
                    text: String::from_utf8_lossy(&said[begin..stop]).into_owned(),
                })
            })
            .map_err(|unmet| Error::Shell {
                command: command.to_owned(),
                bound,
                said: unmet.recent,
            })
    }

    /// Starts a command and does not wait for it: for one that the power cut will not let end.
    pub fn start(&self, command: &str) -> u64 {
        let id = self.next.get() + 1;
        self.next.set(id);
        let framed = format!(
            "printf '\\036BEGIN {id}\\036'; (\n{command}\n) </dev/null 2>&1; printf '\\036END {id} %d\\036' $?\n"
        );
        self.line.send_bytes(framed.into_bytes());
        id
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A word that the shell takes as it stands.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use super::*;

    /// A real `sh` at the other end of the line; it has no terminal, which the set-up must bear.
    fn shell() -> Shell {
        let (near, far) = UnixStream::pair().unwrap();
        let output = std::os::fd::OwnedFd::from(far.try_clone().unwrap());
        let mut child = Command::new("sh")
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(far)))
            .stdout(Stdio::from(output.try_clone().unwrap()))
            .stderr(Stdio::from(output))
            .spawn()
            .unwrap();
        std::thread::spawn(move || child.wait());
        let shell = Shell::new(Line::new(near, None).unwrap());
        shell.set_up(Duration::from_secs(10)).unwrap();
        shell
    }

    #[test]
    fn a_command_gives_its_output_and_its_exit_code() {
        let shell = shell();
        let output = shell.run("echo blåbær; echo feil >&2; exit 3").unwrap();
        assert_eq!((output.code, output.text.as_str()), (3, "blåbær\nfeil\n"));
        assert_eq!(shell.run("true").unwrap().code, 0);
    }

    #[test]
    fn a_command_may_have_several_lines_and_a_here_document() {
        let text = "linje 1\nlinje «2» 'x' $HOME\n";
        let output = shell().run(&format!("cat <<'EOF'\n{text}EOF")).unwrap();
        assert_eq!(output.text, text);
    }

    #[test]
    fn a_command_that_does_not_end_is_named_with_what_it_said() {
        let error = shell()
            .run_within("echo begun; sleep 20", Duration::from_millis(300))
            .unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("echo begun") && error.contains("\nbegun") || error.contains("begun\n"),
            "{error}"
        );
    }

    #[test]
    fn a_quoted_word_is_one_word() {
        let word = "it's $(x) \"y\"";
        let output = shell().run(&format!("printf %s {}", quoted(word))).unwrap();
        assert_eq!(output.text, word);
    }
}

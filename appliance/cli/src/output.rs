//! How an answer is printed: lines for people, or JSON. A reader that goes away early is no error.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;
use varde_bus::{Done, Language, Text};

use crate::error::Error;

#[derive(Clone)]
pub struct Output {
    pub json: bool,
    pub language: Language,
}

impl Output {
    /// Prints `value` as JSON, or the lines that `people` makes.
    pub fn answer<T: Serialize>(&self, value: &T, people: impl FnOnce(&Self) -> String) -> Result<(), Error> {
        if self.json {
            let text = serde_json::to_string_pretty(value)
                .map_err(|error| Error::io("write", "the answer as JSON", error))?;
            print(io::stdout(), format!("{text}\n").as_bytes())
        } else {
            print(io::stdout(), harmless(&people(self)).as_bytes())
        }
    }

    /// Prints a sentence about something that was looked at or done.
    pub fn said(&self, text: &Text) -> Result<(), Error> {
        self.answer(&json!({ "done": text }), |output| {
            format!("{}\n", output.text(text))
        })
    }

    /// Prints what came of an action.
    pub fn done(&self, done: &Done) -> Result<(), Error> {
        let mut answer = json!({ "done": done.text });
        if let Some(generation) = done.generation {
            answer["generation"] = generation.into();
        }
        if !done.calls.is_empty() {
            answer["calls"] = done.calls.clone().into();
        }
        self.answer(&answer, |output| format!("{}\n", output.text(&done.text)))
    }

    pub fn text<'a>(&self, text: &'a Text) -> &'a str {
        text.get(self.language)
    }

    /// One of two words, by language.
    pub fn word(&self, nb: &'static str, en: &'static str) -> &'static str {
        match self.language {
            Language::Nb => nb,
            Language::En => en,
        }
    }

    /// Prints why it failed, on standard error, and gives the exit code.
    pub fn failed(&self, error: &Error) -> ExitCode {
        let text = if self.json {
            format!("{:#}\n", failure_as_json(error))
        } else {
            harmless(&self.failure(error))
        };
        // There is nobody left to tell when even this fails.
        print(io::stderr(), text.as_bytes()).ok();
        ExitCode::from(1)
    }

    fn failure(&self, error: &Error) -> String {
        match error {
            Error::Service(failure) => format!("varde: {}\n", self.text(&failure.text)),
            Error::Findings { file, findings } => findings
                .iter()
                .map(|finding| {
                    let (text, remedy) = (self.text(&finding.text), self.text(&finding.remedy));
                    format!(
                        "{file}:{}:{}: {text}\n    {remedy}\n",
                        finding.line, finding.column
                    )
                })
                .collect(),
            Error::Chain(faults) => faults
                .iter()
                .map(|fault| format!("varde: {}\n", self.text(fault)))
                .collect(),
        }
    }
}

fn failure_as_json(error: &Error) -> serde_json::Value {
    match error {
        Error::Service(failure) => json!({ "error": failure }),
        Error::Findings { file, findings } => {
            json!({ "error": { "kind": "invalid", "file": file, "findings": findings } })
        }
        Error::Chain(faults) => json!({ "error": { "kind": "failed", "faults": faults } }),
    }
}

/// Tells of wrong usage, or gives the help that was asked for, and the exit code. There is no parsed command line to ask
/// whether JSON is wanted, so its words are looked at.
pub fn usage(error: &clap::Error) -> ExitCode {
    let wrong = error.use_stderr();
    let text = if wrong && std::env::args_os().any(|word| word == "--json") {
        let text = error.render().to_string();
        format!(
            "{:#}\n",
            json!({ "error": { "kind": "usage", "text": Text::same(text.trim_end()) } })
        )
    } else {
        error.render().to_string()
    };
    let printed = if wrong {
        print(io::stderr(), text.as_bytes())
    } else {
        print(io::stdout(), text.as_bytes())
    };
    match (wrong, printed) {
        (true, _) => ExitCode::from(2),
        (false, Ok(())) => ExitCode::SUCCESS,
        (false, Err(_)) => ExitCode::from(1),
    }
}

/// Without the characters that would steer a terminal: names, reasons and log lines come from elsewhere.
fn harmless(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '\r')
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Writes it whole, unless its reader has gone away.
pub fn print(mut to: impl Write, bytes: &[u8]) -> Result<(), Error> {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write", "the answer", error))
        }
        _ => Ok(()),
    }
}

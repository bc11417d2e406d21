//! QEMU's machine protocol (QMP), as much of it as a virtual machine's life needs.
//!
//! Bytes become lines ([`Lines`]), lines become [`Incoming`] messages, and [`Client`] matches replies to requests by
//! number. An event that is not known here is passed on as it came; a reply that comes after its request was given up
//! is dropped; a line that is no JSON is skipped. A request without an answer is unknown, never failed: the machine
//! may have done it.

mod client;
mod command;
#[cfg(test)]
mod tests;

pub use client::{Client, DEFAULT_TIMEOUT, connect};
pub use command::{
    BlockCommit, BlockdevAdd, BlockdevDel, Command, Continue, Job, JobCancel, JobComplete, JobDismiss,
    JobFinalize, JobStatus, Node, PowerDown, QueryJobs, QueryNodes, QueryStatus, QueryVnc, Quit, RunState,
    Screen, Shutdown, Status, Stop, Transaction,
};

use serde::Deserialize;
use serde_json::Value;

/// No message of QEMU comes near this; a peer that sends a longer line is not QEMU.
const LONGEST_LINE: usize = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("cannot connect to {socket}: {cause}")]
    Connect { socket: String, cause: String },
    #[error("{command} got no answer within {milliseconds} ms; it may have been done")]
    TimedOut {
        command: &'static str,
        milliseconds: u128,
    },
    #[error("{command} refused: {class}: {description}")]
    Refused {
        command: &'static str,
        class: String,
        description: String,
    },
    #[error("{command}: the connection ended before an answer; it may have been done")]
    Ended { command: &'static str },
    #[error("{command}: answer not understood: {cause}")]
    Answer { command: &'static str, cause: String },
}

/// One message from QEMU.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    Greeting,
    Return {
        id: u64,
        value: Value,
    },
    Refusal {
        id: u64,
        class: String,
        description: String,
    },
    Event(Event),
    /// Nothing that concerns anybody here: no JSON, no known shape, or a reply without our number.
    Other,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    pub data: Value,
}

/// Understands one line; whatever it is, it is something.
pub fn understand(line: &[u8]) -> Incoming {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(rename = "QMP")]
        greeting: Option<Value>,
        // Told apart from an absent one: `null` is a value that a command may return.
        #[serde(rename = "return", default, deserialize_with = "present")]
        value: Option<Value>,
        error: Option<Refusal>,
        event: Option<String>,
        #[serde(default)]
        data: Value,
        #[serde(default)]
        id: Value,
    }
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        class: String,
        #[serde(default, rename = "desc")]
        description: String,
    }
    fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
        Value::deserialize(deserializer).map(Some)
    }

    let Ok(envelope) = serde_json::from_slice::<Envelope>(line) else {
        return Incoming::Other;
    };
    if envelope.greeting.is_some() {
        return Incoming::Greeting;
    }
    if let Some(name) = envelope.event {
        return Incoming::Event(Event {
            name,
            data: envelope.data,
        });
    }
    match (envelope.id.as_u64(), envelope.value, envelope.error) {
        (Some(id), _, Some(error)) => Incoming::Refusal {
            id,
            class: error.class,
            description: error.description,
        },
        (Some(id), Some(value), None) => Incoming::Return { id, value },
        _ => Incoming::Other,
    }
}

/// Cuts a stream of bytes into lines, however the bytes arrive.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Up to here the buffer holds no line end.
    searched: usize,
}

/// A line was longer than any message can be.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Lines {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, without its end; empty lines are left out.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        loop {
            let Some(end) = self.buffer[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            else {
                self.searched = self.buffer.len();
                if self.buffer.len() > LONGEST_LINE {
                    return Err(TooLong);
                }
                if self.buffer.is_empty() {
                    // A thousand idle connections should not hold a thousand buffers.
                    self.buffer = Vec::new();
                }
                return Ok(None);
            };
            let end = self.searched + end;
            let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
            self.searched = 0;
            while line.last().is_some_and(u8::is_ascii_whitespace) {
                line.pop();
            }
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod understanding {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_shape_of_message_is_understood() {
        assert_eq!(
            understand(br#"{"QMP": {"version": {}, "capabilities": []}}"#),
            Incoming::Greeting
        );
        assert_eq!(
            understand(br#"{"return": {}, "id": 7}"#),
            Incoming::Return {
                id: 7,
                value: serde_json::json!({})
            }
        );
        assert_eq!(
            understand(br#"{"id": 3, "error": {"class": "GenericError", "desc": "no"}}"#),
            Incoming::Refusal {
                id: 3,
                class: "GenericError".into(),
                description: "no".into()
            }
        );
        assert_eq!(
            understand(
                br#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "NEWS", "data": {"a": 1}}"#
            ),
            Incoming::Event(Event {
                name: "NEWS".into(),
                data: serde_json::json!({"a": 1})
            })
        );
    }

    #[test]
    fn a_reply_without_our_number_concerns_nobody() {
        for line in [
            &br#"{"return": {}}"#[..],
            br#"{"return": {}, "id": "theirs"}"#,
            b"[1]",
            b"\xff\xfe",
            b"{",
        ] {
            assert_eq!(
                understand(line),
                Incoming::Other,
                "{}",
                String::from_utf8_lossy(line)
            );
        }
    }

    #[test]
    fn a_null_that_is_returned_is_still_a_return() {
        assert_eq!(
            understand(br#"{"return": null, "id": 1}"#),
            Incoming::Return {
                id: 1,
                value: Value::Null
            }
        );
    }

    fn all(lines: &mut Lines) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| lines.take().expect("short lines")).collect()
    }

    proptest! {
        #[test]
        fn any_bytes_are_something(bytes: Vec<u8>) {
            understand(&bytes);
        }

        #[test]
        fn lines_do_not_depend_on_how_the_bytes_arrive(
            text in "[a-z \r\n]{0,200}",
            cuts in proptest::collection::vec(0usize..200, 0..8),
        ) {
            let mut whole = Lines::default();
            whole.push(text.as_bytes());
            let expected = all(&mut whole);

            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut pieces = Lines::default();
            let mut got = Vec::new();
            for pair in cuts.windows(2) {
                pieces.push(&text.as_bytes()[pair[0]..pair[1]]);
                got.extend(all(&mut pieces));
            }
            prop_assert_eq!(got, expected);
        }
    }
}

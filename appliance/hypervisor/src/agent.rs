//! The guest agent (qemu-ga): is the guest's own system up, and will it shut down in good order.
//!
//! The agent's line has no end of session: what an earlier client left unread comes to the next one. So each session
//! begins with `guest-sync-delimited`: the agent answers it with a 0xFF byte and the number sent, and everything
//! before that is somebody else's.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// An agent that says more than this in one answer is none.
const LONGEST_ANSWER: usize = 1 << 20;

/// The delimiter of `guest-sync-delimited`: no byte of UTF-8.
const DELIMITER: u8 = 0xff;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("no answer within {0} ms")]
    TimedOut(u128),
    #[error("the line was closed")]
    Ended,
    #[error("answered something else: {0}")]
    Answer(String),
}

/// How a command in a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// `None`: a signal ended it.
    pub code: Option<i64>,
    /// What it wrote, and after that what it complained of.
    pub said: String,
}

/// A session with the agent of one guest. QEMU lets in one client at a time: keep it short.
#[derive(Debug)]
pub struct Agent {
    stream: UnixStream,
    answers: Answers,
}

impl Agent {
    /// Connects and synchronises, which only an agent that runs can do.
    pub async fn open(socket: &Path, bound: Duration) -> Result<Self, AgentError> {
        let open = async {
            let stream = UnixStream::connect(socket)
                .await
                .map_err(|error| AgentError::Connect(error.to_string()))?;
            let mut agent = Self {
                stream,
                answers: Answers::default(),
            };
            agent.synchronise().await?;
            Ok(agent)
        };
        timeout(bound, open)
            .await
            .unwrap_or(Err(AgentError::TimedOut(bound.as_millis())))
    }

    async fn synchronise(&mut self) -> Result<(), AgentError> {
        let number = u64::from(std::process::id()) << 20
            | std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |now| u64::from(now.subsec_micros()));
        let mut line = vec![DELIMITER];
        line.extend(
            json!({"execute": "guest-sync-delimited", "arguments": {"id": number}})
                .to_string()
                .bytes(),
        );
        line.push(b'\n');
        self.write(&line).await?;
        loop {
            let answer = self.read().await?;
            if answer.delimited && answer.value.get("return").and_then(Value::as_u64) == Some(number) {
                return Ok(());
            }
        }
    }

    /// Answers if the agent does its work.
    pub async fn ping(&mut self, bound: Duration) -> Result<(), AgentError> {
        self.ask("guest-ping", bound).await.map(drop)
    }

    /// Has the guest write down everything, and hold still. Gives how many file systems do.
    pub async fn freeze(&mut self, bound: Duration) -> Result<u64, AgentError> {
        let frozen = self.ask("guest-fsfreeze-freeze", bound).await?;
        Ok(frozen.as_u64().unwrap_or(0))
    }

    /// Lets the guest go on writing.
    pub async fn thaw(&mut self, bound: Duration) -> Result<(), AgentError> {
        self.ask("guest-fsfreeze-thaw", bound).await.map(drop)
    }

    /// Begins `sh -c script` in the guest, as the agent's own account; gives its number there.
    pub async fn begin(&mut self, script: &str, bound: Duration) -> Result<i64, AgentError> {
        let arguments = json!({"path": "/bin/sh", "arg": ["-c", script], "capture-output": true});
        let begun = self.ask_with("guest-exec", Some(arguments), bound).await?;
        let number = begun["pid"].as_i64();
        number.ok_or_else(|| AgentError::Answer(begun.to_string()))
    }

    /// How what was begun has ended; `None` while it runs. It is told once.
    pub async fn ended(&mut self, number: i64, bound: Duration) -> Result<Option<Ran>, AgentError> {
        let arguments = json!({ "pid": number });
        let status = self.ask_with("guest-exec-status", Some(arguments), bound).await?;
        if status["exited"] != true {
            return Ok(None);
        }
        let said = ["out-data", "err-data"].map(|field| {
            let bytes = BASE64.decode(status[field].as_str().unwrap_or_default());
            String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
        });
        Ok(Some(Ran {
            code: status["exitcode"].as_i64(),
            said: said.concat(),
        }))
    }

    async fn ask(&mut self, command: &str, bound: Duration) -> Result<Value, AgentError> {
        self.ask_with(command, None, bound).await
    }

    async fn ask_with(
        &mut self,
        command: &str,
        arguments: Option<Value>,
        bound: Duration,
    ) -> Result<Value, AgentError> {
        let exchange = async {
            let mut question = json!({"execute": command});
            if let Some(arguments) = arguments {
                question["arguments"] = arguments;
            }
            let line = question.to_string() + "\n";
            self.write(line.as_bytes()).await?;
            let answer = self.read().await?.value;
            match answer.get("return") {
                Some(value) => Ok(value.clone()),
                None => Err(AgentError::Answer(answer.to_string())),
            }
        };
        timeout(bound, exchange)
            .await
            .unwrap_or(Err(AgentError::TimedOut(bound.as_millis())))
    }

    /// Asks the guest's system to power off. It gives no answer when it does.
    pub async fn power_off(&mut self, bound: Duration) -> Result<(), AgentError> {
        let line =
            json!({"execute": "guest-shutdown", "arguments": {"mode": "powerdown"}}).to_string() + "\n";
        timeout(bound, self.write(line.as_bytes()))
            .await
            .unwrap_or(Err(AgentError::TimedOut(bound.as_millis())))
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), AgentError> {
        self.stream.write_all(bytes).await.map_err(|_| AgentError::Ended)
    }

    async fn read(&mut self) -> Result<Answer, AgentError> {
        let mut buffer = [0; 1024];
        loop {
            if let Some(answer) = self.answers.take() {
                return Ok(answer);
            }
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return Err(AgentError::Ended),
                Ok(count) => self.answers.push(&buffer[..count]),
            }
        }
    }
}

/// One answer, and whether the delimiter came right before it.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub delimited: bool,
    pub value: Value,
}

/// Cuts what the agent says into answers; what is no JSON is left out.
#[derive(Debug, Default)]
pub struct Answers {
    buffer: Vec<u8>,
}

impl Answers {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub fn take(&mut self) -> Option<Answer> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let delimiter = line.iter().rposition(|byte| *byte == DELIMITER);
            let json = &line[delimiter.map_or(0, |place| place + 1)..];
            if let Ok(value) = serde_json::from_slice(json) {
                return Some(Answer {
                    delimited: delimiter.is_some(),
                    value,
                });
            }
        }
        if self.buffer.len() > LONGEST_ANSWER {
            self.buffer.clear();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncBufReadExt;

    use super::*;

    #[test]
    fn only_what_follows_the_delimiter_is_delimited() {
        let mut answers = Answers::default();
        answers.push(b"{\"return\": {}}\n{\"ret\xff{\"return\": 5}\n");
        let first = answers.take().expect("an answer");
        assert!(!first.delimited);
        let second = answers.take().expect("an answer");
        assert_eq!((second.delimited, second.value), (true, json!({"return": 5})));
        assert_eq!(answers.take(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_and_the_next_answer_is_found(noise: Vec<u8>) {
            let mut answers = Answers::default();
            answers.push(&noise);
            answers.push(b"\n\xff{\"return\": 1}\n");
            let last = std::iter::from_fn(|| answers.take()).last();
            prop_assert_eq!(last, Some(Answer { delimited: true, value: json!({"return": 1}) }));
        }
    }

    /// An agent that first sends what `stale` says, then answers properly.
    async fn fake(socket: std::path::PathBuf, stale: &'static [u8]) {
        let listener = tokio::net::UnixListener::bind(socket).expect("socket");
        let (stream, _) = listener.accept().await.expect("a client");
        let (reader, mut writer) = stream.into_split();
        writer.write_all(stale).await.expect("written");
        let mut reader = tokio::io::BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).await.expect("read") > 0 {
            let json: Vec<u8> = line.drain(..).filter(|byte| *byte != DELIMITER).collect();
            let request: Value = serde_json::from_slice(&json).expect("a request");
            let answer = match request["execute"].as_str() {
                Some("guest-sync-delimited") => {
                    writer.write_all(&[DELIMITER]).await.expect("written");
                    json!({"return": request["arguments"]["id"]})
                }
                _ => json!({"return": {}}),
            };
            writer
                .write_all(format!("{answer}\n").as_bytes())
                .await
                .expect("written");
        }
    }

    #[tokio::test]
    async fn answers_to_an_earlier_client_are_not_ours() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("agent.sock");
        tokio::spawn(fake(
            socket.clone(),
            b"{\"return\": {\"old\": 1}}\n\xff{\"return\": 99}\n",
        ));
        let bound = Duration::from_secs(20);
        while !socket.exists() {
            tokio::task::yield_now().await;
        }
        let mut agent = Agent::open(&socket, bound).await.expect("synchronised");
        agent.ping(bound).await.expect("an answer");
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_without_an_agent_times_out() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("agent.sock");
        let _silent = tokio::net::UnixListener::bind(&socket).expect("socket");
        let result = Agent::open(&socket, Duration::from_secs(3)).await;
        assert_eq!(result.err(), Some(AgentError::TimedOut(3000)));
    }
}

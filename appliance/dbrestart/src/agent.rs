//! The guest agent of QEMU, as far as it is needed to run a script in a guest: `guest-exec` on its socket.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::sleep;

use crate::Error;
use crate::server::Output;

/// Where the agent of a guest answers. Who waits for it bounds the time: a silent agent never answers.
#[derive(Clone, Debug)]
pub struct Agent {
    pub socket: PathBuf,
}

struct Talk {
    stream: BufReader<UnixStream>,
    socket: String,
}

impl Agent {
    /// Runs `sh -c script varde ARGS…` in the guest, as the agent's account, which is root.
    pub async fn shell(&self, script: &str, args: &[&str]) -> Result<Output, Error> {
        const EVERY: Duration = Duration::from_millis(5);
        let mut talk = self.talk().await?;
        let mut words = vec!["-c", script, "varde"];
        words.extend(args);
        let started = talk
            .ask(
                "guest-exec",
                &json!({"path": "/bin/sh", "arg": words, "capture-output": true}),
            )
            .await?;
        let pid = started["pid"].clone();
        loop {
            let status = talk.ask("guest-exec-status", &json!({"pid": pid})).await?;
            if status["exited"] == true {
                let said = |field: &str| {
                    BASE64
                        .decode(status[field].as_str().unwrap_or(""))
                        .unwrap_or_default()
                };
                let bytes = [said("out-data"), said("err-data")].concat();
                // Ended by a signal, it has no exit code.
                let code = status["exitcode"]
                    .as_i64()
                    .and_then(|code| i32::try_from(code).ok());
                return Ok(Output {
                    code: code.unwrap_or(-1),
                    words: String::from_utf8_lossy(&bytes).trim().to_owned(),
                });
            }
            sleep(EVERY).await;
        }
    }

    async fn talk(&self) -> Result<Talk, Error> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| Error::file(&self.socket, &error))?;
        let mut talk = Talk {
            stream: BufReader::new(stream),
            socket: self.socket.display().to_string(),
        };
        talk.synchronise().await?;
        Ok(talk)
    }
}

impl Talk {
    /// Passes over what the agent still had to say to somebody before us. 0xFF ends whatever half a line it had read.
    async fn synchronise(&mut self) -> Result<(), Error> {
        let id = i64::from(std::process::id());
        let mut bytes = vec![0xFF];
        bytes.extend(line("guest-sync-delimited", &json!({"id": id})));
        self.send(&bytes).await?;
        loop {
            let mut passed = Vec::new();
            self.stream
                .read_until(0xFF, &mut passed)
                .await
                .map_err(|error| self.broken(&error.to_string()))?;
            if passed.is_empty() {
                return Err(self.broken("end of the connection"));
            }
            let answer = self.answer().await?;
            if answer["return"] == id {
                return Ok(());
            }
        }
    }

    async fn ask(&mut self, command: &str, arguments: &Value) -> Result<Value, Error> {
        self.send(&line(command, arguments)).await?;
        let mut answer = self.answer().await?;
        if let Some(words) = answer["error"]["desc"].as_str() {
            return Err(self.broken(&format!("{command}: {words}")));
        }
        Ok(answer["return"].take())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let sent = self.stream.get_mut().write_all(bytes).await;
        sent.map_err(|error| self.broken(&error.to_string()))
    }

    async fn answer(&mut self) -> Result<Value, Error> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await;
        match read {
            Ok(0) => Err(self.broken("end of the connection")),
            Ok(_) => serde_json::from_str(&line).map_err(|error| self.broken(&error.to_string())),
            Err(error) => Err(self.broken(&error.to_string())),
        }
    }

    fn broken(&self, cause: &str) -> Error {
        let socket = &self.socket;
        Error::failed(
            format!("Gjesteagenten på {socket} gjorde ikke som den skulle: {cause}"),
            format!("The guest agent at {socket} did not do as asked: {cause}"),
        )
    }
}

fn line(command: &str, arguments: &Value) -> Vec<u8> {
    let mut line = json!({"execute": command, "arguments": arguments}).to_string();
    line.push('\n');
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    /// An agent that first ends an answer to somebody else, then runs the script.
    #[tokio::test]
    async fn a_script_runs_and_what_was_said_before_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let agent = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut heard = Vec::new();
            stream.read_until(b'\n', &mut heard).await.unwrap();
            let asked: Value = serde_json::from_slice(&heard[1..]).unwrap();
            let id = &asked["arguments"]["id"];
            let late = "{\"return\": {\"pid\": 9}}\n";
            let answer = format!("{late}\u{0}{{\"return\": {id}}}\n").replace('\u{0}', "\u{1}");
            let bytes: Vec<u8> = answer
                .bytes()
                .map(|byte| if byte == 1 { 0xFF } else { byte })
                .collect();
            stream.get_mut().write_all(&bytes).await.unwrap();
            let mut asked = Vec::new();
            for answer in [
                "{\"return\": {\"pid\": 77}}\n",
                "{\"return\": {\"exited\": false}}\n",
                "{\"return\": {\"exited\": true, \"exitcode\": 9, \"out-data\": \"b3V0\", \"err-data\": \"ZXJy\"}}\n",
            ] {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                asked.push(serde_json::from_str::<Value>(&line).unwrap());
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        let output = Agent { socket }.shell("exit 9", &["a b"]).await.unwrap();
        assert_eq!(
            output,
            Output {
                code: 9,
                words: "outerr".into()
            }
        );
        let asked = agent.await.unwrap();
        assert_eq!(
            asked[0]["arguments"]["arg"],
            json!(["-c", "exit 9", "varde", "a b"])
        );
        assert_eq!(asked[2]["arguments"]["pid"], 77);
    }
}

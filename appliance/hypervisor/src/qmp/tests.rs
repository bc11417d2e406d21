//! The client against a QEMU that misbehaves.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

use super::{Client, Error, Event, QueryStatus, RunState, Stop, connect};

const BOUND: Duration = Duration::from_secs(10);

/// The other end of the line, driven by the test.
struct Qemu {
    requests: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Qemu {
    async fn say(&mut self, line: &str) {
        self.writer
            .write_all(format!("{line}\r\n").as_bytes())
            .await
            .expect("written");
    }

    async fn request(&mut self) -> Value {
        let line = self
            .requests
            .next_line()
            .await
            .expect("readable")
            .expect("a request");
        serde_json::from_str(&line).expect("JSON")
    }

    async fn answer(&mut self, request: &Value, value: Value) {
        self.say(&json!({"return": value, "id": request["id"]}).to_string())
            .await;
    }
}

async fn pair() -> (Client, tokio::sync::mpsc::UnboundedReceiver<Event>, Qemu) {
    let directory = tempfile::tempdir().expect("a directory");
    let path: PathBuf = directory.path().join("qmp.sock");
    let listener = UnixListener::bind(&path).expect("socket");
    let serve = async {
        let (stream, _): (UnixStream, _) = listener.accept().await.expect("a client");
        let (reader, writer) = stream.into_split();
        let mut qemu = Qemu {
            requests: BufReader::new(reader).lines(),
            writer,
        };
        qemu.say(r#"{"QMP": {"version": {"qemu": {"major": 10}}, "capabilities": []}}"#)
            .await;
        let negotiation = qemu.request().await;
        assert_eq!(negotiation["execute"], "qmp_capabilities");
        qemu.answer(&negotiation, json!({})).await;
        qemu
    };
    let (connected, qemu) = tokio::join!(connect(&path, BOUND), serve);
    let (client, events) = connected.expect("connected");
    (client, events, qemu)
}

fn running() -> Value {
    json!({"running": true, "status": "running", "singlestep": false})
}

#[tokio::test]
async fn answers_in_another_order_find_their_questions() {
    let (client, _events, mut qemu) = pair().await;
    let answers = async {
        let first = qemu.request().await;
        let second = qemu.request().await;
        qemu.answer(&second, json!({"running": false, "status": "paused"}))
            .await;
        qemu.answer(&first, running()).await;
    };
    let (first, second, ()) = tokio::join!(
        client.execute(&QueryStatus {}, BOUND),
        client.execute(&QueryStatus {}, BOUND),
        answers
    );
    assert_eq!(first.expect("answered").status, RunState::Running);
    assert_eq!(second.expect("answered").status, RunState::Paused);
}

#[tokio::test]
async fn a_late_answer_is_dropped_and_the_line_goes_on() {
    let (client, _events, mut qemu) = pair().await;
    let timed_out = client.execute(&Stop {}, Duration::from_millis(1)).await;
    assert!(
        matches!(timed_out, Err(Error::TimedOut { command: "stop", .. })),
        "{timed_out:?}"
    );
    let late = qemu.request().await;
    qemu.answer(&late, json!({})).await;
    let answers = async {
        let request = qemu.request().await;
        qemu.answer(&request, running()).await;
    };
    let (status, ()) = tokio::join!(client.execute(&QueryStatus {}, BOUND), answers);
    assert!(status.expect("answered").running);
}

#[tokio::test]
async fn events_pass_through_known_or_not_and_garbage_does_not_end_the_line() {
    let (client, mut events, mut qemu) = pair().await;
    qemu.say("no JSON at all").await;
    qemu.say(r#"{"event": "FROM_THE_FUTURE", "data": {"a": [1]}, "timestamp": {}}"#)
        .await;
    qemu.say(r#"{"neither": "nor"}"#).await;
    qemu.say(r#"{"return": {}, "id": 4711}"#).await;
    qemu.say(r#"{"event": "STOP", "timestamp": {}}"#).await;
    let first = events.recv().await.expect("an event");
    assert_eq!(
        (first.name.as_str(), &first.data),
        ("FROM_THE_FUTURE", &json!({"a": [1]}))
    );
    assert_eq!(events.recv().await.expect("an event").name, "STOP");
    let answers = async {
        let request = qemu.request().await;
        qemu.answer(&request, running()).await;
    };
    let (status, ()) = tokio::join!(client.execute(&QueryStatus {}, BOUND), answers);
    assert!(status.is_ok());
}

#[tokio::test]
async fn a_refusal_says_why() {
    let (client, _events, mut qemu) = pair().await;
    let answers = async {
        let request = qemu.request().await;
        let error = json!({"class": "GenericError", "desc": "not now"});
        qemu.say(&json!({"error": error, "id": request["id"]}).to_string())
            .await;
    };
    let (result, ()) = tokio::join!(client.execute(&Stop {}, BOUND), answers);
    assert!(matches!(result, Err(Error::Refused { description, .. }) if description == "not now"));
}

#[tokio::test]
async fn when_qemu_goes_every_question_and_the_events_end() {
    let (client, mut events, mut qemu) = pair().await;
    let goes = async {
        qemu.request().await;
        drop(qemu);
    };
    let (result, ()) = tokio::join!(client.execute(&QueryStatus {}, BOUND), goes);
    assert!(matches!(result, Err(Error::Ended { .. })));
    assert!(events.recv().await.is_none());
    assert!(matches!(
        client.execute(&QueryStatus {}, BOUND).await,
        Err(Error::Ended { .. })
    ));
}

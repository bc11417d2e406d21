//! A guest agent as QEMU has it, whose guest is this machine; it can fall silent, as agents do.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::Result;

/// Ends with the runtime that it was started on.
#[derive(Clone, Debug)]
pub struct Guest {
    silent: Arc<AtomicBool>,
}

impl Guest {
    /// Answers at `socket`; scripts find the programs of the folder `programs` first.
    pub fn start(socket: &Path, programs: &str) -> Result<Self> {
        if let Some(folder) = socket.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let listener = UnixListener::bind(socket)?;
        let guest = Self {
            silent: Arc::default(),
        };
        let (silent, programs) = (guest.silent.clone(), programs.to_owned());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // One caller at a time, as on a serial line; how a caller leaves is no fault.
                let _ = answer(stream, &programs, &silent).await;
            }
        });
        Ok(guest)
    }

    /// From here on it hears and does nothing, or again.
    pub fn fall_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }
}

async fn answer(stream: UnixStream, programs: &str, silent: &AtomicBool) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut output = None;
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        if silent.load(Ordering::SeqCst) {
            continue;
        }
        let delimited = line.first() == Some(&0xFF);
        let asked: Value = serde_json::from_slice(&line[usize::from(delimited)..])?;
        let answer = match asked["execute"].as_str() {
            Some("guest-sync-delimited") => asked["arguments"]["id"].clone(),
            Some("guest-exec") => {
                output = Some(script(&asked["arguments"]["arg"], programs).await?);
                json!({"pid": 7})
            }
            Some("guest-exec-status") => {
                let (code, said) = output.clone().ok_or("nothing was run")?;
                json!({"exited": true, "exitcode": code, "out-data": encode(said.as_bytes())})
            }
            other => return Err(format!("not a command of ours: {other:?}").into()),
        };
        let mut bytes = if delimited { vec![0xFF] } else { vec![] };
        bytes.extend(json!({"return": answer}).to_string().bytes());
        bytes.push(b'\n');
        stream.get_mut().write_all(&bytes).await?;
    }
}

async fn script(words: &Value, programs: &str) -> Result<(Option<i32>, String)> {
    let words: Vec<&str> = words
        .as_array()
        .ok_or("no words")?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    let mut child = tokio::process::Command::new("sh")
        .args(words)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut said).await?;
    }
    Ok((child.wait().await?.code(), said))
}

/// Base64 of RFC 4648 §4.
fn encode(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = |bits: u32, count: usize| {
        (0..4).map(move |place| {
            let six = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            if place <= count {
                char::from(LETTERS[six])
            } else {
                '='
            }
        })
    };
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
            letters(byte(0) << 16 | byte(1) << 8 | byte(2), chunk.len())
        })
        .collect()
}

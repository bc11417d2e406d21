//! Carries a screen: bytes of RFB between a WebSocket and a desktop.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use varde_bus::door::Carried;

use crate::rfb::Filter;

/// What is read of the desktop at once: six hundred screens at rest have the least each, one that is busy has more.
const LEAST: usize = 4 << 10;
const MOST: usize = 256 << 10;
/// A message of a browser is some keys; the largest is a list of encodings.
const MESSAGE: usize = 64 << 10;
/// A browser that has not taken anything, or said anything to a question, for so long has gone.
const PATIENCE: Duration = Duration::from_mins(1);
const QUESTION: Duration = Duration::from_secs(20);
/// Signs of the person are told no oftener.
const ACTIVE: Duration = Duration::from_secs(30);

/// The browser logs in anew and comes back.
pub const SESSION_OVER: u16 = 4001;

pub fn config() -> WebSocketConfig {
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = 4 << 10;
    config.write_buffer_size = 0;
    config.max_write_buffer_size = 1 << 20;
    config.max_message_size = Some(MESSAGE);
    config.max_frame_size = Some(MESSAGE);
    config
}

/// Why it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The browser went, or its network did.
    Browser,
    /// The desktop went: it was shut down.
    Desktop,
    SessionOver,
    /// What the browser said is no RFB, or none that is let through.
    Wrong(String),
}

/// Until one of the two ends, or `over` says so. `active` is called when the person touches something.
pub async fn carry<B, D>(
    browser: WebSocketStream<B>,
    desktop: D,
    mut over: watch::Receiver<bool>,
    mut active: impl FnMut(),
) -> (Carried, End)
where
    B: AsyncRead + AsyncWrite + Unpin,
    D: AsyncRead + AsyncWrite,
{
    let (mut to_browser, mut from_browser) = browser.split();
    let (mut from_desktop, mut to_desktop) = tokio::io::split(desktop);
    let mut carried = Carried::default();
    let (mut out, mut into, mut clipboard) = (0, 0, 0);
    let outward = async {
        let mut question = tokio::time::interval(QUESTION);
        let mut buffer = BytesMut::new();
        let mut chunk = LEAST;
        loop {
            let message = tokio::select! {
                read = async {
                    buffer.reserve(chunk);
                    from_desktop.read_buf(&mut buffer).await
                } => match read {
                    Ok(0) | Err(_) => break End::Desktop,
                    Ok(count) => {
                        out += count as u64;
                        chunk = if count >= chunk { chunk * 4 } else { count };
                        chunk = chunk.clamp(LEAST, MOST);
                        Message::Binary(buffer.split().freeze())
                    }
                },
                _ = question.tick() => Message::Ping(Bytes::new()),
                changed = over.changed() => {
                    if changed.is_err() || *over.borrow() {
                        break End::SessionOver;
                    }
                    continue;
                }
            };
            match timeout(PATIENCE, to_browser.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => break End::Browser,
            }
        }
    };
    let inward = async {
        let mut filter = Filter::default();
        let mut passed = Vec::new();
        let mut told: Option<Instant> = None;
        loop {
            let Ok(Some(Ok(message))) = timeout(PATIENCE, from_browser.next()).await else {
                break End::Browser;
            };
            let bytes = match message {
                Message::Binary(bytes) => bytes,
                Message::Ping(_) | Message::Pong(_) => continue,
                Message::Close(_) => break End::Browser,
                Message::Text(_) | Message::Frame(_) => break End::Wrong("text instead of RFB".to_owned()),
            };
            into += bytes.len() as u64;
            passed.clear();
            let seen = match filter.feed(&bytes, &mut passed) {
                Ok(seen) => seen,
                Err(wrong) => break End::Wrong(wrong.to_string()),
            };
            clipboard += seen.clipboard;
            if seen.touched && told.is_none_or(|told| told.elapsed() >= ACTIVE) {
                told = Some(Instant::now());
                active();
            }
            match timeout(PATIENCE, to_desktop.write_all(&passed)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => break End::Desktop,
            }
        }
    };
    let end = tokio::select! {
        end = outward => end,
        end = inward => end,
    };
    carried.out = out;
    carried.into = into;
    carried.clipboard = clipboard;
    let code = match &end {
        End::Browser => return (carried, end),
        End::Desktop => CloseCode::Normal,
        End::SessionOver => CloseCode::Library(SESSION_OVER),
        End::Wrong(_) => CloseCode::Policy,
    };
    let frame = CloseFrame {
        code,
        reason: "".into(),
    };
    // It may have gone.
    let _ = timeout(
        Duration::from_secs(1),
        to_browser.send(Message::Close(Some(frame))),
    )
    .await;
    (carried, end)
}

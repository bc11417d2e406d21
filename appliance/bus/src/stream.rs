//! Waiting for the next signal.

use std::future::poll_fn;
use std::pin::Pin;

use zbus::export::futures_core::Stream;

/// The next item of a stream of signals; `None` when the connection has closed.
pub async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

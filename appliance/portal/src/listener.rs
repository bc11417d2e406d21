//! Takes connections: TLS, HTTP/1.1, and bounds on time and number for whoever does not mean well.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::http::{self, Site};
use crate::limits::Limits;

/// A handshake is two round trips, and a head is one.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(10);
const HEADERS: usize = 64;
/// Of head and header lines together.
const BUFFER: usize = 16 << 10;
/// After the listener has failed, as with too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// How it is now: what a new connection gets.
#[derive(Clone)]
pub struct Now {
    pub tls: TlsAcceptor,
    pub site: Site,
}

/// Takes connections until it is dropped.
pub async fn listen(listener: TcpListener, now: watch::Receiver<Now>, limits: Limits) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let Some(place) = limits.take(from.ip()) else {
                    continue;
                };
                let now = now.borrow().clone();
                tokio::spawn(async move {
                    let _place = place;
                    connection(stream, from, now).await;
                });
            }
            Err(error) => {
                eprintln!("no connection can be taken: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, from: SocketAddr, now: Now) {
    // A key that is pressed must not wait for a second one.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(HANDSHAKE, now.tls.accept(stream)).await else {
        return;
    };
    let site = now.site;
    let service = service_fn(|request| {
        let site = site.clone();
        async move { Ok::<_, std::convert::Infallible>(http::serve(request, site, from.ip()).await) }
    });
    // How it ends is the peer's affair.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(HEADERS)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

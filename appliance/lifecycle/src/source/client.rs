//! One file of the source at a time, by HTTP/1.1 in TLS. Nothing is followed, and nothing is waited for without end.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{Order, told};
use crate::{Error, Result};

/// Without a byte.
pub const STALL: Duration = Duration::from_secs(30);

pub struct Client {
    order: Order,
    tls: TlsConnector,
    stall: Duration,
}

/// A body that begins at byte `begins` of the file.
pub struct Answer {
    path: String,
    pub begins: u64,
    body: Incoming,
    stall: Duration,
    connection: JoinHandle<()>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Client {
    pub fn new(order: &Order, stall: Duration) -> Result<Self> {
        let wrong = |error: &dyn std::fmt::Display| {
            Error::refused(
                format!("«ca» i [update] i site.toml kan ikke brukes: {error}"),
                format!("\"ca\" in [update] of site.toml cannot be used: {error}"),
            )
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(order.source.ca.as_bytes()) {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            order: order.clone(),
            tls: TlsConnector::from(Arc::new(config)),
            stall,
        })
    }

    async fn connect(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let source = &self.order.source;
        let (host, port) = (source.host.as_str(), source.port);
        let found = timeout(self.stall, tokio::net::lookup_host((host, port))).await;
        let mut last = None;
        for address in found.ok().and_then(std::result::Result::ok).into_iter().flatten() {
            match timeout(self.stall, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let name = ServerName::try_from(host.to_owned())
                        .map_err(|_| told::no_name(host, &self.order.dns))?;
                    return timeout(self.stall, self.tls.connect(name, stream))
                        .await
                        .map_err(|_| told::no_answer(host))?
                        .map_err(|error| told::no_trust(host, &error));
                }
                Ok(Err(error)) => last = Some(told::no_way(host, port, &error)),
                Err(_) => last = Some(told::no_answer(host)),
            }
        }
        Err(last.unwrap_or_else(|| told::no_name(host, &self.order.dns)))
    }

    /// Asks for `path` of the source's folder from a byte on; the server may give the whole.
    pub async fn get(&self, path: &str, from: u64) -> Result<Answer> {
        let source = &self.order.source;
        let stream = self.connect().await?;
        let cut = |_| told::cut(path);
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(64 << 10)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(cut)?;
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut request = Request::get(format!("{}/{path}", source.folder))
            .header(header::HOST, format!("{}:{}", source.host, source.port))
            .header(header::USER_AGENT, "varde")
            .header(header::CONNECTION, "close");
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|_| told::cut(path))?;
        let answer = match timeout(self.stall, sender.send_request(request)).await {
            Ok(answer) => answer.map_err(cut),
            Err(_) => Err(told::no_answer(&source.host)),
        };
        let answer = answer.inspect_err(|_| connection.abort())?;
        let range = answer.headers().get(header::CONTENT_RANGE);
        let range = range.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let begins = match answer.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if range.starts_with(&format!("bytes {from}-")) => from,
            status => {
                connection.abort();
                return Err(told::status(path, status.as_u16()));
            }
        };
        Ok(Answer {
            path: path.to_owned(),
            begins,
            body: answer.into_body(),
            stall: self.stall,
            connection,
        })
    }

    /// The whole of a small file.
    pub async fn small(&self, path: &str, longest: usize) -> Result<Vec<u8>> {
        let mut answer = self.get(path, 0).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if bytes.len() + chunk.len() > longest {
                return Err(told::too_large(path));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

impl Answer {
    /// `None`: that was all that the server said there is.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Ok(frame) = timeout(self.stall, self.body.frame()).await else {
                return Err(told::cut(&self.path));
            };
            match frame {
                None => return Ok(None),
                Some(Err(_)) => return Err(told::cut(&self.path)),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }
}

//! TLS, by rustls with ring.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::config::Tls;
use crate::error::{Error, Result};

/// Both ends of a handshake.
#[derive(Clone)]
pub(super) struct Ends {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Ends {
    pub fn new(tls: &Tls) -> Result<Self> {
        let bad = |error: &dyn std::fmt::Display| Error::Certificate(error.to_string());
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&tls.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&tls.key).map_err(|error| bad(&error))?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(&error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| bad(&error))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&tls.trusted)? {
            roots.add(certificate).map_err(|error| bad(&error))?;
        }
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        })
    }

    pub async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }

    /// `name` is what the other end's certificate must be for.
    pub async fn connect(&self, name: &str, stream: TcpStream) -> io::Result<client::TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.connector.connect(name, stream).await
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::Certificate(error.to_string()))
}

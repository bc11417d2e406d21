//! A network between gate and server that can be lost: a forwarder that stops forwarding and tells nobody.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::Result;

/// Ends with the runtime that it was started on.
#[derive(Clone, Debug)]
pub struct Wire {
    pub port: u16,
    up: Arc<watch::Sender<bool>>,
}

impl Wire {
    /// To a port of this machine.
    pub async fn to(server: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (up, is_up) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server, is_up.clone()));
            }
        });
        Ok(Self {
            port,
            up: Arc::new(up),
        })
    }

    /// What is under way stops where it is, as on a cable that is pulled; nothing is closed.
    pub fn pull(&self, pulled: bool) {
        self.up.send_replace(!pulled);
    }
}

async fn forward(client: TcpStream, server: u16, mut is_up: watch::Receiver<bool>) {
    if is_up.wait_for(|up| *up).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
        return;
    };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = copy(from_client, to_server, is_up.clone()) => {}
        () = copy(from_server, to_client, is_up.clone()) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut is_up: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut bytes).await;
        if is_up.wait_for(|up| *up).await.is_err() {
            return;
        }
        match read {
            Ok(count) if count > 0 => {
                if to.write_all(&bytes[..count]).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

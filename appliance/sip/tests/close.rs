//! What is left when the bridge stops listening: nothing.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use varde_sip::{Directory, Listener, Setup, Sip, Timers, Transport};

fn setup(address: std::net::SocketAddr) -> Setup {
    Setup {
        listeners: vec![Listener {
            transport: Transport::Tcp,
            address,
            advertised: None,
        }],
        tls: None,
        realm: "varde.example".into(),
        product: "Varde".into(),
        tap: false,
        timers: Timers::default(),
    }
}

#[tokio::test]
async fn what_was_listened_to_can_be_listened_to_again_at_once() {
    let any = "127.0.0.1:0".parse().unwrap();
    let sip = Sip::start(setup(any), Directory::default()).await.unwrap();
    let address = sip.bound()[0].1;
    assert!(Sip::start(setup(address), Directory::default()).await.is_err());
    sip.close().await;
    assert!(Sip::start(setup(address), Directory::default()).await.is_ok());
}

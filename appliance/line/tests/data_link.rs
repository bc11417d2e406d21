//! A D channel on a line: how the two crates meet, over UDP and in memory.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use varde_lapd::{Ces, Config, DChannel, Indication, Output, Request, Side};
use varde_line::l1oip::Header;
use varde_line::udp::Bound;
use varde_line::{Access, Line, Received, memory};

const PATIENCE: Duration = Duration::from_secs(30);
const MESSAGES: u8 = 100;

/// One end: sets up the link if it is the network's, sends its messages, and ends when it has those of the other and
/// the other has its own.
async fn end(line: &mut dyn Line, side: Side) -> Vec<Vec<u8>> {
    let mut channel = DChannel::new(Config::primary(side));
    let started = Instant::now();
    let mut received = Vec::new();
    loop {
        let now = started.elapsed();
        while let Some(output) = channel.poll_output(now) {
            match output {
                Output::Frame(frame) => line.send_frame(&frame).unwrap(),
                Output::Indication(ces, Indication::Establish | Indication::EstablishConfirm) => {
                    for number in 0..MESSAGES {
                        channel.request(now, ces, Request::Data(vec![number])).unwrap();
                    }
                }
                Output::Indication(_, Indication::Data(data)) => received.push(data),
                _ => {}
            }
        }
        if received.len() == usize::from(MESSAGES) && channel.backlog(Ces::OWN) == 0 {
            return received;
        }
        let timer = channel.poll_timeout().map(|at| started + at);
        tokio::select! {
            next = line.receive() => match next.unwrap() {
                Received::Up if side == Side::Network => {
                    channel.request(started.elapsed(), Ces::OWN, Request::Establish).unwrap();
                }
                Received::Frame(frame) => channel.receive(started.elapsed(), &frame).unwrap(),
                Received::Down => channel.deactivated(started.elapsed()),
                Received::Up | Received::Audio { .. } => {}
            },
            () = async {
                match timer {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => channel.handle_timeout(started.elapsed()),
        }
    }
}

async fn talk(mut network: Box<dyn Line>, mut user: Box<dyn Line>) {
    let both = async { tokio::join!(end(&mut *network, Side::Network), end(&mut *user, Side::User)) };
    let (at_network, at_user) = timeout(PATIENCE, both).await.unwrap();
    let expected: Vec<_> = (0..MESSAGES).map(|number| vec![number]).collect();
    assert_eq!(at_network, expected);
    assert_eq!(at_user, expected);
}

#[tokio::test]
async fn a_data_link_over_a_line_in_memory() {
    let (network, user) = memory::pair(Access::Primary);
    talk(Box::new(network), Box::new(user)).await;
}

#[tokio::test]
async fn a_data_link_over_udp() {
    let header = Header {
        access: Access::Primary,
        id: None,
    };
    let bound = || Bound::new(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let (network, user) = (bound(), bound());
    let (network_address, user_address) = (network.address(), user.address());
    let network = network.connect(user_address, header).unwrap();
    let user = user.connect(network_address, header).unwrap();
    talk(Box::new(network), Box::new(user)).await;
}

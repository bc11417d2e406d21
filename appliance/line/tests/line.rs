//! Lines as their holder sees them: in memory and over UDP, the same.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use varde_line::l1oip::Header;
use varde_line::udp::{Bound, UdpLine};
use varde_line::{Access, L1oipError, Line, Pace, Received, Ticker, memory};

/// Far more than loopback takes; a test that comes to its end waits for none of it.
const PATIENCE: Duration = Duration::from_secs(30);

const PRIMARY: Header = Header {
    access: Access::Primary,
    id: Some(42),
};

async fn next(line: &mut dyn Line) -> Received {
    timeout(PATIENCE, line.receive()).await.unwrap().unwrap()
}

fn loopback() -> Bound {
    Bound::new(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

fn udp() -> (UdpLine, UdpLine) {
    let (first, second) = (loopback(), loopback());
    let (first_address, second_address) = (first.address(), second.address());
    (
        first.connect(second_address, PRIMARY).unwrap(),
        second.connect(first_address, PRIMARY).unwrap(),
    )
}

/// What every line does.
async fn carries(mut first: Box<dyn Line>, mut second: Box<dyn Line>) {
    assert_eq!(first.access(), Access::Primary);
    // Over UDP neither is up before the other has spoken.
    let (one, other) = tokio::join!(next(&mut *first), async {
        second.send_frame(&[9, 9, 9]).unwrap();
        next(&mut *second).await
    });
    assert_eq!([one, other], [Received::Up, Received::Up]);
    assert_eq!(next(&mut *first).await, Received::Frame(vec![9, 9, 9]));
    let b31 = Access::Primary.b_channel(31).unwrap();
    first.send_frame(&[1, 2, 3]).unwrap();
    first.send_audio(b31, &[0xd5; 160]).unwrap();
    first.send_audio(b31, &[0x55; 160]).unwrap();
    assert_eq!(next(&mut *second).await, Received::Frame(vec![1, 2, 3]));
    for (time, octet) in [(0, 0xd5), (160, 0x55)] {
        let expected = Received::Audio {
            channel: b31,
            time,
            octets: vec![octet; 160],
        };
        assert_eq!(next(&mut *second).await, expected);
    }
}

#[tokio::test]
async fn a_line_in_memory_carries_frames_and_audio() {
    let (first, second) = memory::pair(Access::Primary);
    carries(Box::new(first), Box::new(second)).await;
}

#[tokio::test]
async fn a_line_over_udp_carries_frames_and_audio() {
    let (first, second) = udp();
    carries(Box::new(first), Box::new(second)).await;
}

#[tokio::test]
async fn a_line_in_memory_is_down_when_its_other_end_is_gone() {
    let (mut first, second) = memory::pair(Access::Basic);
    let first: &mut dyn Line = &mut first;
    assert_eq!(next(first).await, Received::Up);
    drop(second);
    assert_eq!(next(first).await, Received::Down);
    let b31 = Access::Primary.b_channel(31).unwrap();
    let error = first.send_audio(b31, &[0]).unwrap_err();
    assert_eq!(error.to_string(), "this line has no channel B31");
}

#[tokio::test]
async fn a_line_over_udp_waits_for_a_peer_that_is_not_there_yet() {
    let (early, late) = (loopback(), loopback());
    let (early_address, late_address) = (early.address(), late.address());
    drop(late);
    let mut early = early.connect(late_address, PRIMARY).unwrap();
    // Refused, as nobody has the port, and again after the refusal has come back.
    for _ in 0..3 {
        early.send_frame(&[1, 2, 3]).unwrap();
    }
    let mut late = Bound::new(late_address)
        .unwrap()
        .connect(early_address, PRIMARY)
        .unwrap();
    late.send_frame(&[4, 5, 6]).unwrap();
    assert_eq!(next(&mut early).await, Received::Up);
    assert_eq!(next(&mut early).await, Received::Frame(vec![4, 5, 6]));
}

#[tokio::test]
async fn a_datagram_that_is_wrong_is_kept_for_the_record() {
    let (here, there) = (loopback(), loopback());
    let (here_address, there_address) = (here.address(), there.address());
    let mut line = here.connect(there_address, PRIMARY).unwrap();
    let foreign = Header {
        id: Some(43),
        ..PRIMARY
    };
    let mut other = there.connect(here_address, foreign).unwrap();
    other.send_frame(&[1, 2, 3]).unwrap();
    let refused = timeout(PATIENCE, async {
        loop {
            // Nothing is received; what is asked after is looked at between short waits for it.
            let _ = timeout(
                Duration::from_millis(5),
                Box::pin((&mut line as &mut dyn Line).receive()),
            )
            .await;
            if let Some(refused) = line.take_refused() {
                return refused;
            }
        }
    });
    assert_eq!(refused.await.unwrap(), L1oipError::ForeignId(43));
}

/// With tokio's clock, which stands still but for what is waited for.
#[tokio::test(start_paused = true)]
async fn audio_is_paced_by_its_period_and_catches_up() {
    for (pace, octets) in [(Pace::TwentyMs, 160), (Pace::EightMs, 64)] {
        let started = Instant::now();
        let mut ticker = Ticker::new(pace);
        let mut sent = 0;
        while started.elapsed() < Duration::from_secs(1) {
            sent += ticker.tick().await;
        }
        assert_eq!(
            sent,
            8000 + octets,
            "one second, and the packet that begins the next"
        );
        // Half a second without a look at it: what was due meanwhile comes at once.
        tokio::time::advance(Duration::from_millis(500)).await;
        let before = Instant::now();
        let mut missed = 0;
        while before.elapsed() == Duration::ZERO {
            missed += ticker.tick().await;
        }
        assert!((4000..=4000 + 2 * octets).contains(&missed), "{missed}");
    }
}

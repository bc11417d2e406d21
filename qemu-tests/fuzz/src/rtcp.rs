//! A peer's reports.

use std::time::Duration;

use varde_rtp::g711::Codec;
use varde_rtp::rtcp::parse;

use crate::rtp::{agreed, peer, session};

pub fn judge(bytes: &[u8]) {
    let read = parse(bytes, 1);
    assert_eq!(read, parse(bytes, 1), "the same bytes say the same");
    let mut session = session(1);
    session.agree(Duration::ZERO, agreed(Codec::Pcma, None));
    let taken = session.receive_report(Duration::from_secs(1), peer(0), bytes);
    assert_eq!(taken.is_ok(), read.is_ok());
    let (_, report) = session
        .report(Duration::from_secs(2), false)
        .expect("a peer has an address for reports");
    assert!(parse(&report, 0).is_ok(), "what is sent can be read");
}

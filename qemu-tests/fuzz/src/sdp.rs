//! A peer's session description, as an offer and as an answer.

use std::net::SocketAddr;

use varde_rtp::sdp::{Agreed, Direction, Local, accept, answer};

pub fn judge(bytes: &[u8]) {
    let local = Local {
        address: SocketAddr::from(([192, 0, 2, 1], 30_000)),
        session: 1,
        version: 1,
        direction: Direction::SendRecv,
    };
    if let Ok((text, agreed)) = answer(&local, bytes) {
        hold(&agreed);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("m=")).collect();
        let taken = lines
            .iter()
            .filter(|line| line.starts_with("m=audio 30000 RTP/AVP "));
        assert_eq!(taken.count(), 1, "one audio is taken");
        if lines.len() == 1 {
            let theirs = accept(&local, text.as_bytes()).expect("our answer suits us");
            assert_eq!(theirs.codec, agreed.codec);
            assert_eq!(theirs.ptime, agreed.ptime);
        }
    }
    if let Ok(agreed) = accept(&local, bytes) {
        hold(&agreed);
    }
}

fn hold(agreed: &Agreed) {
    assert!(agreed.rtp.port() != 0 && agreed.rtcp.port() != 0);
    assert!(!agreed.rtp.ip().is_multicast() && !agreed.rtcp.ip().is_multicast());
    assert!((10..=60).contains(&agreed.ptime) && agreed.ptime.is_multiple_of(10));
    assert!(agreed.events_out.is_none_or(|events| events < 128));
}

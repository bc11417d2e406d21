//! Notices audio that goes one way only.
//!
//! **From the peer.** We send, something is to come, and nothing comes: for 5 s. Who speaks with silence suppression
//! stops sending on purpose. That is believed of a peer whose last packet was comfort noise (RFC 3389): for 60 s, or
//! without end while its reports still come. It is also believed, without comfort noise, while reports come that say
//! nothing of more packets sent than arrived; but only of a stream that has come before.
//!
//! **To the peer.** Its reports say how far it has heard our stream. If two of them, 4 s or more apart, say the same
//! while we sent, it does not hear us. A peer without reports can only be judged by what it sends.

use std::time::Duration;

/// How long nothing may come.
const NOTHING: Duration = Duration::from_secs(5);
/// How long nothing may come after comfort noise.
const COMFORT: Duration = Duration::from_mins(1);
/// Reports that are older say nothing of now: three times their usual distance.
const REPORTED: Duration = Duration::from_secs(15);
/// Time between two reports that can be compared.
const BETWEEN: Duration = Duration::from_secs(4);
/// Packets that must have been sent between them.
const SENT_BETWEEN: u32 = 50;
/// Who has not sent for so long does not send.
const SENDING: Duration = Duration::from_secs(1);
/// Packets under way, or lost, that a peer may be ahead of us without hiding a stream.
const UNDER_WAY: u32 = 10;

/// Which way audio is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// The peer is not heard.
    FromPeer,
    /// The peer does not hear.
    ToPeer,
}

/// What has been noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Audio has stopped, or never came if `ever` is false.
    Missing { way: Way, ever: bool },
    /// It is there again.
    Back { way: Way },
}

#[derive(Debug, Default)]
pub struct Watch {
    /// Since when something is to come, if it is.
    expected: Option<Duration>,
    heard: Option<Duration>,
    comfort: bool,
    /// Since when we send without a break, and when last.
    sending: Option<(Duration, Duration)>,
    reported: Option<Duration>,
    /// Packets that the peer says it sent after the last that came.
    hidden: u32,
    /// The peer's report that later ones are compared with: when, how far it had heard, what we had sent.
    compared: Option<(Duration, u32, u32)>,
    from_missing: bool,
    to_missing: bool,
    notices: Vec<Notice>,
}

impl Watch {
    /// Whether something is to come from now on.
    pub fn expect(&mut self, now: Duration, expected: bool) {
        if self.expected.is_some() != expected {
            self.expected = expected.then_some(now);
        }
        self.compared = None;
    }

    pub fn heard(&mut self, now: Duration, comfort: bool) {
        (self.heard, self.comfort, self.hidden) = (Some(now), comfort, 0);
        if std::mem::take(&mut self.from_missing) {
            self.notices.push(Notice::Back { way: Way::FromPeer });
        }
    }

    pub fn sent(&mut self, now: Duration) {
        let since = match self.sending {
            Some((since, last)) if last + SENDING >= now => since,
            _ => now,
        };
        self.sending = Some((since, now));
    }

    /// A report came. `hidden` is how many packets more than have come it says were sent, if it says; `about_us` how far
    /// it has heard our stream, and how many packets we have sent.
    pub fn reported(&mut self, now: Duration, hidden: Option<u32>, about_us: Option<(u32, u32)>) {
        self.reported = Some(now);
        if let Some(hidden) = hidden {
            self.hidden = hidden;
        }
        let Some((highest, sent)) = about_us else {
            return;
        };
        match self.compared {
            Some((_, before, _)) if before != highest => {
                self.compared = Some((now, highest, sent));
                if std::mem::take(&mut self.to_missing) {
                    self.notices.push(Notice::Back { way: Way::ToPeer });
                }
            }
            Some((since, _, sent_before)) => {
                let enough = now >= since + BETWEEN && sent.wrapping_sub(sent_before) >= SENT_BETWEEN;
                if enough && !std::mem::replace(&mut self.to_missing, true) {
                    self.notices.push(Notice::Missing {
                        way: Way::ToPeer,
                        ever: true,
                    });
                }
            }
            None => self.compared = Some((now, highest, sent)),
        }
    }

    /// Looks whether something is missing by now.
    pub fn check(&mut self, now: Duration) {
        let (Some(expected), Some((since, last))) = (self.expected, self.sending) else {
            return;
        };
        if self.from_missing || last + SENDING < now {
            return;
        }
        let from = expected.max(since).max(self.heard.unwrap_or_default());
        let silent = now.saturating_sub(from);
        let reports = self.reported.is_some_and(|reported| reported + REPORTED >= now);
        let on_purpose = match self.heard {
            None => false,
            Some(_) if reports => self.hidden <= UNDER_WAY,
            Some(_) => self.comfort && silent < COMFORT,
        };
        if silent >= NOTHING && !on_purpose {
            self.from_missing = true;
            self.notices.push(Notice::Missing {
                way: Way::FromPeer,
                ever: self.heard.is_some(),
            });
        }
    }

    /// What has been noticed since.
    pub fn take(&mut self) -> impl Iterator<Item = Notice> + use<> {
        std::mem::take(&mut self.notices).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Notice = Notice::Missing {
        way: Way::FromPeer,
        ever: true,
    };

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// We send from second to second, and look.
    fn send(watch: &mut Watch, seconds: std::ops::Range<u64>) -> Vec<(u64, Notice)> {
        let mut notices = vec![];
        for second in seconds {
            watch.sent(s(second));
            watch.check(s(second));
            notices.extend(watch.take().map(|notice| (second, notice)));
        }
        notices
    }

    #[test]
    fn a_stream_that_never_comes_is_said_after_five_seconds_once() {
        let mut watch = Watch::default();
        watch.expect(s(0), true);
        let missing = Notice::Missing {
            way: Way::FromPeer,
            ever: false,
        };
        assert_eq!(send(&mut watch, 10..60), [(15, missing)]);
        watch.heard(s(60), false);
        assert_eq!(
            watch.take().collect::<Vec<_>>(),
            [Notice::Back { way: Way::FromPeer }]
        );
    }

    #[test]
    fn a_stream_that_stops_is_said_after_five_seconds() {
        let mut watch = Watch::default();
        watch.expect(s(0), true);
        for second in 0..20 {
            watch.heard(s(second), false);
            assert_eq!(send(&mut watch, second..second + 1), []);
        }
        assert_eq!(send(&mut watch, 20..60), [(24, FROM)]);
    }

    #[test]
    fn nothing_is_missing_while_nobody_sends_or_nothing_is_to_come() {
        let mut watch = Watch::default();
        watch.expect(s(0), true);
        watch.check(s(100));
        assert_eq!(watch.take().count(), 0);
        assert_eq!(send(&mut watch, 90..93), []);
        watch.check(s(100));
        assert_eq!(watch.take().count(), 0);
        watch.expect(s(100), false);
        assert_eq!(send(&mut watch, 100..200), []);
        // Off hold again: from now on.
        watch.expect(s(200), true);
        assert_eq!(send(&mut watch, 200..206).len(), 1);
    }

    #[test]
    fn comfort_noise_explains_a_minute() {
        let mut watch = Watch::default();
        watch.expect(s(0), true);
        watch.heard(s(0), true);
        assert_eq!(send(&mut watch, 0..100), [(60, FROM)]);
    }

    #[test]
    fn reports_of_a_peer_that_sends_nothing_explain_its_silence() {
        let mut watch = Watch::default();
        watch.expect(s(0), true);
        watch.heard(s(0), false);
        for second in 0..300 {
            if second % 5 == 0 {
                watch.reported(s(second), Some(1), None);
            }
            assert_eq!(send(&mut watch, second..second + 1), []);
        }
        // And once they stop, they do not.
        assert_eq!(send(&mut watch, 300..330), [(311, FROM)]);
    }

    #[test]
    fn reports_of_packets_that_do_not_come_explain_nothing() {
        let mut watch = Watch::default();
        watch.expect(s(0), true);
        watch.heard(s(0), true);
        watch.reported(s(4), Some(200), None);
        assert_eq!(send(&mut watch, 0..10), [(5, FROM)]);
    }

    #[test]
    fn a_peer_whose_reports_stand_still_does_not_hear_us() {
        let mut watch = Watch::default();
        watch.reported(s(0), None, Some((100, 100)));
        watch.reported(s(5), None, Some((350, 350)));
        assert_eq!(watch.take().count(), 0);
        watch.reported(s(10), None, Some((350, 600)));
        let missing = Notice::Missing {
            way: Way::ToPeer,
            ever: true,
        };
        assert_eq!(watch.take().collect::<Vec<_>>(), [missing]);
        watch.reported(s(15), None, Some((350, 850)));
        assert_eq!(watch.take().count(), 0);
        watch.reported(s(20), None, Some((400, 1100)));
        assert_eq!(
            watch.take().collect::<Vec<_>>(),
            [Notice::Back { way: Way::ToPeer }]
        );
    }

    #[test]
    fn a_peer_that_we_send_nothing_hears_nothing_and_that_is_right() {
        let mut watch = Watch::default();
        watch.reported(s(0), None, Some((100, 100)));
        watch.reported(s(5), None, Some((100, 110)));
        assert_eq!(watch.take().count(), 0);
    }
}

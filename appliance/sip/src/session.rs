//! Session timers (RFC 4028): a call whose other end has gone without a word is found and ended.
//!
//! A peer that knows them agrees with us on who refreshes. One that does not is asked within the call (OPTIONS) whether it
//! is still there: it costs as little, and no peer is without OPTIONS.

use std::time::Duration;

use crate::config::Timers;
use crate::message::Message;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    Off,
    /// We refresh at this time.
    Refresh(Duration),
    /// The peer has to have refreshed by then.
    Expect(Duration),
    /// We ask at this time.
    Ask(Duration),
}

impl Session {
    pub fn due(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Refresh(at) | Self::Expect(at) | Self::Ask(at) => Some(at),
        }
    }
}

/// What our requests say: how long a session should be, and the least that is fine.
pub(crate) fn ask(timers: &Timers, request: &mut Message, at_least: Option<u32>) {
    let wanted = timers.session.as_secs().max(at_least.unwrap_or(0).into());
    request.push("Session-Expires", wanted.to_string());
    let least = timers.session_min.as_secs().max(at_least.unwrap_or(0).into());
    request.push("Min-SE", least.to_string());
}

/// The shortest session that we take, if a request asks for a shorter one (§6).
pub(crate) fn too_short(timers: &Timers, request: &Message) -> Option<u64> {
    let (asked, _) = request.seconds("Session-Expires")?;
    let least = timers.session_min.as_secs();
    (request.has_token("Supported", "timer") && u64::from(asked) < least).then_some(least)
}

/// How long before its end a session that was not refreshed is given up (§10).
fn before_end(interval: Duration) -> Duration {
    interval.saturating_sub((interval / 3).min(Duration::from_secs(32)))
}

/// Agrees to what a request asks, and says so in the 2xx (§9).
pub(crate) fn agree(timers: &Timers, now: Duration, request: &Message, response: &mut Message) -> Session {
    if !request.has_token("Supported", "timer") {
        return Session::Ask(now + timers.session / 2);
    }
    let ours = timers.session;
    let (interval, theirs) = match request.seconds("Session-Expires") {
        Some((asked, params)) => {
            let least = request
                .seconds("Min-SE")
                .map_or(Duration::ZERO, |(least, _)| Duration::from_secs(least.into()));
            let asked = Duration::from_secs(asked.into());
            let refresher = params
                .get("refresher")
                .is_none_or(|who| who.eq_ignore_ascii_case("uac"));
            (asked.min(ours.max(least)).max(timers.session_min), refresher)
        }
        None => (ours, true),
    };
    let who = if theirs { "uac" } else { "uas" };
    response.push(
        "Session-Expires",
        format!("{};refresher={who}", interval.as_secs()),
    );
    response.push("Require", "timer");
    if theirs {
        Session::Expect(now + before_end(interval))
    } else {
        Session::Refresh(now + interval / 2)
    }
}

/// What a 2xx to our request has agreed to (§7.2).
pub(crate) fn agreed(timers: &Timers, now: Duration, response: &Message) -> Session {
    match response.seconds("Session-Expires") {
        Some((seconds, params)) => {
            // An absurd value must not make us busy.
            let interval = Duration::from_secs(seconds.into()).clamp(timers.session_min, timers.session * 10);
            match params.get("refresher") {
                Some(who) if who.eq_ignore_ascii_case("uas") => Session::Expect(now + before_end(interval)),
                _ => Session::Refresh(now + interval / 2),
            }
        }
        None => Session::Ask(now + timers.session / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Method;

    const NOW: Duration = Duration::from_secs(1000);

    fn invite(session: &str) -> Message {
        let mut request = Message::request(Method::Invite, "sip:1@h").with("Supported", "100rel, timer");
        if !session.is_empty() {
            request.push("Session-Expires", session);
        }
        request
    }

    fn agreed_to(request: &Message) -> (Session, Option<String>) {
        let mut response = Message::response(request, 200, "OK");
        let session = agree(&Timers::default(), NOW, request, &mut response);
        (session, response.header("Session-Expires").map(str::to_owned))
    }

    #[test]
    fn who_asks_refreshes_unless_it_says_otherwise() {
        let (session, said) = agreed_to(&invite("600"));
        assert_eq!(session, Session::Expect(NOW + Duration::from_secs(568)));
        assert_eq!(said.as_deref(), Some("600;refresher=uac"));
        let (session, said) = agreed_to(&invite("600;refresher=uas"));
        assert_eq!(session, Session::Refresh(NOW + Duration::from_mins(5)));
        assert_eq!(said.as_deref(), Some("600;refresher=uas"));
    }

    #[test]
    fn a_peer_without_session_timers_is_asked_instead() {
        let request = Message::request(Method::Invite, "sip:1@h");
        assert_eq!(
            agreed_to(&request),
            (Session::Ask(NOW + Duration::from_mins(15)), None)
        );
        assert_eq!(
            agreed(&Timers::default(), NOW, &Message::response(&request, 200, "OK")),
            Session::Ask(NOW + Duration::from_mins(15))
        );
    }

    #[test]
    fn a_session_that_is_too_short_is_refused_and_one_too_long_shortened() {
        assert_eq!(too_short(&Timers::default(), &invite("60")), Some(90));
        assert_eq!(too_short(&Timers::default(), &invite("90")), None);
        assert_eq!(
            agreed_to(&invite("99999")).1.as_deref(),
            Some("1800;refresher=uac")
        );
    }
}

//! The user side of TEI management: asks for a TEI, says which it holds, gives it up (Q.921 §5.3.2 to §5.3.5).

use std::mem;
use std::time::Duration;

use super::{ANY, References, TeiMessage, TeiMessageType, Wish};

/// How often it is asked whether our TEI is ours alone (§5.3.5.3).
const VERIFICATIONS: u8 = 2;

/// One terminal.
#[derive(Debug)]
pub(crate) struct User {
    references: References,
    t202: Duration,
    n202: u8,
    tei: Option<u8>,
    /// Set in the terminal: answers checks, and is neither asked for nor taken away.
    fixed: bool,
    asking: Asking,
    wishes: Vec<Wish>,
}

/// What T202 runs for.
#[derive(Debug, PartialEq, Eq)]
enum Asking {
    Nothing,
    Tei { ri: u16, tries: u8, until: Duration },
    Verification { tries: u8, until: Duration },
}

impl User {
    pub(crate) fn new(seed: u64, t202: Duration, n202: u8, fixed: Option<u8>) -> Self {
        Self {
            references: References::new(seed),
            t202,
            n202,
            tei: fixed,
            fixed: fixed.is_some(),
            asking: Asking::Nothing,
            wishes: Vec::new(),
        }
    }

    pub(crate) fn take_wishes(&mut self) -> Vec<Wish> {
        mem::take(&mut self.wishes)
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self.asking {
            Asking::Nothing => None,
            Asking::Tei { until, .. } | Asking::Verification { until, .. } => Some(until),
        }
    }

    /// MDL-ASSIGN indication: the link needs a TEI.
    pub(crate) fn ask(&mut self, now: Duration) {
        if self.tei.is_none() && !matches!(self.asking, Asking::Tei { .. }) {
            self.request(now, 1);
        }
    }

    /// Another terminal may hold our TEI, or the network may not know of it.
    pub(crate) fn verify(&mut self, now: Duration) {
        if let (Some(tei), false, Asking::Nothing) = (self.tei, self.fixed, &self.asking) {
            self.send_verify(now, tei, 1);
        }
    }

    /// The line is down: nothing is asked any more.
    pub(crate) fn deactivated(&mut self) {
        self.asking = Asking::Nothing;
    }

    pub(crate) fn receive(&mut self, now: Duration, message: &TeiMessage) {
        let [ai] = message.ai[..] else { return };
        let ours = self.tei.is_some_and(|tei| ai == tei || ai == ANY);
        match message.kind {
            TeiMessageType::IdentityAssigned => match self.asking {
                Asking::Tei { ri, .. } if ri == message.ri && ai != ANY => {
                    self.asking = Asking::Nothing;
                    self.tei = Some(ai);
                    self.wishes.push(Wish::Assign(ai));
                }
                // Somebody else was just given the TEI that is ours.
                _ if ours && ai != ANY => self.verify(now),
                _ => {}
            },
            TeiMessageType::CheckRequest if ours => {
                if matches!(self.asking, Asking::Verification { .. }) {
                    self.asking = Asking::Nothing;
                }
                if let Some(tei) = self.tei {
                    // A number of our own, so that the answers of two terminals are told apart.
                    let ri = self.references.draw();
                    self.send(TeiMessageType::CheckResponse, ri, tei);
                }
            }
            TeiMessageType::IdentityRemove if ours && !self.fixed => self.lose(),
            // A denial changes nothing: T202 runs on, and the next request has another number (§5.3.2.1).
            _ => {}
        }
    }

    pub(crate) fn expire(&mut self, now: Duration) {
        match self.asking {
            Asking::Tei { tries, until, .. } if until <= now => {
                if tries < self.n202 {
                    self.request(now, tries + 1);
                } else {
                    self.asking = Asking::Nothing;
                    self.wishes.push(Wish::Failed);
                }
            }
            Asking::Verification { tries, until } if until <= now => match self.tei {
                Some(tei) if tries < VERIFICATIONS => self.send_verify(now, tei, tries + 1),
                // The network does not care for this TEI.
                _ => self.lose(),
            },
            _ => {}
        }
    }

    fn lose(&mut self) {
        self.asking = Asking::Nothing;
        self.wishes.extend(self.tei.take().map(Wish::Remove));
    }

    fn request(&mut self, now: Duration, tries: u8) {
        let ri = self.references.draw();
        self.asking = Asking::Tei {
            ri,
            tries,
            until: now + self.t202,
        };
        self.send(TeiMessageType::IdentityRequest, ri, ANY);
    }

    fn send_verify(&mut self, now: Duration, tei: u8, tries: u8) {
        self.asking = Asking::Verification {
            tries,
            until: now + self.t202,
        };
        self.send(TeiMessageType::IdentityVerify, 0, tei);
    }

    fn send(&mut self, kind: TeiMessageType, ri: u16, ai: u8) {
        self.wishes.push(Wish::Send(TeiMessage::new(kind, ri, ai)));
    }
}

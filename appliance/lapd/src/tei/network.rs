//! The network side of TEI management: gives TEIs, checks them, takes them away (Q.921 §5.3.2 to §5.3.5).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::time::Duration;

use super::{ANY, AUTOMATIC, TeiMessage, TeiMessageType, Wish};

/// How often a terminal is asked before its TEI counts as free (§5.3.3.2).
const ROUNDS: u8 = 2;

/// The assignment source point of a bus.
#[derive(Debug)]
pub(crate) struct Network {
    t201: Duration,
    given: BTreeSet<u8>,
    /// The TEI that was given last: the next one is another, so that a terminal that was away finds its own gone
    /// rather than held by somebody else.
    last: u8,
    check: Option<Check>,
    /// Checks that wait for the one that runs; each TEI at most once.
    waiting: VecDeque<u8>,
    wishes: Vec<Wish>,
}

#[derive(Debug)]
struct Check {
    /// A TEI, or [`ANY`].
    target: u8,
    round: u8,
    until: Duration,
    /// The TEIs that answered in this round, each with the number its terminal drew for that; and those that answered
    /// in any.
    now: BTreeMap<u8, u16>,
    ever: BTreeSet<u8>,
}

impl Network {
    pub(crate) fn new(t201: Duration) -> Self {
        Self {
            t201,
            given: BTreeSet::new(),
            last: *AUTOMATIC.end(),
            check: None,
            waiting: VecDeque::new(),
            wishes: Vec::new(),
        }
    }

    pub(crate) fn take_wishes(&mut self) -> Vec<Wish> {
        mem::take(&mut self.wishes)
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.check.as_ref().map(|check| check.until)
    }

    pub(crate) fn receive(&mut self, now: Duration, message: &TeiMessage) {
        match (message.kind, message.ai.as_slice()) {
            (TeiMessageType::IdentityRequest, [ai]) => self.assign(now, message.ri, *ai),
            (TeiMessageType::CheckResponse, ai) => ai.iter().for_each(|ai| self.answered(message.ri, *ai)),
            (TeiMessageType::IdentityVerify, [ai]) if *ai != ANY => self.check(now, *ai),
            // The others are the network's own.
            _ => {}
        }
    }

    /// A terminal uses a TEI that was not given to it: it has one from before our last start, or from elsewhere.
    pub(crate) fn unknown(&mut self, tei: u8) {
        if AUTOMATIC.contains(&tei) && !self.given.contains(&tei) {
            self.remove(tei);
        }
    }

    /// Asks who holds a TEI, or with [`ANY`] who is there at all.
    pub(crate) fn check(&mut self, now: Duration, target: u8) {
        let running = self.check.as_ref().is_some_and(|check| check.target == target);
        if running || self.waiting.contains(&target) {
            return;
        }
        self.waiting.push_back(target);
        self.next_check(now);
    }

    pub(crate) fn expire(&mut self, now: Duration) {
        let Some(mut check) = self.check.take_if(|check| check.until <= now) else {
            return;
        };
        if check.round < ROUNDS {
            check.round += 1;
            check.now.clear();
            self.ask(now, check);
            return;
        }
        let silent: Vec<u8> = self
            .given
            .iter()
            .copied()
            .filter(|tei| check.target == ANY || check.target == *tei)
            .filter(|tei| !check.ever.contains(tei))
            .collect();
        for tei in silent {
            self.given.remove(&tei);
            self.wishes.push(Wish::Remove(tei));
        }
        if !AUTOMATIC.contains(&check.target) && check.target != ANY && check.ever.is_empty() {
            // A fixed TEI that nobody holds any more.
            self.wishes.push(Wish::Remove(check.target));
        }
        self.next_check(now);
    }

    fn assign(&mut self, now: Duration, ri: u16, ai: u8) {
        let wanted = if ai == ANY { self.free() } else { Some(ai) };
        let tei = wanted.filter(|tei| AUTOMATIC.contains(tei) && !self.given.contains(tei));
        let Some(tei) = tei else {
            self.send(TeiMessageType::IdentityDenied, ri, ai);
            if ai == ANY {
                // All are given: perhaps not all are held.
                self.check(now, ANY);
            }
            return;
        };
        self.given.insert(tei);
        self.last = tei;
        self.wishes.push(Wish::Assign(tei));
        self.send(TeiMessageType::IdentityAssigned, ri, tei);
    }

    /// The next free TEI after the one given last.
    fn free(&self) -> Option<u8> {
        let after = self.last.saturating_add(1)..=*AUTOMATIC.end();
        let before = *AUTOMATIC.start()..=self.last;
        after.chain(before).find(|tei| !self.given.contains(tei))
    }

    fn answered(&mut self, ri: u16, tei: u8) {
        self.unknown(tei);
        let Some(check) = &mut self.check else { return };
        if check.target != ANY && check.target != tei {
            return;
        }
        check.ever.insert(tei);
        let first = *check.now.entry(tei).or_insert(ri);
        if first != ri {
            // Two terminals hold it: each draws a number of its own.
            self.remove(tei);
        }
    }

    /// Said twice, because nobody answers (§5.3.4).
    fn remove(&mut self, tei: u8) {
        self.given.remove(&tei);
        self.send(TeiMessageType::IdentityRemove, 0, tei);
        self.send(TeiMessageType::IdentityRemove, 0, tei);
        self.wishes.push(Wish::Remove(tei));
    }

    fn next_check(&mut self, now: Duration) {
        if self.check.is_some() {
            return;
        }
        if let Some(target) = self.waiting.pop_front() {
            let check = Check {
                target,
                round: 1,
                until: now,
                now: BTreeMap::new(),
                ever: BTreeSet::new(),
            };
            self.ask(now, check);
        }
    }

    fn ask(&mut self, now: Duration, mut check: Check) {
        check.until = now + self.t201;
        self.send(TeiMessageType::CheckRequest, 0, check.target);
        self.check = Some(check);
    }

    fn send(&mut self, kind: TeiMessageType, ri: u16, ai: u8) {
        self.wishes.push(Wish::Send(TeiMessage::new(kind, ri, ai)));
    }
}

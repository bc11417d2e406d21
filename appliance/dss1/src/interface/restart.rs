//! RESTART (Q.931 §5.5): channels whose state the two ends may see differently are idle again on both.

use std::time::Duration;

use super::channels::{ChannelState, Channels};
use crate::element::{Element, RestartClass};
use crate::elements::Elements;

/// How often RESTART is sent before the peer counts as not answering.
const TRIES: u8 = 2;

/// The restart procedure of an interface: at most one at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Restarts {
    current: Option<Current>,
    /// Nobody answered: not again until then.
    pause: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Current {
    channels: Vec<u8>,
    class: RestartClass,
    tries: u8,
    t316: Duration,
}

impl Restarts {
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.current.as_ref().map(|current| current.t316).or(self.pause)
    }

    /// Begins with the channels in doubt, if there are any and nothing is under way: all at once if all of them are in
    /// doubt, else one by one. Gives the elements of the RESTART to send.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        t316: Duration,
        channels: &mut Channels,
    ) -> Option<Elements> {
        if self.current.is_some() || self.pause.is_some() {
            return None;
        }
        let suspect: Vec<u8> = channels
            .iter()
            .filter(|row| row.1 == ChannelState::Suspect)
            .map(|row| row.0)
            .collect();
        let first = *suspect.first()?;
        let whole = suspect.len() > 1 && suspect.len() == channels.iter().count();
        let (class, restarted) = if whole {
            (RestartClass::Interface, suspect)
        } else {
            (RestartClass::Channels, vec![first])
        };
        for channel in &restarted {
            channels.set(*channel, ChannelState::Restarting);
        }
        let current = Current {
            channels: restarted,
            class,
            tries: 1,
            t316: now + t316,
        };
        let elements = current.elements(channels);
        self.current = Some(current);
        Some(elements)
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.current.is_some()
    }

    /// RESTART ACKNOWLEDGE, or a STATUS from a peer that knows no RESTART: the channels are idle.
    pub(super) fn answered(&mut self, channels: &mut Channels) {
        for channel in self
            .current
            .take()
            .into_iter()
            .flat_map(|current| current.channels)
        {
            if channels.get(channel) == Some(ChannelState::Restarting) {
                channels.set(channel, ChannelState::Idle);
            }
        }
    }

    /// What is to be sent again, or else the channels that nobody answered for.
    pub(super) fn expire(
        &mut self,
        now: Duration,
        t316: Duration,
        channels: &mut Channels,
    ) -> Option<Result<Elements, Vec<u8>>> {
        if self.pause.is_some_and(|at| at <= now) {
            self.pause = None;
        }
        let current = self.current.as_mut().filter(|current| current.t316 <= now)?;
        if current.tries < TRIES {
            current.tries += 1;
            current.t316 = now + t316;
            return Some(Ok(current.elements(channels)));
        }
        self.pause = Some(now + t316);
        let unanswered = self.give_up(channels);
        Some(Err(unanswered))
    }

    /// The data link is gone: all over again when it is back.
    pub(super) fn link_lost(&mut self, channels: &mut Channels) {
        self.pause = None;
        self.give_up(channels);
    }

    fn give_up(&mut self, channels: &mut Channels) -> Vec<u8> {
        let given_up = self.current.take().map(|current| current.channels);
        let given_up = given_up.unwrap_or_default();
        for channel in &given_up {
            if channels.get(*channel) == Some(ChannelState::Restarting) {
                channels.set(*channel, ChannelState::Suspect);
            }
        }
        given_up
    }
}

impl Current {
    fn elements(&self, channels: &Channels) -> Elements {
        let mut elements = Elements::from([Element::Restart(self.class)]);
        if self.class == RestartClass::Channels {
            for channel in &self.channels {
                elements.push(Element::Channel(channels.identify(*channel, true)));
            }
        }
        elements
    }
}

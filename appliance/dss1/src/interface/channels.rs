//! The B channels of an interface: which call has which, and which of them are in doubt.

use crate::element::{ChannelIdentification, Selection};
use crate::{Access, CallId};

/// What a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    Idle,
    Busy(CallId),
    /// The peer may hold it for a call that is none here any more: RESTART will be sent for it.
    Suspect,
    /// RESTART was sent for it.
    Restarting,
}

#[derive(Clone, Debug)]
pub(super) struct Channels {
    primary: bool,
    channels: Vec<(u8, ChannelState)>,
}

/// Why an offered or a chosen channel cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not one of ours.
    Unknown,
    /// It is in use; by a call of this end, if that is known.
    Busy(Option<CallId>),
    /// None is free.
    NoneFree,
}

impl Channels {
    pub(super) fn new(access: Access, channels: &[u8], state: ChannelState) -> Self {
        Self {
            primary: access == Access::Primary,
            channels: channels.iter().map(|channel| (*channel, state)).collect(),
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u8, ChannelState)> {
        self.channels.iter().copied()
    }

    pub(super) fn get(&self, channel: u8) -> Option<ChannelState> {
        self.iter().find(|row| row.0 == channel).map(|row| row.1)
    }

    pub(super) fn set(&mut self, channel: u8, state: ChannelState) {
        for row in &mut self.channels {
            if row.0 == channel {
                row.1 = state;
            }
        }
    }

    pub(super) fn of(&self, call: CallId) -> Option<u8> {
        self.iter()
            .find(|row| row.1 == ChannelState::Busy(call))
            .map(|row| row.0)
    }

    /// Frees the channel of a call, or casts doubt on it.
    pub(super) fn leave(&mut self, call: CallId, state: ChannelState) {
        if let Some(channel) = self.of(call) {
            self.set(channel, state);
        }
    }

    /// A channel for a new call. A network side takes the lowest, a user side the highest: so they seldom want the same
    /// (§5.7). One in doubt is better than none: a peer that holds it says so.
    pub(super) fn free(&self, lowest: bool) -> Option<u8> {
        [ChannelState::Idle, ChannelState::Suspect]
            .into_iter()
            .find_map(|state| {
                let mut free = self.iter().filter(|row| row.1 == state).map(|row| row.0);
                if lowest { free.next() } else { free.next_back() }
            })
    }

    /// The channel that an element of the peer means for this call: one that is free, or is the call's already.
    pub(super) fn wanted(&self, call: CallId, wish: &ChannelIdentification) -> Result<u8, Refused> {
        let wanted = match &wish.selection {
            Selection::Any => return self.free(true).ok_or(Refused::NoneFree),
            Selection::NoChannel => return Err(Refused::Unknown),
            _ => wish.channels(),
        };
        let [wanted] = wanted[..] else {
            return Err(Refused::Unknown);
        };
        if wish.primary != self.primary || wish.d_channel || wish.interface.is_some() {
            return Err(Refused::Unknown);
        }
        match self.get(wanted) {
            None => Err(Refused::Unknown),
            // The peer would not offer one that it holds, so it is in doubt no more.
            Some(ChannelState::Idle | ChannelState::Suspect) => Ok(wanted),
            Some(ChannelState::Busy(holder)) if holder == call => Ok(wanted),
            Some(ChannelState::Busy(holder)) => Err(Refused::Busy(Some(holder))),
            Some(ChannelState::Restarting) => Err(Refused::Busy(None)),
        }
    }

    pub(super) fn identify(&self, channel: u8, exclusive: bool) -> ChannelIdentification {
        ChannelIdentification::one(self.primary, channel, exclusive)
    }
}

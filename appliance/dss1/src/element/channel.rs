//! Which B channel (Q.931 §4.5.13).

use super::{ContentError, is_last};

/// Channel identification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelIdentification {
    /// Which access the element is written for: primary rate or basic.
    pub primary: bool,
    /// Another interface than the one of this D channel, if there are several.
    pub interface: Option<Vec<u8>>,
    /// No other channel will do.
    pub exclusive: bool,
    /// The channel is the D channel itself.
    pub d_channel: bool,
    pub selection: Selection,
}

/// The information channels that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    NoChannel,
    Any,
    /// Basic access: B1 or B2, written 1 or 2.
    Basic(u8),
    /// Primary rate: channel numbers, which on E1 are time slots.
    Numbers(Vec<u8>),
    /// Primary rate: time slots of E1, bit n for slot n.
    Map(u32),
}

/// Channel type B, coded by Q.931 itself.
const B_CHANNELS: u8 = 0x83;
const MAP: u8 = 0x10;

impl ChannelIdentification {
    /// One channel: a time slot of E1, or B1 or B2.
    pub fn one(primary: bool, channel: u8, exclusive: bool) -> Self {
        Self {
            exclusive,
            selection: if primary {
                Selection::Numbers(vec![channel])
            } else {
                Selection::Basic(channel)
            },
            ..Self::any(primary)
        }
    }

    pub fn any(primary: bool) -> Self {
        Self {
            primary,
            interface: None,
            exclusive: false,
            d_channel: false,
            selection: Selection::Any,
        }
    }

    /// The channels that are named, in order.
    pub fn channels(&self) -> Vec<u8> {
        match &self.selection {
            Selection::NoChannel | Selection::Any => Vec::new(),
            Selection::Basic(channel) => vec![*channel],
            Selection::Numbers(numbers) => numbers.clone(),
            Selection::Map(map) => (0..32).filter(|slot| map >> slot & 1 != 0).collect(),
        }
    }

    pub(super) fn parse(contents: &[u8]) -> Result<Self, ContentError> {
        let (first, mut rest) = contents.split_first().ok_or(ContentError)?;
        let primary = first & 0x20 != 0;
        let mut interface = None;
        if first & 0x40 != 0 {
            let end = rest
                .iter()
                .position(|octet| is_last(*octet))
                .ok_or(ContentError)?;
            let (identifier, tail) = rest.split_at(end + 1);
            interface = Some(identifier.iter().map(|octet| octet & 0x7f).collect());
            rest = tail;
        }
        let selection = match first & 3 {
            0 => Selection::NoChannel,
            3 => Selection::Any,
            1 if primary => slots(rest)?,
            2 if primary => return Err(ContentError),
            channel => Selection::Basic(channel),
        };
        Ok(Self {
            primary,
            interface,
            exclusive: first & 8 != 0,
            d_channel: first & 4 != 0,
            selection,
        })
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        let selection = match &self.selection {
            Selection::NoChannel => 0,
            Selection::Any => 3,
            Selection::Basic(channel) => channel & 3,
            Selection::Numbers(_) | Selection::Map(_) => 1,
        };
        into.push(
            0x80 | u8::from(self.interface.is_some()) << 6
                | u8::from(self.primary) << 5
                | u8::from(self.exclusive) << 3
                | u8::from(self.d_channel) << 2
                | selection,
        );
        if let Some(interface) = &self.interface {
            into.extend(extended(interface));
        }
        match &self.selection {
            Selection::Numbers(numbers) => {
                into.push(B_CHANNELS);
                into.extend(extended(numbers));
            }
            Selection::Map(map) => {
                into.push(B_CHANNELS | MAP);
                into.extend(map.to_be_bytes());
            }
            _ => {}
        }
    }
}

/// Octets 3.2 and 3.3.
fn slots(octets: &[u8]) -> Result<Selection, ContentError> {
    let (kind, rest) = octets.split_first().ok_or(ContentError)?;
    if kind | MAP != B_CHANNELS | MAP {
        return Err(ContentError);
    }
    if kind & MAP != 0 {
        let map = rest.try_into().map_err(|_| ContentError)?;
        return Ok(Selection::Map(u32::from_be_bytes(map)));
    }
    if rest.is_empty() {
        return Err(ContentError);
    }
    // Some exchanges set the bit that ends the list on each of its octets, so it ends where the element does.
    Ok(Selection::Numbers(
        rest.iter().map(|octet| octet & 0x7f).collect(),
    ))
}

/// A group of octets whose last one says so.
fn extended(octets: &[u8]) -> impl Iterator<Item = u8> {
    let end = octets.len().saturating_sub(1);
    let octets = octets.iter().enumerate();
    octets.map(move |(index, octet)| octet & 0x7f | if index == end { 0x80 } else { 0 })
}

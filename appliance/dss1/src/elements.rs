//! The information elements of one message: in the order of the standard, found by what they are.

use crate::element::{
    BearerCapability, CauseElement, ChannelIdentification, Element, Location, Number, Progress, RestartClass,
    Segment,
};
use crate::{Cause, ProgressDescription};

/// Elements in the order in which they are sent (§4.5.1): ascending in each codeset. A repeat indicator stays before
/// the element that it belongs to. Where an element comes twice that may not, the first counts (§5.8.5.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elements(Vec<Element>);

impl From<Vec<Element>> for Elements {
    fn from(elements: Vec<Element>) -> Self {
        let mut keyed: Vec<((u8, u8), Element)> = Vec::with_capacity(elements.len());
        let mut behind = (0, 0);
        for element in elements.into_iter().rev() {
            let (codeset, identifier) = element.identifier();
            let key = match element {
                Element::RepeatIndicator(_) => behind,
                // Single octet elements come first.
                _ if identifier & 0x80 != 0 => (codeset, 0),
                _ => (codeset, identifier + 1),
            };
            behind = key;
            keyed.push((key, element));
        }
        keyed.reverse();
        keyed.sort_by_key(|(key, _)| *key);
        Self(keyed.into_iter().map(|(_, element)| element).collect())
    }
}

impl<const N: usize> From<[Element; N]> for Elements {
    fn from(elements: [Element; N]) -> Self {
        Vec::from(elements).into()
    }
}

impl Elements {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Element> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one in its place.
    pub fn push(&mut self, element: Element) {
        let mut elements = std::mem::take(&mut self.0);
        elements.push(element);
        *self = elements.into();
    }

    #[must_use]
    pub fn with(mut self, element: Element) -> Self {
        self.push(element);
        self
    }

    /// Puts an element in the place of those with its identifier.
    pub fn set(&mut self, element: Element) {
        let identifier = element.identifier();
        self.0.retain(|other| other.identifier() != identifier);
        self.push(element);
    }

    pub(crate) fn has(&self, identifier: u8) -> bool {
        self.0
            .iter()
            .any(|element| element.identifier() == (0, identifier))
    }

    /// Only those that the caller did not give itself.
    #[must_use]
    pub(crate) fn or(mut self, element: Element) -> Self {
        if !self
            .0
            .iter()
            .any(|other| other.identifier() == element.identifier())
        {
            self.push(element);
        }
        self
    }

    fn find<'a, T>(&'a self, take: impl Fn(&'a Element) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(take)
    }

    pub fn cause_element(&self) -> Option<&CauseElement> {
        self.find(|element| match element {
            Element::Cause(cause) => Some(cause),
            _ => None,
        })
    }

    pub fn cause(&self) -> Option<Cause> {
        self.cause_element().map(|element| element.cause)
    }

    pub fn bearer(&self) -> Option<&BearerCapability> {
        self.find(|element| match element {
            Element::BearerCapability(bearer) => Some(bearer),
            _ => None,
        })
    }

    pub fn channel(&self) -> Option<&ChannelIdentification> {
        self.find(|element| match element {
            Element::Channel(channel) => Some(channel),
            _ => None,
        })
    }

    pub fn called_number(&self) -> Option<&Number> {
        self.find(|element| match element {
            Element::CalledNumber(number) => Some(number),
            _ => None,
        })
    }

    /// The calling numbers: with two, the second is the one that the user gave (EN 300 092-1 §9.3).
    pub fn calling_numbers(&self) -> impl Iterator<Item = &Number> {
        self.0.iter().filter_map(|element| match element {
            Element::CallingNumber(number) => Some(number),
            _ => None,
        })
    }

    pub fn connected_number(&self) -> Option<&Number> {
        self.find(|element| match element {
            Element::ConnectedNumber(number) => Some(number),
            _ => None,
        })
    }

    pub fn redirecting_number(&self) -> Option<&Number> {
        self.find(|element| match element {
            Element::RedirectingNumber(number) => Some(number),
            _ => None,
        })
    }

    /// Digits dialled: called number or keypad.
    pub fn digits(&self) -> &str {
        let called = self.called_number().map(|number| number.digits.as_str());
        let keypad = || {
            self.find(|element| match element {
                Element::Keypad(digits) => Some(digits.as_str()),
                _ => None,
            })
        };
        called.or_else(keypad).unwrap_or_default()
    }

    pub fn is_sending_complete(&self) -> bool {
        self.0.contains(&Element::SendingComplete)
    }

    pub fn progress(&self) -> impl Iterator<Item = Progress> {
        self.0.iter().filter_map(|element| match element {
            Element::Progress(progress) => Some(*progress),
            _ => None,
        })
    }

    /// Whether tones or announcements are to be heard in the B channel (§5.4).
    pub fn is_in_band(&self) -> bool {
        let in_band = [
            ProgressDescription::NOT_END_TO_END_ISDN,
            ProgressDescription::IN_BAND,
        ];
        self.progress()
            .any(|progress| in_band.contains(&progress.description))
    }

    pub fn display(&self) -> Option<&str> {
        self.find(|element| match element {
            Element::Display(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub fn call_state(&self) -> Option<u8> {
        self.find(|element| match element {
            Element::CallState(state) => Some(*state),
            _ => None,
        })
    }

    pub fn restart(&self) -> Option<RestartClass> {
        self.find(|element| match element {
            Element::Restart(class) => Some(*class),
            _ => None,
        })
    }

    pub(crate) fn segment(&self) -> Option<Segment> {
        self.find(|element| match element {
            Element::Segmented(segment) => Some(*segment),
            _ => None,
        })
    }
}

impl<'a> IntoIterator for &'a Elements {
    type Item = &'a Element;
    type IntoIter = std::slice::Iter<'a, Element>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Cause {
    /// This cause as an element.
    pub fn at(self, location: Location) -> Element {
        self.with_diagnostics(location, Vec::new())
    }

    pub(crate) fn with_diagnostics(self, location: Location, diagnostics: Vec<u8>) -> Element {
        Element::Cause(CauseElement {
            cause: self,
            location,
            diagnostics,
        })
    }
}

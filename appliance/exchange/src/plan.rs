//! The configuration of an exchange, and what a number means by it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::number::{canonical, public_length};
use crate::{Hours, PlaceName};

/// All that calls are decided by. Numbers are in the form of [`crate::canonical`].
#[derive(Clone, Debug)]
pub struct Plan {
    pub places: BTreeMap<PlaceName, Place>,
    pub extensions: Vec<Extension>,
    pub routes: Vec<Route>,
    pub emergency: Emergency,
    /// Against fraud; of several whose prefixes fit, each must allow the call.
    pub limits: Vec<Limit>,
    /// The most calls at once, emergency calls not counted.
    pub most_calls: usize,
    /// New calls a second, emergency calls not counted.
    pub most_a_second: u32,
    /// The country code of numbers without one.
    pub country: String,
    /// Where opening hours are local.
    pub zone: TimeZone,
}

/// Whether a place is of the site itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Phones, and lines with an exchange or terminals of the site.
    Inside,
    /// Trunks, and lines to the public network.
    Outside,
}

/// Which number callers from a place show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shows {
    /// The one that they say if it is one of the place's own, else the place's.
    #[default]
    Own,
    /// The one that they say.
    Any,
    /// The place's, whatever they say.
    Fixed,
}

/// Where legs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub kind: Kind,
    /// How many legs it carries; none: as many as come. Where there are channels, callers are told apart by the number
    /// that they say.
    pub channels: Option<usize>,
    /// Of these, how many are kept for emergency calls.
    pub reserved: usize,
    /// How many calls it may have that are no emergency calls.
    pub most_calls: Option<usize>,
    pub shows: Shows,
    /// Its own numbers begin with one of these.
    pub own_numbers: Vec<String>,
    /// Shown for callers from here that show no other, and by callers to here that have none.
    pub number: Option<String>,
}

/// Somebody of the site who can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    pub number: String,
    /// Its number in the public network, which it shows there.
    pub public: Option<String>,
    pub place: PlaceName,
    /// What its place knows it by.
    pub called_as: String,
    /// Calls at once, to it and from it, emergency calls not counted.
    pub most_calls: usize,
    pub forwarding: Forwarding,
    pub barring: Barring,
    /// Where it is, if not where the site is.
    pub location: Option<String>,
}

/// What may not be called. The longest prefix that fits, of either list, decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Barring {
    pub barred: Vec<String>,
    pub allowed: Vec<String>,
}

impl Barring {
    pub fn bars(&self, number: &str) -> bool {
        longest(&self.barred, number) > longest(&self.allowed, number)
    }

    /// The same of a number and of what goes out for it. What is allowed as it is dialled, is.
    pub(crate) fn bars_either(&self, dialled: &str, sent: &str) -> bool {
        self.bars(dialled) || longest(&self.allowed, dialled).is_none() && self.bars(sent)
    }
}

/// The length of the longest of these that a number begins with.
fn longest(prefixes: &[String], number: &str) -> Option<usize> {
    let fits = prefixes
        .iter()
        .filter(|prefix| number.starts_with(prefix.as_str()));
    fits.map(String::len).max()
}

/// Where calls for an extension go instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    pub always: Option<String>,
    pub busy: Option<String>,
    /// When it has rung so long, or cannot be reached: its phone is not there, its line is down.
    pub no_answer: Option<(Duration, String)>,
}

/// Where numbers go that begin with `prefix`. The longest prefix that is open has it; of equals, the first.
#[derive(Clone, Debug)]
pub struct Route {
    pub prefix: String,
    /// Whose calls take it; none: everybody's.
    pub from: Option<Kind>,
    /// How many digits such a number has; none: what the public plan says.
    pub digits: Option<usize>,
    pub hours: Hours,
    /// So many characters are taken off the number's front, then this is put there.
    pub strip: usize,
    pub prepend: String,
    /// In the order in which they are tried.
    pub targets: Vec<Target>,
}

/// What a route leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Place(PlaceName),
    /// By its place in [`Plan::extensions`].
    Extension(usize),
}

/// Calls for help.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emergency {
    pub numbers: Vec<String>,
    /// In the order in which they are tried, whatever the cause that one fails with.
    pub places: Vec<PlaceName>,
    /// Shown if the caller has no number that the public network knows.
    pub number: String,
    /// Told if the extension has none.
    pub location: String,
}

/// What one account may spend on numbers that begin with one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub prefixes: Vec<String>,
    /// Calls at once.
    pub concurrent: usize,
    /// Calls begun within `window`.
    pub calls: usize,
    pub window: Duration,
}

/// What a number leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    Emergency,
    /// By its place in [`Plan::extensions`].
    Extension(usize),
    /// By its place in [`Plan::routes`].
    Route(usize),
}

/// What digits mean so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, and no more digits will change that.
    Nothing,
    /// Nothing yet.
    Incomplete,
    /// This, unless more digits come.
    Perhaps(Goal),
    Complete(Goal),
}

impl Plan {
    /// What a number means to a caller, when. An emergency number is one at once, whatever else begins with it.
    pub fn find(&self, number: &str, from: Kind, wall: Timestamp) -> Found {
        if self.emergency.numbers.iter().any(|known| known == number) {
            return Found::Complete(Goal::Emergency);
        }
        match (self.exact(number, from, wall), self.goes_on(number, from)) {
            (Some(goal), true) => Found::Perhaps(goal),
            (Some(goal), false) => Found::Complete(goal),
            (None, true) => Found::Incomplete,
            (None, false) => Found::Nothing,
        }
    }

    /// Whether a number calls for help, with or without the code for an outside line.
    pub fn is_for_help(&self, number: &str) -> bool {
        let number = self.canonical(number);
        self.emergency.numbers.contains(&number) || self.help_behind(&number, Kind::Inside).is_some()
    }

    /// The emergency number behind the code for an outside line, where a route takes such a code away: whoever has dialled
    /// 0 before every number for years dials 0112 when the house burns.
    pub(crate) fn help_behind(&self, number: &str, from: Kind) -> Option<String> {
        let code = |route: &&Route| {
            let prefix = &route.prefix;
            let is_code = !prefix.is_empty() && route.strip == prefix.len() && route.prepend.is_empty();
            is_code && !prefix.starts_with("00") && route.is_for(from) && number.starts_with(prefix.as_str())
        };
        let bare = self.routes.iter().filter(code).map(|route| route.number(number));
        bare.into_iter()
            .find(|bare| self.emergency.numbers.contains(bare))
    }

    /// A number in the one form.
    pub fn canonical(&self, number: &str) -> String {
        canonical(number, &self.country)
    }

    fn exact(&self, number: &str, from: Kind, wall: Timestamp) -> Option<Goal> {
        if let Some(index) = self.extensions.iter().position(|one| one.is_called(number)) {
            return Some(Goal::Extension(index));
        }
        let fits = |route: &Route| {
            route.is_for(from)
                && number.starts_with(&route.prefix)
                && route.has_length(number)
                && route.hours.hold(wall, &self.zone)
        };
        let routes = self.routes.iter().enumerate().filter(|(_, route)| fits(route));
        // The first of the longest: max_by_key would have the last.
        let best = routes.rev().max_by_key(|(_, route)| route.prefix.len())?;
        Some(Goal::Route(best.0))
    }

    /// Whether more digits could make another number of it that means something.
    fn goes_on(&self, number: &str, from: Kind) -> bool {
        let longer = |known: &String| known.len() > number.len() && known.starts_with(number);
        let extensions = self
            .extensions
            .iter()
            .flat_map(|extension| extension.public.iter().chain([&extension.number]));
        let on_route = |route: &Route| {
            route.is_for(from)
                && (longer(&route.prefix) || number.starts_with(&route.prefix) && route.has_more(number))
        };
        self.emergency.numbers.iter().any(longer)
            || extensions.into_iter().any(longer)
            || self.routes.iter().any(on_route)
    }

    /// The extension that calls, by its place in [`Plan::extensions`]: the one whose number the caller says, or the only
    /// one where callers are not told apart.
    pub(crate) fn caller(&self, place: &str, number: Option<&str>) -> Option<usize> {
        let mut there = self
            .extensions
            .iter()
            .enumerate()
            .filter(|(_, one)| &*one.place == place);
        if self.places.get(place)?.channels.is_none() {
            return there.next().map(|one| one.0);
        }
        let number = number?;
        there
            .find(|(_, one)| one.is_called(number) || one.called_as == number)
            .map(|one| one.0)
    }
}

impl Extension {
    fn is_called(&self, number: &str) -> bool {
        self.number == number || self.public.as_deref() == Some(number)
    }
}

impl Route {
    fn is_for(&self, from: Kind) -> bool {
        self.from.is_none_or(|kind| kind == from)
    }

    fn has_length(&self, number: &str) -> bool {
        match self.digits {
            Some(digits) => number.len() == digits,
            None => public_length(number).contains(&number.len()),
        }
    }

    fn has_more(&self, number: &str) -> bool {
        let most = self.digits.unwrap_or_else(|| *public_length(number).end());
        number.len() < most
    }

    pub(crate) fn number(&self, number: &str) -> String {
        let rest: String = number.chars().skip(self.strip).collect();
        format!("{}{rest}", self.prepend)
    }
}

//! All ISDN lines: opened as the site declares them, kept while calls are on them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use varde_lapd::Side;
use varde_line::l1oip::Header;
use varde_line::udp::Bound;
use varde_line::{Access, Received};
use varde_site::{Line, LineAccess, LineSide, Telephony};

use crate::Error;
use crate::line::LineEnd;
use crate::plan::line_place;

/// How soon a line that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// A declared line, and its end here if it could be opened.
pub struct Held {
    pub declared: Line,
    pub end: Option<LineEnd>,
    /// Why there is none.
    pub trouble: Option<Error>,
    /// Since when it has been as it is: milliseconds since 1970.
    pub since: i64,
    retry: Duration,
    /// Declared otherwise, or no longer.
    replace: Option<Instead>,
}

/// What becomes of a line when its calls are over.
enum Instead {
    Another(Box<Line>),
    Nothing,
}

/// The lines by name.
#[derive(Default)]
pub struct Lines {
    held: BTreeMap<String, Held>,
    country: String,
    next: usize,
}

impl Lines {
    /// Makes the lines those that are declared. A line with calls is touched when they are over.
    pub fn follow(&mut self, telephony: Option<&Telephony>, now: Duration, wall: i64) {
        let declared = telephony.map_or(&[][..], |telephony| &telephony.lines);
        if let Some(telephony) = telephony {
            self.country.clone_from(&telephony.country);
        }
        for (name, held) in &mut self.held {
            match declared.iter().find(|line| line.name == *name) {
                Some(line) if is_the_same(line, &held.declared) => {
                    held.declared = line.clone();
                    held.replace = None;
                    if let Some(end) = &mut held.end {
                        end.overlap = line.overlap;
                    }
                }
                Some(line) => held.replace = Some(Instead::Another(Box::new(line.clone()))),
                None => held.replace = Some(Instead::Nothing),
            }
        }
        self.tidy(now, wall);
        for line in declared {
            if !self.held.contains_key(&line.name) {
                self.open(line.clone(), now, wall);
            }
        }
    }

    /// Opens anew, or lets go, what is due and has no calls.
    pub fn tidy(&mut self, now: Duration, wall: i64) {
        let is_due = |held: &Held| match &held.end {
            Some(end) => held.replace.is_some() && end.is_idle(),
            None => held.replace.is_some() || held.retry <= now,
        };
        let due: Vec<String> = self
            .held
            .iter()
            .filter(|(_, held)| is_due(held))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            let Some(held) = self.held.remove(&name) else {
                continue;
            };
            // The old socket is closed before the new one is bound.
            drop(held.end);
            match held.replace {
                Some(Instead::Nothing) => {}
                Some(Instead::Another(line)) => self.open(*line, now, wall),
                None => self.open(held.declared, now, wall),
            }
        }
    }

    fn open(&mut self, declared: Line, now: Duration, wall: i64) {
        let (end, trouble) = match open(&declared, &self.country) {
            Ok(end) => (Some(end), None),
            Err(error) => {
                eprintln!("{}", error.text().en);
                (None, Some(error))
            }
        };
        let held = Held {
            end,
            trouble,
            since: wall,
            retry: now + RETRY,
            replace: None,
            declared,
        };
        self.held.insert(held.declared.name.clone(), held);
    }

    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Held> {
        self.held.get_mut(name)
    }

    pub fn end(&self, name: &str) -> Option<&LineEnd> {
        self.held.get(name)?.end.as_ref()
    }

    pub fn end_mut(&mut self, name: &str) -> Option<&mut LineEnd> {
        self.held.get_mut(name)?.end.as_mut()
    }

    pub fn ends(&mut self) -> impl Iterator<Item = (&String, &mut LineEnd)> {
        self.held
            .iter_mut()
            .filter_map(|(name, held)| Some((name, held.end.as_mut()?)))
    }

    pub fn poll_timeout(&self) -> Option<Duration> {
        let retries = self.held.values().filter(|held| held.end.is_none());
        let retries = retries.map(|held| held.retry);
        let ends = self.held.values().filter_map(|held| held.end.as_ref());
        ends.filter_map(LineEnd::poll_timeout).chain(retries).min()
    }

    /// What comes next, and from which line; each has its turn.
    pub fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<(String, varde_line::Result<Received>)> {
        let count = self.held.len();
        for step in 0..count {
            let place = (self.next + step) % count;
            if let Some((name, held)) = self.held.iter_mut().nth(place)
                && let Some(end) = &mut held.end
                && let Poll::Ready(received) = end.poll_receive(context)
            {
                self.next = place + 1;
                return Poll::Ready((name.clone(), received));
            }
        }
        Poll::Pending
    }
}

/// Whether the line itself is, whatever is said of its numbers.
fn is_the_same(one: &Line, other: &Line) -> bool {
    let wire = |line: &Line| {
        let channels = line.channels.clone();
        (
            line.access,
            line.side,
            line.bus,
            line.local,
            line.remote,
            line.id,
            channels,
        )
    };
    wire(one) == wire(other)
}

fn open(line: &Line, country: &str) -> Result<LineEnd, Error> {
    let fault = |source| Error::Line {
        name: line.name.clone(),
        source,
    };
    let header = Header {
        access: match line.access {
            LineAccess::Basic => Access::Basic,
            LineAccess::Primary => Access::Primary,
        },
        id: line.id,
    };
    let bound = Bound::new(SocketAddr::V4(line.local)).map_err(fault)?;
    let udp = bound
        .connect(SocketAddr::V4(line.remote), header)
        .map_err(fault)?;
    let side = match line.side {
        LineSide::Network => Side::Network,
        LineSide::User => Side::User,
    };
    let (links, interface) = match (line.access, line.bus) {
        (LineAccess::Primary, _) => (
            varde_lapd::Config::primary(side),
            varde_dss1::Config::primary(side),
        ),
        (LineAccess::Basic, false) => (varde_lapd::Config::basic(side), varde_dss1::Config::basic(side)),
        (LineAccess::Basic, true) => (
            varde_lapd::Config::bus(side, seed(line)),
            varde_dss1::Config::bus(side),
        ),
    };
    let interface = varde_dss1::Config {
        channels: line.channels.clone(),
        ..interface
    };
    let mut end = LineEnd::new(line_place(&line.name), Box::new(udp), links, interface, country);
    end.overlap = line.overlap;
    Ok(end)
}

/// Terminals on a bus must not draw the same numbers: the hasher of the standard library has a random key in each
/// process.
fn seed(line: &Line) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(&line.name)
}

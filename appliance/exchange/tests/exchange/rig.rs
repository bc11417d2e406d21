//! A small site, and legs that do as they are told.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use varde_dss1::Cause;
use varde_exchange::{
    Action, Barring, Calling, Command, Emergency, Exchange, Extension, Forwarding, Hours, Kind, LegId,
    Moment, Notice, Place, PlaceName, Plan, Record, Route, Setup, Shows, Signal, Target, Terms,
};

pub fn place(kind: Kind, channels: Option<usize>) -> Place {
    Place {
        kind,
        channels,
        reserved: 0,
        most_calls: None,
        shows: Shows::Own,
        own_numbers: Vec::new(),
        number: None,
    }
}

fn extension(number: &str, public: &str, place: &str) -> Extension {
    Extension {
        number: number.into(),
        public: Some(public.into()),
        place: place.into(),
        called_as: number.into(),
        most_calls: 10,
        forwarding: Forwarding::default(),
        barring: Barring::default(),
        location: None,
    }
}

pub fn route(prefix: &str, places: &[&str]) -> Route {
    Route {
        prefix: prefix.into(),
        from: Some(Kind::Inside),
        digits: None,
        hours: Hours::default(),
        strip: 0,
        prepend: String::new(),
        targets: places
            .iter()
            .map(|place| Target::Place((*place).into()))
            .collect(),
    }
}

/// An old exchange on a line, two phones, two trunks.
pub fn site() -> Plan {
    let pbx = Place {
        own_numbers: vec!["223300".into()],
        number: Some("22330000".into()),
        ..place(Kind::Inside, Some(2))
    };
    let places = [
        ("pbx", pbx),
        ("phone-200", place(Kind::Inside, None)),
        ("phone-201", place(Kind::Inside, None)),
        ("one", place(Kind::Outside, Some(2))),
        ("two", place(Kind::Outside, None)),
    ];
    let series = Route {
        from: None,
        digits: Some(8),
        ..route("223300", &["pbx"])
    };
    Plan {
        places: places.map(|(name, place)| (name.into(), place)).into(),
        extensions: vec![
            extension("200", "22334200", "phone-200"),
            extension("201", "22334201", "phone-201"),
        ],
        routes: vec![route("", &["one", "two"]), series],
        emergency: Emergency {
            numbers: ["110", "112", "113"].map(String::from).into(),
            places: vec!["one".into(), "two".into()],
            number: "22330001".into(),
            location: "Storgata 1".into(),
        },
        limits: Vec::new(),
        most_calls: 100,
        most_a_second: 100,
        country: "47".into(),
        zone: TimeZone::get("Europe/Oslo").unwrap(),
    }
}

/// The exchange, a clock, and what it has asked for.
pub struct Rig {
    pub exchange: Exchange,
    pub now: Moment,
    pub actions: VecDeque<(LegId, Action)>,
    pub joins: Vec<(LegId, LegId)>,
    pub records: Vec<Record>,
    pub notices: Vec<Notice>,
}

pub const START: &str = "2026-11-26T09:00:00Z";

impl Rig {
    pub fn new(plan: Plan) -> Self {
        Self {
            exchange: Exchange::new(plan, Terms::default(), 0),
            now: Moment {
                clock: Duration::from_secs(1000),
                wall: START.parse::<Timestamp>().unwrap(),
            },
            actions: VecDeque::new(),
            joins: Vec::new(),
            records: Vec::new(),
            notices: Vec::new(),
        }
    }

    pub fn collect(&mut self) {
        while let Some(command) = self.exchange.poll_command() {
            match command {
                Command::Leg(leg, action) => self.actions.push_back((leg, action)),
                Command::Join(one, other) => self.joins.push((one, other)),
                Command::Record(record) => self.records.push(*record),
                Command::Notice(notice) => self.notices.push(notice),
            }
        }
    }

    /// A call from a place whose caller says this number, dialled in one.
    pub fn call(&mut self, place: &str, calling: &str, called: &str) -> LegId {
        let calling = Calling {
            number: calling.into(),
            hidden: false,
        };
        self.begin(
            place,
            Setup {
                called: called.into(),
                complete: true,
                calling: Some(calling),
                ..Setup::default()
            },
        )
    }

    pub fn begin(&mut self, place: &str, setup: Setup) -> LegId {
        let place: PlaceName = place.into();
        let leg = self.exchange.incoming(self.now, &place, setup).unwrap();
        self.collect();
        leg
    }

    pub fn say(&mut self, leg: LegId, signal: Signal) {
        self.exchange.signal(self.now, leg, signal);
        self.collect();
    }

    pub fn answer(&mut self, leg: LegId) {
        self.say(leg, Signal::Answered { connected: None });
    }

    pub fn pass(&mut self, time: Duration) {
        self.now.clock += time;
        self.now.wall += time;
        self.exchange.handle_timeout(self.now);
        self.collect();
    }

    /// The leg that is called next, where, and with what.
    pub fn called(&mut self) -> (LegId, PlaceName, Setup) {
        while let Some((leg, action)) = self.actions.pop_front() {
            if let Action::Call { place, setup } = action {
                return (leg, place, setup);
            }
        }
        panic!("nobody is called");
    }

    pub fn nobody_is_called(&self) -> bool {
        !self
            .actions
            .iter()
            .any(|(_, action)| matches!(action, Action::Call { .. }))
    }

    /// What has been asked of a leg since this was asked last.
    pub fn asked(&mut self, leg: LegId) -> Vec<Action> {
        let (its, others) = self.actions.drain(..).partition(|(other, _)| *other == leg);
        self.actions = others;
        let its: VecDeque<(LegId, Action)> = its;
        its.into_iter().map(|(_, action)| action).collect()
    }

    /// The cause with which a leg was told to release; it then says that it has.
    pub fn released(&mut self, leg: LegId) -> Cause {
        let asked = self.asked(leg);
        let Some(Action::Release(cause)) = asked.last().cloned() else {
            panic!("leg {leg} was not told to release, but {asked:?}");
        };
        self.say(leg, Signal::Released(cause));
        cause
    }

    pub fn is_idle(&self) -> bool {
        self.exchange.calls().count() == 0 && self.exchange.legs().count() == 0
    }
}

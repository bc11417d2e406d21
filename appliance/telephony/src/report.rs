//! The bridge as clients see it.

use jiff::Timestamp;
use varde_bus::telephony::{
    CallRecord, CallState, CallStatus, ChannelState, ChannelStatus, ExtensionStatus, Health, LineStatus,
    Party, TelephonyStatus, TrunkStatus,
};
use varde_dss1::Cause;
use varde_exchange::{CallView, EndedBy, LegId, Phase, Record, Standing};
use varde_site::{ExtensionPlace, LineAccess, LineSide, Text, Transport};

use crate::bridge::Bridge;
use crate::plan::{extension_place, line_place, trunk_place};
use crate::secrets::Of;
use crate::store::{Rim, Stored};
use crate::words;

/// How much of what strangers try is told among the troubles.
const MOST_OF_STRANGERS: usize = 2;

fn millis(at: Option<Timestamp>) -> i64 {
    at.map_or(0, Timestamp::as_millisecond)
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Bridge {
    pub fn status(&self) -> TelephonyStatus {
        let calls: Vec<CallView> = self.exchange.calls().collect();
        let telephony = self.in_use.telephony.as_ref();
        TelephonyStatus {
            declared: telephony.is_some(),
            troubles: self.troubles(),
            generation: self.in_use.generation,
            calls: count(calls.len()),
            most_calls: telephony.map_or(0, |telephony| telephony.calls),
            emergency_calls: count(calls.iter().filter(|call| call.emergency).count()),
            shed: self.shed,
            tested: self.emergency.last.at,
            test_passed: self.emergency.last.passed,
            next_test: millis(self.emergency.next),
        }
    }

    /// What an operator should see to, worst first.
    fn troubles(&self) -> Vec<Text> {
        let mut troubles: Vec<Text> = self
            .unreadable
            .iter()
            .chain(&self.gate_trouble)
            .cloned()
            .collect();
        if self.emergency.last.at != 0 && !self.emergency.last.passed && !self.emergency.is_under_way() {
            troubles.push(Text::new(
                "Siste prøve av nødanropsveien mislyktes. Se samtalene den gjorde, og prøv igjen",
                "The last test of the emergency route failed. Look at the calls that it made, and test again",
            ));
        }
        for text in self.said_lately(false) {
            if !troubles.contains(text) {
                troubles.push(text.clone());
            }
        }
        for line in self.lines() {
            if line.state != Health::Up {
                troubles.push(line.reason);
            }
        }
        for trunk in self.trunks() {
            if trunk.state != Health::Up {
                troubles.push(trunk.reason);
            }
        }
        if let Some((why, lost)) = self.store.trouble() {
            troubles.push(Text::new(
                format!("Samtaleloggen kan ikke skrives: {why}. {lost} samtaler mangler i den. Frigjør plass på disken"),
                format!("The records of calls cannot be written: {why}. {lost} of them are lost. Free space on the disk"),
            ));
        }
        // As often as they like, and so never in the way of anything else.
        troubles.extend(self.said_lately(true).take(MOST_OF_STRANGERS).cloned());
        troubles
    }

    pub fn lines(&self) -> Vec<LineStatus> {
        let lines = self.lines.iter().map(|held| {
            let line = &held.declared;
            let name = &line.name;
            let (state, reason) = match (&held.end, &held.trouble) {
                (None, Some(trouble)) => (Health::Blocked, trouble.text()),
                (Some(end), _) if end.is_usable() => (Health::Up, Text::default()),
                (Some(end), _) if end.is_present() => (
                    Health::Down,
                    Text::new(
                        format!("Linjen {name}: signaleringen er nede. Sjekk at sentralen i andre enden er satt opp som {}", other(line.side).0),
                        format!("Line {name}: its signalling is down. Check that the exchange at the other end is set up as {}", other(line.side).1),
                    ),
                ),
                _ => (
                    Health::Down,
                    Text::new(
                        format!("Linjen {name}: ingenting kommer fra {}. Sjekk utstyret i andre enden", line.remote),
                        format!("Line {name}: nothing comes from {}. Check the equipment at the other end", line.remote),
                    ),
                ),
            };
            let channels = held.end.iter().flat_map(crate::line::LineEnd::channels);
            LineStatus {
                name: name.clone(),
                title: line.title.clone(),
                access: match line.access {
                    LineAccess::Basic => "basic".into(),
                    LineAccess::Primary => "primary".into(),
                },
                side: match line.side {
                    LineSide::Network => "network".into(),
                    LineSide::User => "user".into(),
                },
                bus: line.bus,
                state,
                reason,
                since: held.since,
                remote: line.remote.to_string(),
                channels: channels
                    .map(|(number, state, leg)| ChannelStatus {
                        number,
                        state: match state {
                            varde_dss1::ChannelState::Idle => ChannelState::Free,
                            varde_dss1::ChannelState::Busy(_) => ChannelState::Busy,
                            varde_dss1::ChannelState::Restarting => ChannelState::Restarting,
                            varde_dss1::ChannelState::Suspect => ChannelState::Blocked,
                        },
                        since: held.since,
                        call: leg.and_then(|leg| self.call_of(leg)).unwrap_or(0),
                    })
                    .collect(),
                reserved: u32::from(line.emergency_channels),
            }
        });
        lines.collect()
    }

    fn call_of(&self, leg: LegId) -> Option<u64> {
        self.exchange.call_of_leg(leg).map(varde_exchange::CallId::number)
    }

    pub fn trunks(&self) -> Vec<TrunkStatus> {
        let telephony = self.in_use.telephony.as_ref();
        let trunks = telephony.map_or(&[][..], |telephony| &telephony.trunks);
        let trunks = trunks.iter().map(|trunk| {
            let place = trunk_place(&trunk.name);
            let credential = self.secrets.get(Of::Trunk(&trunk.name)).is_some();
            let name = &trunk.name;
            let up = self.gate.as_ref().is_some_and(|gate| gate.trunk_is_up(name));
            let (state, reason) = if trunk.register && !credential {
                let reason = Text::new(
                    format!(
                        "Trunken {name}: hemmeligheten mangler. Sett den med varde phone credential {name}"
                    ),
                    format!("Trunk {name}: its secret is missing. Set it with varde phone credential {name}"),
                );
                (Health::Blocked, reason)
            } else if up && self.exchange.standing(&place) != Standing::Down {
                (Health::Up, Text::default())
            } else {
                let reason = words::trunk(name, &trunk.host, self.trunk_troubles.get(&place));
                (Health::Down, reason)
            };
            TrunkStatus {
                name: name.clone(),
                title: trunk.title.clone(),
                kind: if trunk.register {
                    "register".into()
                } else {
                    "peer".into()
                },
                transport: match trunk.transport {
                    Transport::Udp => "udp".into(),
                    Transport::Tcp => "tcp".into(),
                    Transport::Tls => "tls".into(),
                },
                address: match trunk.port {
                    Some(port) => format!("{}:{port}", trunk.host),
                    None => trunk.host.clone(),
                },
                state,
                reason,
                since: self.since(&place),
                calls: count(self.exchange.legs().filter(|leg| *leg.1 == place).count()),
                most_calls: trunk.calls,
                credential,
            }
        });
        trunks.collect()
    }

    pub fn extensions(&self) -> Vec<ExtensionStatus> {
        let telephony = self.in_use.telephony.as_ref();
        let extensions = telephony.map_or(&[][..], |telephony| &telephony.extensions);
        let extensions = extensions.iter().map(|extension| {
            let number = &extension.number;
            let (place, reachable, credential, at) = match &extension.place {
                ExtensionPlace::Account(user) => {
                    let contact = self.contacts.get(&extension_place(number));
                    let credential = self.secrets.get(Of::Extension(number)).is_some();
                    let at = extension_place(number);
                    (format!("account {user}"), contact.is_some(), credential, at)
                }
                ExtensionPlace::Line { line, .. } => {
                    let up = self.lines.end(line).is_some_and(crate::line::LineEnd::is_usable);
                    (format!("line {line}"), up, true, line_place(line))
                }
            };
            let is_account = matches!(extension.place, ExtensionPlace::Account(_));
            let its_legs = self.exchange.legs().filter(|leg| is_account && *leg.1 == at);
            ExtensionStatus {
                number: number.clone(),
                title: extension.title.clone(),
                public: extension.public.clone().unwrap_or_default(),
                place,
                reachable,
                contact: self
                    .contacts
                    .get(&extension_place(number))
                    .cloned()
                    .unwrap_or_default(),
                calls: count(its_legs.count()),
                forwarded: extension.forward.always.clone().unwrap_or_default(),
                credential,
            }
        });
        extensions.collect()
    }

    /// Oldest first.
    pub fn calls(&self) -> Vec<CallStatus> {
        let calls = self.exchange.calls().map(|call| {
            let (caller, called) = (call.legs.first().copied(), call.legs.get(1).copied());
            let one_way = |leg: Option<LegId>| {
                leg.is_some_and(|leg| self.gate.as_ref().is_some_and(|gate| gate.is_one_way(leg)))
            };
            let channel = |leg: Option<LegId>| leg.map_or(0, |leg| self.channel(leg));
            CallStatus {
                id: call.call.number(),
                state: match call.phase {
                    Phase::Dialling | Phase::Calling => CallState::Trying,
                    Phase::Ringing => CallState::Ringing,
                    Phase::Talking => CallState::Talking,
                    Phase::Ending => CallState::Clearing,
                },
                emergency: call.emergency,
                test: call.test,
                from: Party {
                    number: call.calling.clone(),
                    place: call.from.clone(),
                    channel: channel(caller),
                    secret: call.hidden,
                },
                to: Party {
                    number: call.dialled.clone(),
                    place: call.to.clone().unwrap_or_default(),
                    channel: channel(called),
                    secret: false,
                },
                started: call.began.as_millisecond(),
                answered: millis(call.answered),
                trouble: if one_way(caller) || one_way(called) {
                    one_way_text()
                } else {
                    Text::default()
                },
            }
        });
        calls.collect()
    }

    /// Whether there is such a line, trunk or extension.
    pub fn target(&self, name: &str) -> Option<varde_exchange::Target> {
        crate::plan::target(self.in_use.telephony.as_ref()?, name)
    }
}

/// What the other end of a line has to be.
fn other(side: LineSide) -> (&'static str, &'static str) {
    match side {
        LineSide::Network => ("bruker (TE)", "user (TE)"),
        LineSide::User => ("nett (NT)", "network (NT)"),
    }
}

fn one_way_text() -> Text {
    Text::new("Lyden går bare én vei", "Its sound goes one way only")
}

/// A record as clients see it.
pub fn record(stored: &Stored, recorded: bool) -> CallRecord {
    let Stored {
        record,
        caller,
        called,
    } = stored;
    let party = |number: &str, place: &str, rim: &Rim, secret| Party {
        number: number.into(),
        place: place.into(),
        channel: rim.channel,
        secret,
    };
    let last = record.attempts.last();
    let to = last.map_or(record.dialled.as_str(), |attempt| attempt.number.as_str());
    let tried = record.attempts.len().saturating_sub(1);
    CallRecord {
        id: record.call,
        emergency: record.emergency,
        test: record.test,
        from: party(&record.calling, &record.from, caller, record.hidden),
        to: party(to, record.to.as_deref().unwrap_or_default(), called, false),
        dialled: record.dialled.clone(),
        started: record.began.as_millisecond(),
        rang: millis(record.rang),
        answered: millis(record.answered),
        ended: record.ended.as_millisecond(),
        ended_by: match record.ended_by {
            EndedBy::Caller => "caller".into(),
            EndedBy::Called => "called".into(),
            EndedBy::Exchange => "exchange".into(),
        },
        from_cause: record.caller_cause,
        from_status: caller.status,
        to_cause: record.called_cause.unwrap_or(0),
        to_status: called.status,
        outcome: outcome(record),
        forwarded: record.forwarded.clone(),
        tried: record.attempts[..tried]
            .iter()
            .map(|attempt| attempt.place.clone())
            .collect(),
        from_packets: caller.packets,
        from_lost: caller.lost,
        from_jitter: caller.jitter,
        to_packets: called.packets,
        to_lost: called.lost,
        to_jitter: called.jitter,
        trouble: if caller.one_way || called.one_way {
            one_way_text()
        } else {
            Text::default()
        },
        recorded,
    }
}

fn outcome(record: &Record) -> Text {
    Cause::new(record.caller_cause)
        .map_or_else(Text::default, |cause| Text::new(cause.name_nb(), cause.name()))
}

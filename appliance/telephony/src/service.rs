//! `no.varde.Telephony1` on the bus: who may, the record of it, and orders to the bridge.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use varde_bus::caller::Caller;
use varde_bus::record::Recorder;
use varde_bus::telephony::{
    CallRecord, CallStatus, ExtensionStatus, LineStatus, PATH, Party, TelephonyStatus, TrunkStatus, masked,
};
use varde_bus::{Failure, FailureKind, Verb};
use varde_exchange::Test;
use varde_site::{ExtensionPlace, Telephony as Declared};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::bridge::{Bridge, Changed, Order};
use crate::report;
use crate::secrets::Of;
use crate::store::Stored;

/// The bridge's task does one thing after another, none of them long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Within this a test call by hand must be answered.
const ANSWERS: Duration = Duration::from_mins(1);
/// The most records at once.
const MOST_RECORDS: u32 = 1000;
/// The longest secret.
const LONGEST_SECRET: usize = 256;

/// The way to the bridge.
#[derive(Clone, Debug)]
pub struct Handle(mpsc::Sender<Order>);

impl Handle {
    pub fn new(orders: mpsc::Sender<Order>) -> Self {
        Self(orders)
    }

    /// Has something done on the bridge's task.
    pub async fn with<T: Send + 'static>(
        &self,
        order: impl FnOnce(&mut Bridge) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        // Who asked may have gone meanwhile.
        let order: Order = Box::new(move |bridge| drop(reply.send(order(bridge))));
        let done = async {
            self.0.send(order).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(PATIENCE, done)
            .await
            .ok()
            .flatten()
            .ok_or_else(late)
    }
}

fn late() -> Failure {
    Failure::new(
        FailureKind::Unknown,
        "Telefonbroen ga ikke svar. Se på tilstanden før du prøver igjen",
        "The telephony bridge gave no answer. Look at the state before trying again",
    )
}

/// The interface as it stands on the bus.
#[derive(Debug)]
pub struct Telephony {
    bridge: Handle,
    recorder: Recorder,
}

impl Telephony {
    pub fn new(bridge: Handle, recorder: Recorder) -> Self {
        Self { bridge, recorder }
    }
}

async fn permitted(connection: &Connection, header: &Header<'_>, verb: Verb) -> Result<Caller, Failure> {
    let caller = Caller::of(connection, header).await?;
    caller.require(verb)?;
    Ok(caller)
}

/// Whether a party is of the site itself: its number is no secret to whoever looks after it.
fn is_inside(party: &Party) -> bool {
    party.place == "test" || party.place.starts_with("extension ")
}

fn mask(party: &mut Party) {
    if !is_inside(party) {
        party.number = masked(&party.number);
    }
}

/// What was dialled is whom it was for, also where an extension has sent the call on.
fn mask_record(record: &mut CallRecord) {
    if !is_inside(&record.to) || !record.forwarded.is_empty() {
        record.dialled = masked(&record.dialled);
    }
    mask(&mut record.from);
    mask(&mut record.to);
}

fn not_found(nb: String, en: String) -> Failure {
    Failure::new(FailureKind::NotFound, nb, en)
}

fn no_target(target: &str) -> Failure {
    not_found(
        format!("Det finnes ingen linje, trunk eller telefon «{target}»"),
        format!("There is no line, trunk or extension \"{target}\""),
    )
}

#[interface(name = "no.varde.Telephony1")]
impl Telephony {
    async fn status(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<TelephonyStatus, Failure> {
        permitted(connection, &header, Verb::ReadTelephony).await?;
        self.bridge.with(|bridge| bridge.status()).await
    }

    async fn lines(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<LineStatus>, Failure> {
        permitted(connection, &header, Verb::ReadTelephony).await?;
        self.bridge.with(|bridge| bridge.lines()).await
    }

    async fn trunks(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<TrunkStatus>, Failure> {
        permitted(connection, &header, Verb::ReadTelephony).await?;
        self.bridge.with(|bridge| bridge.trunks()).await
    }

    async fn extensions(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<ExtensionStatus>, Failure> {
        permitted(connection, &header, Verb::ReadTelephony).await?;
        self.bridge.with(|bridge| bridge.extensions()).await
    }

    async fn calls(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<CallStatus>, Failure> {
        let caller = permitted(connection, &header, Verb::ReadTelephony).await?;
        let mut calls = self.bridge.with(|bridge| bridge.calls()).await?;
        if caller.require(Verb::ReadNumbers).is_err() {
            for call in &mut calls {
                mask(&mut call.from);
                mask(&mut call.to);
            }
        }
        Ok(calls)
    }

    async fn records(
        &self,
        before: u64,
        count: u32,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<CallRecord>, Failure> {
        let caller = permitted(connection, &header, Verb::ReadTelephony).await?;
        let count = usize::try_from(count.min(MOST_RECORDS)).unwrap_or(0);
        let reader = self.bridge.with(|bridge| bridge.reader()).await?;
        let read = tokio::task::spawn_blocking(move || reader.read(before, count));
        let stored = read.await.map_err(|_| late())?;
        let records = self.bridge.with(move |bridge| {
            let record = |stored: &Stored| report::record(stored, bridge.has_recording(stored.record.call));
            stored.iter().map(record).collect::<Vec<_>>()
        });
        let mut records = records.await?;
        if caller.require(Verb::ReadNumbers).is_err() {
            records.iter_mut().for_each(mask_record);
        }
        Ok(records)
    }

    async fn test_call(
        &self,
        number: &str,
        target: &str,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<u64, Failure> {
        let caller = permitted(connection, &header, Verb::TestCall).await?;
        let digits = number.trim().to_owned();
        if digits.is_empty() || !digits.chars().all(|one| one.is_ascii_digit() || one == '+') {
            return Err(Failure::new(
                FailureKind::Invalid,
                format!("«{number}» er ikke et nummer"),
                format!("\"{number}\" is not a number"),
            ));
        }
        let name = target.to_owned();
        let called = digits.clone();
        let look = move |bridge: &mut Bridge| (bridge.target(&name), bridge.is_for_help(&called));
        let (known, for_help) = self.bridge.with(look).await?;
        if for_help {
            return Err(Failure::new(
                FailureKind::Invalid,
                format!(
                    "{digits} er et nødnummer, og får ingen prøvesamtaler. Prøv nødruten: varde phone test-emergency"
                ),
                format!(
                    "{digits} is an emergency number, and gets no test calls. Test the emergency route: varde phone test-emergency"
                ),
            ));
        }
        if !target.is_empty() && known.is_none() {
            return Err(no_target(target));
        }
        // Everybody reads who did what; the whole number stands in the record of the call.
        let subject = format!("{} {target}", masked(&digits));
        let begun = self
            .recorder
            .begin(&caller, Verb::TestCall, subject.trim_end(), why)
            .await?;
        let test = Test {
            to: known,
            emergency: false,
        };
        let called = self
            .bridge
            .with(move |bridge| bridge.test_call(&digits, test, ANSWERS))
            .await;
        let called = called.and_then(|call| {
            call.ok_or_else(|| {
                Failure::new(
                    FailureKind::Refused,
                    "Samtalen kunne ikke begynne: telefoni er ikke satt opp på dette stedet",
                    "The call could not begin: the site has no telephony",
                )
            })
        });
        begun.end(called).await
    }

    async fn test_emergency(
        &self,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<u64>, Failure> {
        let caller = permitted(connection, &header, Verb::TestCall).await?;
        let begun = self
            .recorder
            .begin(&caller, Verb::TestCall, "emergency", why)
            .await?;
        let called = self.bridge.with(Bridge::test_emergency).await.and_then(|calls| {
            if calls.is_empty() {
                return Err(Failure::new(
                    FailureKind::Refused,
                    "Ingen prøve er satt opp. Legg til [telephony.emergency.test] i site.toml",
                    "No test is set up. Add [telephony.emergency.test] to site.toml",
                ));
            }
            Ok(calls)
        });
        begun.end(called).await
    }

    async fn clear_call(
        &self,
        call: u64,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Failure> {
        let caller = permitted(connection, &header, Verb::ClearCall).await?;
        let begun = self
            .recorder
            .begin(&caller, Verb::ClearCall, &call.to_string(), why)
            .await?;
        let cleared = self.bridge.with(move |bridge| bridge.clear(call)).await;
        let cleared = cleared.and_then(|cleared| {
            cleared.then_some(()).ok_or_else(|| {
                not_found(
                    format!("Samtale {call} finnes ikke nå"),
                    format!("There is no call {call} now"),
                )
            })
        });
        begun.end(cleared).await
    }

    async fn restart_channel(
        &self,
        line: &str,
        channel: u8,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Failure> {
        let caller = permitted(connection, &header, Verb::RestartChannel).await?;
        let subject = format!("{line} {channel}");
        let begun = self
            .recorder
            .begin(&caller, Verb::RestartChannel, &subject, why)
            .await?;
        let name = line.to_owned();
        let restarted = self
            .bridge
            .with(move |bridge| bridge.restart(&name, channel))
            .await;
        let restarted = restarted.and_then(|restarted| {
            restarted.then_some(()).ok_or_else(|| {
                not_found(
                    format!("Linjen «{line}» har ingen kanal {channel}, eller er ikke åpen"),
                    format!("Line \"{line}\" has no channel {channel}, or is not open"),
                )
            })
        });
        begun.end(restarted).await
    }

    async fn set_credential(
        &self,
        of: &str,
        secret: &str,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Failure> {
        let caller = permitted(connection, &header, Verb::SetTelephonyCredential).await?;
        if secret.is_empty() || secret.len() > LONGEST_SECRET || secret.chars().any(char::is_control) {
            return Err(Failure::new(
                FailureKind::Invalid,
                "Hemmeligheten må ha fra 1 til 256 tegn, uten linjeskift",
                "The secret must have 1 to 256 characters, without line breaks",
            ));
        }
        let begun = self
            .recorder
            .begin(&caller, Verb::SetTelephonyCredential, of, why)
            .await?;
        let (name, secret) = (of.to_owned(), secret.to_owned());
        let set = self
            .bridge
            .with(move |bridge| {
                let Some(of) = whose(bridge.declared(), &name) else {
                    return Err(no_target(&name));
                };
                bridge.set_secret(of, &secret).map_err(|error| {
                    let text = error.text();
                    Failure::new(FailureKind::Failed, text.nb, text.en)
                })
            })
            .await;
        begun.end(set.and_then(|set| set)).await
    }

    async fn recording(
        &self,
        call: u64,
        why: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<u8>, Failure> {
        let caller = permitted(connection, &header, Verb::ReadRecording).await?;
        let begun = self
            .recorder
            .begin(&caller, Verb::ReadRecording, &call.to_string(), why)
            .await?;
        let recording = self.bridge.with(move |bridge| bridge.recording(call)).await;
        let recording = recording.and_then(|recording| {
            recording.ok_or_else(|| {
                not_found(
                    format!("Signaleringen til samtale {call} er ikke tatt vare på"),
                    format!("The signalling of call {call} has not been kept"),
                )
            })
        });
        begun.end(recording).await
    }

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>, what: String) -> zbus::Result<()>;
}

/// Whose secret a name is: a trunk's, or an extension's that is a phone.
fn whose<'a>(telephony: Option<&Declared>, name: &'a str) -> Option<Of<'a>> {
    let telephony = telephony?;
    let trunk = telephony.trunks.iter().any(|trunk| trunk.name == name);
    let phone = telephony
        .extensions
        .iter()
        .any(|one| one.number == name && matches!(one.place, ExtensionPlace::Account(_)));
    if trunk {
        Some(Of::Trunk(name))
    } else {
        phone.then_some(Of::Extension(name))
    }
}

/// Tells clients what to read again, at most once a second; more seldom where no telephony is declared.
pub async fn publish(connection: &Connection, bridge: &Handle) -> Result<(), Failure> {
    let interface = connection.object_server().interface::<_, Telephony>(PATH).await?;
    let mut pause = Duration::from_secs(1);
    loop {
        tokio::time::sleep(pause).await;
        let take = |bridge: &mut Bridge| (bridge.take_changed(), bridge.declared().is_some());
        let (changed, declared) = bridge.with(take).await?;
        pause = Duration::from_secs(if declared { 1 } else { 10 });
        for what in names(changed) {
            Telephony::changed(interface.signal_emitter(), what.to_owned()).await?;
        }
    }
}

fn names(changed: Changed) -> impl Iterator<Item = &'static str> {
    let all = [
        (changed.status, "status"),
        (changed.lines, "lines"),
        (changed.trunks, "trunks"),
        (changed.extensions, "extensions"),
        (changed.calls, "calls"),
        (changed.records, "records"),
    ];
    all.into_iter().filter(|one| one.0).map(|one| one.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(number: &str, place: &str) -> Party {
        Party {
            number: number.into(),
            place: place.into(),
            ..Party::default()
        }
    }

    #[test]
    fn who_may_not_see_numbers_sees_whose_phone_of_the_site_it_was_and_no_other() {
        let stored: Stored = serde_json::from_value(serde_json::json!({
            "call": 1, "began": "2026-11-26T09:00:00Z", "ended": "2026-11-26T09:00:10Z", "from": "trunk operator",
            "to": "extension 101", "calling": "99887766", "hidden": true, "dialled": "35501001", "emergency": false,
            "test": false, "attempts": [{"place": "extension 101", "number": "101", "cause": null}],
            "ended_by": "caller", "caller_cause": 16,
        }))
        .unwrap();
        let mut record = report::record(&stored, false);
        mask_record(&mut record);
        assert_eq!(record.from.number, "9988****");
        assert_eq!(
            (record.to.number.as_str(), record.dialled.as_str()),
            ("101", "35501001")
        );
        let mut outgoing = report::record(&stored, false);
        (outgoing.from, outgoing.to) = (party("101", "extension 101"), party("99887766", "trunk operator"));
        outgoing.dialled = "99887766".into();
        mask_record(&mut outgoing);
        assert_eq!(outgoing.from.number, "101");
        assert_eq!(
            (outgoing.to.number.as_str(), outgoing.dialled.as_str()),
            ("9988****", "9988****")
        );
    }
}

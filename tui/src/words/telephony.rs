//! Texts of the page of telephony.

use varde_bus::telephony::{CallState, ChannelState, Health};

use super::{Words, texts};
use crate::page::telephony::View;

texts! {
    page_telephony: "Telefoni" | "Telephony";
    phone_overview(trouble): "Telefoni: {trouble}" | "Telephony: {trouble}";
    no_telephony: "Anlegget har ingen telefoni." | "The site has no telephony.";
    service_telephony: "Telefonitjenesten" | "The telephony service";
    phone_calls(calls, most, emergency): "Samtaler nå: {calls} av {most}. Nødanrop: {emergency}."
        | "Calls now: {calls} of {most}. Emergency calls: {emergency}.";
    phone_tested(when): "Nødruten ble prøvd {when}, og virker." | "The emergency route was tested {when}, and works.";
    phone_test_failed(when): "Nødruten ble prøvd {when}, og SVIKTET. Se samtalene som har vært."
        | "The emergency route was tested {when}, and FAILED. See the calls that have been.";
    phone_not_tested(when): "Nødruten er ikke prøvd ennå; det skjer {when}." | "The emergency route is not tested yet; that happens {when}.";
    phone_no_test: "Nødruten prøves ikke av seg selv." | "The emergency route is not tested by itself.";
    phone_shed(count): "Avvist på grunn av trengsel: {count}" | "Turned away because there were too many: {count}";
    view_lines: "Linjer og trunker" | "Lines and trunks";
    view_calls: "Samtaler nå" | "Calls now";
    view_records: "Samtaler som har vært" | "Past calls";
    view_numbers: "Numre" | "Numbers";
    column_in_use: "I bruk" | "In use";
    column_channels: "Kanaler, eller hvor" | "Channels, or where";
    column_phone_number: "Nummer" | "Number";
    column_place: "Sted" | "Place";
    phone_from: "Fra" | "From";
    phone_to: "Til" | "To";
    phone_dialled: "Slo" | "Dialled";
    phone_lasted: "Varte" | "Lasted";
    phone_forwarded: "Viderekoblet av" | "Forwarded by";
    phone_tried: "Prøvde først" | "Tried before";
    phone_started: "Begynte" | "Started";
    phone_rang: "Ringte" | "Rang";
    phone_answered: "Besvart" | "Answered";
    phone_ended: "Slutt" | "Ended";
    phone_ended_by: "Avsluttet av" | "Ended by";
    phone_cause_from: "Årsak, siden som ringte" | "Cause, calling side";
    phone_cause_to: "Årsak, siden som ble oppringt" | "Cause, called side";
    phone_trouble: "Lyden" | "Sound";
    phone_secret: " (hemmelig)" | " (secret)";
    phone_place_channel(place, channel): "{place}, kanal {channel}" | "{place}, channel {channel}";
    phone_no_lines: "Ingen linjer eller trunker." | "No lines or trunks.";
    phone_no_calls: "Ingen samtaler nå." | "No calls now.";
    phone_no_records: "Ingen samtaler har vært." | "There have been no calls.";
    phone_no_numbers: "Ingen internnumre." | "No extensions.";
    phone_reachable: "kan nås" | "reachable";
    phone_unreachable: "ikke pålogget" | "not logged in";
    phone_no_secret: "mangler hemmelighet" | "no secret is set";
    phone_forwards(number): "videre til {number}" | "forwarded to {number}";
    phone_line_title(title): "Kanalene på {title}" | "Channels of {title}";
    phone_channel(number, state, since): "Kanal {number}: {state} siden {since}" | "Channel {number}: {state} since {since}";
    phone_channel_call(number, state, since, call): "Kanal {number}: {state} siden {since}, samtale {call}"
        | "Channel {number}: {state} since {since}, call {call}";
    phone_record_title(call): "Samtale {call}" | "Call {call}";

    phone_test_title: "Prøvesamtale" | "Test call";
    phone_test_hint: "Nummeret som skal ringes, slik det slås på en telefon her:" | "The number to be called, as it is dialled on a phone here:";
    phone_test_ask(number): "Ringe {number}?" | "Call {number}?";
    phone_test_body: "Den som svarer, hører en tone i noen sekunder. Etterpå står det blant samtalene som har vært, hvordan det gikk."
        | "Whoever answers hears a tone for some seconds. How it went stands among the past calls afterwards.";
    phone_test_yes(number): "Ja, ring {number}" | "Yes, call {number}";
    phone_emergency_title: "Prøve nødruten?" | "Test the emergency route?";
    phone_emergency_body: "Én samtale over hvert av målene, slik et nødanrop går, men til nummeret som er oppgitt for prøver."
        | "One call over each of the targets, as an emergency call goes, but to the number declared for tests.";
    phone_emergency_yes: "Ja, prøv nødruten" | "Yes, test the emergency route";
    phone_clear_title(call): "Koble ned samtale {call}?" | "Clear call {call}?";
    phone_clear_body(from, to): "Samtalen fra {from} til {to} brytes." | "The call from {from} to {to} is broken off.";
    phone_clear_yes: "Ja, koble den ned" | "Yes, clear it";
    phone_restart_title(line): "Nullstille kanalene på {line}?" | "Restart the channels of {line}?";
    phone_restart_body(busy): "Samtaler på linjen brytes; nå er det {busy}." | "Calls on the line are broken off; there are {busy} now.";
    phone_restart_yes(line): "Ja, nullstill {line}" | "Yes, restart {line}";

    key_page_telephony: "telefonien" | "telephony";
    key_phone_view: "linjer, samtaler nå, samtaler som har vært, numre" | "lines, calls now, past calls, numbers";
    key_phone_open: "linjens kanaler, eller alt om samtalen" | "the line's channels, or all about the call";
    key_phone_test: "ring en prøvesamtale" | "make a test call";
    key_phone_emergency: "prøv nødruten" | "test the emergency route";
    key_phone_clear: "koble ned samtalen, eller nullstill linjens kanaler" | "clear the call, or restart the line's channels";
    brief_phone_view: "vis annet" | "other view";
    brief_phone_test: "prøvesamtale" | "test call";
    brief_phone_emergency: "prøv nødruten" | "test emergency";
    brief_phone_clear: "koble ned" | "clear";
    verb_phone_test: "prøvesamtale til" | "test call to";
    verb_phone_clear: "nedkobling av" | "clearing of";
    verb_phone_restart: "nullstilling av" | "restart of";
    verb_phone_credential: "ny hemmelighet for" | "new secret of";
    verb_phone_recording: "uthenting av signalering for" | "recording of";

    health_up: "oppe" | "up";
    health_starting: "kommer opp" | "starting";
    health_down: "NEDE" | "DOWN";
    health_blocked: "hindret" | "blocked";
    channel_free: "ledig" | "free";
    channel_busy: "i bruk" | "busy";
    channel_restarting: "nullstilles" | "restarting";
    channel_blocked: "sperret" | "blocked";
    call_trying: "settes opp" | "trying";
    call_ringing: "ringer" | "ringing";
    call_talking: "samtale" | "talking";
    call_clearing: "kobles ned" | "clearing";
    kind_emergency: "NØD" | "EMERGENCY";
    kind_test: "prøve" | "test";
    ended_by_caller: "den som ringte" | "caller";
    ended_by_called: "den som ble oppringt" | "called";
    ended_by_exchange: "sentralen" | "exchange";
    place_line: "linje" | "line";
    place_trunk: "trunk" | "trunk";
    place_extension: "internnummer" | "extension";
    place_account: "konto" | "account";
    place_test: "prøve" | "test";
}

impl Words {
    pub fn phone_view(self, view: View) -> &'static str {
        match view {
            View::Lines => self.view_lines(),
            View::Calls => self.view_calls(),
            View::Records => self.view_records(),
            View::Numbers => self.view_numbers(),
        }
    }

    pub fn health(self, health: Health) -> &'static str {
        match health {
            Health::Up => self.health_up(),
            Health::Starting => self.health_starting(),
            Health::Down => self.health_down(),
            Health::Blocked => self.health_blocked(),
        }
    }

    pub fn channel_state(self, state: ChannelState) -> &'static str {
        match state {
            ChannelState::Free => self.channel_free(),
            ChannelState::Busy => self.channel_busy(),
            ChannelState::Restarting => self.channel_restarting(),
            ChannelState::Blocked => self.channel_blocked(),
        }
    }

    pub fn call_state(self, state: CallState) -> &'static str {
        match state {
            CallState::Trying => self.call_trying(),
            CallState::Ringing => self.call_ringing(),
            CallState::Talking => self.call_talking(),
            CallState::Clearing => self.call_clearing(),
        }
    }

    /// What kind of call; nothing for an ordinary one.
    pub fn phone_kind(self, emergency: bool, test: bool) -> &'static str {
        match (emergency, test) {
            (_, true) => self.kind_test(),
            (true, false) => self.kind_emergency(),
            (false, false) => "",
        }
    }

    /// Who ended a call, by the name on the bus.
    pub fn ended_by(self, who: &str) -> &'static str {
        match who {
            "caller" => self.ended_by_caller(),
            "called" => self.ended_by_called(),
            _ => self.ended_by_exchange(),
        }
    }

    /// A place by its name on the bus, such as `line sentral`.
    pub fn phone_place(self, place: &str) -> String {
        let (kind, name) = place.split_once(' ').unwrap_or((place, ""));
        let kind = match kind {
            "line" => self.place_line(),
            "trunk" => self.place_trunk(),
            "extension" => self.place_extension(),
            "account" => self.place_account(),
            "test" => self.place_test(),
            other => other,
        };
        format!("{kind} {name}").trim_end().to_owned()
    }
}

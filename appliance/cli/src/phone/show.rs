//! Telephony in words and tables.

use varde_bus::Language;
use varde_bus::telephony::{
    CallRecord, CallState, CallStatus, ChannelState, ExtensionStatus, Health, LineStatus, Party,
    TelephonyStatus, TrunkStatus,
};

use crate::host::moment;
use crate::output::Output;
use crate::table::table;

pub fn status(status: &TelephonyStatus, output: &Output) -> String {
    if !status.declared {
        let text = output.word(
            "Anlegget har ingen telefoni i site.toml",
            "The site has no telephony in site.toml",
        );
        return format!("{text}\n");
    }
    let mut text: String = status
        .troubles
        .iter()
        .map(|trouble| format!("{}\n", output.text(trouble)))
        .collect();
    let passed = match (status.tested, status.test_passed) {
        (0, _) => output.word("aldri", "never").to_owned(),
        (at, true) => format!("{} {}", moment(at), output.word("bestått", "passed")),
        (at, false) => format!("{} {}", moment(at), output.word("IKKE BESTÅTT", "FAILED")),
    };
    let rows = [
        (
            output.word("samtaler", "calls"),
            format!("{}/{}", status.calls, status.most_calls),
        ),
        (
            output.word("nødanrop", "emergency"),
            status.emergency_calls.to_string(),
        ),
        (output.word("avvist", "turned away"), status.shed.to_string()),
        (output.word("nødruten prøvd", "route tested"), passed),
        (output.word("neste prøve", "next test"), moment(status.next_test)),
        (
            output.word("generasjon", "generation"),
            status.generation.to_string(),
        ),
    ];
    text.extend(
        rows.iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name:<15} {value}\n")),
    );
    text
}

pub fn lines(lines: &[LineStatus], output: &Output) -> String {
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            let busy = count(line, ChannelState::Busy);
            [
                line.name.clone(),
                health(line.state, output.language).to_owned(),
                format!("{busy}/{}", line.channels.len()),
                access(line, output),
                moment(line.since),
                output.text(&line.reason).to_owned(),
            ]
        })
        .collect();
    let heads = match output.language {
        Language::Nb => ["NAVN", "TILSTAND", "I BRUK", "SLAG", "SIDEN", "HVORFOR"],
        Language::En => ["NAME", "STATE", "IN USE", "KIND", "SINCE", "WHY"],
    };
    table(heads, &rows)
}

fn count(line: &LineStatus, state: ChannelState) -> usize {
    line.channels
        .iter()
        .filter(|channel| channel.state == state)
        .count()
}

/// Such as `primary, network`.
fn access(line: &LineStatus, output: &Output) -> String {
    let access = match line.access.as_str() {
        "primary" => output.word("utvidet", "primary"),
        _ => output.word("grunn", "basic"),
    };
    let side = match line.side.as_str() {
        "network" => output.word("nett", "network"),
        _ => output.word("bruker", "user"),
    };
    format!("{access}, {side}")
}

pub fn channels(line: &LineStatus, output: &Output) -> String {
    let rows: Vec<_> = line
        .channels
        .iter()
        .map(|channel| {
            [
                channel.number.to_string(),
                channel_state(channel.state, output.language).to_owned(),
                moment(channel.since),
                id(channel.call),
            ]
        })
        .collect();
    let heads = match output.language {
        Language::Nb => ["KANAL", "TILSTAND", "SIDEN", "SAMTALE"],
        Language::En => ["CHANNEL", "STATE", "SINCE", "CALL"],
    };
    table(heads, &rows)
}

fn id(call: u64) -> String {
    if call == 0 {
        String::new()
    } else {
        call.to_string()
    }
}

pub fn trunks(trunks: &[TrunkStatus], output: &Output) -> String {
    let rows: Vec<_> = trunks
        .iter()
        .map(|trunk| {
            let why = if trunk.reason.is_empty() && trunk.kind == "register" && !trunk.credential {
                output.word("mangler hemmelighet", "no secret is set")
            } else {
                output.text(&trunk.reason)
            };
            [
                trunk.name.clone(),
                health(trunk.state, output.language).to_owned(),
                format!("{}/{}", trunk.calls, trunk.most_calls),
                format!("{}:{}", trunk.transport, trunk.address),
                why.to_owned(),
            ]
        })
        .collect();
    let heads = match output.language {
        Language::Nb => ["NAVN", "TILSTAND", "I BRUK", "ADRESSE", "HVORFOR"],
        Language::En => ["NAME", "STATE", "IN USE", "ADDRESS", "WHY"],
    };
    table(heads, &rows)
}

pub fn extensions(extensions: &[ExtensionStatus], output: &Output) -> String {
    let rows: Vec<_> = extensions
        .iter()
        .map(|extension| {
            let reachable = if extension.reachable {
                output.word("ja", "yes")
            } else if !extension.credential {
                output.word("mangler hemmelighet", "no secret")
            } else {
                output.word("nei", "no")
            };
            [
                extension.number.clone(),
                extension.title.clone(),
                place(&extension.place, output),
                reachable.to_owned(),
                extension.calls.to_string(),
                extension.forwarded.clone(),
            ]
        })
        .collect();
    let heads = match output.language {
        Language::Nb => ["NUMMER", "NAVN", "STED", "NÅS", "SAMTALER", "VIDERE TIL"],
        Language::En => ["NUMBER", "TITLE", "PLACE", "REACHABLE", "CALLS", "FORWARDED"],
    };
    table(heads, &rows)
}

/// `line sentral` and its like, in the language.
fn place(place: &str, output: &Output) -> String {
    let (kind, name) = place.split_once(' ').unwrap_or((place, ""));
    let kind = match kind {
        "line" => output.word("linje", "line"),
        "trunk" => output.word("trunk", "trunk"),
        "extension" => output.word("internnummer", "extension"),
        "account" => output.word("konto", "account"),
        "test" => output.word("prøve", "test"),
        other => other,
    };
    format!("{kind} {name}").trim_end().to_owned()
}

/// Such as `35003012 (line sentral, channel 3)`.
fn party(party: &Party, output: &Output) -> String {
    let mut place = place(&party.place, output);
    if party.channel > 0 {
        place = format!("{place}, {} {}", output.word("kanal", "channel"), party.channel);
    }
    let number = if party.number.is_empty() {
        "-"
    } else {
        &party.number
    };
    let secret = if party.secret {
        output.word(" (hemmelig)", " (secret)")
    } else {
        ""
    };
    match place.as_str() {
        "" => format!("{number}{secret}"),
        place => format!("{number}{secret} ({place})"),
    }
}

fn kind(emergency: bool, test: bool, output: &Output) -> &'static str {
    match (emergency, test) {
        (true, false) => output.word("NØD", "EMERGENCY"),
        (_, true) => output.word("prøve", "test"),
        (false, false) => "",
    }
}

pub fn calls(calls: &[CallStatus], output: &Output) -> String {
    let rows: Vec<_> = calls
        .iter()
        .map(|call| {
            [
                call.id.to_string(),
                call_state(call.state, output.language).to_owned(),
                moment(call.started),
                party(&call.from, output),
                party(&call.to, output),
                format!(
                    "{} {}",
                    kind(call.emergency, call.test, output),
                    output.text(&call.trouble)
                )
                .trim()
                .to_owned(),
            ]
        })
        .collect();
    let heads = match output.language {
        Language::Nb => ["NR", "TILSTAND", "SIDEN", "FRA", "TIL", "MERKNAD"],
        Language::En => ["NO", "STATE", "SINCE", "FROM", "TO", "NOTE"],
    };
    table(heads, &rows)
}

pub fn records(records: &[CallRecord], output: &Output) -> String {
    let rows: Vec<_> = records
        .iter()
        .map(|record| {
            [
                record.id.to_string(),
                moment(record.started),
                record.from.number.clone(),
                record.dialled.clone(),
                talked(record),
                outcome(record, output),
            ]
        })
        .collect();
    let heads = match output.language {
        Language::Nb => ["NR", "NÅR", "FRA", "SLO", "VARTE", "UTFALL"],
        Language::En => ["NO", "WHEN", "FROM", "DIALLED", "LASTED", "OUTCOME"],
    };
    table(heads, &rows)
}

pub fn tests(records: &[CallRecord], output: &Output) -> String {
    let rows: Vec<_> = records
        .iter()
        .map(|record| {
            [
                record.id.to_string(),
                party(&record.to, output),
                talked(record),
                outcome(record, output),
            ]
        })
        .collect();
    let heads = match output.language {
        Language::Nb => ["NR", "TIL", "VARTE", "UTFALL"],
        Language::En => ["NO", "TO", "LASTED", "OUTCOME"],
    };
    table(heads, &rows)
}

fn outcome(record: &CallRecord, output: &Output) -> String {
    let words = [
        kind(record.emergency, record.test, output),
        output.text(&record.outcome),
        output.text(&record.trouble),
    ];
    words
        .iter()
        .filter(|word| !word.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Minutes and seconds from answer to end, such as `2:05`.
fn talked(record: &CallRecord) -> String {
    if record.answered == 0 {
        return "-".to_owned();
    }
    let seconds = (record.ended - record.answered).max(0) / 1000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

pub fn record(record: &CallRecord, output: &Output) -> String {
    let cause = |cause: u8, status: u16| match (cause, status) {
        (0, 0) => String::new(),
        (cause, 0) => format!("Q.850 {cause}"),
        (0, status) => format!("SIP {status}"),
        (cause, status) => format!("Q.850 {cause}, SIP {status}"),
    };
    let media = |packets: u64, lost: u64, jitter: u32| match output.language {
        _ if packets == 0 => String::new(),
        Language::Nb => format!("{packets} pakker, {lost} tapt, {jitter} ms jitter"),
        Language::En => format!("{packets} packets, {lost} lost, {jitter} ms jitter"),
    };
    let ended_by = match record.ended_by.as_str() {
        "caller" => output.word("den som ringte", "caller"),
        "called" => output.word("den som ble oppringt", "called"),
        _ => output.word("sentralen", "exchange"),
    };
    let rows = [
        (
            output.word("samtale", "call"),
            format!("{} {}", record.id, kind(record.emergency, record.test, output)),
        ),
        (output.word("fra", "from"), party(&record.from, output)),
        (output.word("slo", "dialled"), record.dialled.clone()),
        (output.word("til", "to"), party(&record.to, output)),
        (
            output.word("viderekoblet av", "forwarded by"),
            record.forwarded.join(", "),
        ),
        (
            output.word("prøvde først", "tried before"),
            record.tried.join(", "),
        ),
        (output.word("begynte", "started"), moment(record.started)),
        (output.word("ringte", "rang"), moment(record.rang)),
        (output.word("besvart", "answered"), moment(record.answered)),
        (output.word("slutt", "ended"), moment(record.ended)),
        (output.word("avsluttet av", "ended by"), ended_by.to_owned()),
        (
            output.word("utfall", "outcome"),
            output.text(&record.outcome).to_owned(),
        ),
        (
            output.word("årsak, fra", "cause, from"),
            cause(record.from_cause, record.from_status),
        ),
        (
            output.word("årsak, til", "cause, to"),
            cause(record.to_cause, record.to_status),
        ),
        (
            output.word("lyd fra", "sound from"),
            media(record.from_packets, record.from_lost, record.from_jitter),
        ),
        (
            output.word("lyd til", "sound to"),
            media(record.to_packets, record.to_lost, record.to_jitter),
        ),
        (
            output.word("lyden", "its sound"),
            output.text(&record.trouble).to_owned(),
        ),
    ];
    rows.iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:<15} {}\n", value.trim_end()))
        .collect()
}

fn health(state: Health, language: Language) -> &'static str {
    let (nb, en) = match state {
        Health::Up => ("oppe", "up"),
        Health::Starting => ("kommer opp", "starting"),
        Health::Down => ("NEDE", "DOWN"),
        Health::Blocked => ("hindret", "blocked"),
    };
    match language {
        Language::Nb => nb,
        Language::En => en,
    }
}

fn channel_state(state: ChannelState, language: Language) -> &'static str {
    let (nb, en) = match state {
        ChannelState::Free => ("ledig", "free"),
        ChannelState::Busy => ("i bruk", "busy"),
        ChannelState::Restarting => ("nullstilles", "restarting"),
        ChannelState::Blocked => ("sperret", "blocked"),
    };
    match language {
        Language::Nb => nb,
        Language::En => en,
    }
}

fn call_state(state: CallState, language: Language) -> &'static str {
    let (nb, en) = match state {
        CallState::Trying => ("settes opp", "trying"),
        CallState::Ringing => ("ringer", "ringing"),
        CallState::Talking => ("samtale", "talking"),
        CallState::Clearing => ("kobles ned", "clearing"),
    };
    match language {
        Language::Nb => nb,
        Language::En => en,
    }
}

//! `[telephony]` is read whole, and its faults are told where they stand.
#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use varde_site::{
    CallingNumber, Digests, ExtensionPlace, LineAccess, LineSide, RouteFrom, RouteHolidays, Target,
    Telephony, Transport, parse,
};

const SITE: &str = include_str!("telephony.toml");

fn telephony(text: &str) -> Telephony {
    parse(text).unwrap().telephony.unwrap()
}

/// The file with one place changed, and what is wrong with it then.
#[track_caller]
fn faults(from: &str, to: &str) -> Vec<String> {
    assert_eq!(SITE.matches(from).count(), 1, "{from:?} is not there once");
    let findings = parse(&SITE.replacen(from, to, 1)).err().unwrap_or_default();
    for finding in &findings {
        assert_ne!(finding.text.nb, finding.text.en);
        assert!(!finding.remedy.nb.is_empty());
    }
    findings
        .iter()
        .map(|finding| format!("{} {} | {}", finding.line, finding.text.en, finding.remedy.en))
        .collect()
}

/// There is exactly one fault, on the line where `needle` stands first in the changed file, and it says this.
#[track_caller]
fn one(from: &str, to: &str, needle: &str, said: &str) {
    let found = faults(from, to);
    let changed = SITE.replacen(from, to, 1);
    let at = changed.find(needle).expect(needle);
    let line = changed[..at].matches('\n').count() + 1;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with(&format!("{line} ")),
        "not on line {line}: {found:?}"
    );
    assert!(found[0].contains(said), "{found:?}");
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(parse(SITE).err(), None);
}

#[test]
fn what_is_left_out_has_careful_defaults() {
    let telephony = telephony(SITE);
    assert_eq!(
        (telephony.rtp_ports, telephony.calls, telephony.call_rate),
        ((20_000, 20_999), 120, 20)
    );
    assert_eq!(telephony.digests, Digests::Both);
    assert_eq!(telephony.emergency.numbers, ["110", "112", "113"]);
    assert_eq!(
        telephony.emergency.to,
        [Target::Trunk("operator".into()), Target::Line("bylinje".into())]
    );
    let line = &telephony.lines[0];
    assert_eq!(
        (line.access, line.side, line.bus),
        (LineAccess::Primary, LineSide::Network, false)
    );
    assert_eq!(line.channels.len(), 30);
    assert!(!line.channels.contains(&16));
    assert_eq!(line.calling_number, CallingNumber::Screen);
    let trunk = &telephony.trunks[0];
    assert_eq!(
        (trunk.port, trunk.transport, trunk.trusted),
        (None, Transport::Udp, false)
    );
    assert!(trunk.register && trunk.e164);
    let extension = &telephony.extensions[0];
    assert_eq!(extension.place, ExtensionPlace::Account("skranke".into()));
    assert_eq!((extension.calls, extension.forward.after), (2, 20));
    assert_eq!(
        telephony.extensions[1].place,
        ExtensionPlace::Line {
            line: "sentral".into(),
            number: "102".into()
        }
    );
    let route = &telephony.routes[0];
    assert_eq!(
        (route.from, route.holidays, route.strip),
        (RouteFrom::Inside, RouteHolidays::Closed, 0)
    );
}

#[test]
fn an_emergency_call_always_has_a_way_out() {
    one(
        "to = [\"operator\", \"bylinje\"]\nnumber",
        "to = []\nnumber",
        "to = []",
        "at least one line or trunk",
    );
    one(
        "to = [\"operator\", \"bylinje\"]\nnumber",
        "number",
        "[telephony.emergency]",
        "lacks \"to\"",
    );
    one(
        "to = [\"operator\", \"bylinje\"]\nnumber",
        "to = [\"operator\", \"101\"]\nnumber",
        "\"operator\", \"101\"",
        "emergency calls have to leave the site",
    );
    one(
        "number = \"35003000\"\nlocation",
        "numbers = [\"112\", \"113\"]\nnumber = \"35003000\"\nlocation",
        "numbers = [",
        "The emergency number 110 is missing",
    );
    one(
        "number = \"35003099\"",
        "number = \"112\"",
        "number = \"112\"",
        "would call the emergency number 112",
    );
}

#[test]
fn what_is_named_must_exist() {
    one(
        "to = [\"operator\", \"bylinje\"]\nnumber",
        "to = [\"operatør\", \"bylinje\"]\nnumber",
        "operatør",
        "Did you mean \"operator\"?",
    );
    one(
        "line = \"sentral\"",
        "line = \"sentralen\"",
        "line = \"sentralen\"",
        "Did you mean \"sentral\"?",
    );
    one(
        "barring = \"innland\"",
        "barring = \"inland\"",
        "barring = \"inland\"",
        "Did you mean \"innland\"?",
    );
    let found = faults("name = \"bylinje\"", "name = \"operator\"");
    assert!(
        found.iter().any(|fault| fault.contains("is used before")),
        "{found:?}"
    );
}

#[test]
fn no_number_is_the_beginning_of_another() {
    let twice = "is used before, on line";
    let alike = "begin alike";
    one(
        "number = \"102\"",
        "number = \"101\"",
        "number = \"101\"\ntitle = \"Fysio\"",
        twice,
    );
    one(
        "number = \"102\"",
        "number = \"1012\"",
        "number = \"1012\"",
        alike,
    );
    one(
        "number = \"102\"",
        "number = \"1120\"",
        "number = \"1120\"",
        alike,
    );
    one("number = \"102\"", "number = \"11\"", "number = \"11\"", alike);
    let found = faults("number = \"102\"", "number = \"35\"");
    assert_eq!(found.len(), 2, "the line's series, and a number in it: {found:?}");
    one(
        "calling_number = \"pass\"",
        "number = \"35003000\"",
        "number = \"35003000\"\n\n[[telephony.trunk]]",
        twice,
    );
    one(
        "calling_number = \"pass\"",
        "calling_number = \"pass\"\nddi = \"3500301\"\nddi_digits = 1",
        "ddi = \"3500301\"",
        alike,
    );
}

#[test]
fn a_forwarded_call_comes_to_a_phone() {
    let circle = "forwarded in a circle";
    one(
        "title = \"Fysio\"",
        "title = \"Fysio\"\nforward_always = \"102\"",
        "forward_always",
        circle,
    );
    let both = SITE
        .replace("forward_no_answer = \"102\"", "forward_always = \"102\"")
        .replace(
            "title = \"Fysio\"",
            "title = \"Fysio\"\nforward_always = \"35003001\"",
        );
    let findings = parse(&both).unwrap_err();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].text.en.contains(circle));
    // Where nothing leads out, only the site's own numbers can be meant.
    let closed = SITE.replace("prefix = \"\"", "prefix = \"9\"");
    let closed = closed.replace("forward_no_answer = \"102\"", "forward_no_answer = \"35004000\"");
    let findings = parse(&closed).unwrap_err();
    assert!(
        findings[0].text.en.contains("nor covered by a route"),
        "{findings:?}"
    );
}

#[test]
fn addresses_are_own_and_ports_are_free() {
    one(
        "tcp:10.20.0.1",
        "tcp:10.20.0.9",
        "tcp:10.20.0.9",
        "not one of the appliance's own",
    );
    one(
        "local = \"127.0.0.1:1932\"",
        "local = \"10.20.0.1:1931\"",
        "local = \"10.20.0.1:1931\"\nremote = \"127",
        "is taken on line",
    );
    one(
        "local = \"127.0.0.1:1932\"",
        "local = \"127.0.0.1:20500\"",
        "127.0.0.1:20500",
        "among the ports for media",
    );
    one(
        "local = \"127.0.0.1:1932\"",
        "local = \"127.0.0.1:932\"",
        "127.0.0.1:932",
        "belongs to the system",
    );
    one(
        "udp:10.20.0.1:5060",
        "sip:10.20.0.1:5060",
        "sip:10.20",
        "no choice here",
    );
    one(
        "udp:10.20.0.1:5060",
        "udp:10.20.0.1",
        "udp:10.20.0.1\"",
        "not a transport, an address and a port",
    );
    let domain = "domain = \"telefoni.fylke.no\"";
    let ports = |ports: &str| format!("{domain}\nrtp_ports = \"{ports}\"");
    one(
        domain,
        &ports("20000-20399"),
        "20000-20399",
        "enough for 100 calls, and \"calls\" is 120",
    );
    one(domain, &ports("20001-20999"), "20001-20999", "no room for calls");
    one(domain, &ports("20999-20000"), "20999-20000", "no room for calls");
    one(
        domain,
        "domain = \"-x\"",
        "domain",
        "neither a host name nor an IPv4 address",
    );
    one(
        domain,
        "domain = \"0.0.0.0\"",
        "domain",
        "neither a host name nor an IPv4 address",
    );
}

#[test]
fn routes_are_of_use_and_open_to_nobody_outside() {
    one(
        "when = [\"Mon..Fri 08:00..16:00\"]\nholidays = \"closed\"\n",
        "",
        "prefix = \"\"\nto = [\"operator\", \"bylinje\"]",
        "The route is never used",
    );
    one(
        "prefix = \"35003000\"\nfrom = \"outside\"\nto = [\"101\"]\nlength = 8",
        "prefix = \"\"\nfrom = \"outside\"\nto = [\"bylinje\"]",
        "to = [\"bylinje\"]",
        "at the site's expense",
    );
    one(
        "length = 8",
        "length = 8\nstrip = 9",
        "strip",
        "Of 8 digits, 9 cannot be taken away",
    );
    one(
        "length = 8",
        "length = 8\nholidays = \"extra\"",
        "holidays = \"extra\"",
        "open on holidays besides",
    );
    one(
        "Mon..Fri 08:00..16:00",
        "Man..Fre 08:00",
        "Man..Fre",
        "cannot be used as a time",
    );
}

#[test]
fn a_line_is_what_its_access_can_be() {
    let local = "local = \"10.20.0.1:1931\"";
    let with = |more: &str| format!("{more}\n{local}");
    one(
        local,
        &with("sharing = \"point-to-multipoint\""),
        "sharing",
        "Only a basic access",
    );
    one(local, &with("channels = \"1-16\""), "channels", "no B channel 16");
    one(
        local,
        &with("channels = \"17-31,1-15\""),
        "channels",
        "ascending order",
    );
    one(
        local,
        &with("channels = \"1\""),
        "emergency_channels = 1",
        "Of 1 channels, 1 cannot be reserved",
    );
    one(
        "ddi_digits = 2\n",
        "",
        "[[telephony.line]]",
        "lacks \"ddi_digits\"",
    );
    one(
        "calling_number = \"pass\"\n",
        "",
        "[[telephony.line]]\nname = \"bylinje\"",
        "needs a number that can be shown",
    );
}

#[test]
fn an_extension_is_in_one_place() {
    one(
        "account = \"skranke\"\n",
        "",
        "[[telephony.extension]]",
        "either \"account\" or \"line\"",
    );
    one(
        "account = \"skranke\"",
        "account = \"skranke\"\nline_number = \"01\"",
        "line_number",
        "only for an extension on a line",
    );
    one(
        "line = \"sentral\"",
        "account = \"skranke\"",
        "account = \"skranke\"\n\n[[telephony.barring]]",
        "already belongs",
    );
    one(
        "account = \"skranke\"",
        "account = \"skr anke\"",
        "skr anke",
        "cannot be the name of a SIP account",
    );
    one(
        "user = \"4735003000\"\n",
        "",
        "[[telephony.trunk]]",
        "lacks \"user\"",
    );
    one(
        "allowed = [\"0046\"]",
        "allowed = [\"82\"]",
        "allowed",
        "is barred on line",
    );
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(at in 0usize..SITE.len(), length in 0usize..40, put in "\\PC{0,10}") {
        let at = (0..=at).rev().find(|at| SITE.is_char_boundary(*at)).unwrap();
        let end = (at + length).min(SITE.len());
        let end = (end..=SITE.len()).find(|end| SITE.is_char_boundary(*end)).unwrap();
        let _ = parse(&format!("{}{put}{}", &SITE[..at], &SITE[end..]));
    }
}

#[test]
fn the_example_of_the_handbook_is_a_good_site() {
    let page = include_str!("../../../docs/operator/telephony.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let start = SITE.find("[telephony]").unwrap();
    assert_eq!(parse(&format!("{}{example}", &SITE[..start])).err(), None);
}

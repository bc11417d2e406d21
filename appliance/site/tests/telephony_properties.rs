//! Whatever telephony a site has, what is written reads back.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write;
use std::net::SocketAddrV4;

use proptest::prelude::*;
use varde_site::{
    Barring, CallingNumber, Ddi, Digests, Emergency, EmergencyTest, Extension, ExtensionPlace, Forward, Line,
    LineAccess, LineSide, Listen, Route, RouteFrom, RouteHolidays, Target, Telephony, Transport, Trunk,
    parse,
};

const HEAD: &str = r#"version = 1
[site]
name = "fylke"
title = "Fylke"
counties = ["Telemark"]
[[account]]
name = "kari"
title = "Kari"
role = "admin"
password_hash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"
"#;

fn option(text: &mut String, key: &str, value: Option<&String>) {
    if let Some(value) = value {
        writeln!(text, "{key} = \"{value}\"").unwrap();
    }
}

fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("\"{item}\"")).collect();
    format!("[{}]", items.join(", "))
}

fn write(telephony: &Telephony) -> String {
    let mut text = String::from(HEAD);
    let listens: Vec<String> = telephony
        .listen
        .iter()
        .map(|listen| format!("{}:{}:{}", listen.transport.name(), listen.address, listen.port))
        .collect();
    let listens = list(listens.iter().map(String::as_str));
    let (first, last) = telephony.rtp_ports;
    writeln!(
        text,
        "[telephony]\ndomain = \"{}\"\nlisten = {listens}\nrtp_ports = \"{first}-{last}\"\ncalls = {}\ncall_rate = {}\ncountry = \"{}\"\ndigests = \"{}\"",
        telephony.domain, telephony.calls, telephony.call_rate, telephony.country, telephony.digests.name()
    )
    .unwrap();
    let emergency = &telephony.emergency;
    writeln!(
        text,
        "[telephony.emergency]\nnumbers = {}\nto = {}\nnumber = \"{}\"\nlocation = \"{}\"",
        list(emergency.numbers.iter().map(String::as_str)),
        list(emergency.to.iter().map(Target::name)),
        emergency.number,
        emergency.location
    )
    .unwrap();
    if let Some(test) = &emergency.test {
        let calendar = list(test.calendar.iter().map(String::as_str));
        let (number, within) = (&test.number, test.within);
        writeln!(
            text,
            "[telephony.emergency.test]\ncalendar = {calendar}\nnumber = \"{number}\"\nwithin = \"{within} s\""
        )
        .unwrap();
    }
    for line in &telephony.lines {
        write_line(&mut text, line);
    }
    for trunk in &telephony.trunks {
        write_trunk(&mut text, trunk);
    }
    for extension in &telephony.extensions {
        write_extension(&mut text, extension);
    }
    for barring in &telephony.barrings {
        let (barred, allowed) = (
            list(barring.barred.iter().map(String::as_str)),
            list(barring.allowed.iter().map(String::as_str)),
        );
        let name = &barring.name;
        writeln!(
            text,
            "[[telephony.barring]]\nname = \"{name}\"\nbarred = {barred}\nallowed = {allowed}"
        )
        .unwrap();
    }
    for route in &telephony.routes {
        write_route(&mut text, route);
    }
    text
}

fn write_line(text: &mut String, line: &Line) {
    let channels: Vec<String> = line.channels.iter().map(ToString::to_string).collect();
    writeln!(
        text,
        "[[telephony.line]]\nname = \"{}\"\ntitle = \"{}\"\naccess = \"{}\"\nside = \"{}\"\nsharing = \"{}\"\nlocal = \"{}\"\nremote = \"{}\"\nchannels = \"{}\"\nemergency_channels = {}\ndialling = \"{}\"\ncalling_number = \"{}\"",
        line.name,
        line.title,
        if line.access == LineAccess::Basic { "basic" } else { "primary" },
        if line.side == LineSide::User { "user" } else { "network" },
        if line.bus { "point-to-multipoint" } else { "point-to-point" },
        line.local,
        line.remote,
        channels.join(","),
        line.emergency_channels,
        if line.overlap { "overlap" } else { "en-bloc" },
        match line.calling_number {
            CallingNumber::Screen => "screen",
            CallingNumber::Pass => "pass",
            CallingNumber::Replace => "replace",
        }
    )
    .unwrap();
    option(text, "number", line.number.as_ref());
    if let Some(id) = line.id {
        writeln!(text, "id = {id}").unwrap();
    }
    if let Some(ddi) = &line.ddi {
        writeln!(text, "ddi = \"{}\"\nddi_digits = {}", ddi.prefix, ddi.digits).unwrap();
    }
}

fn write_trunk(text: &mut String, trunk: &Trunk) {
    let port = trunk.port.map_or_else(String::new, |port| format!(":{port}"));
    writeln!(
        text,
        "[[telephony.trunk]]\nname = \"{}\"\ntitle = \"{}\"\naddress = \"{}{port}\"\ntransport = \"{}\"\nkind = \"{}\"\ndomain = \"{}\"\ncalls = {}\ntrusted = {}\nnumbers = \"{}\"\ncheck_every = \"{} s\"",
        trunk.name,
        trunk.title,
        trunk.host,
        trunk.transport.name(),
        if trunk.register { "register" } else { "peer" },
        trunk.domain,
        trunk.calls,
        trunk.trusted,
        if trunk.e164 { "e164" } else { "national" },
        trunk.check_every
    )
    .unwrap();
    option(text, "user", trunk.user.as_ref());
    option(text, "number", trunk.number.as_ref());
}

fn write_extension(text: &mut String, extension: &Extension) {
    writeln!(
        text,
        "[[telephony.extension]]\nnumber = \"{}\"\ntitle = \"{}\"\ncalls = {}\nno_answer_after = \"{} s\"",
        extension.number, extension.title, extension.calls, extension.forward.after
    )
    .unwrap();
    match &extension.place {
        ExtensionPlace::Account(user) => option(text, "account", Some(user)),
        ExtensionPlace::Line { line, number } => {
            option(text, "line", Some(line));
            option(text, "line_number", Some(number));
        }
    }
    option(text, "public", extension.public.as_ref());
    option(text, "barring", extension.barring.as_ref());
    option(text, "location", extension.location.as_ref());
    option(text, "forward_always", extension.forward.always.as_ref());
    option(text, "forward_busy", extension.forward.busy.as_ref());
    option(text, "forward_no_answer", extension.forward.no_answer.as_ref());
}

fn write_route(text: &mut String, route: &Route) {
    writeln!(
        text,
        "[[telephony.route]]\nprefix = \"{}\"\nfrom = \"{}\"\nto = {}\nstrip = {}\nprepend = \"{}\"\nwhen = {}\nholidays = \"{}\"",
        route.prefix,
        if route.from == RouteFrom::Inside { "inside" } else { "outside" },
        list(route.to.iter().map(Target::name)),
        route.strip,
        route.prepend,
        list(route.when.iter().map(String::as_str)),
        match route.holidays {
            RouteHolidays::Open => "open",
            RouteHolidays::Closed => "closed",
            RouteHolidays::Extra => "extra",
        }
    )
    .unwrap();
    if let Some(length) = route.length {
        writeln!(text, "length = {length}").unwrap();
    }
}

prop_compose! {
    fn line(number: u16)(
        title in "[A-ZÆØÅ][a-zæøå ]{0,20}[a-zæøå]",
        basic in any::<bool>(),
        user in any::<bool>(),
        bus in any::<bool>(),
        remote in (any::<[u8; 4]>(), 1u16..),
        id in proptest::option::of(1u32..),
        channels in proptest::sample::subsequence((1u8..=31).filter(|slot| *slot != 16).collect::<Vec<_>>(), 2..=30),
        overlap in any::<bool>(),
        ddi in proptest::option::of(1u8..=8),
        calling in 0usize..3,
    ) -> Line {
        Line {
            name: format!("linje{number}"),
            title,
            access: if basic { LineAccess::Basic } else { LineAccess::Primary },
            side: if user { LineSide::User } else { LineSide::Network },
            bus: bus && basic,
            local: SocketAddrV4::new([127, 0, 0, 1].into(), 2000 + number),
            remote: SocketAddrV4::new(remote.0.into(), remote.1),
            id,
            emergency_channels: 1,
            channels: if basic { vec![1, 2] } else { channels },
            overlap,
            number: (calling > 0).then(|| format!("3500{number}000")),
            ddi: ddi.map(|digits| Ddi { prefix: format!("3600{number}"), digits }),
            calling_number: [CallingNumber::Pass, CallingNumber::Screen, CallingNumber::Replace][calling],
        }
    }
}

prop_compose! {
    fn trunk(number: u16)(
        title in "[A-ZÆØÅ][a-zæøå ]{0,20}[a-zæøå]",
        host in "[a-z][a-z0-9]{0,10}\\.[a-z]{2,3}",
        domain in "[a-z][a-z0-9]{0,10}\\.[a-z]{2,3}",
        port in proptest::option::of(1u16..),
        transport in 0..3usize,
        register in any::<bool>(),
        user in "[a-zA-Z0-9._+-]{1,20}",
        calls in 1u32..=5000,
        trusted in any::<bool>(),
        e164 in any::<bool>(),
        own in proptest::option::of("[1-9][0-9]{7}"),
        check_every in 0u64..=3600,
    ) -> Trunk {
        Trunk {
            name: format!("trunk{number}"),
            transport: [Transport::Udp, Transport::Tcp, Transport::Tls][transport],
            title, host, port, register, domain, calls, trusted, e164, check_every,
            user: Some(user),
            number: own,
        }
    }
}

prop_compose! {
    fn extension(index: usize, lines: Vec<String>)(
        title in "[A-ZÆØÅ][a-zæøå ]{0,20}[a-zæøå]",
        on_line in proptest::option::of(proptest::sample::select(lines)),
        line_number in "[0-9]{2,5}",
        public in any::<bool>(),
        calls in 1u32..=100,
        barring in any::<bool>(),
        location in proptest::option::of("[A-ZÆØÅ][a-zæøå, 0-9]{0,30}[a-zæøå]"),
        busy in any::<bool>(),
        after in 5u64..=120,
    ) -> Extension {
        let number = (200 + index).to_string();
        Extension {
            place: match on_line {
                Some(line) => ExtensionPlace::Line { line, number: line_number },
                None => ExtensionPlace::Account(format!("konto{index}")),
            },
            public: public.then(|| format!("37000{number}")),
            barring: barring.then(|| "innland".to_owned()),
            forward: Forward { always: None, busy: busy.then(|| "200".to_owned()), no_answer: None, after },
            number, title, calls, location,
        }
    }
}

prop_compose! {
    fn route(index: usize)(
        outside in any::<bool>(),
        to in proptest::sample::subsequence(
            vec![Target::Line("linje1".into()), Target::Trunk("trunk1".into()), Target::Extension("200".into())], 1..=3),
        length in proptest::option::of(4u8..=17),
        strip in 0u8..=4,
        prepend in "[0-9]{0,6}",
        when in proptest::sample::subsequence(vec!["Mon..Fri 08:00..16:00".to_owned(), "Sat 10:00..14:00".to_owned()], 0..=2),
        closed in any::<bool>(),
    ) -> Route {
        Route {
            prefix: format!("9{index}"),
            from: if outside { RouteFrom::Outside } else { RouteFrom::Inside },
            holidays: if closed { RouteHolidays::Closed } else { RouteHolidays::Open },
            to, length, strip, prepend, when,
        }
    }
}

prop_compose! {
    fn telephony()(
        domain in "[a-z][a-z0-9]{0,10}\\.[a-z]{2,3}",
        tcp in any::<bool>(),
        first in 1024u16..20_000,
        calls in 1u32..=1000,
        call_rate in 1u32..=1000,
        country in "[1-9][0-9]{0,2}",
        digests in proptest::sample::select(vec![Digests::Both, Digests::Md5, Digests::Sha256]),
        line in (line(1), line(2)),
        trunk in (trunk(1), trunk(2)),
        extension in {
            let lines = vec!["linje1".to_owned(), "linje2".to_owned()];
            (extension(0, lines.clone()), extension(1, lines.clone()), extension(2, lines))
        },
        route in (route(0), route(1), route(2)),
        to in proptest::sample::subsequence(
            vec![Target::Line("linje2".into()), Target::Trunk("trunk1".into()), Target::Trunk("trunk2".into())], 1..=3),
        location in "[A-ZÆØÅ][a-zæøå, 0-9]{0,30}[a-zæøå]",
        within in proptest::option::of(5u64..=120),
    ) -> Telephony {
        let listen = |transport, port| Listen { transport, address: [127, 0, 0, 1].into(), port };
        let first = 20_000 + first / 2 * 2;
        Telephony {
            domain, calls, call_rate, country, digests,
            listen: std::iter::once(listen(Transport::Udp, 5060))
                .chain(tcp.then(|| listen(Transport::Tcp, 5060)))
                .collect(),
            rtp_ports: (first, first + 3999),
            emergency: Emergency {
                numbers: ["110", "112", "113"].map(String::from).into(),
                to,
                number: "35003000".into(),
                location,
                test: within.map(|within| EmergencyTest {
                    calendar: vec!["*-*-* 04:10".into()],
                    number: "35009999".into(),
                    within,
                }),
            },
            lines: vec![line.0, line.1],
            trunks: vec![trunk.0, trunk.1],
            extensions: vec![extension.0, extension.1, extension.2],
            barrings: vec![Barring {
                name: "innland".into(),
                barred: vec!["00".into()],
                allowed: vec!["0046".into()],
            }],
            routes: vec![route.0, route.1, route.2],
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(telephony in telephony()) {
        let text = write(&telephony);
        let read = parse(&text).map(|site| site.telephony);
        prop_assert_eq!(read.as_ref().ok(), Some(&Some(telephony)), "{:?}\n{}", read, text);
    }
}

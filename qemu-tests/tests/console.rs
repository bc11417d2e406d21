//! The console on a serial line: what it looks like, what it costs, what it does when nobody is there.

use std::time::Duration;

use varde_qemu_tests::Step::{Send, WaitFor, WaitForMatch, WaitGone, Within};
use varde_qemu_tests::{ADMIN, Appliance, Golden, OPERATOR, Result, Shape, VIEWER, scenario};

/// What differs from run to run on our pages, beside what every golden screen masks: rows with load and amounts, whose
/// width differs too, and versions.
const MASKS: [&str; 3] = [
    r"(?m)^\|.*(Last|Load|Linux) .*$",
    r"(?m)^\|.*\d ?([KMGT]i)?B\b.*$",
    r"\d+\.\d+\.\d+([+~-][0-9A-Za-z.+~-]*)?",
];

/// Page and the key that leads to it.
const PAGES: [(&str, &str, &str); 4] = [
    ("overview", "1", "Siste hendelser|Last events"),
    ("machines", "2", "Navn +Tilstand|Name +State"),
    ("site", "3", "Generasjon|Generation"),
    ("record", "5", "Alle endringer|Every change"),
];

#[test]
fn every_page_looks_as_it_should_in_both_languages() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        let golden = Golden::new(&MASKS)?;
        appliance.log_in(ADMIN)?;
        appliance.dialogue(&[WaitFor("Oversikt")])?;
        for language in ["nb", "en"] {
            let check =
                |name: &str| appliance.with_line(|line| golden.check(line, &format!("{name}.{language}")));
            for (page, key, sign) in PAGES {
                appliance.dialogue(&[Send(key), WaitForMatch(sign)])?;
                check(page)?;
            }
            appliance.dialogue(&[Send("?"), WaitForMatch("denne hjelpen|this help")])?;
            check("help")?;
            appliance.dialogue(&[Send("<esc>2<enter>"), WaitForMatch("Gruppe|Group")])?;
            check("machine")?;
            appliance.dialogue(&[
                Send("<esc>K"),
                WaitForMatch("Konsollen er låst|console is locked"),
            ])?;
            check("lock")?;
            appliance.dialogue(&[
                Send(ADMIN.1),
                Send("<enter>"),
                WaitForMatch("Navn +Tilstand|Name +State"),
                Send("L"),
            ])?;
        }
        Ok(())
    });
}

#[test]
fn a_screen_left_alone_locks_itself_and_gives_the_page_back_for_the_password_only() {
    scenario(|scenario| {
        let site = Shape::default().site.unwrap_or_default();
        let appliance = scenario.appliance()?;
        appliance.write("/run/short.toml", &site.replace("\"30 min\"", "\"30 s\""))?;
        appliance.sh("varde site apply /run/short.toml --why 'kort lås'")?;
        appliance.log_in(OPERATOR)?;
        appliance.dialogue(&[
            WaitFor("Oversikt"),
            Send("2"),
            WaitFor("Liten maskin"),
            Within(120),
            WaitFor("Konsollen er låst av drift"),
            // A locked screen shows nothing of what was on it.
            WaitGone("Liten maskin"),
        ])?;
        appliance.dialogue(&[
            Send("feil<enter>"),
            WaitFor("Feil passord"),
            Send(OPERATOR.1),
            Send("<enter>"),
            WaitFor("Liten maskin"),
            WaitGone("Konsollen er låst"),
        ])
    });
}

#[test]
fn a_viewer_looks_and_may_not_touch() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        appliance.log_in(VIEWER)?;
        appliance.dialogue(&[
            WaitFor("Oversikt"),
            Send("2"),
            WaitFor("Liten maskin"),
            Send("s"),
            WaitFor("Dette krever gruppen varde-operator"),
            WaitGone("Starte liten?"),
        ])?;
        // The console is polite; the service is what refuses.
        let said = appliance
            .run("setpriv --reuid innsyn --regid varde-viewer --init-groups varde --json vm start liten")?;
        assert_eq!(said.code, 1, "{}", said.text);
        assert!(said.text.contains("\"denied\""), "{}", said.text);
        Ok(())
    });
}

/// Bytes of a second at 9600 baud.
const SECOND: usize = 960;

#[test]
fn at_9600_baud_the_console_is_usable_and_a_still_screen_is_silent() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        appliance.with_line(|line| {
            line.set_baud(9600);
            Ok(())
        })?;
        appliance.log_in(OPERATOR)?;
        appliance.dialogue(&[WaitFor("Oversikt"), WaitForMatch("Siste hendelser")])?;
        let first = settled(&appliance)?;
        let cost = |keys: &str, sign: &str| -> Result<usize> {
            let before = settled(&appliance)?;
            appliance.dialogue(&[Send(keys), WaitForMatch(sign)])?;
            let bytes = settled(&appliance)? - before;
            scenario.report(&format!("{keys:?} costs {bytes} bytes"));
            Ok(bytes)
        };
        let pages = [
            cost("2", "Navn +Tilstand")?,
            cost("3", "Generasjon")?,
            cost("5", "Alle endringer")?,
            cost("1", "Siste hendelser")?,
        ];
        cost("2", "Navn +Tilstand")?;
        let moves = [
            cost("<down>", "journal-db")?,
            cost("<down>", "journal-db")?,
            cost("<up>", "journal-db")?,
        ];
        scenario.report(&format!("login and first page: {first} bytes"));
        assert!(
            pages.iter().all(|bytes| *bytes <= 2 * SECOND),
            "a page takes longer than two seconds: {pages:?}"
        );
        assert!(
            moves.iter().all(|bytes| *bytes <= SECOND / 4),
            "a key takes longer than a quarter of a second: {moves:?}"
        );
        // Nothing changes on the list of machines that are all off, so nothing is sent.
        let before = settled(&appliance)?;
        let quiet =
            appliance.with_line(|line| Ok(line.quiet(Duration::from_secs(20), Duration::from_secs(21))))?;
        let after = appliance.with_line(|line| Ok(line.heard()))?;
        assert!(
            quiet && after == before,
            "{} bytes while nothing changed",
            after - before
        );
        Ok(())
    });
}

/// How many bytes have come, once no more come.
fn settled(appliance: &Appliance) -> Result<usize> {
    appliance.with_line(|line| {
        line.quiet(Duration::from_secs(2), Duration::from_secs(30));
        Ok(line.heard())
    })
}

#[test]
fn rubbish_on_the_line_is_gone_after_one_key() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        appliance.log_in(OPERATOR)?;
        appliance.dialogue(&[WaitFor("Oversikt"), Send("2"), WaitFor("Liten maskin")])?;
        appliance.sh("printf '\\033[3;1HSTØY FRA KJERNEN' > /dev/ttyS0")?;
        appliance.dialogue(&[
            WaitFor("STØY FRA KJERNEN"),
            Send("<ctrl-l>"),
            WaitGone("STØY FRA KJERNEN"),
            WaitFor("Liten maskin"),
        ])
    });
}

#[test]
fn a_machine_is_started_in_plain_lines_on_the_serial_line() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        appliance.log_in(OPERATOR)?;
        appliance.dialogue(&[WaitFor("Oversikt"), Send("M"), WaitForMatch("^valg> *$")])?;
        // Each prompt is waited for, as a script does.
        for (typed, comes) in [
            ("0", "logg ut"),
            ("2", "== Maskiner =="),
            ("=liten", "> liten"),
            ("s", "Ja, start liten"),
            ("2", "(ok|sendt): "),
        ] {
            appliance.dialogue(&[
                Send(typed),
                Send("<enter>"),
                WaitForMatch(comes),
                WaitForMatch("^valg> *$"),
            ])?;
        }
        // That a machine comes up is seen elsewhere.
        appliance.until(
            "varde --json vm show liten | grep -Eq '\"(starting|running)\"'",
            Duration::from_mins(1),
        )?;
        appliance.dialogue(&[Send("M<enter>"), WaitForMatch("liten +(starter|kjører)")])
    });
}

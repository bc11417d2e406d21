//! What holds for every site: `cargo xtask test --site FILE` runs these, and only these, with an integrator's own.
//!
//! The language of a site is its own, so what is waited for is given in both.

use varde_qemu_tests::Step::{Send, WaitFor, WaitForMatch, WaitGone};
use varde_qemu_tests::{ACCEPTANCE, Result, Scenario, Shape, scenario};

/// Services that answer on the bus.
const SERVICES: [&str; 4] = [
    "no.varde.Site1",
    "no.varde.Hypervisor1",
    "no.varde.Audit1",
    "no.varde.Host1",
];

fn appliance(scenario: &Scenario) -> Result<std::rc::Rc<varde_qemu_tests::Appliance>> {
    scenario.restored(Shape::acceptance()?)
}

#[test]
fn a_person_logs_in_sees_every_page_in_both_languages_and_logs_out() {
    scenario(|scenario| {
        let appliance = appliance(scenario)?;
        appliance.log_in(ACCEPTANCE)?;
        appliance.dialogue(&[WaitForMatch("Oversikt|Overview")])?;
        for _language in 0..2 {
            appliance.dialogue(&[
                Send("2"),
                WaitForMatch("Navn +Tilstand|Name +State"),
                Send("3"),
                WaitForMatch("Generasjon|Generation"),
                Send("4"),
                WaitForMatch("denne oppstarten|alle oppstarter|this boot|all boots"),
                Send("5"),
                WaitForMatch("Alle endringer|Every change"),
                Send("?"),
                WaitForMatch("denne hjelpen|this help"),
                Send("<esc>1"),
                WaitForMatch("Siste hendelser|Last events"),
                Send("L"),
            ])?;
        }
        appliance.dialogue(&[
            Send("q"),
            WaitForMatch("Logge ut\\?|Log out\\?"),
            Send("<down><enter>"),
            WaitFor("login:"),
            WaitGone("Logge ut?"),
        ])
    });
}

#[test]
fn a_wrong_password_is_refused_and_the_next_try_is_free() {
    scenario(|scenario| {
        let appliance = appliance(scenario)?;
        appliance.dialogue(&[
            Send(ACCEPTANCE.0),
            Send("<enter>"),
            WaitForMatch("Password:|Passord:"),
            Send("feil passord<enter>"),
            WaitFor("Login incorrect"),
            WaitForMatch("login: *$"),
        ])?;
        appliance.log_in(ACCEPTANCE)?;
        appliance.dialogue(&[WaitForMatch("Oversikt|Overview")])
    });
}

#[test]
fn nothing_failed_and_every_service_answers_for_the_site_that_was_given() {
    scenario(|scenario| {
        let appliance = appliance(scenario)?;
        assert_eq!(appliance.sh("systemctl --failed --no-legend --plain")?, "");
        for service in SERVICES {
            appliance.sh(&format!(
                "busctl introspect --no-pager {service} /{} >/dev/null",
                service.replace('.', "/")
            ))?;
        }
        let declared = Shape::acceptance()?.site.unwrap_or_default();
        let declared = varde_site::parse(&declared).expect("the appliance has taken this file");
        let shown = appliance.varde("vm list")?;
        let shown: Vec<_> = shown
            .as_array()
            .into_iter()
            .flatten()
            .map(|vm| vm["name"].as_str())
            .collect();
        let mut names: Vec<_> = declared.vms.iter().map(|vm| Some(vm.name.as_str())).collect();
        names.sort_unstable();
        assert_eq!(
            shown, names,
            "machines that are shown and machines that are declared"
        );
        assert_eq!(appliance.sh("hostname")?.trim(), declared.site.name);
        appliance.sh("varde audit verify")?;
        Ok(())
    });
}

/// Units that cannot be confined, and why.
const OPEN: [(&str, &str); 2] = [
    (
        "varde-login@x.service",
        "whoever logs in becomes that account, and the login's children are what a person runs",
    ),
    (
        "varde-debug-shell.service",
        "a root shell, only where the machine got a credential for it from outside",
    ),
];

/// Exposure as systemd counts it: 0 is nothing, 10 is everything; ours stay below 4.
#[test]
fn every_service_of_ours_is_confined() {
    scenario(|scenario| {
        let appliance = appliance(scenario)?;
        let units = appliance.sh(
            "systemctl list-unit-files --no-legend --plain 'varde-*.service' | cut -d' ' -f1 | sed 's/@\\./@x./'",
        )?;
        let mut open = Vec::new();
        for unit in units.lines() {
            if OPEN.iter().any(|(name, _why)| *name == unit) {
                continue;
            }
            let said = appliance.run(&format!(
                "systemd-analyze security --no-pager --threshold=40 {unit} | tail -n 3"
            ))?;
            let line = said
                .text
                .lines()
                .rfind(|line| line.contains("exposure level"))
                .unwrap_or_default()
                .to_owned();
            // No figure at all is no better than a bad one.
            let exposure = line.split_whitespace().find_map(|word| word.parse::<f64>().ok());
            if exposure.is_none_or(|exposure| exposure >= 4.0) {
                open.push(format!("{unit}: {}", said.text.trim()));
            }
        }
        assert!(open.is_empty(), "too open:\n{}", open.join("\n"));
        assert!(units.lines().count() > 5, "{units}");
        Ok(())
    });
}

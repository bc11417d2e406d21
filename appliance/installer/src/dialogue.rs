//! The questions, nine at most.

use varde_site::{Language, Text};

use crate::check::{Card, Check, Level};
use crate::disks::{Disk, Holds, LEAST, PART};
use crate::first::{self, First, FirstNetwork, SHORTEST};
use crate::terminal::Terminal;
use crate::{Error, Result};

/// What there is to choose from.
pub struct Offer<'a> {
    pub checks: &'a [Check],
    pub disks: &'a [Disk],
    pub cards: &'a [Card],
    /// `site.toml` of the stick, if there is one: then nothing is asked about the site.
    pub site: Option<&'a str>,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub disk: Disk,
    pub site: String,
}

pub fn talk(terminal: &mut Terminal, offer: &Offer<'_>) -> Result<Chosen> {
    terminal.language = language(terminal)?;
    show(terminal, offer.checks)?;
    if offer.checks.iter().any(|check| check.level == Level::Stop) {
        return Err(Error::refused(
            "Varde kan ikke installeres her før det som står over, er rettet",
            "Varde cannot be installed here before what stands above is put right",
        ));
    }
    let disk = disk(terminal, offer.disks)?;
    let site = match offer.site {
        Some(site) => {
            first::check(site)?;
            terminal.say(&Text::new(
                "Anlegget: site.toml fra minnepinnen.",
                "The site: site.toml of the stick.",
            ))?;
            site.to_owned()
        }
        None => site(terminal, offer.cards)?,
    };
    confirm(terminal, &disk, offer.disks)?;
    Ok(Chosen { disk, site })
}

fn language(terminal: &mut Terminal) -> Result<Language> {
    loop {
        let answer = terminal.ask(&Text::same("1 norsk   2 English"), "1")?;
        match answer.as_str() {
            "1" => return Ok(Language::Nb),
            "2" => return Ok(Language::En),
            _ => {}
        }
    }
}

/// What the checks found.
pub fn show(terminal: &mut Terminal, checks: &[Check]) -> Result<()> {
    terminal.write("\n")?;
    for check in checks {
        let word = match check.level {
            Level::Good => Text::new("bra   ", "good  "),
            Level::Warning => Text::new("obs   ", "note  "),
            Level::Stop => Text::new("STOPP ", "STOP  "),
        };
        let line = |language| {
            let (word, what, remedy) = (
                word.get(language),
                check.what.get(language),
                check.remedy.get(language),
            );
            let remedy = if remedy.is_empty() {
                String::new()
            } else {
                format!("\n        {remedy}")
            };
            format!("  {word}{what}{remedy}")
        };
        terminal.say(&Text::new(line(Language::Nb), line(Language::En)))?;
    }
    terminal.write("\n")
}

fn disk(terminal: &mut Terminal, disks: &[Disk]) -> Result<Disk> {
    let fit: Vec<&Disk> = disks.iter().filter(|disk| disk.size >= LEAST).collect();
    for (number, disk) in fit.iter().enumerate() {
        let text = disk.text().get(terminal.language).to_owned();
        terminal.write(&format!("  {}  {text}\n", number + 1))?;
    }
    let usual = if fit.len() == 1 { "1" } else { "" };
    loop {
        let answer = terminal.ask(&Text::new("Nummeret på disken", "Number of the disk"), usual)?;
        let number: usize = answer.parse().unwrap_or(0);
        if let Some(disk) = number.checked_sub(1).and_then(|at| fit.get(at)) {
            return Ok((*disk).clone());
        }
        again(
            terminal,
            &Text::new(
                format!("Skriv et tall fra 1 til {}", fit.len()),
                format!("Type a number from 1 to {}", fit.len()),
            ),
        )?;
    }
}

fn again(terminal: &mut Terminal, why: &Text) -> Result<()> {
    terminal.say(&Text::new(format!("  {}.", why.nb), format!("  {}.", why.en)))
}

/// Asks until the site with the answer in it passes its checks.
fn until_right(
    terminal: &mut Terminal,
    question: &Text,
    usual: &str,
    first: &mut First,
    mut put: impl FnMut(&mut First, &str),
) -> Result<()> {
    loop {
        let answer = terminal.ask(question, usual)?;
        let mut tried = first.clone();
        put(&mut tried, &answer);
        match tried.site() {
            Ok(_) => {
                *first = tried;
                return Ok(());
            }
            Err(error) => again(terminal, &error.text())?,
        }
    }
}

fn site(terminal: &mut Terminal, cards: &[Card]) -> Result<String> {
    // What passes every check, until it is answered.
    let mut first = First {
        language: terminal.language,
        name: "varde".to_owned(),
        counties: vec!["-".to_owned()],
        network: None,
        account: "admin".to_owned(),
        password_hash: format!("$6$x${}", "x".repeat(86)),
    };
    until_right(
        terminal,
        &Text::new(
            "Anleggets navn (a-z, 0-9, bindestrek)",
            "Name of the site (a-z, 0-9, hyphen)",
        ),
        "",
        &mut first,
        |first, answer| answer.clone_into(&mut first.name),
    )?;
    until_right(
        terminal,
        &Text::new(
            "Fylke, eller flere med komma mellom",
            "County, or several with commas between",
        ),
        "",
        &mut first,
        |first, answer| first.counties = answer.split(',').map(|one| one.trim().to_owned()).collect(),
    )?;
    if let Some(card) = card(terminal, cards)? {
        until_right(
            terminal,
            &Text::new(
                "Adresse: dhcp, eller fast og med ruter, som 10.0.0.5/24 10.0.0.1",
                "Address: dhcp, or fixed and with a router, as in 10.0.0.5/24 10.0.0.1",
            ),
            "dhcp",
            &mut first,
            |first, answer| {
                let (address, gateway) = answer.split_once(' ').unwrap_or((answer, ""));
                first.network = Some(FirstNetwork {
                    card: card.clone(),
                    address: address.to_owned(),
                    gateway: gateway.trim().to_owned(),
                });
            },
        )?;
    }
    until_right(
        terminal,
        &Text::new("Kontoen til administratoren", "Account of the administrator"),
        "admin",
        &mut first,
        |first, answer| answer.clone_into(&mut first.account),
    )?;
    let password = password(terminal)?;
    first.password_hash = first::hash(&password)?;
    first.site()
}

/// The card that leads to the network from which the appliance is reached.
fn card(terminal: &mut Terminal, cards: &[Card]) -> Result<Option<String>> {
    if cards.is_empty() {
        return Ok(None);
    }
    for (number, card) in cards.iter().enumerate() {
        let name = &card.name;
        let cable = if card.cable {
            Text::new("kabel i", "cable in")
        } else {
            Text::new("ingen kabel", "no cable")
        };
        let cable = cable.get(terminal.language).to_owned();
        terminal.write(&format!("  {}  {name}, {cable}\n", number + 1))?;
    }
    let usual = cards.iter().position(|card| card.cable).map_or(0, |at| at + 1);
    loop {
        let answer = terminal.ask(
            &Text::new("Nettkort, 0 for ingen", "Network card, 0 for none"),
            &usual.to_string(),
        )?;
        match answer.parse::<usize>() {
            Ok(0) => return Ok(None),
            Ok(number) if number <= cards.len() => return Ok(Some(cards[number - 1].name.clone())),
            _ => again(
                terminal,
                &Text::new(
                    format!("Skriv et tall fra 0 til {}", cards.len()),
                    format!("Type a number from 0 to {}", cards.len()),
                ),
            )?,
        }
    }
}

fn password(terminal: &mut Terminal) -> Result<String> {
    loop {
        let password = terminal.secret(&Text::new(
            format!("Passord, minst {SHORTEST} tegn (vises ikke)"),
            format!("Password, at least {SHORTEST} characters (not shown)"),
        ))?;
        if password.chars().count() < SHORTEST {
            again(terminal, &Text::new("Det er for kort", "That is too short"))?;
            continue;
        }
        let same = terminal.secret(&Text::new(
            "Samme passord en gang til",
            "The same password once more",
        ))?;
        if same == password {
            return Ok(password);
        }
        again(terminal, &Text::new("De to er ikke like", "The two differ"))?;
    }
}

fn confirm(terminal: &mut Terminal, disk: &Disk, disks: &[Disk]) -> Result<()> {
    let text = disk.text();
    terminal.say(&Text::new(
        format!("\nVarde legges på {}.", text.nb),
        format!("\nVarde is put on {}.", text.en),
    ))?;
    loop {
        if let Holds::Data(_) = disk.holds {
            let answer = terminal.ask(
                &Text::new(
                    format!(
                        "ALT PÅ DISKEN GÅR TAPT. Skriv minst {PART} tegn av navnet, som ingen annen disk har"
                    ),
                    format!(
                        "ALL ON THE DISK IS LOST. Type at least {PART} characters of its name that no other disk has"
                    ),
                ),
                "",
            )?;
            if disk.is_named(&answer, disks) {
                return Ok(());
            }
            again(
                terminal,
                &Text::new(
                    "Det navngir ikke denne disken alene",
                    "That does not name this disk alone",
                ),
            )?;
            continue;
        }
        let yes = Text::new("ja", "yes");
        let answer = terminal.ask(&Text::new("Skriv ja for å begynne", "Type yes to begin"), "")?;
        if answer.eq_ignore_ascii_case(yes.get(terminal.language)) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn disk(name: &str, holds: Holds) -> Disk {
        Disk {
            path: format!("/dev/{name}").into(),
            name: name.to_owned(),
            bus: "sata".to_owned(),
            serial: name.to_owned(),
            size: 100 << 30,
            holds,
        }
    }

    fn talked(typed: &str, checks: &[Check], site: Option<&str>) -> (Result<Chosen>, String) {
        let disks = [
            disk("ata-NEW_S0001", Holds::Nothing),
            disk("ata-OLD_S0002", Holds::Data("ext4".to_owned())),
        ];
        let cards = [
            Card {
                name: "eno1".to_owned(),
                cable: false,
            },
            Card {
                name: "eno2".to_owned(),
                cable: true,
            },
        ];
        let screen = Screen::default();
        let mut terminal = Terminal::of(Cursor::new(typed.to_owned()), screen.clone());
        let offer = Offer {
            checks,
            disks: &disks,
            cards: &cards,
            site,
        };
        let done = talk(&mut terminal, &offer);
        let shown = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        (done, shown)
    }

    #[test]
    fn nine_answers_make_an_appliance_with_its_site() {
        let typed = "2\n1\nskien\nTelemark, Agder\n\n10.0.0.5/24 10.0.0.1\nkari\nlangt passord her\nlangt passord her\nyes\n";
        let (done, shown) = talked(typed, &[], None);
        let chosen = done.unwrap();
        assert_eq!(chosen.disk.name, "ata-NEW_S0001");
        let site = varde_site::parse(&chosen.site).unwrap();
        assert_eq!(site.site.name, "skien");
        assert_eq!(site.site.counties, ["Telemark", "Agder"]);
        assert_eq!(
            site.zones[0].uplink.as_deref(),
            Some("eno2"),
            "the one with a cable"
        );
        assert_eq!(site.accounts[0].name, "kari");
        assert!(!shown.contains("langt passord") && !chosen.site.contains("langt passord"));
    }

    #[test]
    fn what_will_not_do_is_asked_again_with_the_reason() {
        let typed = "9\n1\n7\n1\nSkien by\nskien\n\nTelemark\n3\n0\nroot\nkari\nkort\nlangt passord her\nannet passord her\n\
                     langt passord her\nlangt passord her\nnei\nja\n";
        let (done, shown) = talked(typed, &[], None);
        let chosen = done.unwrap();
        assert_eq!(varde_site::parse(&chosen.site).unwrap().zones.len(), 0);
        for said in [
            "tall fra 1 til 2",
            "Skien by",
            "tall fra 0 til 2",
            "root",
            "for kort",
            "ikke like",
        ] {
            assert!(shown.contains(said), "{said} is not in:\n{shown}");
        }
    }

    #[test]
    fn a_disk_with_data_is_taken_only_when_part_of_its_name_is_typed() {
        let site = crate::first::First {
            language: Language::Nb,
            name: "skien".to_owned(),
            counties: vec!["Telemark".to_owned()],
            network: None,
            account: "kari".to_owned(),
            password_hash: format!("$6$x${}", "x".repeat(86)),
        };
        let site = site.site().unwrap();
        let (done, shown) = talked("1\n2\nja\nata-\nS0001\nS0002\n", &[], Some(&site));
        assert_eq!(done.unwrap().disk.name, "ata-OLD_S0002");
        assert!(shown.contains("ALT PÅ DISKEN GÅR TAPT"), "{shown}");
        assert_eq!(
            shown.matches("navngir ikke denne disken alene").count(),
            3,
            "{shown}"
        );
        // Somebody hangs up.
        let (done, _) = talked("1\n2\nja\n", &[], Some(&site));
        assert!(done.is_err());
    }

    #[test]
    fn where_a_check_stops_nothing_is_asked() {
        let stop = Check {
            level: Level::Stop,
            what: Text::new("Minne: 1 GiB", "Memory: 1 GiB"),
            remedy: Text::new("Sett i mer", "Put more in"),
        };
        let (done, shown) = talked("2\n", &[stop], None);
        assert!(done.unwrap_err().text().en.contains("cannot be installed"));
        assert!(
            shown.contains("STOP  Memory: 1 GiB") && shown.contains("Put more in"),
            "{shown}"
        );
        assert!(!shown.contains("Number of the disk"), "{shown}");
    }
}

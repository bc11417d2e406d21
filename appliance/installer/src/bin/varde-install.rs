//! The installer: by the answers on a stick, else by questions on whichever console answers first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::SystemTime;

use varde_installer::answers::{self, After, Answers};
use varde_installer::check::{Facts, Level};
use varde_installer::dialogue::{self, Offer};
use varde_installer::disks::{Disk, Listing};
use varde_installer::medium::{self, Medium, Mounted};
use varde_installer::terminal::Terminal;
use varde_installer::write::{Plan, Progress, made_by};
use varde_installer::{Error, Result, first, tool};
use varde_site::Text;

fn main() -> ExitCode {
    match install() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("varde-install: {error}");
            ExitCode::FAILURE
        }
    }
}

fn install() -> Result<()> {
    let version = version()?;
    let mut terminals = terminals()?;
    for terminal in &mut terminals {
        terminal.write(&format!("\n\nVarde {version}\n"))?;
    }
    let stick = Stick::read()?;
    if let Some(answers) = &stick.answers {
        let done = Answers::read(answers).and_then(|answers| {
            for terminal in &mut terminals {
                terminal.language = answers.language;
            }
            unattended(&answers, &stick, &version, &mut terminals)
        });
        match done {
            Ok(after) => return end(after),
            // Nothing is tried again by itself: somebody has to look.
            Err(error) => tell(&mut terminals, &error.text())?,
        }
    }
    let mut terminal = answering(terminals)?;
    loop {
        match by_keys(&mut terminal, &stick, &version) {
            Ok(()) => break,
            Err(error) => {
                terminal.say(&error.text())?;
                let question = Text::new("Enter begynner på nytt", "Enter begins again");
                terminal.ask(&question, "")?;
            }
        }
    }
    let question = Text::new(
        "Ta ut installasjonsmediet. Enter starter maskinen på nytt",
        "Take the installation medium out. Enter restarts the machine",
    );
    terminal.ask(&question, "")?;
    end(After::Restart)
}

/// Which version this is.
fn version() -> Result<String> {
    let place = "/etc/os-release";
    let text = fs::read_to_string(place).map_err(|cause| Error::Io {
        tried: "read",
        path: place.into(),
        cause,
    })?;
    let version = text.lines().find_map(|line| line.strip_prefix("IMAGE_VERSION="));
    Ok(version.unwrap_or_default().trim_matches(['"', '\'']).to_owned())
}

/// Those that the kernel speaks on.
fn terminals() -> Result<Vec<Terminal>> {
    let place = Path::new("/sys/class/tty/console/active");
    let active = fs::read_to_string(place).map_err(|cause| Error::Io {
        tried: "read",
        path: place.to_owned(),
        cause,
    })?;
    let opened = active
        .split_whitespace()
        .map(|name| Terminal::open(&Path::new("/dev").join(name)));
    let (opened, failed): (Vec<_>, Vec<_>) = opened.partition(Result::is_ok);
    // A blade may have no screen, or no serial line.
    for error in failed.into_iter().filter_map(Result::err) {
        eprintln!("varde-install: {error}");
    }
    Ok(opened.into_iter().filter_map(Result::ok).collect())
}

fn tell(terminals: &mut [Terminal], text: &Text) -> Result<()> {
    terminals.iter_mut().try_for_each(|terminal| terminal.say(text))
}

/// What lies on the stick.
#[derive(Default)]
struct Stick {
    answers: Option<String>,
    site: Option<String>,
}

impl Stick {
    fn read() -> Result<Self> {
        let listing = Listing::here()?;
        let Some(device) = medium::stick(&listing) else {
            return Ok(Self::default());
        };
        let mounted = Mounted::read(&device.path, "stick")?;
        let text = |name: &str, longest: u64| {
            let path = mounted.path().join(name);
            let found = fs::metadata(&path).is_ok_and(|found| found.len() <= longest);
            found.then(|| fs::read(&path).ok()).flatten()
        };
        let text =
            |name, longest| text(name, longest).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Self {
            answers: text(answers::FILE, answers::LONGEST),
            site: text(answers::SITE, varde_site::LONGEST_FILE as u64),
        })
    }
}

/// What this machine is.
struct Here {
    listing: Listing,
    medium: Medium,
    disks: Vec<Disk>,
    facts: Facts,
}

impl Here {
    fn look() -> Result<Self> {
        let listing = Listing::here()?;
        let medium = Medium::here(&listing)?;
        let disks = listing.disks(&medium.disk, medium::has_loader);
        let made = made(&medium).unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Self {
            facts: Facts::here(&disks, made),
            listing,
            medium,
            disks,
        })
    }
}

/// When the medium was made, by the date of its boot loader.
fn made(medium: &Medium) -> Option<SystemTime> {
    let mounted = Mounted::read(&medium.esp, "look").ok()?;
    fs::metadata(mounted.path().join(medium::LOADER))
        .ok()?
        .modified()
        .ok()
}

fn unattended(answers: &Answers, stick: &Stick, version: &str, terminals: &mut [Terminal]) -> Result<After> {
    let here = Here::look()?;
    let checks = here.facts.checks();
    for terminal in &mut *terminals {
        dialogue::show(terminal, &checks)?;
    }
    if checks.iter().any(|check| check.level == Level::Stop) {
        return Err(Error::Refused(Text::new(
            "Varde kan ikke installeres her før det som står over, er rettet",
            "Varde cannot be installed here before what stands above is put right",
        )));
    }
    let disk = answers.disk.choose(&here.disks)?;
    let text = stick.answers.as_deref().unwrap_or_default();
    if made_by(&here.listing, &disk.path, text) {
        let name = &disk.name;
        return Err(Error::Refused(Text::new(
            format!(
                "Disken {name} er installert med disse svarene før. Ta ut mediet og minnepinnen, og start maskinen på nytt"
            ),
            format!(
                "The disk {name} has been installed by these answers before. Take medium and stick out, and restart the machine"
            ),
        )));
    }
    let site = stick.site.as_deref().ok_or_else(|| {
        Error::Refused(Text::new(
            "Det er ingen site.toml på minnepinnen ved siden av install.toml",
            "There is no site.toml on the stick beside install.toml",
        ))
    })?;
    first::check(site)?;
    let text = disk.text();
    tell(
        terminals,
        &Text::new(
            format!("Varde legges på {}.", text.nb),
            format!("Varde is put on {}.", text.en),
        ),
    )?;
    let plan = Plan {
        medium: &here.medium,
        disk: &disk.path,
        version,
        site,
        answers: stick.answers.as_deref().unwrap_or_default(),
    };
    carry_out(&plan, terminals)?;
    let after = match answers.after {
        After::PowerOff => Text::new(
            "Ferdig. Maskinen slås av; ta ut mediet før den slås på.",
            "Done. The machine goes off; take the medium out before it is switched on.",
        ),
        After::Restart => Text::new("Ferdig. Maskinen starter på nytt.", "Done. The machine restarts."),
    };
    tell(terminals, &after)?;
    Ok(answers.after)
}

/// Carries it out, and shows how far it is: a line for each step, on it a number for each tenth.
fn carry_out(plan: &Plan<'_>, terminals: &mut [Terminal]) -> Result<()> {
    let mut tenths = 0;
    let mut show = |progress: &Progress<'_>| {
        for terminal in &mut *terminals {
            // Whoever looks does not decide whether it goes on.
            let _ = match progress {
                Progress::Step(text) => {
                    let text = text.get(terminal.language).to_owned();
                    terminal.write(&format!("\n  {text} "))
                }
                Progress::Percent(percent) if percent / 10 > tenths => {
                    terminal.write(&format!("{} ", percent / 10 * 10))
                }
                Progress::Percent(_) => Ok(()),
            };
        }
        tenths = match progress {
            Progress::Step(_) => 0,
            Progress::Percent(percent) => percent / 10,
        };
    };
    let done = plan.carry_out(&mut show);
    for terminal in terminals {
        terminal.write("\n\n")?;
    }
    done
}

/// The first terminal where somebody presses Enter; the others say so.
fn answering(terminals: Vec<Terminal>) -> Result<Terminal> {
    let taken = Arc::new(AtomicBool::new(false));
    let (send, receive) = mpsc::channel();
    for mut terminal in terminals {
        let (taken, send) = (Arc::clone(&taken), send.clone());
        std::thread::spawn(move || {
            let question = Text::same("Enter: installer herfra / install from here");
            while terminal.ask(&question, "").is_ok() {
                if !taken.swap(true, Ordering::SeqCst) {
                    let _ = send.send(terminal);
                    return;
                }
                let _ = terminal.say(&Text::same(
                    "Installasjonen styres fra en annen konsoll / is done from another console",
                ));
            }
        });
    }
    drop(send);
    receive.recv().map_err(|_| Error::Io {
        tried: "read from",
        path: PathBuf::from("/dev/console"),
        cause: std::io::ErrorKind::NotConnected.into(),
    })
}

fn by_keys(terminal: &mut Terminal, stick: &Stick, version: &str) -> Result<()> {
    let here = Here::look()?;
    let checks = here.facts.checks();
    let offer = Offer {
        checks: &checks,
        disks: &here.disks,
        cards: &here.facts.cards,
        site: stick.site.as_deref(),
    };
    let chosen = dialogue::talk(terminal, &offer)?;
    let plan = Plan {
        medium: &here.medium,
        disk: &chosen.disk.path,
        version,
        site: &chosen.site,
        answers: "",
    };
    carry_out(&plan, std::slice::from_mut(terminal))?;
    terminal.say(&Text::new("Ferdig.", "Done."))
}

fn end(after: After) -> Result<()> {
    let verb = match after {
        After::PowerOff => "poweroff",
        After::Restart => "reboot",
    };
    tool::run("systemctl", &[verb]).map(drop)
}

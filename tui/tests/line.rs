//! The program itself, on a pseudo-terminal that plays a serial line, with the services on a bus of the test's own.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

#[path = "support/bus.rs"]
mod services;
mod support;
use support::fixtures;

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use services::{Asked, serve};
use varde_bus::hypervisor::VmState;
use varde_bus::testing::PrivateBus;

/// Long enough for a machine that is busy with other tests; only a fault waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// What stands at the other end of the line.
struct Line {
    master: File,
    /// Kept open so that the settings of the line outlive the console.
    slave: Option<File>,
    child: Child,
    /// The settings of the line before the console had it.
    before: Termios,
    output: Receiver<Vec<u8>>,
    emulator: vt100::Parser,
    /// Answers cursor reports, as a terminal does.
    answers: bool,
    /// The end of what came, for a request that is cut in two.
    tail: Vec<u8>,
    bytes: Vec<u8>,
}

struct Start<'a> {
    bus: &'a str,
    /// What the line says; `None` on a serial line.
    size: Option<(u16, u16)>,
    /// What the terminal has: rows and columns.
    terminal: (u16, u16),
    answers: bool,
    locale: &'a str,
    term: &'a str,
}

impl Line {
    fn start(start: &Start) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(path).unwrap();
        if let Some((rows, columns)) = start.size {
            let size = Winsize {
                ws_row: rows,
                ws_col: columns,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            tcsetwinsize(&slave, size).unwrap();
        }
        let before = tcgetattr(&slave).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_varde-console"))
            .env_clear()
            .env("TERM", start.term)
            .env("LANG", start.locale)
            .env("DBUS_SYSTEM_BUS_ADDRESS", start.bus)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let (sender, output) = channel();
        let master = File::from(master);
        let mut reader = master.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            master,
            slave: Some(slave),
            child,
            before,
            output,
            emulator: support::emulator(start.terminal.0, start.terminal.1),
            answers: start.answers,
            tail: Vec::new(),
            bytes: Vec::new(),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        for byte in bytes {
            self.emulator.process(&[*byte]);
            self.tail.push(*byte);
            if self.tail.ends_with(b"\x1b[6n") && self.answers {
                let (row, column) = self.emulator.screen().cursor_position();
                write!(self.master, "\x1b[{};{}R", row + 1, column + 1).unwrap();
            }
            if self.tail.len() > 16 {
                self.tail.drain(..8);
            }
        }
    }

    fn screen(&self) -> String {
        self.emulator.screen().contents()
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    fn wait(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while !wanted(&self.screen()) {
            match self.output.recv_timeout(Duration::from_millis(100)) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the line is gone:\n{}", self.screen()),
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what} did not come:\n{}",
                self.screen()
            );
        }
    }

    #[track_caller]
    fn sees(&mut self, text: &str) {
        self.wait(text, |screen| screen.contains(text));
    }

    fn types(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Waits for the end: how, all that was sent, and the line as it was left.
    fn ends(mut self) -> (ExitStatus, String, File) {
        let status = self.child.wait().unwrap();
        let master = self.master.try_clone().unwrap();
        // The last to hold this end: now the other one reads to the end.
        self.slave = None;
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.take(&bytes);
        }
        (status, String::from_utf8_lossy(&self.bytes).into_owned(), master)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const DOWN: &str = "\x1b[B";

fn serial(bus: &str) -> Start<'_> {
    Start {
        bus,
        size: None,
        terminal: (24, 80),
        answers: true,
        locale: "nb_NO.UTF-8",
        term: "vt220",
    }
}

/// Runs a dialogue on a thread of its own while the services answer on this one.
async fn with_services(dialogue: impl FnOnce(&PrivateBus, Asked) + Send + 'static) {
    let bus = PrivateBus::start();
    let connection = bus.connect().await;
    let asked = Asked::default();
    serve(&connection, asked.clone()).await.unwrap();
    tokio::task::spawn_blocking(move || dialogue(&bus, asked))
        .await
        .unwrap();
    drop(connection);
}

#[tokio::test]
async fn a_machine_is_started_and_its_console_entered_and_left_by_keys() {
    with_services(|bus, asked| {
        let mut line = Line::start(&serial(bus.address()));
        line.sees("krasjet");
        line.types(&format!("2s{DOWN}\r"));
        line.sees("journal starter");
        line.wait("running", |screen| !screen.contains("krasjet"));
        assert_eq!(*asked.lock().unwrap(), ["start journal"]);
        line.types(&format!("c{DOWN}\r"));
        line.sees("journal login:");
        line.types("root\r");
        line.sees("ROOT");
        line.types("\x1d");
        line.sees("Tilstand");
        line.types(&format!("q{DOWN}\r"));
        let (status, ..) = line.ends();
        assert!(status.success());
        // The record knows from when on there is something to tell the next time.
        assert_eq!(*asked.lock().unwrap(), ["start journal", "leave"]);
    })
    .await;
}

#[tokio::test]
async fn a_serial_line_has_the_size_that_its_terminal_tells() {
    with_services(|bus, _| {
        let mut line = Line::start(&Start {
            terminal: (50, 132),
            ..serial(bus.address())
        });
        line.sees("varde-demo");
        line.wait("the user at the right edge", |screen| {
            screen
                .lines()
                .next()
                .is_some_and(|header| header.len() > 120 && header.trim_end().ends_with("root"))
        });
    })
    .await;
}

#[tokio::test]
async fn a_terminal_that_tells_nothing_has_80_columns_and_24_rows() {
    with_services(|bus, _| {
        let mut line = Line::start(&Start {
            answers: false,
            terminal: (50, 132),
            ..serial(bus.address())
        });
        line.sees("Siste hendelser");
        let header = line.screen().lines().next().unwrap_or_default().to_owned();
        assert_eq!(header.trim_end().chars().count(), 79, "{header}");
    })
    .await;
}

#[tokio::test]
async fn a_terminal_that_shows_utf8_gets_it_whatever_the_locale_says() {
    with_services(|bus, _| {
        let mut line = Line::start(&Start {
            locale: "C",
            ..serial(bus.address())
        });
        line.sees("Galt nå");
    })
    .await;
}

#[tokio::test]
async fn a_hangup_or_a_signal_gives_the_terminal_back() {
    with_services(|bus, _| {
        for signal in [rustix::process::Signal::TERM, rustix::process::Signal::HUP] {
            let mut line = Line::start(&serial(bus.address()));
            let before = line.before.clone();
            line.sees("krasjet");
            assert_ne!(
                format!("{:?}", tcgetattr(&line.master).unwrap()),
                format!("{before:?}"),
                "the line is raw"
            );
            let pid = rustix::process::Pid::from_child(&line.child);
            rustix::process::kill_process(pid, signal).unwrap();
            let (_, bytes, master) = line.ends();
            assert_eq!(
                format!("{:?}", tcgetattr(&master).unwrap()),
                format!("{before:?}")
            );
            assert!(bytes.ends_with("\x1b[?7h\x1b[?25h\x1b[H\x1b[2J"), "{bytes:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn services_and_bus_may_go_and_come_while_the_console_stays() {
    let bus = PrivateBus::start();
    let connection = bus.connect().await;
    serve(&connection, Asked::default()).await.unwrap();
    let address = bus.address().to_owned();
    let mut line = tokio::task::spawn_blocking(move || {
        let mut line = Line::start(&serial(&address));
        line.sees("krasjet");
        line
    })
    .await
    .unwrap();
    let vm = fixtures::vm("web", "Portal", VmState::Blocked);
    connection
        .emit_signal(
            None::<&str>,
            varde_bus::hypervisor::PATH,
            varde_bus::hypervisor::NAME,
            "Changed",
            &(vm,),
        )
        .await
        .unwrap();
    line = tokio::task::spawn_blocking(move || {
        line.sees("web blokkert");
        line
    })
    .await
    .unwrap();
    connection.close().await.unwrap();
    line = tokio::task::spawn_blocking(move || {
        line.sees("Hypervisoren svarer ikke");
        line
    })
    .await
    .unwrap();
    let connection = bus.connect().await;
    serve(&connection, Asked::default()).await.unwrap();
    line = tokio::task::spawn_blocking(move || {
        line.wait("the services", |screen| !screen.contains("svarer ikke"));
        line
    })
    .await
    .unwrap();
    drop(bus);
    tokio::task::spawn_blocking(move || {
        line.sees("Ingen kontakt med systembussen");
        line.types("2");
        line.sees("Navn");
    })
    .await
    .unwrap();
}

#[test]
fn asked_to_run_a_command_it_refuses() {
    let output = Command::new(env!("CARGO_BIN_EXE_varde-console"))
        .args(["-c", "id"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("runs no commands"));
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let output = Command::new(env!("CARGO_BIN_EXE_varde-console"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`varde`"));
}

/// A dumb terminal shows what comes as it comes.
fn dumb(bus: &str) -> Start<'_> {
    Start {
        answers: false,
        term: "dumb",
        ..serial(bus)
    }
}

#[tokio::test]
async fn a_dumb_terminal_is_talked_to_in_lines_and_a_machine_is_started_and_entered_from_there() {
    with_services(|bus, asked| {
        let mut line = Line::start(&dumb(bus.address()));
        line.sees("valg>");
        for (typed, comes) in [
            ("0", "logg ut"),
            ("2", "== Maskiner =="),
            ("=journal", "> journal"),
            ("s", " 2  Ja"),
            ("2", "ok: journal starter"),
            ("c", " 2  "),
            ("2", "journal login:"),
        ] {
            line.types(&format!("{typed}\r"));
            line.sees(comes);
        }
        assert_eq!(*asked.lock().unwrap(), ["start journal"]);
        line.types("\x1d");
        line.sees("valg>");
        line.types("\x04");
        let (status, sent, _) = line.ends();
        assert!(status.success());
        // What the guest itself wrote is the guest's.
        assert!(!sent.contains("\x1b["), "{sent:?}");
        assert_eq!(*asked.lock().unwrap(), ["start journal", "leave"]);
    })
    .await;
}

/// The script of the handbook, run by the real `expect`: its program is this console and not `ssh`.
#[tokio::test]
async fn the_script_of_the_handbook_restarts_a_machine() {
    with_services(|bus, asked| {
        let page = include_str!("../../docs/operator/console.md");
        let script = page
            .split("```expect\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .unwrap();
        let script = script.replace(
            "spawn ssh -t kari@varde",
            &format!("spawn {}", env!("CARGO_BIN_EXE_varde-console")),
        );
        let output = Command::new("expect")
            .args(["-c", &script])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TERM", "dumb")
            .env("LANG", "nb_NO.UTF-8")
            .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert_eq!(
            asked.lock().unwrap().first().map(String::as_str),
            Some("start journal"),
            "{said}"
        );
    })
    .await;
}

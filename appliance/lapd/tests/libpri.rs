//! libpri as an independent peer: both roles, primary rate and a bus; loss, and a line that goes and comes back.
//!
//! libpri is built into a program of its own (`peer/libpri.c`); `cargo xtask test` installs what that takes.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::io::{BufRead, BufReader, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use varde_lapd::{Ces, Config, DChannel, ErrorCode, Indication, Output, Parameters, Request, Side, State};

/// Far longer than anything here takes; a test that comes to its end waits for none of it.
const PATIENCE: Duration = Duration::from_mins(2);

/// As short as libpri's are set in `peer/libpri.c`, and as many tries as a busy machine may need that keeps libpri from
/// its work for a while.
const PARAMETERS: Parameters = Parameters {
    t200: Duration::from_millis(200),
    t201: Duration::from_millis(200),
    t202: Duration::from_millis(400),
    t203: Duration::from_secs(1),
    n200: 20,
    ..Parameters::PRIMARY
};

/// Builds the peer, once for each process of tests; the last one's stays.
fn peer() -> &'static Path {
    static PEER: OnceLock<PathBuf> = OnceLock::new();
    PEER.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/peer/libpri.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let program = folder.join("libpri-peer");
        let part = folder.join(format!("libpri-peer.{}", std::process::id()));
        let built = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&part)
            .args([source, "-lpri"])
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "cannot build {source}: install libpri-dev and a C compiler, or run cargo xtask test, which does"
        );
        std::fs::rename(&part, &program).unwrap();
        program
    })
}

/// Our end, libpri at the other, and the line between them.
struct Bench {
    ours: DChannel,
    line: UnixDatagram,
    peer: Child,
    said: Receiver<String>,
    up: bool,
    started: Instant,
    /// Which frames are lost, both ways: one of so many. 1 is all of them, 0 is none.
    loses: usize,
    frames: usize,
    indications: Vec<(Ces, Indication)>,
    errors: Vec<ErrorCode>,
}

impl Bench {
    fn new(ours: Config, arrangement: &str) -> Self {
        let theirs = if ours.side == Side::Network {
            "user"
        } else {
            "network"
        };
        let (line, far) = UnixDatagram::pair().unwrap();
        let mut peer = Command::new(peer())
            .args([theirs, arrangement, &ours.parameters.n200.to_string()])
            .stdin(OwnedFd::from(far))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(peer.stdout.take().unwrap());
        let (say, said) = channel();
        std::thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| say.send(line))
        });
        Self {
            ours: DChannel::new(ours),
            line,
            peer,
            said,
            up: false,
            started: Instant::now(),
            loses: 0,
            frames: 0,
            indications: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn primary(side: Side, n200: u8) -> Self {
        let config = Config {
            parameters: Parameters { n200, ..PARAMETERS },
            ..Config::primary(side)
        };
        Self::new(config, "primary")
    }

    fn bus(side: Side) -> Self {
        let config = Config {
            parameters: Parameters { k: 1, ..PARAMETERS },
            ..Config::bus(side, u64::from(std::process::id()))
        };
        Self::new(config, "bus")
    }

    fn request(&mut self, ces: Ces, request: Request) {
        let now = self.started.elapsed();
        self.ours.request(now, ces, request).unwrap();
    }

    fn passes(&mut self) -> bool {
        self.frames += 1;
        self.loses == 0 || !self.frames.is_multiple_of(self.loses)
    }

    /// Runs the line until what is waited for has come about.
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 1500];
        loop {
            let now = self.started.elapsed();
            if self.ours.poll_timeout().is_some_and(|at| at <= now) {
                self.ours.handle_timeout(now);
            }
            while let Some(output) = self.ours.poll_output(now) {
                match output {
                    // A line that is full loses.
                    Output::Frame(frame) if self.passes() => drop(self.line.send(&frame)),
                    Output::Indication(ces, indication) => self.indications.push((ces, indication)),
                    Output::Error(_, code) => self.errors.push(code),
                    _ => {}
                }
            }
            while let Ok(line) = self.said.try_recv() {
                self.up = line == "up";
            }
            if done(self) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: not within {PATIENCE:?}; {:?}",
                self.errors
            );
            let next = self
                .ours
                .poll_timeout()
                .map_or(PATIENCE, |at| at.saturating_sub(now));
            // Short enough to notice what libpri says, which comes another way.
            let wait = next.clamp(Duration::from_millis(1), Duration::from_millis(20));
            self.line.set_read_timeout(Some(wait)).unwrap();
            match self.line.recv(&mut buffer) {
                Ok(length) => {
                    if self.passes() {
                        let now = self.started.elapsed();
                        self.ours.receive(now, &buffer[..length]).unwrap();
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("{what}: {error}"),
            }
        }
    }

    fn state(&self, ces: Ces) -> Option<State> {
        self.ours.state(ces)
    }

    fn established(&self, ces: Ces) -> bool {
        self.up && self.state(ces).is_some_and(State::is_established)
    }

    /// Sends so many questions that every Q.931 must answer, and waits for the answers.
    fn ask(&mut self, ces: Ces, first: u8, count: u8) {
        self.indications.clear();
        for reference in first..first + count {
            let question = status_enquiry(self.ours_is_bus(), reference);
            self.request(ces, Request::Data(question));
        }
        let answers = |bench: &Self| -> Vec<u8> {
            bench
                .indications
                .iter()
                .filter_map(|(from, indication)| match indication {
                    Indication::Data(data) if *from == ces => reference(data),
                    _ => None,
                })
                .collect()
        };
        self.until("answers to all that was asked", |bench| {
            answers(bench).len() >= usize::from(count)
        });
        assert_eq!(answers(self), (first..first + count).collect::<Vec<_>>());
    }

    fn ours_is_bus(&self) -> bool {
        self.ours.tei(Ces::OWN) != Some(0)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has then found out.
        let _ = self.peer.kill();
        let _ = self.peer.wait();
    }
}

/// STATUS ENQUIRY for a call that does not exist (Q.931 §5.8.10). Call references have two octets on a primary rate
/// access, one on a basic one.
fn status_enquiry(basic: bool, reference: u8) -> Vec<u8> {
    if basic {
        vec![0x08, 1, reference, 0x75]
    } else {
        vec![0x08, 2, 0x01, reference, 0x75]
    }
}

/// The call reference of a STATUS or RELEASE COMPLETE, which answer it; the flag, first bit of all, is the answerer's.
fn reference(message: &[u8]) -> Option<u8> {
    let length = usize::from(*message.get(1)?);
    let kind = *message.get(2 + length)?;
    let last = message.get(1 + length)?;
    let reference = if length == 1 { last & 0x7f } else { *last };
    [0x7d, 0x5a].contains(&kind).then_some(reference)
}

#[test]
fn primary_rate_both_roles_establish_and_carry_messages() {
    for side in [Side::Network, Side::User] {
        let mut bench = Bench::primary(side, PARAMETERS.n200);
        bench.until("libpri sets up the link", |bench| bench.established(Ces::OWN));
        bench.ask(Ces::OWN, 1, 60);
        assert_eq!(bench.errors, [], "{side:?}");
    }
}

#[test]
fn we_establish_a_link_that_we_have_released() {
    for side in [Side::Network, Side::User] {
        let mut bench = Bench::primary(side, PARAMETERS.n200);
        bench.until("the link is up", |bench| bench.established(Ces::OWN));
        bench.request(Ces::OWN, Request::Release);
        let confirmed = |bench: &Bench| {
            bench
                .indications
                .iter()
                .any(|(_, said)| *said == Indication::ReleaseConfirm)
        };
        bench.until("libpri answers DISC", confirmed);
        bench.request(Ces::OWN, Request::Establish);
        bench.until("the link is up again", |bench| bench.established(Ces::OWN));
        bench.ask(Ces::OWN, 1, 10);
    }
}

#[test]
fn a_line_that_loses_every_seventh_frame_loses_no_message() {
    for side in [Side::Network, Side::User] {
        let mut bench = Bench::primary(side, PARAMETERS.n200);
        bench.until("the link is up", |bench| bench.established(Ces::OWN));
        bench.loses = 7;
        for round in 0..10 {
            bench.ask(Ces::OWN, 1 + 20 * round, 20);
        }
    }
}

#[test]
fn a_line_that_is_gone_takes_the_link_down_and_brings_it_back() {
    for side in [Side::Network, Side::User] {
        let mut bench = Bench::primary(side, 3);
        bench.until("the link is up", |bench| bench.established(Ces::OWN));
        bench.loses = 1;
        bench.until("both ends know", |bench| {
            !bench.up && bench.state(Ces::OWN) == Some(State::TeiAssigned)
        });
        assert_eq!(bench.indications.last(), Some(&(Ces::OWN, Indication::Release)));
        assert_eq!(
            bench.errors,
            [ErrorCode::I, ErrorCode::G],
            "no answer to enquiries, none to SABME"
        );
        bench.loses = 0;
        bench.until("libpri brings the link back", |bench| bench.established(Ces::OWN));
        bench.ask(Ces::OWN, 1, 20);
    }
}

#[test]
fn a_terminal_of_libpri_gets_a_tei_from_us() {
    let mut bench = Bench::bus(Side::Network);
    bench.until("libpri asks for a TEI and sets up its link", |bench| {
        bench.established(Ces(64))
    });
    bench.ask(Ces(64), 1, 20);
    let now = bench.started.elapsed();
    bench.ours.check_terminals(now);
    // Both rounds of the check, and a while of silence after them.
    let checked = bench.started.elapsed() + 4 * PARAMETERS.t201;
    bench.until("the check is over", |bench| bench.started.elapsed() > checked);
    assert!(bench.established(Ces(64)), "it answered, so it keeps its TEI");
    assert_eq!(bench.errors, []);
}

#[test]
fn a_terminal_of_libpri_that_was_forgotten_asks_anew() {
    let mut bench = Bench::bus(Side::Network);
    bench.until("the link is up", |bench| bench.established(Ces(64)));
    // As after our restart: nothing is known of the terminal, which goes on with its TEI.
    let config = Config {
        parameters: PARAMETERS,
        ..Config::bus(Side::Network, 99)
    };
    bench.ours = DChannel::new(config);
    bench.until("its TEI is removed, and it gets one", |bench| {
        bench.established(Ces(64))
    });
    bench.ask(Ces(64), 1, 5);
}

#[test]
fn we_get_a_tei_from_an_exchange_of_libpri() {
    let mut bench = Bench::bus(Side::User);
    bench.request(Ces::OWN, Request::Establish);
    bench.until("the link is up", |bench| {
        bench.state(Ces::OWN) == Some(State::MultipleFrameEstablished)
    });
    assert!(bench.ours.tei(Ces::OWN).is_some_and(|tei| tei >= 64));
    bench.ask(Ces::OWN, 1, 20);
    assert_eq!(bench.errors, []);
}

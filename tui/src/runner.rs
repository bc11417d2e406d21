//! The runner: the only place where something is done. It owns the line, waits for whatever comes, hands it to
//! [`on`](crate::on::on), carries out the effects, and paints when the line is free.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::layout::Size;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use varde_bus::{Failure, FailureKind, Language};

use crate::clock::Clock;
use crate::error::Error;
use crate::event::{Effect, Event};
use crate::guest::{self, Guest};
use crate::lines::{self, Lines};
use crate::recorder::Recorder;
use crate::services::Services;
use crate::state::{Display, State, User};
use crate::terminal::{Characters, Input, Kind, Parser, QUIET, Serial, Tty};
use crate::words::both;
use crate::{draw, keys, on, unlock, wake};

/// A serial line has no size of its own; this is the least that a terminal has.
const FALLBACK: Size = Size {
    width: 80,
    height: 24,
};
/// How long the first paint waits for the terminal to say what it is and the services to say what there is: on a slow
/// line one paint that is right costs less than two.
const SETTLE: Duration = Duration::from_millis(500);
/// How long the next lines wait for what the services answer to the last: what comes later is shown when it is asked for again.
const ANSWER: Duration = Duration::from_millis(300);
/// Keys in a guest keep the lock away; often enough, and no oftener.
const TYPED: Duration = Duration::from_secs(5);

/// Who runs us, and where.
#[derive(Debug)]
pub struct Session {
    pub user: User,
    pub term: String,
    pub locale: String,
    /// Where the session's recording may lie.
    pub directory: Option<PathBuf>,
}

type Opened = (String, Result<(std::os::fd::OwnedFd, Vec<u8>), Failure>);

struct Runner {
    tty: Tty,
    kind: Kind,
    parser: Parser,
    state: State,
    screen: Terminal<Serial>,
    lines: Lines,
    /// The screen is to be painted once the line is free.
    dirty: bool,
    /// Bytes that the line has yet to take.
    pending: Vec<u8>,
    recorder: Option<Recorder>,
    events: mpsc::Sender<Event>,
    services: Services,
    guest: Option<Guest>,
    opened: mpsc::Sender<Opened>,
    /// Cursor reports that the terminal owes us.
    reports: u8,
    /// No paint before this, or before all that is waited for is there.
    hold: Option<Instant>,
    clock: Clock,
    typed_at: Option<Instant>,
    over: bool,
}

/// Runs until the operator logs out, or the line or the session ends.
pub async fn run(session: Session) -> Result<(), Error> {
    let kind = Kind::of(&session.term, &session.locale);
    let tty = Tty::open(kind)?;
    let size = tty.size();
    let shown = size.unwrap_or(FALLBACK);
    let display = Display {
        columns: shown.width,
        rows: shown.height,
        characters: kind.characters,
        colours: kind.colours,
        lines: !kind.attributes,
    };
    let mut clock = Clock::new();
    let now = clock.now();
    let (events, mut incoming) = mpsc::channel(256);
    let (opened, mut consoles) = mpsc::channel(1);
    let services = Services::start(events.clone());
    let Ok(screen) = Terminal::new(Serial::new(kind, shown));
    let mut runner = Runner {
        pending: tty.greeting().to_vec(),
        tty,
        kind,
        parser: Parser::default(),
        state: State::new(session.user, display, language(&session.locale), now),
        screen,
        lines: Lines::default(),
        dirty: true,
        recorder: Recorder::new(session.directory),
        events,
        services,
        guest: None,
        opened,
        reports: 0,
        hold: Some(Instant::now() + SETTLE),
        clock,
        typed_at: None,
        over: false,
    };
    if size.is_none() || kind.characters == Characters::Ascii {
        runner.probe();
    }
    runner.clear();
    let mut signals = Signals::new().map_err(Error::Loop)?;
    runner.serve(&mut incoming, &mut consoles, &mut signals).await;
    Ok(())
}

/// The language of the session, until the operator or the site says another.
fn language(locale: &str) -> Option<Language> {
    locale.starts_with("en").then_some(Language::En)
}

struct Signals {
    hang_up: Signal,
    terminate: Signal,
    resize: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            resize: signal(SignalKind::window_change())?,
        })
    }
}

/// What the next turn is about.
enum Turn {
    Typed(io::Result<usize>),
    Written(io::Result<usize>),
    Event(Option<Box<Event>>),
    Opened(Opened),
    Guest(io::Result<usize>),
    GuestTakes(io::Result<()>),
    Quiet,
    Wake,
    Held,
    Resized,
    End,
}

impl Runner {
    async fn serve(
        &mut self,
        incoming: &mut mpsc::Receiver<Event>,
        consoles: &mut mpsc::Receiver<Opened>,
        signals: &mut Signals,
    ) {
        let mut typed = [0; 1024];
        let mut from_guest = [0; 512];
        while !self.over {
            self.paint();
            // A line that was typed may have been the last.
            if self.over {
                break;
            }
            let wake = self.until_wake();
            let held = self.hold.map(|at| at.saturating_duration_since(Instant::now()));
            let guest = self.guest.as_ref();
            let turn = tokio::select! {
                result = self.tty.read(&mut typed) => Turn::Typed(result),
                result = self.tty.write(&self.pending), if !self.pending.is_empty() => Turn::Written(result),
                event = incoming.recv() => Turn::Event(event.map(Box::new)),
                Some(opened) = consoles.recv() => Turn::Opened(opened),
                // A guest is read only as fast as the line takes it.
                result = read_guest(guest, &mut from_guest), if self.pending.is_empty() => Turn::Guest(result),
                result = guest_takes(guest) => Turn::GuestTakes(result),
                () = tokio::time::sleep(QUIET), if self.parser.waits() => Turn::Quiet,
                () = sleep(wake) => Turn::Wake,
                () = sleep(held) => Turn::Held,
                _ = signals.resize.recv() => Turn::Resized,
                _ = signals.hang_up.recv() => Turn::End,
                _ = signals.terminate.recv() => Turn::End,
            };
            self.turn(turn, &typed, &from_guest);
        }
        self.services.leave().await;
        self.farewell().await;
    }

    fn turn(&mut self, turn: Turn, typed: &[u8], from_guest: &[u8]) {
        match turn {
            // The line is gone, or what started us took it away.
            Turn::Typed(Ok(0) | Err(_)) | Turn::Written(Err(_)) | Turn::Event(None) | Turn::End => {
                self.over = true;
            }
            Turn::Typed(Ok(count)) => self.typed(&typed[..count]),
            Turn::Written(Ok(count)) => drop(self.pending.drain(..count)),
            Turn::Event(Some(event)) => self.happen(*event),
            Turn::Opened((vm, console)) => self.attach(vm, console),
            Turn::Guest(Ok(0) | Err(_)) | Turn::GuestTakes(Err(_)) => self.detach(true),
            Turn::Guest(Ok(count)) => self.pending.extend_from_slice(&from_guest[..count]),
            Turn::GuestTakes(Ok(())) => {
                if self
                    .guest
                    .as_mut()
                    .is_some_and(|guest| guest.hand_over().is_err())
                {
                    self.detach(true);
                }
            }
            Turn::Quiet => {
                let mut inputs = Vec::new();
                self.parser.quiet(&mut inputs);
                self.inputs(inputs);
            }
            Turn::Wake => self.happen(Event::Tick),
            Turn::Held => self.hold = None,
            Turn::Resized => {
                if let Some(size) = self.tty.size() {
                    self.resize(size);
                }
            }
        }
    }

    fn until_wake(&mut self) -> Option<Duration> {
        let next = wake::next(&self.state)?;
        let now = self.clock.now();
        Some(Duration::from_millis(
            u64::try_from(next.saturating_sub(now)).unwrap_or(0),
        ))
    }

    /// One event, after what the clock has to say for itself.
    fn happen(&mut self, event: Event) {
        let at = self.clock.now();
        if let Some(set) = self.clock.set() {
            self.take_in(at, Event::ClockMoved(set));
        }
        self.take_in(at, event);
    }

    /// Recorded, taken in, its effects carried out.
    fn take_in(&mut self, at: i64, event: Event) {
        let Some(event) = keys::resolve(&self.state, event) else {
            return;
        };
        if let Some(recorder) = &mut self.recorder {
            recorder.record(&self.state, at, &event);
        }
        self.dirty = true;
        for effect in on::on(&mut self.state, at, event) {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Ask(ask) => self.services.ask(ask),
            Effect::Perform(action) => self.services.perform(action),
            Effect::Attach(vm) => {
                let (services, opened) = (self.services.clone(), self.opened.clone());
                tokio::spawn(async move {
                    let console = services.open_console(&vm).await;
                    // Nobody listens once the console ends.
                    let _ = opened.send((vm, console)).await;
                });
            }
            Effect::Detach => self.detach(false),
            Effect::Unlock(password) => {
                let (events, user) = (self.events.clone(), self.state.user.name.clone());
                tokio::spawn(async move {
                    let answer = unlock::check(&user, &password).await;
                    let _ = events.send(Event::Unlocked(answer)).await;
                });
            }
            // Only the change to plain lines leads here.
            Effect::Repaint if self.state.display.lines => {
                self.pending.extend_from_slice(self.tty.farewell());
                self.lines.forget();
            }
            Effect::Repaint => {
                self.pending.extend_from_slice(self.tty.greeting());
                match self.tty.size() {
                    Some(size) => self.resize(size),
                    None => self.probe(),
                }
                self.clear();
            }
            Effect::LogOut => self.over = true,
        }
    }

    fn typed(&mut self, bytes: &[u8]) {
        let Some(guest) = &mut self.guest else {
            let mut inputs = Vec::new();
            self.parser.feed(bytes, &mut inputs);
            return self.inputs(inputs);
        };
        let leaves = guest.typed(bytes);
        self.typed_now();
        if let Some(after) = leaves {
            self.detach(false);
            self.typed(after);
        }
    }

    /// Keys that are no command keep the lock away all the same.
    fn typed_now(&mut self) {
        if self.typed_at.is_none_or(|at| at.elapsed() > TYPED) {
            self.typed_at = Some(Instant::now());
            self.happen(Event::TypedInGuest);
        }
    }

    fn inputs(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            if self.state.display.lines {
                let echo = self.lines.key(&self.state, input);
                self.typed_now();
                self.pending.extend_from_slice(echo.as_bytes());
                self.dirty = true;
                continue;
            }
            match input {
                Input::Key(key) => self.happen(Event::Key(key)),
                Input::Paste(text) => self.happen(Event::Paste(text)),
                Input::Cursor { row, column } => self.report(row, column),
            }
        }
    }

    /// Asks the terminal how it takes a letter of two bytes, and where its last corner is.
    fn probe(&mut self) {
        if !self.kind.attributes || self.guest.is_some() {
            return;
        }
        self.pending
            .extend_from_slice("\ræ\x1b[6n\x1b[999;999H\x1b[6n".as_bytes());
        self.reports = 2;
    }

    fn report(&mut self, row: u16, column: u16) {
        match self.reports {
            2 => {
                self.reports = 1;
                let characters = match column {
                    2 => Characters::Utf8,
                    3 => Characters::Ascii,
                    // It answered for something else.
                    _ => return,
                };
                if characters != self.state.display.characters {
                    self.happen(Event::Characters(characters));
                }
            }
            1 => {
                self.reports = 0;
                self.resize(Size::new(column, row));
            }
            _ => {}
        }
    }

    fn resize(&mut self, size: Size) {
        let display = self.state.display;
        if (size.width, size.height) == (display.columns, display.rows) {
            return;
        }
        self.happen(Event::Size {
            columns: size.width,
            rows: size.height,
        });
        let display = self.state.display;
        self.screen
            .backend_mut()
            .resize(Size::new(display.columns, display.rows));
        self.clear();
    }

    /// Everything is to be painted.
    fn clear(&mut self) {
        self.screen.backend_mut().forget();
        let Ok(()) = self.screen.clear();
        self.dirty = true;
    }

    fn paint(&mut self) {
        // While the line is busy frames are skipped, not queued: the next one shows the latest.
        if !self.dirty || !self.pending.is_empty() || self.guest.is_some() {
            return;
        }
        if self.hold.is_some() && (self.state.display.lines || !self.settled()) {
            return;
        }
        self.hold = None;
        self.dirty = false;
        if self.state.display.lines {
            return self.print();
        }
        let Ok(_) = self.screen.draw(|frame| draw::draw(&self.state, frame));
        self.pending = self.screen.backend_mut().take();
    }

    /// Prints what is new, and answers with the next line that was typed, if any waits.
    fn print(&mut self) {
        self.pending = self.lines.print(&self.state).into_bytes();
        while let Some(answer) = self.lines.answer(&self.state) {
            let lines::Answer::Events(events) = answer else {
                self.over = true;
                return;
            };
            if !events.is_empty() {
                // What the services have to say to it belongs under it.
                self.hold = Some(Instant::now() + ANSWER);
                self.dirty = true;
                for event in events {
                    self.happen(event);
                }
                return;
            }
            let printed = self.lines.print(&self.state);
            self.pending.extend_from_slice(printed.as_bytes());
        }
    }

    /// All that the first paint waits for is there.
    fn settled(&self) -> bool {
        let data = &self.state.data;
        self.reports == 0
            && data.vms.value.is_some()
            && data.host.value.is_some()
            && data.site.value.is_some()
            && data.records.value.is_some()
    }

    fn attach(&mut self, vm: String, console: Result<(std::os::fd::OwnedFd, Vec<u8>), Failure>) {
        // The operator may have been locked out meanwhile.
        if self.state.lock.is_some() || self.guest.is_some() {
            return;
        }
        let console = console.and_then(|(port, before)| {
            let guest = Guest::new(vm.clone(), port).map_err(|error| {
                Failure::new(
                    FailureKind::Failed,
                    format!("Konsollen kunne ikke åpnes: {error}"),
                    format!("The console could not be opened: {error}"),
                )
            })?;
            Ok((guest, before))
        });
        match console {
            Ok((guest, before)) => {
                let hint = self.state.words().attached_hint(&vm);
                let hint = crate::charset::shown(&hint, self.state.display.characters);
                self.pending.extend_from_slice(self.tty.farewell());
                // The hint comes last: what the guest wrote may clear the screen.
                self.pending.extend_from_slice(guest::tail(&before));
                self.pending
                    .extend_from_slice(format!("\r\n{hint}\r\n").as_bytes());
                self.guest = Some(guest);
                self.happen(Event::Attached(vm));
            }
            Err(failure) => self.happen(Event::Detached {
                vm,
                failure: Some(failure),
            }),
        }
    }

    fn detach(&mut self, closed: bool) {
        let Some(guest) = self.guest.take() else { return };
        if !closed {
            self.tty.discard_output();
            self.pending.clear();
        }
        if self.kind.attributes {
            self.pending.extend_from_slice(guest::REGAIN);
        }
        if !self.state.display.lines {
            self.pending.extend_from_slice(self.tty.greeting());
        }
        self.lines.forget();
        self.clear();
        let failure = closed.then(|| Failure {
            kind: FailureKind::Failed,
            text: both(|words| words.guest_closed().to_owned()),
        });
        self.happen(Event::Detached {
            vm: guest.vm,
            failure,
        });
    }

    /// Lets what is under way reach the terminal, but not for long: the line may be gone.
    async fn farewell(&mut self) {
        let rest = async {
            while !self.pending.is_empty() {
                match self.tty.write(&self.pending).await {
                    Ok(count) => drop(self.pending.drain(..count)),
                    Err(_) => return,
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(500), rest).await;
    }
}

async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

async fn read_guest(guest: Option<&Guest>, buffer: &mut [u8]) -> io::Result<usize> {
    match guest {
        Some(guest) => guest.read(buffer).await,
        None => std::future::pending().await,
    }
}

async fn guest_takes(guest: Option<&Guest>) -> io::Result<()> {
    match guest {
        Some(guest) if guest.has_typed() => guest.writable().await,
        _ => std::future::pending().await,
    }
}

//! The console on ratatui's crossterm backend, which writes each changed cell: what ours is measured beside.

use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use varde_console::draw::draw;
use varde_console::state::State;

/// Counts what is written to it.
#[derive(Clone, Default)]
struct Counter(Rc<Cell<usize>>);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same frames through the backend that ratatui comes with.
pub struct Peer {
    terminal: Terminal<CrosstermBackend<Counter>>,
    counter: Counter,
}

impl Peer {
    pub fn new() -> Self {
        let counter = Counter::default();
        let viewport = Viewport::Fixed(Rect::new(0, 0, 80, 24));
        let terminal = Terminal::with_options(
            CrosstermBackend::new(counter.clone()),
            TerminalOptions { viewport },
        )
        .expect("a counter takes everything");
        Self { terminal, counter }
    }

    /// Draws what is to be seen now, and says how many bytes that took.
    pub fn paint(&mut self, state: &State) -> usize {
        self.counter.0.set(0);
        self.terminal
            .draw(|frame| draw(state, frame))
            .expect("a counter takes everything");
        self.counter.0.get()
    }
}

//! What the console sends over a line: bytes of the first paint, of a key press, of an idle minute, as JSON.
//!
//! Beside each stands what painting the whole screen at every key would cost, with the same backend and with
//! ratatui's own way of writing every cell that changed.

#[path = "../tests/support/mod.rs"]
mod support;

use support::Console;
use varde_bus::Language;

/// A tour of what operators do: look, move about, open, read, filter, ask and think better of it.
const TOUR: &str = "<down><up><tab><down><down><enter><esc><up>f<esc>fgrunn<esc>s<down><up><esc>l<up><up><up><pageup>\
                    <pageup><down><enter><esc>/line 7<enter>x5<down><down><enter><esc>3<down>d<down><esc>r<enter>\
                    <esc><esc>?<down><down><down><up><esc>1";

fn median(mut numbers: Vec<usize>) -> usize {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

fn main() {
    let mut console = Console::new(Language::Nb);
    let first = console.repaint().len();
    console.paints.clear();
    console.press(TOUR);
    let keys = std::mem::take(&mut console.paints);
    let mut full = Vec::new();
    for key in support::keys(TOUR) {
        console.event(varde_console::event::Event::Key(key));
        full.push(console.repaint().len());
    }
    console.paints.clear();
    console.pass(60_000);
    let idle: usize = console.paints.iter().sum();
    println!(
        "{}",
        serde_json::json!({
            "columns": 80,
            "rows": 24,
            "first_paint_bytes": first,
            "first_paint_seconds_at_9600_baud": first as f64 / 960.0,
            "keys": keys.len(),
            "key_press_bytes_median": median(keys.clone()),
            "key_press_bytes_mean": keys.iter().sum::<usize>() / keys.len().max(1),
            "key_press_bytes_max": keys.iter().max(),
            "full_repaint_bytes_median": median(full),
            "idle_minute_bytes": idle,
        })
    );
}

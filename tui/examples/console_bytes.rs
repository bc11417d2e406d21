//! What the console sends over a line: bytes of the first paint, of a key press, of an idle minute, as JSON.
//!
//! Beside them stands what the same keys cost with ratatui's crossterm backend, which writes each changed cell, and
//! what painting the whole screen at every key would cost.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

#[path = "../tests/support/mod.rs"]
mod support;

use support::Console;
use support::peer::Peer;
use varde_bus::Language;
use varde_console::event::Event;

/// A tour of what operators do: look, move about, open, read, filter, write a reason, think better of it.
const TOUR: &str = "<tab><down><down><down><up><enter><esc><up>flangsom disk<esc>s<down><up><esc>\
                    4<up><up><up><up><up><up><pageup><up><up><up><enter><esc>/line 7<enter><up><up><up>x\
                    5<down><down><down><enter><esc><up>3<down>d<esc>r<enter><esc><esc>\
                    ?<down><down><down><down><up><esc>1";

fn median(mut numbers: Vec<usize>) -> usize {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

fn main() {
    let mut console = Console::new(Language::Nb);
    let mut peer = Peer::new();
    let peer_first = peer.paint(&console.state);
    let first = console.repaint().len();
    let (mut keys, mut peer_keys) = (Vec::<usize>::new(), Vec::<usize>::new());
    for key in support::keys(TOUR) {
        console.paints.clear();
        console.event(Event::Key(key));
        let sent: usize = console.paints.iter().sum();
        let peer_sent = peer.paint(&console.state);
        // A key that changes nothing would only flatter the median.
        if sent > 0 {
            keys.push(sent);
            peer_keys.push(peer_sent);
        }
    }
    let mut full = Vec::new();
    for key in support::keys(TOUR) {
        console.event(Event::Key(key));
        full.push(console.repaint().len());
    }
    console.paints.clear();
    console.pass(60_000);
    let idle: usize = console.paints.iter().sum();
    let peer_idle = peer.paint(&console.state);
    println!(
        "{}",
        serde_json::json!({
            "columns": 80,
            "rows": 24,
            "keys": keys.len(),
            "first_paint_bytes": first,
            "first_paint_bytes_crossterm": peer_first,
            "key_press_bytes_median": median(keys.clone()),
            "key_press_bytes_max": keys.iter().max(),
            "key_press_bytes_median_crossterm": median(peer_keys.clone()),
            "key_press_bytes_max_crossterm": peer_keys.iter().max(),
            "full_repaint_bytes_median": median(full),
            "idle_minute_bytes": idle,
            "frame_without_change_bytes_crossterm": peer_idle,
        })
    );
}

//! What goes over the line: counted, and shown right by a terminal that is not ours.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod support;

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::layout::Size;
use ratatui::style::{Color, Modifier, Style};
use support::{Console, vt220};
use varde_bus::Language;
use varde_console::event::Event;
use varde_console::terminal::{Kind, Serial};

#[test]
fn the_first_paint_is_less_than_two_thousand_bytes() {
    for language in [Language::Nb, Language::En] {
        let mut console = Console::new(language);
        let bytes = console.repaint().len();
        assert!(bytes < 2_000, "{bytes}");
    }
}

#[test]
fn a_frame_that_changes_nothing_sends_nothing() {
    let mut console = Console::new(Language::Nb);
    for page in ["1", "2", "2<enter>", "3", "4", "5"] {
        console.press(page);
        assert_eq!(console.paint(), b"", "page {page}");
    }
}

#[test]
fn an_idle_minute_sends_nothing_on_any_page() {
    for page in ["1", "2", "3", "4", "5"] {
        let mut console = Console::new(Language::Nb);
        console.press(page);
        console.paints.clear();
        console.pass(60_000);
        assert_eq!(console.paints.iter().sum::<usize>(), 0, "page {page}");
    }
}

#[test]
fn a_locked_console_is_not_woken_at_all() {
    let mut console = Console::new(Language::Nb);
    console.press("K");
    assert_eq!(console.pass(86_400_000), 0);
}

#[test]
fn a_step_in_a_list_costs_little() {
    let mut console = Console::new(Language::Nb);
    for page in ["2", "3", "4", "5"] {
        console.press(page);
        console.paints.clear();
        console.press("<down><up><down><up>");
        for bytes in &console.paints {
            assert!(*bytes <= 120, "page {page}: {:?}", console.paints);
        }
    }
}

#[test]
fn a_typed_letter_costs_a_letter() {
    let mut console = Console::new(Language::Nb);
    console.press("2f");
    console.paints.clear();
    console.press("abc");
    assert_eq!(console.paints, [1, 1, 1]);
}

#[test]
fn a_new_log_line_moves_the_others_up_instead_of_writing_them_again() {
    let mut console = Console::new(Language::Nb);
    console.press("4?");
    console.paints.clear();
    console.press("<down>");
    assert!(console.paints[0] < 120, "{:?}", console.paints);
}

#[test]
fn a_dumb_terminal_is_sent_no_attributes() {
    let mut console = Console::bare(Kind::of("dumb", ""), 80, 24, Some(Language::Nb));
    console.event(Event::Connected);
    console.press("2");
    let bytes = String::from_utf8(console.repaint()).unwrap();
    assert!(bytes.is_ascii());
    assert!(!bytes.contains("\x1b[7m") && !bytes.contains("\x1b[1m") && !bytes.contains("?25"));
}

/// A screen of random words in random styles.
fn cells() -> impl Strategy<Value = Vec<(u16, u16, char, u8)>> {
    proptest::collection::vec((0u16..30, 0u16..12, "[a-c æ]", 0u8..6), 0..120).prop_map(|cells| {
        cells
            .into_iter()
            .map(|(x, y, text, style)| (x, y, text.chars().next().unwrap_or(' '), style))
            .collect()
    })
}

fn style(number: u8) -> Style {
    match number {
        0 | 1 => Style::new(),
        2 => Style::new().add_modifier(Modifier::BOLD),
        3 => Style::new().add_modifier(Modifier::REVERSED),
        4 => Style::new().fg(Color::LightRed).add_modifier(Modifier::BOLD),
        _ => Style::new().fg(Color::Green).add_modifier(Modifier::UNDERLINED),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever frames follow each other, a terminal that gets only the bytes shows the last one; scrolled frames
    /// included.
    #[test]
    fn the_terminal_shows_the_last_frame(frames in proptest::collection::vec((cells(), -4i32..4), 1..6)) {
        let size = Size::new(30, 12);
        let mut screen = Terminal::new(Serial::new(Kind::of("xterm", "C.UTF-8"), size)).unwrap();
        screen.clear().unwrap();
        let mut terminal = support::emulator(size.height, size.width);
        let mut all: Vec<(u16, u16, char, u8)> = Vec::new();
        for (cells, shift) in frames {
            // Rows that only move are what the scrolling region is for.
            for cell in &mut all {
                cell.1 = u16::try_from(i32::from(cell.1) + shift).unwrap_or(99);
            }
            all.extend(cells.into_iter().take(20));
            screen
                .draw(|frame| {
                    for (x, y, character, number) in &all {
                        if let Some(cell) = frame.buffer_mut().cell_mut((*x, *y)) {
                            cell.set_char(*character).set_style(style(*number));
                        }
                    }
                })
                .unwrap();
            let expected = screen.backend().screen();
            terminal.process(&screen.backend_mut().take());
            let seen = terminal.screen();
            for (place, (character, bold, reversed, underlined)) in expected.into_iter().enumerate() {
                let x = u16::try_from(place % 30).unwrap();
                let y = u16::try_from(place / 30).unwrap();
                let cell = seen.cell(y, x).unwrap();
                let shown = cell.contents().chars().next().unwrap_or(' ');
                prop_assert_eq!(shown, character, "at {},{}", x, y);
                prop_assert_eq!(cell.inverse(), reversed, "inverse at {},{}", x, y);
                prop_assert_eq!(cell.underline(), underlined, "underline at {},{}", x, y);
                if character != ' ' {
                    prop_assert_eq!(cell.bold(), bold, "bold at {},{}", x, y);
                }
            }
        }
        let _ = screen.backend().size();
    }
}

#[test]
fn the_backend_needs_fewer_bytes_than_a_full_repaint_by_far() {
    let mut console = Console::bare(vt220(), 80, 24, Some(Language::Nb));
    console.event(Event::Connected);
    console.press("2");
    console.paints.clear();
    console.press("<down>");
    let step = console.paints[0];
    let full = console.repaint().len();
    assert!(step * 5 < full, "{step} of {full}");
}

//! What can be chosen on a page: the table of keys, numbered.

use crate::command::Cmd;
use crate::keys::{self, Binding};
use crate::state::State;
use crate::terminal::Key;

/// Which of a page's two lists is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Menu {
    /// What belongs to the page.
    #[default]
    Page,
    /// The other pages, and the console itself.
    Console,
}

/// What this menu has, in the order of its numbers from 1 on: pages before all else.
pub fn offers(state: &State, menu: Menu) -> Vec<&'static Binding> {
    let all = keys::page_tables(state).into_iter().flatten();
    let mut offers: Vec<_> = all
        .filter(|binding| self::menu(&binding.cmd) == Some(menu))
        .collect();
    offers.sort_by_key(|binding| !matches!(binding.cmd, Cmd::Page(_)));
    offers
}

/// The letter or sign that can be typed for it besides its number.
pub fn letter(binding: &Binding) -> Option<char> {
    binding.keys.iter().find_map(|key| match key {
        Key::Char(character) if !character.is_ascii_digit() => Some(*character),
        _ => None,
    })
}

/// Whether rows can be gone through here.
pub fn has_rows(state: &State) -> bool {
    let mut all = keys::page_tables(state).into_iter().flatten();
    all.any(|binding| binding.cmd == Cmd::Down)
}

/// The key that was typed, if it is a page's or the console's.
pub fn key(state: &State, typed: &str) -> Option<Key> {
    [Menu::Page, Menu::Console]
        .into_iter()
        .flat_map(|menu| offers(state, menu))
        .filter_map(letter)
        .find(|letter| typed.chars().eq([*letter]))
        .map(Key::Char)
}

/// Where a command belongs; nowhere, if it is about a screen.
fn menu(cmd: &Cmd) -> Option<Menu> {
    match cmd {
        Cmd::Up
        | Cmd::Down
        | Cmd::PageUp
        | Cmd::PageDown
        | Cmd::First
        | Cmd::Last
        | Cmd::NextPage
        | Cmd::PreviousPage
        | Cmd::Help
        | Cmd::Colours
        | Cmd::Repaint => None,
        Cmd::Page(_)
        | Cmd::Lock
        | Cmd::LogOut
        | Cmd::Power
        | Cmd::HealthCode
        | Cmd::Updates
        | Cmd::Language
        | Cmd::Characters
        | Cmd::Lines => Some(Menu::Console),
        _ => Some(Menu::Page),
    }
}

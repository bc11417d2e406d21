//! Which key says what where: one table, from which the footer and the help are made too.

use crate::command::Cmd;
use crate::dialog::Dialog;
use crate::event::Event;
use crate::page::PageId;
use crate::state::State;
use crate::terminal::Key;
use crate::words::Words;

/// Keys that mean the same command.
#[derive(Debug)]
pub struct Binding {
    pub keys: &'static [Key],
    pub cmd: Cmd,
    /// For the help.
    pub does: fn(Words) -> &'static str,
    /// For the footer; `None` where there is no room for it.
    pub brief: Option<fn(Words) -> &'static str>,
}

const fn bind(
    keys: &'static [Key],
    cmd: Cmd,
    does: fn(Words) -> &'static str,
    brief: Option<fn(Words) -> &'static str>,
) -> Binding {
    Binding {
        keys,
        cmd,
        does,
        brief,
    }
}

use Key::{
    Backspace, Char, Ctrl, Delete, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up,
};

type W = Words;

const EVERYWHERE: &[Binding] = &[
    bind(
        &[Char('?'), Char('h')],
        Cmd::Help,
        W::key_help,
        Some(W::brief_help),
    ),
    bind(
        &[Tab, Right],
        Cmd::NextPage,
        W::key_next_page,
        Some(W::brief_page),
    ),
    bind(
        &[Key::BackTab, Left],
        Cmd::PreviousPage,
        W::key_previous_page,
        None,
    ),
    bind(
        &[Char('1')],
        Cmd::Page(PageId::Overview),
        W::key_page_overview,
        None,
    ),
    bind(
        &[Char('2')],
        Cmd::Page(PageId::Machines),
        W::key_page_machines,
        None,
    ),
    bind(&[Char('3')], Cmd::Page(PageId::Site), W::key_page_site, None),
    bind(&[Char('4')], Cmd::Page(PageId::Log), W::key_page_log, None),
    bind(&[Char('5')], Cmd::Page(PageId::Record), W::key_page_record, None),
    bind(&[Char('K')], Cmd::Lock, W::key_lock, Some(W::brief_lock)),
    bind(&[Char('q')], Cmd::LogOut, W::key_log_out, Some(W::brief_log_out)),
    bind(&[Char('P')], Cmd::Power, W::key_power, None),
    bind(&[Char('H')], Cmd::HealthCode, W::key_health, None),
    bind(&[Char('U')], Cmd::Updates, W::key_updates, None),
    bind(
        &[Char('L')],
        Cmd::Language,
        W::key_language,
        Some(W::brief_language),
    ),
    bind(&[Char('C')], Cmd::Colours, W::key_colours, None),
    bind(&[Char('A')], Cmd::Characters, W::key_characters, None),
    bind(&[Char('M')], Cmd::Lines, W::key_lines, None),
    bind(&[Ctrl('l')], Cmd::Repaint, W::key_repaint, None),
];

/// In lists and texts.
const MOVE: &[Binding] = &[
    bind(&[Up, Ctrl('p')], Cmd::Up, W::key_up, None),
    bind(&[Down, Ctrl('n')], Cmd::Down, W::key_down, None),
    bind(&[PageUp, Char('b')], Cmd::PageUp, W::key_page_up, None),
    bind(&[PageDown, Char(' ')], Cmd::PageDown, W::key_page_down, None),
    bind(&[Home, Char('<')], Cmd::First, W::key_first, None),
    bind(&[End, Char('>')], Cmd::Last, W::key_last, None),
];

const OVERVIEW: &[Binding] = &[
    bind(&[Up, Ctrl('p')], Cmd::Up, W::key_up, None),
    bind(&[Down, Ctrl('n')], Cmd::Down, W::key_down, None),
    bind(&[Enter], Cmd::Open, W::key_open_trouble, Some(W::brief_open)),
];

const MACHINES: &[Binding] = &[
    bind(&[Enter], Cmd::Open, W::key_open_machine, Some(W::brief_open)),
    bind(&[Char('s')], Cmd::Start, W::key_start, Some(W::brief_start)),
    bind(
        &[Char('d')],
        Cmd::ShutDown,
        W::key_shut_down,
        Some(W::brief_shut_down),
    ),
    bind(
        &[Char('f')],
        Cmd::ForceOff,
        W::key_force_off,
        Some(W::brief_force_off),
    ),
    bind(&[Char('p')], Cmd::Pause, W::key_pause, Some(W::brief_pause)),
    bind(&[Char('c')], Cmd::Console, W::key_console, Some(W::brief_console)),
    bind(&[Char('l')], Cmd::UnitLog, W::key_unit_log, Some(W::brief_log)),
    bind(&[Char('t')], Cmd::TakeSnapshot, W::key_take, None),
    bind(&[Char('r')], Cmd::RollBackSnapshot, W::key_roll_back_vm, None),
    bind(&[Char('m')], Cmd::MergeSnapshot, W::key_merge, None),
    bind(&[Char('n')], Cmd::MergeQuietly, W::key_merge_quiet, None),
    bind(&[Char('x')], Cmd::CancelMerge, W::key_cancel_merge, None),
];

const MACHINE: &[Binding] = &[bind(
    &[Esc, Backspace],
    Cmd::Back,
    W::key_back,
    Some(W::brief_back),
)];

const SITE: &[Binding] = &[
    bind(&[Enter], Cmd::Open, W::key_show_generation, Some(W::brief_show)),
    bind(&[Char('d')], Cmd::Diff, W::key_diff, Some(W::brief_diff)),
    bind(
        &[Char('r')],
        Cmd::RollBack,
        W::key_roll_back,
        Some(W::brief_roll_back),
    ),
    bind(
        &[Char('m')],
        Cmd::FromMedia,
        W::key_from_media,
        Some(W::brief_from_media),
    ),
    bind(&[Char('e')], Cmd::Edit, W::key_edit, Some(W::brief_edit)),
];

/// While a generation is on trial; before the others, so that the footer has them.
const TRIAL: &[Binding] = &[
    bind(
        &[Char('k')],
        Cmd::ConfirmTrial,
        W::key_confirm_trial,
        Some(W::brief_confirm_trial),
    ),
    bind(
        &[Char('t')],
        Cmd::TakeBack,
        W::key_take_back,
        Some(W::brief_take_back),
    ),
];

const LOG: &[Binding] = &[
    bind(&[Enter], Cmd::Open, W::key_open_line, Some(W::brief_line)),
    bind(
        &[Char('/')],
        Cmd::FilterText,
        W::key_filter_text,
        Some(W::brief_filter_text),
    ),
    bind(
        &[Char('u')],
        Cmd::FilterUnit,
        W::key_filter_unit,
        Some(W::brief_filter_unit),
    ),
    bind(
        &[Char('p')],
        Cmd::FilterPriority,
        W::key_filter_priority,
        Some(W::brief_filter_priority),
    ),
    bind(
        &[Char('t')],
        Cmd::ThisBoot,
        W::key_this_boot,
        Some(W::brief_this_boot),
    ),
    bind(
        &[Char('x')],
        Cmd::ClearFilter,
        W::key_clear_filter,
        Some(W::brief_clear_filter),
    ),
];

const RECORD: &[Binding] = &[
    bind(&[Enter], Cmd::Open, W::key_open_record, Some(W::brief_open)),
    bind(&[Char('v')], Cmd::Verify, W::key_verify, Some(W::brief_verify)),
];

const DATABASES: &[Binding] = &[
    bind(
        &[Char('s')],
        Cmd::RestartDatabase,
        W::key_db_restart,
        Some(W::brief_db_restart),
    ),
    bind(
        &[Char('n')],
        Cmd::SkipDatabase,
        W::key_db_skip,
        Some(W::brief_db_skip),
    ),
    bind(
        &[Char('o')],
        Cmd::HoldDatabase,
        W::key_db_hold,
        Some(W::brief_db_hold),
    ),
    bind(
        &[Char('x')],
        Cmd::CancelDatabase,
        W::key_db_cancel,
        Some(W::brief_db_cancel),
    ),
];

/// Where the site has databases.
const TO_DATABASES: &[Binding] = &[bind(
    &[Char('6')],
    Cmd::Page(PageId::Databases),
    W::key_page_databases,
    None,
)];

const TELEPHONY: &[Binding] = &[
    bind(
        &[Char('v')],
        Cmd::NextView,
        W::key_phone_view,
        Some(W::brief_phone_view),
    ),
    bind(&[Enter], Cmd::Open, W::key_phone_open, Some(W::brief_open)),
    bind(
        &[Char('t')],
        Cmd::TestCall,
        W::key_phone_test,
        Some(W::brief_phone_test),
    ),
    bind(
        &[Char('e')],
        Cmd::TestEmergency,
        W::key_phone_emergency,
        Some(W::brief_phone_emergency),
    ),
    bind(
        &[Char('x')],
        Cmd::Clear,
        W::key_phone_clear,
        Some(W::brief_phone_clear),
    ),
];

const REHEARSALS: &[Binding] = &[
    bind(
        &[Char('s')],
        Cmd::Rehearse,
        W::key_rehearse,
        Some(W::brief_rehearse),
    ),
    bind(&[Char('p')], Cmd::Promote, W::key_promote, Some(W::brief_promote)),
    bind(
        &[Char('t')],
        Cmd::TakeBackPromotion,
        W::key_promotion_back,
        Some(W::brief_promotion_back),
    ),
    bind(&[Char('x')], Cmd::Discard, W::key_discard, Some(W::brief_discard)),
];

const ACCESS: &[Binding] = &[
    bind(
        &[Char('v')],
        Cmd::NextView,
        W::key_access_view,
        Some(W::brief_access_view),
    ),
    bind(&[Char('e')], Cmd::Enrol, W::key_enrol, Some(W::brief_enrol)),
    bind(
        &[Char('x')],
        Cmd::Clear,
        W::key_access_clear,
        Some(W::brief_access_clear),
    ),
    bind(&[Char('r')], Cmd::Renew, W::key_renew, Some(W::brief_renew)),
    bind(&[Enter], Cmd::Open, W::key_access_open, Some(W::brief_portal)),
];

/// Where the site has a portal.
const TO_ACCESS: &[Binding] = &[bind(
    &[Char('9')],
    Cmd::Page(PageId::Access),
    W::key_page_access,
    None,
)];

/// Where the site has recipes.
const TO_REHEARSALS: &[Binding] = &[bind(
    &[Char('8')],
    Cmd::Page(PageId::Rehearsals),
    W::key_page_rehearsals,
    None,
)];

/// Where the site has telephony.
const TO_TELEPHONY: &[Binding] = &[bind(
    &[Char('7')],
    Cmd::Page(PageId::Telephony),
    W::key_page_telephony,
    None,
)];

const CONFIRM: &[Binding] = &[
    bind(&[Up, Ctrl('p')], Cmd::Up, W::key_up, None),
    bind(
        &[Down, Ctrl('n')],
        Cmd::Down,
        W::key_choose,
        Some(W::brief_choose),
    ),
    bind(&[Enter], Cmd::Open, W::key_answer, Some(W::brief_answer)),
    bind(&[Esc], Cmd::Back, W::key_cancel, Some(W::brief_cancel)),
    bind(&[Backspace], Cmd::Backspace, W::key_backspace, None),
];

const PROMPT: &[Binding] = &[
    bind(&[Enter], Cmd::Open, W::key_answer, Some(W::brief_answer)),
    bind(&[Esc], Cmd::Back, W::key_cancel, Some(W::brief_cancel)),
    bind(&[Backspace], Cmd::Backspace, W::key_backspace, None),
    bind(&[Ctrl('u')], Cmd::CutLine, W::key_empty_field, None),
];

const PICK: &[Binding] = &[
    bind(&[Up, Ctrl('p')], Cmd::Up, W::key_up, None),
    bind(&[Down, Ctrl('n')], Cmd::Down, W::key_down, Some(W::brief_choose)),
    bind(&[Enter], Cmd::Open, W::key_answer, Some(W::brief_answer)),
    bind(&[Esc, Backspace], Cmd::Back, W::key_cancel, Some(W::brief_cancel)),
];

const VIEWER: &[Binding] = &[
    bind(
        &[Esc, Backspace, Char('q')],
        Cmd::Back,
        W::key_back,
        Some(W::brief_back),
    ),
    bind(&[Right], Cmd::Right, W::key_pan_right, None),
    bind(&[Left], Cmd::Left, W::key_pan_left, None),
];

const VIEWER_ON: &[Binding] = &[bind(&[Enter], Cmd::Open, W::key_go_on, Some(W::brief_go_on))];

const EDITOR: &[Binding] = &[
    bind(
        &[Ctrl('d'), Ctrl('x')],
        Cmd::Done,
        W::key_done,
        Some(W::brief_done),
    ),
    bind(&[Esc], Cmd::Back, W::key_leave_editor, Some(W::brief_cancel)),
    bind(
        &[Ctrl('k')],
        Cmd::CutLine,
        W::key_cut_line,
        Some(W::brief_cut_line),
    ),
    bind(&[Up, Ctrl('p')], Cmd::Up, W::key_up, None),
    bind(&[Down, Ctrl('n')], Cmd::Down, W::key_down, None),
    bind(&[Left, Ctrl('b')], Cmd::Left, W::key_left, None),
    bind(&[Right, Ctrl('f')], Cmd::Right, W::key_right, None),
    bind(&[Home, Ctrl('a')], Cmd::First, W::key_line_start, None),
    bind(&[End, Ctrl('e')], Cmd::Last, W::key_line_end, None),
    bind(&[PageUp], Cmd::PageUp, W::key_page_up, None),
    bind(&[PageDown], Cmd::PageDown, W::key_page_down, None),
    bind(&[Enter], Cmd::Insert('\n'), W::key_new_line, None),
    bind(&[Tab], Cmd::Insert('\t'), W::key_indent, None),
    bind(&[Backspace], Cmd::Backspace, W::key_backspace, None),
    bind(&[Delete], Cmd::Delete, W::key_delete, None),
];

const LOCKED: &[Binding] = &[
    bind(&[Enter], Cmd::Open, W::key_unlock, Some(W::brief_unlock)),
    bind(&[Backspace], Cmd::Backspace, W::key_backspace, None),
    bind(&[Esc, Ctrl('u')], Cmd::CutLine, W::key_empty_field, None),
    bind(
        &[Ctrl('d')],
        Cmd::LogOut,
        W::key_log_out,
        Some(W::brief_log_out_ctrl),
    ),
];

/// The tables that hold now, the nearest first, and whether letters are text.
pub fn tables(state: &State) -> (Vec<&'static [Binding]>, bool) {
    if state.lock.is_some() {
        return (vec![LOCKED], true);
    }
    match state.dialogs.last() {
        Some(Dialog::Confirm(confirm)) => (vec![CONFIRM], confirm.takes_text()),
        Some(Dialog::Prompt(_)) => (vec![PROMPT], true),
        Some(Dialog::Pick(_)) => (vec![PICK], false),
        Some(Dialog::Viewer(viewer)) if viewer.leads_on() => (vec![VIEWER_ON, VIEWER, MOVE], false),
        Some(Dialog::Viewer(_)) => (vec![VIEWER, MOVE], false),
        Some(Dialog::Editor(_)) => (vec![EDITOR], true),
        None => (page_tables(state), false),
    }
}

/// What holds on the page, whatever dialog is over it.
pub fn page_tables(state: &State) -> Vec<&'static [Binding]> {
    let mut tables = match state.page {
        PageId::Overview => vec![OVERVIEW, EVERYWHERE],
        PageId::Machines if state.machines.detail => vec![MACHINE, &MACHINES[1..], MOVE, EVERYWHERE],
        PageId::Machines => vec![MACHINES, MOVE, EVERYWHERE],
        PageId::Site if state.trial().is_some() => vec![TRIAL, SITE, MOVE, EVERYWHERE],
        PageId::Site => vec![SITE, MOVE, EVERYWHERE],
        PageId::Log => vec![LOG, MOVE, EVERYWHERE],
        PageId::Record => vec![RECORD, MOVE, EVERYWHERE],
        PageId::Databases => vec![DATABASES, MOVE, EVERYWHERE],
        PageId::Telephony => vec![TELEPHONY, MOVE, EVERYWHERE],
        PageId::Rehearsals => vec![REHEARSALS, MOVE, EVERYWHERE],
        PageId::Access => vec![ACCESS, MOVE, EVERYWHERE],
    };
    for (_, page) in PageId::shown(state) {
        match page {
            PageId::Databases => tables.push(TO_DATABASES),
            PageId::Telephony => tables.push(TO_TELEPHONY),
            PageId::Rehearsals => tables.push(TO_REHEARSALS),
            PageId::Access => tables.push(TO_ACCESS),
            _ => {}
        }
    }
    tables
}

/// What a key says in this state.
pub fn command(state: &State, key: Key) -> Option<Cmd> {
    if key == Ctrl('l') {
        return Some(Cmd::Repaint);
    }
    let (tables, text) = tables(state);
    if let (true, Key::Char(character)) = (text, key) {
        return Some(Cmd::Insert(character));
    }
    tables
        .into_iter()
        .flatten()
        .find(|binding| binding.keys.contains(&key))
        .map(|binding| binding.cmd.clone())
}

/// Keys and pastes become commands; a paste is one only where text is being written. `None`: it says nothing here.
pub fn resolve(state: &State, event: Event) -> Option<Event> {
    match event {
        Event::Key(key) => command(state, key).map(Event::Cmd),
        Event::Paste(text) => tables(state).1.then_some(Event::Cmd(Cmd::Paste(text))),
        event => Some(event),
    }
}

/// How a key is called on the screen.
pub fn label(key: Key, words: Words) -> String {
    match key {
        Key::Char(' ') => words.key_name_space().to_owned(),
        Key::Char(character) => character.to_string(),
        Key::Ctrl(letter) => format!("Ctrl-{}", letter.to_ascii_uppercase()),
        Key::Enter => "Enter".to_owned(),
        Key::Tab => "Tab".to_owned(),
        Key::BackTab => "Shift-Tab".to_owned(),
        Key::Backspace => words.key_name_backspace().to_owned(),
        Key::Delete => "Delete".to_owned(),
        Key::Esc => "Esc".to_owned(),
        Key::Up => words.key_name_up().to_owned(),
        Key::Down => words.key_name_down().to_owned(),
        Key::Left => words.key_name_left().to_owned(),
        Key::Right => words.key_name_right().to_owned(),
        Key::Home => "Home".to_owned(),
        Key::End => "End".to_owned(),
        Key::PageUp => "Page Up".to_owned(),
        Key::PageDown => "Page Down".to_owned(),
    }
}

/// Keys and what they do, for the help.
pub fn help(tables: &[&'static [Binding]], words: Words) -> Vec<String> {
    let mut lines = Vec::new();
    for table in tables {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        for binding in *table {
            let keys: Vec<String> = binding.keys.iter().map(|key| label(*key, words)).collect();
            lines.push(format!("{:<22} {}", keys.join(", "), (binding.does)(words)));
        }
    }
    lines
}

/// The footer: the keys that matter most here; help has its place whatever else there is room for.
pub fn footer(state: &State, width: usize) -> String {
    let words = state.words();
    let (tables, _) = tables(state);
    let briefs: Vec<(bool, String)> = tables
        .into_iter()
        .flatten()
        .filter_map(|binding| {
            let key = label(*binding.keys.first()?, words);
            Some((
                binding.cmd == Cmd::Help,
                format!("{key} {}", (binding.brief?)(words)),
            ))
        })
        .collect();
    let length = |text: &str| 2 + text.chars().count();
    let mut reserved: usize = briefs
        .iter()
        .filter(|(help, _)| *help)
        .map(|(_, text)| length(text))
        .sum();
    let mut line = String::new();
    for (help, brief) in &briefs {
        if *help {
            reserved -= length(brief);
        }
        if line.chars().count() + length(brief) + reserved <= width {
            line.push_str(if line.is_empty() { " " } else { "  " });
            line.push_str(brief);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_says_two_things_in_one_place() {
        for tables in [
            vec![OVERVIEW, EVERYWHERE],
            vec![MACHINES, MOVE, EVERYWHERE],
            vec![MACHINE, &MACHINES[1..], MOVE, EVERYWHERE],
            vec![TRIAL, SITE, MOVE, EVERYWHERE],
            vec![LOG, MOVE, EVERYWHERE],
            vec![RECORD, MOVE, EVERYWHERE],
            vec![DATABASES, MOVE, EVERYWHERE, TO_DATABASES, TO_TELEPHONY],
            vec![TELEPHONY, MOVE, EVERYWHERE, TO_DATABASES, TO_TELEPHONY],
            vec![REHEARSALS, MOVE, EVERYWHERE, TO_REHEARSALS, TO_ACCESS],
            vec![ACCESS, MOVE, EVERYWHERE, TO_REHEARSALS, TO_ACCESS],
            vec![CONFIRM],
            vec![PROMPT],
            vec![PICK],
            vec![VIEWER_ON, VIEWER, MOVE],
            vec![EDITOR],
            vec![LOCKED],
        ] {
            let keys: Vec<Key> = tables
                .into_iter()
                .flatten()
                .flat_map(|binding| binding.keys.iter().copied())
                .collect();
            for (place, key) in keys.iter().enumerate() {
                assert!(!keys[..place].contains(key), "{key:?}");
            }
        }
    }
}

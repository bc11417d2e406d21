//! The lock: the page stays, the keys go to the password.
//!
//! `unix_chkpwd`, pam_unix's own helper, checks the password of the account that runs us, and of no other. After
//! three wrong ones each attempt has to wait, twice as long each time.

use serde::{Deserialize, Serialize};

use crate::canvas::{Canvas, Role};
use crate::command::Cmd;
use crate::event::{Effect, Unlock};
use crate::format;
use crate::secret::Secret;
use crate::state::State;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    typed: Secret,
    /// A password is being checked.
    checking: bool,
    wrong: u32,
    /// No attempt before this time; 0 when there is nothing to wait for.
    pub until: i64,
    said: Option<Said>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Said {
    Wrong,
    Unchecked(String),
}

/// Attempts before the first wait.
const FREE: u32 = 3;
const FIRST_WAIT: i64 = 5_000;
const LONGEST_WAIT: i64 = 5 * 60_000;

fn wait_after(wrong: u32) -> i64 {
    if wrong < FREE {
        return 0;
    }
    let doubled = FIRST_WAIT.saturating_mul(1 << (wrong - FREE).min(16));
    doubled.min(LONGEST_WAIT)
}

/// Locks the screen; a half-made decision does not outlive it, a half-written text does.
pub fn lock(state: &mut State) -> Vec<Effect> {
    state.lock.get_or_insert_with(Lock::default);
    state.dialogs.retain(|dialog| !dialog.decides());
    state.notice = None;
    if state.attached.is_some() {
        return vec![Effect::Detach];
    }
    Vec::new()
}

pub fn command(state: &mut State, cmd: &Cmd) -> Vec<Effect> {
    let now = state.now;
    let Some(lock) = state.lock.as_mut() else {
        return Vec::new();
    };
    match cmd {
        Cmd::Insert(character) => lock.typed.push(*character),
        Cmd::Paste(text) => text
            .chars()
            .filter(|character| !character.is_control())
            .for_each(|character| lock.typed.push(character)),
        Cmd::Backspace => lock.typed.pop(),
        Cmd::CutLine => drop(lock.typed.take()),
        Cmd::Open if !lock.typed.is_empty() && !lock.checking && now >= lock.until => {
            lock.checking = true;
            lock.said = None;
            return vec![Effect::Unlock(lock.typed.take())];
        }
        Cmd::LogOut => return vec![Effect::LogOut],
        _ => {}
    }
    Vec::new()
}

pub fn answered(state: &mut State, answer: Unlock) {
    let now = state.now;
    let Some(lock) = state.lock.as_mut() else { return };
    lock.checking = false;
    match answer {
        Unlock::Right => {
            state.lock = None;
            state.last_key = now;
        }
        Unlock::Wrong => {
            lock.wrong += 1;
            lock.until = match wait_after(lock.wrong) {
                0 => 0,
                wait => now + wait,
            };
            lock.said = Some(Said::Wrong);
        }
        Unlock::Unchecked(why) => lock.said = Some(Said::Unchecked(why)),
    }
}

/// The wait is over.
pub fn waited(state: &mut State) {
    if let Some(lock) = state.lock.as_mut().filter(|lock| lock.until <= state.now) {
        lock.until = 0;
    }
}

pub fn draw(state: &State, lock: &Lock, mut canvas: Canvas) {
    let words = state.words();
    canvas.text(1, 1, Role::Heading, &words.lock_title(&state.user.name));
    let row = canvas.wrapped(1, 3, Role::Plain, words.lock_text()) + 1;
    let x = canvas.text(1, row, Role::Plain, words.lock_password());
    let x = canvas.text(x + 1, row, Role::Plain, &lock.typed.stars());
    canvas.cursor(x, row);
    let below = row + 2;
    if lock.checking {
        canvas.text(1, below, Role::Plain, words.lock_checking());
        return;
    }
    let mut below = below;
    match &lock.said {
        Some(Said::Wrong) => below = canvas.wrapped(1, below, Role::Bad, words.lock_wrong()),
        Some(Said::Unchecked(why)) => {
            below = canvas.wrapped(1, below, Role::Bad, &words.lock_unchecked(why));
        }
        None => {}
    }
    if lock.until > 0 {
        let until = format::clock(lock.until, state.zone());
        canvas.wrapped(1, below, Role::Plain, &words.lock_wait(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_double_and_end_at_five_minutes() {
        let waits: Vec<i64> = [1, 2, 3, 4, 5, 9, 1000].into_iter().map(wait_after).collect();
        assert_eq!(waits, [0, 0, 5_000, 10_000, 20_000, 300_000, 300_000]);
    }
}

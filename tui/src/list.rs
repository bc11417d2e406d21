//! Where a list stands: one entry picked, a page of them in sight.
//!
//! A list turns whole pages instead of sliding, so that most steps change two rows of the screen and no more.

use crate::command::Cmd;

/// Moves what is picked; says whether the command was a move.
pub fn step(selected: &mut usize, count: usize, cmd: &Cmd, page: usize) -> bool {
    let last = count.saturating_sub(1);
    *selected = (*selected).min(last);
    *selected = match cmd {
        Cmd::Up => selected.saturating_sub(1),
        Cmd::Down => (*selected + 1).min(last),
        Cmd::PageUp => selected.saturating_sub(page.max(1)),
        Cmd::PageDown => (*selected + page.max(1)).min(last),
        Cmd::First => 0,
        Cmd::Last => last,
        _ => return false,
    };
    true
}

/// The first entry in sight, for pages reckoned from the beginning.
pub fn top(selected: usize, count: usize, room: usize) -> usize {
    let room = room.max(1);
    (selected / room * room).min(count.saturating_sub(room))
}

/// The same for pages reckoned from the end, where the newest stands.
pub fn top_from_end(selected: usize, count: usize, room: usize) -> usize {
    let room = room.max(1);
    let from_end = count.saturating_sub(1).saturating_sub(selected);
    let bottom = count.saturating_sub(from_end / room * room);
    bottom.saturating_sub(room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_picked_is_always_in_sight(count in 1usize..500, selected in 0usize..500, room in 0usize..80) {
            let selected = selected.min(count - 1);
            for top in [top(selected, count, room), top_from_end(selected, count, room)] {
                prop_assert!(top <= selected && selected < top + room.max(1), "{} {}", top, selected);
            }
        }

        #[test]
        fn a_step_stays_in_the_list(count in 0usize..50, mut selected in 0usize..80, page in 0usize..20) {
            for cmd in [Cmd::Up, Cmd::Down, Cmd::PageUp, Cmd::PageDown, Cmd::First, Cmd::Last] {
                step(&mut selected, count, &cmd, page);
                prop_assert!(selected < count.max(1));
            }
        }
    }
}

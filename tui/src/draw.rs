//! A frame: header, page or dialog, notice, footer. Drawing reads the state and cannot change it.

use ratatui::Frame;

use crate::canvas::{Canvas, Role};
use crate::page::{self, PageId};
use crate::state::State;
use crate::{dialog, keys, lock};

pub fn draw(state: &State, frame: &mut Frame) {
    let mut canvas = Canvas::new(frame, state.display);
    let (width, height) = (canvas.width(), canvas.height());
    header(state, &mut canvas);
    if height < 4 {
        return;
    }
    let body = state.page_rows().min(height - 3);
    if let Some(lock) = &state.lock {
        lock::draw(state, lock, canvas.part(0, 1, width, body));
    } else {
        match state.dialogs.last() {
            // Over the whole body: the page under it need not be drawn.
            Some(top @ (dialog::Dialog::Viewer(_) | dialog::Dialog::Editor(_))) => {
                dialog::draw(state, top, canvas.part(0, 1, width, body));
            }
            Some(top) => {
                let under = state
                    .dialogs
                    .len()
                    .checked_sub(2)
                    .map(|place| &state.dialogs[place]);
                match under {
                    Some(under) => dialog::draw(state, under, canvas.part(0, 1, width, body)),
                    None => page::draw(state, canvas.part(0, 1, width, body)),
                }
                dialog::draw(state, top, canvas.part(0, 1, width, body));
            }
            None => page::draw(state, canvas.part(0, 1, width, body)),
        }
    }
    if let Some(notice) = &state.notice {
        let role = if notice.good { Role::Good } else { Role::Bad };
        let line = state.say(&notice.text);
        canvas.cell(1, height - 2, width.saturating_sub(2), role, line);
    }
    canvas.bar(height - 1, &keys::footer(state, usize::from(width)));
}

/// Host name, the pages with the open one marked, who is logged in.
fn header(state: &State, canvas: &mut Canvas) {
    let words = state.words();
    canvas.bar(0, "");
    let name = state
        .data
        .host
        .value
        .as_ref()
        .map_or("varde", |host| host.hostname.as_str());
    let mut x = canvas.text(1, 0, Role::Bar, name) + 2;
    if state.lock.is_none() {
        let pages = PageId::shown(state);
        let room = usize::from(canvas.width().saturating_sub(x));
        let most = longest_title(state, &pages, room);
        for (number, page) in pages {
            let most = if page == state.page { usize::MAX } else { most };
            let title: String = page.title(words).chars().take(most).collect();
            let role = if page == state.page {
                Role::Heading
            } else {
                Role::Bar
            };
            x = canvas.text(x, 0, role, &format!(" {number} {title} "));
        }
    }
    let user = &state.user.name;
    let start = canvas.width().saturating_sub(canvas.columns(user) + 1);
    if start > x {
        canvas.text(start, 0, Role::Bar, user);
    }
}

/// How many characters the titles of pages that are not open may have, for all of them to be in sight.
fn longest_title(state: &State, pages: &[(usize, PageId)], room: usize) -> usize {
    let width = |most: usize| -> usize {
        let titles = pages.iter().map(|(_, page)| {
            let length = page.title(state.words()).chars().count();
            4 + if *page == state.page {
                length
            } else {
                length.min(most)
            }
        });
        titles.sum()
    };
    (1..=20).rev().find(|most| width(*most) <= room).unwrap_or(1)
}

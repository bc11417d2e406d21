//! Lists of times in the syntax of the calendar.

use super::reader::{Reader, Table, Wrong};
use super::words::clip;

/// Those that `check` takes; a fault for each of the others.
pub(super) fn expressions(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    key: &str,
    check: impl Fn(&str) -> Result<(), varde_calendar::Error>,
) -> Vec<String> {
    let mut good = Vec::new();
    for text in table.texts(reader, key) {
        match check(text.value) {
            Ok(()) => good.push(text.value.to_owned()),
            Err(error) => {
                let shown = clip(text.value);
                let wrong = Wrong::new(
                    format!("«{shown}» kan ikke brukes som tid: {error}"),
                    format!("\"{shown}\" cannot be used as a time: {error}"),
                );
                table.wrong(reader, key, text.at, wrong);
            }
        }
    }
    good
}

//! Why a text is not a calendar expression or a blackout.

/// What is wrong, with the words that are wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the expression is empty")]
    Empty,
    #[error("`{0}` is neither a weekday, a date, a time of day nor a time zone")]
    Unknown(String),
    #[error("`{0}` is not a weekday: use Mon, Tue, Wed, Thu, Fri, Sat, Sun")]
    Weekday(String),
    #[error("`{0}` is not a date: use YEAR-MONTH-DAY or MONTH-DAY, such as *-*-01")]
    Date(String),
    #[error("`{0}` is not a time of day: use HOUR:MINUTE or HOUR:MINUTE:SECOND, such as 03:30")]
    Time(String),
    #[error("`{0}` is not a number, a range such as 1..5, or a step such as 0/15")]
    Number(String),
    #[error("{value} is out of range: {field} goes from {least} to {most}")]
    Range {
        field: &'static str,
        value: i64,
        least: i16,
        most: i16,
    },
    #[error("the range `{0}` ends before it begins")]
    Backwards(String),
    #[error("the time zone `{0}` is not known")]
    Zone(String),
    #[error("`{0}` is not a blackout: use Mon..Fri 07:00..17:00, 22:00..02:00, or 2026-06-20..2026-06-25")]
    Blackout(String),
}

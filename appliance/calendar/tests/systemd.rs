//! Our reading of a calendar expression against systemd's own, `systemd-analyze calendar`.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use varde_calendar::Calendar;

/// Where the two are held together: summer, winter, the ends of months and years, a leap day, both changes of clock.
const FROM: [&str; 5] = [
    "2026-11-22T10:17:31Z",
    "2027-03-27T23:00:00Z",
    "2027-10-30T21:59:59Z",
    "2028-02-28T12:00:00Z",
    "2030-12-31T22:30:00Z",
];

/// The clock jumps from 02:00 to 03:00. systemd leaves out what falls into the hour that is missing; we do it at this
/// moment. It is the one difference.
const JUMP: i64 = 1_806_195_600;

/// Each is read alike: the same next eight moments, or refused by both.
const EXPRESSIONS: [&str; 42] = [
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "semiannually",
    "yearly",
    "hourly",
    "minutely",
    "Sun *-*-* 03:30",
    "Mon..Fri 04:00",
    "Mon,Wed..Fri 04:00:30",
    "Sat,Sun 12:15",
    "Sunday 05:00",
    "*-*-01 04:00",
    "*-*-13..15 04:00",
    "Fri *-*-13 04:00",
    "*-02-29 04:00",
    "*-*~01 04:00",
    "Mon *-05~07/1 04:00",
    "*-*~03 23:59:59",
    "*-*~03..05 01:15",
    "*-01,07-01",
    "*-*-1/2 06:00",
    "*-*-* 0/6:15",
    "*-*-* 22..23:0/20",
    "*:0/15",
    "*:10,40",
    "27-3-5 04:00",
    "2027..2029-*-01 00:00",
    "2029-06-07 08:09:10",
    "05:40 UTC",
    "Sun 05:40 America/New_York",
    "*-*-* 04:00 Asia/Kathmandu",
    "Fri..Mon 04:00",
    "24:00",
    "*-13-01",
    "04:00 04:00",
    "02:30",
    "Foo 04:00",
    "*-*-32 04:00",
    "04:0/0",
    "2027-02-30 04:00",
];

/// The next moments after `from` by systemd, in a zone; `None` where it refuses the expression.
fn by_systemd(expression: &str, from: &str) -> Option<Vec<i64>> {
    let from: Timestamp = from.parse().unwrap();
    let output = Command::new("systemd-analyze")
        .args(["calendar", "--iterations=8"])
        .arg(format!("--base-time=@{}", from.as_second()))
        .arg(expression)
        .env("TZ", "Europe/Oslo")
        .env("LC_ALL", "C")
        .output()
        .expect("systemd-analyze runs");
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    // "Next elapse: Mon 2026-11-23 04:00:00 CET" and, below where the zone is another, "(in UTC): Mon … UTC".
    let mut moments = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some((label, value)) = line.split_once(": ") {
            if label.starts_with("Next elapse")
                || label.starts_with("Iteration")
                || label.starts_with("Iter.")
            {
                moments.push(local(value));
            } else if label.starts_with("(in UTC)") {
                moments.pop();
                moments.push(utc(value));
            }
        }
    }
    Some(moments.into_iter().flatten().collect())
}

fn utc(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split(' ').collect();
    let moment: Timestamp = format!("{}T{}Z", words.get(1)?, words.get(2)?).parse().unwrap();
    Some(moment.as_second())
}

fn local(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split(' ').collect();
    let civil: jiff::civil::DateTime = format!("{}T{}", words.get(1)?, words.get(2)?).parse().unwrap();
    let zone = TimeZone::get("Europe/Oslo").unwrap();
    let offset = match *words.get(3)? {
        "CET" => jiff::tz::offset(1),
        "CEST" => jiff::tz::offset(2),
        _ => zone.to_timestamp(civil).map(|at| zone.to_offset(at)).unwrap(),
    };
    Some(offset.to_timestamp(civil).unwrap().as_second())
}

#[test]
fn expressions_mean_what_systemd_means_by_them() {
    let zone = TimeZone::get("Europe/Oslo").unwrap();
    for expression in EXPRESSIONS {
        for from in FROM {
            let theirs = by_systemd(expression, from);
            let ours = expression.parse::<Calendar>().ok().map(|calendar| {
                let mut last: Timestamp = from.parse().unwrap();
                std::iter::from_fn(|| {
                    last = calendar.next(last, &zone)?;
                    Some(last.as_second())
                })
                .filter(|at| *at != JUMP || theirs.as_ref().is_some_and(|theirs| theirs.contains(at)))
                .take(8)
                .collect::<Vec<_>>()
            });
            assert_eq!(ours, theirs, "`{expression}` from {from}");
        }
    }
}

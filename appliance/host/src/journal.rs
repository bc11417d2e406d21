//! The journal, read by journalctl(1): newest first, bounded in time, lines and length.
//!
//! Units and cursors are checked before they become arguments; text is never one: lines are compared with it here.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};
use varde_bus::host::{LogLine, LogQuery};

use crate::Error;

/// One answer holds no more lines than these.
const MOST_LINES: u32 = 1000;
/// A search for text gives up after so many lines.
const MOST_SEARCHED: usize = 200_000;
/// Longer lines of JSON are skipped: no message that a person reads is as long.
const LONGEST_JSON: u64 = 256 * 1024;
/// Characters of a message that are shown.
const LONGEST_MESSAGE: usize = 4000;
/// What is kept of what journalctl says when it fails.
const LONGEST_ERROR: u64 = 2000;

/// How the journal is read.
#[derive(Clone, Debug)]
pub struct Journal {
    pub program: PathBuf,
    pub patience: Duration,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            program: PathBuf::from("journalctl"),
            patience: Duration::from_secs(10),
        }
    }
}

impl Journal {
    /// The lines that were asked for, newest first. When time runs out, those found so far.
    pub async fn read(&self, query: &LogQuery) -> Result<Vec<LogLine>, Error> {
        let wanted = query.count.min(MOST_LINES) as usize;
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let program = self.program.display().to_string();
        let mut child = Command::new(&self.program)
            .args(arguments(query)?)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Error::Run {
                program: program.clone(),
                source,
            })?;
        let deadline = Instant::now() + self.patience;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let mut search = Search::new(query, wanted);
        let read = async {
            if let Some(output) = output {
                search.run(BufReader::new(output)).await?;
            }
            Ok::<(), io::Error>(())
        };
        let in_time = match timeout_at(deadline, read).await {
            Ok(read) => {
                read.map_err(|source| Error::Run {
                    program: program.clone(),
                    source,
                })?;
                true
            }
            Err(_) => false,
        };
        if !in_time || search.gave_up {
            if search.found.is_empty() {
                return Err(Error::Searched(format!(
                    "{} lines and {} seconds",
                    search.seen,
                    self.patience.as_secs()
                )));
            }
        } else if search.found.len() < wanted {
            // It has read to the end of the journal: whether that was the end depends on how it ends itself.
            let mut said = String::new();
            let ended = async {
                if let Some(errors) = errors {
                    let mut bytes = Vec::new();
                    errors.take(LONGEST_ERROR).read_to_end(&mut bytes).await?;
                    said.push_str(String::from_utf8_lossy(&bytes).trim());
                }
                child.wait().await
            };
            match timeout_at(deadline, ended).await {
                Ok(Ok(status)) if status.success() => {}
                // journalctl ends with 1 and no word where no line matches.
                Ok(Ok(_)) if said.is_empty() => {}
                Ok(Ok(_)) => return Err(Error::Journal { program, said }),
                Ok(Err(source)) => return Err(Error::Run { program, source }),
                Err(_) => return Err(Error::Searched(format!("{} seconds", self.patience.as_secs()))),
            }
        }
        Ok(search.found)
    }
}

fn arguments(query: &LogQuery) -> Result<Vec<String>, Error> {
    let mut arguments: Vec<String> = [
        "--output=json",
        "--output-fields=MESSAGE,PRIORITY,UNIT,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER,_TRANSPORT",
        "--no-pager",
        "--quiet",
        "--reverse",
        "--all",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--priority={}", query.priority.min(7)));
    if query.this_boot {
        arguments.push("--boot".to_owned());
    }
    if !query.unit.is_empty() {
        if !is_unit(&query.unit) {
            return Err(Error::Unit(query.unit.clone()));
        }
        arguments.push(format!("--unit={}", query.unit));
    }
    if !query.before.is_empty() {
        if !is_cursor(&query.before) {
            return Err(Error::Cursor(query.before.clone()));
        }
        arguments.push(format!("--cursor={}", query.before));
    }
    if query.text.is_empty() {
        // One more, because the line at the cursor comes first and is not wanted.
        arguments.push(format!("--lines={}", query.count.min(MOST_LINES) + 1));
    }
    Ok(arguments)
}

/// The characters that systemd.unit(5) allows; journalctl would take `*` for a pattern.
fn is_unit(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    name.len() <= 255 && name.bytes().all(allowed)
}

fn is_cursor(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"=;".contains(&byte);
    text.len() <= 400 && text.bytes().all(allowed)
}

/// Lines as they are found.
#[derive(Debug)]
struct Search {
    wanted: usize,
    /// In lower case.
    text: String,
    before: String,
    found: Vec<LogLine>,
    seen: usize,
    gave_up: bool,
}

impl Search {
    fn new(query: &LogQuery, wanted: usize) -> Self {
        Self {
            wanted,
            text: query.text.to_lowercase(),
            before: query.before.clone(),
            found: Vec::new(),
            seen: 0,
            gave_up: false,
        }
    }

    async fn run(&mut self, mut output: impl AsyncBufRead + Unpin) -> io::Result<()> {
        let mut bytes = Vec::new();
        while self.found.len() < self.wanted && next_line(&mut output, &mut bytes).await? {
            self.seen += 1;
            if self.seen > MOST_SEARCHED {
                self.gave_up = true;
                break;
            }
            if let Some(line) = line(&bytes)
                && line.cursor != self.before
                && (self.text.is_empty() || line.message.to_lowercase().contains(&self.text))
            {
                self.found.push(line);
            }
        }
        Ok(())
    }
}

/// Reads a line into `bytes`, cut at [`LONGEST_JSON`]; false at the end.
async fn next_line(output: &mut (impl AsyncBufRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<bool> {
    bytes.clear();
    if output.take(LONGEST_JSON).read_until(b'\n', bytes).await? == 0 {
        return Ok(false);
    }
    let mut rest = Vec::new();
    let mut whole = bytes.ends_with(b"\n");
    while !whole {
        rest.clear();
        whole = output.take(LONGEST_JSON).read_until(b'\n', &mut rest).await? == 0 || rest.ends_with(b"\n");
    }
    Ok(true)
}

/// What journalctl writes for one entry. A field is text, or a list of bytes where it is not UTF-8, or a list of either
/// where it stands there more than once.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "__CURSOR")]
    cursor: String,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    when: String,
    #[serde(rename = "MESSAGE", default)]
    message: Value,
    #[serde(rename = "PRIORITY", default)]
    priority: Value,
    /// The unit that a message of systemd is about.
    #[serde(rename = "UNIT", default)]
    about: Value,
    #[serde(rename = "_SYSTEMD_UNIT", default)]
    unit: Value,
    #[serde(rename = "SYSLOG_IDENTIFIER", default)]
    identifier: Value,
    #[serde(rename = "_TRANSPORT", default)]
    transport: Value,
}

fn line(bytes: &[u8]) -> Option<LogLine> {
    let entry: Entry = serde_json::from_slice(bytes).ok()?;
    let micros: i64 = entry.when.parse().ok()?;
    let unit = [&entry.about, &entry.unit, &entry.identifier, &entry.transport]
        .into_iter()
        .map(text)
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    Some(LogLine {
        cursor: entry.cursor,
        when: micros / 1000,
        unit: shown(&unit, 255),
        // A line without one counts as information, as journalctl shows it.
        priority: text(&entry.priority)
            .parse()
            .ok()
            .filter(|level| *level <= 7)
            .unwrap_or(6),
        message: shown(&text(&entry.message), LONGEST_MESSAGE),
    })
}

fn text(field: &Value) -> String {
    match field {
        Value::String(text) => text.clone(),
        Value::Array(parts) if parts.iter().all(Value::is_u64) => {
            let bytes: Vec<u8> = parts
                .iter()
                .filter_map(|byte| u8::try_from(byte.as_u64()?).ok())
                .collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Value::Array(parts) => parts.first().map(text).unwrap_or_default(),
        _ => String::new(),
    }
}

/// Without the characters that would steer a terminal, and cut to what is shown.
fn shown(text: &str, longest: usize) -> String {
    let mut out: String = text
        .chars()
        .take(longest)
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    if text.chars().nth(longest).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query() -> LogQuery {
        LogQuery {
            priority: 7,
            count: 10,
            ..LogQuery::default()
        }
    }

    async fn search(query: &LogQuery, output: &str) -> Vec<String> {
        let mut search = Search::new(query, query.count as usize);
        search.run(output.as_bytes()).await.unwrap();
        search.found.into_iter().map(|line| line.message).collect()
    }

    fn entry(number: u32, message: &str) -> String {
        format!(
            "{{\"__CURSOR\":\"s=1;i={number}\",\"__REALTIME_TIMESTAMP\":\"1700000000123456\",\"MESSAGE\":{message},\"PRIORITY\":\"3\",\"_SYSTEMD_UNIT\":\"a@b.service\"}}\n"
        )
    }

    #[test]
    fn a_line_is_read_whole() {
        assert_eq!(
            line(entry(4, "\"hei\"").as_bytes()),
            Some(LogLine {
                cursor: "s=1;i=4".into(),
                when: 1_700_000_000_123,
                unit: "a@b.service".into(),
                priority: 3,
                message: "hei".into(),
            })
        );
    }

    #[test]
    fn messages_come_in_every_form_that_journalctl_has() {
        let said = |message: &str| line(entry(1, message).as_bytes()).unwrap().message;
        assert_eq!(said("[104,101,105,255]"), "hei\u{fffd}");
        assert_eq!(said("[\"første\",\"andre\"]"), "første");
        assert_eq!(said("null"), "");
        assert_eq!(said(r#""rød \u001b[31m""#), "rød \u{fffd}[31m");
        assert_eq!(said(&format!("{:?}", "å".repeat(5000))).chars().count(), 4001);
    }

    #[test]
    fn systemds_words_on_a_unit_belong_to_that_unit() {
        let text = entry(1, "\"Started.\"").replace("{\"__C", "{\"UNIT\":\"x.service\",\"__C");
        assert_eq!(line(text.as_bytes()).unwrap().unit, "x.service");
    }

    #[tokio::test]
    async fn text_is_found_without_regard_to_case_also_in_norwegian() {
        let output = ["\"ÆØÅ feilet\"", "\"gikk bra\"", "\"æøå igjen\""]
            .map(|text| entry(1, text))
            .concat();
        let query = LogQuery {
            text: "æØå".into(),
            ..query()
        };
        assert_eq!(search(&query, &output).await, ["ÆØÅ feilet", "æøå igjen"]);
    }

    #[tokio::test]
    async fn what_was_shown_before_is_not_shown_again() {
        let output = (1..4)
            .map(|number| entry(number, &format!("\"{number}\"")))
            .collect::<String>();
        let query = LogQuery {
            before: "s=1;i=1".into(),
            ..query()
        };
        assert_eq!(search(&query, &output).await, ["2", "3"]);
    }

    #[tokio::test]
    async fn no_more_lines_come_than_were_asked_for_and_an_endless_one_is_skipped() {
        let endless = entry(1, &format!("\"{}\"", "x".repeat(600_000)));
        let output = endless + &entry(2, "\"en\"") + "søppel\n" + &entry(3, "\"to\"") + &entry(4, "\"tre\"");
        let query = LogQuery { count: 2, ..query() };
        assert_eq!(search(&query, &output).await, ["en", "to"]);
    }

    #[test]
    fn nothing_that_a_caller_sends_becomes_an_option_or_a_pattern() {
        for unit in ["*", "a b", "a\nb", "a/b", "å.service", &"a".repeat(256)] {
            let query = LogQuery {
                unit: unit.into(),
                ..query()
            };
            assert!(matches!(arguments(&query), Err(Error::Unit(_))), "{unit:?}");
        }
        let query = LogQuery {
            unit: "--merge".into(),
            text: "--vacuum-size=1".into(),
            before: "s=1;i=a".into(),
            this_boot: true,
            priority: 200,
            ..query()
        };
        let arguments = arguments(&query).unwrap();
        assert!(arguments.contains(&"--unit=--merge".to_owned()));
        assert!(arguments.contains(&"--priority=7".to_owned()));
        assert!(
            !arguments
                .iter()
                .any(|argument| argument.contains("vacuum") || argument.contains("lines"))
        );
        let odd = LogQuery {
            before: "s=1 --merge".into(),
            ..query
        };
        assert!(matches!(super::arguments(&odd), Err(Error::Cursor(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in any::<Vec<u8>>()) {
            let _ = line(&bytes);
        }

        #[test]
        fn no_message_steers_the_terminal(message in any::<String>()) {
            let json = serde_json::to_string(&message).unwrap();
            let line = line(entry(1, &json).as_bytes()).unwrap();
            prop_assert!(line.message.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
        }
    }
}

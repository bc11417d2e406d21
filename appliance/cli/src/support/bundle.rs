//! What a bundle holds: states, generations, records, the log, and the caller's own last console sessions.
//!
//! A part that cannot be had is in it as its failure: a bundle is made when something does not work.

use std::path::Path;

use serde::Serialize;
use varde_bus::host::LogQuery;
use varde_bus::{Client, Failure};

use super::redact::Redactor;
use crate::error::Error;
use crate::host::moment;

/// Lines of the journal; a call gives a thousand.
const LOG_CALLS: u32 = 4;
const LOG_LINES: u32 = 1000;
const RECORDS: u32 = 500;
/// Where consoles keep their last events, each in a folder that only its account reads.
const SESSIONS: &str = "/run/varde/console";
/// Bytes of one file of a session: as much as a console writes into one.
const LONGEST_SESSION: usize = 300_000;

/// One text of sections, with everything taken out that has to be.
pub async fn gather(client: &Client, code: &str, redactor: &mut Redactor) -> Result<String, Error> {
    let site = client.site.show(0).await.map_err(Failure::from);
    if let Ok(toml) = &site {
        redactor.learn(toml);
    }
    let host = client.host.status().await;
    let made = host.as_ref().map_or_else(
        |_| String::new(),
        |host| format!("{} {} ({})", host.hostname, host.version, host.machine_id),
    );
    let mut sections = vec![("varde support bundle", format!("{made}\n{code}"))];
    sections.push(("host", json(host)));
    sections.push(("site", json(client.site.summary().await)));
    sections.push(("trial", json(client.site.trial().await)));
    sections.push(("machines", json(client.hypervisor.list().await)));
    sections.push(("databases", json(client.dbrestart.list().await)));
    sections.push(("generations", json(client.site.history().await)));
    sections.push(("site.toml", site.unwrap_or_else(|failure| failure.to_string())));
    sections.push(("record is whole", json(client.audit.verify().await)));
    sections.push(("record", json(client.audit.tail(RECORDS).await)));
    sections.push(("log", log(client).await));
    for (name, text) in sessions(Path::new(SESSIONS)) {
        sections.push(("console session", format!("{name}\n{text}")));
    }
    let mut whole = String::new();
    for (name, text) in sections {
        whole += &format!("==== {name}\n{}\n\n", redactor.take_out(text.trim_end()));
    }
    Ok(whole)
}

fn json<T: Serialize>(answer: Result<T, impl Into<Failure>>) -> String {
    match answer {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_else(|error| error.to_string()),
        Err(error) => error.into().to_string(),
    }
}

/// The newest lines, oldest first.
async fn log(client: &Client) -> String {
    let mut lines = Vec::new();
    let mut before = String::new();
    for _ in 0..LOG_CALLS {
        let query = LogQuery {
            priority: 6,
            before: before.clone(),
            count: LOG_LINES,
            ..LogQuery::default()
        };
        let older = match client.host.log(&query).await {
            Ok(older) => older,
            Err(error) => {
                lines.push(Failure::from(error).to_string());
                break;
            }
        };
        match older.last() {
            Some(last) if last.cursor != before => before.clone_from(&last.cursor),
            _ => break,
        }
        lines.extend(
            older
                .iter()
                .map(|line| format!("{} {}: {}", moment(line.when), line.unit, line.message)),
        );
    }
    lines.reverse();
    lines.join("\n")
}

/// Those that the caller may read, by folder; the end of each where it is long.
fn sessions(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let folders = std::fs::read_dir(root).into_iter().flatten().flatten();
    for folder in folders {
        let files = std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
        for file in files {
            let Ok(bytes) = std::fs::read(file.path()) else {
                continue;
            };
            let end = &bytes[bytes.len().saturating_sub(LONGEST_SESSION)..];
            found.push((
                file.path().display().to_string(),
                String::from_utf8_lossy(end).into_owned(),
            ));
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_found_and_a_long_one_gives_its_end() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(sessions(&root.path().join("none")), []);
        let folder = root.path().join("kari-ttyS0");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("events"), "x".repeat(LONGEST_SESSION) + "end").unwrap();
        let found = sessions(root.path());
        assert_eq!(found.len(), 1);
        assert!(found[0].1.len() == LONGEST_SESSION && found[0].1.ends_with("end"));
    }
}

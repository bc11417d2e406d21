//! The server's process: how it is stopped and started, wherever it runs.
//!
//! What is to be done there is a handful of shell scripts. They get everything that varies as arguments, and they are
//! the whole agent: nothing has to be installed on the server's side but a shell. How they get there is [`Via`].

mod unit;

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;
use varde_bus::Text;

use crate::Error;
use crate::agent::Agent;
use crate::gate::millis;
use crate::reason::Memory;

/// The way to the machine on which the server runs.
#[derive(Clone, Debug)]
pub enum Via {
    /// This one, behind a prefix such as `chroot TREE`; for tests and measurements.
    Local { prefix: Vec<String> },
    /// A guest, through its agent.
    Guest(Agent),
    /// Another host, by SSH with a key of its own. It has to be known already: nobody is there to look at a finger print.
    Ssh {
        /// `user@host`, and `:port` where it is not 22.
        target: String,
        key: String,
        known_hosts: String,
    },
}

/// How the server is started.
#[derive(Clone, Debug)]
pub enum Start {
    /// A systemd unit, such as `postgresql@17-main.service`.
    Unit(String),
    /// A command that becomes the server.
    Command(Vec<String>),
}

#[derive(Clone, Debug)]
pub struct Server {
    pub via: Via,
    pub start: Start,
}

/// The server's process, if it is there: `pid` after this. A stale number that now belongs to another process is
/// recognised by where that one works.
const FIND: &str = r#"
pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) || exit 0
[ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$(readlink -f "$1")" ] || exit 0
"#;
/// SIGINT is the fast stop: sessions end, transactions are rolled back, what is in memory is written. A process that has
/// ended works nowhere, and only waits for its parent to ask how; that may take a second and is not waited for.
const STOP: &str = r#"
kill -INT "$pid" || exit 0
while [ -e "/proc/$pid/cwd" ]; do sleep 0.005; done
"#;
/// SIGQUIT is the immediate stop: nothing is written, the log is replayed at the next start.
const KILL: &str = r#"
kill -QUIT "$pid" || exit 0
n=0
while [ -e "/proc/$pid/cwd" ]; do
    n=$((n + 1))
    [ $n -eq 600 ] && kill -KILL "$pid"
    sleep 0.005
done
"#;
/// Not waited for: the login probe finds out sooner than the unit's own check.
const START_UNIT: &str = r#"
systemctl reset-failed "$1" 2>/dev/null
exec systemctl start --no-block "$1"
"#;
const START_COMMAND: &str = r#"exec setsid -f "$@" >/dev/null 2>&1 </dev/null"#;
/// The server says it itself in the eighth line of its file: `starting`, `ready` and others (PostgreSQL's
/// miscadmin.h, `PM_STATUS_*`).
const STATE: &str = r#"
kill -0 "$pid" && sed -n 8p "$1/postmaster.pid"
exit 0
"#;
/// Enough for the server to start and to write its log. Exit code 9 is ours.
const DISK: &str = r#"
free=$(df -P -k "$1" | awk 'NR == 2 { print $4 }')
[ "$free" -ge 65536 ] || { echo "$((free / 1024)) MiB"; exit 9; }
"#;
/// What the server and its children take for themselves, and what the machine has, in KiB.
const MEMORY: &str = r#"
taken=0
for one in "$pid" $(cat "/proc/$pid/task/"*/children); do
    own=$(awk '/^Pss_Anon:/ { print $2 }' "/proc/$one/smaps_rollup" 2>/dev/null)
    taken=$((taken + ${own:-0}))
done
echo "$taken $(awk '/^MemTotal/ { print $2 }' /proc/meminfo)"
"#;
/// `$1` is the folder of the data, `$2` the name of the copy beside the data, where the server's own rights keep it;
/// then the files, each kept by its whole path.
const KEEP: &str = r#"
set -e
copy="$1/$2"; shift 2
owner=$(stat -c %u:%g "$(dirname "$copy")")
install -d -m 0700 -o "${owner%:*}" -g "${owner#*:}" "$copy.part"
for file; do [ ! -e "$file" ] || cp -p "$file" "$copy.part/$(echo "$file" | tr / +)"; done
rm -rf "$copy"
mv "$copy.part" "$copy"
"#;
/// A file that the copy does not have was not there when it was made, and is moved aside. Exit code 9 is ours.
const PUT_BACK: &str = r#"
set -e
copy="$1/$2"; shift 2
[ -d "$copy" ] || { echo "no copy"; exit 9; }
same=yes
for file; do
    kept="$copy/$(echo "$file" | tr / +)"
    ! cmp -s "$file" "$kept" || continue
    [ -e "$file" ] || [ -e "$kept" ] || continue
    same=no
    [ ! -e "$file" ] || mv "$file" "$file.varde-failed"
    [ -e "$kept" ] || continue
    cp -p "$kept" "$file.varde-part"
    mv "$file.varde-part" "$file"
done
[ $same = no ] || { echo "it is the one that failed"; exit 9; }
"#;

/// A copy of the configuration, by the name of its folder beside the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// What ran at the last preflight, as far as the server says.
    Good,
    /// What a run of ours has started the server with.
    Started,
}

impl Copy {
    fn folder(self) -> &'static str {
        match self {
            Self::Good => "varde-last-good",
            Self::Started => "varde-last-started",
        }
    }
}

/// What a script said, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub code: i32,
    pub words: String,
}

impl Server {
    /// In good order, without waiting for sessions; at once done where it does not run.
    pub async fn stop(&self, data: &str, within: Duration) -> Result<(), Error> {
        let what = Text::new("stoppe tjeneren", "stopping the server");
        self.must(&what, &format!("{FIND}{STOP}"), &[data], within).await
    }

    pub async fn kill(&self, data: &str, within: Duration) -> Result<(), Error> {
        let what = Text::new("drepe tjeneren", "killing the server");
        self.must(&what, &format!("{FIND}{KILL}"), &[data], within).await
    }

    pub async fn start(&self, within: Duration) -> Result<(), Error> {
        let what = Text::new("starte tjeneren", "starting the server");
        match &self.start {
            Start::Unit(unit) => self.must(&what, START_UNIT, &[unit], within).await,
            Start::Command(command) => {
                let command: Vec<&str> = command.iter().map(String::as_str).collect();
                self.must(&what, START_COMMAND, &command, within).await
            }
        }
    }

    /// Whether the machine takes orders at all.
    pub async fn is_there(&self, within: Duration) -> Result<(), Error> {
        let what = Text::new(
            "nå maskinen som databasen går på",
            "reaching the machine of the database",
        );
        self.must(&what, "exit 0", &[], within).await
    }

    /// What the server says of itself, such as `ready`; empty where it does not run.
    pub async fn state(&self, data: &str, within: Duration) -> Result<String, Error> {
        let what = Text::new("se på tjeneren", "looking at the server");
        let script = format!("{FIND}{STATE}");
        Ok(self.script(&what, &script, &[data], within).await?.words)
    }

    /// Whether the disk has room for a start.
    pub async fn room(&self, data: &str, within: Duration) -> Result<(), Error> {
        let what = Text::new("se på disken", "looking at the disk");
        let output = self.script(&what, DISK, &[data], within).await?;
        match output.code {
            0 => Ok(()),
            9 => Err(Error::failed(
                format!("Disken til databasen er nesten full: {} igjen", output.words),
                format!("The disk of the database is nearly full: {} left", output.words),
            )),
            _ => Err(failed(&what, &output)),
        }
    }

    /// Keeps a copy of the configuration that runs.
    pub async fn keep(
        &self,
        copy: Copy,
        data: &str,
        files: &[String],
        within: Duration,
    ) -> Result<(), Error> {
        let what = Text::new("ta vare på konfigurasjonen", "keeping the configuration");
        self.must(&what, KEEP, &with(copy, data, files), within).await
    }

    /// Puts that copy back; the files that did not work stay beside it as `FILE.varde-failed`. Fails where there is no
    /// copy, and where it is what is there already.
    pub async fn put_back(
        &self,
        copy: Copy,
        data: &str,
        files: &[String],
        within: Duration,
    ) -> Result<(), Error> {
        let what = Text::new(
            "hente fram en tidligere konfigurasjon",
            "putting an earlier configuration back",
        );
        self.must(&what, PUT_BACK, &with(copy, data, files), within).await
    }

    /// What the server takes; `None` where it could not be found out.
    pub async fn memory(&self, data: &str, within: Duration) -> Result<Option<Memory>, Error> {
        let what = Text::new("se på minnet", "looking at the memory");
        let script = format!("{FIND}{MEMORY}");
        let output = self.script(&what, &script, &[data], within).await?;
        Ok(Memory::read(&output.words))
    }

    async fn must(&self, what: &Text, script: &str, args: &[&str], within: Duration) -> Result<(), Error> {
        let output = self.script(what, script, args, within).await?;
        if output.code == 0 {
            Ok(())
        } else {
            Err(failed(what, &output))
        }
    }

    async fn script(
        &self,
        what: &Text,
        script: &str,
        args: &[&str],
        within: Duration,
    ) -> Result<Output, Error> {
        let run = async {
            match &self.via {
                Via::Local { prefix } => {
                    let mut words = prefix.clone();
                    words.extend(["sh", "-c", script, "varde"].map(str::to_owned));
                    words.extend(args.iter().map(ToString::to_string));
                    process(&words, None).await
                }
                Via::Guest(agent) => agent.shell(script, args).await,
                Via::Ssh {
                    target,
                    key,
                    known_hosts,
                } => {
                    let words = ssh(target, key, known_hosts, args);
                    process(&words, Some(script)).await
                }
            }
        };
        match timeout(within, run).await {
            Ok(output) => output,
            Err(_) => Err(self.silent(what, within)),
        }
    }
}

impl Server {
    /// No answer in time, and who did not give it.
    fn silent(&self, what: &Text, within: Duration) -> Error {
        let within = millis(within);
        let (nb, en) = match &self.via {
            Via::Local { .. } => (String::new(), String::new()),
            Via::Guest(_) => (
                ". Gjesteagenten svarer ikke: se om qemu-guest-agent går i maskinen".to_owned(),
                ". The guest agent is silent: see whether qemu-guest-agent runs in the machine".to_owned(),
            ),
            Via::Ssh { target, .. } => (
                format!(". {target} svarer ikke over SSH"),
                format!(". {target} does not answer over SSH"),
            ),
        };
        Error::Late(Text::new(
            format!("{}: ikke ferdig innen {within} ms{nb}", what.nb),
            format!("{}: not done within {within} ms{en}", what.en),
        ))
    }
}

fn with<'a>(copy: Copy, data: &'a str, files: &'a [String]) -> Vec<&'a str> {
    [data, copy.folder()]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect()
}

fn failed(what: &Text, output: &Output) -> Error {
    let Output { code, words } = output;
    Error::failed(
        format!("Mislyktes: {} (kode {code}: {words})", what.nb),
        format!("Failed: {} (code {code}: {words})", what.en),
    )
}

fn ssh(target: &str, key: &str, known_hosts: &str, args: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = [
        "ssh",
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "ConnectTimeout=5",
        "-o",
        "ServerAliveInterval=5",
        "-o",
    ]
    .map(str::to_owned)
    .to_vec();
    words.push(format!("UserKnownHostsFile={known_hosts}"));
    let (target, port) = target.rsplit_once(':').unwrap_or((target, "22"));
    words.extend(["-p".to_owned(), port.to_owned()]);
    words.extend([
        "-i".to_owned(),
        key.to_owned(),
        target.to_owned(),
        "sh -s --".to_owned(),
    ]);
    words.extend(args.iter().map(|arg| quoted(arg)));
    words
}

/// For the shell at the other end, which gets its words in one line.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

async fn process(words: &[String], input: Option<&str>) -> Result<Output, Error> {
    let Some((program, args)) = words.split_first() else {
        return Err(Error::failed("Ingen kommando", "No command"));
    };
    let cannot = |error: std::io::Error| {
        Error::failed(
            format!("Kunne ikke kjøre {program}: {error}"),
            format!("Could not run {program}: {error}"),
        )
    };
    let mut child = Command::new(program)
        .args(args)
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(cannot)?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(input.as_bytes()).await.map_err(cannot)?;
    }
    let output = child.wait_with_output().await.map_err(cannot)?;
    let mut words = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    words.push_str(String::from_utf8_lossy(&output.stderr).trim());
    Ok(Output {
        code: output.status.code().unwrap_or(-1),
        words,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(start: Start) -> Server {
        Server {
            via: Via::Local { prefix: vec![] },
            start,
        }
    }

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_server_that_does_not_run_is_stopped_already() {
        let folder = tempfile::tempdir().unwrap();
        let server = local(Start::Command(vec!["true".into()]));
        server.stop(folder.path().to_str().unwrap(), SOON).await.unwrap();
    }

    #[tokio::test]
    async fn a_stale_number_of_another_process_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .current_dir("/")
            .spawn()
            .unwrap();
        std::fs::write(folder.path().join("postmaster.pid"), format!("{}\n", other.id())).unwrap();
        let server = local(Start::Command(vec!["true".into()]));
        server.stop(folder.path().to_str().unwrap(), SOON).await.unwrap();
        assert_eq!(other.try_wait().unwrap(), None, "it still runs");
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[tokio::test]
    async fn what_ran_can_be_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let file = folder.path().join("postgresql.conf");
        let files = [file.to_str().unwrap().to_owned()];
        let server = local(Start::Command(vec!["true".into()]));
        let put_back = async || server.put_back(Copy::Good, data, &files, SOON).await;
        std::fs::write(&file, "port = 1").unwrap();
        assert!(put_back().await.is_err(), "nothing was kept yet");
        server.keep(Copy::Good, data, &files, SOON).await.unwrap();
        assert!(put_back().await.is_err(), "it is the one that is there");
        std::fs::write(&file, "prot = 2").unwrap();
        put_back().await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "port = 1");
        let failed = folder.path().join("postgresql.conf.varde-failed");
        assert_eq!(std::fs::read_to_string(failed).unwrap(), "prot = 2");
    }

    #[tokio::test]
    async fn a_file_that_came_later_is_moved_aside_and_files_of_one_name_are_kept_apart() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir_all(path("a")).unwrap();
        std::fs::create_dir_all(path("b")).unwrap();
        let files = [path("a/x.conf"), path("b/x.conf"), path("b/later.conf")];
        std::fs::write(&files[0], "a").unwrap();
        std::fs::write(&files[1], "b").unwrap();
        let server = local(Start::Command(vec!["true".into()]));
        server.keep(Copy::Started, data, &files, SOON).await.unwrap();
        std::fs::write(&files[1], "bad").unwrap();
        std::fs::write(&files[2], "new").unwrap();
        server.put_back(Copy::Started, data, &files, SOON).await.unwrap();
        let read = |path: &str| std::fs::read_to_string(path).ok();
        assert_eq!(read(&files[0]).as_deref(), Some("a"));
        assert_eq!(read(&files[1]).as_deref(), Some("b"));
        assert_eq!(read(&files[2]), None);
        assert_eq!(read(&path("b/later.conf.varde-failed")).as_deref(), Some("new"));
    }

    #[tokio::test]
    async fn what_does_not_end_is_late_not_failed() {
        let server = local(Start::Command(vec![]));
        let what = Text::same("x");
        let late = server
            .script(&what, "sleep 60", &[], Duration::from_millis(50))
            .await;
        assert!(matches!(late, Err(Error::Late(_))), "{late:?}");
    }

    #[test]
    fn words_reach_the_other_end_of_ssh_as_they_are() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
        let words = ssh("db@host", "/k", "/h", &["/data dir"]);
        assert_eq!(words.last().map(String::as_str), Some("'/data dir'"));
    }
}

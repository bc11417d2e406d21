//! The gate of a PostgreSQL database: a PgBouncer of its own, driven through its admin console.
//!
//! What is particular about PAUSE: it has no bound of its own and blocks every client while it waits. The one for all
//! data bases at once (a gate has no other) is taken back when the connection that waits for it ends, so a bounded
//! pause is one that drops its connection; a RESUME on another connection would leave it hanging.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::config::SslMode;
use varde_bus::Text;

use crate::Error;
use crate::postgres::{Session, words};
use crate::usage::{Class, Use};

/// Where the admin console of a gate is. Admission is by the Unix account of the caller.
#[derive(Clone, Debug)]
pub struct Gate {
    /// The folder of its Unix socket.
    pub socket: PathBuf,
    pub port: u16,
    /// The account that PgBouncer knows as `admin_users`.
    pub user: String,
}

/// A session that takes longer to answer is not waited for; another one is opened.
const OVER: Duration = Duration::from_secs(1);

/// What the admin console answered: a row is `(column, value)`.
type Row = Vec<(String, String)>;
type Rows = Vec<Row>;

impl Gate {
    pub(crate) async fn admin(&self, within: Duration) -> Result<Session, Error> {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(&self.socket)
            .port(self.port)
            .user(&self.user)
            .dbname("pgbouncer")
            .ssl_mode(SslMode::Disable);
        Session::open(&config, within)
            .await
            .map_err(|error| self.cannot(&error.text().clone()))
    }

    fn cannot(&self, cause: &Text) -> Error {
        let socket = self.socket.display();
        Error::failed(
            format!(
                "Porten på {socket} svarer ikke: {}. Se i loggen til varde-gate",
                cause.nb
            ),
            format!(
                "The gate at {socket} does not answer: {}. See the log of varde-gate",
                cause.en
            ),
        )
    }

    async fn ask(&self, command: &str, within: Duration) -> Result<Rows, Error> {
        let what = Text::same(command);
        let late = || Error::late(&what, millis(within));
        let ask = async {
            let session = self.admin(within).await?;
            session.command(command).await
        };
        timeout(within, ask).await.map_err(|_| late())?
    }

    /// Holds clients once no transaction runs, or takes it back when `within` has passed. The session is the one that
    /// paused; the pause outlives it.
    pub async fn pause(&self, within: Duration) -> Result<Session, Error> {
        let session = self.admin(within).await?;
        match timeout(within, session.command("PAUSE")).await {
            Ok(answer) => answer.map(|_| session),
            // Dropping the session takes the pause back.
            Err(_) => Err(Error::late(&Text::same("PAUSE"), millis(within))),
        }
    }

    /// Lets clients go on; keeps trying, because a gate that has just died comes back, and then holds nobody. A session
    /// that is open already, such as the one that paused, saves the time to log in.
    pub async fn resume(&self, over: Option<Session>, within: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        if let Some(session) = over
            && let Ok(Ok(_)) = timeout(within.min(OVER), session.command("RESUME")).await
        {
            return Ok(());
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.ask("RESUME", left.min(Duration::from_secs(2))).await {
                Ok(_) => return Ok(()),
                Err(error) if error.text().en.contains("not paused") => return Ok(()),
                Err(error) if left.is_zero() => return Err(error),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Whether it holds clients now.
    pub async fn is_paused(&self, within: Duration) -> Result<bool, Error> {
        let rows = self.ask("SHOW STATE", within).await?;
        Ok(rows
            .iter()
            .any(|row| value(row, "key") == Some("paused") && value(row, "value") == Some("yes")))
    }

    /// How long each waiting client has waited, in milliseconds.
    pub async fn waits(&self, over: &Session) -> Result<Vec<u64>, Error> {
        let rows = over.command("SHOW CLIENTS").await?;
        let number = |row: &Row, column| value(row, column).and_then(|n| n.parse::<u64>().ok());
        Ok(rows
            .iter()
            .filter(|row| value(row, "state") == Some("waiting"))
            .map(|row| number(row, "wait").unwrap_or(0) * 1000 + number(row, "wait_us").unwrap_or(0) / 1000)
            .collect())
    }

    /// The backends of the gate's own connections to the server.
    pub async fn backends(&self, within: Duration) -> Result<HashSet<i32>, Error> {
        let rows = self.ask("SHOW SERVERS", within).await?;
        Ok(rows
            .iter()
            .filter_map(|row| value(row, "remote_pid")?.parse().ok())
            .collect())
    }

    /// Clients in session mode that have a server: a pause waits until they leave.
    pub async fn session_clients(&self, within: Duration) -> Result<Vec<Use>, Error> {
        let pools = self.ask("SHOW POOLS", within).await?;
        let in_session = |row: &&Row| {
            value(row, "pool_mode") == Some("session") && value(row, "database") != Some("pgbouncer")
        };
        if !pools
            .iter()
            .any(|pool| in_session(&pool) && value(pool, "cl_active") != Some("0"))
        {
            return Ok(Vec::new());
        }
        let clients = self.ask("SHOW CLIENTS", within).await?;
        let servers = self.ask("SHOW SERVERS", within).await?;
        let pid = |client: &Row| {
            let link = value(client, "link")?;
            let server = servers.iter().find(|server| value(server, "ptr") == Some(link))?;
            value(server, "remote_pid")?.parse().ok()
        };
        let pool_is_in_session = |client: &&Row| {
            pools.iter().filter(in_session).any(|pool| {
                value(pool, "database") == value(client, "database")
                    && value(pool, "user") == value(client, "user")
            })
        };
        Ok(clients
            .iter()
            .filter(|client| value(client, "state") == Some("active"))
            .filter(pool_is_in_session)
            .map(|client| {
                let of = |column| value(client, column).unwrap_or("?");
                Use {
                    class: Class::Session,
                    whose: format!("{}@{} ({})", of("user"), of("addr"), of("application_name")),
                    since: local_time(of("connect_time")),
                    doing: "client in session mode".to_owned(),
                    pid: pid(client).unwrap_or(0),
                }
            })
            .collect())
    }

    /// Transactions that have gone through since it started.
    pub async fn transactions(&self, within: Duration) -> Result<u64, Error> {
        let rows = self.ask("SHOW STATS_TOTALS", within).await?;
        Ok(rows
            .iter()
            .filter(|row| value(row, "database") != Some("pgbouncer"))
            .filter_map(|row| value(row, "xact_count")?.parse::<u64>().ok())
            .sum())
    }
}

/// `2026-11-22 03:30:00 CET`, in the time of this machine; 0 where it is not.
fn local_time(text: &str) -> i64 {
    let Some((civil, _zone)) = text.rsplit_once(' ') else {
        return 0;
    };
    let zoned = civil
        .parse::<jiff::civil::DateTime>()
        .and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::system()));
    zoned.map_or(0, |zoned| zoned.timestamp().as_millisecond())
}

fn value<'a>(row: &'a [(String, String)], column: &str) -> Option<&'a str> {
    row.iter()
        .find(|(name, _)| name == column)
        .map(|(_, value)| value.as_str())
}

impl Session {
    /// A command in the simple protocol, the only one that the admin console speaks.
    pub(crate) async fn command(&self, command: &str) -> Result<Rows, Error> {
        let answer = self.client.simple_query(command).await.map_err(|error| {
            let cause = words(&error);
            Error::failed(format!("{command}: {cause}"), format!("{command}: {cause}"))
        })?;
        Ok(answer
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
            .map(|row| {
                row.columns()
                    .iter()
                    .enumerate()
                    .map(|(place, column)| {
                        (column.name().to_owned(), row.get(place).unwrap_or("").to_owned())
                    })
                    .collect()
            })
            .collect())
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Sees to it that a gate that dies while the server is down holds its clients again when it is back.
#[derive(Debug)]
pub struct Keeper {
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Option<Session>>,
}

impl Keeper {
    /// Watches the gate that was paused over `session`.
    pub fn watch(gate: Gate, session: Session) -> Self {
        const EVERY: Duration = Duration::from_millis(20);
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut session = Some(session);
            loop {
                let open = session.as_ref().is_some_and(|session| !session.is_closed());
                let looked = async {
                    if !open {
                        // It died, and its successor holds nobody yet; one that is not back yet is tried again.
                        if let Ok(next) = gate.pause(Duration::from_secs(1)).await {
                            return Some(next);
                        }
                    }
                    sleep(EVERY).await;
                    None
                };
                tokio::select! {
                    _ = &mut stopped => return session,
                    next = looked => session = next.or(session),
                }
            }
        });
        Self { stop, task }
    }

    /// Ends the watch, and gives the session that paused, if there is one. When this returns, nothing pauses the gate any
    /// more.
    pub async fn stop(self) -> Option<Session> {
        let _ = self.stop.send(());
        let session = self.task.await.ok().flatten()?;
        (!session.is_closed()).then_some(session)
    }
}

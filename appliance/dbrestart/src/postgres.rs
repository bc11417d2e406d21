//! A PostgreSQL server as its clients see it: what is in use, whether it is fit to restart, whether it answers.

use std::collections::HashSet;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;
use varde_bus::Text;

use crate::Error;
use crate::gate::millis;
use crate::reason::of_age;
use crate::tls;
use crate::usage::{APPLICATION, Class, PROBES, Use, without_values};

/// A connection that ends when this is dropped.
#[derive(Debug)]
pub struct Session {
    pub(crate) client: Client,
    connection: JoinHandle<()>,
}

impl Session {
    pub async fn open(config: &tokio_postgres::Config, within: Duration) -> Result<Self, Error> {
        let connect = config.connect(tls::connect());
        let (client, connection) = match timeout(within, connect).await {
            Ok(Ok(pair)) => pair,
            Ok(Err(error)) => return Err(refused(&error)),
            Err(_) => {
                let what = Text::new("innlogging i databasen", "logging in to the database");
                return Err(Error::late(&what, millis(within)));
            }
        };
        let connection = tokio::spawn(async move {
            // How it ends is told to whoever asks the client.
            let _ = connection.await;
        });
        Ok(Self { client, connection })
    }

    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // At once: a PAUSE that waits is taken back by the end of its connection, not by the end of its patience.
        self.connection.abort();
    }
}

/// What an error says, without the library's own preamble.
pub(crate) fn words(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return db.message().to_owned();
    }
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

/// Whether the server said it, or nobody did. Class 28 is what SQL has for logins that are refused.
fn refused(error: &tokio_postgres::Error) -> Error {
    let cause = words(error);
    match error.code() {
        Some(code) if code.code().starts_with("28") => Error::Refused(Text::new(
            format!("{cause}. Se på passordet med «varde db credential», og på pg_hba.conf"),
            format!("{cause}. Look at the password with «varde db credential», and at pg_hba.conf"),
        )),
        Some(_) => Error::Refused(Text::same(cause)),
        None => Error::Failed(Text::same(cause)),
    }
}

/// How to log in, and how.
#[derive(Clone, Debug)]
pub struct Postgres {
    pub config: tokio_postgres::Config,
}

/// What a look before the run found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitness {
    /// Why a restart would do good.
    pub reasons: Vec<Text>,
    /// Where the server keeps its data.
    pub data: String,
    /// The configuration files that it reads.
    pub files: Vec<String>,
    /// Nothing in those files waits for a restart, so what runs is what they say.
    pub settled: bool,
    /// As [`Postgres::began`] has it.
    pub began: String,
}

/// More idle sessions than this many hundredths of `max_connections` is a reason.
const BLOATED: i64 = 80;
/// How long a server may take to let us in or to answer one question, where nobody is held meanwhile: one on a blade
/// that is out of breath takes seconds.
pub const ANSWER: Duration = Duration::from_secs(15);
const WRITE_PROBE: &str = "SELECT varde.probe()";

impl Postgres {
    pub fn new(mut config: tokio_postgres::Config) -> Self {
        config.application_name(APPLICATION).connect_timeout(ANSWER);
        Self { config }
    }

    async fn session(&self, within: Duration) -> Result<Session, Error> {
        Session::open(&self.config, within).await
    }

    /// What is in use: transactions older than `bound` milliseconds and all else that stands in the way. `gate` are
    /// the backends of the gate's own connections; other sessions go round it.
    pub async fn look(&self, session: &Session, bound: u64, gate: &HashSet<i32>) -> Result<Vec<Use>, Error> {
        let bound = f64::from(u32::try_from(bound).unwrap_or(u32::MAX));
        let client = &session.client;
        let version = self.version(session).await?;
        let mut found: Vec<Use> = Vec::new();
        for probe in PROBES
            .iter()
            .filter(|probe| version >= probe.since_version * 10_000)
        {
            let rows = client.query(&probe.sql(), &[&bound]).await.map_err(|error| {
                let cause = words(&error);
                let class = probe.class.title();
                Error::failed(
                    format!("Kunne ikke se etter {}: {cause}", class.nb),
                    format!("Could not look for {}: {cause}", class.en),
                )
            })?;
            for row in rows {
                found.push(Use {
                    class: probe.class,
                    whose: row.get(0),
                    since: whole(row.get(1)),
                    doing: without_values(row.get(2)),
                    pid: row.get(3),
                });
            }
        }
        let rows = client
            .query(
                "SELECT a.pid, coalesce(a.usename, '?') || '@' || coalesce(host(a.client_addr), 'local') \
                 || CASE WHEN a.application_name = '' THEN '' ELSE ' (' || a.application_name || ')' END, \
                 extract(epoch FROM a.backend_start)::float8 * 1000, coalesce(a.state, '') \
                 FROM pg_stat_activity a WHERE a.backend_type = 'client backend' AND a.application_name <> $1",
                &[&APPLICATION],
            )
            .await
            .map_err(|error| Error::Failed(Text::same(words(&error))))?;
        for row in rows {
            let pid: i32 = row.get(0);
            if !gate.contains(&pid) && !found.iter().any(|known| known.pid == pid) {
                found.push(Use {
                    class: Class::Direct,
                    whose: row.get(1),
                    since: whole(row.get(2)),
                    doing: row.get(3),
                    pid,
                });
            }
        }
        Ok(found)
    }

    async fn version(&self, session: &Session) -> Result<i32, Error> {
        session
            .client
            .query_one("SELECT current_setting('server_version_num')::int4", &[])
            .await
            .map(|row| row.get(0))
            .map_err(|error| Error::Failed(Text::same(words(&error))))
    }

    pub async fn open(&self) -> Result<Session, Error> {
        self.session(ANSWER).await.map_err(|error| {
            let cause = error.text();
            if matches!(error, Error::Refused(_)) {
                return Error::Refused(Text::new(
                    format!("Databasen slapp ikke inn kontoen varde: {}", cause.nb),
                    format!("The database did not let the account varde in: {}", cause.en),
                ));
            }
            Error::failed(
                format!(
                    "Databasen svarer ikke: {}. Se om tjeneren går og om nettet dit er oppe",
                    cause.nb
                ),
                format!(
                    "The database does not answer: {}. See whether the server runs and the network to it is up",
                    cause.en
                ),
            )
        })
    }

    /// When the server that answers began, on its own clock: another one for another server.
    pub async fn began(&self) -> Result<String, Error> {
        let session = self.open().await?;
        let ask = session
            .client
            .query_one("SELECT pg_postmaster_start_time()::text", &[]);
        match timeout(ANSWER, ask).await {
            Ok(row) => row
                .map(|row| row.get(0))
                .map_err(|error| Error::Failed(Text::same(words(&error)))),
            Err(_) => Err(Error::late(
                &Text::same("pg_postmaster_start_time()"),
                millis(ANSWER),
            )),
        }
    }

    pub async fn checkpoint(&self, within: Duration) -> Result<(), Error> {
        let session = self.open().await?;
        match timeout(within, session.client.batch_execute("CHECKPOINT")).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::Failed(Text::same(format!(
                "CHECKPOINT: {}",
                words(&error)
            )))),
            Err(_) => Err(Error::late(&Text::same("CHECKPOINT"), millis(within))),
        }
    }

    /// Ends the sessions of these uses.
    pub async fn cut(&self, uses: &[Use]) -> Result<(), Error> {
        let session = self.open().await?;
        for found in uses {
            session
                .client
                .execute("SELECT pg_terminate_backend($1)", &[&found.pid])
                .await
                .map_err(|error| Error::Failed(Text::same(words(&error))))?;
        }
        Ok(())
    }

    /// Whether the server may be restarted, and why it should be.
    pub async fn fitness(&self) -> Result<Fitness, Error> {
        let session = self.open().await?;
        let ask = |sql: &'static str| {
            let client = &session.client;
            async move {
                client
                    .query(sql, &[])
                    .await
                    .map_err(|error| Error::Failed(Text::same(format!("{sql}: {}", words(&error)))))
            }
        };
        let faults = ask(
            "SELECT sourcefile || ':' || sourceline || ': ' || coalesce(name, '') || ': ' || error \
             FROM pg_file_settings WHERE error IS NOT NULL AND error <> 'setting could not be applied' \
             UNION ALL \
             SELECT 'pg_hba.conf:' || line_number || ': ' || error FROM pg_hba_file_rules WHERE error IS NOT NULL",
        )
        .await?;
        if let Some(row) = faults.first() {
            let fault: &str = row.get(0);
            return Err(Error::failed(
                format!("Tjeneren ville ikke starte med konfigurasjonen sin: {fault}"),
                format!("The server would not start with its configuration: {fault}"),
            ));
        }
        let mut reasons = Vec::new();
        let pending = ask("SELECT name FROM pg_settings WHERE pending_restart ORDER BY name").await?;
        let names: Vec<&str> = pending.iter().map(|row| row.get(0)).collect();
        if !names.is_empty() {
            let names = names.join(", ");
            reasons.push(Text::new(
                format!("Endret konfigurasjon venter på omstart: {names}"),
                format!("Changed configuration waits for a restart: {names}"),
            ));
        }
        let state = ask(
            "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::int8, \
             (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') * 100 \
             / current_setting('max_connections')::int8, current_setting('data_directory'), \
             current_setting('config_file'), current_setting('hba_file'), pg_postmaster_start_time()::text, \
             ARRAY(SELECT DISTINCT sourcefile FROM pg_file_settings WHERE sourcefile IS NOT NULL)",
        )
        .await?;
        let Some(state) = state.first() else {
            return Err(Error::failed("Tjeneren svarte ikke", "The server gave no answer"));
        };
        let (age, full): (i64, i64) = (state.get(0), state.get(1));
        reasons.extend(of_age(age));
        if full > BLOATED {
            reasons.push(Text::new(
                format!("{full} % av tilkoblingene er i bruk"),
                format!("{full} % of the connections are taken"),
            ));
        }
        let data: String = state.get(2);
        let mut files = vec![
            state.get::<_, String>(3),
            format!("{data}/postgresql.auto.conf"),
            state.get::<_, String>(4),
        ];
        // And what they include.
        files.extend(state.get::<_, Vec<String>>(6));
        files.sort();
        files.dedup();
        Ok(Fitness {
            reasons,
            data,
            files,
            settled: names.is_empty(),
            began: state.get(5),
        })
    }

    /// Until a login, a read and a write work. What the server said to the last is told as its refusal.
    pub async fn probe(&self, within: Duration) -> Result<(), Error> {
        const EVERY: Duration = Duration::from_millis(2);
        let deadline = Instant::now() + within;
        let mut last = Error::failed("intet svar", "no answer");
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let attempt = async {
                let session = self.session(left).await?;
                let write = session.client.batch_execute(WRITE_PROBE);
                write.await.map_err(|error| refused(&error))
            };
            match timeout(left, attempt).await {
                Ok(Ok(())) => return Ok(()),
                // Who ran out of time has no news.
                Err(_) | Ok(Err(Error::Late(_))) => {}
                Ok(Err(error)) => last = error,
            }
            if Instant::now() >= deadline {
                return Err(no_answer(&last, within));
            }
            sleep(EVERY).await;
        }
    }
}

fn no_answer(last: &Error, within: Duration) -> Error {
    let (within, cause) = (millis(within), last.text());
    let text = Text::new(
        format!("Databasen kunne ikke brukes innen {within} ms: {}", cause.nb),
        format!("The database could not be used within {within} ms: {}", cause.en),
    );
    match last {
        Error::Refused(_) => Error::Refused(text),
        _ => Error::Late(text),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 are far from the end of an i64"
)]
fn whole(millis: f64) -> i64 {
    millis as i64
}

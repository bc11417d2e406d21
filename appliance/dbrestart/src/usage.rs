//! What is in use: the work and the sessions that a restart would break, and the queries that find them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use varde_bus::Text;

/// Sessions of our own say this of themselves, and are left out everywhere.
pub const APPLICATION: &str = "varde-dbrestart";

/// A kind of use that stands in the way of a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A transaction older than the site's bound, running or idle.
    Transaction,
    /// A prepared transaction (two-phase commit) that nobody has ended.
    Prepared,
    /// A base backup or a dump.
    Backup,
    /// An index being built.
    Index,
    /// VACUUM, CLUSTER, COPY and the like, started by somebody; autovacuum gives way by itself.
    Maintenance,
    /// A logical sender that has not caught up.
    Logical,
    /// A standby that is missing or has not caught up.
    Standby,
    /// State that lives in a session: temporary tables, LISTEN, advisory locks, a client in session mode.
    Session,
    /// A session that goes round the gate, so that the gate cannot hold it.
    Direct,
    /// A request that waits for its answer, where that is all that can be seen.
    Request,
}

impl Class {
    pub const ALL: [Self; 10] = [
        Self::Transaction,
        Self::Prepared,
        Self::Backup,
        Self::Index,
        Self::Maintenance,
        Self::Logical,
        Self::Standby,
        Self::Session,
        Self::Direct,
        Self::Request,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Prepared => "prepared",
            Self::Backup => "backup",
            Self::Index => "index",
            Self::Maintenance => "maintenance",
            Self::Logical => "logical",
            Self::Standby => "standby",
            Self::Session => "session",
            Self::Direct => "direct",
            Self::Request => "request",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    pub fn title(self) -> Text {
        let (nb, en) = match self {
            Self::Transaction => ("transaksjon", "transaction"),
            Self::Prepared => ("forberedt transaksjon", "prepared transaction"),
            Self::Backup => ("sikkerhetskopi", "backup"),
            Self::Index => ("indeksbygging", "index build"),
            Self::Maintenance => ("vedlikehold", "maintenance"),
            Self::Logical => ("logisk replikering", "logical replication"),
            Self::Standby => ("standby-server", "standby"),
            Self::Session => ("økt med egen tilstand", "session with state of its own"),
            Self::Direct => ("økt utenom porten", "session past the gate"),
            Self::Request => ("forespørsel uten svar", "request without its answer"),
        };
        Text::new(nb, en)
    }

    /// Whether ending the session's backend ends the use: what has no backend of its own can only be waited for.
    pub fn can_be_cut(self) -> bool {
        !matches!(self, Self::Prepared | Self::Standby)
    }
}

/// One thing in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    pub class: Class,
    /// Whose it is: account, address, program.
    pub whose: String,
    /// Milliseconds since 1970, UTC, by the database's clock.
    pub since: i64,
    /// What it is doing, without the values in it.
    pub doing: String,
    /// Its backend; 0 where it has none.
    pub pid: i32,
}

/// A query that finds one class of use. Each row is whose it is, since when, what it is doing, and its backend; `$1`
/// is the site's bound on the age of a transaction, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    pub class: Class,
    /// The first major version that has what it reads.
    pub since_version: i32,
    /// Expressions of SQL.
    pub whose: &'static str,
    pub since: &'static str,
    pub doing: &'static str,
    pub pid: &'static str,
    /// Tables and conditions.
    pub from: &'static str,
}

/// Who a session is, of a row `a` of `pg_stat_activity`.
const SESSION: &str = "coalesce(a.usename, '?') || '@' || coalesce(host(a.client_addr), 'local') \
     || CASE WHEN a.application_name = '' THEN '' ELSE ' (' || a.application_name || ')' END";

/// A probe whose every row is a session `a`.
const fn session(
    class: Class,
    since_version: i32,
    since: &'static str,
    doing: &'static str,
    from: &'static str,
) -> Probe {
    Probe {
        class,
        since_version,
        whose: SESSION,
        since,
        doing,
        pid: "a.pid",
        from,
    }
}

pub const PROBES: [Probe; 14] = [
    session(
        Class::Transaction,
        10,
        "a.xact_start",
        "a.state || ': ' || left(a.query, 300)",
        "pg_stat_activity a WHERE a.backend_type = 'client backend' AND a.application_name <> 'varde-dbrestart' \
         AND a.xact_start < clock_timestamp() - $1::float8 * interval '1 millisecond'",
    ),
    Probe {
        class: Class::Prepared,
        since_version: 10,
        whose: "p.owner::text",
        since: "p.prepared",
        doing: "'PREPARE TRANSACTION ' || p.gid",
        pid: "0",
        from: "pg_prepared_xacts p WHERE $1::float8 >= 0",
    },
    session(
        Class::Backup,
        13,
        "a.backend_start",
        "'base backup: ' || b.phase",
        "pg_stat_progress_basebackup b JOIN pg_stat_activity a USING (pid) WHERE $1::float8 >= 0",
    ),
    session(
        Class::Backup,
        10,
        "a.backend_start",
        "'dump'",
        "pg_stat_activity a WHERE a.application_name IN ('pg_dump', 'pg_dumpall') AND $1::float8 >= 0",
    ),
    session(
        Class::Index,
        12,
        "a.query_start",
        "i.command || ' on ' || i.relid::regclass || ': ' || i.phase",
        "pg_stat_progress_create_index i JOIN pg_stat_activity a USING (pid) WHERE $1::float8 >= 0",
    ),
    session(
        Class::Maintenance,
        10,
        "a.query_start",
        "'VACUUM ' || v.relid::regclass || ': ' || v.phase",
        "pg_stat_progress_vacuum v JOIN pg_stat_activity a USING (pid) \
         WHERE a.backend_type = 'client backend' AND $1::float8 >= 0",
    ),
    session(
        Class::Maintenance,
        12,
        "a.query_start",
        "c.command || ' ' || c.relid::regclass || ': ' || c.phase",
        "pg_stat_progress_cluster c JOIN pg_stat_activity a USING (pid) WHERE $1::float8 >= 0",
    ),
    session(
        Class::Maintenance,
        14,
        "a.query_start",
        "c.command || ' ' || c.relid::regclass",
        "pg_stat_progress_copy c JOIN pg_stat_activity a USING (pid) \
         WHERE a.application_name NOT IN ('pg_dump', 'pg_dumpall') AND $1::float8 >= 0",
    ),
    // What a fast stop would have to send before it can end: 1 MiB takes no time, a first copy of tables does.
    session(
        Class::Logical,
        10,
        "r.backend_start",
        "'slot ' || s.slot_name || ': ' || r.state",
        "pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid \
         JOIN pg_stat_activity a ON a.pid = r.pid WHERE s.slot_type = 'logical' AND $1::float8 >= 0 \
         AND (r.state <> 'streaming' OR pg_current_wal_lsn() - r.sent_lsn > 1048576)",
    ),
    Probe {
        class: Class::Standby,
        since_version: 10,
        whose: "'standby ' || r.application_name",
        since: "r.backend_start",
        doing: "r.state || ', ' || coalesce(pg_size_pretty(pg_current_wal_lsn() - r.replay_lsn), '?') || ' behind'",
        pid: "0",
        from: "pg_stat_replication r WHERE $1::float8 >= 0 AND r.state <> 'backup' \
             AND NOT EXISTS (SELECT FROM pg_replication_slots s \
                             WHERE s.active_pid = r.pid AND s.slot_type = 'logical') \
             AND (r.state <> 'streaming' OR pg_current_wal_lsn() - r.replay_lsn > 16777216)",
    },
    Probe {
        class: Class::Standby,
        since_version: 10,
        whose: "'standby'",
        since: "NULL::timestamptz",
        doing: "'nobody on slot ' || s.slot_name",
        pid: "0",
        from: "pg_replication_slots s WHERE s.slot_type = 'physical' AND NOT s.active AND $1::float8 >= 0",
    },
    session(
        Class::Session,
        10,
        "a.backend_start",
        "'advisory lock'",
        "pg_stat_activity a WHERE $1::float8 >= 0 AND a.xact_start IS NULL \
         AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted)",
    ),
    // PostgreSQL shows nobody else's channels; the last thing that the session said is all there is to see.
    session(
        Class::Session,
        10,
        "a.state_change",
        "left(a.query, 300)",
        "pg_stat_activity a WHERE $1::float8 >= 0 AND a.backend_type = 'client backend' AND a.query ~* '^\\s*listen\\s'",
    ),
    // A temporary schema bears the number of its backend, from version 17 on the same one as the function's.
    session(
        Class::Session,
        17,
        "a.backend_start",
        "'temporary table ' || c.relname",
        "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname ~ '^pg_temp_[0-9]+$' \
         JOIN pg_stat_get_backend_idset() b(id) ON n.nspname = 'pg_temp_' || b.id \
         JOIN pg_stat_activity a ON a.pid = pg_stat_get_backend_pid(b.id) \
         WHERE c.relkind = 'r' AND $1::float8 >= 0",
    ),
];

impl Probe {
    pub fn sql(&self) -> String {
        format!(
            "SELECT {}, coalesce(extract(epoch FROM {})::float8 * 1000, 0), {}, {}::int4 FROM {}",
            self.whose, self.since, self.doing, self.pid, self.from
        )
    }
}

/// A statement without the values in it, on one line: what a session does is the operator's business, whose data it
/// does it to is not.
pub fn without_values(statement: &str) -> String {
    let mut kept = String::new();
    let mut rest = statement.chars().peekable();
    while let Some(character) = rest.next() {
        let in_word = kept
            .chars()
            .last()
            .is_some_and(|last| last.is_alphanumeric() || last == '_' || last == '$');
        match character {
            '\'' => {
                kept.push('…');
                while let Some(inner) = rest.next() {
                    if inner == '\'' && rest.next_if_eq(&'\'').is_none() {
                        break;
                    }
                }
            }
            digit if digit.is_ascii_digit() && !in_word => {
                kept.push('…');
                while rest
                    .next_if(|next| next.is_ascii_digit() || *next == '.')
                    .is_some()
                {}
            }
            space if space.is_whitespace() || space.is_control() => {
                if !kept.ends_with(' ') {
                    kept.push(' ');
                }
            }
            other => kept.push(other),
        }
    }
    kept.trim().to_owned()
}

/// What stands in the way, and what the site allows to be cut by now: `(blocking, to_cut)`. Nothing is cut while
/// something else blocks, because cutting it would win nothing.
pub fn judge<'a>(
    uses: &'a [Use],
    may_cut: &BTreeMap<Class, u64>,
    waited: u64,
) -> (Vec<&'a Use>, Vec<&'a Use>) {
    let (cut, blocking): (Vec<_>, Vec<_>) = uses.iter().partition(|found| {
        found.class.can_be_cut()
            && found.pid != 0
            && may_cut.get(&found.class).is_some_and(|bound| waited >= *bound)
    });
    if blocking.is_empty() {
        (blocking, cut)
    } else {
        (uses.iter().collect(), Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn used(class: Class, pid: i32) -> Use {
        Use {
            class,
            whose: "lonn@10.20.0.7".into(),
            since: 0,
            doing: String::new(),
            pid,
        }
    }

    #[test]
    fn values_do_not_leave_a_statement() {
        assert_eq!(
            without_values(
                "UPDATE person2 SET navn = 'O''Neil',\n alder=42 WHERE fnr = '01017012345' AND x = $1"
            ),
            "UPDATE person2 SET navn = …, alder=… WHERE fnr = … AND x = $1"
        );
        assert_eq!(without_values("SELECT 'unfinished 123"), "SELECT …");
    }

    #[test]
    fn nothing_is_cut_before_its_bound_or_without_the_sites_leave() {
        let uses = [used(Class::Session, 7)];
        let may_cut = BTreeMap::from([(Class::Session, 1000)]);
        assert_eq!(judge(&uses, &may_cut, 999).0.len(), 1);
        let (blocking, cut) = judge(&uses, &may_cut, 1000);
        assert_eq!((blocking.len(), cut.len()), (0, 1));
        assert_eq!(judge(&uses, &BTreeMap::new(), u64::MAX).1.len(), 0);
    }

    #[test]
    fn nothing_is_cut_while_something_else_blocks() {
        let uses = [used(Class::Session, 7), used(Class::Prepared, 0)];
        let may_cut = BTreeMap::from([(Class::Session, 0), (Class::Prepared, 0)]);
        let (blocking, cut) = judge(&uses, &may_cut, 10_000);
        assert_eq!((blocking.len(), cut.len()), (2, 0));
    }

    #[test]
    fn every_class_is_found_by_its_name() {
        for class in Class::ALL {
            assert_eq!(Class::from_name(class.name()), Some(class));
        }
    }

    proptest! {
        #[test]
        fn no_digit_outside_a_word_survives(statement in "[a-z]{1,5} = [0-9]{3,11}( AND [a-z]{1,3} = '[^']{0,9}')?") {
            let kept = without_values(&statement);
            prop_assert!(!kept.contains(|c: char| c.is_ascii_digit()), "{kept}");
            prop_assert!(!kept.contains('\''), "{kept}");
        }
    }
}

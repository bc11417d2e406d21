//! The configuration of a gate: what PgBouncer is told.

use std::fmt::Write;

/// What varies between gates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where clients come.
    pub listen: String,
    pub port: u16,
    pub server_host: String,
    pub server_port: u16,
    /// The account that looks up clients' secrets, and the database in which it does.
    pub user: String,
    pub database: String,
    /// The Unix account that may pause.
    pub admin: String,
    /// Where this configuration is.
    pub folder: String,
    /// Where its Unix socket is.
    pub socket: String,
    /// `transaction` or `session`.
    pub pool_mode: String,
    pub pool_size: u32,
    /// Seconds for which clients are held at most.
    pub held_most: u64,
    /// Certificate and key that clients see.
    pub certificate: Option<(String, String)>,
    /// A file for what it has to say; else the journal.
    pub log: Option<String>,
}

impl Config {
    pub fn ini(&self) -> String {
        let mut ini = String::from("; Written by varde-dbrestartd from site.toml.\n[databases]\n");
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(ini, "{key} = {value}");
        };
        line(
            "*",
            &format!("host={} port={}", self.server_host, self.server_port),
        );
        line("\n[pgbouncer]\nlisten_addr", &self.listen);
        line("listen_port", &self.port.to_string());
        line("unix_socket_dir", &self.socket);
        line("unix_socket_mode", "0777");
        line("auth_type", "hba");
        line("auth_hba_file", &format!("{}/pgbouncer.hba", self.folder));
        line("auth_file", &format!("{}/userlist.txt", self.folder));
        line("auth_user", &self.user);
        line("auth_dbname", &self.database);
        line("auth_query", "SELECT usename, passwd FROM varde.secret_of($1)");
        line("admin_users", &self.admin);
        line("pool_mode", &self.pool_mode);
        line("default_pool_size", &self.pool_size.to_string());
        line("max_client_conn", "2000");
        line("max_prepared_statements", "200");
        // Programs set these at each connection; the server's own default does.
        line("ignore_startup_parameters", "extra_float_digits,options");
        line("server_tls_sslmode", "prefer");
        // A server that has just come up is asked again at once, not after 15 s of refusing everybody.
        line("server_login_retry", "1");
        // A connection that the network has lost ends within half a minute, not within the kernel's quarter of an hour.
        line("tcp_keepidle", "10");
        line("tcp_keepintvl", "5");
        line("tcp_keepcnt", "3");
        line("tcp_user_timeout", "30000");
        // Clients are not thrown out while they are held, and wait no longer than that for anything, whoever died.
        let patience = (self.held_most + 2).to_string();
        line("query_wait_timeout", &patience);
        line("cancel_wait_timeout", &patience);
        line("client_login_timeout", &patience);
        line("log_connections", "0");
        line("log_disconnections", "0");
        line("log_stats", "0");
        match &self.certificate {
            Some((certificate, key)) => {
                line("client_tls_sslmode", "require");
                line("client_tls_cert_file", certificate);
                line("client_tls_key_file", key);
                line("client_tls_protocols", "secure");
            }
            None => line("client_tls_sslmode", "disable"),
        }
        if let Some(log) = &self.log {
            line("logfile", log);
        }
        ini
    }
}

/// Who may come from where: the controller by its Unix account, everybody else by SCRAM, over the network with TLS.
pub fn hba(admin: &str, tls: bool) -> String {
    let network = if tls { "hostssl" } else { "host" };
    format!(
        "local pgbouncer {admin} peer\nlocal all all scram-sha-256\n\
         {network} all all 0.0.0.0/0 scram-sha-256\n{network} all all ::0/0 scram-sha-256\n"
    )
}

/// The accounts that PgBouncer has to know by itself: the one that looks up the others, and the controller's, which
/// comes by its Unix account and has no password.
pub fn userlist(user: &str, password: &str, admin: &str) -> String {
    let quoted = |word: &str| word.replace('"', "\"\"");
    format!(
        "\"{}\" \"{}\"\n\"{}\" \"\"\n",
        quoted(user),
        quoted(password),
        quoted(admin)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_password_does_not_end_it() {
        assert_eq!(
            userlist("varde", "a\"b", "x"),
            "\"varde\" \"a\"\"b\"\n\"x\" \"\"\n"
        );
    }

    #[test]
    fn over_the_network_there_is_no_way_in_without_tls() {
        assert!(
            !hba("varde-dbrestart", true)
                .lines()
                .any(|line| line.starts_with("host "))
        );
    }
}

//! `varde-console`: started by login(1) as the login shell of an operator, without arguments.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use varde_bus::caller::Caller;
use varde_console::runner::{self, Session};
use varde_console::state::User;
use varde_console::terminal;

fn main() -> ExitCode {
    // `su -c`, scp and the like ask a login shell to run a command.
    if std::env::args_os().len() > 1 {
        say(
            "this is a console, not a shell: it runs no commands; log in on a terminal, or use `varde` for scripts",
        );
        return ExitCode::FAILURE;
    }
    let me = Caller::this_process();
    let session = Session {
        user: User {
            name: me.name,
            role: me.role,
        },
        term: variable("TERM"),
        locale: ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .map(variable)
            .find(|value| !value.is_empty())
            .unwrap_or_default(),
        directory: std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
    };
    terminal::restore_on_panic();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("could not start the event loop: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(runner::run(session));
    // A question to a service that hangs must not keep the session.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn say(message: &str) {
    // Nobody is left to tell if standard error is gone.
    let _ = writeln!(std::io::stderr(), "varde-console: {message}");
}

//! `varde-console`: started by login(1) as the login shell of an operator, without arguments.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use varde_bus::caller::Caller;
use varde_console::runner::{self, Session};
use varde_console::state::User;
use varde_console::terminal;

/// Made at boot, where everyone may make a folder and nobody may touch another's.
const RECORDINGS: &str = "/run/varde/console";

fn main() -> ExitCode {
    // `su -c`, scp and the like ask a login shell to run a command.
    if std::env::args_os().len() > 1 {
        say(
            "this is a console, not a shell: it runs no commands; log in on a terminal, or use `varde` for scripts",
        );
        return ExitCode::FAILURE;
    }
    let me = Caller::this_process();
    let directory = recording(&me);
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
        directory,
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

/// Where this session may be recorded: a folder of the account's own, one for each line that it is logged in on.
fn recording(me: &Caller) -> Option<PathBuf> {
    let line = std::fs::read_link("/proc/self/fd/0").ok()?;
    let line = line.strip_prefix("/dev").ok()?.to_str()?.replace('/', "-");
    let directory = Path::new(RECORDINGS).join(format!("{}-{line}", me.name));
    match std::fs::DirBuilder::new().mode(0o700).create(&directory) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(_) => return None,
    }
    // Anyone may make folders there; only one that is ours is written to.
    let found = std::fs::symlink_metadata(&directory).ok()?;
    (found.is_dir() && found.uid() == me.uid).then_some(directory)
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn say(message: &str) {
    // Nobody is left to tell if standard error is gone.
    let _ = writeln!(std::io::stderr(), "varde-console: {message}");
}

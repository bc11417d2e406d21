//! The gate of a database of which Varde knows only the address: `varde-relay FILE`, as `varde-dbrestartd` wrote it.

use std::process::ExitCode;

use varde_dbrestart::relay::{Config, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: varde-relay FILE");
        return ExitCode::FAILURE;
    };
    let config: Config = match std::fs::read(&path).map(|bytes| serde_json::from_slice(&bytes)) {
        Ok(Ok(config)) => config,
        Ok(Err(error)) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (listen, server) = (config.listen, config.server);
    let ready = || {
        // Without systemd there is nobody to tell.
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
            eprintln!("cannot tell systemd: {error}");
        }
    };
    match serve::serve(config, ready).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot relay from {listen} to {server}: {error}");
            ExitCode::FAILURE
        }
    }
}

//! Fetches the newest release from the site's source. It faces the network, so it may write its own folder and no more.

use std::path::Path;
use std::process::ExitCode;

use varde_lifecycle::ledger::Folder;
use varde_lifecycle::source::client::{Client, STALL};
use varde_lifecycle::source::fetch::fetch;
use varde_lifecycle::source::{FOLDER, ORDER, Order, STATE, State};
use varde_lifecycle::{Error, Result, Version};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(Ok(version)) => {
            eprintln!("version {version} is fetched");
            ExitCode::SUCCESS
        }
        // Stands in the folder, for whoever asks.
        Ok(Err(refusal)) => {
            eprintln!("varde-download: {refusal}");
            ExitCode::from(TOLD)
        }
        Err(error) => {
            eprintln!("varde-download: {error}");
            ExitCode::from(2)
        }
    }
}

/// The unit does not count this as a failure: what did not come is told in the folder.
const TOLD: u8 = 1;

/// What came of it; the outer error is one that could not be told.
async fn run() -> Result<Result<Version>> {
    let folder = std::env::var("CREDENTIALS_DIRECTORY").unwrap_or_default();
    let path = Path::new(&folder).join(ORDER);
    let io = |tried, path: &Path, cause| Error::Io {
        tried,
        path: path.to_owned(),
        cause,
    };
    let text = std::fs::read(&path).map_err(|error| io("read", &path, error))?;
    let order: Order =
        serde_json::from_slice(&text).map_err(|error| io("understand", &path, error.into()))?;
    let place = Path::new(FOLDER);
    let space = rustix::fs::statvfs(place).map_err(|error| io("look at", place, error.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let client = match Client::new(&order, STALL) {
        Ok(client) => client,
        Err(error) => {
            let state = State {
                refusal: error.text(),
                ..State::default()
            };
            Folder::new(FOLDER).write(STATE, &state)?;
            return Ok(Err(error));
        }
    };
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    fetch(place, &order, &client, now, free).await
}

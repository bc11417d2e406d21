//! `varde-sited`: answers for the generations of the site on the bus. `varde-sited first` makes the first one,
//! `varde-sited back` takes back a trial that a restart of the appliance interrupted.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::timeout;
use varde_bus::record::Recorder;
use varde_bus::site::NAME;
use varde_site::Store;
use varde_sited::first::{self, Candidates};
use varde_sited::service::{Service, now};
use varde_sited::{boot, trial};
use zbus::Connection;

/// Nobody waits longer for this service because the record of changes is slow.
const RECORDING: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve(),
        ["first"] => make_first(),
        ["back"] => take_back(),
        _ => {
            eprintln!("usage: varde-sited [first|back]");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("varde-sited: {error}");
            ExitCode::FAILURE
        }
    }
}

fn store() -> Store {
    Store::open(std::env::var_os("STATE_DIRECTORY").map_or_else(|| PathBuf::from(Store::PATH), PathBuf::from))
}

fn make_first() -> Result<(), Box<dyn Error>> {
    if let Some(number) = first::make(&store(), &Candidates::of_system(), now())? {
        println!("generation {number} is the first one");
    }
    Ok(())
}

fn take_back() -> Result<(), Box<dyn Error>> {
    if let Some(number) = trial::after_boot(&store(), &boot::id()?, now())? {
        println!("a trial was interrupted: generation {number} is active again");
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn serve() -> Result<(), Box<dyn Error>> {
    let connection = Connection::system().await?;
    Service::new(&connection, store())
        .await?
        .serve(&connection)
        .await?;
    // Before the name is taken, so that nothing is recorded ahead of it.
    let recorder = Recorder::new(&connection).await?;
    match timeout(RECORDING, first::record(&store(), &recorder)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => eprintln!("could not record the first generation: {error}"),
        Err(_) => eprintln!("the first generation is not recorded yet: no answer"),
    }
    connection.request_name(NAME).await?;
    connection.closed().await;
    Err("the bus has closed the connection".into())
}

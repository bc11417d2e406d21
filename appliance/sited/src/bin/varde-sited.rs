//! `varde-sited`: answers for the generations of the site on the bus. `varde-sited first` makes the first one.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use varde_bus::site::NAME;
use varde_site::Store;
use varde_sited::first::{self, Candidates};
use varde_sited::service::{Service, now};
use zbus::Connection;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve(),
        ["first"] => make_first(),
        _ => {
            eprintln!("usage: varde-sited [first]");
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

#[tokio::main(flavor = "current_thread")]
async fn serve() -> Result<(), Box<dyn Error>> {
    let connection = Connection::system().await?;
    Service::new(&connection, store())
        .await?
        .serve(&connection)
        .await?;
    connection.request_name(NAME).await?;
    connection.closed().await;
    Err("the bus has closed the connection".into())
}

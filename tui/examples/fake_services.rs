//! The services with canned answers, on a bus of their own: to look at the console without an appliance.
//!
//! Prints what to set, and runs until it is interrupted.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

#[path = "../tests/support/fixtures.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod fixtures;

#[path = "../tests/support/bus.rs"]
mod services;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let bus = varde_bus::testing::PrivateBus::start();
    let connection = bus.connect().await;
    services::serve(&connection, services::Asked::default())
        .await
        .expect("the services' names are free on a new bus");
    println!("DBUS_SYSTEM_BUS_ADDRESS={}", bus.address());
    std::future::pending::<()>().await;
}

//! One boot by the full path, from power on: `cargo xtask bench boot` runs this with an image and prints the medians.
//!
//! Prints one JSON object: `login`, milliseconds until the login prompt, and `paint`, until the console's first page
//! stands on the screen, for an image that has our accounts (`--paint`).

use std::time::{Duration, Instant};

use varde_qemu_tests::Step::{WaitForRaw, Within};
use varde_qemu_tests::{OPERATOR, Shape, scenario};

fn main() {
    let paint = std::env::args().any(|argument| argument == "--paint");
    scenario(|scenario| {
        let power_on = Instant::now();
        let appliance = scenario.fresh(Shape::default())?;
        appliance.dialogue(&[Within(Duration::from_mins(10).as_secs()), WaitForRaw("login:")])?;
        let login = power_on.elapsed().as_millis();
        let mut painted = None;
        if paint {
            appliance.log_in(OPERATOR)?;
            painted = Some(power_on.elapsed().as_millis());
        }
        println!("{}", serde_json::json!({ "login": login, "paint": painted }));
        Ok(())
    });
}

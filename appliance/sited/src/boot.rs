//! The clock that nobody can set: it begins at each boot and goes on in sleep.

use std::io;

use rustix::time::{ClockId, clock_gettime};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Which boot this is: the kernel's own ID of it.
pub fn id() -> io::Result<String> {
    Ok(std::fs::read_to_string(BOOT_ID)?.trim().to_owned())
}

/// Milliseconds since the boot.
pub fn elapsed() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let millis = now
        .tv_sec
        .saturating_mul(1000)
        .saturating_add(now.tv_nsec / 1_000_000);
    u64::try_from(millis).unwrap_or(0)
}

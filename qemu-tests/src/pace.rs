//! How fast a serial line is: when the next bytes may pass.

use std::time::{Duration, Instant};

/// One direction of a line. Holds no clock of its own, so that a test can be its clock.
#[derive(Debug)]
pub struct Pace {
    per_byte: Duration,
    free_at: Option<Instant>,
}

impl Pace {
    /// A line of so many baud with eight data bits, no parity, one stop bit: ten bits a byte.
    pub fn baud(baud: u32) -> Self {
        Self {
            per_byte: Duration::from_secs(10) / baud.max(10),
            free_at: None,
        }
    }

    /// Takes the line for this many bytes and says how long they are under way from now.
    pub fn take(&mut self, now: Instant, bytes: usize) -> Duration {
        let start = self.free_at.map_or(now, |free| free.max(now));
        let end = start + self.per_byte * u32::try_from(bytes).unwrap_or(u32::MAX);
        self.free_at = Some(end);
        end - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_screen_at_9600_baud_takes_two_seconds() {
        let mut pace = Pace::baud(9600);
        let two = Duration::from_secs(2);
        assert!(pace.take(Instant::now(), 80 * 24).abs_diff(two) < Duration::from_millis(1));
    }

    #[test]
    fn a_line_that_was_idle_saves_nothing_up() {
        let mut pace = Pace::baud(9600);
        let start = Instant::now();
        pace.take(start, 96);
        let later = start + Duration::from_mins(1);
        assert!(pace.take(later, 960) >= Duration::from_millis(999));
    }

    proptest! {
        #[test]
        fn no_more_passes_than_the_line_carries(chunks in prop::collection::vec((0_u64..500, 1_usize..200), 1..50)) {
            let mut pace = Pace::baud(9600);
            let start = Instant::now();
            let (mut now, mut passed) = (start, 0_u32);
            for (gap, bytes) in chunks {
                now += Duration::from_millis(gap);
                now += pace.take(now, bytes);
                passed += u32::try_from(bytes).unwrap();
                let carried = (now - start).as_secs_f64() * 960.0;
                prop_assert!(f64::from(passed) <= carried + 1.0, "{passed} bytes passed, the line carries {carried}");
            }
        }
    }
}

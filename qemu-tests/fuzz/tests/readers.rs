//! What fuzzing found before breaks nothing, and neither do bytes at random.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]

use std::path::Path;

use proptest::prelude::*;
use varde_fuzz::JUDGES;

#[test]
fn the_corpora_break_nothing() {
    for (name, judge) in JUDGES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
        assert!(!seeds.is_empty(), "the corpus of {name} is empty");
        for seed in seeds {
            judge(&std::fs::read(seed.unwrap().path()).unwrap());
        }
    }
}

proptest! {
    #[test]
    fn bytes_at_random_break_nothing(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for (_, judge) in JUDGES {
            judge(&bytes);
        }
    }

    /// Bytes at random are seldom near anything that is read: a seed with some of its bytes changed is.
    #[test]
    fn seeds_with_changed_bytes_break_nothing(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        for (name, judge) in JUDGES {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
            for seed in std::fs::read_dir(folder).unwrap() {
                let mut bytes = std::fs::read(seed.unwrap().path()).unwrap();
                for (place, byte) in &places {
                    let length = bytes.len();
                    bytes[place.index(length)] = *byte;
                }
                judge(&bytes);
            }
        }
    }
}

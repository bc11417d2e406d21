//! `cargo +nightly fuzz run line`: a peer that sends whatever it likes, whenever it likes.
#![no_main]

mod line;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| line::play(bytes));

//! What must hold of any bytes, for each reader of what comes from outside: a reader that breaks it panics.
//!
//! `cargo +nightly fuzz run --fuzz-dir qemu-tests/fuzz --features libfuzzer NAME` lets libFuzzer look for such bytes.
//! Every run of the tests plays what it found before (`corpus/NAME`), and bytes at random.

mod keys;
mod line;
mod qmp;
mod record;
mod recording;
mod rfb;
mod rtcp;
mod rtp;
mod sdp;
mod sip;
mod site;

/// What judges one reader: it panics if the bytes break what must hold.
pub type Judge = fn(&[u8]);

/// Every reader, by the name of its target and of its corpus.
pub const JUDGES: [(&str, Judge); 11] = [
    ("keys", keys::judge),
    ("line", line::judge),
    ("qmp", qmp::judge),
    ("record", record::judge),
    ("recording", recording::judge),
    ("rfb", rfb::judge),
    ("rtcp", rtcp::judge),
    ("rtp", rtp::judge),
    ("sdp", sdp::judge),
    ("sip", sip::judge),
    ("site", site::judge),
];

/// Judges by name.
///
/// # Panics
/// If the bytes break what must hold of them, or if there is no such reader.
pub fn judge(name: &str, bytes: &[u8]) {
    let (_, judge) = JUDGES
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a target is named as in the table");
    judge(bytes);
}

//! The developers' tool: `cargo xtask`.
fn main() {}

//! The reader of the record of who did what.

use varde_audit::line::Link;

/// A line of the record: read only if it is, byte for byte, what would be written.
pub fn judge(bytes: &[u8]) {
    if let Ok(link) = Link::parse(bytes) {
        assert_eq!(link.to_line().as_bytes().strip_suffix(b"\n"), Some(bytes));
    }
}

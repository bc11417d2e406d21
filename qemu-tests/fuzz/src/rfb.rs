//! The filter of what a browser says to a desktop.

use varde_portal::rfb::Filter;

/// What goes on, and whether it ends, does not depend on how the bytes arrive. The first byte says how they are cut.
pub fn judge(bytes: &[u8]) {
    let Some((cut, said)) = bytes.split_first() else {
        return;
    };
    let read = |piece: usize| {
        let (mut filter, mut out, mut clipboard) = (Filter::default(), Vec::new(), 0);
        for piece in said.chunks(piece.max(1)) {
            match filter.feed(piece, &mut out) {
                Ok(seen) => clipboard += seen.clipboard,
                Err(wrong) => return (Some(wrong), 0, 0),
            }
        }
        (None, out.len(), clipboard)
    };
    let whole = read(said.len());
    let pieces = read(usize::from(*cut));
    assert_eq!(whole, pieces, "it depends on how the bytes arrive");
    if whole.0.is_none() {
        let held = usize::try_from(whole.2).unwrap_or(usize::MAX);
        assert!(whole.1 + held <= said.len(), "more came out than went in");
    }
}

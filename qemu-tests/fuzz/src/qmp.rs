//! The reader of what a machine's QEMU says.

use varde_hypervisor::qmp::{Lines, understand};

/// A machine's QEMU: messages do not depend on how the bytes arrive. The first byte says where they are cut.
pub fn judge(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else {
        return;
    };
    let read = |pieces: &[&[u8]]| {
        let (mut lines, mut messages) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece);
            while let Ok(Some(line)) = lines.take() {
                messages.push(understand(&line));
            }
        }
        messages
    };
    let (head, tail) = stream.split_at(usize::from(*cut).min(stream.len()));
    assert_eq!(read(&[stream]), read(&[head, tail]));
}

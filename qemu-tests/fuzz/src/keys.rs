//! The reader of the operators' line.

use varde_console::terminal::{Input, Parser};

/// The operators' line: keys do not depend on how the bytes arrive. The first byte says where they are cut.
pub fn judge(bytes: &[u8]) {
    let Some((cut, typed)) = bytes.split_first() else {
        return;
    };
    let read = |pieces: &[&[u8]]| {
        let (mut parser, mut inputs) = (Parser::default(), Vec::<Input>::new());
        for piece in pieces {
            parser.feed(piece, &mut inputs);
        }
        parser.quiet(&mut inputs);
        assert!(!parser.waits(), "waits for more after the line has been quiet");
        inputs
    };
    let (head, tail) = typed.split_at(usize::from(*cut).min(typed.len()));
    assert_eq!(read(&[typed]), read(&[head, tail]));
}

//! A recording of a call that anybody may have altered: it is refused, or what it holds is written and read again.

use varde_capture::{read, write};

pub fn judge(file: &[u8]) {
    if let Ok(packets) = read(file) {
        assert_eq!(read(&write("", &packets)), Ok(packets));
    }
}

//! What changes from one file to another, as a unified diff without a hash in it.

use std::time::Duration;

use similar::TextDiff;

use crate::hashes::{compared, masked};

/// Lines around a change.
const CONTEXT: usize = 3;
/// Files that have nothing in common are not worth a longer search for the smallest difference.
const LONGEST: Duration = Duration::from_millis(200);

/// Empty where the files are the same. A password that changed shows as `"changed"`.
pub fn diff(from: (&str, &str), to: (&str, &str)) -> String {
    let (from_name, from) = from;
    let (to_name, to) = to;
    let (before, after) = (masked(from), compared(to, from));
    TextDiff::configure()
        .timeout(LONGEST)
        .diff_lines(&before, &after)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(from_name, to_name)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(hash: &str, cpus: u32) -> String {
        format!("[[account]]\nname = \"kari\"\npassword_hash = \"{hash}\"\n[[vm]]\ncpus = {cpus}\n")
    }

    #[test]
    fn changes_show_and_hashes_do_not() {
        let diff = diff(("1", &file("$y$a", 1)), ("2", &file("$y$b", 2)));
        let expected = [
            "--- 1",
            "+++ 2",
            "@@ -1,5 +1,5 @@",
            " [[account]]",
            " name = \"kari\"",
            "-password_hash = \"keep\"",
            "+password_hash = \"changed\"",
            " [[vm]]",
            "-cpus = 1",
            "+cpus = 2",
            "",
        ];
        assert_eq!(diff, expected.join("\n"));
    }

    #[test]
    fn the_same_file_gives_nothing() {
        assert_eq!(diff(("1", &file("$y$a", 1)), ("2", &file("$y$a", 1))), "");
        assert_eq!(diff(("1", &file("$y$a", 1)), ("2", &file("keep", 1))), "");
    }
}

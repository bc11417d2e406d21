//! What a check of `site.toml` found wrong.

use serde::{Deserialize, Serialize};
use zbus::Type;

use crate::Text;

/// One fault, with its place and its remedy. The client adds the name of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Finding {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What is wrong there.
    pub text: Text,
    /// What to do about it, with the nearest known name where there is one.
    pub remedy: Text,
}

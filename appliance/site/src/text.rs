//! What a service says to an operator, in both of the product's languages.

use serde::{Deserialize, Serialize};
use zbus::Type;

use crate::Language;

/// One message in Norwegian (bokmål) and English; the client shows the one that its reader chose.
///
/// Values that vary (names, numbers, errors of the system) are already put in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
pub struct Text {
    pub nb: String,
    pub en: String,
}

impl Text {
    pub fn new(nb: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            nb: nb.into(),
            en: en.into(),
        }
    }

    /// The same words in both languages: a name, a log line, an error of the system.
    pub fn same(words: impl Into<String>) -> Self {
        let words = words.into();
        Self {
            nb: words.clone(),
            en: words,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.nb.is_empty() && self.en.is_empty()
    }

    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::Nb => &self.nb,
            Language::En => &self.en,
        }
    }
}

/// English, as in logs.
impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.en)
    }
}

//! What must not be written down: passwords, and the hashes that stand in a `site.toml`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use varde_bus::Action;

/// A password being typed. It is written down as stars, as it is on the screen.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn push(&mut self, character: char) {
        // As long as unix_chkpwd reads.
        if self.0.len() < 500 {
            self.0.push(character);
        }
    }

    pub fn pop(&mut self) {
        self.0.pop();
    }

    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn stars(&self) -> String {
        "*".repeat(self.0.chars().count())
    }

    /// For the one who checks it, and nobody else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.stars())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(String::deserialize(deserializer)?))
    }
}

/// A text of a service, in both languages.
pub fn mask_text(text: &varde_bus::Text) -> varde_bus::Text {
    varde_bus::Text::new(mask(&text.nb), mask(&text.en))
}

/// Text with each letter replaced by a star; its shape stays.
pub fn mask(text: &str) -> String {
    text.chars().map(mask_char).collect()
}

pub fn mask_char(character: char) -> char {
    if character.is_whitespace() { character } else { '*' }
}

/// The file that an action carries, in stars.
pub fn mask_action(action: &mut Action) {
    if let Action::ApplySite { toml, .. } = action {
        *toml = mask(toml);
    }
}

/// Text without crypt(5) hashes (`$y$…`, `$6$…`), wherever they stand in it.
pub fn without_hashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let length = from
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '$' | '.' | '/' | ',' | '=')))
            .unwrap_or(from.len());
        let (word, after) = from.split_at(length);
        out.push_str(if word.len() > 8 && word[1..].contains('$') {
            "*"
        } else {
            word
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hash_is_taken_out_and_the_rest_stays() {
        assert_eq!(
            without_hashes(r#"password = "$y$j9T$ab./c$def" # 10 $ or US$5"#),
            r#"password = "*" # 10 $ or US$5"#
        );
    }

    #[test]
    fn a_password_is_written_down_as_stars() {
        let mut secret = Secret::default();
        "hæmmelig".chars().for_each(|c| secret.push(c));
        let json = serde_json::to_string(&secret).unwrap();
        assert_eq!(json, r#""********""#);
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    proptest! {
        #[test]
        fn no_hash_survives(before in "[ -~æøå]{0,20}", salt in "[./0-9A-Za-z]{2,16}", hash in "[./0-9A-Za-z]{10,43}") {
            let text = format!("{before} $6${salt}${hash} after");
            prop_assert!(!without_hashes(&text).contains(&hash));
        }
    }
}

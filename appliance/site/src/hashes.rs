//! Keeps the hashes of passwords out of every text that leaves the service, and puts them back in one that returns.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::parse::KEEP;
use crate::{Kept, Site};

/// The file with `"keep"` for each hash. Whatever looks like a hash elsewhere, as in a comment, goes too.
pub fn masked(text: &str) -> String {
    scrubbed(&replaced(text, |_, _| Some(KEEP.to_owned())))
}

/// The file with the hash of `kept` for each account that says `"keep"`.
pub fn filled(text: &str, kept: &Kept) -> String {
    replaced(text, |name, hash| {
        (hash == KEEP).then(|| kept.get(name).cloned()).flatten()
    })
}

/// The file masked so that a hash which is not the one in `other` shows as changed.
pub(crate) fn compared(text: &str, other: &str) -> String {
    let other = hashes(other);
    scrubbed(&replaced(text, |name, hash| {
        let same = hash == KEEP || other.get(name).is_none_or(|before| before == hash);
        Some(if same { KEEP } else { "changed" }.to_owned())
    }))
}

impl Site {
    /// What `"keep"` means for its accounts.
    pub fn kept(&self) -> Kept {
        let pair = |account: &crate::Account| (account.name.clone(), account.password_hash.clone());
        self.accounts.iter().map(pair).collect()
    }
}

fn hashes(text: &str) -> Kept {
    places(text)
        .into_iter()
        .map(|(name, hash, _)| (name, hash))
        .collect()
}

/// `new` gives what comes in the place of an account's hash.
fn replaced(text: &str, new: impl Fn(&str, &str) -> Option<String>) -> String {
    let mut result = text.to_owned();
    let mut places = places(text);
    places.sort_by_key(|(_, _, place)| place.start);
    for (name, hash, place) in places.into_iter().rev() {
        if let Some(new) = new(&name, &hash) {
            // Neither a hash nor a mask has a character that a quoted text could not hold.
            result.replace_range(place, &format!("\"{new}\""));
        }
    }
    result
}

/// Name, hash and place of the hash of every account, as far as the text can be read.
fn places(text: &str) -> Vec<(String, String, Range<usize>)> {
    let (document, _) = DeTable::parse_recoverable(text);
    let accounts = document.get_ref().get("account").map(toml::Spanned::get_ref);
    let Some(DeValue::Array(accounts)) = accounts else {
        return Vec::new();
    };
    let mut places = Vec::new();
    for account in accounts {
        let name = account
            .get_ref()
            .get("name")
            .and_then(|name| name.get_ref().as_str());
        let Some(hash) = account.get_ref().get("password_hash") else {
            continue;
        };
        // A number in the place of a hash is a fault, but may be somebody's password all the same.
        let text_of_hash = hash.get_ref().as_str().unwrap_or_default();
        places.push((
            name.unwrap_or_default().to_owned(),
            text_of_hash.to_owned(),
            hash.span(),
        ));
    }
    places
}

/// Takes away what looks like a crypt(5) hash.
fn scrubbed(text: &str) -> String {
    const SHORTEST: usize = 20;
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, hash) = rest.split_at(at);
        clean.push_str(before);
        let plain =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '.' | '/' | '=' | ',' | '_' | '-');
        let end = hash.find(|c| !plain(c)).unwrap_or(hash.len());
        let (hash, after) = hash.split_at(end);
        clean.push_str(if hash.len() < SHORTEST { hash } else { KEEP });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7";

    fn file(hash: &str) -> String {
        format!("[[account]]\nname = \"kari\" # ære\npassword_hash = {hash} # her\n[site]\nname = 'x'\n")
    }

    #[test]
    fn a_masked_file_is_the_same_but_for_the_hashes() {
        for quoted in [
            format!("\"{HASH}\""),
            format!("'{HASH}'"),
            format!("\"\"\"{HASH}\"\"\""),
        ] {
            assert_eq!(masked(&file(&quoted)), file("\"keep\""));
        }
        assert_eq!(masked(&file("12345678")), file("\"keep\""));
    }

    #[test]
    fn a_hash_in_a_comment_or_a_broken_file_goes_too() {
        assert_eq!(masked(&format!("# {HASH}\n")), "# keep\n");
        assert_eq!(masked(&format!("[[account\nx = {HASH}")), "[[account\nx = keep");
        assert_eq!(masked("# costs $5"), "# costs $5");
    }

    #[test]
    fn keep_means_the_hash_of_before() {
        let kept = Kept::from([("kari".to_owned(), HASH.to_owned())]);
        assert_eq!(filled(&file("\"keep\""), &kept), file(&format!("\"{HASH}\"")));
        assert_eq!(filled(&file("\"keep\""), &Kept::new()), file("\"keep\""));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]a-z$'\"= \n#åø]{0,80}") {
            let _ = (masked(&text), filled(&text, &Kept::new()), compared(&text, &text));
        }
    }
}

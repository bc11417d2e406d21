//! Which language the messages come in: the one asked for, else the session's, else the site's.

use std::time::Duration;

use tokio::time::timeout;
use varde_bus::{Client, Language};

/// Words in some language must not wait long for the right one.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the session's locale says. `C` and `POSIX`, with which a session begins, say nothing.
pub fn of_the_session() -> Option<Language> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("LC_ALL")
        .or_else(|| set("LC_MESSAGES"))
        .or_else(|| set("LANG"))
        .and_then(|locale| of_locale(&locale))
}

/// The language of help, which is asked for before the words typed could be understood.
pub fn of_help() -> Language {
    asked(std::env::args())
        .or_else(of_the_session)
        .unwrap_or_else(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_or_else(
                |_| Language::default(),
                |runtime| {
                    runtime.block_on(async {
                        match timeout(PATIENCE, Client::connect()).await {
                            Ok(Ok(client)) => of_the_site(&client).await,
                            _ => Language::default(),
                        }
                    })
                },
            )
        })
}

fn asked(words: impl Iterator<Item = String>) -> Option<Language> {
    let words: Vec<String> = words.collect();
    let value = words.iter().enumerate().find_map(|(place, word)| {
        word.strip_prefix("--lang=")
            .or_else(|| (word == "--lang").then(|| words.get(place + 1).map(String::as_str))?)
    })?;
    match value {
        "nb" => Some(Language::Nb),
        "en" => Some(Language::En),
        _ => None,
    }
}

fn of_locale(locale: &str) -> Option<Language> {
    match locale.split(['_', '.', '@']).next() {
        Some("en") => Some(Language::En),
        Some("nb" | "nn" | "no") => Some(Language::Nb),
        _ => None,
    }
}

/// The site's own language, or the usual one where the site cannot be asked.
pub async fn of_the_site(client: &Client) -> Language {
    match timeout(PATIENCE, client.site.summary()).await {
        Ok(Ok(site)) if site.language == "en" => Language::En,
        _ => Language::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_in_the_language_that_was_asked_for_however_it_was() {
        let asked = |words: &str| asked(words.split_whitespace().map(ToOwned::to_owned));
        assert_eq!(asked("varde --lang nb --help"), Some(Language::Nb));
        assert_eq!(asked("varde vm --help --lang=en"), Some(Language::En));
        assert_eq!(asked("varde --help --lang"), None);
        assert_eq!(asked("varde --help"), None);
    }

    #[test]
    fn a_locale_names_a_language_or_none_of_ours() {
        assert_eq!(of_locale("en_GB.UTF-8"), Some(Language::En));
        assert_eq!(of_locale("nb_NO.UTF-8"), Some(Language::Nb));
        assert_eq!(of_locale("nn"), Some(Language::Nb));
        assert_eq!(of_locale("C.UTF-8"), None);
        assert_eq!(of_locale("enga"), None);
    }
}

//! What is not TOML at all, in words that need no knowledge of TOML.

use super::reader::Reader;
use crate::Text;

const UNQUOTED: &str = "string values must be quoted";

/// Beginning of what the TOML parser says, then the fault and the remedy: Norwegian, English, Norwegian, English.
const KNOWN: &[(&str, &str, &str, &str, &str)] = &[
    (
        "duplicate key",
        "Nøkkelen eller tabellen står her for annen gang",
        "This key or table is here a second time",
        "Ta bort den ene",
        "Remove one of them",
    ),
    (
        UNQUOTED,
        "Tekst må stå i anførselstegn",
        "Text must stand in quotes",
        "Skriv verdien som \"verdi\"",
        "Write the value as \"value\"",
    ),
    (
        "invalid basic string",
        "Teksten har et tegn som ikke kan stå der, eller mangler anførselstegnet til slutt",
        "The text has a character that cannot stand there, or lacks its closing quote",
        "Avslutt teksten med \" på samme linje",
        "Close the text with \" on the same line",
    ),
    (
        "invalid literal string",
        "Teksten har et tegn som ikke kan stå der, eller mangler apostrofen til slutt",
        "The text has a character that cannot stand there, or lacks its closing apostrophe",
        "Avslutt teksten med ' på samme linje",
        "Close the text with ' on the same line",
    ),
    (
        "key with no value",
        "Nøkkelen har ingen verdi",
        "The key has no value",
        "Skriv nøkkel = verdi",
        "Write key = value",
    ),
    (
        "missing value",
        "Nøkkelen har ingen verdi",
        "The key has no value",
        "Skriv en verdi etter «=»",
        "Write a value after \"=\"",
    ),
    (
        "unclosed array table",
        "Overskriften mangler «]]» til slutt",
        "The header lacks its closing \"]]\"",
        "Skriv «]]» etter navnet",
        "Write \"]]\" after the name",
    ),
    (
        "unclosed table",
        "Overskriften mangler «]» til slutt",
        "The header lacks its closing \"]\"",
        "Skriv «]» etter navnet",
        "Write \"]\" after the name",
    ),
    (
        "unclosed array",
        "Listen mangler «]» til slutt",
        "The list lacks its closing \"]\"",
        "Skriv «]» etter det siste leddet",
        "Write \"]\" after the last item",
    ),
    (
        "missing comma",
        "Det mangler et komma mellom to ledd",
        "A comma is missing between two items",
        "Skill leddene med komma",
        "Put a comma between the items",
    ),
    (
        "invalid unquoted key",
        "Nøkkelen har et tegn som ikke kan stå der",
        "The key has a character that cannot stand there",
        "Nøkler har bare bokstaver a–z, sifre, strek og understrek",
        "Keys have letters a–z, digits, hyphens and underscores only",
    ),
    (
        "carriage return must be followed by newline",
        "Linjeskiftet er ugyldig",
        "The line break is invalid",
        "Lagre filen med vanlige linjeskift",
        "Save the file with ordinary line breaks",
    ),
    (
        "unexpected leading zero",
        "Et tall kan ikke begynne med 0",
        "A number cannot begin with 0",
        "Ta bort nullen foran",
        "Remove the zero in front",
    ),
    (
        "cannot recurse further",
        "Tabeller eller lister ligger for dypt i hverandre",
        "Tables or lists lie too deep in each other",
        "site.toml trenger høyst to nivåer",
        "site.toml needs two levels at most",
    ),
    (
        "recursion limit",
        "Tabeller eller lister ligger for dypt i hverandre",
        "Tables or lists lie too deep in each other",
        "site.toml trenger høyst to nivåer",
        "site.toml needs two levels at most",
    ),
];

/// One finding for each line that the parser stumbled on: what follows on the same line comes of the first.
pub(super) fn report(reader: &mut Reader<'_>, errors: &[toml::de::Error]) {
    let mut places: Vec<(usize, &str)> = errors
        .iter()
        .map(|error| {
            let span = error.span().unwrap_or_default();
            // Where there is nothing at all, the parser asks for quotes around it.
            let message = match error.message() {
                unquoted if unquoted.starts_with(UNQUOTED) && span.is_empty() => "missing value",
                message => message,
            };
            (span.start, message)
        })
        .collect();
    places.sort_by_key(|(at, _)| *at);
    let mut last_line = 0;
    for (at, message) in places {
        let line = reader.line(at);
        if line == last_line {
            continue;
        }
        last_line = line;
        let (text, remedy) = words(message);
        reader.fault(at, text, remedy);
    }
}

fn words(message: &str) -> (Text, Text) {
    let known = KNOWN.iter().find(|(start, ..)| message.starts_with(start));
    match known {
        Some((_, nb, en, remedy_nb, remedy_en)) => (
            Text::new(format!("{nb} ({message})"), format!("{en} ({message})")),
            Text::new(*remedy_nb, *remedy_en),
        ),
        None => (
            Text::new(
                format!("Dette er ikke gyldig TOML ({message})"),
                format!("This is not valid TOML ({message})"),
            ),
            Text::new(
                "Se på denne linjen og den foran: nøkkel = verdi, tekst i anførselstegn, en overskrift som [[vm]] på egen linje",
                "Look at this line and the one before: key = value, text in quotes, a header such as [[vm]] on its own line",
            ),
        ),
    }
}

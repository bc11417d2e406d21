//! The help in Norwegian. clap has it in English, from the description of the command line; each text is put into
//! Norwegian by a table.

use clap::Command;

/// English as clap shows it, and Norwegian.
const TEXTS: &[(&str, &str)] = &[
    (
        "Looks after a Varde appliance. Exit codes: 0 done, 1 refused or failed, 2 wrong usage",
        "Passer på en Varde. Avslutter med 0: utført, 1: avvist eller mislykket, 2: feil bruk",
    ),
    (
        "Print JSON, errors too, in the shape of the bus types",
        "Skriv JSON, feil også, med de samme feltene som på bussen",
    ),
    (
        "Language of messages (nb or en); else the session's, else the site's",
        "Språket i meldinger (nb eller en); ellers øktens, ellers anleggets",
    ),
    ("Print help", "Vis hjelp"),
    ("Print version", "Vis versjon"),
    (
        "Print this message or the help of the given subcommand(s)",
        "Vis denne hjelpen, eller hjelpen for en kommando",
    ),
    (
        "What is wrong, what runs, how the appliance is",
        "Hva som er galt, hva som kjører, hvordan verten har det",
    ),
    ("Virtual machines", "Virtuelle maskiner"),
    (
        "Databases, and their scheduled restarts",
        "Databaser, og de planlagte omstartene deres",
    ),
    (
        "The site: what site.toml says, and its generations",
        "Anlegget: hva site.toml sier, og generasjonene",
    ),
    ("The journal", "Loggen"),
    ("The record of who did what", "Hvem som gjorde hva"),
    (
        "Help from somebody elsewhere, without a network",
        "Hjelp fra noen et annet sted, uten nett",
    ),
    (
        "A code that says how the appliance is, short enough to be read out by phone",
        "En kode som sier hvordan verten har det, kort nok til å leses opp i telefonen",
    ),
    (
        "What such a code means; blanks, dashes and case do not matter",
        "Hva en slik kode betyr; mellomrom, streker og store eller små bokstaver er likegyldig",
    ),
    (
        "One text with all that helps to find a fault; says first what is taken out of it",
        "Én tekst med alt som hjelper til å finne en feil; sier først hva som tas ut av den",
    ),
    (
        "A file that is not there yet, such as on a stick",
        "En fil som ikke finnes fra før, for eksempel på en minnepinne",
    ),
    (
        "Out on this line, between two marks",
        "Ut på denne linjen, mellom to merker",
    ),
    (
        "Do not ask: what is taken out has been read before",
        "Ikke spør: hva som tas ut, er lest før",
    ),
    ("Restart the appliance", "Start verten på nytt"),
    ("Switch the appliance off", "Slå verten av"),
    (
        "Completions for a shell, on standard output",
        "Fullføringer for et skall, på standard ut",
    ),
    (
        "Manual pages into a folder; without one, that of varde itself on standard output",
        "Manualsider til en mappe; uten mappe den for varde selv, på standard ut",
    ),
    ("The reason, for the record", "Begrunnelsen, som blir stående"),
    ("Name of the machine", "Navnet på maskinen"),
    (
        "Wait until it is done, at most so many seconds",
        "Vent til det er gjort, høyst så mange sekunder",
    ),
    ("All machines", "Alle maskiner"),
    ("One machine in detail", "Alt om én maskin"),
    ("Start a machine", "Start en maskin"),
    (
        "Shut a machine down in good order",
        "Slå av en maskin i god orden",
    ),
    (
        "Cut a machine's power: what the guest has not written is lost",
        "Kutt strømmen til en maskin: det gjesten ikke har skrevet, går tapt",
    ),
    (
        "Halt a machine's processors; its memory is kept",
        "Stans prosessorene til en maskin; minnet blir værende",
    ),
    ("Let a paused machine go on", "La en maskin på pause gå videre"),
    (
        "Enter a machine's serial console; Ctrl-] leaves it",
        "Gå inn på seriekonsollen til en maskin; Ctrl-] går ut",
    ),
    (
        "What a machine wrote last on its serial console",
        "Det en maskin skrev sist på seriekonsollen",
    ),
    (
        "Upgrades: try them on clones of machines, then promote them",
        "Oppgraderinger: øv på kloner av maskinene, og sett dem så i drift",
    ),
    (
        "The upgrades that site.toml declares",
        "Oppgraderingene som står i site.toml",
    ),
    (
        "Rehearse an upgrade on clones of its machines",
        "Øv på en oppgradering, på kloner av maskinene",
    ),
    (
        "Wait until it has passed or failed, at most so many seconds",
        "Vent til det har gått bra eller ikke, høyst så mange sekunder",
    ),
    ("All rehearsals", "Alle øvinger"),
    (
        "One rehearsal: each step and check, and how it went",
        "Én øving: hvert steg og hver sjekk, og hvordan det gikk",
    ),
    (
        "End a rehearsal wherever it is, and remove its clones",
        "Avslutt en øving der den er, og fjern klonene",
    ),
    (
        "Do to the machines what was done to their clones; a failed check takes them back",
        "Gjør med maskinene det som ble gjort med klonene; svikter en sjekk, tas de tilbake",
    ),
    (
        "Wait until it counts or was taken back, at most so many seconds",
        "Vent til det gjelder eller er tatt tilbake, høyst så mange sekunder",
    ),
    (
        "Take the machines back to before the promotion: what they have written since is lost",
        "Ta maskinene tilbake til før det ble satt i drift: det de har skrevet siden, går tapt",
    ),
    (
        "Snapshots of machines: take one, go back to it, or merge it",
        "Øyeblikksbilder av maskiner: ta ett, gå tilbake til det, eller slå det sammen",
    ),
    (
        "All snapshots, and how full the data disk is",
        "Alle øyeblikksbilder, og hvor full datadisken er",
    ),
    (
        "One snapshot in detail, and what it costs to go back to it or to merge it",
        "Alt om ett øyeblikksbilde, og hva det koster å gå tilbake til det eller slå det sammen",
    ),
    (
        "Take one of these machines, all at one instant",
        "Ta ett av disse maskinene, alle i samme øyeblikk",
    ),
    ("Names of the machines", "Navnene på maskinene"),
    ("All machines of this group", "Alle maskiner i denne gruppen"),
    (
        "How long it may be kept, such as 12h or 3d; a week unless given",
        "Hvor lenge det får være, som 12h eller 3d; ellers en uke",
    ),
    (
        "How large it may grow, such as 20GiB; 10 GiB unless given",
        "Hvor stort det får bli, som 20GiB; ellers 10 GiB",
    ),
    (
        "Take its machines back to it: what they have written since is lost",
        "Ta maskinene tilbake til det: det de har skrevet siden, går tapt",
    ),
    (
        "Do it; without this only the price is told",
        "Gjør det; uten dette sies bare prisen",
    ),
    (
        "Merge it: what was written since is kept, and the way back is gone",
        "Slå det sammen: det som er skrevet siden, beholdes, og veien tilbake er borte",
    ),
    (
        "In the site's quiet hours; until then there is a way back",
        "I anleggets stille timer; til da finnes veien tilbake",
    ),
    (
        "End a merge that is under way, or one that waits for the quiet hours",
        "Avlys en sammenslåing som pågår, eller som venter på de stille timene",
    ),
    ("Name of the database", "Navnet på databasen"),
    ("All databases", "Alle databaser"),
    (
        "One database in detail, with its next ten runs",
        "Alt om én database, med de ti neste omstartene",
    ),
    (
        "Past runs, the newest first",
        "Omstarter som har vært, den nyeste først",
    ),
    ("How many", "Hvor mange"),
    (
        "What the next ten runs of the calendar are",
        "De ti neste omstartene i kalenderen",
    ),
    (
        "The load of a week as it is known, hour by hour, and the quietest time in it",
        "Belastningen i en uke slik den er kjent, time for time, og den stilleste tiden",
    ),
    (
        "Restart a database as soon as nothing is in the way, or at a time",
        "Start en database på nytt straks ingenting er i veien, eller på et tidspunkt",
    ),
    (
        "At once; this is what it does unless a time is given",
        "Med en gang; det gjøres når det ikke står et tidspunkt",
    ),
    (
        "At this moment, such as 2026-11-23T03:30 in the appliance's time zone",
        "På dette tidspunktet, som 2026-11-23T03:30 i vertens tidssone",
    ),
    (
        "Leave the next planned run out",
        "Hopp over den neste planlagte omstarten",
    ),
    (
        "Restart nothing until this is lifted",
        "Ingen omstarter før dette oppheves",
    ),
    ("Go on as planned", "Gå videre som planlagt"),
    (
        "Call a run off that waits for its moment, or one that was asked for",
        "Avlys en omstart som venter på rett øyeblikk, eller som noen har bedt om",
    ),
    (
        "Print the SQL that has to be run once in a database",
        "Skriv den SQL-en som må kjøres én gang i en database",
    ),
    (
        "Give the password of the account varde in a database; it is read from standard input",
        "Oppgi passordet til kontoen varde i en database; det leses fra standard inn",
    ),
    (
        "Telephony: lines, trunks, phones and calls",
        "Telefoni: linjer, trunker, telefoner og samtaler",
    ),
    (
        "What is wrong, how many calls, the last test of the emergency route",
        "Hva som er galt, hvor mange samtaler, siste prøve av nødruten",
    ),
    (
        "ISDN lines; with a name that line's channels",
        "ISDN-linjer; med et navn kanalene på den linjen",
    ),
    ("SIP trunks", "SIP-trunker"),
    (
        "The site's numbers, and whether they can be reached",
        "Anleggets numre, og om de kan nås",
    ),
    (
        "Calls that are up or on their way",
        "Samtaler som er oppe eller underveis",
    ),
    (
        "Calls that have ended, the newest first",
        "Samtaler som er slutt, den nyeste først",
    ),
    ("Only those before this call", "Bare de før denne samtalen"),
    (
        "One call that has ended, in detail",
        "Alt om én samtale som er slutt",
    ),
    (
        "Make a test call: dial, play a tone, listen, clear",
        "Ring en prøvesamtale: slå nummeret, spill en tone, lytt, legg på",
    ),
    (
        "The number to be called, as it is dialled on a phone of the site",
        "Nummeret som skal ringes, slik det slås på en telefon her",
    ),
    (
        "Over this line or trunk; without it as the routes say",
        "Over denne linjen eller trunken; ellers som rutene sier",
    ),
    (
        "Test the emergency route now: one call over each of its targets, to the number declared for tests",
        "Prøv nødruten nå: én samtale over hvert av målene, til nummeret som er oppgitt for prøver",
    ),
    ("End a call", "Koble ned en samtale"),
    (
        "Bring channels of a line to rest at both ends; calls on them end",
        "Nullstill kanaler på en linje i begge ender; samtaler på dem brytes",
    ),
    (
        "Only this channel; without it all of the line",
        "Bare denne kanalen; ellers alle på linjen",
    ),
    (
        "Give the secret of a trunk's account (by its name) or of an extension's (by its number); it is read from standard input",
        "Oppgi hemmeligheten til kontoen på en trunk (ved navnet) eller et internnummer (ved nummeret); den leses fra standard inn",
    ),
    (
        "Write the signalling of a call to a pcapng file, for Wireshark",
        "Skriv signaleringen i en samtale til en pcapng-fil, for Wireshark",
    ),
    (
        "Who comes in from devices of their own: the portal, persons and sessions",
        "Hvem som kommer inn fra egne enheter: portalen, personer og økter",
    ),
    (
        "Where people log in, and the fingerprint of its certificate",
        "Der folk logger inn, og fingeravtrykket av sertifikatet",
    ),
    (
        "All persons, and whether they have enrolled",
        "Alle personer, og om de er innmeldt",
    ),
    (
        "Who is in, from where, and on which desktop",
        "Hvem som er inne, hvorfra, og på hvilken pult",
    ),
    (
        "A code with which a person chooses password and second factor, anew where there were some",
        "En kode som en person velger passord og totrinn med, på nytt om det finnes fra før",
    ),
    (
        "Forget a person's password and second factor, and end the person's sessions",
        "Glem passordet og totrinnet til en person, og avslutt øktene",
    ),
    ("End a session at once", "Avslutt en økt med en gang"),
    (
        "Give the portal a certificate, with those that lead to an authority after it, and its key; both PEM",
        "Gi portalen et sertifikat, fulgt av dem som leder til en utsteder, og nøkkelen; begge PEM",
    ),
    (
        "The tunnel: other sites, and people's devices",
        "Tunnelen: andre steder, og enhetene til folk",
    ),
    (
        "Our own key, and where others find us",
        "Vår egen nøkkel, og hvor andre finner oss",
    ),
    (
        "Sites and devices, and when each was heard last",
        "Steder og enheter, og når hver av dem ble hørt sist",
    ),
    (
        "Make the key that we will have next, if there is none, and print it: other sites are to be told first",
        "Lag nøkkelen vi får neste gang, om den mangler, og vis den: de andre stedene må få den først",
    ),
    (
        "Have the next key from now on",
        "Ta den neste nøkkelen i bruk fra nå av",
    ),
    (
        "New versions of the appliance, and the way back",
        "Nye utgaver av verten, og veien tilbake",
    ),
    (
        "Which version runs, which waits for a restart, and how the last ones went",
        "Hvilken utgave som går, hvilken som venter på omstart, og hvordan de siste gikk",
    ),
    (
        "Fetch the newest version from the source in site.toml; nothing is written beside the one that runs yet",
        "Hent den nyeste utgaven fra kilden i site.toml; ennå skrives ingenting ved siden av den som går",
    ),
    (
        "Write a version beside the one that runs; the next restart tries it",
        "Skriv en utgave ved siden av den som går; neste omstart prøver den",
    ),
    (
        "The stick labelled VARDE, or what was fetched from the source",
        "Minnepinnen med navnet VARDE, eller det som er hentet fra kilden",
    ),
    (
        "An older version too, and one in quarantine",
        "En eldre utgave også, og en i karantene",
    ),
    (
        "Make the other version on the disk the one that the next restart starts",
        "La neste omstart ta den andre utgaven på disken",
    ),
    (
        "Say that the outcome of the last update has been read",
        "Si at utfallet av siste oppdatering er lest",
    ),
    (
        "Virtual desktops, and who has them",
        "Virtuelle pulter, og hvem som har dem",
    ),
    (
        "The pools that site.toml declares, and how they stand",
        "Gruppene av pulter som står i site.toml, og hvordan det står til",
    ),
    ("All desktops", "Alle pulter"),
    (
        "Take a desktop from whoever has it, and shut it down",
        "Ta en pult fra den som har den, og slå den av",
    ),
    (
        "Make a desktop anew from the golden image: what was written to it is lost",
        "Lag en pult på nytt fra grunnbildet: det som er skrevet til den, går tapt",
    ),
    ("Say what is wrong with a file", "Si hva som er galt med en fil"),
    (
        "Make a file the active generation; on trial where it could lock operators out",
        "Ta en fil i bruk som ny generasjon; på prøve hvis den kan stenge noen ute",
    ),
    (
        "What is on trial, how long for, and how it looks",
        "Hva som er på prøve, hvor lenge til, og hvordan det ser ut",
    ),
    (
        "Let the generation on trial count for good",
        "La generasjonen på prøve gjelde for godt",
    ),
    (
        "Take the generation on trial back at once",
        "Ta generasjonen på prøve tilbake med en gang",
    ),
    (
        "On trial: taken back after this time (such as 5min) unless it is confirmed",
        "På prøve: tas tilbake etter denne tiden (som 5min) hvis ingen bekrefter",
    ),
    (
        "For good at once, whatever it changes",
        "For godt med en gang, hva den enn endrer",
    ),
    (
        "Print a generation; without a number the active one",
        "Vis en generasjon; uten nummer den som gjelder",
    ),
    (
        "All generations, the newest first",
        "Alle generasjoner, den nyeste først",
    ),
    (
        "What differs between two generations; the second is the active one unless given",
        "Forskjellen på to generasjoner; den andre er den som gjelder når den ikke er oppgitt",
    ),
    (
        "Make the file of an earlier generation the active one again; on trial where it could lock operators out",
        "Ta filen fra en tidligere generasjon i bruk igjen; på prøve hvis den kan stenge noen ute",
    ),
    (
        "Only this unit, such as varde-vm@journal-db.service",
        "Bare denne enheten, som varde-vm@journal-db.service",
    ),
    (
        "Only lines that hold this, large or small letters alike",
        "Bare linjer med denne teksten, store eller små bokstaver",
    ),
    (
        "Least severity: 0 emergency to 7 debug",
        "Minste alvor: 0 krise til 7 feilsøking",
    ),
    ("How many lines", "Hvor mange linjer"),
    ("Only since the appliance came up", "Bare siden verten kom opp"),
    ("The newest records", "De nyeste hendelsene"),
    (
        "Copy the whole chain into one file, as it is on disk, whole or not",
        "Kopier hele kjeden til én fil, slik den er på disken, hel eller ikke",
    ),
    ("Check the whole chain", "Kontroller hele kjeden"),
];

const TEMPLATE: &str = "{about-with-newline}\nBruk: {usage}\n\n{all-args}{after-help}";

/// Puts the help of a command and all below it into Norwegian. What is not in the table stays in English; a test keeps
/// the table whole.
pub fn norwegian(mut command: Command) -> Command {
    // With what clap adds by itself, such as `--help`.
    command.build();
    translated(command)
}

fn translated(command: Command) -> Command {
    let about = command.get_about().map(|text| of(&text.to_string()));
    let mut command = command
        .help_template(TEMPLATE)
        .subcommand_help_heading("Kommandoer")
        .mut_args(|arg| {
            let heading = if arg.is_positional() { "Argumenter" } else { "Valg" };
            let help = arg.get_help().map(|text| of(&text.to_string()));
            let arg = arg.help_heading(heading);
            match help {
                Some(help) => arg.help(help),
                None => arg,
            }
        })
        .mut_subcommands(translated);
    if let Some(about) = about {
        command = command.about(about);
    }
    command
}

fn of(english: &str) -> String {
    TEXTS
        .iter()
        .find(|(known, _)| *known == english)
        .map_or(english, |(_, norwegian)| norwegian)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Arguments;

    fn texts(command: &Command, found: &mut Vec<String>) {
        found.extend(command.get_about().map(ToString::to_string));
        found.extend(
            command
                .get_arguments()
                .filter_map(|arg| arg.get_help())
                .map(ToString::to_string),
        );
        for command in command.get_subcommands() {
            texts(command, found);
        }
    }

    #[test]
    fn every_text_of_the_help_is_in_the_table_and_the_table_has_no_others() {
        let mut command = Arguments::command();
        command.build();
        let mut found = Vec::new();
        texts(&command, &mut found);
        let missing: Vec<_> = found
            .iter()
            .filter(|text| !TEXTS.iter().any(|(english, _)| english == text))
            .collect();
        assert!(missing.is_empty(), "not in Norwegian: {missing:#?}");
        for (english, _) in TEXTS {
            assert!(found.iter().any(|text| text == english), "nobody says: {english}");
        }
    }

    #[test]
    fn help_in_norwegian_has_no_english_frame() {
        let help = |words: &[&str]| {
            norwegian(Arguments::command())
                .try_get_matches_from(words)
                .expect_err("help is asked for")
                .to_string()
        };
        let whole = help(&["varde", "--help"]);
        for word in ["Bruk:", "Kommandoer:", "Valg:", "Virtuelle maskiner"] {
            assert!(whole.contains(word), "{word} is missing:\n{whole}");
        }
        for word in ["Usage:", "Commands:", "Options:", "Virtual machines"] {
            assert!(!whole.contains(word), "{word} is there:\n{whole}");
        }
        let one = help(&["varde", "vm", "start", "--help"]);
        assert!(
            one.contains("Argumenter:") && one.contains("Navnet på maskinen"),
            "{one}"
        );
    }
}

//! Texts of the pages.

use super::{Words, texts};

texts! {
    page_overview: "Oversikt" | "Overview";
    page_machines: "Maskiner" | "Machines";
    page_site: "Anlegg" | "Site";
    page_log: "Logg" | "Log";
    page_record: "Hvem gjorde hva" | "Who did what";

    nothing_wrong: "Alt er i orden." | "All is well.";
    wrong_now: "Galt nå" | "Wrong now";
    and_more(count): "... og {count} til (side 2)" | "... and {count} more (page 2)";
    downtime_cost(each, counties, all): "Nedetid koster {each} i timen per fylke: {all} for {counties} fylker."
        | "Downtime costs {each} an hour per county: {all} for {counties} counties.";
    up(names): "Oppe: {names}" | "Up: {names}";
    no_machines: "Anlegget har ingen virtuelle maskiner." | "The site has no virtual machines.";
    appliance: "Verten" | "Host";
    host_about(version, kernel, up): "Varde {version}, Linux {kernel}, oppe siden {up}"
        | "Varde {version}, Linux {kernel}, up since {up}";
    host_load(load, cpus, accelerator): "Last {load} på {cpus} prosessorer ({accelerator})."
        | "Load {load} on {cpus} processors ({accelerator}).";
    host_memory(available, total): "Minne: {available} ledig av {total}." | "Memory: {available} free of {total}.";
    host_data(available, total): "Datadisk: {available} ledig av {total}." | "Data disk: {available} free of {total}.";
    accelerated: "KVM" | "KVM";
    emulated: "emulert, tregt" | "emulated, slow";
    last_events: "Siste hendelser" | "Last events";
    no_events: "Ingen hendelser er ført ennå." | "Nothing has been recorded yet.";
    site_line(title, generation, source): "{title}: generasjon {generation}, {source}"
        | "{title}: generation {generation}, {source}";
    source_credential: "fra legitimasjonen varde.site ved første oppstart" | "from the credential varde.site at first boot";
    source_installed: "fra installasjonen" | "from the installation";
    source_media: "fra mediadisken ved første oppstart" | "from the media disk at first boot";
    source_demo: "demoanlegget som følger med, ikke ditt eget" | "the demo site that comes with the image, not your own";
    source_applied: "tatt i bruk her" | "applied here";

    column_name: "Navn" | "Name";
    column_state: "Tilstand" | "State";
    column_since: "Siden" | "Since";
    column_checks: "Sjekker" | "Checks";
    column_cpus: "CPU" | "CPUs";
    column_memory: "Minne" | "Memory";
    column_group: "Gruppe" | "Group";
    column_zone: "Sone" | "Zone";
    column_address: "Adresse" | "Address";
    column_title: "Hva" | "What";
    since(state, when): "{state} siden {when}" | "{state} since {when}";
    no_address: "ingen adresse oppgitt" | "no address declared";
    size: "Størrelse" | "Size";
    cpus_and_memory(cpus, memory): "prosessorer: {cpus}, minne: {memory}" | "processors: {cpus}, memory: {memory}";
    autostart: "Starter selv" | "Autostart";
    process: "Prosess" | "Process";
    uses: "Bruker nå" | "Uses now";
    usage(busy, memory, read, written): "prosessor {busy}, minne {memory}, lest {read}, skrevet {written}"
        | "processor {busy}, memory {memory}, read {read}, written {written}";
    check_passed: "bestått" | "passed";
    check_waiting: "venter" | "waiting";
    check_failed: "feilet" | "failed";
    disks: "Disker" | "Disks";
    disk(name, size, used, image): "{name}: {size}, bruker {used} på datadisken, {image}"
        | "{name}: {size}, takes {used} on the data disk, {image}";
    on_image(image): "fra {image}" | "from {image}";
    no_image: "startet tom" | "started empty";

    site_about(name, counties, zone): "{name}: {counties} ({zone})" | "{name}: {counties} ({zone})";
    column_generation: "Generasjon" | "Generation";
    column_when: "Når" | "When";
    column_who: "Hvem" | "Who";
    column_hash: "SHA-256" | "SHA-256";
    active(number): "{number} aktiv" | "{number} active";
    generation(number): "site.toml, generasjon {number}" | "site.toml, generation {number}";
    diff_title(number): "Fra generasjon {number} til den aktive" | "From generation {number} to the active one";
    roll_back_diff_title(number): "Rulle tilbake til generasjon {number}: dette endres (Enter går videre)"
        | "Roll back to generation {number}: this changes (Enter goes on)";
    apply_diff_title: "Ny generasjon: dette endres (Enter går videre)" | "New generation: this changes (Enter goes on)";
    no_difference: "Ingen forskjell." | "No difference.";
    is_active(number): "Generasjon {number} er den aktive" | "Generation {number} is the active one";
    on_trial(number, who, before, left): "På prøve: generasjon {number} ({who}). Generasjon {before} gjelder igjen om {left} hvis ingen bekrefter."
        | "On trial: generation {number} ({who}). Generation {before} counts again in {left} unless somebody confirms.";
    on_trial_overview(line): "{line} Se siden Anlegg (3)." | "{line} See the page Site (3).";
    on_trial_keys: "k bekrefter, t tar den tilbake nå" | "k confirms, t takes it back now";
    probe_good: "i orden" | "good";
    probe_waiting: "venter" | "waiting";
    probe_bad: "galt" | "bad";
    probe_unknown: "ukjent" | "unknown";
    no_media_files: "Fant ingen .toml-fil på mediadisken (en disk merket varde-images). Sett den inn, eller bruk e for å skrive eller lime inn"
        | "Found no .toml file on the media disk (a disk labelled varde-images). Put it in, or use e to write or paste";
    pick_media_file: "Hvilken fil på mediadisken?" | "Which file on the media disk?";
    place(line, column): "linje {line}, tegn {column}" | "line {line}, column {column}";
    findings_title(count): "Filen kan ikke tas i bruk: {count} feil" | "The file cannot be applied: {count} faults";
    editor_title(row, rows): "site.toml, linje {row} av {rows} (Ctrl-D: kontroller)"
        | "site.toml, line {row} of {rows} (Ctrl-D: check)";

    priority_and_worse(number, name): "{name} ({number}) og verre" | "{name} ({number}) and worse";
    filter_unit(unit): "enhet {unit}" | "unit {unit}";
    filter_text(text): "med «{text}»" | "with “{text}”";
    filter_this_boot: "denne oppstarten" | "this boot";
    filter_all_boots: "alle oppstarter" | "all boots";
    no_lines: "Ingen linjer passer." | "No lines match.";
    filter_text_title: "Tekst i loggen" | "Text in the log";
    filter_text_hint: "Bare linjer med denne teksten vises; store og små bokstaver er like. Tomt viser alle."
        | "Only lines with this text are shown, whatever its case. Empty shows all.";
    filter_unit_title: "Enhet i loggen" | "Unit in the log";
    filter_unit_hint: "For eksempel varde-hypervisord.service eller varde-vm@NAVN.service. Tomt viser alle."
        | "Such as varde-hypervisord.service or varde-vm@NAME.service. Empty shows all.";
    filter_priority_title: "Hvor alvorlige linjer?" | "How severe?";

    record_heading: "Alle endringer, nyeste først" | "Every change, newest first";
    record_title(number): "Innførsel {number}" | "Record {number}";
    column_number: "Nummer" | "Number";
    column_what: "Hva" | "What";
    column_outcome: "Utfall" | "Outcome";
    verifying: "Kontrollerer kjeden ..." | "Verifying the chain ...";
    chain_whole(records): "Kjeden er hel: {records} innførsler, ingen endret, fjernet eller flyttet"
        | "The chain is whole: {records} records, none altered, removed or moved";
    chain_broken(faults): "Kjeden er IKKE hel: {faults} feil" | "The chain is NOT whole: {faults} faults";
    verb_start: "start av" | "start of";
    verb_shut_down: "avslåing av" | "shutdown of";
    verb_force_off: "strømkutt for" | "force-off of";
    verb_pause: "pause for" | "pause of";
    verb_resume: "fortsettelse for" | "resume of";
    verb_console: "gjestekonsoll på" | "guest console of";
    verb_apply: "ny generasjon" | "new generation";
    verb_roll_back: "tilbakerulling til" | "rollback to";
    verb_left: "logget ut" | "logged out";
    since_title(when): "Siden du var her sist ({when})" | "Since you were last here ({when})";
    since_restarted(when): "Verten startet {when}." | "The appliance started {when}.";
    since_wrong: "Gikk galt:" | "Went wrong:";
    since_changes: "Endret:" | "Changed:";
    since_undo: "Enter viser hva det vil endre å gå tilbake til generasjonen før den aktive."
        | "Enter shows what it would change to go back to the generation before the active one.";
    nothing_before: "Det finnes ingen generasjon før den aktive" | "There is no generation before the active one";
    verb_confirm: "bekreftelse av generasjon" | "confirmation of generation";
    verb_take_back: "tilbaketaking av generasjon" | "taking back of generation";
    verb_taken_back: "tok tilbake generasjon" | "took back generation";
    verb_reboot: "omstart av verten" | "restart of the host";
    verb_power_off: "avslåing av verten" | "power-off of the host";
    verb_crashed: "krasj av" | "crash of";
    verb_restarted: "omstart innenfra av" | "restart from inside of";
    verb_blocked: "blokkert start av" | "blocked start of";
    verb_db_restart: "omstart av databasen" | "restart of the database";
    verb_db_skip: "hopper over omstart av databasen" | "skipped restart of the database";
    verb_db_hold: "sperre for omstart av databasen" | "hold on restarts of the database";
    verb_db_cancel: "avbrutt omstart av databasen" | "cancelled restart of the database";
    outcome_begun: "pågår" | "under way";
    outcome_done: "utført" | "done";
    outcome_failed: "mislyktes" | "failed";
    outcome_unknown: "uvisst" | "unknown";
    outcome_event: "hendelse" | "event";
    help_title(page): "Taster på siden {page}" | "Keys on the page {page}";
}

impl Words {
    /// By syslog(3).
    pub fn priority(self, priority: u8) -> &'static str {
        let names = match self.0 {
            varde_bus::Language::Nb => [
                "nødstilfelle",
                "alarm",
                "kritisk",
                "feil",
                "advarsel",
                "viktig",
                "informasjon",
                "feilsøking",
            ],
            varde_bus::Language::En => [
                "emergency",
                "alert",
                "critical",
                "error",
                "warning",
                "notice",
                "information",
                "debug",
            ],
        };
        names[usize::from(priority.min(7))]
    }
}

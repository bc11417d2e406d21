//! Texts of updates of the appliance.

use super::texts;

texts! {
    key_updates: "oppdatering av verten, og veien tilbake" | "updates of the host, and the way back";
    update_title(version): "Oppdatering: utgave {version} går" | "Updates: version {version} runs";
    update_status: "Hvordan det står, og hvordan det gikk sist" | "How it stands, and how it went last";
    update_read: "Merk som lest hvordan det gikk" | "Mark as read how it went";
    update_install: "Skriv utgaven på minnepinnen" | "Write the version on the stick";
    update_even_so: "Skriv den likevel: eldre, eller i karantene" | "Write it even so: older, or in quarantine";
    update_fetch: "Hent den nyeste utgaven" | "Fetch the newest version";
    update_fetch_title: "Hente den nyeste utgaven?" | "Fetch the newest version?";
    update_fetch_body(source): "Den hentes fra {source} til datadisken. Ingenting som går, merker det; du skriver den etterpå."
        | "It is fetched from {source} to the data disk. Nothing that runs notices; you write it afterwards.";
    update_fetch_yes: "Ja, hent den" | "Yes, fetch it";
    update_install_fetched(version): "Skriv utgave {version}, som er hentet" | "Write version {version}, which was fetched";
    update_fetched_title(version): "Skrive utgave {version}, som er hentet?" | "Write version {version}, which was fetched?";
    update_fetching(version, have, size): "Av utgave {version} er {have} av {size} MiB hentet." | "Of version {version}, {have} of {size} MiB are fetched.";
    update_fetched(version, size, when): "Utgave {version} ({size} MiB) ble hentet {when}." | "Version {version} ({size} MiB) was fetched {when}.";
    update_not_fetched(why): "Sist ble ikke noe hentet: {why}" | "The last fetch came to nothing: {why}";
    update_back(other): "Gå tilbake til utgave {other}" | "Go back to version {other}";
    update_cancel(pending): "Avlys utgave {pending}" | "Call off version {pending}";
    update_runs(version): "Utgave {version} går." | "Version {version} runs.";
    update_no_keys: "Anlegget sier ikke hvem som kan gi ut nye utgaver: skriv en [update] med «keys» i site.toml."
        | "The site does not say who may release new versions: write an [update] with \"keys\" into site.toml.";
    update_no_stick: "Det står ingen minnepinne med navnet VARDE i." | "There is no stick labelled VARDE.";
    update_pending(version): "Utgave {version} er skrevet: neste omstart prøver den (P)." | "Version {version} is written: the next restart tries it (P).";
    update_other(version): "På disken er også utgave {version}." | "Version {version} is on the disk too.";
    update_refused(why): "Sist ble det ikke noe av: {why}" | "The last attempt came to nothing: {why}";
    update_quarantined(all): "I karantene, tas ikke av seg selv: {all}" | "In quarantine, not taken again: {all}";
    update_kept(when, from, to): "{when}: utgave {to} tok over for {from}, og alt som gikk før, går igjen."
        | "{when}: version {to} took over from {from}, and all that ran before runs again.";
    update_came_back(when, from, to, cause): "{when}: utgave {to} ble tatt tilbake, {from} går igjen. Grunn: {cause}."
        | "{when}: version {to} was taken back, {from} runs again. Reason: {cause}.";
    update_how_to_read: "(U viser mer)" | "(U shows more)";
    update_install_title: "Skrive utgaven på minnepinnen?" | "Write the version on the stick?";
    update_install_body(version): "Signaturen sjekkes først. Utgaven skrives ved siden av {version}, som går videre urørt."
        | "Its signature is checked first. It is written beside {version}, which goes on untouched.";
    update_install_then: "Neste omstart prøver den. Blir ikke alt friskt igjen, kommer den gamle tilbake av seg selv."
        | "The next restart tries it. If not all is well again, the old one comes back by itself.";
    update_install_yes: "Ja, skriv den" | "Yes, write it";
    update_back_title: "Gå tilbake?" | "Go back?";
    update_back_body(other, version): "Neste omstart tar utgave {other}. {version} settes i karantene."
        | "The next restart takes version {other}. {version} goes into quarantine.";
    update_cancel_body(pending): "Utgave {pending} prøves ikke, og settes i karantene." | "Version {pending} is not tried, and goes into quarantine.";
    update_back_yes: "Ja, gå tilbake" | "Yes, go back";

    verb_update_fetch: "hentet en ny utgave" | "fetched a new version";
    verb_update_install: "skrev en ny utgave" | "wrote a new version";
    verb_update_take_back: "gikk tilbake til forrige utgave" | "went back to the version before";
    verb_update_mark_read: "leste utfallet av oppdateringen til" | "read the outcome of the update to";
    verb_update_kept: "beholdt utgave" | "kept version";
    verb_update_given_up: "ga opp utgave" | "gave up version";
    verb_update_stays: "ble på utgave" | "stayed on version";
    verb_update_came_back: "tok tilbake utgave" | "took back version";
}

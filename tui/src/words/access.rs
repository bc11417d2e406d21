//! Texts of the page of access and desktops.

use varde_bus::Language;

use super::{Words, texts};
use crate::page::access::View;

texts! {
    page_access: "Tilgang" | "Access";
    key_page_access: "hvem som kommer inn utenfra" | "who comes in from outside";
    service_access: "tilgang" | "access";
    access_overview(text): "Tilgang: {text}" | "Access: {text}";
    access_none: "Anlegget har verken portal eller tunnel: skriv en [portal] eller [tunnel] i site.toml."
        | "The site has neither portal nor tunnel: write a [portal] or [tunnel] into site.toml.";
    access_portal: "Portalen" | "The portal";
    access_address(address): "Folk logger inn på {address}" | "People log in at {address}";
    access_fingerprint: "Fingeravtrykk (SHA-256), som nettleseren viser det:" | "Fingerprint (SHA-256), as a browser shows it:";
    access_no_persons: "Ingen [[person]] står i site.toml." | "No [[person]] stands in site.toml.";
    access_nobody: "Ingen er inne." | "Nobody is in.";
    access_enrolled: "innmeldt" | "enrolled";
    access_not_enrolled: "ikke innmeldt" | "not enrolled";
    access_code_until(until): "kode til {until}" | "code until {until}";
    access_few_codes(count): "{count} reservekoder igjen" | "{count} recovery codes left";
    access_not_here: "Det gjelder ikke det som vises nå; v bytter" | "It is not for what is shown now; v turns";
    column_last_in: "Sist inne" | "Last in";
    column_person: "Person" | "Person";
    column_from: "Fra" | "From";
    column_began: "Begynte" | "Began";
    column_seen: "Sist sett" | "Last seen";
    column_desktops: "Pulter" | "Desktops";
    column_about: "Om" | "About";

    access_enrol_title(person): "Gi {person} en kode?" | "Give {person} a code?";
    access_enrol_yes(name): "Ja, lag en kode for {name}" | "Yes, make a code for {name}";
    access_code_title(person): "Koden til {person}" | "The code of {person}";
    access_code_body(person): "Vises bare nå. Gi den til {person} selv, ikke på e-post: den som har den, velger passord og totrinn."
        | "Shown now only. Give it to {person} in person, not by mail: whoever has it chooses password and second factor.";
    access_forget_title(person): "Glemme passord og totrinn for {person}?" | "Forget password and second factor of {person}?";
    access_forget_body: "Alle øktene avsluttes. Personen kommer ikke inn igjen før med en ny kode herfra."
        | "All sessions end. The person does not come in again before with a new code from here.";
    access_forget_yes(name): "Ja, glem {name}" | "Yes, forget {name}";
    access_end_title(person): "Avslutte økten til {person}?" | "End the session of {person}?";
    access_end_body: "Pulten forsvinner fra skjermen med en gang. Er det den siste økten, lages ferske pulter på nytt."
        | "The desktop goes from the screen at once. If it is the last session, fresh desktops are made anew.";
    access_end_yes(session): "Ja, avslutt {session}" | "Yes, end {session}";
    desktop_none: "Ingen [[desktop_pool]] står i site.toml." | "No [[desktop_pool]] stands in site.toml.";
    desktop_seen: "i bruk" | "in use";
    desktop_idle(since): "ledig siden {since}" | "idle since {since}";
    desktop_outdated: "gammelt grunnbilde" | "old golden image";
    desktop_end_title(name): "Avslutte pulten {name}?" | "End the desktop {name}?";
    desktop_end_yes(name): "Ja, avslutt {name}" | "Yes, end {name}";
    desktop_renew_title(name): "Lage pulten {name} på nytt?" | "Make the desktop {name} anew?";
    desktop_renew_body: "Den slås av, og alt som er skrevet til den, går tapt. Neste gang lages den fra grunnbildet."
        | "It is switched off, and all that was written to it is lost. The next time it is made from the golden image.";
    desktop_renew_yes(name): "Ja, lag {name} på nytt" | "Yes, make {name} anew";

    tunnel_title: "Tunnelen" | "The tunnel";
    tunnel_endpoint(endpoint): "Tunnelen er på {endpoint} (UDP)" | "The tunnel is at {endpoint} (UDP)";
    tunnel_key(key): "Vår nøkkel: {key}" | "Our key: {key}";
    tunnel_next_key(key): "Den neste nøkkelen: {key}" | "The next key: {key}";
    tunnel_none: "Ingen andre steder, og ingen enheter er inne." | "No other sites, and no devices are in.";
    tunnel_never: "aldri" | "never";
    column_heard: "Hørt sist" | "Last heard";
    column_in_out: "Inn / ut" | "In / out";
    column_networks: "Nett" | "Networks";

    key_access_view: "personer, økter, pulter eller tunnelen" | "persons, sessions, desktops or the tunnel";
    key_access_open: "portalen og fingeravtrykket, eller tunnelens nøkler" | "the portal and its fingerprint, or the tunnel's keys";
    key_enrol: "gi personen en kode" | "give the person a code";
    key_access_clear: "glem personen, avslutt økten eller pulten" | "forget the person, end the session or the desktop";
    key_renew: "lag pulten på nytt" | "make the desktop anew";
    brief_access_view: "vis" | "view";
    brief_enrol: "kode" | "code";
    brief_access_clear: "avslutt" | "end";
    brief_renew: "lag på nytt" | "renew";
    brief_portal: "om" | "about";
}

impl Words {
    fn of(self, nb: &'static str, en: &'static str) -> &'static str {
        match self.0 {
            Language::Nb => nb,
            Language::En => en,
        }
    }

    pub fn access_view(self, view: View) -> &'static str {
        let (nb, en) = match view {
            View::Persons => ("Personer", "Persons"),
            View::Sessions => ("Økter", "Sessions"),
            View::Desktops => ("Pulter", "Desktops"),
            View::Tunnel => ("Tunnel", "Tunnel"),
        };
        self.of(nb, en)
    }

    pub fn access_enrol_body(self, enrolled: bool) -> String {
        let (nb, en) = if enrolled {
            (
                "Personen er innmeldt. Med koden velges passord og totrinn på nytt; til da gjelder de gamle.",
                "The person is enrolled. With the code password and second factor are chosen anew; until then the old ones count.",
            )
        } else {
            (
                "Koden gjelder i ett døgn. Med den velger personen passord og totrinn på portalen.",
                "The code holds for one day. With it the person chooses password and second factor on the portal.",
            )
        };
        self.of(nb, en).to_owned()
    }

    pub fn access_certificate(self, self_made: bool, until: &str) -> String {
        let (nb, en) = if self_made {
            (
                "Sertifikatet er laget her, så nettlesere advarer; gjelder til",
                "The certificate was made here, so browsers warn of it; valid until",
            )
        } else {
            (
                "Sertifikatet er gitt av driften; gjelder til",
                "The certificate was given by operators; valid until",
            )
        };
        format!("{} {until}", self.of(nb, en))
    }

    pub fn desktop_end_body(self, viewers: u32) -> String {
        let (nb, en) = if viewers > 0 {
            ("Noen ser på den nå. ", "Somebody looks at it now. ")
        } else {
            ("Ingen ser på den nå. ", "Nobody looks at it now. ")
        };
        let (nb_rest, en_rest) = (
            "En egen pult slås av i god orden; en fersk eller flytende lages på nytt.",
            "An own desktop is shut down in good order; a fresh or floating one is made anew.",
        );
        format!("{}{}", self.of(nb, en), self.of(nb_rest, en_rest))
    }
}

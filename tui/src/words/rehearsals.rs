//! Texts of the page of rehearsals.

use varde_bus::rehearsal::{OutcomeKind, RehearsalState};

use super::{Words, texts};

texts! {
    page_rehearsals: "Øvinger" | "Rehearsals";
    key_page_rehearsals: "oppgraderinger som øves på" | "upgrades in rehearsal";
    no_recipes: "Anlegget har ingen oppgraderinger å øve på: skriv en [[recipe]] i site.toml."
        | "The site has no upgrades to rehearse: write a [[recipe]] into site.toml.";
    recipes: "Oppgraderinger" | "Upgrades";
    rehearsals: "Øvinger" | "Rehearsals";
    no_rehearsals: "Ingen øving er i gang; s begynner på den som er valgt." | "No rehearsal is there; s begins the one that is picked.";
    recipe_about(machines, steps, checks, memory): "{machines}: {steps} steg, {checks} sjekker, {memory} minne"
        | "{machines}: {steps} steps, {checks} checks, {memory} of memory";
    rehearsal_of(name, recipe): "{name} {recipe}" | "{name} {recipe}";
    rehearsal_done(done, all): "{done} av {all} steg og sjekker" | "{done} of {all} steps and checks";
    rehearsal_written(bytes): "klonene har skrevet {bytes}" | "the clones have written {bytes}";
    rehearsal_watched(until): "maskinene ses etter til {until}" | "the machines are watched until {until}";
    rehearsal_undo(until): "kan tas tilbake til {until} (t)" | "can be taken back until {until} (t)";
    outcome_well: "bra" | "ok";
    outcome_bad: "FEIL" | "FAILED";
    outcome_line(how, kind, vm, what, seconds): "{how} {kind} {vm}: {what} ({seconds} s)"
        | "{how} {kind} {vm}: {what} ({seconds} s)";
    on_production: "i drift" | "production";

    rehearse_title(recipe): "Øve på {recipe}?" | "Rehearse {recipe}?";
    rehearse_body(machines, memory): "{machines} klones i ett øyeblikk; de merker en kort stans og går videre. Klonene får {memory} minne, \
        samme adresser og et nett som ingen steder fører, og viker for driften."
        | "{machines} are cloned at one instant; they note a short pause and go on. The clones take {memory} of memory, have \
        the same addresses and a network that leads nowhere, and give way to production.";
    rehearse_yes(recipe): "Ja, øv på {recipe}" | "Yes, rehearse {recipe}";
    discard_title(name): "Rydde bort øvingen {name}?" | "Discard the rehearsal {name}?";
    discard_body: "Klonene og det de har skrevet, blir borte. Maskinene i drift berøres ikke."
        | "The clones and what they have written are gone. The machines in production are not touched.";
    discard_yes(name): "Ja, rydd bort {name}" | "Yes, discard {name}";
    promote_title(name): "Sette {name} i drift?" | "Promote {name}?";
    promote_yes(name): "Ja, sett {name} i drift nå" | "Yes, promote {name} now";
    promote_not_yet(name): "{name} kan ikke settes i drift: det må ha gått bra først" | "{name} cannot be promoted: it has to have passed first";
    promotion_back_title(name): "Ta {name} tilbake?" | "Take {name} back?";
    promotion_back_yes(name): "Ja, ta {name} tilbake" | "Yes, take {name} back";
    promotion_back_not(name): "{name} er ikke satt i drift" | "{name} has not been promoted";
    pick_rehearsal: "Velg en øving først" | "Pick a rehearsal first";
    pick_recipe: "Velg en oppgradering først" | "Pick an upgrade first";

    key_rehearse: "begynn å øve på oppgraderingen" | "begin to rehearse the upgrade";
    key_discard: "rydd bort øvingen" | "discard the rehearsal";
    key_promote: "sett i drift" | "promote it";
    key_promotion_back: "ta det tilbake" | "take it back";
    brief_rehearse: "øv" | "rehearse";
    brief_discard: "rydd bort" | "discard";
    brief_promote: "sett i drift" | "promote";
    brief_promotion_back: "ta tilbake" | "take back";
}

impl Words {
    pub fn rehearsal_state(self, state: RehearsalState) -> &'static str {
        let (nb, en) = match state {
            RehearsalState::Cloning => ("kloner", "cloning"),
            RehearsalState::Booting => ("starter klonene", "booting the clones"),
            RehearsalState::Steps => ("steg", "steps"),
            RehearsalState::Checks => ("sjekker", "checks"),
            RehearsalState::Passed => ("gikk bra", "passed"),
            RehearsalState::Failed => ("gikk ikke", "failed"),
            RehearsalState::Discarding => ("ryddes bort", "being discarded"),
            RehearsalState::Promoting => ("settes i drift", "being promoted"),
            RehearsalState::Watching => ("i drift, ses etter", "promoted, watched"),
            RehearsalState::Promoted => ("i drift", "promoted"),
            RehearsalState::TakenBack => ("tatt tilbake", "taken back"),
        };
        match self.0 {
            varde_bus::Language::Nb => nb,
            varde_bus::Language::En => en,
        }
    }

    pub fn outcome_kind(self, kind: OutcomeKind) -> &'static str {
        let (nb, en) = match kind {
            OutcomeKind::Step => ("steg", "step"),
            OutcomeKind::Check => ("sjekk", "check"),
            OutcomeKind::Boot => ("oppstart", "boot"),
        };
        match self.0 {
            varde_bus::Language::Nb => nb,
            varde_bus::Language::En => en,
        }
    }
}

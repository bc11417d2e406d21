//! Texts of the page of databases.

use varde_bus::dbrestart::DatabaseState;

use super::{Words, texts};

texts! {
    page_databases: "Databaser" | "Databases";
    no_databases: "Anlegget har ingen databaser med planlagte omstarter." | "The site has no databases with scheduled restarts.";
    service_dbrestart: "Tjenesten for databaseomstarter" | "The service of database restarts";
    column_next: "Neste" | "Next";
    column_stall: "Ventet stans" | "Expected stall";
    database_about(gate, server, address): "Porten er {gate}; tjeneren er {server} ({address})."
        | "The gate is {gate}; the server is {server} ({address}).";
    in_use(whose, what, since, doing): "I bruk: {whose}, {what} siden {since}: {doing}"
        | "In use: {whose}, {what} since {since}: {doing}";
    next_will_not(why): "Neste omstart blir det ikke noe av: {why}" | "The next restart will not happen: {why}";
    next_runs(moments): "Deretter: {moments}" | "Coming up: {moments}";
    quietest(when, count): "Stilleste tid i uken: {when} ({count} ville ventet)." | "Quietest time of the week: {when} ({count} would wait).";
    at_the_next(count): "Ved neste omstart: {count}." | "At the next restart: {count}.";
    stall_picture(picture): "Ventet, ms: {picture}" | "Waited, ms: {picture}";
    run_went(longest, expected, delayed, failed, saved): "stans {longest} ms (ventet {expected}), {delayed} ventet, {failed} brutt, spart {saved}"
        | "stall {longest} ms (expected {expected}), {delayed} waited, {failed} broken, saved {saved}";

    db_restart_title(name): "Starte {name} på nytt?" | "Restart {name}?";
    db_restart_body(stall): "Omstarten venter til ingen er i veien. Brukerne merker en pause på omtrent {stall} ms."
        | "The restart waits until nobody is in the way. Users notice a pause of about {stall} ms.";
    db_restart_yes(name): "Ja, start {name} på nytt" | "Yes, restart {name}";
    db_skip_title(name): "Hoppe over neste omstart av {name}?" | "Skip the next restart of {name}?";
    db_skip_body: "Bare den ene; de neste går som planlagt." | "Only that one; later ones go as planned.";
    db_skip_yes: "Ja, hopp over" | "Yes, skip it";
    db_hold_title(name): "Stille omstarter av {name} i bero?" | "Put restarts of {name} on hold?";
    db_hold_body: "Ingenting startes på nytt før det oppheves." | "Nothing is restarted until it is lifted.";
    db_hold_yes: "Ja, still i bero" | "Yes, put on hold";
    db_unhold_title(name): "La omstarter av {name} gå igjen?" | "Let restarts of {name} go on?";
    db_unhold_body: "De går som planlagt fra nå av." | "They go as planned from now on.";
    db_unhold_yes: "Ja, la dem gå" | "Yes, let them";
    db_cancel_title(name): "Avlyse omstarten av {name}?" | "Call off the restart of {name}?";
    db_cancel_body: "En omstart som holder klienter igjen, føres til ende." | "A restart that already holds clients is brought to its end.";
    db_cancel_yes: "Ja, avlys" | "Yes, call it off";

    key_page_databases: "databasene og omstartene deres" | "databases and their restarts";
    key_db_restart: "start på nytt når ingen er i veien" | "restart when nobody is in the way";
    key_db_skip: "hopp over neste omstart" | "skip the next restart";
    key_db_hold: "still omstarter i bero, eller opphev det" | "put restarts on hold, or lift it";
    key_db_cancel: "avlys en omstart som venter" | "call off a restart that waits";
    brief_db_restart: "omstart" | "restart";
    brief_db_skip: "hopp over" | "skip";
    brief_db_hold: "bero" | "hold";
    brief_db_cancel: "avlys" | "call off";

    database_ready: "klar" | "ready";
    database_running: "omstart" | "restart";
    database_hold: "i bero" | "on hold";
    database_blocked: "hindret" | "blocked";
    database_down: "NEDE" | "DOWN";

    step_preflight: "forkontroll" | "preflight";
    step_checkpoint: "skriver ned" | "checkpoint";
    step_look: "venter" | "waiting";
    step_hold: "klienter holdes" | "clients held";
    step_stop: "stoppes" | "stopping";
    step_start: "startes" | "starting";
    step_rescue: "redning" | "rescue";
    step_verify: "kontroll" | "verifying";

    outcome_restarted: "startet på nytt" | "restarted";
    outcome_fell_back: "tilbake til forrige" | "fell back";
    outcome_not_needed: "ikke nødvendig" | "not needed";
    outcome_put_off: "utsatt" | "put off";
    outcome_cancelled: "avlyst" | "called off";
    outcome_refused: "ikke begynt" | "not begun";
    outcome_down: "NEDE" | "DOWN";
    outcome_missed: "for sent" | "missed";
}

impl Words {
    pub fn database_state(self, state: DatabaseState) -> &'static str {
        match state {
            DatabaseState::Ready => self.database_ready(),
            DatabaseState::Running => self.database_running(),
            DatabaseState::Hold => self.database_hold(),
            DatabaseState::Blocked => self.database_blocked(),
            DatabaseState::Down => self.database_down(),
        }
    }

    /// A step by its name on the bus; one that is not known here is shown as it is.
    pub fn database_step(self, step: &str) -> &str {
        match step {
            "preflight" => self.step_preflight(),
            "checkpoint" => self.step_checkpoint(),
            "look" | "cut" => self.step_look(),
            "pause" | "release" | "resume" | "restart_gate" => self.step_hold(),
            "stop" | "kill" => self.step_stop(),
            "start" | "probe" => self.step_start(),
            "fall_back" | "restart_machine" | "roll_back" => self.step_rescue(),
            "verify" => self.step_verify(),
            other => other,
        }
    }

    /// An outcome by its name on the bus.
    pub fn run_outcome(self, outcome: &str) -> &str {
        match outcome {
            "restarted" => self.outcome_restarted(),
            "fell_back" => self.outcome_fell_back(),
            "not_needed" => self.outcome_not_needed(),
            "put_off" => self.outcome_put_off(),
            "cancelled" => self.outcome_cancelled(),
            "refused" => self.outcome_refused(),
            "failed" => self.outcome_failed(),
            "down" => self.outcome_down(),
            "missed" => self.outcome_missed(),
            other => other,
        }
    }
}

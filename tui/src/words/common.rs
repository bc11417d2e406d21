//! Texts of every page: trouble, states, the lock.

use varde_bus::hypervisor::VmState;

use super::{Words, texts};

texts! {
    loading: "Henter ..." | "Loading ...";
    yes: "ja" | "yes";
    no: "nei" | "no";
    why: "Hvorfor" | "Why";
    sent: "Sendt til tjenesten ..." | "Sent to the service ...";
    service_hypervisor: "Hypervisoren" | "The hypervisor";
    service_site: "Anleggstjenesten" | "The site service";
    service_audit: "Hendelsesloggen" | "The audit service";
    service_host: "Vertstjenesten" | "The host service";
    service_down(service, why): "{service} svarer ikke: {why}. Det som vises, kan være gammelt; prøver igjen hvert 5. sekund."
        | "{service} does not answer: {why}. What is shown may be old; trying again every 5 seconds.";
    no_answer: "Intet svar i tide; det kan være utført. Se på tilstanden før du prøver igjen"
        | "No answer in time; it may have been done. Look at the state before trying again";
    bus_gone: "forbindelsen ble brutt" | "the connection was lost";
    guest_closed: "gjesten er slått av, eller konsollen ble tatt av en annen" | "the guest is off, or somebody else took the console";
    service_gone: "tjenesten stoppet" | "the service stopped";
    bus_down(why): "Ingen kontakt med systembussen: {why}. Virtuelle maskiner går videre; konsollen prøver igjen av seg selv."
        | "No contact with the system bus: {why}. Virtual machines keep running; the console tries again by itself.";
    bus_connecting: "Kobler til tjenestene ..." | "Connecting to the services ...";
    needs_group(group): "Dette krever gruppen {group}" | "This needs the group {group}";
    health_title: "Helsekode: les gruppene opp i telefonen" | "Health code: read the groups out by phone";
    health_decoded: "Den som hører den, skriver den etter varde support decode og ser dette:"
        | "Whoever hears it types it after varde support decode and sees this:";
    detached(vm, why): "Konsollen til {vm} ble lukket: {why}" | "The console of {vm} was closed: {why}";
    state_declared: "ikke startet" | "declared";
    state_starting: "starter" | "starting";
    state_running: "kjører" | "running";
    state_paused: "på pause" | "paused";
    state_stopping: "slås av" | "stopping";
    state_stopped: "av" | "stopped";
    state_crashed: "krasjet" | "crashed";
    state_blocked: "blokkert" | "blocked";
    lock_title(user): "Konsollen er låst av {user}" | "The console is locked by {user}";
    lock_text: "Skriv passordet ditt og trykk Enter. Siden du var på, kommer tilbake. Ctrl-D logger ut."
        | "Type your password and press Enter. The page that you were on comes back. Ctrl-D logs out.";
    lock_password: "Passord:" | "Password:";
    lock_checking: "Kontrollerer ..." | "Checking ...";
    lock_wrong: "Feil passord." | "Wrong password.";
    lock_unchecked(why): "Passordet kunne ikke kontrolleres: {why}. Prøv igjen, eller logg ut med Ctrl-D og inn på nytt."
        | "The password could not be checked: {why}. Try again, or log out with Ctrl-D and in again.";
    lock_wait(until): "Neste forsøk kan gjøres klokken {until}." | "The next attempt is possible at {until}.";
    attached_hint(vm): "--- {vm}: Ctrl-] går tilbake til konsollen ---" | "--- {vm}: Ctrl-] returns to the console ---";
    key_name_space: "mellomrom" | "space";
    key_name_backspace: "Backspace" | "Backspace";
    key_name_up: "pil opp" | "up";
    key_name_down: "pil ned" | "down";
    key_name_left: "pil venstre" | "left";
    key_name_right: "pil høyre" | "right";
}

impl Words {
    pub fn vm_state(self, state: VmState) -> &'static str {
        match state {
            VmState::Declared => self.state_declared(),
            VmState::Starting => self.state_starting(),
            VmState::Running => self.state_running(),
            VmState::Paused => self.state_paused(),
            VmState::Stopping => self.state_stopping(),
            VmState::Stopped => self.state_stopped(),
            VmState::Crashed => self.state_crashed(),
            VmState::Blocked => self.state_blocked(),
        }
    }
}

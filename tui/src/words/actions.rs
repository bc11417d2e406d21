//! Texts of what can be done: each risky action says what it does and what it affects.

use super::texts;

texts! {
    answer_no: "Nei, la det være" | "No, leave it";
    confirm_why_must: "Hvorfor? Svaret føres i «Hvem gjorde hva»." | "Why? The answer goes into “Who did what”.";
    confirm_why_missing: "Skriv hvorfor først." | "Say why first.";
    confirm_why_may: "Hvorfor? (kan stå tomt)" | "Why? (may stay empty)";

    start_title(vm): "Starte {vm}?" | "Start {vm}?";
    start_body(title): "«{title}» startes. Sjekkene må bestås før den regnes som oppe."
        | "“{title}” is started. Its checks must pass before it counts as up.";
    start_yes(vm): "Ja, start {vm}" | "Yes, start {vm}";
    shut_down_title(vm): "Slå av {vm}?" | "Shut down {vm}?";
    shut_down_body: "Gjesten blir bedt om å slå seg av i god orden. Svarer den ikke i tide, brukes hardere midler."
        | "The guest is asked to shut down in good order. If it does not in time, harder means follow.";
    shut_down_affects(title, group): "Alle som bruker «{title}» (gruppe {group}), mister den til den går igjen."
        | "Everyone who uses “{title}” (group {group}) is without it until it runs again.";
    shut_down_yes(vm): "Ja, slå av {vm}" | "Yes, shut down {vm}";
    force_off_title(vm): "Kutte strømmen til {vm}?" | "Force off {vm}?";
    force_off_body: "Dette er som å trekke ut støpselet: gjesten får ikke lagret noe, og data kan gå tapt. Prøv å slå av (d) først."
        | "This is like pulling the plug: the guest saves nothing, and data may be lost. Try to shut down (d) first.";
    force_off_yes(vm): "Ja, kutt strømmen til {vm}" | "Yes, cut the power to {vm}";
    pause_title(vm): "Sette {vm} på pause?" | "Pause {vm}?";
    pause_body: "Prosessorene stanses; minnet beholdes. Gjesten merker det som et hopp i tiden."
        | "Its processors halt; its memory is kept. The guest sees a leap in time.";
    pause_yes(vm): "Ja, sett {vm} på pause" | "Yes, pause {vm}";
    resume_title(vm): "La {vm} gå igjen?" | "Resume {vm}?";
    resume_body: "Gjesten fortsetter der den stanset." | "The guest goes on from where it halted.";
    resume_yes(vm): "Ja, la {vm} gå igjen" | "Yes, resume {vm}";
    console_title(vm): "Gå inn på konsollen til {vm}?" | "Enter the console of {vm}?";
    console_body: "Alt du skriver, går til gjesten til du trykker Ctrl-] . Ctrl-] fører tilbake hit."
        | "All that you type goes to the guest until you press Ctrl-] . Ctrl-] leads back here.";
    console_yes(vm): "Ja, gå inn på {vm}" | "Yes, enter {vm}";

    apply_title: "Ta i bruk som ny generasjon?" | "Apply as a new generation?";
    apply_body: "Tjenestene retter seg etter den med en gang. Den gamle generasjonen beholdes og kan tas i bruk igjen."
        | "The services follow it at once. The old generation is kept and can be rolled back to.";
    apply_no: "Nei, behold den aktive" | "No, keep the active one";
    apply_yes: "Ja, ta den i bruk" | "Yes, apply it";
    roll_back_title(number): "Rulle tilbake til generasjon {number}?" | "Roll back to generation {number}?";
    roll_back_body(number): "Det blir en ny generasjon, lik nummer {number}. Tjenestene retter seg etter den med en gang."
        | "It becomes a new generation, the same as number {number}. The services follow it at once.";
    roll_back_no: "Nei, behold den aktive" | "No, keep the active one";
    roll_back_yes(number): "Ja, rull tilbake til {number}" | "Yes, roll back to {number}";
    apply_on_trial(what, minutes): "Endrer {what}, så den tas på prøve: den tas tilbake om {minutes} min hvis ingen bekrefter den (k på siden Anlegg)."
        | "It changes {what}, so it is taken on trial: it is taken back in {minutes} min unless it is confirmed (k on the page Site).";
    confirm_title(number): "La generasjon {number} gjelde for godt?" | "Let generation {number} count for good?";
    confirm_good: "Alt som ble undersøkt, er som det skal." | "All that was looked at is as it should be.";
    confirm_not_good(what): "Ikke som det skal være, eller ikke kjent: {what}." | "Not as it should be, or not known: {what}.";
    confirm_body: "Prøven er over, og den tas ikke tilbake av seg selv." | "The trial is over, and it is not taken back by itself.";
    confirm_no: "Nei, la prøven gå videre" | "No, let the trial go on";
    confirm_yes: "Ja, bekreft" | "Yes, confirm";
    take_back_title(number): "Ta generasjon {number} tilbake nå?" | "Take generation {number} back now?";
    take_back_body(before): "Generasjon {before} gjelder igjen med en gang." | "Generation {before} counts again at once.";
    take_back_yes: "Ja, ta den tilbake" | "Yes, take it back";
    leave_editor_title: "Forkaste det du har skrevet?" | "Throw away what you wrote?";
    leave_editor_body: "Ingenting er endret på anlegget." | "Nothing on the site has changed.";
    leave_editor_no: "Nei, skriv videre" | "No, go on writing";
    leave_editor_yes: "Ja, forkast" | "Yes, throw it away";

    log_out_title: "Logge ut?" | "Log out?";
    log_out_body: "Virtuelle maskiner og tjenester går videre." | "Virtual machines and services keep running.";
    log_out_no: "Nei, bli her" | "No, stay";
    log_out_yes: "Ja, logg ut" | "Yes, log out";
    power_title: "Strøm" | "Power";
    reboot: "Starte verten på nytt" | "Restart the host";
    power_off: "Slå av verten" | "Power off the host";
    power_nothing: "Ingen virtuelle maskiner kjører." | "No virtual machines run.";
    power_unknown: "Det er ikke kjent hva som kjører: hypervisoren svarer ikke."
        | "What runs is not known: the hypervisor does not answer.";
    power_affects(count, names): "{count} virtuelle maskiner kjører og blir slått av i god orden: {names}."
        | "{count} virtual machines run and will be shut down in good order: {names}.";
    power_gates(names): "Klienter når ikke disse databasene imens: {names}." | "Clients cannot reach these databases meanwhile: {names}.";
    power_runs(names): "En omstart pågår nå, og blir avbrutt: {names}. Vent heller til den er ferdig."
        | "A restart is under way just now and would be cut off: {names}. Better wait until it is done.";
    reboot_body: "Deretter starter verten på nytt, og det som skal starte selv, starter."
        | "Then the host restarts, and what has autostart starts.";
    reboot_yes: "Ja, start på nytt" | "Yes, restart";
    power_off_body: "Deretter blir verten av til noen slår den på der den står."
        | "Then the host stays off until someone switches it on where it stands.";
    power_off_yes: "Ja, slå av" | "Yes, power off";
}

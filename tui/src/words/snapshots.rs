//! Texts of snapshots: each risky one says its price.

use super::texts;

texts! {
    snapshots: "Øyeblikksbilder" | "Snapshots";
    snapshot_taken(id, when, by): "{id}: tatt {when} av {by}" | "{id}: taken {when} by {by}";
    snapshot_with(machines): "sammen med {machines}" | "together with {machines}";
    snapshot_written(used, budget): "skrevet siden: {used}, får bli {budget}" | "written since: {used}, may grow to {budget}";
    snapshot_expires(when): "utløper {when}" | "expires {when}";
    snapshot_quiet: "slås sammen i de stille timene" | "merged in the quiet hours";
    snapshot_merging: "slås sammen; ingen vei tilbake" | "being merged; no way back";
    snapshot_halted: "halvveis slått sammen; ingen vei tilbake" | "merged in part; no way back";
    snapshot_progress(done, total, rate, left): "{done} av {total}, {rate}/s, {left} s igjen"
        | "{done} of {total}, {rate}/s, {left} s left";
    snapshot_problem(id, problem): "Øyeblikksbildet {id}: {problem}." | "Snapshot {id}: {problem}.";
    data_full_at(when): "Datadisken er full {when} om den fylles som nå. Slå sammen øyeblikksbilder, eller frigjør plass."
        | "The data disk is full {when} if it fills as now. Merge snapshots, or free some space.";
    no_snapshot(vm): "{vm} har ikke noe øyeblikksbilde; t tar ett" | "{vm} has no snapshot; t takes one";

    take_title(vm): "Ta et øyeblikksbilde av {vm}?" | "Take a snapshot of {vm}?";
    take_body: "Diskene slik de er nå, kan tas fram igjen. Går maskinen, merker gjesten bare en kort stans."
        | "The disks as they are now can be brought back. If the machine runs, its guest notes a short pause only.";
    take_until: "Det utløper om en uke, eller når 10 GiB er skrevet. Da sier oversikten fra; ingenting slettes av seg selv."
        | "It expires in a week, or when 10 GiB were written. The overview says so then; nothing is deleted by itself.";
    take_yes(vm): "Ja, ta et øyeblikksbilde av {vm}" | "Yes, take a snapshot of {vm}";
    roll_back_vm_title(machines, id): "Rulle {machines} tilbake til {id}?" | "Roll {machines} back to {id}?";
    roll_back_vm_yes(id): "Ja, rull tilbake til {id}" | "Yes, roll back to {id}";
    merge_title(id): "Slå sammen {id}?" | "Merge {id}?";
    merge_yes(id): "Ja, slå sammen {id} nå" | "Yes, merge {id} now";
    quiet_title(id): "Slå sammen {id} i de stille timene?" | "Merge {id} in the quiet hours?";
    quiet_body: "Veien tilbake finnes til det begynner, og kan beholdes ved å avlyse (x)."
        | "There is a way back until it begins, and cancelling (x) keeps it.";
    quiet_yes(id): "Ja, slå sammen {id} i de stille timene" | "Yes, merge {id} in the quiet hours";
    cancel_merge_title(id): "Avlyse sammenslåingen av {id}?" | "Cancel the merge of {id}?";
    cancel_merge_body: "Det som er slått sammen, er det. Veien tilbake er borte hvis den alt er begynt."
        | "What is merged stays merged. The way back is gone if it has begun.";
    cancel_merge_yes: "Ja, avlys den" | "Yes, cancel it";
    price_lost(bytes, when): "Går tapt: {bytes} skrevet siden {when}." | "Lost: {bytes} written since {when}.";
    price_seconds(seconds): "Varer omtrent {seconds} s." | "It takes about {seconds} s.";
    price_never: "Kan ikke angres." | "It cannot be undone.";
    price_until(when): "Kan angres til {when}." | "It can be undone until {when}.";
    price_impossible(id): "Veien tilbake til {id} finnes ikke lenger; slå det sammen (m)"
        | "There is no way back to {id} any more; merge it (m)";

    key_take: "ta et øyeblikksbilde" | "take a snapshot";
    key_roll_back_vm: "rull tilbake til siste øyeblikksbilde" | "roll back to the last snapshot";
    key_merge: "slå sammen siste øyeblikksbilde nå" | "merge the last snapshot now";
    key_merge_quiet: "slå det sammen i de stille timene" | "merge it in the quiet hours";
    key_cancel_merge: "avlys sammenslåingen" | "cancel the merge";
}

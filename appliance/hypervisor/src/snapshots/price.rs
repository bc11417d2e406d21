//! What taking something back costs, said before it is done.

use varde_bus::snapshot::{Deed, Price, Snapshot, SnapshotState};
use varde_site::Text;

/// A rollback without the boots: powers cut, files dropped, machines started. Measured: under a second each.
const SECONDS_EACH: u64 = 2;

/// Bytes a second that a merge writes at least; discs of blades do ten times as much.
const SLOWEST: u64 = 50 << 20;

/// `boot`: milliseconds that the slowest of its machines took to come up last; `running`: how many are on.
pub fn price(deed: Deed, snapshot: &Snapshot, running: u64, boot: i64) -> Price {
    let boot = u64::try_from(boot).unwrap_or(0).div_ceil(1000);
    let possible = matches!(snapshot.state, SnapshotState::Kept | SnapshotState::Quiet);
    match deed {
        Deed::RollBack => {
            let machines = u64::try_from(snapshot.machines.len()).unwrap_or(u64::MAX);
            Price {
                possible,
                seconds: SECONDS_EACH.saturating_mul(machines) + if running > 0 { boot } else { 0 },
                lost: snapshot.used,
                lost_since: snapshot.taken,
                undo_until: 0,
                text: roll_back_text(snapshot, running, boot),
            }
        }
        Deed::Merge => Price {
            possible: true,
            seconds: snapshot.used.div_ceil(SLOWEST),
            lost: 0,
            lost_since: 0,
            undo_until: 0,
            text: Text::new(
                format!(
                    "Ingenting som er skrevet går tapt, og maskinene går imens. Men veien tilbake til {} er borte fra det \
                     øyeblikket sammenslåingen begynner, også om den avbrytes.",
                    snapshot.id
                ),
                format!(
                    "Nothing that was written is lost, and the machines go on meanwhile. But the way back to {} is gone \
                     from the moment the merge begins, even if it is cancelled.",
                    snapshot.id
                ),
            ),
        },
    }
}

fn roll_back_text(snapshot: &Snapshot, running: u64, boot: u64) -> Text {
    let names = snapshot.machines.join(", ");
    let again = match (running, boot) {
        (0, _) => Text::new(
            "Maskinene er av, og forblir av.",
            "The machines are off, and stay off.",
        ),
        (_, 0) => Text::new(
            "De som er på, mister strømmen og starter igjen; hvor lenge en oppstart varer, er ikke målt.",
            "Those that are on lose their power and start again; how long a boot takes has not been measured.",
        ),
        (_, boot) => Text::new(
            format!("De som er på, mister strømmen og starter igjen; forrige oppstart tok {boot} s."),
            format!("Those that are on lose their power and start again; the last boot took {boot} s."),
        ),
    };
    Text::new(
        format!(
            "Alt som {names} har skrevet siden øyeblikksbildet, går tapt for godt. {}",
            again.nb
        ),
        format!(
            "Everything that {names} wrote since the snapshot is lost for good. {}",
            again.en
        ),
    )
}

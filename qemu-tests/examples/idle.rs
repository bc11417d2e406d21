//! What our services cost while nothing happens: five virtual machines run, nobody is logged in. `cargo xtask bench
//! idle` runs this and prints a table of it.
//!
//! Prints one JSON object: for each service its memory as PSS (kB), and over [`WINDOW`] the CPU time it took (ms) and how
//! often it was woken (voluntary context switches of its threads).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use varde_qemu_tests::{Appliance, Result, Shape, scenario};

const MACHINES: usize = 5;
/// A guest that boots beside four others inside an emulated machine.
const GUEST: Duration = Duration::from_mins(10);
const WINDOW: Duration = Duration::from_mins(2);

/// Each service's main process: PSS, CPU ticks and voluntary switches, as `/proc` has them.
const LOOK: &str = r#"for unit in $(systemctl list-units --plain --no-legend --type=service --state=running 'varde-*d.service' | cut -d' ' -f1); do
pid=$(systemctl show --value -p MainPID $unit)
pss=$(sed -n 's/^Pss: *\([0-9]*\).*/\1/p' /proc/$pid/smaps_rollup)
ticks=$(sed 's/.*) //' /proc/$pid/stat | { read -r _ _ _ _ _ _ _ _ _ _ _ user system _; echo $((user + system)); })
woken=$(cat /proc/$pid/task/*/status | sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' | { sum=0; while read -r n; do sum=$((sum + n)); done; echo $sum; })
echo "$unit $pss $ticks $woken"
done"#;

fn main() {
    scenario(|scenario| {
        let appliance = scenario.restored(Shape {
            site: Some(site()),
            ..Shape::default()
        })?;
        for number in 1..=MACHINES {
            let start = format!("varde vm start idle{number} --wait {}", GUEST.as_secs());
            appliance.process()?.shell.run_within(&start, GUEST)?;
            appliance.vm_in(&format!("idle{number}"), "running", GUEST)?;
        }
        let before = look(&appliance)?;
        appliance
            .process()?
            .shell
            .run_within(&format!("sleep {}", WINDOW.as_secs()), WINDOW * 3)?;
        let after = look(&appliance)?;
        let services: BTreeMap<_, Value> = after
            .iter()
            .filter_map(|(unit, [pss, ticks, woken])| {
                let [_, ticks_before, woken_before] = before.get(unit)?;
                Some((
                    unit.clone(),
                    // A tick is 10 ms.
                    json!({ "pss": pss, "cpu": (ticks - ticks_before) * 10, "woken": woken - woken_before }),
                ))
            })
            .collect();
        println!(
            "{}",
            json!({ "machines": MACHINES, "seconds": WINDOW.as_secs(), "services": services })
        );
        Ok(())
    });
}

/// The scenarios' site with five small machines instead of its own.
fn site() -> String {
    let site = Shape::default().site.unwrap_or_default();
    let (head, _) = site.split_once("[[vm]]").unwrap_or((&site, ""));
    let mut site = head.to_owned();
    for number in 1..=MACHINES {
        site += &format!(
            "\n[[vm]]\nname = \"idle{number}\"\ntitle = \"Maskin {number}\"\ngroup = \"kontor\"\ncpus = 1\nmemory = \"256 MiB\"\n\
             zone = \"kontor\"\n[[vm.disk]]\nname = \"system\"\nimage = \"small.qcow2\"\nsize = \"2 GiB\"\n\
             [[vm.check]]\nkind = \"agent\"\nwithin = \"10 min\"\n"
        );
    }
    site
}

fn look(appliance: &Appliance) -> Result<BTreeMap<String, [u64; 3]>> {
    let said = appliance.sh(LOOK)?;
    Ok(said
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let unit = words.next()?.to_owned();
            let mut number = || words.next()?.parse().ok();
            Some((unit, [number()?, number()?, number()?]))
        })
        .collect())
}

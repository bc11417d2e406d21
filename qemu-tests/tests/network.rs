//! Networks of the site: a bond, a VLAN on it, a way out; and all of it gone when it is no longer declared.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use varde_qemu_tests::outside::CABLE;
use varde_qemu_tests::{Appliance, Outside, Result, Shape, scenario};

const SOON: Duration = Duration::from_mins(1);
const ROUTER: &str = "10.20.0.2";

/// What the appliance sends when it looks for the router, as it lies on the cable: the VLAN, and who is looked for.
fn asks(outside: &Outside, appliance: &Appliance) -> Result<String> {
    let mut tshark = Command::new("tshark");
    tshark
        .args(["-l", "-i", CABLE, "-a", "duration:60", "-Y", "vlan && arp"])
        .args(["-T", "fields", "-e", "vlan.id", "-e", "arp.dst.proto_ipv4"]);
    let mut listening = outside
        .enter(&tshark)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tshark is installed");
    let mut said = BufReader::new(listening.stderr.take().expect("it is piped")).lines();
    // From then on it hears.
    let ready = said.find(|line| line.as_ref().is_ok_and(|line| line.contains("Capturing on")));
    assert!(ready.is_some(), "tshark does not listen");
    let asked = appliance.run(&format!("timeout 8 ssh -o BatchMode=yes x@{ROUTER}"));
    let mut heard = String::new();
    BufReader::new(listening.stdout.take().expect("it is piped"))
        .read_line(&mut heard)
        .expect("tshark speaks");
    listening.kill().expect("tshark is ours");
    listening.wait().expect("tshark is ours");
    asked?;
    Ok(heard.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn apply(appliance: &Appliance, site: &str) -> Result<()> {
    appliance.write("/run/site.toml", site)?;
    appliance
        .sh("varde site apply /run/site.toml --why prøve --for-good")
        .map(drop)
}

#[test]
fn a_zone_on_a_vlan_of_a_bond_reaches_out_by_its_router_and_is_gone_when_it_is_not_declared() {
    scenario(|scenario| {
        let outside = scenario.outside(&[])?;
        let appliance = scenario.restored_in(&outside, Shape::default())?;
        let site = Shape::default()
            .site
            .expect("the scenarios' own shape has a site");
        let own = "address = \"10.20.0.1/24\"\n";
        assert_eq!(site.matches(own).count(), 1);
        let more = format!("{own}uplink = \"bond0\"\nvlan = 20\ngateway = \"{ROUTER}\"\n");
        let card = appliance.sh("cd /sys/class/net && ls -d en*")?;
        let card = card.trim();
        let bond = format!("\n[[bond]]\nname = \"bond0\"\ncards = [\"{card}\"]\n");
        apply(&appliance, &(site.replace(own, &more) + &bond))?;

        appliance.until(
            &format!("grep -x {card} /sys/class/net/bond0/bonding/slaves"),
            SOON,
        )?;
        appliance.until("ls /sys/class/net/br-kontor/brif | grep -x vl-kontor", SOON)?;
        appliance.until(
            &format!("ip route show default | grep 'via {ROUTER} dev br-kontor'"),
            SOON,
        )?;

        assert_eq!(asks(&outside, &appliance)?, format!("20 {ROUTER}"));

        apply(&appliance, &site)?;
        appliance.until(
            "cd /sys/class/net && test ! -e bond0 && test ! -e vl-kontor && test -z \"$(ls br-kontor/brif)\"",
            SOON,
        )?;
        appliance.until("test -z \"$(ip route show default via 10.20.0.2)\"", SOON)?;
        appliance.sh("varde audit verify").map(drop)
    });
}

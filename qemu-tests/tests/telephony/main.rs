//! Telephony: an exchange of libpri and a phone, baresip, in the network outside, and the appliance between them.

mod phone;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use phone::Phone;
use tokio::runtime::Runtime;
use varde_line::udp::Bound;
use varde_qemu_tests::Step::{Send, WaitFor, WaitForMatch};
use varde_qemu_tests::outside::ADDRESS;
use varde_qemu_tests::{Appliance, OPERATOR, Outside, Result, Scenario, Shape, scenario};
use varde_telephony_lab::Pbx;

const SOON: Duration = Duration::from_mins(1);
/// The appliance's side of the lines; the other end has the same port.
const LINES: [u16; 2] = [7001, 7002];
const SECRET: &str = "hemmelig-nok-1";

/// An old exchange, `sentral`, and two channels to the public network, `by`, both on ISDN; a phone, 200, on SIP.
fn site(more: &str) -> String {
    let site = Shape::default().site.unwrap_or_default();
    let [old, public] = LINES;
    format!(
        r#"{site}
[telephony]
domain = "10.20.0.1"
listen = ["udp:10.20.0.1:5060"]
# Debian's baresip knows no other.
digests = "md5"

[telephony.emergency]
to = ["by"]
number = "35501000"
location = "Telemarksvegen 1, Skien"

[[telephony.line]]
name = "sentral"
title = "Gammel sentral"
access = "primary"
side = "network"
local = "10.20.0.1:{old}"
remote = "{ADDRESS}:{old}"
number = "35501000"
ddi = "355010"
ddi_digits = 2

[[telephony.line]]
name = "by"
title = "Bylinje"
access = "primary"
side = "user"
local = "10.20.0.1:{public}"
remote = "{ADDRESS}:{public}"
channels = "1-2"
number = "35502000"

[[telephony.extension]]
number = "200"
title = "Skranken"
account = "skranke"

[[telephony.route]]
prefix = "0"
to = ["by"]
length = 9
strip = 1
{more}"#
    )
}

/// An appliance, what stands around it, and the clock and sockets of what stands there.
struct Around {
    appliance: Rc<Appliance>,
    outside: Rc<Outside>,
    runtime: Runtime,
}

impl Around {
    fn new(scenario: &Scenario) -> Result<Self> {
        let outside = scenario.outside(&["10.20.0.0/24"])?;
        let shape = Shape {
            site: Some(site("")),
            media: false,
            ..Shape::default()
        };
        let appliance = scenario.restored_in(&outside, shape)?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build();
        Ok(Self {
            appliance,
            outside,
            runtime: runtime.expect("a runtime"),
        })
    }

    /// An exchange at the other end of a line; waits until the line is up and its channels have been restarted.
    fn exchange(&self, line: &str, port: u16, side: &str) -> Result<Pbx> {
        let address = |host: &str| -> SocketAddr { format!("{host}:{port}").parse().expect("an address") };
        let bound = self.outside.within(|| Bound::new(address(ADDRESS)))?;
        let _context = self.runtime.enter();
        let mut pbx = Pbx::start(bound.expect("a free port"), address("10.20.0.1"), side);
        self.says(&mut pbx, "up");
        let at_rest = format!(
            "said=$(varde --json phone lines {line} | tr -d ' \\n'); echo \"$said\"; \
             echo \"$said\" | grep '\"state\":\"free\"' | grep -qv restarting"
        );
        self.appliance.until(&at_rest, SOON)?;
        Ok(pbx)
    }

    fn says(&self, pbx: &mut Pbx, beginning: &str) -> Vec<String> {
        self.runtime.block_on(pbx.says(beginning))
    }

    /// The phone at 200; waits until it is registered.
    fn phone(&self) -> Result<Phone> {
        self.appliance
            .sh(&format!("echo {SECRET} | varde phone credential 200 --why prøve"))?;
        let phone = Phone::start(&self.outside, "skranke", SECRET)?;
        self.appliance.until(
            "varde --json phone extensions | tr -d ' \\n' | grep '\"reachable\":true'",
            SOON,
        )?;
        Ok(phone)
    }
}

#[test]
fn the_site_with_telephony_is_in_order() {
    assert_eq!(varde_site::parse(&site("")).err(), None);
}

#[test]
fn an_old_exchange_and_a_phone_call_each_other_and_hear_each_other_octet_by_octet() {
    scenario(|scenario| {
        let around = Around::new(scenario)?;
        let mut old = around.exchange("sentral", LINES[0], "user")?;
        let phone = around.phone()?;
        let appliance = &around.appliance;
        appliance.log_in(OPERATOR)?;

        // The phone takes every call by itself, and says what lies in its file.
        old.order("call 0 3 35501012 200");
        around.says(&mut old, "answered 0");
        let heard = around.runtime.block_on(old.hears(3, 16_000));
        phone.has_said(&heard);
        // What the exchange says is what comes out of the phone.
        let saying = phone::sound(24_000, 7);
        around.runtime.block_on(old.plays_in_time(3, &saying));
        phone.hears(&saying)?;

        // A person sees the call; another site does not end it.
        appliance.dialogue(&[
            Send("7"),
            WaitForMatch("sentral +oppe +1/30"),
            WaitFor("Samtaler nå: 1 av 120."),
        ])?;
        appliance.write(
            "/run/other.toml",
            &site("\n[[telephony.extension]]\nnumber = \"201\"\ntitle = \"Ny\"\naccount = \"ny\"\n"),
        )?;
        appliance.sh("varde site apply /run/other.toml --why prøve --for-good")?;
        appliance.until("varde --json phone extensions | grep '\"201\"'", SOON)?;
        let more = around.runtime.block_on(old.hears(3, 8_000));
        phone.has_said(&more);

        old.order("clear 0 16");
        around.says(&mut old, "over 0");
        let records = appliance.varde("phone records")?.to_string();
        assert!(records.contains("35501012"), "{records}");
        appliance.sh("varde audit verify").map(drop)
    });
}

#[test]
fn a_call_for_help_is_put_through_while_every_channel_is_busy() {
    scenario(|scenario| {
        let around = Around::new(scenario)?;
        let mut old = around.exchange("sentral", LINES[0], "user")?;
        let mut public = around.exchange("by", LINES[1], "network")?;
        for n in 0..2 {
            old.order(&format!("call {n} {} 35501012 035502{n}00", n + 1));
            let ring = around.says(&mut public, "ring ");
            public.order(&format!("answer {}", ring[0]));
            around.says(&mut old, &format!("answered {n}"));
        }
        old.order("call 2 5 35501012 035502900");
        around.says(&mut old, "cleared 2 34");
        let appliance = &around.appliance;
        appliance.log_in(OPERATOR)?;
        // The caller's number is secret; who helps is told it all the same.
        old.order("call 3 6 !35501044 112");
        let ring = around.says(&mut public, "ring ");
        assert_eq!(ring[2..], ["35501044", "112"]);
        public.order(&format!("answer {}", ring[0]));
        around.says(&mut old, "answered 3");
        let calls = appliance.varde("phone calls")?.to_string();
        assert!(calls.contains("\"emergency\":true"), "{calls}");
        appliance.dialogue(&[Send("7"), WaitFor("Nødanrop: 1.")])?;
        old.order("clear 3 16");
        around.says(&mut old, "over 3");
        Ok(())
    });
}

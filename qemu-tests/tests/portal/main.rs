//! The portal and virtual desktops: a person with a browser in the network outside, and the appliance.

mod browser;
mod wire;

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use browser::Browser;
use data_encoding::BASE32_NOPAD;
use serde_json::{Value, json};
use varde_access::totp;
use varde_qemu_tests::outside::APPLIANCE;
use varde_qemu_tests::{Appliance, Outside, Result, Scenario, Shape, patient, scenario};
use wire::Wire;

const SOON: Duration = Duration::from_mins(1);
/// A guest that boots inside an emulated machine.
const GUEST: Duration = Duration::from_mins(4);
const PASSWORD: &str = "tre små kaffekopper";

fn site() -> String {
    let site = Shape::default().site.unwrap_or_default();
    format!(
        r#"{site}
[portal]
name = "{APPLIANCE}"
listen = "0.0.0.0:443"

[[person]]
name = "anne"
title = "Anne Lie"

[[person]]
name = "per"
title = "Per Vik"

[[desktop_pool]]
name = "pult"
title = "Kontorpult"
image = "desk.qcow2"
zone = "kontor"
cpus = 1
memory = "160 MiB"
disk = "1 GiB"
kind = "fresh"
persons = ["anne"]
"#
    )
}

/// The private key of the other site.
const HOSPITAL: [u8; 32] = [7; 32];

/// The same with a tunnel: a hospital behind 10.50.0.0/16, and Anne's devices; both reach the office and not the store.
fn joined() -> String {
    let site = site().replace(
        "title = \"Anne Lie\"",
        "title = \"Anne Lie\"\nreach = [\"kontor\"]",
    );
    let key = STANDARD.encode(Wire::public(HOSPITAL));
    format!(
        r#"{site}
[[zone]]
name = "lager"
title = "Lager"
address = "10.21.0.1/24"

[tunnel]
address = "10.99.0.1/24"
endpoint = "{APPLIANCE}:51820"

[[tunnel.site]]
name = "sykehus"
title = "Sykehuset"
key = "{key}"
networks = ["10.50.0.0/16"]
reach = ["kontor"]
"#
    )
}

struct Around {
    appliance: Rc<Appliance>,
    outside: Rc<Outside>,
    /// Of the authenticator.
    secret: Vec<u8>,
    /// The last step whose code was typed.
    step: u64,
}

impl Around {
    fn new(scenario: &Scenario) -> Result<Self> {
        Self::of(scenario, site(), &[])
    }

    fn of(scenario: &Scenario, site: String, running: &'static [&'static str]) -> Result<Self> {
        let outside = scenario.outside(&[])?;
        let appliance = scenario.restored_in(
            &outside,
            Shape {
                site: Some(site),
                running,
                ..Shape::default()
            },
        )?;
        Ok(Self {
            appliance,
            outside,
            secret: Vec::new(),
            step: 0,
        })
    }

    /// A code that was not typed before, by the clock of the appliance.
    fn code(&mut self) -> Result<String> {
        let seconds = || -> Result<u64> { Ok(self.appliance.sh("date +%s")?.trim().parse().unwrap_or(0)) };
        let mut step = seconds()? / totp::STEP;
        while step <= self.step {
            std::thread::sleep(Duration::from_millis(500));
            step = seconds()? / totp::STEP;
        }
        self.step = step;
        Ok(format!("{:06}", totp::code(&self.secret, step)))
    }

    /// From an operator's code to the list of desktops.
    fn enrol(&mut self, browser: &mut Browser) -> Result<()> {
        let code = self.appliance.varde("access enrol anne --why ny")?["code"].clone();
        browser.go(&format!("https://{APPLIANCE}/"))?;
        browser.sees("Logg inn", SOON)?;
        browser.press("Første gang her?")?;
        browser.sees("Du har fått en kode av driften", SOON)?;
        browser.send(&[("person", "Anne"), ("code", code.as_str().unwrap_or_default())])?;
        browser.sees("Velg et passord", SOON)?;
        browser.send(&[("password", "kort"), ("again", "kort")])?;
        browser.sees("Passordet er for kort", SOON)?;
        browser.send(&[("password", PASSWORD), ("again", PASSWORD)])?;
        browser.sees("Koble til telefonen", SOON)?;
        let secret = browser.eval("document.getElementById('secret').textContent")?;
        let secret = secret.as_str().unwrap_or_default().replace(' ', "");
        self.secret = BASE32_NOPAD.decode(secret.as_bytes()).expect("base 32");
        let code = self.code()?;
        browser.send(&[("code", &code)])?;
        browser.sees("Skriv ned disse kodene", SOON)?;
        browser.press("Jeg har skrevet dem ned")?;
        browser.sees("Pultene dine", SOON)
    }

    fn log_in(&mut self, browser: &mut Browser) -> Result<()> {
        browser.sees("Logg inn", SOON)?;
        browser.send(&[("person", "anne"), ("password", PASSWORD)])?;
        browser.sees("Kode fra telefonen", SOON)?;
        let code = self.code()?;
        browser.send(&[("code", &code)])?;
        browser.sees("Pultene dine", SOON)
    }
}

/// Letters of the font of the desk guest (lat9w-16): sixteen rows of eight dots.
const LETTERS: [(&str, &str, &str); 3] = [
    ("Quote", "æ", "00000000007edb1b7fd8db7e00000000"),
    ("Semicolon", "ø", "00000000007ecedefef6e6fc00000000"),
    ("BracketLeft", "å", "00386c3800780c7ccccccc7600000000"),
];

/// The cells of the desktop's text screen in which dots are lit, as the font has them.
const CELLS: &str = r"(() => {
  const canvas = document.querySelector('#screen canvas');
  if (!canvas || canvas.width < 720) return [];
  const dots = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const rows = [];
  for (let row = 0; row < 4; row += 1) {
    const cells = [];
    for (let column = 0; column < 20; column += 1) {
      let cell = '';
      for (let y = 0; y < 16; y += 1) {
        let byte = 0;
        for (let x = 0; x < 8; x += 1) {
          const at = 4 * ((row * 16 + y) * canvas.width + column * 9 + x);
          byte = byte * 2 + (dots[at] > 96 ? 1 : 0);
        }
        cell += byte.toString(16).padStart(2, '0');
      }
      cells.push(cell);
    }
    rows.push(cells);
  }
  return rows;
})()";

/// Until the letters stand beside each other on the desktop.
fn shows_letters(browser: &mut Browser) -> Result<()> {
    let wanted: Vec<&str> = LETTERS.iter().map(|(_, _, dots)| *dots).collect();
    let wanted = json!(wanted);
    browser.wait(
        &format!("{CELLS}.some((row) => row.some((_, at) => {wanted}.every((dots, place) => row[at + place] === dots)))"),
        SOON,
    )
}

fn open_desktop(browser: &mut Browser) -> Result<()> {
    browser.press("Åpne")?;
    browser.sees("Pulten er åpen", GUEST)?;
    // The editor is up: its title is a row of lit cells.
    browser.wait(&format!("{CELLS}[0]?.includes('{}')", "f".repeat(32)), GUEST)
}

#[test]
fn a_person_works_on_a_desktop_in_the_browser_through_restarts_and_nothing_of_it_is_left() {
    scenario(|scenario| {
        let mut around = Around::new(scenario)?;
        let appliance = Rc::clone(&around.appliance);
        let mut browser = Browser::start(&around.outside)?;
        around.enrol(&mut browser)?;
        open_desktop(&mut browser)?;
        for (code, key, _) in LETTERS {
            browser.key(code, key)?;
        }
        let shown = shows_letters(&mut browser);
        let pictures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/varde/pictures");
        browser.picture(&pictures.join("desktop.png"))?;
        shown?;

        // Neither a policy change nor new services end the session, and the screen comes back by itself.
        let toml = site().replace("name = \"per\"", "name = \"pal\"");
        appliance.write("/run/new.toml", &toml)?;
        appliance.varde("site apply /run/new.toml --why ny --for-good")?;
        appliance.sh("systemctl restart varde-accessd.service")?;
        shows_letters(&mut browser)?;
        browser.wait("!document.body.innerText.includes('ble brutt')", SOON)?;
        assert_eq!(begun(&appliance)?, 1, "the screen was opened anew");
        let before = Instant::now();
        appliance.sh("systemctl restart varde-portald.service")?;
        let restarted = Instant::now();
        while begun(&appliance)? < 2 {
            assert!(
                restarted.elapsed() < patient(SOON),
                "the screen did not come back"
            );
        }
        scenario.report(&format!(
            "the portal was restarted within {} ms, and the screen was back at most {} ms later",
            restarted.duration_since(before).as_millis(),
            restarted.elapsed().as_millis()
        ));
        browser.sees("Pulten er åpen", SOON)?;
        shows_letters(&mut browser)?;

        let sessions = appliance.varde("access sessions")?;
        assert_eq!(sessions[0]["person"], "anne", "{sessions:#}");
        assert_eq!(sessions[0]["desktops"], json!(["pult-anne"]), "{sessions:#}");
        let stolen = cookie(&mut browser)?;
        browser.elsewhere(|browser| {
            browser.go(&format!("https://{APPLIANCE}/site.json"))?;
            browser.wait("document.body?.innerText.includes('title')", SOON)?;
            put_cookie(browser, &stolen)?;
            browser.go(&format!("https://{APPLIANCE}/"))?;
            // With the cookie, and without the key.
            browser.sees("Logg inn", SOON)?;
            let home = post(browser, "home", "{}")?;
            assert_eq!(home, 401, "a stolen cookie opened something");
            Ok(())
        })?;

        browser.press("Til oversikten")?;
        browser.sees("Pultene dine", SOON)?;
        browser.press("Logg ut")?;
        browser.sees("Du er logget ut", SOON)?;
        put_cookie(&mut browser, &stolen)?;
        assert_eq!(
            post(&mut browser, "challenge", "{}")?,
            401,
            "the session outlived its end"
        );
        // A fresh desktop forgets: it is off, and its disk is gone.
        appliance.vm_in("pult-anne", "stopped", SOON)?;
        appliance.until("test ! -e /var/lib/varde/vm/pult-anne/system.qcow2", SOON)?;

        let records = appliance.varde("audit list --count 200")?;
        for verb in [
            "access.enrol",
            "access.enrolled",
            "desktop.begin",
            "desktop.end",
            "access.end",
        ] {
            let there = |record: &Value| record["verb"] == verb;
            assert!(
                records.as_array().is_some_and(|all| all.iter().any(there)),
                "{verb} is not recorded"
            );
        }
        Ok(())
    });
}

#[test]
fn a_stranger_does_not_come_in_and_a_person_does_with_both_factors_once_each() {
    scenario(|scenario| {
        let mut around = Around::new(scenario)?;
        let appliance = Rc::clone(&around.appliance);
        let mut browser = Browser::start(&around.outside)?;
        around.enrol(&mut browser)?;
        let used = format!("{:06}", totp::code(&around.secret, around.step));
        // The same code, at once, from elsewhere; after the service was killed; and after a restart of the appliance.
        let refused = |around: &mut Around, browser: &mut Browser, used: &str| -> Result<()> {
            browser.elsewhere(|browser| {
                browser.go(&format!("https://{APPLIANCE}/"))?;
                browser.sees("Logg inn", SOON)?;
                browser.send(&[("person", "anne"), ("password", "feil passord her")])?;
                browser.sees("Navnet eller passordet er feil", SOON)?;
                browser.send(&[("person", "anne"), ("password", PASSWORD)])?;
                browser.sees("Kode fra telefonen", SOON)?;
                browser.send(&[("code", used)])?;
                browser.sees("Koden er feil eller alt brukt", SOON)?;
                let code = around.code()?;
                browser.send(&[("code", &code)])?;
                browser.sees("Pultene dine", SOON)
            })
        };
        refused(&mut around, &mut browser, &used)?;
        let used = format!("{:06}", totp::code(&around.secret, around.step));
        appliance.sh("systemctl kill --signal=KILL varde-accessd.service")?;
        refused(&mut around, &mut browser, &used)?;

        // An operator sees who is in, and puts them out.
        let sessions = appliance.varde("access sessions")?;
        assert_eq!(sessions.as_array().map(Vec::len), Some(3), "{sessions:#}");
        browser.go(&format!("https://{APPLIANCE}/"))?;
        browser.sees("Der du er logget inn", SOON)?;
        for session in sessions.as_array().into_iter().flatten() {
            let id = session["id"].as_str().unwrap_or_default();
            appliance.varde(&format!("access end {id} --why prøve"))?;
        }
        browser.press("Logg ut")?;
        browser.sees("Økten er over", SOON)?;
        around.log_in(&mut browser)?;

        // Headers and answers of the portal itself.
        let headers = browser.eval(
            "fetch('/').then((answer) => ['content-security-policy', 'strict-transport-security', 'x-frame-options'].map((name) => answer.headers.get(name)))",
        )?;
        assert!(
            headers[0]
                .as_str()
                .is_some_and(|csp| csp.starts_with("default-src 'none'")),
            "{headers}"
        );
        assert_eq!(headers[1], "max-age=31536000");
        let outsiders = browser.eval(
            "Promise.all([fetch('/nothing'), fetch('/api/login', {method: 'POST', body: '{}'}), fetch('/api/login', {method: 'POST', body: 'x'.repeat(20000), headers: {'Content-Type': 'application/json'}})]).then((all) => all.map((answer) => answer.status))",
        )?;
        assert_eq!(outsiders, json!([404, 403, 400]));
        Ok(())
    });
}

#[test]
fn a_site_is_always_joined_and_a_device_only_while_its_person_is_logged_in() {
    const OFFICE: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 11);
    const STORE: Ipv4Addr = Ipv4Addr::new(10, 21, 0, 1);
    /// For what must not come; a reply takes milliseconds.
    const SILENCE: Duration = Duration::from_secs(3);
    scenario(|scenario| {
        let mut around = Around::of(scenario, joined(), &["liten"])?;
        let appliance = Rc::clone(&around.appliance);
        let status = appliance.varde("tunnel status")?;
        assert!(status["trouble"]["en"] == "", "{status:#}");
        let ours = key(&status["key"]);
        let hospital = Ipv4Addr::new(10, 50, 0, 7);
        let mut site = Wire::new(&around.outside, HOSPITAL, ours, hospital)?;
        assert!(site.ping(OFFICE, SOON), "the hospital does not reach the office");
        assert!(!site.ping(STORE, SILENCE), "the hospital reaches the store");
        let peers = appliance.varde("tunnel peers")?;
        assert!(peers[0]["handshake"].as_i64() > Some(0), "{peers:#}");

        // A stranger's key gets no answer at all.
        let mut stranger = Wire::new(&around.outside, [9; 32], ours, Ipv4Addr::new(10, 99, 0, 2))?;
        assert!(!stranger.ping(OFFICE, SILENCE), "a stranger reaches the office");

        let mut browser = Browser::start(&around.outside)?;
        around.enrol(&mut browser)?;
        browser.sees("Enhetene dine i tunnelen", SOON)?;
        browser.press("Legg til en enhet")?;
        browser.sees("Hva heter enheten?", SOON)?;
        browser.send(&[("title", "Telefon")])?;
        browser.sees("Last ned filen", SOON)?;
        browser.wait(
            "document.querySelector('svg.qr path').getAttribute('d').length > 500",
            SOON,
        )?;
        let file =
            browser.eval("import('/door.js').then((door) => door.device('PC')).then((said) => said.file)")?;
        let file = file.as_str().unwrap_or_default().to_owned();
        let of = |name: &str| {
            let line = file.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().strip_prefix("= "))
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(of("AllowedIPs"), "10.20.0.0/24", "{file}");
        let address = of("Address").replace("/32", "").parse().expect("an address");
        let private = key(&json!(of("PrivateKey")));
        let mut device = Wire::new(&around.outside, private, key(&json!(of("PublicKey"))), address)?;
        assert!(
            device.ping(OFFICE, SOON),
            "a device of somebody who is logged in is kept out"
        );
        assert!(!device.ping(STORE, SILENCE), "a device reaches the store");

        // Packets do not wait for services, nor do doors open or close because of them.
        appliance.sh("systemctl kill --signal=KILL varde-tunneld.service varde-accessd.service")?;
        assert!(
            device.ping(OFFICE, SOON),
            "a service that was killed cut the device off"
        );
        appliance.until(
            "systemctl is-active varde-tunneld.service varde-accessd.service",
            SOON,
        )?;
        let ways = appliance.sh("nft list set inet varde_tunnel people")?;
        assert!(ways.contains("expires") && ways.contains("br-kontor"), "{ways}");

        let sessions = appliance.varde("access sessions")?;
        let id = sessions[0]["id"].as_str().unwrap_or_default().to_owned();
        let before = Instant::now();
        appliance.varde(&format!("access end {id} --why prøve"))?;
        scenario.report(&format!(
            "the order to end the session took {} ms",
            before.elapsed().as_millis()
        ));
        assert!(
            !device.ping(OFFICE, SILENCE),
            "the device is in after its person was put out"
        );
        browser.go(&format!("https://{APPLIANCE}/"))?;
        around.log_in(&mut browser)?;
        assert!(
            device.ping(OFFICE, SOON),
            "the device is kept out after the log-in"
        );

        // Our own key: announced, then changed. Who has the old one is not heard any more.
        let next = appliance.varde("tunnel prepare-key --why bytte")?["next_key"].clone();
        appliance.varde("tunnel change-key --why bytte")?;
        let mut site = Wire::new(&around.outside, HOSPITAL, key(&next), hospital)?;
        assert!(
            site.ping(OFFICE, SOON),
            "the hospital does not reach the office by the new key"
        );
        let mut old = Wire::new(&around.outside, HOSPITAL, ours, hospital)?;
        assert!(!old.ping(OFFICE, SILENCE), "the old key still answers");
        Ok(())
    });
}

fn key(text: &Value) -> [u8; 32] {
    let bytes = STANDARD
        .decode(text.as_str().unwrap_or_default())
        .expect("base 64");
    bytes.try_into().expect("a key of WireGuard")
}

/// How often a screen was opened.
fn begun(appliance: &Appliance) -> Result<usize> {
    let records = appliance.varde("audit list --count 200")?;
    let all = records.as_array().into_iter().flatten();
    Ok(all.filter(|record| record["verb"] == "desktop.begin").count())
}

fn cookie(browser: &mut Browser) -> Result<String> {
    let cookies = browser.call(
        "Network.getCookies",
        &json!({ "urls": [format!("https://{APPLIANCE}/")] }),
    )?;
    let session = cookies["cookies"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|cookie| cookie["name"] == "__Host-session")
        .cloned()
        .unwrap_or_default();
    assert_eq!(session["httpOnly"], true, "{cookies:#}");
    assert_eq!(session["sameSite"], "Strict", "{cookies:#}");
    Ok(session["value"].as_str().unwrap_or_default().to_owned())
}

fn put_cookie(browser: &mut Browser, value: &str) -> Result<()> {
    let cookie = json!({
        "name": "__Host-session", "value": value, "url": format!("https://{APPLIANCE}/"),
        "secure": true, "httpOnly": true, "sameSite": "Strict", "path": "/",
    });
    browser.call("Network.setCookie", &cookie).map(drop)
}

/// The status of what the portal answers.
fn post(browser: &mut Browser, name: &str, body: &str) -> Result<Value> {
    browser.eval(&format!(
        "fetch('/api/{name}', {{method: 'POST', body: '{body}', headers: {{'Content-Type': 'application/json'}}}}).then((answer) => answer.status)"
    ))
}

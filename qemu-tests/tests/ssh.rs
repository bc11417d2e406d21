//! SSH: off until the site says otherwise; the console for who has a key, and nothing else.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use varde_qemu_tests::{Appliance, Outside, Result, Shape, patient, scenario};

const SOON: Duration = Duration::from_mins(1);

/// A new key of a person's own.
fn key(appliance: &Appliance, name: &str) -> PathBuf {
    let path = appliance.scratch().join(name);
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path);
    assert!(make.status().expect("ssh-keygen").success());
    path
}

fn ssh(outside: &Outside, key: &Path, more: &[&str]) -> Command {
    let mut command = Command::new("ssh");
    command
        .args([
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args([
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "ConnectTimeout=20",
            "-o",
            "LogLevel=ERROR",
            "-i",
        ])
        .arg(key)
        .args(more);
    outside.enter(&command)
}

/// What a client says that comes to nothing.
fn refused(outside: &Outside, key: &Path, more: &[&str]) -> String {
    let output = ssh(outside, key, more)
        .stdin(Stdio::null())
        .output()
        .expect("ssh");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    said
}

/// A console by SSH.
struct Session {
    client: Child,
    keys: ChildStdin,
    seen: Receiver<Vec<u8>>,
}

impl Session {
    fn begin(outside: &Outside, key: &Path, who: &str) -> Self {
        let mut command = ssh(outside, key, &["-tt", who]);
        command.env("TERM", "vt220").env("LC_ALL", "C.UTF-8");
        let mut client = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ssh");
        let (tell, seen) = channel();
        let mut screen = client.stdout.take().expect("it is piped");
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            keys: client.stdin.take().expect("it is piped"),
            client,
            seen,
        }
    }

    fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the session lives");
    }

    fn wait_for(&mut self, text: &str) {
        let until = Instant::now() + patient(SOON);
        let mut all = Vec::new();
        while !String::from_utf8_lossy(&all).contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            match self.seen.recv_timeout(left) {
                Ok(bytes) => all.extend(bytes),
                Err(error) => panic!(
                    "{text:?} does not come ({error}): {}",
                    String::from_utf8_lossy(&all)
                ),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

fn apply(appliance: &Appliance, site: &str) -> Result<()> {
    appliance.write("/run/site.toml", site)?;
    appliance
        .sh("varde site apply /run/site.toml --why prøve --for-good")
        .map(drop)
}

#[test]
fn who_has_a_key_gets_the_console_and_nothing_else_and_nobody_where_the_site_says_nothing() {
    scenario(|scenario| {
        let outside: Rc<Outside> = scenario.outside(&["10.20.0.0/24"])?;
        let appliance = scenario.restored_in(&outside, Shape::default())?;
        let (ours, others) = (key(&appliance, "ours"), key(&appliance, "others"));
        let at = "drift@10.20.0.1";
        let said = refused(&outside, &ours, &[at]);
        assert!(said.contains("refused"), "{said}");

        let site = Shape::default()
            .site
            .expect("the scenarios' own shape has a site");
        let public = std::fs::read_to_string(ours.with_extension("pub")).expect("it was made");
        let named = "name = \"drift\"\n";
        assert_eq!(site.matches(named).count(), 1);
        let with_key = site.replace(named, &format!("{named}ssh_keys = [\"{}\"]\n", public.trim()));
        let with_ssh = with_key.clone() + "\n[ssh]\nlisten = \"10.20.0.1:22\"\n";
        apply(&appliance, &with_ssh)?;
        appliance.until("systemctl is-active varde-sshd.service", SOON)?;
        let mut session = Session::begin(&outside, &ours, at);
        session.wait_for("Oversikt");

        // Neither another key nor a password, nobody else, no commands, no files, no way on.
        for (key, who) in [
            (&others, at),
            (&ours, "leder@10.20.0.1"),
            (&ours, "root@10.20.0.1"),
        ] {
            let said = refused(&outside, key, &["-o", "BatchMode=yes", who]);
            assert!(said.contains("Permission denied (publickey)"), "{who}: {said}");
        }
        let said = refused(&outside, &ours, &[at, "id"]);
        assert!(said.contains("it runs no commands"), "{said}");
        refused(&outside, &ours, &["-s", at, "sftp"]);
        refused(&outside, &ours, &["-W", "10.20.0.1:22", at]);

        // Another site is applied: whoever is in stays in.
        apply(
            &appliance,
            &with_ssh.replace("idle_lock", "# the same\nidle_lock"),
        )?;
        appliance.until("systemctl is-active varde-sshd.service", SOON)?;
        session.send("2");
        session.wait_for("Liten maskin");
        // The machine's own fingerprint stands in the log, and whose key was taken.
        for key in ["/var/lib/varde/ssh/host_ed25519.pub", "/etc/ssh/varde-keys/drift"] {
            appliance.sh(&format!(
                "journalctl -u varde-sshd --no-pager | grep -q \"$(ssh-keygen -l -f {key} | cut -d' ' -f2)\""
            ))?;
        }

        apply(&appliance, &site)?;
        appliance.until(
            "! systemctl is-active varde-sshd.service && test ! -e /etc/ssh/varde-keys",
            SOON,
        )?;
        let said = refused(&outside, &ours, &[at]);
        assert!(said.contains("refused"), "{said}");
        appliance.sh("varde audit verify").map(drop)
    });
}

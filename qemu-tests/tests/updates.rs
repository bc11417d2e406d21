//! Updates, by the full path of firmware and boot loader: kept, refused, given up, taken back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use varde_machine::release::{LIST, Parts, Signer};
use varde_qemu_tests::Step::{Send, WaitFor, Within};
use varde_qemu_tests::cut::{self, FileSystem, Request};
use varde_qemu_tests::slots::{self, Disk};
use varde_qemu_tests::{ADMIN, Appliance, Outside, Result, Scenario, Shape, scenario};

/// An appliance with a stick, whose site takes what `signer` has signed.
struct Bench {
    appliance: Rc<Appliance>,
    signer: Signer,
    /// The release on the host, as it would be fetched.
    release: PathBuf,
    next: String,
    /// What runs at first.
    first: String,
}

fn bench(scenario: &Scenario, change: impl Fn(String) -> String) -> Result<Bench> {
    bench_on(scenario, change, Scenario::restored)
}

fn bench_on(
    scenario: &Scenario,
    change: impl Fn(String) -> String,
    restored: impl Fn(&Scenario, Shape) -> Result<Rc<Appliance>>,
) -> Result<Bench> {
    let shape = Shape {
        stick: true,
        ..Shape::default()
    };
    let site = shape.site.clone().expect("the scenarios' own shape has a site");
    let appliance = restored(scenario, shape)?;
    let signer = Signer::generate()?;
    let keys = format!(
        "\n[update]\nkeys = [\"{}\"]\nsettle = \"1 min\"\n",
        signer.public()
    );
    appliance.write("/run/site.toml", &(change(site) + &keys))?;
    appliance.sh("varde site apply /run/site.toml --why nøkkel")?;
    let release = appliance.scratch().join("release");
    let (image, next) = appliance
        .build()
        .next
        .clone()
        .expect("VARDE_NEXT names another version");
    fs::create_dir(&release).expect("a folder of the scenario's own");
    Parts::of(&image, &next).write(&release)?;
    signer.sign(&release)?;
    let first = text(&appliance, "version")?;
    Ok(Bench {
        appliance,
        signer,
        release,
        next,
        first,
    })
}

fn text(appliance: &Appliance, field: &str) -> Result<String> {
    let status = appliance.varde("update status")?;
    Ok(status[field].as_str().unwrap_or_default().to_owned())
}

/// Tries to write what is on the stick; what it says.
fn refused(appliance: &Appliance, more: &str) -> Result<String> {
    let said = appliance.run(&format!("varde --lang en update install --why prøve {more}"))?;
    assert_eq!(said.code, 1, "it was taken: {}", said.text);
    Ok(said.text)
}

/// The shell may be gone before the command has answered.
fn restart(appliance: &Appliance) -> Result<()> {
    appliance.mark()?;
    let process = appliance.process()?;
    process.shell.start("varde reboot --why prøve");
    process.qmp.borrow_mut().event("RESET", Duration::from_mins(3))?;
    Ok(())
}

/// The entries of the boot loader, in the order of their names.
fn entries(appliance: &Appliance) -> Result<String> {
    appliance.sh("systemctl start boot.mount && cd /boot/EFI/Linux && ls | paste -sd' ' -")
}

fn edit(path: &Path, from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(path).expect("it was made");
    let at = bytes
        .windows(from.len())
        .position(|window| window == from)
        .expect("it is there");
    bytes[at..at + to.len()].copy_from_slice(to);
    fs::write(path, bytes).expect("it was made");
}

#[test]
fn a_good_version_is_kept_and_goes_when_it_is_taken_back() {
    scenario(|scenario| {
        let Bench {
            appliance,
            release,
            next,
            first,
            ..
        } = bench(scenario, |site| site)?;
        appliance.write("/var/lib/varde/kept", "data")?;
        appliance.put_stick(&release)?;
        appliance.sh("varde update install --why prøve")?;
        assert_eq!(text(&appliance, "pending")?, next);
        assert_eq!(text(&appliance, "version")?, first);
        restart(&appliance)?;
        appliance.wait_for_login()?;
        let status = appliance.varde("update status")?;
        assert_eq!(status["version"], next.as_str(), "{status:#}");
        assert_eq!(status["outcomes"][0]["kept"], true, "{status:#}");
        assert_eq!(status["other"], first.as_str());
        assert_eq!(appliance.sh("cat /var/lib/varde/kept")?, "data");
        // Both are good: without tries in their names.
        appliance.until("systemctl is-active systemd-bless-boot", Duration::from_mins(1))?;
        assert_eq!(
            entries(&appliance)?.trim(),
            format!("varde_{first}.efi varde_{next}.efi")
        );
        appliance.log_in(ADMIN)?;
        appliance.dialogue(&[
            WaitFor("tok over for"),
            Send("U"),
            WaitFor("Gå tilbake til utgave"),
            Send("<esc>"),
        ])?;

        appliance.sh("varde update back --why prøve")?;
        restart(&appliance)?;
        appliance.wait_for_login()?;
        let status = appliance.varde("update status")?;
        assert_eq!(status["version"], first.as_str(), "{status:#}");
        assert_eq!(status["quarantined"][0], next.as_str(), "{status:#}");
        assert_eq!(appliance.sh("cat /var/lib/varde/kept")?, "data");
        appliance.sh("varde audit verify").map(drop)
    });
}

#[test]
fn what_is_not_as_it_was_released_is_refused_with_the_reason_and_writes_nothing() {
    scenario(|scenario| {
        let Bench {
            appliance,
            release,
            next,
            signer,
            ..
        } = bench(scenario, |site| site)?;
        let before = entries(&appliance)?;
        assert!(refused(&appliance, "")?.contains("no stick labelled VARDE"));

        let name = |suffix: &str| {
            let files = fs::read_dir(&release).expect("it was made");
            let mut paths = files.map(|file| file.expect("it was made").path());
            paths
                .find(|path| path.to_string_lossy().ends_with(suffix))
                .expect("it was made")
        };
        let list = release.join(LIST);
        // Changed after it was signed.
        let good = fs::read(&list).expect("it was made");
        edit(&list, next.as_bytes(), "9.9.9".as_bytes());
        appliance.put_stick(&release)?;
        assert!(refused(&appliance, "")?.contains("not signed by any of the keys"));
        fs::write(&list, &good).expect("it was made");

        // Cut short, and changed by one byte.
        let verity = name(".verity.raw");
        let whole = fs::read(&verity).expect("it was made");
        fs::write(&verity, &whole[..whole.len() - 4096]).expect("it was made");
        appliance.put_stick(&release)?;
        assert!(refused(&appliance, "")?.contains("cut short or changed"));
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        fs::write(&verity, &changed).expect("it was made");
        appliance.put_stick(&release)?;
        assert!(refused(&appliance, "")?.contains("cut short or changed"));
        fs::write(&verity, &whole).expect("it was made");

        // A key that the site does not have.
        Signer::generate()?.sign(&release)?;
        appliance.put_stick(&release)?;
        assert!(refused(&appliance, "")?.contains("not signed by any of the keys"));
        signer.sign(&release)?;
        appliance.put_stick(&release)?;

        // No room.
        appliance
            .sh("fallocate -l $(( $(df -B1 --output=avail /var | tail -n 1) - 200000000 )) /var/fill")?;
        assert!(refused(&appliance, "")?.contains("There is no room"));
        appliance.sh("rm /var/fill")?;

        // The service decides by role.
        let said = appliance.run("runuser -u drift -- varde --lang en update install --why prøve")?;
        assert!(
            said.code == 1 && said.text.contains("varde-admin"),
            "{}",
            said.text
        );
        assert_eq!(entries(&appliance)?, before);
        assert_eq!(text(&appliance, "pending")?, "");
        assert_eq!(appliance.sh("systemctl --failed --no-legend --plain")?, "");
        appliance.sh("varde update install --why prøve")?;
        assert_eq!(text(&appliance, "pending")?, next);
        assert_eq!(text(&appliance, "refusal")?, "");
        // Called off before it was tried.
        appliance.sh("varde update back --why ombestemt")?;
        assert_eq!(text(&appliance, "pending")?, "");
        assert!(refused(&appliance, "")?.contains("quarantine"));
        // An entry that a power cut has left empty is made anew.
        appliance.sh("systemctl start boot.mount && : > $(ls /boot/EFI/Linux/varde_*+0.efi)")?;
        appliance.sh("varde update install --even-so --why prøve")?;
        let kernel = format!("stat -c %s /boot/EFI/Linux/varde_{next}+3*.efi");
        assert_eq!(
            appliance.sh(&kernel)?.trim(),
            fs::metadata(name(".efi")).expect("it was made").len().to_string()
        );
        Ok(())
    });
}

#[test]
fn a_version_whose_kernel_panics_is_given_up_by_itself_and_explained_until_it_is_read() {
    scenario(|scenario| {
        let Bench {
            appliance,
            release,
            next,
            first,
            signer,
        } = bench(scenario, |site| site)?;
        // A kernel without a first process panics.
        let (image, _) = appliance
            .build()
            .next
            .clone()
            .expect("VARDE_NEXT names another version");
        let kernel = appliance.scratch().join("varde.efi");
        fs::copy(image.join("varde.efi"), &kernel).expect("it was built");
        edit(&kernel, b"loglevel=3", b"rdinit=/no");
        let parts = Parts {
            kernel,
            ..Parts::of(&image, &next)
        };
        parts.write(&release)?;
        signer.sign(&release)?;
        appliance.put_stick(&release)?;
        appliance.sh("varde update install --why prøve")?;
        restart(&appliance)?;
        for _try in 0..3 {
            appliance
                .process()?
                .qmp
                .borrow_mut()
                .event("RESET", Duration::from_mins(3))?;
        }
        appliance.wait_for_login()?;
        let status = appliance.varde("update status")?;
        assert_eq!(status["version"], first.as_str(), "{status:#}");
        assert_eq!(status["outcomes"][0]["kept"], false, "{status:#}");
        assert_eq!(status["unread"], true, "{status:#}");
        assert_eq!(status["quarantined"][0], next.as_str(), "{status:#}");
        // Not again by itself.
        assert!(refused(&appliance, "")?.contains("quarantine"));
        appliance.log_in(ADMIN)?;
        appliance.dialogue(&[
            WaitFor("ble tatt tilbake"),
            WaitFor("på tre forsøk"),
            Send("U"),
            WaitFor("Merk som lest"),
            Send("<down><enter>"),
            Within(20),
            WaitFor("Merket som lest"),
        ])?;
        assert_eq!(appliance.varde("update status")?["unread"], false);
        Ok(())
    });
}
#[test]
fn a_version_on_which_a_machine_does_not_come_up_goes_back_and_names_it() {
    scenario(|scenario| {
        let autostart =
            |site: String| site.replacen("name = \"liten\"\n", "name = \"liten\"\nautostart = true\n", 1);
        let Bench {
            appliance,
            release,
            next,
            first,
            ..
        } = bench(scenario, autostart)?;
        appliance.put_stick(&release)?;
        appliance.sh("varde vm start liten --why prøve --wait 300")?;
        appliance.sh("varde update install --why prøve")?;
        // What a version that does not get along with the machine's disk would do.
        appliance.sh("varde vm kill liten --why prøve && mv /var/lib/varde/vm/liten/chain.json /var/lib/varde/chain.json && echo '{' > /var/lib/varde/vm/liten/chain.json")?;
        restart(&appliance)?;
        // The new version judges itself, and restarts.
        appliance
            .process()?
            .qmp
            .borrow_mut()
            .event("RESET", Duration::from_mins(6))?;
        appliance.wait_for_login()?;
        let status = appliance.varde("update status")?;
        assert_eq!(status["version"], first.as_str(), "{status:#}");
        let outcome = &status["outcomes"][0];
        assert_eq!(outcome["kept"], false, "{status:#}");
        assert_eq!(
            outcome["cause"]["en"], "the machine liten is not up",
            "{status:#}"
        );
        assert!(
            outcome["excerpt"]
                .as_array()
                .is_some_and(|lines| !lines.is_empty()),
            "{status:#}"
        );
        assert_eq!(status["quarantined"][0], next.as_str(), "{status:#}");
        assert!(!entries(&appliance)?.contains(&format!("varde_{next}.efi")));
        appliance.sh("varde audit verify").map(drop)
    });
}

/// A web server outside, gone with this.
struct WebServer(std::process::Child);

impl WebServer {
    fn of(outside: &Outside, folder: &Path, certificate: &Path, key: &Path) -> Self {
        let mut server = Command::new("setpriv");
        server.args([
            "--pdeathsig",
            "KILL",
            "--",
            "openssl",
            "s_server",
            "-quiet",
            "-WWW",
        ]);
        server
            .args(["-accept", "8443", "-cert"])
            .arg(certificate)
            .arg("-key")
            .arg(key);
        server.current_dir(folder);
        let mut server = outside.enter(&server);
        server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(server.spawn().expect("openssl is installed for the tests"))
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // Refused only by one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(arguments: &str) {
    let made = Command::new("openssl")
        .args(arguments.split(' '))
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_version_is_fetched_from_the_sites_source_and_written_and_a_server_that_is_not_the_sites_is_refused() {
    scenario(|scenario| {
        let outside = scenario.outside(&[])?;
        let Bench {
            appliance,
            release,
            next,
            ..
        } = bench_on(
            scenario,
            |site| site,
            |scenario, shape| scenario.restored_in(&outside, shape),
        )?;
        // As a site's web server has it: the newest version's name, and a folder of that name.
        let web = appliance.scratch().join("web");
        fs::create_dir_all(web.join("varde")).expect("a folder of the scenario's own");
        fs::write(web.join("varde/current"), format!("{next}\n")).expect("just made");
        fs::rename(&release, web.join("varde").join(&next)).expect("on one file system");
        let path = |name: &str| appliance.scratch().join(name);
        for name in ["ours", "theirs"] {
            let (key, certificate) = (path(&format!("{name}.key")), path(&format!("{name}.crt")));
            openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=kilde \
                 -addext subjectAltName=IP:10.0.2.2 -addext basicConstraints=critical,CA:FALSE -keyout {} -out {}",
                key.display(),
                certificate.display()
            ));
        }
        let authority = fs::read_to_string(path("ours.crt")).expect("just made");
        let site = appliance.sh("varde site show")?.replace(
            "settle = \"1 min\"\n",
            &format!(
                "settle = \"1 min\"\nsource = \"https://10.0.2.2:8443/varde\"\nca = '''\n{authority}'''\n"
            ),
        );
        appliance.write("/run/site.toml", &site)?;
        appliance.sh("varde site apply /run/site.toml --why kilde")?;
        // A machine that was taken from a snapshot is behind, and a certificate of today is not valid for it.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        appliance.sh(&format!("date -s @{}", now.expect("after 1970").as_secs() + 1))?;
        let fetch = "varde --lang en update fetch --why prøve";

        let said = appliance.run(fetch)?;
        assert!(
            said.code == 1 && said.text.contains("not on port 8443"),
            "{}",
            said.text
        );
        let server = WebServer::of(&outside, &web, &path("theirs.crt"), &path("theirs.key"));
        appliance.until(
            &format!("{fetch} 2>&1 | grep 'not signed by'"),
            Duration::from_mins(1),
        )?;
        drop(server);
        let _server = WebServer::of(&outside, &web, &path("ours.crt"), &path("ours.key"));
        appliance.until(
            &format!("{fetch} 2>&1 | grep 'is fetched'"),
            Duration::from_mins(4),
        )?;
        assert_eq!(text(&appliance, "fetched")?, next);
        assert_eq!(appliance.sh("systemctl --failed --no-legend --plain")?, "");

        // Whoever has the downloader has no version in: root looks for itself.
        let list = format!("/var/lib/varde/download/release/{LIST}");
        appliance.sh(&format!(
            "cp -a {list} /run/list && sed -i 's/{next}/9.9.9/' {list}"
        ))?;
        assert!(refused(&appliance, "--from source")?.contains("not signed by any of the keys"));
        appliance.sh(&format!("cp -a /run/list {list}"))?;
        appliance.sh("varde update install --from source --why prøve")?;
        assert_eq!(text(&appliance, "pending")?, next);
        appliance.sh("varde audit verify").map(drop)
    });
}

/// States that are judged at most, and of those how many on their data partition too.
const STATES: usize = 60;
const LEDGERS: usize = 12;

#[test]
fn a_power_cut_at_any_write_of_an_update_leaves_a_disk_that_starts_the_old_or_the_new_version() {
    scenario(|scenario| {
        let Bench {
            appliance,
            release,
            next,
            ..
        } = bench_on(scenario, |site| site, Scenario::restored_with_log)?;
        appliance.put_stick(&release)?;
        appliance.sh("sync")?;
        let begun = cut::entries(&appliance.write_log())?;
        appliance.sh("varde update install --why prøve")?;
        let done = cut::entries(&appliance.write_log())?;
        appliance.sh("sync")?;
        appliance.cut_power()?;

        let log = fs::File::open(appliance.write_log()).expect("QEMU wrote it");
        let requests = cut::read_log(std::io::BufReader::new(log))?;
        let place = |entries: u64| usize::try_from(entries).expect("fewer than bytes in memory");
        let (begun, done) = (place(begun), place(done));
        let toolbox = &appliance.build().toolbox;
        let frozen = appliance.disk_before().expect("it was restored from a snapshot");
        let whole = appliance.scratch().join("whole.raw");
        let mut disk = Disk::extract(toolbox, &frozen, &whole)?;
        let before = slots::start(&disk)?;
        let all = slots::partitions(&disk)?;
        let data = all
            .iter()
            .find(|one| one.name == "varde-data")
            .expect("it has one");
        let data = FileSystem::extract(
            toolbox,
            &frozen,
            data.start,
            data.length,
            &appliance.scratch().join("data.raw"),
        )?;

        // Nothing is ever written where the version that runs lies.
        for part in [&before.root, &before.verity] {
            let touching = requests.iter().find(|one| one.touches(part));
            assert!(touching.is_none(), "something is written in {part:?}");
        }

        // The cuts come in the order of time, so that what is safe need not be done again for each.
        let states = cut::states(&requests, begun, done, STATES);
        let mut flushed = 0;
        let mut counts = [0, 0];
        let mut last = before.clone();
        let each = states.len().div_ceil(LEDGERS);
        let sample = cut::sample(states.len());
        for (number, (asked, lost)) in states.iter().enumerate() {
            let cut = format!("cut after request {asked}, lost {lost:?}");
            let safe = requests[..*asked]
                .iter()
                .rposition(|one| *one == Request::Flush)
                .map_or(0, |at| at + 1);
            for request in &requests[flushed..safe.max(flushed)] {
                disk.apply(request);
            }
            flushed = flushed.max(safe);
            let mut state = disk.clone();
            let open = cut::survivors(&requests, *asked, *lost);
            for request in open.into_iter().skip(safe) {
                state.apply(request);
            }
            let start = slots::start(&state).unwrap_or_else(|error| panic!("{cut}: {error}"));
            let new = start.entry.starts_with(&format!("varde_{next}"));
            if new {
                slots::intact(&release, &start, &mut state).unwrap_or_else(|why| panic!("{cut}: {why}"));
            } else {
                assert_eq!(start, before, "{cut}");
            }
            counts[usize::from(new)] += 1;
            if number % each == 0 {
                ledger(&appliance, &data, &cut::survivors(&requests, *asked, *lost), new)
                    .unwrap_or_else(|error| panic!("{cut}: {error}"));
            }
            if number == sample {
                state.write_to(&whole)?;
                last = start;
            }
        }
        scenario.report(&format!(
            "{} requests of one update, {} states judged: {} start the old version, {} the new one, none neither; \
             state {sample} is started",
            done - begun,
            states.len(),
            counts[0],
            counts[1],
        ));
        assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");

        // One of them is really started.
        appliance.replace_disk(&whole)?;
        appliance.power_on()?;
        appliance.wait_for_login()?;
        let version = text(&appliance, "version")?;
        assert!(
            last.entry.starts_with(&format!("varde_{version}")),
            "{version} runs, not {}",
            last.entry
        );
        appliance.sh("varde audit verify").map(drop)
    });
}

/// The ledger is there and can be read, or has not begun; and says of a version that is started that it is pending.
fn ledger(appliance: &Appliance, data: &FileSystem, requests: &[&Request], new: bool) -> Result<()> {
    let dump = appliance.scratch().join("judged");
    data.after(requests, "/lib/varde/update", &dump)?;
    let text = fs::read_to_string(dump.join("update/ledger.json"));
    let pending = text.ok().map(|text| {
        let ledger: serde_json::Value = serde_json::from_str(&text).expect("it is whole or not there");
        ledger["pending"]["to"].is_string()
    });
    assert!(
        !new || pending == Some(true),
        "a version is started of which the ledger says nothing"
    );
    fs::remove_dir_all(&dump).expect("it was just made");
    Ok(())
}

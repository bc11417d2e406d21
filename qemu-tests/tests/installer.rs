//! The installer, from the medium on: by answers and by keys, on an empty disk and on one with data, with the power cut.

use std::fs;
use std::rc::Rc;
use std::time::Duration;

use varde_machine::Drive;
use varde_machine::release::Parts;
use varde_qemu_tests::Step::{Send, WaitFor, WaitForRaw, Within};
use varde_qemu_tests::cut::{self, Request};
use varde_qemu_tests::slots::{self, Disk};
use varde_qemu_tests::{ADMIN, Appliance, Result, Scenario, Shape, scenario};

/// The medium's boot, and what it writes.
const INSTALLED: Duration = Duration::from_mins(10);
const ANSWERS: &str = "version = 1\nlanguage = \"nb\"\n[disk]\nbus = \"virtio\"\nat_least = \"12 GiB\"\n";

/// A blade with a place for a stick; the machine's first site comes from the installer.
fn blade(scenario: &Scenario, drive: Drive) -> Result<Rc<Appliance>> {
    let shape = Shape {
        site: None,
        media: false,
        stick: true,
        ..Shape::default()
    };
    scenario.blank(shape, drive)
}

/// Puts in a stick with answers and perhaps a site.
fn answer(appliance: &Appliance, answers: &str, site: Option<&str>) -> Result<()> {
    let folder = appliance.scratch().join("answers");
    fs::create_dir_all(&folder).expect("a folder of the scenario's own");
    fs::write(folder.join("install.toml"), answers).expect("a folder of the scenario's own");
    if let Some(site) = site {
        fs::write(folder.join("site.toml"), site).expect("a folder of the scenario's own");
    }
    appliance.put_stick(&folder)
}

fn installs(appliance: &Appliance) -> Result<()> {
    appliance.dialogue(&[Within(INSTALLED.as_secs()), WaitForRaw("Ferdig.")])?;
    appliance.wait_powered_off(INSTALLED)?;
    appliance.take_medium_out();
    Ok(())
}

/// Whether it is what the answers say, when it was started from its own disk.
fn is_installed(appliance: &Appliance, name: &str) -> Result<()> {
    appliance.wait_for_login()?;
    let site = appliance.varde("site show")?;
    assert!(site.to_string().contains(name), "{site:#}");
    appliance.sh("test ! -e /var/lib/varde/site/first.toml")?;
    // Its kernel image has come up: its tries are taken away, as after any update.
    appliance.until("systemctl is-active systemd-bless-boot", Duration::from_mins(1))?;
    appliance.sh("systemctl start boot.mount; ls /boot/EFI/Linux | grep -x 'varde_[0-9.]*.efi'")?;
    appliance.sh("varde audit verify").map(drop)
}

#[test]
fn a_blade_is_installed_from_a_cd_by_the_answers_on_a_stick() {
    scenario(|scenario| {
        let appliance = blade(scenario, Drive::Cd)?;
        let site = Shape::default().site;
        // The disk may be erased: that is for what was on it before.
        let answers = format!("{ANSWERS}erase = \"varde-disk\"\n");
        answer(&appliance, &answers, site.as_deref())?;
        appliance.power_on()?;
        installs(&appliance)?;
        appliance.power_on()?;
        is_installed(&appliance, "varde-test")?;
        appliance.log_in(ADMIN)?;
        appliance.dialogue(&[WaitFor("fra installasjonen")])?;

        // Medium and stick were left in, and the blade starts from the medium: what is there now is kept.
        appliance.sh("echo data > /var/lib/varde/kept && sync")?;
        appliance.cut_power()?;
        appliance.put_medium_first(Drive::Cd);
        appliance.power_on()?;
        appliance.dialogue(&[
            Within(INSTALLED.as_secs()),
            WaitForRaw("er installert med disse svarene"),
            WaitForRaw("Enter: installer herfra"),
        ])?;
        appliance.cut_power()?;
        appliance.take_medium_out();
        appliance.power_on()?;
        appliance.wait_for_login()?;
        let kept = appliance.sh("cat /var/lib/varde/kept")?;
        assert_eq!(kept.trim(), "data");
        Ok(())
    });
}

#[test]
fn a_disk_with_data_is_refused_by_answers_and_taken_by_keys_when_part_of_its_name_is_typed() {
    scenario(|scenario| {
        let appliance = blade(scenario, Drive::UsbStick)?;
        let old = appliance.scratch().join("old.raw");
        let size = Shape::default().disk;
        fs::File::create(&old)
            .and_then(|file| file.set_len(size))
            .expect("a file of the scenario's own");
        let mut mkfs = appliance.build().toolbox.command("mkfs.ext4");
        let made = mkfs.args(["-q", "-F", "-L", "journal"]).arg(&old).status();
        assert!(made.expect("the toolbox has it").success());
        appliance.replace_disk(&old)?;
        answer(&appliance, ANSWERS, None)?;
        appliance.power_on()?;
        let (name, password) = ("kari", "et langt passord");
        appliance.dialogue(&[
            Within(INSTALLED.as_secs()),
            WaitForRaw("er ikke tom (ext4 journal)"),
            WaitForRaw("Enter: installer herfra"),
            Send("<enter>"),
            WaitFor("1 norsk   2 English"),
            Send("<enter>"),
            WaitFor("IKKE TOM: ext4 journal"),
            WaitFor("Nummeret på disken [1]"),
            Send("<enter>"),
            WaitFor("Anleggets navn"),
            Send("Skien by<enter>"),
            WaitForRaw("linje"),
            Send("skien<enter>"),
            WaitFor("Fylke, eller flere"),
            Send("Telemark<enter>"),
            WaitFor("Nettkort, 0 for ingen [1]"),
            Send("<enter>"),
            WaitFor("[dhcp]"),
            Send("<enter>"),
            WaitFor("Kontoen til administratoren"),
            Send(&format!("{name}<enter>")),
            WaitFor("Passord, minst 12 tegn"),
            Send(&format!("{password}<enter>")),
            WaitFor("en gang til"),
            Send(&format!("{password}<enter>")),
            WaitFor("ALT PÅ DISKEN GÅR TAPT"),
            Send("ja<enter>"),
            WaitFor("navngir ikke denne disken alene"),
            Send("varde-disk<enter>"),
            WaitFor("Ferdig."),
        ])?;
        let screen = appliance.screen()?.text();
        assert!(!screen.contains(password), "{screen}");
        appliance.mark()?;
        // The disk comes before the medium.
        appliance.send("<enter>")?;
        let process = appliance.process()?;
        process.qmp.borrow_mut().event("RESET", Duration::from_mins(3))?;
        is_installed(&appliance, "skien")?;
        appliance.log_in((name, password))?;
        appliance.dialogue(&[WaitFor("fra installasjonen")])?;
        let zone = appliance.varde("site show")?.to_string();
        assert!(zone.contains("uplink") && zone.contains("dhcp"), "{zone}");
        Ok(())
    });
}

/// States that are judged at most.
const STATES: usize = 60;

#[test]
fn a_power_cut_at_any_write_of_an_installation_leaves_a_disk_that_does_not_start_or_starts_whole() {
    scenario(|scenario| {
        let appliance = blade(scenario, Drive::Cd)?;
        let site = Shape::default().site;
        answer(&appliance, ANSWERS, site.as_deref())?;
        let blank = appliance.scratch().join("blank.raw");
        let mut disk = Disk::blank(&blank, Shape::default().disk)?;
        appliance.power_on_with_log()?;
        appliance.dialogue(&[Within(INSTALLED.as_secs()), WaitForRaw("Ferdig.")])?;
        appliance.wait_powered_off(INSTALLED)?;
        let log = fs::File::open(appliance.write_log()).expect("QEMU wrote it");
        let requests = cut::read_log(std::io::BufReader::new(log))?;

        let release = appliance.scratch().join("release");
        fs::create_dir(&release).expect("a folder of the scenario's own");
        let image = appliance.build().image.with_file_name("");
        Parts::of(&image, "0.0.0").write(&release)?;
        let states = cut::states(&requests, 0, requests.len(), STATES);
        let sample = cut::sample(states.len());
        let mut flushed = 0;
        let mut counts = [0, 0];
        let mut sampled = false;
        let mut loaders = Vec::new();
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
            for request in cut::survivors(&requests, *asked, *lost).into_iter().skip(safe) {
                state.apply(request);
            }
            let loader = slots::loader(&state);
            counts[usize::from(loader.is_some())] += 1;
            if let Some(loader) = &loader {
                let start = slots::start(&state).unwrap_or_else(|error| panic!("{cut}: {error}"));
                // What was copied and read again is not written any more, so that it need be read only once at the end.
                for part in [&start.root, &start.verity] {
                    assert!(
                        !requests[safe..].iter().any(|one| one.touches(part)),
                        "{cut}: {part:?}"
                    );
                }
                loaders.push((loader.clone(), start));
            }
            if number == sample {
                state.write_to(&blank)?;
                sampled = loader.is_some();
            }
        }
        scenario.report(&format!(
            "{} requests of one installation, {} states judged: {} do not start, {} start whole, none neither; \
             state {sample} is gone on from",
            requests.len(),
            states.len(),
            counts[0],
            counts[1],
        ));
        assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
        loaders.dedup();
        let [(_, start)] = &loaders[..] else {
            panic!("a boot loader or a kernel image that is not whole is started");
        };
        for request in &requests[flushed..] {
            disk.apply(request);
        }
        slots::intact(&release, start, &mut disk).unwrap_or_else(|why| panic!("{why}"));

        // One of them is really gone on from: from the disk if that starts, else from the medium.
        appliance.replace_disk(&blank)?;
        appliance.power_on()?;
        if !sampled {
            installs(&appliance)?;
            appliance.power_on()?;
        }
        is_installed(&appliance, "varde-test")
    });
}

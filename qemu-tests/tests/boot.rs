//! Power on, first boot, restart: the appliance as a machine.

use std::time::{Duration, Instant};

use serde_json::json;
use varde_qemu_tests::Step::{WaitForMatch, Within};
use varde_qemu_tests::{Appliance, OPERATOR, Result, Shape, scenario};

#[test]
fn two_machines_of_one_image_are_two_and_each_stays_itself_over_a_kernel_panic() {
    scenario(|scenario| {
        let other = scenario.appliance()?;
        let other_id = other.sh("cat /etc/machine-id")?;
        scenario.discard(other);

        let appliance = scenario.fresh(Shape::default())?;
        appliance.wait_for_login()?;
        let id = appliance.sh("cat /etc/machine-id")?;
        assert_eq!(id.trim().len(), 32, "{id}");
        assert_ne!(id, other_id, "two machines of one image have one ID");
        // The image is 5 GiB, the disk 16: the data partition has what is left.
        let data = appliance.sh("df -B1 --output=size /var | tail -n 1")?;
        let data: u64 = data.trim().parse().expect("df prints a number");
        assert!(data > 8 << 30, "the data partition has {data} bytes");
        appliance.sh("echo still here > /var/lib/varde/before-the-panic && sync")?;

        appliance.mark()?;
        let process = appliance.process()?;
        process.shell.start("echo c > /proc/sysrq-trigger");
        process.qmp.borrow_mut().event("RESET", Duration::from_mins(2))?;
        appliance.wait_for_login()?;
        assert_eq!(
            appliance.sh("cat /etc/machine-id")?,
            id,
            "the machine ID after a restart"
        );
        assert_eq!(
            appliance.sh("cat /var/lib/varde/before-the-panic")?,
            "still here\n"
        );
        appliance.log_in(OPERATOR)?;
        appliance.dialogue(&[Within(60), WaitForMatch("Oversikt")])
    });
}

/// The kernel image, which firmware reads; after it come the root's partitions.
fn kernel_size(appliance: &Appliance) -> Result<u64> {
    let size = appliance.sh("systemctl start boot.mount && stat -c %s /boot/EFI/Linux/*.efi")?;
    Ok(size.trim().parse().expect("stat prints a number"))
}

#[test]
fn a_machine_that_hangs_before_its_root_is_entered_is_started_again_by_its_watchdog() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        let kernel = kernel_size(&appliance)?;
        let process = appliance.process()?;
        let mut qmp = process.qmp.borrow_mut();
        let before = qmp.bytes_read("disk")?;
        qmp.execute("system_reset", &json!({}))?;
        qmp.event("RESET", Duration::from_secs(30))?;
        // Firmware has read the kernel image, and nothing more is read while the kernel unpacks itself, which takes
        // seconds: now the disk stops answering.
        let end = Instant::now() + Duration::from_mins(3);
        let (mut read, mut since) = (before, Instant::now());
        while read < before + kernel || since.elapsed() < Duration::from_secs(1) {
            assert!(Instant::now() < end, "firmware has not read the kernel image");
            let now = qmp.bytes_read("disk")?;
            if now != read {
                (read, since) = (now, Instant::now());
            }
        }
        qmp.throttle("disk", 1)?;
        qmp.event("WATCHDOG", Duration::from_mins(5))?;
        // What comes after a reset is the same as after a kernel's panic, above.
        qmp.event("RESET", Duration::from_mins(1)).map(drop)
    });
}

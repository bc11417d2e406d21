//! Power on, first boot, restart: the appliance as a machine.

use std::time::Duration;

use varde_qemu_tests::Step::{WaitForMatch, Within};
use varde_qemu_tests::{OPERATOR, Shape, scenario};

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

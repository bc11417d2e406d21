//! Power on, first boot, restart: the appliance as a machine.

use varde_qemu_tests::scenario;

#[test]
fn a_restored_appliance_stands_at_its_login_prompt() {
    scenario(|scenario| {
        let appliance = scenario.appliance()?;
        let id = appliance.sh("cat /etc/machine-id")?;
        assert_eq!(id.trim().len(), 32, "{id}");
        Ok(())
    });
}

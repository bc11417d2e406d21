//! End-to-end tests of the appliance in QEMU.

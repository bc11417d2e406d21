//! The QEMU machine that the appliance runs in when developed and tested.

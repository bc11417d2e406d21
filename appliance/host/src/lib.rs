//! The appliance itself: load, memory, disk, journal, power.

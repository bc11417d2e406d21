//! Virtual machines: one unit each, reconciled with the active generation.

//! The console: the operators' login shell on a serial line.

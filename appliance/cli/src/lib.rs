//! The varde command.

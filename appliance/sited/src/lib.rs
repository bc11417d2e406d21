//! Keeps the generations of the site, and renders the active one for the system.

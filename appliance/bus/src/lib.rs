//! All that a client of the services needs to know: interfaces, roles, types, actions.

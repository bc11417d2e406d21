//! `[ssh]`: the console from elsewhere.

use std::net::SocketAddrV4;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// 0.0.0.0: every address that the appliance has.
    pub listen: SocketAddrV4,
}

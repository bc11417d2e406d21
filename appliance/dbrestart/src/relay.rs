//! A gate for servers whose protocol Varde does not know: it passes bytes on, or holds them.
//!
//! All that can be seen of such a server is who speaks. A client that has said something waits for an answer until the
//! server says something; in between it is at rest. While the gate holds, new clients are taken in and not passed on,
//! and a client at rest that begins to speak is not heard; a request that is under way is, so that it comes to its end.
//! When all are at rest the gate is *drained*, and then the server may go.
//!
//! That is also its limit ([`limit`]): a session that is inside cannot be carried over to the server that comes next,
//! because nobody here knows what it had told the old one, unless neither has said anything yet. It is cut, and its program has to connect again. A
//! transaction between two of its statements is at rest, and not seen.
//!
//! [`turns`] is who speaks, [`serve`] moves the bytes, [`control`] is how the gate is driven, and [`rig`] restarts a
//! server behind it.

pub mod control;
pub mod rig;
pub mod serve;
pub mod turns;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use varde_bus::Text;

/// What a relay is told when it starts; times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Where clients come.
    pub listen: SocketAddr,
    pub server: SocketAddr,
    /// The Unix socket at which it is driven.
    pub control: PathBuf,
    /// The Unix account, by its number, that may drive it.
    pub admin: u32,
    /// The longest that clients are held, whoever forgets them.
    pub held_most: u64,
}

/// What operators have to know of a restart behind a gate like this.
pub fn limit() -> Text {
    Text::new(
        "Varde kjenner ikke protokollen til denne tjeneren. Nye tilkoblinger holdes under en omstart, men økter som alt \
         er inne, brytes når ingen forespørsel er ute, også om de står midt i en transaksjon. Programmene må koble til \
         igjen selv",
        "Varde does not know the protocol of this server. New connections are held during a restart, but sessions that \
         are inside already are cut once no request is out, even in the middle of a transaction. Programs have to \
         connect again by themselves",
    )
}

//! The portal: people log in with a browser, and their desktops come to it.
//!
//! It holds no secret but its TLS key, has nothing on disk, and may speak to one service alone, by
//! [`varde_bus::door`]. [`listener`] takes connections and says how many, [`http`] says what is where and what every
//! answer carries, [`api`] hands requests on to the door, [`relay`] carries a screen between a WebSocket and the desktop,
//! and [`rfb`] looks at what the browser says on it.

pub mod api;
pub mod assets;
pub mod http;
pub mod limits;
pub mod listener;
pub mod relay;
pub mod rfb;
pub mod screens;
pub mod tls;

//! The exchange as its legs see it.
#![allow(clippy::unwrap_used, reason = "the helpers of a test may")]
#![allow(
    clippy::similar_names,
    reason = "caller and called are the words of telephony"
)]

mod calls;
mod emergency;
mod protection;
mod rig;
mod routing;
mod walk;

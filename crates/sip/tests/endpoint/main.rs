//! The endpoint from outside, in virtual time: two of them over a bad network, or one against hand-written messages.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail loudly"
)]

mod calls;
mod dialogs;
mod digest;
mod limits;
mod modify;
mod mutation;
mod outside;
mod prack;
mod privacy;
mod races;
mod refresh;
mod refusals;
mod registered;
mod storm;
mod transports;
mod world;

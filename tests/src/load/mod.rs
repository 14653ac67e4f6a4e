//! A load generator that is a stranger to our stack: raw SIP text and plain sockets of its own, one thread, one clock.
//!
//! It never uses our `sip` or `media` crates, so that a mistake both ends would share cannot hide. [`field`] is the
//! playing field with every telephone on it, walked once per millisecond; [`bench`], [`soak`] and [`flood`] are the games.

pub(crate) mod audio;
pub(crate) mod bench;
pub(crate) mod book;
pub(crate) mod caller;
pub(crate) mod doctor;
pub(crate) mod field;
pub(crate) mod flood;
pub(crate) mod floor;
pub(crate) mod sealing;
pub(crate) mod server;
pub(crate) mod soak;
pub(crate) mod spread;
pub(crate) mod text;
pub(crate) mod wire;

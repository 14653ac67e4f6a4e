//! What the running engine does on the wire, RFC by RFC: real sockets, raw messages ([`tests::raw`]), nothing of our
//! own SIP or media between the test and the datagram. A test's name is the RFC, the section, and what is kept.
//!
//! One thing to know: [`house::house`] is one engine for all tests of a process that do not disturb each other; what
//! needs other timers, other trunks or a doctor starts an engine of its own.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a stranger to the engine has sockets, a clock, and one lock around the engine it shares"
)]

mod addresses;
mod attacks;
mod house;
mod logs;
mod rfc3261_calling;
mod rfc3261_calls;
mod rfc3261_messages;
mod rfc3261_transactions;
mod rfc3262_reliable;
mod rfc3264_offers;
mod rfc3311_update;
mod rfc3581_rport;
mod rfc3711_srtp;
mod rfc4028_timers;
mod rfc4568_sdes;
mod rfc4733_keys;
mod rfc5246_tls;
mod rfc6026_accepted;
mod rfc6086_info;
mod rfc7118_websocket;
mod rfc7616_proof;
mod torture;

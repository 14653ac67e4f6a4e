//! SIP signalling, sans-IO: bytes and `now` in, outputs out (RFC 3261 and its family; house.md §2, §3).
//!
//! This room never reads a clock, draws a random number, opens a socket or knows what a body means. It is built in layers:
//!
//! * [`message`] turns bytes into messages and back. It is our own lexer: every byte string is survived, every limit is named.
//! * [`digest`] answers and checks 401/407 challenges (RFC 7616).
//! * [`fault`] is the one table from what is wrong to the SIP status that says so.

pub mod digest;
pub mod fault;
pub mod message;

// the other floors of the room: transactions, dialogs, sessions, the endpoint

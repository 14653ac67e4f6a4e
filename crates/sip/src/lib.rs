//! SIP signalling, sans-IO: bytes and `now` in, outputs out (RFC 3261 and its family; house.md §2, §3).
//!
//! This room never reads a clock, draws a random number, opens a socket or knows what a body means. It is built in layers,
//! each a file or a folder:
//!
//! * [`message`] turns bytes into messages and back. It is our own lexer: every byte string is survived, every limit is named.
//! * [`digest`] answers and checks 401/407 challenges (RFC 7616).
//! * [`locate`] finds the addresses behind a name, as questions and answers (RFC 3263), and remembers the dead ones.
//! * [`number`] makes E.164 of telephone numbers and bars the ones that are never dialled; [`identity`] reads who calls, on whose
//!   behalf and who vouches for it.
//! * [`registration`] keeps a REGISTER alive (RFC 3261 §10.2).
//! * [`fault`] is the one table from what is wrong to the SIP status that says so.
//! * `transaction`, `dialog` and `session` are RFC 3261's layers; [`Endpoint`] is the door to all of them. Within a session
//!   stand reliable provisionals (RFC 3262), UPDATE (RFC 3311), session timers (RFC 4028) and INFO (RFC 6086); `outside` holds
//!   the requests that belong to none, a registration's and a health check's.
//!
//! # A session verb
//!
//! One verb is one file under `session/`, with both directions in it: a public method of [`Endpoint`] that works on one session
//! and sends with `send_for`, a `…_received` that `Endpoint::within_dialog` calls, a `…_response` that `response_passed` calls
//! when the answer matters, and a variant of `User` to tell whose transaction it is. `session/info.rs` is the smallest whole one.
//! A method that is served also stands in `ALLOW`, `Endpoint::acceptable` and the tests' `refusals`.
//!
//! # Offers and answers
//!
//! Bodies are opaque here, but who owes whom one is not. Each dialog has a `Talk`: what either side said last, whose offer it
//! was, and the offer of ours or theirs that waits. It travels from an early dialog into the established one, so an UPDATE that
//! is under way when the 2xx comes loses nothing. `By` says where an answer goes: a response, a PRACK or an ACK.
//!
//! # Whom to believe
//!
//! Matching a dialog takes its tags *and* its signalling peer: the address its first message came from or its next hop, on any
//! stream from there; and what was set up over TLS is believed over TLS alone. Whether a source may call at all is decided a
//! floor above, before the message comes here.

pub mod digest;
pub mod fault;
pub mod identity;
pub mod locate;
pub mod message;
pub mod number;
pub mod registration;

mod config;
mod dialog;
mod endpoint;
mod event;
mod outside;
mod session;
mod transaction;
mod transport;

pub use crate::digest::Credentials;
pub use config::{Address, Config, Limits, SessionTimer, Timers};
pub use endpoint::Endpoint;
pub use event::{
    Body, Counts, Draw, Ended, Event, Incoming, Invite, Misuse, OfferId, Output, Provisional, Ready, Refusal, Reliable,
    RequestId, SessionId, Vitals,
};
pub use transport::{Flow, Transmit, Transport};

//! Telephone sockets and the clock: the shell around the switchboard.
//!
//! ```text
//!  sockets ───▶ transport ──▶ ┌───────────────┐ ──▶ transport ──▶ sockets, trace
//!  timers ──────────────────▶ │  signalling   │
//!  ledger ──▶ outcomes ─────▶ │ owns the Desk │ ──▶ journal ──▶ ledger's committer
//!                             └──────┬──▲─────┘
//!                             orders │  │ events        (bounded rings; nobody waits)
//!                             ┌──────▼──┴─────┐
//!  RTP ◀──────────────────▶   │ media threads │ ──▶ taps ──▶ recorder ──▶ vault
//!                             └───────────────┘
//! ```
//!
//! [`serve`] puts it together and gives a [`Running`]. One task owns the desk and everything that is not audio
//! (`signalling`); a few plain threads own all audio ([`plane`]); one thread writes all recordings (`recorder`). None of
//! them waits for another: what is full loses what may be lost (an audio frame, a datagram) and keeps what may not (a
//! digit, a fact, an order, the end of a recording).
//!
//! Recipes. *A new transport*: a variant in `sip::Transport`, an arm in `transport::Transports::{bind, send}` that
//! yields [`transport`]'s `Arrived::Message`. *A new media command*: a variant in the switchboard's door, one in
//! [`plane::Order`], an arm in `signalling::carry_out` and one in the media thread.
#![allow(
    clippy::disallowed_methods,
    reason = "a shell: clock, sockets, threads, files and randomness of the telephone side live here and nowhere below"
)]

mod agreements;
mod config;
pub mod handset;
mod history;
mod journal;
pub mod plane;
mod ports;
mod practices;
mod recorder;
mod records;
pub mod releases;
mod resolver;
mod serve;
mod signalling;
mod trace;
mod transport;
mod watch;

pub use config::{Alarms, Config, Drill, Keys, Media, Service};
pub use plane::give_way;
pub use ports::{Pair, Ports};
pub use practices::{
    Clips, Gap, Loaded, Problem, RECORDED, SHIFT_LIST, Says, Seen, Shelf, Standing, is_lab, practices_in,
};
pub use recorder::Recorder;
pub use resolver::{Names, Resolver};
pub use serve::{Fault, Handle, Running, Snapshot, serve};
pub use signalling::Held;
pub use trace::{Hep, Numbers, Trace, TraceFault, TraceFigures};
pub use transport::{ARRIVALS, FloodLimits, Identity, SYSTEM_ROOTS, StreamLimits, Tls, TlsFault};

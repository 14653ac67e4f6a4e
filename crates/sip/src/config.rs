//! What the shell tells an endpoint once: who we are on each address, how patient we are, how much we hold.

use std::net::SocketAddr;
use std::time::Duration;

use crate::transaction::{Pace, T1, T2, T4};
use crate::transport::Transport;

/// An endpoint's settings.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// How others reach each of our addresses; an address not named here is advertised as it is.
    pub addresses: Vec<Address>,
    /// The Server and User-Agent header; `None` sends neither.
    pub user_agent: Option<String>,
    /// RFC 3261's timers.
    pub timers: Timers,
    /// The most of everything.
    pub limits: Limits,
    /// How often a session must show that it is alive; a call of ours may ask for something else.
    pub session_timer: SessionTimer,
}

/// What we ask and accept of session timers (RFC 4028).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimer {
    /// The Session-Expires we ask for, in seconds. 0 asks for none, and still serves theirs.
    pub expires_s: u32,
    /// The Min-SE we ask for, in seconds; RFC 4028 §5 wants at least 90.
    pub min_se_s: u32,
    /// An interval of theirs below this is answered 422, one below 90 but not below this is tolerated: carriers send 30.
    pub tolerated_s: u32,
}

impl SessionTimer {
    /// Asks for no session timer.
    pub const OFF: Self = Self {
        expires_s: 0,
        min_se_s: 90,
        tolerated_s: 30,
    };
}

impl Default for SessionTimer {
    fn default() -> Self {
        Self {
            expires_s: 1_800,
            ..Self::OFF
        }
    }
}

/// One of our sockets and the name others know it by (Via sent-by and Contact).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// How messages travel to it.
    pub transport: Transport,
    /// The address [`crate::Flow::local`] carries.
    pub local: SocketAddr,
    /// The address written into messages.
    pub advertised: SocketAddr,
}

/// RFC 3261's base timers (appendix A); tests may shorten them all in proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// The round-trip estimate.
    pub t1: Duration,
    /// The longest interval between repetitions.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
    /// How long our own INVITE may ring after its last provisional response before we cancel it (the UAC's answer to
    /// RFC 3261 §16.6's timer C).
    pub ringing: Duration,
    /// How long an incoming INVITE may stay without a final response from the application before we answer 480
    /// ourselves. RFC 3261 §13.3.1.1's one-minute repetition of the provisional is done meanwhile.
    pub unanswered: Duration,
    /// How long the application may think about an offer within a session before it is refused with 500.
    pub offer: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: T1,
            t2: T2,
            t4: T4,
            ringing: Duration::from_secs(180),
            unanswered: Duration::from_secs(180),
            offer: Duration::from_secs(10),
        }
    }
}

impl Timers {
    pub(crate) fn pace(&self, transport: Transport) -> Pace {
        Pace {
            t1: self.t1,
            t2: self.t2,
            t4: self.t4,
            reliable: transport.is_reliable(),
        }
    }
}

/// The most an endpoint holds; beyond it a request is answered 503 without any state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sessions, both roles, those that are still ending included.
    pub sessions_max: usize,
    /// Transactions, all four kinds.
    pub transactions_max: usize,
    /// Requests of ours outside any dialog that wait for their answer.
    pub requests_max: usize,
    /// INVITEs from one address that the application has not answered yet.
    pub pending_per_source_max: usize,
    /// What Retry-After says beside an overload's 503, in seconds.
    pub retry_after_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions_max: 20_000,
            transactions_max: 100_000,
            requests_max: 10_000,
            pending_per_source_max: 2_000,
            retry_after_s: 5,
        }
    }
}

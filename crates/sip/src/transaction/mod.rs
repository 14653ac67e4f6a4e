//! The four transaction machines (RFC 3261 §17, corrected by RFC 6026), each a file with its printed figure.
//!
//! A machine knows neither headers nor addresses: `M` is a message ready to be sent, whatever that is for the user
//! (bytes in the endpoint, a name in the figures). It takes `now`, answers into an [`Outbox`], and says when it next
//! wants to be told the time.

use std::time::Duration;

pub(crate) mod client_invite;
pub(crate) mod client_non_invite;
#[cfg(test)]
mod figure;
pub(crate) mod server_invite;
pub(crate) mod server_non_invite;
pub(crate) mod table;

/// How fast a transaction works: RFC 3261's T1, T2 and T4, and whether its transport repeats lost bytes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) t1: Duration,
    pub(crate) t2: Duration,
    pub(crate) t4: Duration,
    pub(crate) reliable: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            t1: T1,
            t2: T2,
            t4: T4,
            reliable: false,
        }
    }
}

/// RFC 3261 §17.1.1.1: the round-trip estimate.
pub(crate) const T1: Duration = Duration::from_millis(500);
/// RFC 3261 §17.1.2.2: the longest interval between repetitions.
pub(crate) const T2: Duration = Duration::from_secs(4);
/// RFC 3261 §17.1.2.2: how long a message may stay in the network.
pub(crate) const T4: Duration = Duration::from_secs(5);
/// RFC 3261 §17.1.1.2: timer D is at least 32 s on unreliable transports; it follows T1 so that scaled tests scale it.
const TIMER_D_T1S: u32 = 64;

impl Pace {
    pub(crate) fn unreliable(self) -> bool {
        !self.reliable
    }

    /// How long to absorb repeated refusals; `None` on reliable transports, where nothing is repeated.
    pub(crate) fn timer_d(self) -> Option<Duration> {
        self.unreliable().then(|| self.t1 * TIMER_D_T1S)
    }

    /// How long to absorb repeated ACKs.
    pub(crate) fn timer_i(self) -> Option<Duration> {
        self.unreliable().then_some(self.t4)
    }

    /// How long to absorb repeated requests.
    pub(crate) fn timer_j(self) -> Option<Duration> {
        self.unreliable().then(|| self.t1 * 64)
    }

    /// How long to absorb repeated responses.
    pub(crate) fn timer_k(self) -> Option<Duration> {
        self.unreliable().then_some(self.t4)
    }
}

/// What a machine wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act<M> {
    /// Send this.
    Transmit(M),
    /// The message being handled is for the user.
    Pass,
    /// The user is told that nothing answered (RFC 3261 §8.1.3.1: as if a 408 had come).
    TimedOut,
    /// The user is told that the network refused (as if a 503 had come).
    TransportFailed,
}

/// Where a machine puts its acts.
#[derive(Debug)]
pub(crate) struct Outbox<M> {
    acts: Vec<Act<M>>,
}

impl<M> Default for Outbox<M> {
    fn default() -> Self {
        Self { acts: Vec::new() }
    }
}

impl<M> Outbox<M> {
    pub(crate) fn take(self) -> Vec<Act<M>> {
        self.acts
    }

    fn transmit(&mut self, message: M) {
        self.acts.push(Act::Transmit(message));
    }

    fn pass(&mut self) {
        self.acts.push(Act::Pass);
    }

    fn timed_out(&mut self) {
        self.acts.push(Act::TimedOut);
    }

    fn transport_failed(&mut self) {
        self.acts.push(Act::TransportFailed);
    }
}

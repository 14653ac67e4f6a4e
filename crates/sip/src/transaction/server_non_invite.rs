//! Non-INVITE server transaction (RFC 3261 §17.2.2, figure 8).
//!
//! It passes the request on once and answers its repetitions with the response given.

use std::time::Instant;

use super::{Outbox, Pace};

/// The states of figure 8; *Proceeding* is absent because we send no provisional response to a non-INVITE request
/// (RFC 4320 §4.1).
#[derive(Debug, Clone)]
pub(crate) enum ServerNonInvite<M> {
    /// The user has not answered.
    Trying,
    /// The final response left; repetitions of the request get it again.
    Completed { response: M, timer_j: Instant },
    /// Nothing more to do.
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone)]
pub(crate) enum Input<M> {
    /// A repetition of the request.
    Request,
    /// The user answers 200-699.
    Final(M),
    /// The network refused a message of ours.
    TransportFailed,
    /// A deadline may have passed.
    Time,
}

impl<M: Clone> ServerNonInvite<M> {
    /// The request has come and was passed to the user.
    pub(crate) fn start() -> Self {
        Self::Trying
    }

    pub(crate) fn step(self, pace: Pace, now: Instant, input: Input<M>, out: &mut Outbox<M>) -> Self {
        match (self, input) {
            (Self::Trying, Input::Final(response)) => {
                out.transmit(response.clone());
                match pace.timer_j() {
                    Some(wait) => Self::Completed {
                        response,
                        timer_j: now + wait,
                    },
                    None => Self::Terminated,
                }
            }
            (Self::Trying, Input::TransportFailed) => {
                out.transport_failed();
                Self::Terminated
            }
            (Self::Completed { response, timer_j }, Input::Request) => {
                out.transmit(response.clone());
                Self::Completed { response, timer_j }
            }
            (Self::Completed { .. }, Input::TransportFailed) => Self::Terminated,
            (Self::Completed { timer_j, .. }, Input::Time) if now >= timer_j => Self::Terminated,
            // What figure 8 leaves out is absorbed.
            (state, _) => state,
        }
    }

    /// When `Input::Time` is next worth giving.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        match self {
            Self::Completed { timer_j, .. } => Some(*timer_j),
            Self::Trying | Self::Terminated => None,
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        matches!(self, Self::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::{Figure, named};
    use super::*;

    named!(ServerNonInvite {
        Trying,
        Completed,
        Terminated
    });

    fn figure(pace: Pace) -> String {
        let now = Figure::epoch();
        let states = [
            ServerNonInvite::start(),
            ServerNonInvite::Completed {
                response: "200",
                timer_j: now + pace.t1 * 64,
            },
            ServerNonInvite::Terminated,
        ];
        let inputs = [
            ("request", Input::Request),
            ("respond 200", Input::Final("200")),
            ("transport failed", Input::TransportFailed),
        ];
        let mut figure = Figure::new(now);
        figure.start(&name(&states[0]), |_| {});
        for state in &states {
            for (label, input) in &inputs {
                figure.edge(&name(state), label, |out| {
                    let next = state.clone().step(pace, now, input.clone(), out);
                    name(&next)
                });
            }
            figure.times(state.clone(), name, ServerNonInvite::timeout, |state, now, out| {
                state.step(pace, now, Input::Time, out)
            });
        }
        figure.print()
    }

    #[test]
    fn figure_8_over_udp() {
        insta::assert_snapshot!(figure(Pace::default()));
    }

    #[test]
    fn figure_8_over_tcp() {
        insta::assert_snapshot!(figure(Pace {
            reliable: true,
            ..Pace::default()
        }));
    }
}

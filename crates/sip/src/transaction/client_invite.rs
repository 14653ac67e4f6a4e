//! INVITE client transaction (RFC 3261 §17.1.1, figure 5, corrected by RFC 6026 §7.2 and §8.4).
//!
//! It repeats the INVITE until anything at all answers, acknowledges every copy of a refusal by itself, and stays
//! for 64*T1 after the first 2xx so that further 2xx (a fork's, or a repetition) still find the call they belong to.

use std::time::{Duration, Instant};

use super::{Outbox, Pace};

/// The states of figure 5, with RFC 6026's *Accepted*.
#[derive(Debug, Clone)]
pub(crate) enum ClientInvite<M> {
    /// The INVITE is out and nothing has answered.
    Calling {
        request: M,
        timer_a: Option<Instant>,
        interval: Duration,
        timer_b: Instant,
    },
    /// A provisional response came; how long to wait from here is the user's business.
    Proceeding,
    /// A 2xx came; more may.
    Accepted { timer_m: Instant },
    /// A refusal came and was acknowledged; its repetitions get the same ACK.
    Completed { ack: M, timer_d: Instant },
    /// Nothing more to do.
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone)]
pub(crate) enum Input<M> {
    /// A 1xx.
    Provisional,
    /// A 2xx.
    Success,
    /// A final response of 300 or more, and the ACK that answers it.
    Failure { ack: M },
    /// The network refused a message of ours.
    TransportFailed,
    /// The user waits no longer (RFC 3261 §9.1: no answer 64*T1 after our CANCEL).
    Abandon,
    /// A deadline may have passed.
    Time,
}

impl<M: Clone> ClientInvite<M> {
    /// Sends the INVITE.
    pub(crate) fn start(pace: Pace, now: Instant, request: M, out: &mut Outbox<M>) -> Self {
        out.transmit(request.clone());
        let timer_a = pace.unreliable().then(|| now + pace.t1);
        Self::Calling {
            request,
            timer_a,
            interval: pace.t1,
            timer_b: now + pace.t1 * 64,
        }
    }

    pub(crate) fn step(self, pace: Pace, now: Instant, input: Input<M>, out: &mut Outbox<M>) -> Self {
        match (self, input) {
            (Self::Calling { timer_b, .. }, Input::Time) if now >= timer_b => {
                out.timed_out();
                Self::Terminated
            }
            (
                Self::Calling {
                    request,
                    timer_a: Some(timer_a),
                    interval,
                    timer_b,
                },
                Input::Time,
            ) if now >= timer_a => {
                out.transmit(request.clone());
                // Timer A doubles without T2's ceiling (RFC 3261 §17.1.1.2).
                let interval = interval * 2;
                Self::Calling {
                    request,
                    timer_a: Some(now + interval),
                    interval,
                    timer_b,
                }
            }
            (Self::Calling { .. } | Self::Proceeding, Input::Provisional) => {
                out.pass();
                Self::Proceeding
            }
            (Self::Calling { .. } | Self::Proceeding, Input::Success) => {
                out.pass();
                Self::Accepted {
                    timer_m: now + pace.t1 * 64,
                }
            }
            (Self::Calling { .. } | Self::Proceeding, Input::Failure { ack }) => {
                out.transmit(ack.clone());
                out.pass();
                match pace.timer_d() {
                    Some(wait) => Self::Completed {
                        ack,
                        timer_d: now + wait,
                    },
                    None => Self::Terminated,
                }
            }
            (Self::Calling { .. }, Input::TransportFailed) => {
                out.transport_failed();
                Self::Terminated
            }
            (Self::Calling { .. } | Self::Proceeding, Input::Abandon) => Self::Terminated,
            // RFC 6026 §7.2: every 2xx goes to the user, who acknowledges it again.
            (state @ Self::Accepted { .. }, Input::Success) => {
                out.pass();
                state
            }
            (Self::Accepted { timer_m }, Input::Time) if now >= timer_m => Self::Terminated,
            (state @ Self::Completed { .. }, Input::Failure { .. }) => {
                if let Self::Completed { ack, .. } = &state {
                    out.transmit(ack.clone());
                }
                state
            }
            (Self::Completed { timer_d, .. }, Input::Time) if now >= timer_d => Self::Terminated,
            // The ACK could not leave: the refusal has been passed on already, so there is nobody left to tell.
            (Self::Completed { .. }, Input::TransportFailed) => Self::Terminated,
            // What figure 5 leaves out is absorbed.
            (state, _) => state,
        }
    }

    /// When `Input::Time` is next worth giving.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        match self {
            Self::Calling { timer_a, timer_b, .. } => Some(timer_a.map_or(*timer_b, |timer_a| timer_a.min(*timer_b))),
            Self::Accepted { timer_m } => Some(*timer_m),
            Self::Completed { timer_d, .. } => Some(*timer_d),
            Self::Proceeding | Self::Terminated => None,
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

    named!(ClientInvite {
        Calling,
        Proceeding,
        Accepted,
        Completed,
        Terminated
    });

    fn figure(pace: Pace) -> String {
        let now = Figure::epoch();
        let started = ClientInvite::start(pace, now, "INVITE", &mut Outbox::default());
        let states = [
            started,
            ClientInvite::Proceeding,
            ClientInvite::Accepted {
                timer_m: now + pace.t1 * 64,
            },
            ClientInvite::Completed {
                ack: "ACK",
                timer_d: now + Duration::from_secs(32),
            },
            ClientInvite::Terminated,
        ];
        let inputs = [
            ("1xx", Input::Provisional),
            ("2xx", Input::Success),
            ("300-699", Input::Failure { ack: "ACK" }),
            ("transport failed", Input::TransportFailed),
            ("abandon", Input::Abandon),
        ];
        let mut figure = Figure::new(now);
        figure.start(&name(&states[0]), |out| {
            ClientInvite::start(pace, now, "INVITE", out);
        });
        for state in &states {
            for (label, input) in &inputs {
                figure.edge(&name(state), label, |out| {
                    let next = state.clone().step(pace, now, input.clone(), out);
                    name(&next)
                });
            }
            figure.times(state.clone(), name, ClientInvite::timeout, |state, now, out| {
                state.step(pace, now, Input::Time, out)
            });
        }
        figure.print()
    }

    #[test]
    fn figure_5_over_udp() {
        insta::assert_snapshot!(figure(Pace::default()));
    }

    #[test]
    fn figure_5_over_tcp() {
        insta::assert_snapshot!(figure(Pace {
            reliable: true,
            ..Pace::default()
        }));
    }
}

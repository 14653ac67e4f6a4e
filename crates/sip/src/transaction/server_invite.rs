//! INVITE server transaction (RFC 3261 §17.2.1, figure 7, corrected by RFC 6026 §7.1).
//!
//! It answers repetitions of the INVITE with the last response, repeats a refusal until its ACK, and after a 2xx
//! stays for 64*T1 so that a late copy of the INVITE is not taken for a new call. Repeating the 2xx itself is the
//! session's work (RFC 3261 §13.3.1.4): only the session can tell that its ACK came.

use std::time::{Duration, Instant};

use super::{Outbox, Pace};

/// The states of figure 7, with RFC 6026's *Accepted*.
#[derive(Debug, Clone)]
pub(crate) enum ServerInvite<M> {
    /// No final response yet.
    Proceeding { provisional: M },
    /// A 2xx left.
    Accepted { timer_l: Instant },
    /// A refusal left and waits for its ACK.
    Completed {
        response: M,
        timer_g: Option<Instant>,
        interval: Duration,
        timer_h: Instant,
    },
    /// The ACK came; its repetitions are absorbed.
    Confirmed { timer_i: Instant },
    /// Nothing more to do.
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone)]
pub(crate) enum Input<M> {
    /// A repetition of the INVITE.
    Invite,
    /// The user answers 101-199.
    Provisional(M),
    /// The user answers 2xx (the first, or a repetition).
    Success(M),
    /// The user answers 300-699.
    Failure(M),
    /// An ACK of this transaction.
    Ack,
    /// The network refused a message of ours.
    TransportFailed,
    /// A deadline may have passed.
    Time,
}

impl<M: Clone> ServerInvite<M> {
    /// Answers 100 at once: waiting 200 ms for the user (RFC 3261 §17.2.1) would only invite a repetition.
    pub(crate) fn start(trying: M, out: &mut Outbox<M>) -> Self {
        out.transmit(trying.clone());
        Self::Proceeding { provisional: trying }
    }

    pub(crate) fn step(self, pace: Pace, now: Instant, input: Input<M>, out: &mut Outbox<M>) -> Self {
        match (self, input) {
            (Self::Proceeding { provisional }, Input::Invite) => {
                out.transmit(provisional.clone());
                Self::Proceeding { provisional }
            }
            (Self::Proceeding { .. }, Input::Provisional(provisional)) => {
                out.transmit(provisional.clone());
                Self::Proceeding { provisional }
            }
            (Self::Proceeding { .. }, Input::Success(response)) => {
                out.transmit(response);
                // RFC 6026 §7.1: timer L is 64*T1 on every transport.
                Self::Accepted {
                    timer_l: now + pace.t1 * 64,
                }
            }
            (Self::Proceeding { .. }, Input::Failure(response)) => {
                out.transmit(response.clone());
                let timer_g = pace.unreliable().then(|| now + pace.t1);
                Self::Completed {
                    response,
                    timer_g,
                    interval: pace.t1,
                    timer_h: now + pace.t1 * 64,
                }
            }
            (Self::Proceeding { .. }, Input::TransportFailed) => {
                out.transport_failed();
                Self::Terminated
            }
            (state @ Self::Accepted { .. }, Input::Success(response)) => {
                out.transmit(response);
                state
            }
            (state @ Self::Accepted { .. }, Input::Ack) => {
                // Some phones reuse the INVITE's branch for the ACK of a 2xx.
                out.pass();
                state
            }
            (Self::Accepted { timer_l }, Input::Time) if now >= timer_l => Self::Terminated,
            (state @ Self::Completed { .. }, Input::Invite) => {
                if let Self::Completed { response, .. } = &state {
                    out.transmit(response.clone());
                }
                state
            }
            (Self::Completed { .. }, Input::Ack) => match pace.timer_i() {
                Some(wait) => Self::Confirmed { timer_i: now + wait },
                None => Self::Terminated,
            },
            // No ACK in 64*T1: the refusal was ours, so there is no session to tell (RFC 3261 §17.2.1 timer H).
            (Self::Completed { timer_h, .. }, Input::Time) if now >= timer_h => Self::Terminated,
            (
                Self::Completed {
                    response,
                    timer_g: Some(timer_g),
                    interval,
                    timer_h,
                },
                Input::Time,
            ) if now >= timer_g => {
                out.transmit(response.clone());
                let interval = (interval * 2).min(pace.t2);
                Self::Completed {
                    response,
                    timer_g: Some(now + interval),
                    interval,
                    timer_h,
                }
            }
            (Self::Completed { .. }, Input::TransportFailed) => Self::Terminated,
            (Self::Confirmed { timer_i }, Input::Time) if now >= timer_i => Self::Terminated,
            // What figure 7 leaves out is absorbed.
            (state, _) => state,
        }
    }

    /// When `Input::Time` is next worth giving.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        match self {
            Self::Accepted { timer_l } => Some(*timer_l),
            Self::Completed { timer_g, timer_h, .. } => Some(timer_g.map_or(*timer_h, |timer_g| timer_g.min(*timer_h))),
            Self::Confirmed { timer_i } => Some(*timer_i),
            Self::Proceeding { .. } | Self::Terminated => None,
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

    named!(ServerInvite {
        Proceeding,
        Accepted,
        Completed,
        Confirmed,
        Terminated
    });

    fn figure(pace: Pace) -> String {
        let now = Figure::epoch();
        let started = ServerInvite::start("100", &mut Outbox::default());
        let completed = started
            .clone()
            .step(pace, now, Input::Failure("486"), &mut Outbox::default());
        let states = [
            started,
            ServerInvite::Accepted {
                timer_l: now + pace.t1 * 64,
            },
            completed,
            ServerInvite::Confirmed { timer_i: now + pace.t4 },
            ServerInvite::Terminated,
        ];
        let inputs = [
            ("INVITE", Input::Invite),
            ("respond 180", Input::Provisional("180")),
            ("respond 200", Input::Success("200")),
            ("respond 486", Input::Failure("486")),
            ("ACK", Input::Ack),
            ("transport failed", Input::TransportFailed),
        ];
        let mut figure = Figure::new(now);
        figure.start(&name(&states[0]), |out| {
            ServerInvite::start("100", out);
        });
        for state in &states {
            for (label, input) in &inputs {
                figure.edge(&name(state), label, |out| {
                    let next = state.clone().step(pace, now, input.clone(), out);
                    name(&next)
                });
            }
            figure.times(state.clone(), name, ServerInvite::timeout, |state, now, out| {
                state.step(pace, now, Input::Time, out)
            });
        }
        figure.print()
    }

    #[test]
    fn figure_7_over_udp() {
        insta::assert_snapshot!(figure(Pace::default()));
    }

    #[test]
    fn figure_7_over_tcp() {
        insta::assert_snapshot!(figure(Pace {
            reliable: true,
            ..Pace::default()
        }));
    }
}
